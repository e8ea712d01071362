//! The open default: with nothing configured, everybody on this machine may do everything. So only requests that were
//! sent on this machine, and to it, are answered.

use actix_http::RequestHead;
use actix_http::header::HeaderName;

use super::authority::{HostKind, authority};

/// Why a server without configuration refuses a request.
pub(super) const RULE: &str = "\
    with nothing configured, this registry answers only requests from this machine to a loopback name or address such as \
    localhost, and none that a proxy has forwarded; to serve other names, other machines or a proxy, say what everybody \
    may do: set auth.anonymous: write (or read)";

/// Whether a request was sent on this machine, to it, and by no proxy.
///
/// The connection alone does not tell: a proxy on this machine forwards requests of others, and a web page of any site
/// reaches this machine under a name of its own that resolves to 127.0.0.1 (DNS rebinding).
pub(super) fn is_local(head: &RequestHead) -> bool {
    let is_peer_local = head.peer_addr.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let is_host_local = matches!(authority(head), Some((_, HostKind::Loopback)));
    is_peer_local && is_host_local && !head.headers.keys().any(is_of_proxies)
}

/// `X-Real-IP` is what nginx is often told to send alone. The first letter spares most names a comparison: this is asked
/// for every header of every request.
fn is_of_proxies(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes().first() {
        Some(b'f') => name == "forwarded",
        Some(b'v') => name == "via",
        Some(b'x') => name.starts_with("x-forwarded-") || name == "x-real-ip",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HOST, HeaderValue};

    use super::*;

    #[test]
    fn a_request_of_another_machine_is_not_local_whatever_it_says() {
        let cases = [
            (Some("127.0.0.1:40000"), true),
            (Some("127.1.2.3:40000"), true),
            (Some("[::1]:40000"), true),
            (Some("[::ffff:127.0.0.1]:40000"), true),
            (Some("10.0.0.1:40000"), false),
            (Some("[::ffff:10.0.0.1]:40000"), false),
            (Some("[fe80::1]:40000"), false),
            (None, false),
        ];
        for (peer, expected) in cases {
            let mut head = RequestHead::default();
            head.peer_addr = peer.map(|peer| peer.parse().unwrap());
            head.headers.insert(HOST, HeaderValue::from_static("localhost"));
            assert_eq!(is_local(&head), expected, "{peer:?}");
        }
    }
}
