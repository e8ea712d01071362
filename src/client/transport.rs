//! HTTP as a client of registries needs it: TLS by Helm's flags, redirects by our own rules, attempts with back-off.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, Proxy, Response, Url, redirect};

use super::answer;
use super::body::Body;
use super::error::ClientError;
use super::files;
use crate::clock::Clock;
use crate::network::{
    Identity, ProxyRules, ProxyVariables, Route, Trust, certificate_fault, certificates, client_config,
    tls_error,
};

/// How to reach registries; the names are those of Helm's flags.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub insecure_skip_tls_verify: bool,
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub proxies: ProxyVariables,
}

const CONNECT: Duration = Duration::from_secs(10);
/// Without a byte for so long, an answer will not come.
const IDLE: Duration = Duration::from_secs(60);
const MAX_PEM: u64 = 4 * 1024 * 1024;
const MAX_REDIRECTS: usize = 5;
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A registry may ask for more patience than we would have, but not for ever.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub authorization: Option<HeaderValue>,
    pub body: Body,
}

impl Request {
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), authorization: None, body: Body::Empty }
    }

    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        // Values are ours or were parsed; one that no header can hold is left out and the registry will object.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// For messages: without the query, which may hold a secret.
    pub fn what(&self) -> String {
        format!("{} {}", self.method, bare(&self.url))
    }
}

pub struct Transport {
    http: Client,
    proxies: Arc<ProxyRules>,
    pub clock: Arc<dyn Clock>,
}

