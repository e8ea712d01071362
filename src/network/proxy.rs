//! Which proxy a request goes through: the variables of the environment, by the rules of Go's
//! `golang.org/x/net/http/httpproxy`, which Helm's and Docker's users know.

use std::net::IpAddr;

use url::{Host, Url};

/// The variables as the environment has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyVariables {
    pub http_proxy: String,
    pub https_proxy: String,
    pub no_proxy: String,
    /// Whether `REQUEST_METHOD` is set: then whoever asks could have set `HTTP_PROXY` by a header.
    pub is_cgi: bool,
}

/// A proxy and the variable that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// With the user and password for the proxy, if there are any.
    pub url: Url,
    variable: &'static str,
}

/// How a request gets to its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    Direct,
    Through(&'a Proxy),
    /// `HTTP_PROXY` is not used in a CGI program.
    Refused,
}

/// The variables, parsed.
#[derive(Clone, Debug, Default)]
pub struct ProxyRules {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
    is_cgi: bool,
    warnings: Vec<String>,
}

/// An entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    Network {
        address: IpAddr,
        prefix: u8,
    },
    Address {
        address: IpAddr,
        port: Option<String>,
    },
    /// With a dot before it. Without subdomains' dot in the entry, the name itself counts as well.
    Domain {
        suffix: String,
        port: Option<String>,
        and_itself: bool,
    },
}

impl ProxyVariables {
    /// Reads the variables in upper case, else in lower case.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |upper: &str| {
            let names = [upper.to_owned(), upper.to_ascii_lowercase()];
            names.iter().filter_map(|name| variable(name)).find(|text| !text.is_empty()).unwrap_or_default()
        };
        Self {
            http_proxy: either("HTTP_PROXY"),
            https_proxy: either("HTTPS_PROXY"),
            no_proxy: either("NO_PROXY"),
            is_cgi: variable("REQUEST_METHOD").is_some_and(|method| !method.is_empty()),
        }
    }
}

impl std::fmt::Display for Proxy {
    /// Without user and password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, host) = (self.url.scheme(), self.url.host_str().unwrap_or_default());
        write!(f, "the proxy {scheme}://{host}")?;
        match self.url.port() {
            Some(port) => write!(f, ":{port} of {}", self.variable),
            None => write!(f, " of {}", self.variable),
        }
    }
}

impl ProxyRules {
    pub fn new(variables: &ProxyVariables) -> Self {
        let mut rules = Self { is_cgi: variables.is_cgi, ..Self::default() };
        rules.http = rules.proxy("HTTP_PROXY", &variables.http_proxy);
        rules.https = rules.proxy("HTTPS_PROXY", &variables.https_proxy);
        for entry in variables.no_proxy.split(',') {
            let entry = entry.trim().to_lowercase();
            match entry.as_str() {
                "" => {}
                "*" => {
                    rules.exceptions = vec![Exception::Everything];
                    break;
                }
                entry => rules.exceptions.extend(Exception::parse(entry)),
            }
        }
        rules
    }

    /// Values that name no proxy and are ignored, as Go ignores them.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the way to the host of `url`. This machine is never asked through a proxy.
    pub fn route(&self, url: &Url) -> Route<'_> {
        let (proxy, is_refused) = match url.scheme() {
            "https" => (&self.https, false),
            "http" => (&self.http, self.is_cgi),
            _ => return Route::Direct,
        };
        let Some(proxy) = proxy else { return Route::Direct };
        if is_refused {
            return Route::Refused;
        }
        if self.is_exception(url) { Route::Direct } else { Route::Through(proxy) }
    }

    fn is_exception(&self, url: &Url) -> bool {
        let port = url.port_or_known_default().map(|port| port.to_string()).unwrap_or_default();
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
            Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6).to_canonical()),
            _ => None,
        };
        let name = url.host_str().unwrap_or_default();
        name == "localhost"
            || address.is_some_and(|address| address.is_loopback())
            || self.exceptions.iter().any(|exception| exception.matches(name, address, &port))
    }

    fn proxy(&mut self, variable: &'static str, text: &str) -> Option<Proxy> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let url = parse_proxy(text).filter(Url::has_host);
        match &url {
            None => self.warnings.push(format!("{variable} is not the URL of a proxy and is ignored")),
            Some(url) if !["http", "https", "socks5", "socks5h"].contains(&url.scheme()) => {
                let scheme = url.scheme();
                self.warnings.push(format!(
                    "{variable} names a proxy by {scheme}:// and is ignored; http, https and socks5 are known"
                ));
                return None;
            }
            Some(_) => {}
        }
        Some(Proxy { url: url?, variable })
    }
}

