//! One registry in typed operations: manifests, blobs, listings. Every request goes through [`Registry::ask`].

mod blobs;
mod catalog;
mod manifests;
mod pages;
mod referrers;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode, Url};

pub use blobs::RemoteBlob;
pub use manifests::Stored;
pub(super) use referrers::fallback_tag;

use super::answer;
use super::auth::{Authenticator, Scope, Source};
use super::error::ClientError;
use super::reference::{Host, Repository};
use super::transport::{Request, Transport, same_origin};

pub struct Registry {
    transport: Arc<Transport>,
    host: Host,
    root: Url,
    auth: Authenticator,
    warnings: Mutex<BTreeSet<String>>,
    /// Learnt on the way: it does not take a blob in one request.
    needs_sessions: AtomicBool,
}

/// What a request does with a repository, for the token that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Pull,
    Push,
    Delete,
}

impl Registry {
    pub fn new(
        transport: Arc<Transport>,
        host: Host,
        plain_http: bool,
        credentials: Source,
    ) -> Result<Self, ClientError> {
        let scheme = if plain_http { "http" } else { "https" };
        let wrong = |_| ClientError::Usage(format!("`{host}` is no host of a registry"));
        let root = Url::parse(&format!("{scheme}://{}/", host.on_the_wire())).map_err(wrong)?;
        let auth = Authenticator::new(root.clone(), host.clone(), credentials);
        let (warnings, needs_sessions) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { transport, host, root, auth, warnings, needs_sessions })
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Whether `other` is the same registry, so that blobs can be mounted from one repository to another.
    pub fn is_same(&self, other: &Self) -> bool {
        same_origin(&self.root, &other.root)
    }

    /// What the registry and the stores of credentials warned of, each once.
    pub fn take_warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.auth.take_warnings();
        own.into_iter().chain(std::mem::take(&mut *warnings)).collect()
    }

    /// Keeps `text` for those who look at the warnings.
    pub fn warn(&self, text: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
    }

    /// Proves that the credentials are good: `false` when the registry did not ask for any.
    pub async fn ping(&self) -> Result<bool, ClientError> {
        let request = Request::new(Method::GET, self.url("v2/")?);
        let anonymous = self.transport.retry(|| async { self.transport.send(&request).await }).await?;
        match anonymous.status() {
            StatusCode::OK => Ok(false),
            StatusCode::UNAUTHORIZED => {
                let answer =
                    self.auth.answer(&self.transport, &Scope::new(), anonymous.headers(), None).await?;
                let request = Request { authorization: answer, ..request };
                self.transport.expect(&request).await.map(|_| true)
            }
            _ => Err(answer::refusal(request.what(), anonymous).await),
        }
    }

    fn url(&self, path: &str) -> Result<Url, ClientError> {
        self.root.join(path).map_err(|_| ClientError::Usage(format!("`{path}` is no path of a URL")))
    }

    fn below(&self, repository: &Repository, rest: &str) -> Result<Url, ClientError> {
        self.url(&format!("v2/{repository}/{rest}"))
    }

    /// `target` if it is at this registry: what comes from elsewhere is neither asked nor told anything. A registry behind
    /// a proxy that ends TLS, or that maps its port, may not know either: then its own name means this registry.
    fn own(&self, base: &Url, target: &str, what: &str) -> Result<Url, ClientError> {
        let url = base.join(target).ok().map(|url| at_the_port_of(&self.root, url));
        url.filter(|url| same_origin(url, &self.root)).ok_or_else(|| {
            ClientError::Refused(format!(
                "{} names a {what} at another place: {}",
                self.host,
                answer::harmless(target)
            ))
        })
    }

    /// One attempt, with the authorization that `scope` needs; any answer but a demand for a better one is handed on.
    async fn send(&self, mut request: Request, scope: &Scope) -> Result<Response, ClientError> {
        request.authorization = self.auth.header(&self.transport, scope).await?;
        let response = self.transport.send(&request).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            self.keep_warnings(response.headers());
            return Ok(response);
        }
        let used = request.authorization.take();
        // Before credentials are looked at: the refusal may have been about another host after a redirect.
        if !same_origin(response.url(), &self.root) {
            return Ok(response);
        }
        let better = self.auth.answer(&self.transport, scope, response.headers(), used.as_ref()).await?;
        let Some(better) = better else { return Ok(response) };
        request.authorization = Some(better);
        let response = self.transport.send(&request).await?;
        self.keep_warnings(response.headers());
        Ok(response)
    }

    /// Like [`Self::send`], again while it may get better; an answer that is no success is an error.
    async fn ask(&self, request: Request, scope: &Scope) -> Result<Response, ClientError> {
        let attempt = || async {
            let response = self.send(request.clone(), scope).await?;
            answer::success(&request, response).await
        };
        self.transport.retry(attempt).await
    }

    /// `None` for 404.
    async fn ask_if_there(&self, request: Request, scope: &Scope) -> Result<Option<Response>, ClientError> {
        match self.ask(request, scope).await {
            Ok(response) => Ok(Some(response)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn keep_warnings(&self, headers: &HeaderMap) {
        const MOST: usize = 100;
        let texts = answer::warnings(headers);
        if !texts.is_empty() {
            let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
            warnings.extend(texts);
            while warnings.len() > MOST {
                warnings.pop_last();
            }
        }
    }
}

/// `url` with scheme and port of `root`, where it names the same host, no port or the same one, and the same scheme or
/// plain HTTP instead of TLS.
fn at_the_port_of(root: &Url, mut url: Url) -> Url {
    let same_host = url.host() == root.host();
    let same_port = url.port().is_none() || url.port() == root.port();
    let is_weaker = url.scheme() == "http" && root.scheme() == "https";
    if same_host && same_port && (url.scheme() == root.scheme() || is_weaker) {
        // Both are schemes and ports of HTTP, so neither can be refused.
        let (_, _) = (url.set_scheme(root.scheme()), url.set_port(root.port()));
    }
    url
}

fn scope(repository: &Repository, access: Access) -> Scope {
    let actions = match access {
        Access::Pull => "pull",
        Access::Push => "pull,push",
        Access::Delete => "delete",
    };
    format!("repository:{repository}:{actions}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_name_means_this_registry() {
        for (root, target, expected) in [
            ("https://r.io/", "http://r.io/v2/x?y", "https://r.io/v2/x?y"),
            ("https://r.io:5000/", "http://r.io/v2/", "https://r.io:5000/v2/"),
            ("https://r.io:5000/", "http://r.io:5000/v2/", "https://r.io:5000/v2/"),
            ("https://r.io:5000/", "https://r.io/v2/", "https://r.io:5000/v2/"),
            ("http://r.io:5000/", "http://r.io/v2/", "http://r.io:5000/v2/"),
            ("http://r.io:5000/", "https://r.io/v2/", "https://r.io/v2/"),
            ("https://r.io/", "http://r.io:81/v2/", "http://r.io:81/v2/"),
            ("https://r.io/", "http://other.io/v2/", "http://other.io/v2/"),
        ] {
            let (root, target) = (Url::parse(root).unwrap(), Url::parse(target).unwrap());
            assert_eq!(at_the_port_of(&root, target).as_str(), expected);
        }
    }
}
