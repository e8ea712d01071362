//! Conditional requests (RFC 9110 section 13): the entity tag of content is its digest in quotes.

use actix_http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};

use crate::oci::{Condition, Digest};
use crate::server::error::Failure;

/// Whether the client has this content already, so that a GET is answered 304. What cannot be read names nothing.
pub(super) fn not_modified(headers: &HeaderMap, digest: &Digest) -> bool {
    if !headers.contains_key(IF_NONE_MATCH) {
        return false;
    }
    let condition = Condition::parse([], values(headers, IF_NONE_MATCH));
    condition.is_ok_and(|condition| !condition.holds(Some(digest)))
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
            assert_eq!(not_modified(&headers, &Digest::parse(A).unwrap()), expected, "{value:?}");
        }
    }

    #[test]
    fn a_precondition_that_is_not_text_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, HeaderValue::from_bytes(b"\"\xff\"").unwrap());
        assert!(precondition(&headers).is_err());
    }
}