impl Transport {
    pub fn new(options: &Options, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        let proxies = Arc::new(ProxyRules::new(&options.proxies));
        let rules = Arc::clone(&proxies);
        let through = move |url: &Url| match rules.route(url) {
            Route::Through(proxy) => Some(proxy.url.clone()),
            Route::Direct | Route::Refused => None,
        };
        let tls = client_config(trust(options)?, identity(options)?)
            .map_err(|why| ClientError::Usage(named("--ca-file", options.ca_file.as_deref(), &why)))?;
        let http = Client::builder()
            .user_agent(concat!("charthouse/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(IDLE)
            .tcp_nodelay(true)
            .http1_only()
            .proxy(Proxy::custom(through))
            .tls_backend_preconfigured(tls);
        let failed = |error| ClientError::Connection { what: "the set-up of HTTP".to_owned(), error };
        Ok(Self { http: http.build().map_err(failed)?, proxies, clock })
    }

    /// Variables that name no proxy and are ignored.
    pub fn warnings(&self) -> &[String] {
        self.proxies.warnings()
    }

    /// One attempt. Redirects are followed; any other status is an answer, good or bad.
    pub async fn send(&self, request: &Request) -> Result<Response, ClientError> {
        let mut request = request.clone();
        let origin = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send_once(&request).await?;
            if ![301, 302, 303, 307, 308].contains(&response.status().as_u16()) {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let Some(target) = location.and_then(|location| request.url.join(location).ok()) else {
                return Err(ClientError::Refused(format!("{} is redirected to nowhere", request.what())));
            };
            may_redirect(&request, &origin, &target)?;
            if !same_origin(&request.url, &target) {
                request.authorization = None;
            }
            request.url = target;
        }
        Err(ClientError::Refused(format!("{} is redirected more than {MAX_REDIRECTS} times", request.what())))
    }

    async fn send_once(&self, request: &Request) -> Result<Response, ClientError> {
        let mut sent = self.http.request(request.method.clone(), request.url.clone());
        sent = sent.headers(request.headers.clone());
        if let Some(authorization) = &request.authorization {
            sent = sent.header(AUTHORIZATION, authorization.clone());
        }
        if [Method::POST, Method::PUT].contains(&request.method) {
            sent = sent.header(CONTENT_LENGTH, request.body.length());
        }
        if request.body.length() > 0 {
            sent = sent.body(request.body.open().await?);
        }
        let proxy = match self.proxies.route(&request.url) {
            Route::Direct => None,
            Route::Through(proxy) => Some(proxy.to_string()),
            Route::Refused => {
                let why = "HTTP_PROXY is not used where REQUEST_METHOD is set: a request could have set it; \
                           unset one of the two";
                return Err(ClientError::Usage(why.to_owned()));
            }
        };
        match sent.send().await {
            Ok(mut response) => {
                if let Some(proxy) = proxy.filter(|_| request.url.scheme() == "http") {
                    response.extensions_mut().insert(Forwarder(proxy));
                }
                Ok(response)
            }
            Err(why) => {
                let way = proxy.map(|proxy| format!(" through {proxy}")).unwrap_or_default();
                let what = format!("{}{way}", request.what());
                Err(match tls_error(&why) {
                    // TLS was answered with something that is no TLS.
                    Some(rustls::Error::InvalidMessage(_)) => {
                        let what = format!("{what}, which seems to speak plain HTTP (--plain-http)");
                        ClientError::Connection { what, error: why.without_url() }
                    }
                    tls => match tls.and_then(certificate_fault) {
                        Some(fault) => ClientError::Certificate { what, fault },
                        None => ClientError::Connection { what, error: why.without_url() },
                    },
                })
            }
        }
    }

    /// Asks again with growing pauses while the error may pass.
    pub async fn retry<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match attempt().await {
                Err(error) if error.is_transient() => {
                    let asked = error.retry_after().map(|asked| asked.min(LONGEST_RETRY_AFTER));
                    tokio::time::sleep(asked.unwrap_or_else(|| self.jittered(pause))).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                done => return done,
            }
        }
        attempt().await
    }

    /// Between half of it and all of it: clients that failed together do not come back together.
    fn jittered(&self, pause: Duration) -> Duration {
        let share = (self.clock.random() % 1_000) as u32;
        pause / 2 + pause / 2 * share / 1_000
    }

    /// Sends until there is an answer that will not get better; an answer that is no success is an error.
    pub async fn expect(&self, request: &Request) -> Result<Response, ClientError> {
        self.retry(|| async { answer::success(request, self.send(request).await?).await }).await
    }
}

/// The proxy that handed on an answer, or gave it itself: over plain HTTP nobody can tell.
#[derive(Clone)]
pub struct Forwarder(pub String);

fn trust(options: &Options) -> Result<Trust, ClientError> {
    match &options.ca_file {
        _ if options.insecure_skip_tls_verify => Ok(Trust::Anything),
        None => Ok(Trust::System),
        Some(path) => certificates(&pem(path)?)
            .map(Trust::Anchors)
            .map_err(|why| ClientError::Usage(named("--ca-file", Some(path), &why))),
    }
}

fn identity(options: &Options) -> Result<Option<Identity>, ClientError> {
    let (certificate, key) = match (&options.cert_file, &options.key_file) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(None),
        _ => return Err(ClientError::Usage("--cert-file and --key-file go together".to_owned())),
    };
    let wrong = |why| {
        let (certificate, key) = (certificate.display(), key.display());
        ClientError::Usage(format!("--cert-file {certificate} --key-file {key}: {why}"))
    };
    Identity::from_pem(&pem(certificate)?, &pem(key)?).map(Some).map_err(wrong)
}

fn named(flag: &str, path: Option<&std::path::Path>, why: &str) -> String {
    match path {
        Some(path) => format!("{flag} {}: {why}", path.display()),
        None => why.to_owned(),
    }
}

fn pem(path: &std::path::Path) -> Result<Vec<u8>, ClientError> {
    let missing = || ClientError::Usage(format!("{} does not exist", path.display()));
    files::read(path, MAX_PEM)?.ok_or_else(missing)
}

