//! What a `Host` header or the authority of a request target names (RFC 9110 section 7.2).

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_http::RequestHead;
use actix_http::header::HOST;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostKind {
    /// A name or address of this machine: `localhost`, names below it, 127.0.0.0/8 and `[::1]`.
    Loopback,
    /// Another IP address.
    Address,
    /// Another name: its owner decides which address it has, and can let that be ours (DNS rebinding).
    Name,
}

/// Returns the authority that `head` asks for, with its kind; `None` when there is none, when it is malformed, or when
/// the target in absolute form and `Host` name two.
pub(super) fn authority(head: &RequestHead) -> Option<(&str, HostKind)> {
    let host = head.headers.get(HOST).map(|value| value.to_str());
    let target = head.uri.authority().map(|authority| authority.as_str());
    let authority = match (host, target) {
        (Some(host), None) => host.ok()?,
        (None, Some(target)) => target,
        (Some(host), Some(target)) => host.ok().filter(|host| host.eq_ignore_ascii_case(target))?,
        (None, None) => return None,
    };
    Some((authority, kind(authority)?))
}

/// The kind of the host in `host[:port]`, or `None` when that is malformed.
fn kind(authority: &str) -> Option<HostKind> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok().filter(|_| port.is_empty() || is_port(port))?;
        return Some(kind_of_address(address.to_canonical().is_loopback()));
    }
    let end = authority.find(':').unwrap_or(authority.len());
    let (host, port) = authority.split_at(end);
    if !(port.is_empty() || is_port(port)) {
        return None;
    }
    // Nearly every request of the open default, which asks for each.
    if matches!(host, "localhost" | "127.0.0.1") {
        return Some(HostKind::Loopback);
    }
    // A final dot says that the name is complete.
    let host = host.strip_suffix('.').unwrap_or(host);
    if !host.split('.').all(is_label) {
        return None;
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(kind_of_address(address.is_loopback()));
    }
    let last = host.rsplit('.').next().unwrap_or(host);
    Some(if last.eq_ignore_ascii_case("localhost") { HostKind::Loopback } else { HostKind::Name })
}

fn kind_of_address(is_loopback: bool) -> HostKind {
    if is_loopback { HostKind::Loopback } else { HostKind::Address }
}

/// `:` and digits, of which there may be none.
fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|port| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_label(label: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !label.is_empty() && label.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_and_addresses_of_this_machine_are_loopback() {
        let loopback = [
            "localhost",
            "LocalHost",
            "localhost:5000",
            "localhost.",
            "localhost.:5000",
            "localhost:",
            "charts.localhost",
            "a.b.LOCALHOST:65535",
            "127.0.0.1",
            "127.0.0.1:5000",
            "127.255.255.254",
            "127.0.0.1.",
            "[::1]",
            "[::1]:5000",
            "[0:0:0:0:0:0:0:1]:80",
            "[::ffff:127.0.0.1]:80",
        ];
        let addresses = ["0.0.0.0", "10.0.0.1:5000", "128.0.0.1", "[::]", "[::2]:5000", "[::ffff:10.0.0.1]"];
        let names = [
            "evil.example",
            "localhost.evil.example",
            "localhost.localdomain",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "127.1",
            "127",
            "2130706433",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "0127.0.0.1",
            "127.0.0.256",
            "charthouse",
        ];
        let malformed = [
            "",
            ":5000",
            ".",
            ".localhost",
            "a..localhost",
            "localhost..",
            "evil.example@localhost",
            "evil.example:80@localhost",
            "localhost:80@evil.example",
            "localhost/evil.example",
            "localhost, evil.example",
            "localhost evil.example",
            "localhost:x",
            "localhost:80:80",
            "localhost:999999",
            "localhost%00.evil.example",
            "evil.example\\.localhost",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]80",
            "[localhost]",
            "[::1%25lo]",
            "[127.0.0.1]",
            "*",
        ];
        let cases = [
            (&loopback[..], Some(HostKind::Loopback)),
            (&addresses, Some(HostKind::Address)),
            (&names, Some(HostKind::Name)),
            (&malformed, None),
        ];
        for (authorities, expected) in cases {
            for authority in authorities {
                assert_eq!(kind(authority), expected, "{authority}");
            }
        }
    }
}
