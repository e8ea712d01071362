//! Bad input: each case gets a 4xx that names the rule it broke, never a 5xx, never a panic, never much memory.
//!
//! The cases are tables, one file for each part of a request; `every_case_is_refused_by_name` sends them all to
//! each backend, `memory` repeats them in a process of their own and watches the heap.

mod documents;
mod framing;
mod headers;
mod memory;
mod names;
mod panics;
mod paths;
mod random;
mod repository;
mod uploads;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact::{Image, image, index};
use crate::support::http::{Connection, Request, Response};
use crate::support::registry::{ERROR_CODES, location, warnings};
use crate::support::release::Release;

/// One request and what must come back.
struct Case {
    name: String,
    method: String,
    wire: Vec<u8>,
    /// How many bytes it may take to answer it, apart from one mebibyte.
    worth: usize,
    expected: Expected,
}

#[derive(Clone, Copy)]
enum Expected {
    /// One of these statuses, and an error body with one of these codes.
    Refused(&'static [u16], &'static [&'static str]),
    /// Any 4xx with an error body: several rules are broken, or no code of the specification fits.
    Rule,
    /// One of these statuses, and a plain sentence: what a chart repository says.
    Plain(&'static [u16]),
    /// Stored, and a warning that no index lists it.
    Warned,
    /// Not framed as HTTP: any 4xx or a closed connection, and nothing behind it is taken for a request.
    Framing,
    /// Unusual, but no rule is broken: any answer below 500.
    Unusual,
}

impl Case {
    fn new(name: impl Into<String>, request: Request, expected: Expected) -> Self {
        let expected = rule_of_the_target(request.target()).unwrap_or(expected);
        let (method, wire) = (request.method.clone(), request.bytes());
        Self { name: name.into(), method, worth: wire.len(), wire, expected }
    }

    /// A request written out by hand.
    fn raw(name: impl Into<String>, wire: impl Into<Vec<u8>>, expected: Expected) -> Self {
        let wire = wire.into();
        let method = String::from_utf8_lossy(&wire).split(' ').next().unwrap_or_default().to_owned();
        Self { name: name.into(), method, worth: wire.len(), wire, expected }
    }

    /// A request that makes the registry read what was pushed before: it is read, parsed, written and kept.
    fn of_stored(self, bytes: usize) -> Self {
        Self { worth: self.worth + 4 * bytes, ..self }
    }
}

/// Rules that hold for a target as a whole, and so come before those of the names, tags and digests in it.
fn rule_of_the_target(target: &str) -> Option<Expected> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path.len() > 1024 {
        return Some(Expected::Refused(&[414], &["UNSUPPORTED"]));
    }
    if path.starts_with("/v2") && path.contains(['%', '\\']) {
        return Some(Expected::Refused(&[400], &["NAME_INVALID"]));
    }
    query.contains("%00").then_some(Expected::Refused(&[400], &["UNSUPPORTED"]))
}

/// What the registry holds while the cases arrive: an image, an index, an upload of 10 bytes and the blobs of charts.
struct Ground {
    image: Image,
    session: String,
    charts: Vec<(&'static str, Release)>,
}

impl Ground {
    async fn prepare(server: &TestServer) -> Self {
        let image = image("ground");
        server.push_image("team/app", "1.0.0", &image).await;
        server.push_manifest("team/app", "all", &index(&[&image.manifest])).await;
        let session = server.start_upload("team/app").await;
        let session = location(&server.send(Request::patch(session, "ten bytes.")).await);
        let charts = repository::charts();
        for (_, release) in &charts {
            server.push_blobs("team/app", &release.image()).await;
        }
        Self { image, session, charts }
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = names::cases();
        cases.extend(paths::cases());
        cases.extend(headers::cases(self));
        cases.extend(uploads::cases(self));
        cases.extend(documents::cases(self));
        cases.extend(framing::cases(self));
        cases.extend(repository::cases(self));
        cases
    }
}

/// Sends the case; what is wrong with the answer, if anything.
async fn fault(addr: SocketAddr, case: &Case) -> Option<String> {
    let answer = tokio::time::timeout(Duration::from_secs(20), answer(addr, case)).await;
    let wrong = match answer {
        Err(_) => Some("no answer within 20 seconds".to_owned()),
        Ok(Ok(reply)) => judge(case, &reply),
        Ok(Err(error)) => match (case.expected, error.kind()) {
            (Expected::Framing, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => None,
            _ => Some(format!("no answer: {error}")),
        },
    };
    wrong.map(|wrong| format!("{}: {wrong}", case.name))
}

async fn answer(addr: SocketAddr, case: &Case) -> std::io::Result<Response> {
    let mut connection = Connection::open(addr).await?;
    if !matches!(case.expected, Expected::Framing) {
        return connection.exchange(&case.wire, &case.method).await;
    }
    let reply = connection.exchange_last(&case.wire, &case.method).await?;
    // Whatever was smuggled behind the broken request must not be answered.
    match connection.receive("GET").await {
        Ok(second) => Err(std::io::Error::other(format!("a second answer, {}", second.status))),
        Err(_) => Ok(reply),
    }
}

fn judge(case: &Case, reply: &Response) -> Option<String> {
    let seen = format!("{} {}", reply.status, reply.text());
    match case.expected {
        Expected::Unusual => (reply.status >= 500).then_some(seen),
        Expected::Framing => (!(400..500).contains(&reply.status)).then_some(seen),
        Expected::Rule if !(400..500).contains(&reply.status) => Some(seen),
        Expected::Plain(statuses) => {
            let is_plain = reply.header("content-type") == Some("text/plain; charset=utf-8")
                && (case.method == "HEAD" || reply.body.len() > 8);
            (!statuses.contains(&reply.status) || !is_plain).then_some(seen)
        }
        Expected::Warned => (reply.status != 201 || warnings(reply).is_empty()).then_some(seen),
        Expected::Refused(statuses, _) if !statuses.contains(&reply.status) => {
            Some(format!("{seen}, and not one of {statuses:?}"))
        }
        _ if case.method == "HEAD" => None,
        Expected::Rule => named_rule(reply, &ERROR_CODES),
        Expected::Refused(_, codes) => named_rule(reply, codes),
    }
}

/// What is wrong with the error body: it must have one of `codes` and a message.
fn named_rule(reply: &Response, codes: &[&str]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let error = &body["errors"][0];
    let code = error["code"].as_str().unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default();
    let good = codes.contains(&code) && !message.is_empty();
    (!good).then(|| format!("{} {}, and not one of {codes:?} with a message", reply.status, reply.text()))
}

#[tokio::test]
async fn every_case_is_refused_by_name() {
    let panics = panics::count();
    on_every_backend(async |server| {
        let ground = Ground::prepare(&server).await;
        let cases = ground.cases();
        assert!(cases.len() >= 400, "only {} cases", cases.len());
        let mut faults = Vec::new();
        for case in &cases {
            faults.extend(fault(server.addr, case).await);
        }
        assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));

        // None of it harmed what was there.
        let tags = server.get("/v2/team/app/tags/list").await.json();
        assert_eq!(tags["tags"], serde_json::json!(["1.0.0", "all"]));
        assert_eq!(server.get("/v2/_catalog").await.json()["repositories"], serde_json::json!(["team/app"]));
        assert_eq!(server.get(&ground.session).await.header("range"), Some("0-9"));
        assert!(server.index("team").await.entries.is_empty());
    })
    .await;
    assert_eq!(panics::count(), panics, "a server thread panicked");
}

#[test]
fn case_names_are_unique() {
    let (image, session) = (image("ground"), "/v2/team/app/blobs/uploads/x".into());
    let ground = Ground { image, session, charts: repository::charts() };
    let mut names: Vec<_> = ground.cases().into_iter().map(|case| case.name).collect();
    names.sort();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