pub fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Without query and credentials.
pub fn bare(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// Content may be fetched from another host, without credentials; nothing is ever sent to one (CVE-2020-15157, and
/// the server-side forgeries found in go-containerregistry).
fn may_redirect(request: &Request, origin: &Url, target: &Url) -> Result<(), ClientError> {
    let refused = |why: &str| {
        Err(ClientError::Refused(format!("{} is redirected to {}: {why}", request.what(), bare(target))))
    };
    if !["http", "https"].contains(&target.scheme()) {
        return refused("that is not HTTP");
    }
    if request.url.scheme() == "https" && target.scheme() == "http" {
        return refused("that is not encrypted");
    }
    if same_origin(origin, target) {
        return Ok(());
    }
    if ![Method::GET, Method::HEAD].contains(&request.method) {
        return refused("nothing is sent to another host");
    }
    if is_private(target) && !is_private(origin) {
        return refused("a public registry has no business with a private address");
    }
    Ok(())
}

/// An address literal of this machine or a private network, or the name of this machine.
pub fn is_private(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return true };
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => is_private_v4(v4),
        Ok(IpAddr::V6(v6)) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.to_ipv4_mapped().is_some_and(is_private_v4)
        }
        Err(_) => false,
    }
}

fn is_private_v4(v4: std::net::Ipv4Addr) -> bool {
    v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn redirects_are_followed_where_they_do_no_harm() {
        let cases = [
            (Method::GET, "https://r.io/x", "https://cdn.io/y", true),
            (Method::GET, "https://r.io/x", "http://cdn.io/y", false),
            (Method::GET, "https://r.io/x", "file:///etc/passwd", false),
            (Method::GET, "https://r.io/x", "https://169.254.169.254/", false),
            (Method::GET, "https://r.io/x", "https://[::1]/", false),
            (Method::GET, "https://r.io/x", "https://localhost/", false),
            (Method::GET, "http://10.0.0.1:5000/x", "http://10.0.0.2:9000/y", true),
            (Method::PUT, "https://r.io/x", "https://r.io/y", true),
            (Method::PUT, "https://r.io/x", "https://r.io:444/y", false),
            (Method::DELETE, "https://r.io/x", "https://cdn.io/y", false),
        ];
        for (method, from, to, expected) in cases {
            let request = Request::new(method, url(from));
            let allowed = may_redirect(&request, &url(from), &url(to)).is_ok();
            assert_eq!(allowed, expected, "{} to {to}", request.what());
        }
    }

    #[test]
    fn messages_hold_no_query() {
        let request = Request::new(Method::GET, url("https://user:secret@r.io/v2/?token=secret"));
        assert_eq!(request.what(), "GET https://r.io/v2/");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_may_pass_is_tried_again_with_pauses() {
        let transport =
            Transport::new(&Options::default(), Arc::new(crate::clock::SystemClock::default())).unwrap();
        let count = std::cell::Cell::new(0);
        let busy = || {
            ClientError::Answer(Box::new(super::super::error::Answer {
                what: String::new(),
                status: reqwest::StatusCode::SERVICE_UNAVAILABLE,
                messages: Vec::new(),
                notes: Vec::new(),
                retry_after: None,
            }))
        };
        let begun = tokio::time::Instant::now();
        let done = transport
            .retry(|| async {
                count.set(count.get() + 1);
                if count.get() < 4 { Err(busy()) } else { Ok(count.get()) }
            })
            .await;
        assert_eq!(done.unwrap(), 4);
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_millis(875) && waited <= Duration::from_millis(1_760), "{waited:?}");
        count.set(0);
        let failed = transport
            .retry(|| async {
                count.set(count.get() + 1);
                Err::<(), _>(busy())
            })
            .await;
        assert!(failed.is_err() && count.get() == ATTEMPTS);
        count.set(0);
        let refused = transport
            .retry(|| async {
                count.set(count.get() + 1);
                Err::<(), _>(ClientError::Refused(String::new()))
            })
            .await;
        assert!(refused.is_err() && count.get() == 1);
    }
}