/// A URL, or `host[:port]`, which is meant as `http://`.
fn parse_proxy(text: &str) -> Option<Url> {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let url = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) && !rest.is_empty() => Url::parse(text),
        _ if text.starts_with('/') => return None,
        _ => Url::parse(&format!("http://{text}")),
    };
    let mut url = url.ok()?;
    // As in Go, the proxy resolves the name.
    if url.scheme() == "socks5" {
        url = Url::parse(&url.as_str().replacen("socks5:", "socks5h:", 1)).ok()?;
    }
    Some(url)
}

impl Exception {
    /// Parses an entry in lower case; `None` for one that means nothing.
    fn parse(entry: &str) -> Option<Self> {
        if let Some(network) = parse_network(entry) {
            return Some(network);
        }
        let (host, port) = match split_port(entry) {
            Some(("", _)) => return None,
            Some((host, port)) => (host, (!port.is_empty()).then(|| port.to_owned())),
            None => (entry, None),
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address { address: address.to_canonical(), port });
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let (bare, and_itself) = match host.strip_prefix('.') {
            Some(bare) => (bare, false),
            None => (host, true),
        };
        let ascii = if bare.is_ascii() { None } else { Host::parse(bare).ok() };
        let bare = ascii.map_or_else(|| bare.to_owned(), |host| host.to_string());
        Some(Self::Domain { suffix: format!(".{bare}"), port, and_itself })
    }

    /// `name` is that of the host, in lower case and ASCII; `address` is there when it is one.
    fn matches(&self, name: &str, address: Option<IpAddr>, its_port: &str) -> bool {
        let at = |port: &Option<String>| port.as_ref().is_none_or(|port| port == its_port);
        match (self, address) {
            (Self::Everything, _) => true,
            (Self::Network { address: first, prefix }, Some(address)) => within(address, *first, *prefix),
            (Self::Address { address: this, port }, Some(address)) => *this == address && at(port),
            (Self::Domain { suffix, port, and_itself }, None) => {
                (name.ends_with(suffix.as_str()) || (*and_itself && name == &suffix[1..])) && at(port)
            }
            _ => false,
        }
    }
}

/// `10.0.0.0/8`, `fd00::/8`.
fn parse_network(entry: &str) -> Option<Exception> {
    let (address, prefix) = entry.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let prefix: u32 = prefix.parse().ok()?;
    let (address, prefix) = match (address, address.to_canonical()) {
        (IpAddr::V6(_), IpAddr::V4(v4)) if (96..=128).contains(&prefix) => (IpAddr::V4(v4), prefix - 96),
        _ => (address, prefix),
    };
    let width = if address.is_ipv4() { 32 } else { 128 };
    (prefix <= width).then_some(Exception::Network { address, prefix: prefix as u8 })
}

