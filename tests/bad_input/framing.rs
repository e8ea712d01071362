//! Requests whose framing is broken or ambiguous: two servers in a row must never see two different requests.
//!
//! actix answers most of these by itself, without an error body; what counts is that it refuses and that nothing
//! hidden behind the first request is answered (RFC 9112 sections 6 and 11.2).

use super::{Case, Expected, Ground};
use crate::support::app::{Kind, TestServer};
use crate::support::http::exchange;
use crate::support::registry::with_digest;

pub fn cases(ground: &Ground) -> Vec<Case> {
    let mut cases = Vec::new();
    for (why, wire) in broken_heads().into_iter().chain(broken_bodies(ground)) {
        cases.push(Case::raw(format!("framing, {why}"), wire, Expected::Framing));
    }
    for (why, wire) in unusual() {
        cases.push(Case::raw(format!("framing, {why}"), wire, Expected::Unusual));
    }
    cases
}

const SMUGGLED: &str = "GET /v2/_catalog HTTP/1.1\r\nHost: registry.test\r\n\r\n";

fn get(headers: &str) -> Vec<u8> {
    format!("GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n{headers}\r\n").into_bytes()
}

fn broken_heads() -> Vec<(&'static str, Vec<u8>)> {
    let line = |line: &str| format!("{line}\r\nHost: registry.test\r\n\r\n").into_bytes();
    vec![
        ("no version", line("GET /v2/")),
        ("no target", line("GET HTTP/1.1")),
        ("an unknown protocol", line("GET /v2/ HTTQ/1.1")),
        ("HTTP/0.9", b"GET /v2/\r\n\r\n".to_vec()),
        ("HTTP/2.0 in words", line("GET /v2/ HTTP/2.0")),
        ("HTTP/9.9", line("GET /v2/ HTTP/9.9")),
        ("HTTP/1.x", line("GET /v2/ HTTP/1.x")),
        ("lower-case protocol", line("GET /v2/ http/1.1")),
        ("two spaces", line("GET  /v2/  HTTP/1.1")),
        ("a tab for a space", line("GET\t/v2/\tHTTP/1.1")),
        ("a space before the method", line(" GET /v2/ HTTP/1.1")),
        ("a method of odd characters", line("GE(T) /v2/ HTTP/1.1")),
        ("a method with a NUL", b"GE\0T /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n".to_vec()),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20)),
        ("random bytes", (0..=255u8).chain((0..=255).rev()).collect()),
        ("no Host", b"GET /v2/ HTTP/1.1\r\n\r\n".to_vec()),
        ("two Hosts", get("Host: other.test\r\n")),
        ("a header without a colon", get("NoColon\r\n")),
        ("a header without a name", get(": value\r\n")),
        ("a space before the colon", get("X-Header : value\r\n")),
        ("a space in a header's name", get("X Header: value\r\n")),
        ("a folded header", get("X-Header: one\r\n two\r\n")),
        ("a NUL in a header", get("X-Header: a\0b\r\n")),
        ("a bare CR in a header", get("X-Header: a\rb\r\n")),
        ("a header name of odd characters", get("X-(Header): a\r\n")),
        ("a header of 200,000 bytes", get(&format!("X-Header: {}\r\n", "x".repeat(200_000)))),
        ("a header of 2 MB", get(&format!("X-Header: {}\r\n", "x".repeat(2_000_000)))),
        ("10,000 headers", get(&"X-Header: x\r\n".repeat(10_000))),
        ("500 headers", get(&"X: x\r\n".repeat(500))),
        ("a header name of 100,000 bytes", get(&format!("{}: x\r\n", "x".repeat(100_000)))),
    ]
}

