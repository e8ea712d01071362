//! Conditional requests (RFC 9110 section 13) and ranges (section 14). The entity tag of content is its digest in
//! quotes, that of an index names its newest commit.

use std::fmt::Display;
use std::ops::Range;

use actix_http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use actix_http::{Method, RequestHead};

use super::error::Failure;
use super::headers::entity_tag;
use crate::oci::{Condition, RangeRequest, is_named};

/// Whether the client has the content that `tag` stands for already, so that a GET is answered 304.
pub(super) fn not_modified(headers: &HeaderMap, tag: impl Display) -> bool {
    headers.contains_key(IF_NONE_MATCH) && is_named(values(headers, IF_NONE_MATCH), &tag.to_string())
}

/// The part that is asked for of `size` bytes that `tag` stands for; `None` for the whole.
pub(super) fn wanted_part(
    head: &RequestHead,
    tag: impl Display,
    size: u64,
) -> Result<Option<Range<u64>>, Failure> {
    let range = head.headers.get(RANGE).and_then(|value| value.to_str().ok());
    let Some(range) = range.filter(|_| head.method == Method::GET) else { return Ok(None) };
    // A range that is bound to another entity tag asks for the whole (section 13.1.5).
    let bound = head.headers.get(IF_RANGE);
    if bound.is_some_and(|bound| bound.as_bytes() != entity_tag(tag).as_bytes()) {
        return Ok(None);
    }
    match RangeRequest::parse(range, size) {
        RangeRequest::Whole => Ok(None),
        RangeRequest::Satisfiable(range) => Ok(Some(range)),
        RangeRequest::Unsatisfiable => Err(Failure::Range { size }),
    }
}

/// What has to hold for a change to be made.
pub(super) fn precondition(headers: &HeaderMap) -> Result<Condition, Failure> {
    Ok(Condition::parse(values(headers, IF_MATCH), values(headers, IF_NONE_MATCH))?)
}

/// The values of all headers `name`; one that is not text is given as what is no list either.
fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use actix_http::header::HeaderValue;

    use super::*;
    use crate::oci::Digest;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn content_that_is_named_is_not_sent_again() {
        let cases = [
            (None, false),
            (Some("*".to_owned()), true),
            (Some(format!("\"{A}\"")), true),
            (Some(format!("W/\"{A}\"")), true),
            (Some("\"another\"".to_owned()), false),
            (Some("no list".to_owned()), false),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = &value {
                headers.insert(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(not_modified(&headers, Digest::parse(A).unwrap()), expected, "{value:?}");
        }
    }

    #[test]
    fn a_precondition_that_is_not_text_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, HeaderValue::from_bytes(b"\"\xff\"").unwrap());
        assert!(precondition(&headers).is_err());
    }
}
