//! Request targets over a raw socket: traversals, escapes, odd forms, queries.

use super::{Case, Expected};
use crate::support::artifact::sha256;
use crate::support::http::Request;

const PAGE: Expected = Expected::Refused(&[400], &["UNSUPPORTED"]);

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in api_targets() {
        let shown: String = target.chars().take(80).collect();
        cases.push(Case::new(format!("path {} {shown}", target.len()), Request::get(target), Expected::Rule));
    }
    for target in OTHER_TARGETS {
        // Outside /v2/ an error has no form to keep, only a status.
        cases.push(Case::raw(format!("path {target}"), get(target.as_bytes()), Expected::Framing));
    }
    for (why, target) in raw_targets() {
        cases.push(Case::raw(format!("path {why}"), get(&target), Expected::Framing));
    }
    for (why, target) in unusual_targets() {
        cases.push(Case::raw(format!("path {why}"), get(target.as_bytes()), Expected::Unusual));
    }
    for query in BAD_PAGES {
        for list in ["/v2/team/app/tags/list", "/v2/_catalog"] {
            cases.push(Case::new(
                format!("page {list}?{query}"),
                Request::get(format!("{list}?{query}")),
                PAGE,
            ));
        }
    }
    for (method, target) in twice() {
        cases.push(Case::new(
            format!("twice {method} {target}"),
            Request::new(method, target),
            Expected::Rule,
        ));
    }
    cases
}

/// Closed by the server afterwards, so that a target taken for two requests would show.
fn get(target: &[u8]) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nHost: registry.test\r\nConnection: close\r\n\r\n"].concat()
}

fn api_targets() -> Vec<String> {
    let mut targets: Vec<String> = [
        "/v2/..",
        "/v2/../v2/team/app/tags/list",
        "/v2/./team/app/tags/list",
        "/v2/team/../app/tags/list",
        "/v2/team/./app/tags/list",
        "/v2/team/app/../../other/tags/list",
        "/v2/%2e%2e/team/app/tags/list",
        "/v2/%2E%2E/%2E%2E/etc/passwd",
        "/v2/team/%2e%2e/app/tags/list",
        "/v2/team%2Fapp/tags/list",
        "/v2/team%2fapp/manifests/1.0.0",
        "/v2/team/app%2Ftags%2Flist",
        "/v2/team/app/manifests/..",
        "/v2/team/app/manifests/../../../../etc/passwd",
        "/v2/team/app/manifests/..%2f..%2fetc%2fpasswd",
        "/v2/team/app/manifests/%252e%252e",
        "/v2/team/app/manifests/",
        "/v2/team/app/manifests",
        "/v2/team/app/manifests/1.0.0/",
        "/v2/team/app/manifests/1.0.0/extra",
        "/v2/team/app/manifests//1.0.0",
        "/v2/team/app/blobs",
        "/v2/team/app/blobs/",
        "/v2/team/app/blobs/../manifests/1.0.0",
        "/v2/team/app/blobs/uploads/a/b",
        "/v2/team/app/blobs/uploads/..",
        "/v2/team/app/blobs/uploads/%2e%2e%2f",
        "/v2/team/app/tags/list/",
        "/v2/team/app/tags/list/x",
        "/v2/team/app/tags/",
        "/v2/team/app/tags/List",
        "/v2/team/app/Tags/list",
        "/v2/team/app/referrers",
        "/v2/team/app/referrers/",
        "/v2/tags/list",
        "/v2/manifests/1.0.0",
        "/v2//team/app/tags/list",
        "/v2/team//app/tags/list",
        "/v2/team/app//tags/list",
        "/v2///",
        "/v2/%00",
        "/v2/team/app/tags/list%00",
        "/v2/team/app/tags/list%0d%0aX-Header:%20x",
        "/v2/team/app/%",
        "/v2/team/app/%zz/tags/list",
        "/v2/team\\app/tags/list",
        "/v2/..\\..\\etc/tags/list",
        "/v2/team/app/tags/list;x=1",
        "/v2/_catalog/",
        "/v2/_catalog/x",
        "/v2/_unknown/extension/module",
        "/v2/team/app/_unknown/component/module",
        "/v2/*",
        "/v2/team/app/manifests/1.0.0%3Fx",
        "/v2/team/app/manifests/1.0.0%23x",
    ]
    .map(str::to_owned)
    .to_vec();
    targets.push(format!("/v2/{}", "a/".repeat(5_000)));
    targets.push(format!("/v2/{}tags/list", "../".repeat(1_000)));
    targets.push(format!("/v2/team/app/manifests/{}", "%2e%2e%2f".repeat(1_000)));
    targets.push(format!("/v2/team/app/tags/list{}", "/".repeat(10_000)));
    targets
}

