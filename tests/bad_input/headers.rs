//! Header values that break a rule, and those that may be ignored but never cause a failure.

use super::{Case, Expected, Ground};
use crate::support::artifact::IMAGE_MANIFEST;
use crate::support::http::Request;
use crate::support::registry::{blob_path, manifest_path};

const TYPE: Expected = Expected::Refused(&[400, 415], &["MANIFEST_INVALID", "UNSUPPORTED"]);

pub fn cases(ground: &Ground) -> Vec<Case> {
    let mut cases = Vec::new();
    let put = || Request::put(manifest_path("team/app", "typed"), ground.image.manifest.body.clone());
    for (why, value) in bad_types() {
        cases.push(Case::new(format!("Content-Type, {why}"), put().header("Content-Type", value), TYPE));
    }
    let two = put().header("Content-Type", IMAGE_MANIFEST).header("Content-Type", "text/plain");
    cases.push(Case::new("Content-Type, two of them", two, TYPE));

    for (why, value) in bad_conditions() {
        for condition in ["If-Match", "If-None-Match"] {
            let request = put().header("Content-Type", IMAGE_MANIFEST).header(condition, &value);
            cases.push(Case::new(format!("{condition} on a put, {why}"), request, Expected::Rule));
        }
    }
    for (name, value) in ignored() {
        for target in
            [manifest_path("team/app", "1.0.0"), blob_path("team/app", &ground.image.blobs[0].digest)]
        {
            let shown: String = value.chars().take(40).collect();
            let request = Request::get(&target).header(name, &value);
            cases.push(Case::new(format!("{name}: {shown} on {target}"), request, Expected::Unusual));
        }
    }
    cases
}

fn bad_types() -> Vec<(&'static str, String)> {
    vec![
        ("empty", "".into()),
        ("a word", "manifest".into()),
        ("text", "text/plain".into()),
        ("HTML", "text/html; charset=utf-8".into()),
        ("plain JSON", "application/json".into()),
        ("a form", "application/x-www-form-urlencoded".into()),
        ("bytes", "application/octet-stream".into()),
        ("a wildcard", "*/*".into()),
        ("a slash alone", "/".into()),
        ("half a type", "application/".into()),
        ("two types", format!("{IMAGE_MANIFEST}, text/plain")),
        ("an unknown version", "application/vnd.oci.image.manifest.v9+json".into()),
        ("a layer", "application/vnd.oci.image.layer.v1.tar".into()),
        ("the index for a manifest", "application/vnd.oci.image.index.v1+json".into()),
        ("Docker's for an OCI manifest", "application/vnd.docker.distribution.manifest.v2+json".into()),
        ("Docker's first schema", "application/vnd.docker.distribution.manifest.v1+prettyjws".into()),
        ("4,000 characters", format!("application/{}", "x".repeat(4_000))),
    ]
}

/// RFC 9110 section 13.1: `*` or a list of entity tags in quotes.
fn bad_conditions() -> Vec<(&'static str, String)> {
    vec![
        ("empty", "".into()),
        ("no quotes", "sha256:abc".into()),
        ("one quote", "\"sha256:abc".into()),
        ("a word", "always".into()),
        ("a star in a list", "*, \"a\"".into()),
        ("commas alone", ",,,".into()),
    ]
}

/// A read goes on without what it cannot understand.
pub(super) fn ignored() -> Vec<(&'static str, String)> {
    let many = |item: &str, times| vec![item; times].join(",");
    vec![
        ("Range", format!("bytes={}", many("0-0", 5_000))),
        ("Range", "bytes=0-0, 0-0".into()),
        ("Range", "bytes=9223372036854775808-9223372036854775809".into()),
        ("Range", "\u{7f}bytes".replace('\u{7f}', "?")),
        ("Accept", many("a/b;q=0.1", 3_000)),
        ("Accept", "".into()),
        ("Accept", "////;;;;====".into()),
        ("Accept-Encoding", "gzip;q=99999999999999999999".into()),
        ("If-None-Match", many("\"x\"", 8_000)),
        ("If-None-Match", "no quotes".into()),
        ("If-None-Match", "W/".into()),
        ("If-Match", "\"sha256:absent\"".into()),
        ("If-Modified-Since", "yesterday".into()),
        ("If-Range", "\"x\"".into()),
        ("Authorization", "Basic !!!not-base64!!!".into()),
        ("Authorization", "Bearer ".into()),
        ("Authorization", format!("Bearer {}", "x".repeat(16_000))),
        ("Cookie", "a=b; ".repeat(2_000)),
        ("X-Forwarded-For", "not an address".into()),
        ("X-Forwarded-Host", "evil.test".into()),
        ("Forwarded", "for=\"[::1\";host=evil.test".into()),
        ("X-Request-Id", "x".repeat(5_000)),
        ("Content-Type", "text/html".into()),
        ("Traceparent", "00-zz-zz-zz".into()),
        ("X-HTTP-Method-Override", "DELETE".into()),
        ("Host", "evil.test:99999".into()),
        ("Max-Forwards", "-1".into()),
        ("TE", "trailers, deflate;q=0.5".into()),
    ]
}
