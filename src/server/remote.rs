//! Who is on the other side, behind proxies that are trusted to say so (`server.trusted_proxies`).

use std::net::IpAddr;

use actix_http::header::{HeaderMap, X_FORWARDED_FOR};

use crate::config::Network;

/// The last address of `X-Forwarded-For` that no trusted proxy has; the peer, when it is not a trusted proxy.
///
/// Entries are read from the right: each was written by the proxy to its right, and only a trusted one is believed.
pub(super) fn remote(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let values: Vec<&str> =
        headers.get_all(X_FORWARDED_FOR).filter_map(|value| value.to_str().ok()).collect();
    for entry in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        let Ok(address) = entry.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use actix_http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::config::Value;

    proptest! {
        #[test]
        fn nothing_that_is_forwarded_makes_it_panic_and_a_stranger_is_never_believed(
            forwarded in prop::collection::vec("[0-9a-f:., \\]\\[]{0,40}|\\PC{0,20}", 0..4),
        ) {
            let mut headers = HeaderMap::new();
            for value in forwarded.iter().filter_map(|value| HeaderValue::from_str(value).ok()) {
                headers.append(X_FORWARDED_FOR, value);
            }
            let trusted = [Network::read("10.0.0.0/8").unwrap()];
            let (proxy, stranger) = ("10.0.0.1".parse().unwrap(), "9.9.9.9".parse().unwrap());
            remote(proxy, &headers, &trusted);
            prop_assert_eq!(remote(stranger, &headers, &trusted), stranger);
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let cases = [
            ("9.9.9.9", vec!["1.1.1.1"], "9.9.9.9"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", vec!["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
            ("10.0.0.1", vec!["6.6.6.6", "1.1.1.1,10.0.0.2"], "1.1.1.1"),
            ("10.0.0.1", vec!["1.1.1.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", vec!["10.0.0.3"], "10.0.0.3"),
            ("::ffff:10.0.0.1", vec!["2001:db8::1"], "2001:db8::1"),
        ];
        let trusted = [Network::read("10.0.0.0/8").unwrap()];
        for (peer, forwarded, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in &forwarded {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
            }
            let seen = remote(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(seen, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
    }
}
