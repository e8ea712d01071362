//! What a registry has: tags of a repository, repositories, and the JSON API of charthouse where it is there.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{Access, Registry, scope};
use crate::client::answer;
use crate::client::error::ClientError;
use crate::client::reference::Repository;
use crate::client::transport::Request;

const MAX_API: u64 = 8 * 1024 * 1024;
/// Names in one list that a client holds.
const MAX_NAMES: usize = 1_000_000;

impl Registry {
    /// All tags; `None` when there is no such repository.
    pub async fn tags(&self, repository: &Repository) -> Result<Option<Vec<String>>, ClientError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut url = self.below(repository, "tags/list")?;
        url.set_query(Some("n=1000"));
        let mut tags = Vec::new();
        let there = self
            .pages(url, &scope(repository, Access::Pull), &mut |body| {
                let page: Page = serde_json::from_slice(body).map_err(|_| self.no_list("tags"))?;
                tags.extend(page.tags.unwrap_or_default());
                self.bounded(tags.len())
            })
            .await?;
        Ok(there.then_some(tags))
    }

    /// All repositories that begin with `prefix`; `None` when the registry has no catalog.
    pub async fn catalog(&self, prefix: &str) -> Result<Option<Vec<Repository>>, ClientError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            repositories: Option<Vec<String>>,
        }
        let mut url = self.url("v2/_catalog")?;
        url.set_query(Some("n=1000"));
        let mut found = Vec::new();
        let there = self
            .pages(url, &"registry:catalog:*".to_owned(), &mut |body| {
                let page: Page = serde_json::from_slice(body).map_err(|_| self.no_list("repositories"))?;
                let names = page.repositories.unwrap_or_default();
                // A name that is none is not asked for later.
                let names = names.iter().filter(|name| name.starts_with(prefix));
                found.extend(names.filter_map(|name| Repository::parse(name).ok()));
                self.bounded(found.len())
            })
            .await?;
        Ok(there.then_some(found))
    }

    /// `GET /-/api/v1/PATH`; `None` where the registry has no such API.
    pub async fn api(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Value>, ClientError> {
        let mut url = self.url(&format!("-/api/v1/{path}"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = Request::new(Method::GET, url);
        let what = request.what();
        let response = match self.ask(request, &String::new()).await {
            Ok(response) => response,
            Err(error) if error.status().is_some_and(|status| status.is_client_error()) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Registries with a web page answer everything with it.
        let body = answer::body(&what, response, MAX_API).await?;
        Ok(serde_json::from_slice(&body).ok())
    }

    fn no_list(&self, of: &str) -> ClientError {
        ClientError::Refused(format!("{} answered with something that is no list of {of}", self.host))
    }

    fn bounded(&self, count: usize) -> Result<(), ClientError> {
        if count <= MAX_NAMES {
            return Ok(());
        }
        Err(ClientError::TooLarge { what: format!("a list of {}", self.host), limit: MAX_NAMES as u64 })
    }
}