fn broken_bodies(ground: &Ground) -> Vec<(&'static str, Vec<u8>)> {
    let target = with_digest(&ground.session, &ground.image.blobs[0].digest);
    let put = |headers: &str, body: &str| {
        format!("PUT {target} HTTP/1.1\r\nHost: registry.test\r\n{headers}\r\n{body}").into_bytes()
    };
    let chunked = |body: &str| put("Transfer-Encoding: chunked\r\n", body);
    let with_smuggled = |headers: &str, body: &str| put(headers, &format!("{body}{SMUGGLED}"));
    vec![
        ("two different lengths", with_smuggled("Content-Length: 0\r\nContent-Length: 5\r\n", "12345")),
        ("two equal lengths", with_smuggled("Content-Length: 5\r\nContent-Length: 5\r\n", "12345")),
        ("a list of lengths", with_smuggled("Content-Length: 5, 5\r\n", "12345")),
        ("a negative length", put("Content-Length: -5\r\n", "12345")),
        ("a length with a plus", put("Content-Length: +5\r\n", "12345")),
        ("a length in hexadecimal", put("Content-Length: 0x5\r\n", "12345")),
        ("a length with a fraction", put("Content-Length: 5.0\r\n", "12345")),
        ("a length of words", put("Content-Length: five\r\n", "12345")),
        ("an empty length", put("Content-Length: \r\n", "12345")),
        ("a length past every number", put("Content-Length: 99999999999999999999999999\r\n", "12345")),
        (
            "a length and chunks",
            with_smuggled("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ),
        (
            "chunks and a length",
            with_smuggled("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
        ),
        ("an unknown coding", with_smuggled("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")),
        ("a coding before chunked", with_smuggled("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")),
        ("chunked and then another", with_smuggled("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")),
        ("chunked twice", with_smuggled("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")),
        (
            "two Transfer-Encodings",
            with_smuggled("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
        ),
        (
            "a space before the colon of Transfer-Encoding",
            put("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ),
        ("a vertical tab before chunked", with_smuggled("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n")),
        ("chunked in quotes", with_smuggled("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")),
        ("a folded Transfer-Encoding", with_smuggled("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")),
        ("a chunk size of letters", chunked("xyz\r\nabc\r\n0\r\n\r\n")),
        ("a chunk size with a sign", chunked("-5\r\n12345\r\n0\r\n\r\n")),
        ("a chunk size with a prefix", chunked("0x5\r\n12345\r\n0\r\n\r\n")),
        ("a chunk size past every number", chunked("fffffffffffffffff\r\n12345\r\n0\r\n\r\n")),
        ("a huge chunk size", chunked("ffffffffffffffff\r\n12345\r\n0\r\n\r\n")),
        ("an empty chunk size", chunked("\r\n12345\r\n0\r\n\r\n")),
        ("a chunk longer than its size", chunked("3\r\n12345\r\n0\r\n\r\n")),
        ("a chunk without its line end", chunked("5\r\n123450\r\n\r\n")),
        ("a chunk size with a space inside", chunked("1 0\r\n12345\r\n0\r\n\r\n")),
    ]
}

fn unusual() -> Vec<(&'static str, Vec<u8>)> {
    let close = "Connection: close\r\n";
    vec![
        ("HTTP/1.0 with a Host", b"GET /v2/ HTTP/1.0\r\nHost: registry.test\r\n\r\n".to_vec()),
        ("HTTP/1.0 without a Host", b"GET /v2/ HTTP/1.0\r\n\r\n".to_vec()),
        ("an empty Host", b"GET /v2/ HTTP/1.1\r\nHost: \r\n\r\n".to_vec()),
        ("an upgrade to a web socket", get("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n")),
        ("an upgrade to HTTP/2", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n")),
        ("Connection names a header", get("Connection: close, Host\r\n")),
        ("a GET with a body", get("Content-Length: 5\r\n").into_iter().chain(*b"12345").collect()),
        ("a GET with chunks", get("Transfer-Encoding: chunked\r\n").into_iter().chain(*b"0\r\n\r\n").collect()),
        ("an empty line before the request", [b"\r\n".as_slice(), &get(close)].concat()),
        ("an expectation nobody knows", get("Expect: 200-ok\r\n")),
        ("chunk extensions", b"POST /v2/team/app/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0;a=b\r\n\r\n".to_vec()),
        ("a method of one letter", b"X /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n".to_vec()),
        ("a method of 1,000 letters", [&b"X".repeat(1_000)[..], b" /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n"].concat()),
        ("a lower-case method", b"get /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n".to_vec()),
        ("CONNECT", b"CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test\r\n\r\n".to_vec()),
        ("OPTIONS of the server", b"OPTIONS * HTTP/1.1\r\nHost: registry.test\r\n\r\n".to_vec()),
        ("TRACE", b"TRACE /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n".to_vec()),
        ("header values that are not ASCII", [&get("")[..get("").len() - 2], b"X-Header: \xff\xfe\r\n\r\n"].concat()),
        ("90 headers", get(&"X: x\r\n".repeat(90))),
        ("a header of 16,000 bytes", get(&format!("X-Header: {}\r\n", "x".repeat(16_000)))),
    ]
}

#[tokio::test]
async fn a_header_name_without_an_end_is_cut_before_the_parser_panics_over_it() {
    let panics = super::panics::count();
    let server = TestServer::start(Kind::Memory).await;
    for before in ["", "\r\n", "\r\n\r\n"] {
        let head = get(&format!("{}: x\r\n", "x".repeat(100_000)));
        let wire = [before.as_bytes(), &head].concat();
        assert!(exchange(server.addr, &wire, "GET").await.is_err(), "closed without an answer");
        assert_eq!(server.get("/v2/").await.status, 200);
    }
    assert_eq!(super::panics::count(), panics);
}
