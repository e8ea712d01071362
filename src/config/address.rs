//! Settings that name a place: networks, URLs, the health path.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::Value;
use super::pem_file::PemFile;

/// What cannot stand in a value of a storage URL as it is.
const ARGUMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'&').add(b'#');

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

/// `http` or `https`, a host and perhaps a port, without a final slash: how the world reaches this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl(String);

impl ExternalUrl {
    /// Without a final slash, so that a path can be appended.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for ExternalUrl {
    fn read(text: &str) -> Result<Self, String> {
        origin(text.strip_suffix('/').unwrap_or(text)).map(Self).ok_or_else(|| {
            format!(
                "`{}` is not http:// or https://, a host and perhaps a port, like https://charts.example.com; \
                 clients expect /v2/ at its root, so it has no path",
                text.escape_debug()
            )
        })
    }

    fn write(&self) -> String {
        self.0.clone()
    }
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
        match self {
            Self::Any => true,
            Self::Origin(origin) => origin == header,
        }
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

/// Where all state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageUrl {
    /// A directory path, or `file:PATH`.
    Directory(PathBuf),
    /// `memory:`; everything is gone when the process ends.
    Memory,
    S3(S3Location),
}

/// `s3://bucket/prefix?endpoint=...&region=...&path_style=true&ca_file=...`. Credentials come from the SDK's usual chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    pub bucket: String,
    /// Without slashes at its ends; empty for the whole bucket.
    pub prefix: String,
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub path_style: bool,
    /// Certificates that alone are trusted.
    pub ca_file: Option<PemFile>,
}

impl Value for StorageUrl {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err("a storage URL is a directory path, memory: or s3://bucket/prefix".to_owned());
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            return s3_location(rest).map(Self::S3);
        }
        if let Some(rest) = text.strip_prefix("memory:") {
            return if rest.is_empty() {
                Ok(Self::Memory)
            } else {
                Err(format!("nothing may follow memory:, but `{}` does", rest.escape_debug()))
            };
        }
        directory(text).map(Self::Directory)
    }

    fn write(&self) -> String {
        match self {
            Self::Memory => "memory:".to_owned(),
            Self::S3(location) => location.to_string(),
            Self::Directory(path) => path.to_string_lossy().into_owned(),
        }
    }
}

fn directory(text: &str) -> Result<PathBuf, String> {
    let path = match text.strip_prefix("file:") {
        None => text,
        Some(rest) => match rest.strip_prefix("//") {
            None => rest,
            Some(rooted) if rooted.starts_with('/') => rooted,
            Some(_) => return Err(format!("`{text}` names a host; write file:///path or a path")),
        },
    };
    let scheme_like = path.split_once("://").is_some();
    if path.is_empty() || scheme_like {
        return Err(format!(
            "`{}` is no storage this build knows: a directory path, memory: or s3://bucket/prefix",
            text.escape_debug()
        ));
    }
    Ok(Path::new(path).to_path_buf())
}

fn s3_location(rest: &str) -> Result<S3Location, String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.contains('@') || bucket.contains(':') {
        return Err("credentials do not belong into a storage URL; they come from AWS_ACCESS_KEY_ID, \
                    a profile or the instance"
            .to_owned());
    }
    if !is_bucket(bucket) {
        return Err(format!(
            "`{}` is not a bucket name: 3 to 63 lower-case letters, digits, `-` or `.`",
            bucket.escape_debug()
        ));
    }
    let prefix = prefix.trim_end_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let component = |c: &str| !matches!(c, "" | "." | "..") && c.bytes().all(plain);
    if !prefix.is_empty() && !prefix.split('/').all(component) {
        return Err(format!(
            "`{}` is not a prefix: components of letters, digits, `-`, `_` or `.` between slashes",
            prefix.escape_debug()
        ));
    }
    let mut location = S3Location {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        endpoint: None,
        region: None,
        path_style: false,
        ca_file: None,
    };
    s3_arguments(query, &mut location)?;
    Ok(location)
}

fn is_bucket(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
}

fn s3_arguments(query: &str, location: &mut S3Location) -> Result<(), String> {
    let mut seen = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if seen.contains(&name) {
            return Err(format!("the storage URL gives `{}` twice", name.escape_debug()));
        }
        seen.push(name);
        let value = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| format!("the storage URL's `{name}` is not UTF-8"))?;
        match name {
            "endpoint" => {
                let endpoint = ExternalUrl::read(&value).map_err(|why| format!("endpoint: {why}"))?;
                location.endpoint = Some(endpoint.0);
            }
            "region" => {
                let region = super::Label::read(&value).map_err(|why| format!("region: {why}"))?;
                location.region = Some(region.to_string());
            }
            "path_style" => location.path_style = bool::read(&value)?,
            "ca_file" => {
                location.ca_file = Some(PemFile::read(&value).map_err(|why| format!("ca_file: {why}"))?);
            }
            _ => {
                return Err(format!(
                    "the storage URL has an unknown argument `{}`; known are endpoint, region, path_style and ca_file",
                    name.escape_debug()
                ));
            }
        }
    }
    Ok(())
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        let arguments = [
            self.endpoint.as_ref().map(|endpoint| format!("endpoint={endpoint}")),
            self.region.as_ref().map(|region| format!("region={region}")),
            self.path_style.then(|| "path_style=true".to_owned()),
            self.ca_file.as_ref().map(|file| {
                let path = file.write();
                format!("ca_file={}", utf8_percent_encode(&path, ARGUMENT))
            }),
        ];
        for (n, argument) in arguments.into_iter().flatten().enumerate() {
            write!(f, "{}{argument}", if n == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}
