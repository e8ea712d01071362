//! The classic chart repository: `/<namespace>/index.yaml` and the files below `/<namespace>/charts/`.
//!
//! Charts are pushed over the distribution API, as Helm does, and read here. Every test speaks to the real application
//! over a socket and runs on every backend. Most care for bytes and indexes and push noise as packages; `tests/charts` is
//! about what is packed. What Helm needs of an index: docs/internals/helm.md#the-index.

mod artifact_hub;
mod caching;
mod configs;
mod downloads;
mod entries;
mod fresh;
mod freshness;
mod hostile;
mod index;
mod leading_v;
mod order;
mod paths;
mod ranges;
mod replay;
mod shared_names;
mod values;

use crate::support::http::Response;
use crate::support::registry::assert_status;

/// The names of fields in `Vary` are not case-sensitive (RFC 9110 section 12.5.5).
fn vary(response: &Response) -> Option<String> {
    response.header("vary").map(str::to_lowercase)
}

/// The reply is a refusal as this face gives it: a plain sentence, whatever asked.
#[track_caller]
fn assert_plain(response: &Response, status: u16) {
    assert_status(response, status);
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"), "{}", response.text());
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    let text = response.text();
    assert!(text.trim().len() > 8 && !text.to_lowercase().contains("<html"), "not a sentence: {text:?}");
    assert!(text.is_ascii() && !text.trim_end().contains(char::is_control), "not a line: {text:?}");
}