fn within(address: IpAddr, first: IpAddr, prefix: u8) -> bool {
    match (address, first) {
        (IpAddr::V4(address), IpAddr::V4(first)) => {
            let differs = address.to_bits() ^ first.to_bits();
            differs.checked_shr(32 - u32::from(prefix)).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(first)) => {
            let differs = address.to_bits() ^ first.to_bits();
            differs.checked_shr(128 - u32::from(prefix)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// `host:port` or `[address]:port`, as Go's `net.SplitHostPort` has it.
fn split_port(entry: &str) -> Option<(&str, &str)> {
    let (host, port) = entry.rsplit_once(':')?;
    let inner = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let odd = |text: &str| text.contains(['[', ']']);
    (!odd(inner) && !odd(port)).then_some((inner, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(no_proxy: &str) -> ProxyRules {
        ProxyRules::new(&ProxyVariables {
            http_proxy: "proxy.example:3128".to_owned(),
            https_proxy: "https://user:secret@secure.example".to_owned(),
            no_proxy: no_proxy.to_owned(),
            is_cgi: false,
        })
    }

    #[test]
    fn exceptions_are_those_of_go() {
        #[rustfmt::skip]
        let table = [
            ("", "http://r.io/", false), ("", "https://localhost:5000/", true), ("", "http://127.0.0.2/", true),
            ("", "http://[::1]:5000/", true), ("", "http://[::ffff:127.0.0.1]/", true), ("", "http://10.0.0.1/", false),
            ("", "http://a.localhost/", false), ("*", "http://r.io/", true), (" * ,x", "https://r.io/", true),
            ("r.io", "http://r.io/", true), ("r.io", "http://a.r.io/", true), ("r.io", "http://ar.io/", false),
            (".r.io", "http://r.io/", false), (".r.io", "http://a.r.io/", true), ("*.r.io", "http://a.b.r.io/", true),
            ("R.IO:443", "https://r.io/", true), ("r.io:443", "http://r.io/", false), ("r.io:80", "http://r.io/", true),
            ("r.io:", "http://r.io:5000/", true), (":80", "http://r.io/", false), ("r.io:080", "http://r.io/", false),
            ("10.0.0.0/8", "http://10.1.2.3/", true), ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("10.1.2.3/8", "http://10.9.9.9/", true), ("0.0.0.0/0", "http://9.9.9.9/", true),
            ("::ffff:10.0.0.0/104", "http://10.1.1.1/", true), ("::/0", "http://10.1.1.1/", false),
            ("fd00::/8", "http://[fd00::1]/", true), ("fd00::1", "http://[fd00::1]:5000/", true),
            ("[fd00::1]:80", "http://[fd00::1]/", true), ("[fd00::1]:80", "http://[fd00::1]:81/", false),
            ("[fd00::1]", "http://[fd00::1]/", false), ("10.0.0.1:5000", "http://10.0.0.1:5000/", true),
            ("10.0.0.1:5000", "http://10.0.0.1/", false), ("10.0.0.0/+8", "http://10.0.0.1/", false),
            ("a.io b.io", "http://b.io/", false), ("a.io,, b.io", "http://b.io/", true),
            ("b\u{fc}cher.example", "http://b\u{fc}cher.example/", true),
        ];
        for (no_proxy, url, expected) in table {
            let rules = rules(no_proxy);
            let is_direct = rules.route(&Url::parse(url).unwrap()) == Route::Direct;
            assert_eq!(is_direct, expected, "NO_PROXY={no_proxy} {url}");
        }
    }

    #[test]
    fn a_proxy_is_named_without_its_password() {
        let rules = rules("");
        let told = |url: &str| match rules.route(&Url::parse(url).unwrap()) {
            Route::Through(proxy) => proxy.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(told("http://r.io"), "the proxy http://proxy.example:3128 of HTTP_PROXY");
        assert_eq!(told("https://r.io"), "the proxy https://secure.example of HTTPS_PROXY");
        assert!(rules.warnings().is_empty());
    }

    #[test]
    fn values_of_every_form_are_read() {
        for (text, expected) in [
            ("127.0.0.1:3128", Some("http://127.0.0.1:3128/")),
            ("proxy", Some("http://proxy/")),
            ("user:pw@proxy:1", Some("http://user:pw@proxy:1/")),
            ("socks5://proxy:1", Some("socks5h://proxy:1")),
            (" http://proxy/path ", Some("http://proxy/path")),
            ("ftp://proxy", None),
            ("[", None),
            ("//proxy", None),
        ] {
            let variables = ProxyVariables { http_proxy: text.to_owned(), ..ProxyVariables::default() };
            let rules = ProxyRules::new(&variables);
            assert_eq!(rules.http.as_ref().map(|proxy| proxy.url.as_str()), expected, "{text}");
            assert_eq!(rules.warnings().len(), usize::from(expected.is_none()), "{text}");
        }
    }

    #[test]
    fn variables_are_read_in_both_cases() {
        let set =
            [("http_proxy", "a"), ("HTTPS_PROXY", "b"), ("https_proxy", "c"), ("REQUEST_METHOD", "GET")];
        let read = ProxyVariables::read(|name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        });
        assert_eq!((read.http_proxy.as_str(), read.https_proxy.as_str(), read.is_cgi), ("a", "b", true));
        let rules = ProxyRules::new(&read);
        assert_eq!(rules.route(&Url::parse("http://r.io").unwrap()), Route::Refused);
        assert!(matches!(rules.route(&Url::parse("https://r.io").unwrap()), Route::Through(_)));
    }
}
