//! HTTP for the AWS SDK: certificates and proxies by the rules of this program instead of the SDK's.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::error::{BoxError, ConnectorError};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use reqwest::{Client, Proxy, Request, Url, redirect};
use url::Host;

use crate::network::{self, ProxyRules, ProxyVariables, Route, Trust, certificates, client_config};

/// How long a connection may take to come about.
pub const CONNECT: Duration = Duration::from_secs(2);
/// A connection that was idle for longer is not used again: the service may be closing it.
const IDLE: Duration = Duration::from_secs(15);
/// Where containers on Amazon EKS ask for credentials, beside the link-local addresses.
const EKS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23);
const INSTANCE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Returns the client that the SDK sends its requests with. `ca` are certificates in PEM that alone are trusted, instead
/// of the system's and those this program brings.
///
/// # Errors
/// What is wrong with the certificates.
pub fn client(ca: Option<&[u8]>, proxies: &ProxyVariables) -> Result<SharedHttpClient, String> {
    let proxies = Arc::new(ProxyRules::new(proxies));
    for warning in proxies.warnings() {
        tracing::warn!("{warning}");
    }
    let rules = Arc::clone(&proxies);
    let through = move |url: &Url| proxy_of(&rules, url).map(|proxy| proxy.url.clone());
    let tls = client_config(trust(ca).map_err(|why| format!("ca_file: {why}"))?, None)?;
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .http1_only()
        .proxy(Proxy::custom(through))
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|why| why.to_string())?;
    Ok(SharedHttpClient::new(Http { client, proxies, timeout: None }))
}

/// The given certificates alone; or the system's and, because an image from scratch has none, those of Mozilla.
fn trust(ca: Option<&[u8]>) -> Result<Trust, String> {
    if let Some(pem) = ca {
        return certificates(pem).map(Trust::Anchors);
    }
    Ok(Trust::SystemAnd(webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec()))
}

fn proxy_of<'a>(rules: &'a ProxyRules, url: &Url) -> Option<&'a network::Proxy> {
    match rules.route(url) {
        Route::Through(proxy) if !is_local_service(url) => Some(proxy),
        _ => None,
    }
}

/// Whether the host is where an instance or a container gets its credentials: no proxy reaches that.
fn is_local_service(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(v4)) => v4.is_link_local(),
        Some(Host::Ipv6(v6)) => [EKS, INSTANCE].contains(&v6),
        _ => false,
    }
}

#[derive(Clone, Debug)]
struct Http {
    client: Client,
    proxies: Arc<ProxyRules>,
    /// Until an answer begins. Requests to the store have none: their callers know how long they may take.
    timeout: Option<Duration>,
}

impl HttpClient for Http {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let timeout =
            settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or(CONNECT));
        SharedHttpConnector::new(Self { timeout, ..self.clone() })
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { client, proxies, timeout } = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|why| ConnectorError::user(why.into()))?;
            let request = Request::try_from(request.map(reqwest::Body::wrap))
                .map_err(|why| ConnectorError::user(why.into()))?;
            let way = proxy_of(&proxies, request.url()).map(ToString::to_string);
            let sent = client.execute(request);
            let response = match timeout {
                None => sent.await,
                Some(timeout) => tokio::time::timeout(timeout, sent)
                    .await
                    .map_err(|why| ConnectorError::timeout(why.into()))?,
            };
            let response: http::Response<reqwest::Body> = response.map_err(|why| failed(why, way))?.into();
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|why| ConnectorError::other(why.into(), None))
        })
    }
}

/// Why a request had no answer, in the words of this program.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct NoAnswer {
    reason: String,
    /// Whether asking again later may bring an answer: it will not where TLS fails.
    pub may_pass: bool,
}

/// What failed is told by the caller, without the URL.
fn failed(error: reqwest::Error, way: Option<String>) -> ConnectorError {
    let is_timeout = error.is_timeout();
    let tls = network::tls_error(&error);
    let hint = match tls.and_then(network::certificate_fault) {
        Some(fault) if fault.is_untrusted => " (ca_file= in storage.url names certificates to trust)",
        None if tls.is_some() => " (the endpoint in storage.url may have to begin with http://)",
        _ => "",
    };
    let way = way.map(|proxy| format!("through {proxy}: ")).unwrap_or_default();
    let reason = format!("{way}{}{hint}", network::failure_reason(&error));
    let error: BoxError = NoAnswer { reason, may_pass: tls.is_none() }.into();
    if is_timeout { ConnectorError::timeout(error) } else { ConnectorError::io(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_the_machine_are_not_asked_for_through_a_proxy() {
        for (url, expected) in [
            ("http://169.254.169.254/latest/meta-data", true),
            ("http://169.254.170.2/v2/credentials", true),
            ("http://[fd00:ec2::254]/latest", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://169.253.0.1/", false),
            ("http://[fd00:ec3::23]/", false),
            ("https://s3.eu-west-1.amazonaws.com/", false),
        ] {
            assert_eq!(is_local_service(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
