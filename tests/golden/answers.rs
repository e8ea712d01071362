//! What a server over the golden store must answer: the table `expected/answers.json`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files;
use crate::support::artifact::sha256;
use crate::support::http::{self, Request, Response};
use crate::support::registry::resolved;

/// The headers that follow from the store alone. The entity tags of indexes and lists do not: they name the renderer.
const HEADERS: [&str; 10] = [
    "content-disposition",
    "content-length",
    "content-range",
    "content-type",
    "docker-content-digest",
    "etag",
    "last-modified",
    "link",
    "oci-filters-applied",
    "warning",
];
/// Longer bodies, and those that are not text, are in the table by their digest.
const MAX_TEXT: usize = 256;
/// How many differences a failed comparison prints.
const MAX_SHOWN: usize = 5;

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    #[serde(flatten)]
    pub asked: Asked,
    #[serde(flatten)]
    pub answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asked {
    pub target: String,
    pub method: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    Text(String),
    Digest(String),
    /// The codes of an error. Its message may be worded differently in another release.
    Codes(Vec<String>),
}

/// A case whose answer is another one.
pub struct Difference {
    pub asked: Asked,
    pub expected: Answer,
    pub found: Answer,
}

impl Asked {
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: "GET".to_owned(), target: target.into(), with: BTreeMap::new() }
    }

    /// The HEAD request that must have the same answer without its body, if there is one: the JSON API and ChartMuseum's
    /// tell too little in headers to be worth it.
    fn head(&self) -> Option<Self> {
        let is_worth_it = !["/api/", "/-/"].iter().any(|api| self.target.starts_with(api));
        (is_worth_it && self.with.is_empty()).then(|| Self { method: "HEAD".to_owned(), ..self.clone() })
    }

    pub fn with(mut self, header: &str, value: &str) -> Self {
        self.with.insert(header.to_owned(), value.to_owned());
        self
    }

    pub async fn send(&self, addr: SocketAddr) -> Response {
        let mut request = Request::new(&self.method, self.target.clone());
        for (name, value) in &self.with {
            request = request.header(name, value.clone());
        }
        let reply = http::send(addr, &request).await;
        reply.unwrap_or_else(|error| panic!("no reply to {} {}: {error}", self.method, self.target))
    }
}

impl Answer {
    /// The answer to `target`. A link is noted as the path that it leads to. Warnings of the code 299 are for people, and may
    /// be more or others in another release.
    pub fn of(target: &str, reply: &Response) -> Self {
        let is_error = reply.status >= 400;
        // The length of an error is that of its message.
        let is_kept = |name: &&&str| !is_error || **name == "content-type";
        let headers = HEADERS.iter().filter(is_kept).filter_map(|name| {
            let mut values = reply.headers_named(name);
            values.retain(|value| *name != "etag" || is_digest(value));
            values.retain(|value| *name != "warning" || !value.starts_with("299 "));
            let values: Vec<String> = values.into_iter().map(|value| absolute(name, target, value)).collect();
            (!values.is_empty()).then(|| ((*name).to_owned(), values.join(", ")))
        });
        let body = match &reply.body {
            body if body.is_empty() => None,
            _ if is_error => Some(Body::Codes(codes(reply))),
            body => Some(match String::from_utf8(body.clone()) {
                Ok(text) if text.len() <= MAX_TEXT => Body::Text(text),
                _ => Body::Digest(sha256(body)),
            }),
        };
        Self { status: reply.status, headers: headers.collect(), body }
    }
}

/// The value of a header; of a link, with its target resolved.
fn absolute(name: &str, target: &str, value: &str) -> String {
    match value.strip_prefix('<').filter(|_| name == "link") {
        Some(reference) => format!("<{}", resolved(target, reference)),
        None => value.to_owned(),
    }
}

/// Whether this is the index of a namespace that nothing was pushed to: who may push there gets an empty one, and the
/// table is of a release that answered 404 to everybody.
fn is_index_of_nothing(asked: &Asked, answer: &Answer) -> bool {
    let is_empty = |text: &str| text.contains(r#""serverInfo":{},"entries":{"#);
    let body = answer.body.as_ref();
    asked.target.ends_with("/index.yaml")
        && matches!(answer.status, 200 | 206)
        && body.is_none_or(|body| matches!(body, Body::Text(text) if is_empty(text)))
}

/// Whether an entity tag is the digest of content, and nothing more.
fn is_digest(tag: &str) -> bool {
    let digest = tag.trim_matches('"').split_once(':').filter(|(algorithm, _)| algorithm.starts_with("sha"));
    digest.is_some_and(|(_, hex)| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The codes of the distribution API; other errors have none.
fn codes(reply: &Response) -> Vec<String> {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().filter_map(|error| error["code"].as_str().map(str::to_owned)).collect()
}

/// The table of the fixture.
pub fn table() -> Vec<Case> {
    serde_json::from_str(&files::expected("answers.json")).expect("a table of answers")
}

/// The table as text, a line for each case.
pub fn written(table: &[Case]) -> String {
    let lines: Vec<String> =
        table.iter().map(|case| serde_json::to_string(case).expect("a case is JSON")).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// Sends every request of the table, those for content also as HEAD; the cases with another answer.
pub async fn differences(addr: SocketAddr) -> Vec<Difference> {
    let mut found = Vec::new();
    for Case { asked, answer: expected } in table() {
        let mut pairs = vec![(asked.clone(), expected.clone())];
        pairs.extend(asked.head().map(|head| (head, Answer { body: None, ..expected })));
        for (asked, expected) in pairs {
            let answer = Answer::of(&asked.target, &asked.send(addr).await);
            let is_fresh = expected.status == 404 && is_index_of_nothing(&asked, &answer);
            if answer != expected && !is_fresh {
                found.push(Difference { asked, expected, found: answer });
            }
        }
    }
    found
}

/// Every answer, and every index, is that of the table.
#[track_caller]
pub fn assert_same(place: &str, differences: &[Difference]) {
    let show = |Difference { asked, expected, found }: &Difference| {
        format!("{asked:?}\n  expected {expected:?}\n  found    {found:?}")
    };
    let shown: Vec<String> = differences.iter().take(MAX_SHOWN).map(show).collect();
    assert!(
        differences.is_empty(),
        "{place}: {} answers differ from the fixture, which is right by definition \
         (docs/internals/storage-format.md#golden-stores):\n{}",
        differences.len(),
        shown.join("\n")
    );
}

/// The indexes of the fixture: the path of the request, and the bytes.
pub fn indexes() -> Vec<(String, Vec<u8>)> {
    let files = files::tree(&files::fixture().join("expected/namespaces"));
    let index = |(name, content): (String, Vec<u8>)| {
        let path = name.strip_suffix("index.yaml")?;
        Some((format!("/{}index.yaml", path.strip_prefix("_root/").unwrap_or(path)), content))
    };
    files.into_iter().filter_map(index).collect()
}

/// Asks for everything that the fixture has an answer for.
pub async fn assert_all(place: &str, addr: SocketAddr) {
    assert_same(place, &differences(addr).await);
    for (path, expected) in indexes() {
        let reply = Asked::get(path.clone()).send(addr).await;
        assert!(reply.status == 200 && reply.body == expected, "{place}: {path} has other bytes");
    }
}
