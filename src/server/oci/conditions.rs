//! Conditional requests (RFC 9110 section 13): the entity tag of content is its digest in quotes.

use actix_http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};

use crate::oci::{Condition, Digest, EtagSet};
use crate::server::error::Failure;

/// Whether the client has this content already: `If-None-Match` names its entity tag, or any (`*`).
/// A list that cannot be read names nothing.
pub(super) fn not_modified(headers: &HeaderMap, digest: &Digest) -> bool {
    if !headers.contains_key(IF_NONE_MATCH) {
        return false;
    }
    entity_tags(headers, IF_NONE_MATCH).is_ok_and(|tags| tags.is_some_and(|tags| tags.contains(digest)))
}

/// What has to hold for a change to be made.
pub(super) fn precondition(headers: &HeaderMap) -> Result<Condition, Failure> {
    Ok(Condition {
        if_match: entity_tags(headers, IF_MATCH)?,
        if_none_match: entity_tags(headers, IF_NONE_MATCH)?,
    })
}

/// The entity tags of all headers `name`. Those that are not digests are legal and name nothing here.
fn entity_tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<EtagSet>, Failure> {
    let mut found = None;
    for value in headers.get_all(&name) {
        let list = value.to_str().map_err(|_| Failure::EntityTag)?;
        for tag in list.split(',').map(str::trim) {
            let digests = match found.get_or_insert_with(|| EtagSet::Digests(Vec::new())) {
                EtagSet::Digests(digests) if tag != "*" => digests,
                any => {
                    *any = EtagSet::Any;
                    continue;
                }
            };
            digests.extend(entity_tag(tag)?);
        }
    }
    Ok(found)
}

/// `"<digest>"`, or `W/"<digest>"`: content that has a digest is the same or it is not.
fn entity_tag(tag: &str) -> Result<Option<Digest>, Failure> {
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    let opaque = quoted.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    Ok(Digest::parse(opaque.ok_or(Failure::EntityTag)?).ok())
}

#[cfg(test)]
mod tests {
    use actix_http::header::HeaderValue;

    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn headers(values: &[String]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn content_that_is_named_is_not_sent_again() {
        let cases = [
            (vec![], false),
            (vec!["*".to_owned()], true),
            (vec![format!("\"{A}\"")], true),
            (vec![format!("W/\"{A}\"")], true),
            (vec![format!("\"{B}\" , \"{A}\"")], true),
            (vec![format!("\"{B}\""), format!("\"{A}\"")], true),
            (vec![format!("\"{B}\", *")], true),
            (vec![format!("\"{B}\", \"another kind of tag\"")], false),
            (vec![A.to_owned()], false),
            (vec![String::new()], false),
        ];
        let digest = Digest::parse(A).unwrap();
        for (values, expected) in cases {
            assert_eq!(not_modified(&headers(&values), &digest), expected, "{values:?}");
        }
    }

    #[test]
    fn a_precondition_that_cannot_be_read_is_refused() {
        for value in ["", "x", "\"x", "\"x\",", "W/x"] {
            assert!(precondition(&headers(&[value.to_owned()])).is_err(), "{value}");
        }
        let star = precondition(&headers(&["*".to_owned()])).unwrap();
        assert_eq!(star, Condition { if_match: None, if_none_match: Some(EtagSet::Any) });
    }
}
