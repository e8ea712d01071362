//! Names, references and digests that break the grammar (distribution-spec "Pulling manifests", image-spec
//! "Digests"), wherever a request may carry one.

use super::{Case, Expected};
use crate::support::artifact::{IMAGE_MANIFEST, sha256};
use crate::support::http::Request;

const NAME: Expected = Expected::Refused(&[400], &["NAME_INVALID"]);
const DIGEST: Expected = Expected::Refused(&[400], &["DIGEST_INVALID"]);

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (why, name) in bad_names() {
        for (how, request) in with_name(&name) {
            cases.push(Case::new(format!("name, {why}: {how}"), request, NAME));
        }
    }
    for (why, digest) in bad_digests() {
        for (how, request) in with_digest(&digest) {
            cases.push(Case::new(format!("digest, {why}: {how}"), request, DIGEST));
        }
    }
    for (why, tag) in bad_tags() {
        for (how, request) in with_tag(&tag) {
            cases.push(Case::new(format!("tag, {why}: {how}"), request, Expected::Rule));
        }
    }
    cases
}

pub(super) fn bad_names() -> Vec<(&'static str, String)> {
    vec![
        ("upper case", "Team/app".into()),
        ("upper case inside", "team/aPp".into()),
        ("leading dot", ".team/app".into()),
        ("leading dash", "-team/app".into()),
        ("leading underscore", "_team/app".into()),
        ("trailing dot", "team./app".into()),
        ("trailing dash", "team/app-".into()),
        ("trailing underscore", "team/app_".into()),
        ("two dots", "te..am/app".into()),
        ("three underscores", "te___am/app".into()),
        ("mixed separators", "te._am/app".into()),
        ("dash and dot", "te-.am/app".into()),
        ("only a separator", "team/-".into()),
        ("a space", "te%20am/app".into()),
        ("a plus", "te+am/app".into()),
        ("a tilde", "~team/app".into()),
        ("a colon", "te:am/app".into()),
        ("an at sign", "te@am/app".into()),
        ("an exclamation mark", "team!/app".into()),
        ("a star", "te*am/app".into()),
        ("letters that are percent-encoded twice", "%2574eam/app".into()),
        ("percent-encoded NUL", "te%00am/app".into()),
        ("percent-encoded line break", "te%0d%0aam/app".into()),
        ("a percent sign alone", "te%am/app".into()),
        ("non-ASCII, encoded", "t%C3%A9am/app".into()),
        ("the root of another namespace", "_root/app".into()),
        ("256 characters", "a".repeat(256)),
        ("256 characters in components", format!("{}/{}", "a".repeat(127), "b".repeat(128))),
        ("8,000 characters", "a".repeat(8_000)),
        ("4,000 components", vec!["a"; 4_000].join("/")),
    ]
}

fn with_name(name: &str) -> Vec<(&'static str, Request)> {
    let digest = sha256(b"absent");
    vec![
        ("tags", Request::get(format!("/v2/{name}/tags/list"))),
        ("manifest", Request::get(format!("/v2/{name}/manifests/1.0.0"))),
        ("blob", Request::get(format!("/v2/{name}/blobs/{digest}"))),
        ("blob head", Request::head(format!("/v2/{name}/blobs/{digest}"))),
        ("upload", Request::post(format!("/v2/{name}/blobs/uploads/"))),
        ("referrers", Request::get(format!("/v2/{name}/referrers/{digest}"))),
        ("deletion", Request::delete(format!("/v2/{name}/manifests/1.0.0"))),
    ]
}

