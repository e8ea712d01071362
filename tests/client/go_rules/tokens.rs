//! Challenges, token replies and media types.

use std::sync::{Arc, Mutex};

use charthouse::client::{Credentials, Host, Options, Registry, Repository, Source, Transport};
use charthouse::clock::SystemClock;
use charthouse::oci::{OCI_MANIFEST, Reference, Tag};
use reqwest::Url;
use serde_json::{Value, json};

use super::ask;
use crate::client::hostile::manifest_of;
use crate::support::hostile_registry::{Hostile, Reply};

/// A registry in this process that answers as `reply` says, and the library's client of it, as `ann`.
fn client_of(registry: &Hostile) -> Registry {
    let transport =
        Transport::new(&Options::default(), Arc::new(SystemClock::default())).expect("a transport");
    let credentials = Credentials::of_password("ann".to_owned(), "abc".to_owned());
    let host = Host::parse(&registry.host()).expect("a host");
    Registry::new(Arc::new(transport), host, true, Source::Given(credentials)).expect("a registry")
}

const REALM: &str = "https://r.example/token";

#[test]
fn challenges_and_tokens_are_read_as_in_oras() {
    let headers = [
        r#"Bearer realm="REALM",service="s",scope="repository:team/app:pull""#,
        r#"Bearer realm="REALM""#,
        r#"bearer realm="REALM" , service = "s""#,
        r#"BEARER   realm	=	"REALM",service=s"#,
        r#"Bearer service="s",realm="REALM""#,
        r#"Bearer realm="REALM?a=b",service="s""#,
        r#"Bearer realm="REALM",service="a b",scope="repository:team/app:pull,push repository:x/y:pull""#,
        r#"Bearer realm="REALM",service="""#,
        r#"Bearer realm="REALM",error="invalid_token",error_description="a, b=c""#,
        r#"Bearer realm="REALM",service="a\"b""#,
        r#"Bearer realm="REALM";service="s""#,
        r#"Bearer realm="REALM" service="s""#,
        r#"Bearer realm="REALM",,service="s""#,
        r#"Bearer realm="REALM",service"#,
        "Bearer",
        "Bearer ",
        "Bearer realm=",
        r#"Bearer realm="REALM"#,
        r#"Basic realm="x""#,
        "basic",
        "BASIC realm=x",
        "Negotiate",
        "",
        r#"Digest realm="x""#,
        "Bearer=x",
    ];
    let replies = [
        r#"{"token":"t"}"#,
        r#"{"access_token":"t"}"#,
        r#"{"token":"o","access_token":"t"}"#,
        r#"{"token":"t","access_token":""}"#,
        r#"{"token":"t","expires_in":"300"}"#,
        r#"{"token":"t","expires_in":300.5}"#,
        r#"{"token":"t","expires_in":[],"issued_at":7}"#,
        r#"{"token":"t"} "#,
        r#"{"token":null,"access_token":"t"}"#,
        r#"{"TOKEN":"t"}"#,
        r#"{"token":"t","token":"u"}"#,
        "{}",
        "[]",
        "",
        r#"{"token":5}"#,
        r#"{"token":""}"#,
        "<html>",
        r#""t""#,
    ];
    let pairs = headers
        .iter()
        .map(|header| (*header, replies[0]))
        .chain(replies.iter().map(|reply| (headers[0], *reply)));
    let crossed =
        headers.iter().take(8).flat_map(|header| replies.iter().map(move |reply| (*header, *reply)));
    let questions: Vec<Value> = pairs
        .chain(crossed)
        .map(|(header, reply)| json!({"kind": "token", "header": header.replace("REALM", REALM), "reply": reply}))
        .collect();
    let Some(answers) = ask(&questions) else { return };
    // What is given to the realm next, and the header of the refusal.
    let now = Arc::new(Mutex::new((String::new(), String::new())));
    let script = Arc::clone(&now);
    let registry = Hostile::start(move |asked, address| {
        let (header, reply) = script.lock().expect("the script").clone();
        if asked.target.starts_with("/token") {
            return Reply::ok("application/json", reply);
        }
        match asked.header("authorization") {
            Some(_) => Reply::ok("application/json", r#"{"tags":[]}"#),
            None => Reply::new(401).header(
                "WWW-Authenticate",
                header.replace("https://r.example", &format!("http://{address}")),
            ),
        }
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let repository = Repository::parse("team/app").expect("a name");
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        let (header, reply) = (question["header"].as_str().unwrap(), question["reply"].as_str().unwrap());
        *now.lock().expect("the script") = (header.to_owned(), reply.to_owned());
        let before = registry.asked().len();
        // Whether it succeeds is seen from what it sends.
        let _ = runtime.block_on(client_of(&registry).tags(&repository));
        let asked = registry.asked().split_off(before);
        let ours = json!({
            "asked": asked.iter().find(|one| one.target.starts_with("/token")).map(|one| query(&format!("https://r.example{}", one.target))),
            "authorization": asked.iter().filter(|one| one.target.starts_with("/v2/")).find_map(|one| one.header("authorization")),
        });
        let go = json!({
            "asked": answer["asked"].as_str().filter(|asked| !asked.is_empty()).map(query),
            "authorization": answer["authorization"].as_str().filter(|text| !text.is_empty()),
        });
        if ours != go && more_liberal(header, reply).is_none() {
            differences.push(format!("{question}: ours {ours}, Go {go}"));
        }
    }
    assert!(questions.len() > 150 && differences.is_empty(), "{}", differences.join("\n"));
}

/// The service that a token is asked for, and whether the challenge's scopes are asked for, which Go's client asks alone.
fn query(url: &str) -> Value {
    let url = Url::parse(url).expect("a URL");
    let mut service: Vec<String> = Vec::new();
    let mut scopes = Vec::new();
    for (name, value) in url.query_pairs() {
        match &*name {
            "service" => service.push(value.into_owned()),
            "scope" => scopes.push(value.into_owned()),
            _ => {}
        }
    }
    let others = scopes.iter().filter(|scope| !scope.starts_with("repository:team/app:")).cloned();
    json!({"path": url.path(), "service": service, "scopes": others.collect::<Vec<_>>()})
}

/// Why this is taken although Go's client does not take it.
fn more_liberal(header: &str, reply: &str) -> Option<&'static str> {
    let odd_form = header.contains(';') || header.contains("\" service") || header.contains(",,");
    let names = reply.contains("TOKEN") || reply.contains("\"u\"");
    match (odd_form, names) {
        (true, _) => Some("parameters that are parted otherwise than by one comma are read"),
        (_, true) => Some("fields in upper case are not read, and a field that comes twice is refused"),
        _ => None,
    }
}

#[test]
fn media_types_of_manifests_are_read_as_in_go() {
    let base = [
        OCI_MANIFEST.to_owned(),
        OCI_MANIFEST.to_uppercase(),
        OCI_MANIFEST.replace("manifest", "Manifest"),
        "application/json".to_owned(),
        "text/plain".to_owned(),
        "x".to_owned(),
    ];
    let forms = ["%", " % ", "%; charset=utf-8", "%;charset=utf-8", "% ; a=b;", "%;", "%,x/y", "%/x"];
    let questions: Vec<Value> = base
        .iter()
        .flat_map(|base| {
            forms.iter().map(move |form| json!({"kind": "media type", "header": form.replace('%', base)}))
        })
        .collect();
    let Some(answers) = ask(&questions) else { return };
    let now = Arc::new(Mutex::new(String::new()));
    let header = Arc::clone(&now);
    let registry = Hostile::start(move |_, _| {
        let (manifest, _) = manifest_of(b"x", 1);
        Reply::ok(&header.lock().expect("the header"), manifest)
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let repository = Repository::parse("team/app").expect("a name");
    let reference = Reference::Tag(Tag::parse("1.0.0").expect("a tag"));
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        *now.lock().expect("the header") = question["header"].as_str().unwrap().to_owned();
        let got = runtime.block_on(client_of(&registry).manifest(&repository, &reference));
        let ours = got.is_ok_and(|stored| stored.media_type.as_str() == OCI_MANIFEST);
        let go = answer["type"] == OCI_MANIFEST;
        if ours != go {
            differences.push(format!("{question}: ours {ours}, Go {answer}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
