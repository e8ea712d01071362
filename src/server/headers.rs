//! The headers of the distribution API, and values that never change.

use std::fmt::Display;

use actix_http::header::{ETAG, HeaderName, HeaderValue, LINK, WARNING};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::reply::{Reply, add_text, set, set_text};
use crate::oci::Digest;

pub(super) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(super) const DOCKER_DISTRIBUTION_API_VERSION: HeaderName =
    HeaderName::from_static("docker-distribution-api-version");
pub(super) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
pub(super) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
pub(super) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

pub(super) const REGISTRY_2_0: HeaderValue = HeaderValue::from_static("registry/2.0");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");
pub(super) const OCI_INDEX: HeaderValue = HeaderValue::from_static("application/vnd.oci.image.index.v1+json");
pub(super) const YAML: HeaderValue = HeaderValue::from_static("application/yaml");
/// A package; never a content coding, which clients would take off.
pub(super) const TGZ: HeaderValue = HeaderValue::from_static("application/gzip");
pub(super) const PGP_SIGNATURE: HeaderValue = HeaderValue::from_static("application/pgp-signature");
pub(super) const GZIP: HeaderValue = HeaderValue::from_static("gzip");
pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(super) const BYTES: HeaderValue = HeaderValue::from_static("bytes");
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// The store does not answer, and this was read from what was known last (RFC 7234 section 5.5.1).
pub(super) const STALE: HeaderValue = HeaderValue::from_static(r#"110 - "Response is Stale""#);
/// Content named by its digest never changes.
pub(super) const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
/// A tag moves: a cache asks again, and an ETag makes that cheap.
pub(super) const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// `"<tag>"`, a strong entity tag (RFC 9110 section 8.8.3).
pub(super) fn entity_tag(tag: impl Display) -> String {
    format!("\"{tag}\"")
}

/// `Docker-Content-Digest`, and the digest as a strong entity tag.
pub(super) fn identify(reply: &mut Reply, digest: &Digest) {
    let tag = Bytes::from(entity_tag(digest));
    let bare = tag.slice(1..tag.len() - 1);
    for (name, value) in [(DOCKER_CONTENT_DIGEST, bare), (ETAG, tag)] {
        // A digest has letters, digits and a colon: legal in a header.
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            set(reply, name, value);
        }
    }
}

/// Everything that is not unreserved (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `path?name=value&...`, each value percent-encoded.
pub(super) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut target = path.to_owned();
    for (at, (name, value)) in query.iter().enumerate() {
        target.push(if at == 0 { '?' } else { '&' });
        target.push_str(name);
        target.push('=');
        target.extend(utf8_percent_encode(value, RESERVED));
    }
    target
}

/// The next page (RFC 8288). Relative, because clients refuse a `Link` to another origin
/// (docs/internals/oci-protocol.md#endpoints).
pub(super) fn link_next(reply: &mut Reply, target: &str) {
    set_text(reply, LINK, &format!("<{target}>; rel=\"next\""));
}

/// All warnings of an answer together stay within this many bytes.
const WARNINGS: usize = 4096;
/// Warn code 299, no agent, no date.
const PREFIX: &str = "299 - \"";

/// `Warning: 299 - "text"`, one header for each text, as far as there is room.
pub(super) fn warn<'a>(reply: &mut Reply, texts: impl IntoIterator<Item = &'a str>) {
    let mut room = WARNINGS;
    for text in texts {
        let value = warning(text, room);
        match room.checked_sub(value.len()) {
            Some(left) if value.len() > PREFIX.len() + 1 => room = left,
            _ => return,
        }
        add_text(reply, WARNING, &value);
    }
}

/// A quoted string of at most `room` bytes (RFC 9110 section 5.6.4). It needs no escapes, because clients do not undo them:
/// regctl cuts a text at the first inner quote, crane prints backslashes.
fn warning(text: &str, room: usize) -> String {
    let mut value = String::from(PREFIX);
    for character in text.chars() {
        if value.len() + 2 > room {
            break;
        }
        value.push(match character {
            '"' | '\u{2018}'..='\u{201f}' => '\'',
            '\u{2010}'..='\u{2015}' => '-',
            '\\' => '/',
            ' '..='~' => character,
            _ => '?',
        });
    }
    value.push('"');
    value
}

#[cfg(test)]
mod tests {
    use actix_http::StatusCode;

    use super::*;
    use crate::server::reply::empty;

    fn warnings(texts: &[&str]) -> Vec<String> {
        let mut reply = empty(StatusCode::OK);
        warn(&mut reply, texts.iter().copied());
        reply.headers().get_all(WARNING).map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_warning_is_quoted_and_has_no_escapes() {
        assert_eq!(warnings(&["plain"]), [r#"299 - "plain""#]);
        assert_eq!(
            warnings(&["a \"b\" c\\d \u{201c}e\u{201d} \u{2013} f"]),
            [r#"299 - "a 'b' c/d 'e' - f""#]
        );
        assert_eq!(warnings(&["zwölf\r\nSet-Cookie: x"]), [r#"299 - "zw?lf??Set-Cookie: x""#]);
    }

    #[test]
    fn warnings_stay_within_4096_bytes_together() {
        let long = "\"".repeat(3_000);
        for texts in [vec![long.as_str(); 3], vec!["short"; 1_000], vec![long.as_str(), "short"]] {
            let total: usize = warnings(&texts).iter().map(String::len).sum();
            assert!((3_000..=4_096).contains(&total), "{total}");
        }
    }

    #[test]
    fn a_query_is_percent_encoded() {
        let query = [("n", "2"), ("last", "a+b&c=d/é")];
        assert_eq!(
            with_query("/v2/team/app/tags/list", &query),
            "/v2/team/app/tags/list?n=2&last=a%2Bb%26c%3Dd%2F%C3%A9"
        );
        assert_eq!(with_query("/v2/_catalog", &[]), "/v2/_catalog");
    }
}