fn bad_digests() -> Vec<(&'static str, String)> {
    let hex = "0123456789abcdef".repeat(4);
    vec![
        ("short", "sha256:abc".into()),
        ("no digits", "sha256:".into()),
        ("63 digits", format!("sha256:{}", &hex[1..])),
        ("65 digits", format!("sha256:{hex}0")),
        ("upper case", format!("sha256:{}", hex.to_uppercase())),
        ("mixed case", format!("sha256:A{}", &hex[1..])),
        ("not hexadecimal", format!("sha256:{}g", &hex[1..])),
        ("upper-case algorithm", format!("SHA256:{hex}")),
        ("unknown algorithm", format!("md5:{}", &hex[..32])),
        ("unknown algorithm of 64 digits", format!("blake3:{hex}")),
        ("128 digits for sha256", format!("sha256:{hex}{hex}")),
        ("64 digits for sha512", format!("sha512:{hex}")),
        ("two algorithms", format!("sha256:sha256:{hex}")),
        ("a space behind it", format!("sha256:{hex}%20")),
        ("a NUL behind it", format!("sha256:{hex}%00")),
        ("a traversal", "sha256:..%2f..%2f..%2fetc%2fpasswd".into()),
        ("10,000 digits", format!("sha256:{}", "a".repeat(10_000))),
    ]
}

fn with_digest(digest: &str) -> Vec<(&'static str, Request)> {
    vec![
        ("blob", Request::get(format!("/v2/team/app/blobs/{digest}"))),
        ("blob head", Request::head(format!("/v2/team/app/blobs/{digest}"))),
        ("blob deletion", Request::delete(format!("/v2/team/app/blobs/{digest}"))),
        ("manifest", Request::get(format!("/v2/team/app/manifests/{digest}"))),
        ("manifest deletion", Request::delete(format!("/v2/team/app/manifests/{digest}"))),
        (
            "manifest put",
            Request::put(format!("/v2/team/app/manifests/{digest}"), "{}")
                .header("Content-Type", IMAGE_MANIFEST),
        ),
        ("referrers", Request::get(format!("/v2/team/app/referrers/{digest}"))),
        ("mount", Request::post(format!("/v2/team/app/blobs/uploads/?mount={digest}&from=team/other"))),
        ("single post", Request::post(format!("/v2/team/app/blobs/uploads/?digest={digest}")).body("bytes")),
    ]
}

/// None of these has a colon: with one they would be malformed digests.
fn bad_tags() -> Vec<(&'static str, String)> {
    vec![
        ("leading dot", ".tag".into()),
        ("leading dash", "-tag".into()),
        ("a plus", "1.2.3+build".into()),
        ("an encoded plus", "1.2.3%2Bbuild".into()),
        ("a space", "a%20b".into()),
        ("a tilde", "a~b".into()),
        ("an at sign", "a@b".into()),
        ("a star", "a*".into()),
        ("an exclamation mark", "a!".into()),
        ("a backslash, encoded", "a%5Cb".into()),
        ("a slash, encoded", "a%2Fb".into()),
        ("a NUL", "a%00".into()),
        ("a line break", "a%0D%0AX-Header%3A%20b".into()),
        ("non-ASCII, encoded", "%C3%A9".into()),
        ("not UTF-8, encoded", "%FF%FE".into()),
        ("129 characters", "t".repeat(129)),
        ("20,000 characters", "t".repeat(20_000)),
        ("dots alone", "..".into()),
        ("encoded dots", "%2e%2e".into()),
        ("a broken escape", "a%2".into()),
    ]
}

fn with_tag(tag: &str) -> Vec<(&'static str, Request)> {
    let digest = sha256(b"{}");
    let put = |reference: String| {
        Request::put(format!("/v2/team/app/manifests/{reference}"), "{}")
            .header("Content-Type", IMAGE_MANIFEST)
    };
    vec![
        ("get", Request::get(format!("/v2/team/app/manifests/{tag}"))),
        ("head", Request::head(format!("/v2/team/app/manifests/{tag}"))),
        ("put", put(tag.into())),
        ("delete", Request::delete(format!("/v2/team/app/manifests/{tag}"))),
        ("one of several", put(format!("{digest}?tag=good&tag={tag}"))),
    ]
}
