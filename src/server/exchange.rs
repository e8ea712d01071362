//! One request and its answer: the id they share, and the guard that ends with the last byte sent.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_http::{Method, StatusCode};

use super::Services;
use super::access_log::{End, Line};
use super::connection::InHand;
use super::counts::{HEALTH, NONE};
use super::framing::BodyFraming;
use crate::clock::Clock;
use crate::oci::{Access, Action};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes request ids: 64 random bits of this process, then a count.
pub(super) struct RequestIds {
    process: u64,
    count: AtomicU64,
}

impl RequestIds {
    pub(super) fn new(clock: &dyn Clock) -> Self {
        Self { process: clock.random() as u64, count: AtomicU64::new(1) }
    }

    /// The id that came with the request, if it is a sane one, else a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        match headers.get(X_REQUEST_ID) {
            Some(given) if is_sane(given.as_bytes()) => given.clone(),
            _ => self.fresh(),
        }
    }

    fn fresh(&self) -> HeaderValue {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; 24];
        write_hex(&mut id[..16], self.process);
        write_hex(&mut id[16..], count);
        // Hexadecimal digits are legal in a header, so the other branch is never taken.
        HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// `[A-Za-z0-9._-]{1,64}`: nothing that could break out of a log line or a header.
fn is_sane(id: &[u8]) -> bool {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&id.len()) && id.iter().all(legal)
}

/// The lowest `into.len()` hexadecimal digits of `number`.
fn write_hex(into: &mut [u8], number: u64) {
    let mut rest = number;
    for digit in into.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(rest & 0xf) as usize];
        rest >>= 4;
    }
}

/// Lives as long as the answer: marks its connection as in use, counts bytes, and at the end counts the request and
/// writes the access line.
pub(super) struct Exchange {
    services: Arc<Services>,
    in_hand: Option<InHand>,
    began: Instant,
    kind: &'static str,
    access: Option<Access>,
    status: Option<StatusCode>,
    line: Option<Box<Line>>,
    /// Bytes of the answer's body, once there is an answer.
    expected: Option<u64>,
    sent: u64,
}

impl Exchange {
    pub(super) fn begin(services: Arc<Services>, in_hand: Option<InHand>, body: BodyFraming) -> Self {
        if let Some(in_hand) = &in_hand {
            in_hand.begin(body);
        }
        Self {
            services,
            in_hand,
            began: Instant::now(),
            kind: NONE,
            access: None,
            status: None,
            line: None,
            expected: None,
            sent: 0,
        }
    }

    /// Asks for an access line at the end.
    pub(super) fn log(&mut self, id: &HeaderValue, method: &Method, remote: Option<IpAddr>) {
        self.line = Some(Box::new(Line {
            id: id.to_str().unwrap_or_default().to_owned(),
            method: method.clone(),
            path: String::new(),
            repository: String::new(),
            reference: String::new(),
            remote,
            received: 0,
        }));
    }

    /// The request asks for the health of the deployment.
    pub(super) fn is_about_health(&mut self) {
        self.kind = HEALTH;
    }

    /// What the request is after.
    pub(super) fn describe(&mut self, action: &Action) {
        (self.kind, self.access) = (action.kind(), Some(action.access()));
        if let Some(line) = &mut self.line {
            line.describe(action);
        }
    }

    /// The request is after nothing that is here.
    pub(super) fn describe_path(&mut self, path: &str) {
        if let Some(line) = &mut self.line {
            line.describe_path(path);
        }
    }

    /// There is an answer, after so many bytes of the request's body.
    pub(super) fn answered(&mut self, status: StatusCode, received: u64) {
        self.status = Some(status);
        if let Some(line) = &mut self.line {
            line.received = received;
        }
    }

    /// Announces how many bytes the answer's body will have.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.expected = Some(bytes);
    }

    pub(super) fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(in_hand) = &self.in_hand {
            in_hand.end();
        }
        let took = self.began.elapsed();
        self.services.counts.add(self.kind, self.access, self.status, took);
        if let Some(line) = &self.line {
            let complete = self.expected == Some(self.sent);
            line.write(&End { kind: self.kind, status: self.status, sent: self.sent, took, complete });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn headers(id: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_static(id));
        headers
    }

    #[test]
    fn a_sane_request_id_is_kept_and_any_other_replaced() {
        let ids = RequestIds::new(&SystemClock::default());
        for sane in ["a", "Build-7.1_x", "0123456789012345678901234567890123456789012345678901234567890123"] {
            assert_eq!(ids.of(&headers(sane)), sane);
        }
        for odd in
            ["", "a b", "a\"b", "a/b", "01234567890123456789012345678901234567890123456789012345678901234"]
        {
            assert_ne!(ids.of(&headers(odd)), odd);
        }
    }

    #[test]
    fn fresh_ids_differ() {
        let ids = RequestIds::new(&SystemClock::default());
        let (first, second) = (ids.fresh(), ids.fresh());
        assert_eq!(first.len(), 24);
        assert_ne!(first, second);
        assert!(is_sane(first.as_bytes()));
    }
}
