//! One GET over plain HTTP/1.1, for containers that hold nothing but this binary.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::config::Settings;

/// For everything together: name, connection, answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A status line is shorter.
const MAX_STATUS_LINE: usize = 256;

/// `http://HOST[:PORT][/PATH]`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Url {
    authority: String,
    path: String,
}

impl Url {
    /// Where a server with these settings answers. One that listens on every address is asked over loopback.
    pub(super) fn of(settings: &Settings) -> Self {
        let listen = settings.server.listen;
        let address = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self {
            authority: SocketAddr::new(address, listen.port()).to_string(),
            path: settings.service.healthcheck.to_string(),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("http://").filter(|rest| rest.bytes().all(|b| b.is_ascii_graphic()));
        match rest.map(|rest| rest.split_at(rest.find('/').unwrap_or(rest.len()))) {
            Some((authority, path)) if !authority.is_empty() && !authority.contains(['@', '?', '#']) => {
                let path = if path.is_empty() { "/" } else { path };
                Ok(Self { authority: authority.to_owned(), path: path.to_owned() })
            }
            _ => Err("plain HTTP only, like http://127.0.0.1:5000/health"),
        }
    }
}

/// Any status but 2xx is an error.
pub(super) fn ask(url: &Url) -> anyhow::Result<()> {
    let status = status(&url.authority, &url.path).with_context(|| format!("no answer from {url}"))?;
    if !(200..300).contains(&status) {
        bail!("{url} answers {status}");
    }
    Ok(())
}

fn status(authority: &str, path: &str) -> anyhow::Result<u16> {
    let deadline = Instant::now() + PATIENCE;
    let mut stream = connect(authority, deadline)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: charthouse/{}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    )?;
    let mut line = Vec::new();
    while !line.contains(&b'\n') && line.len() < MAX_STATUS_LINE {
        let mut piece = [0; MAX_STATUS_LINE];
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut piece)? {
            0 => break,
            n => line.extend_from_slice(piece.get(..n).unwrap_or_default()),
        }
    }
    status_of(&line).context("the answer is not HTTP/1.1")
}

/// `HTTP/1.1 200 OK` (RFC 9112 section 4).
fn status_of(line: &[u8]) -> Option<u16> {
    let rest = std::str::from_utf8(line.split(|b| *b == b'\r').next()?).ok()?.strip_prefix("HTTP/1.")?;
    let (_minor, rest) = rest.split_once(' ')?;
    rest.split(' ').next().filter(|code| code.len() == 3)?.parse().ok()
}

fn connect(authority: &str, deadline: Instant) -> anyhow::Result<TcpStream> {
    let has_port =
        authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let addresses = if has_port { authority.to_socket_addrs() } else { (authority, 80).to_socket_addrs() }?;
    let mut last = io::Error::other("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last.into())
}

/// Never zero, which would mean no limit at all.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_comes_from_the_settings() {
        let cases = [
            ("127.0.0.1:5000", "http://127.0.0.1:5000/health"),
            ("0.0.0.0:80", "http://127.0.0.1:80/health"),
            ("[::]:5000", "http://[::1]:5000/health"),
            ("10.0.0.1:5000", "http://10.0.0.1:5000/health"),
        ];
        for (listen, url) in cases {
            let mut settings = Settings::default();
            settings.server.listen = listen.parse().unwrap();
            assert_eq!(Url::of(&settings).to_string(), url);
        }
    }

    #[test]
    fn only_plain_http_urls_are_asked() {
        assert_eq!("http://a:1/h?x=1".parse::<Url>().unwrap().to_string(), "http://a:1/h?x=1");
        assert_eq!("http://a".parse::<Url>().unwrap().path, "/");
        for url in [
            "",
            "a:1",
            "https://a",
            "http://",
            "http:///x",
            "http://u@a",
            "http://a?x",
            "http://a/\r\nX: y",
            "http://a b",
        ] {
            assert!(url.parse::<Url>().is_err(), "{url:?}");
        }
    }

    #[test]
    fn a_status_line_gives_its_code() {
        let cases: [(&[u8], Option<u16>); 8] = [
            (b"HTTP/1.1 200 OK\r\nx", Some(200)),
            (b"HTTP/1.1 503 \r\n", Some(503)),
            (b"HTTP/1.0 204\r\n", Some(204)),
            (b"HTTP/2 200\r\n", None),
            (b"HTTP/1.1 2000\r\n", None),
            (b"HTTP/1.1 -20 OK\r\n", None),
            (b"SSH-2.0-x\r\n", None),
            (b"", None),
        ];
        for (line, status) in cases {
            assert_eq!(status_of(line), status, "{}", line.escape_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_asked_is_one_request_line(url in "http://[a-z0-9:.@?#/\\[\\] \r\n%é]{0,20}|\\PC{0,20}", line: Vec<u8>) {
            if let Ok(parsed) = url.parse::<Url>() {
                proptest::prop_assert_eq!(parsed.to_string().parse(), Ok(parsed.clone()));
                proptest::prop_assert!(parsed.path.starts_with('/'));
                proptest::prop_assert!(!parsed.to_string().contains(char::is_whitespace));
            }
            proptest::prop_assert!(status_of(&line).is_none_or(|status| status < 1000));
        }
    }
}
