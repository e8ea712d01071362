//! What is looked at before a chart gets its tag, on both faces: the package, what is said of it, its signature; and the
//! rules that an operator makes (docs/configuration.md, `policy`).

mod agreement;
mod artifacts;
mod packages;
mod provenance;
mod races;

/// The odd and hostile packages of the reader's own tests, each with its verdict.
#[path = "../../src/chart/archive/corpus.rs"]
mod corpus;
/// Writes archives, malformed ones too.
#[path = "../../src/chart/archive/writer.rs"]
pub mod writer;

use serde_json::json;

use crate::support::http::Response;
use crate::support::registry::{assert_refused, warnings};
use crate::support::release::Release;

/// The chart whose package this is, by the Chart.yaml that archives of `writer` have.
fn chart(package: Vec<u8>) -> Release {
    Release::new(&json!({"apiVersion": "v2", "name": "app", "version": "1.2.3"})).package(package)
}

/// A refusal that names the rule and what to do.
#[track_caller]
fn assert_rule(reply: &Response, rule: &str) {
    assert_refused(reply, 400, &["MANIFEST_INVALID"]);
    let text = reply.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains(rule), "{text} does not say {rule:?}");
    let advice = ["pack it again with", "push the package with", "sign the package again with", "leave out"];
    assert!(advice.iter().any(|advice| text.contains(advice)), "{text} does not say what to do");
}

/// One warning, which says this.
#[track_caller]
fn assert_warned(reply: &Response, says: &str) {
    assert_eq!(reply.status, 201, "{}", reply.text());
    let told = warnings(reply);
    assert!(told.len() == 1 && told[0].contains(says), "{told:?} is not {says:?}");
}
