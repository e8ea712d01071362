//! Upload requests that contradict themselves, and session addresses that nobody was given.

use super::{Case, Expected, Ground};
use crate::support::artifact::sha256;
use crate::support::http::Request;
use crate::support::registry::with_digest;

const RANGE: Expected = Expected::Refused(&[400, 416], &["BLOB_UPLOAD_INVALID", "SIZE_INVALID"]);
const SESSION: Expected = Expected::Refused(&[400, 404], &["BLOB_UPLOAD_UNKNOWN"]);

pub fn cases(ground: &Ground) -> Vec<Case> {
    let mut cases = Vec::new();
    for range in BAD_RANGES {
        let patch = Request::patch(&ground.session, "12345").header("Content-Range", range);
        cases.push(Case::new(format!("Content-Range of a chunk: {range}"), patch, RANGE));
        let put = Request::put(with_digest(&ground.session, &sha256(b"ten bytes.12345")), "12345");
        cases.push(Case::new(
            format!("Content-Range of a close: {range}"),
            put.header("Content-Range", range),
            RANGE,
        ));
    }
    let two = Request::patch(&ground.session, "12345").header("Content-Range", "10-14");
    cases.push(Case::new("Content-Range twice", two.header("Content-Range", "10-13"), RANGE));

    for (why, session) in bad_sessions(&ground.session) {
        for request in [
            Request::get(&session),
            Request::patch(&session, "12345"),
            Request::put(with_digest(&session, &sha256(b"12345")), "12345"),
            Request::delete(&session),
        ] {
            cases.push(Case::new(format!("session, {why}: {}", request.method), request, SESSION));
        }
    }
    cases
}

/// The session holds 10 bytes, the body has 5: only `10-14` would be right.
const BAD_RANGES: [&str; 27] = [
    "0-4",
    "9-13",
    "11-15",
    "1000000-1000004",
    "10-13",
    "10-15",
    "14-10",
    "10",
    "10-",
    "-14",
    "-",
    "a-b",
    "0x0a-0x0e",
    "10-14-18",
    "10..14",
    "10 - 14",
    "+10-14",
    "-10-14",
    "10-14,15-19",
    "10.0-14.0",
    "1e1-14",
    "bytes",
    "bytes=10-14-",
    "items 10-14/15",
    "10-18446744073709551616",
    "18446744073709551610-18446744073709551614",
    "99999999999999999999999999999999999990-99999999999999999999999999999999999994",
];

fn bad_sessions(session: &str) -> Vec<(&'static str, String)> {
    let base = "/v2/team/app/blobs/uploads/";
    let (path, query) = session.split_once('?').unwrap_or((session, ""));
    let with_query = |path: &str| if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let mut changed = session.to_owned();
    let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
    changed.push(last);
    vec![
        ("a word", format!("{base}session")),
        ("the nil uuid", format!("{base}00000000-0000-0000-0000-000000000000")),
        ("a uuid that nobody was given", format!("{base}018f3b1c-7c2e-7000-8000-000000000001")),
        ("an integer", format!("{base}1")),
        ("a long word", format!("{base}{}", "A".repeat(5_000))),
        ("not base64", format!("{base}%21%21%21")),
        ("a NUL", format!("{base}%00")),
        ("a traversal", format!("{base}%2e%2e%2f%2e%2e")),
        ("cut in half", session[..session.len() / 2].to_owned()),
        ("one character behind it", format!("{session}A")),
        ("one character changed", changed),
        ("under another repository", session.replacen("/v2/team/app/", "/v2/team/other/", 1)),
        ("under another namespace", session.replacen("/v2/team/app/", "/v2/other/app/", 1)),
        ("upper case", with_query(&format!("{base}{}", path[base.len()..].to_uppercase() + "A"))),
    ]
}
