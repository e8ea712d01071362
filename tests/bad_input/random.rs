//! Targets that no table thought of.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use super::{Case, Expected, fault, panics};
use crate::support::app::{Kind, TestServer};

/// Bytes that mean something in a target, pieces of real ones, and any byte at all.
fn targets() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "/",
        "//",
        "v2",
        "/v2/",
        "team/app",
        "/manifests/",
        "/blobs/",
        "/blobs/uploads/",
        "/tags/list",
        "/referrers/",
        "_catalog",
        "latest",
        "sha256:",
        "?",
        "&",
        "=",
        "n=",
        "last=",
        "digest=",
        "tag=",
        "..",
        "%2e",
        "%",
        "%00",
        "\\",
        ":",
        "@",
        "#",
        ";",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "999999999999999999999",
    ];
    let piece = prop::sample::select(pieces.map(|piece| piece.as_bytes().to_vec()).to_vec());
    let noise = prop::collection::vec(any::<u8>().prop_filter("ends the line", |byte| *byte != b'\n'), 0..6);
    let parts = prop::collection::vec(prop_oneof![4 => piece, 1 => noise], 0..12);
    parts.prop_map(|parts| parts.concat())
}

#[test]
fn no_target_and_no_method_makes_a_server_error() {
    let runtime = Runtime::new().expect("a runtime");
    let panics = panics::count();
    let server = runtime.block_on(TestServer::start(Kind::Memory));
    let methods = prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "X"]);
    let mut runner = TestRunner::new(Config { cases: 1_500, failure_persistence: None, ..Config::default() });
    let result = runner.run(&(methods, targets()), |(method, target)| {
        let head = [method.as_bytes(), b" /", &target[..]].concat();
        let rest = b" HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let mut case = Case::raw("random target", [&head[..], rest].concat(), Expected::Unusual);
        case.method = method.into();
        match runtime.block_on(fault(server.addr, &case)) {
            // actix may close a connection on which no HTTP arrives.
            Some(fault) if !fault.contains("no answer: unexpected end of file") => {
                Err(TestCaseError::fail(format!("{method} /{}: {fault}", target.escape_ascii())))
            }
            _ => Ok(()),
        }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert_eq!(panics::count(), panics, "a server thread panicked");
}