const OTHER_TARGETS: [&str; 19] = [
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/%2e%2e%5c%2e%2e%5cetc%5cpasswd",
    "/..\\..\\etc\\passwd",
    "//etc/passwd",
    "///",
    "//v2/",
    "/./v2/team/app/tags/list",
    "/v2%2f",
    "/V2/team/app/tags/list",
    "/v1/",
    "/v2.0/",
    "/%00",
    "/ns/team/_journal/0",
    "/team/_data/0",
    "/layout",
    "/tmp/",
    "/-/../v2/team/app/tags/list",
];

fn raw_targets() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("of bytes that are not ASCII", b"/v2/t\xc3\xa9am/app/tags/list".to_vec()),
        ("of bytes that are not UTF-8", b"/v2/\xff\xfe/tags/list".to_vec()),
        ("with a NUL byte", b"/v2/team\0/app/tags/list".to_vec()),
        ("with a control byte", b"/v2/team\x01/app/tags/list".to_vec()),
        ("with a DEL byte", b"/v2/team\x7f/app/tags/list".to_vec()),
        ("with a tab", b"/v2/team\t/app/tags/list".to_vec()),
        ("with a space", b"/v2/te am/app/tags/list".to_vec()),
        ("that is empty", b"".to_vec()),
        ("without a leading slash", b"v2/team/app/tags/list".to_vec()),
        ("of dots", b"..".to_vec()),
        ("of a star", b"*".to_vec()),
        ("of an authority", b"registry.test:5000".to_vec()),
        ("with a bare line break", b"/v2/team\n/app/tags/list".to_vec()),
        ("with a scheme and no host", b"http:///v2/team/absent/tags/list".to_vec()),
        ("of 70,000 bytes", [b"/v2/".as_slice(), &b"a".repeat(70_000)].concat()),
        ("of 300,000 bytes", [b"/v2/".as_slice(), &b"a".repeat(300_000)].concat()),
        ("with quotes and brackets", b"/v2/\"<team>\"/tags/list".to_vec()),
    ]
}

fn unusual_targets() -> Vec<(&'static str, String)> {
    vec![
        ("in absolute form", "http://registry.test/v2/".into()),
        ("in absolute form of another host", "http://other.test/v2/team/app/tags/list".into()),
        ("in absolute form with user and password", "http://user:pass@registry.test/v2/".into()),
        ("in absolute form of another scheme", "ftp://registry.test/v2/".into()),
        ("with an empty query", "/v2/?".into()),
        ("with a query of marks", "/v2/?&&==&?".into()),
        ("with a query of escapes", "/v2/?%00=%ff&%=%".into()),
        ("with a long query", format!("/v2/?{}", "x=1&".repeat(5_000))),
        ("with a fragment", "/v2/#fragment".into()),
        ("with a query on a blob", format!("/v2/team/app/blobs/{}?a=b&a=c", sha256(b"absent"))),
        (
            "with a filter of escapes",
            format!("/v2/team/app/referrers/{}?artifactType=%ff", sha256(b"absent")),
        ),
    ]
}

const BAD_PAGES: [&str; 15] = [
    "n=-1",
    "n=-9223372036854775809",
    "n=",
    "n",
    "n=x",
    "n=1e9",
    "n=1.5",
    "n=0x10",
    "n=%00",
    "n=%31%",
    "n=1%20",
    "n=%2B1",
    "n=+1",
    "n=1&n=2",
    "n=1&n=1",
];

/// A key that may stand once stands twice: which of them counts must not be a matter of luck.
fn twice() -> Vec<(&'static str, String)> {
    let (one, other) = (sha256(b"one"), sha256(b"other"));
    vec![
        ("GET", "/v2/team/app/tags/list?last=a&last=b".into()),
        ("GET", "/v2/_catalog?last=a&last=b".into()),
        ("POST", format!("/v2/team/app/blobs/uploads/?digest={one}&digest={other}")),
        ("POST", format!("/v2/team/app/blobs/uploads/?mount={one}&mount={other}")),
        ("POST", format!("/v2/team/app/blobs/uploads/?mount={one}&from=team/a&from=team/b")),
        ("POST", "/v2/team/app/blobs/uploads/?digest-algorithm=sha256&digest-algorithm=sha512".into()),
        ("POST", "/v2/team/app/blobs/uploads/?digest-algorithm=md5".into()),
        ("POST", "/v2/team/app/blobs/uploads/?digest-algorithm=".into()),
        ("POST", format!("/v2/team/app/blobs/uploads/?mount={one}&from=Not%20A%20Name")),
    ]
}
