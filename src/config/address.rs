//! Settings that name a place in the network: addresses, origins, the health path.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::Value;

/// A range of IP addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// An IPv4 address that arrives mapped into IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl Value for Network {
    fn read(text: &str) -> Result<Self, String> {
        let refused = || format!("`{}` is not an IP address or a range like 10.0.0.0/8", text.escape_debug());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(usize::read(prefix).map_err(|_| refused())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let prefix = match prefix {
            None => width(address),
            Some(bits) => {
                u8::try_from(bits).ok().filter(|bits| *bits <= width(address)).ok_or_else(refused)?
            }
        };
        let first = masked(address, prefix);
        if first != address {
            return Err(format!("`{text}` has bits set after its prefix; write {first}/{prefix}"));
        }
        Ok(Self { address, prefix })
    }

    fn write(&self) -> String {
        format!("{}/{}", self.address, self.prefix)
    }
}

/// `http` or `https`, a host, perhaps a port and a path, without a final slash: how the world reaches this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl {
    /// In lower case.
    origin: String,
    path: String,
}

impl ExternalUrl {
    /// As browsers send it in `Origin`: without a port that is the default of the scheme.
    pub fn origin(&self) -> &str {
        let default_port = if self.origin.starts_with("https:") { ":443" } else { ":80" };
        self.origin.strip_suffix(default_port).unwrap_or(&self.origin)
    }

    /// The path that a proxy takes off before it hands a request on, like `/charts`; empty for none.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Value for ExternalUrl {
    fn read(text: &str) -> Result<Self, String> {
        let url = text.strip_suffix('/').unwrap_or(text);
        let authority = url.find("://").map_or(0, |at| at + 3);
        let end = url[authority..].find('/').map_or(url.len(), |at| authority + at);
        let path = &url[end..];
        let is_component = |component: &str| {
            let is_legal =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            !matches!(component, "" | "." | "..") && component.bytes().all(is_legal)
        };
        let path_is_good = path.is_empty() || path[1..].split('/').all(is_component);
        let origin = origin(&url[..end]).filter(|_| path_is_good);
        origin.map(|origin| Self { origin, path: path.to_owned() }).ok_or_else(|| {
            format!(
                "`{}` is not http:// or https://, a host, perhaps a port, and perhaps the path below which a proxy \
                 serves chart repositories, like https://charts.example.com or https://example.com/charts",
                text.escape_debug()
            )
        })
    }

    fn write(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }
}

/// Reads the URL of a store: `http` or `https`, a host and perhaps a port.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    origin(text.strip_suffix('/').unwrap_or(text)).ok_or_else(|| {
        format!(
            "`{}` is not http:// or https://, a host and perhaps a port, like https://s3.example.com",
            text.escape_debug()
        )
    })
}

/// Whose web pages may call this server: an origin (RFC 6454 section 6.2), or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigin {
    Any,
    /// In lower case, as browsers send it.
    Origin(String),
}

impl CorsOrigin {
    /// Whether a request with this `Origin` header is meant.
    pub fn matches(&self, header: &str) -> bool {
        matches!(self, Self::Any) || self.names(header)
    }

    /// Whether this is that very origin, and not `*`.
    pub fn names(&self, header: &str) -> bool {
        matches!(self, Self::Origin(origin) if origin == header)
    }
}

impl Value for CorsOrigin {
    fn read(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        origin(text).map(Self::Origin).ok_or_else(|| {
            format!("`{}` is not an origin like https://ui.example.com, or *", text.escape_debug())
        })
    }

    fn write(&self) -> String {
        match self {
            Self::Any => "*".to_owned(),
            Self::Origin(origin) => origin.clone(),
        }
    }
}

/// `scheme://host[:port]` in lower case. An IPv6 host stands in brackets.
fn origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_is_good =
        port.is_none_or(|port| !port.starts_with('+') && port.parse::<u16>().is_ok_and(|port| port > 0));
    (is_host(host) && port_is_good).then_some(text)
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// Where a listener that can be done without listens, if anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    Off,
    At(SocketAddr),
}

impl Value for Listen {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "" | "off" => Ok(Self::Off),
            _ => SocketAddr::read(text).map(Self::At).map_err(|why| format!("{why}; or off")),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Off => "off".to_owned(),
            Self::At(address) => address.to_string(),
        }
    }
}

/// Where `GET` answers whether the server works: `/` and one component that no other face uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthPath(String);

impl HealthPath {
    /// With its slash, as in a request line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without its slash: a reserved first component of repository names.
    pub fn component(&self) -> &str {
        self.0.strip_prefix('/').unwrap_or(&self.0)
    }
}

impl Default for HealthPath {
    fn default() -> Self {
        Self("/health".to_owned())
    }
}

impl fmt::Display for HealthPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// First components that belong to the faces of the registry itself.
const TAKEN: [&str; 4] = ["v2", "api", "charts", "index.yaml"];

impl Value for HealthPath {
    fn read(text: &str) -> Result<Self, String> {
        let component = text.strip_prefix('/').unwrap_or_default();
        if TAKEN.contains(&component) {
            return Err(format!("`{text}` is a path of the registry itself; choose another, like /health"));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let begins_well = component.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins_well && component.len() <= 63 && component.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{}` is not a health path: a slash and one component that begins with a letter or digit, like /health",
            text.escape_debug()
        ))
    }

    fn write(&self) -> String {
        self.0.clone()
    }
}
