//! What a registry has: tags of a repository, repositories, and the JSON API of charthouse where it is there.

use serde::Deserialize;
use serde_json::Value;

use super::{Access, Registry, scope};
use crate::client::error::ClientError;
use crate::client::reference::Repository;

/// Names in one list that a client holds.
const MAX_NAMES: usize = 1_000_000;

impl Registry {
    /// All tags; `None` when there is no such repository.
    ///
    /// # Errors
    /// Also a 404 that says more than that, such as a name that the registry keeps to itself.
    pub async fn tags(&self, repository: &Repository) -> Result<Option<Vec<String>>, ClientError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut url = self.below(repository, "tags/list")?;
        url.set_query(Some("n=1000"));
        let mut tags = Vec::new();
        let read = self
            .pages(url, &scope(repository, Access::Pull), &mut |body| {
                let page: Page = serde_json::from_slice(body).map_err(|_| self.no_list("tags"))?;
                tags.extend(page.tags.unwrap_or_default());
                self.bounded(tags.len())
            })
            .await;
        match read {
            Ok(()) => Ok(Some(tags)),
            Err(error) if error.is_unknown_name() => Ok(None),
            Err(error) => Err(error),
        }
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
        let read = self
            .pages(url, &"registry:catalog:*".to_owned(), &mut |body| {
                let page: Page = serde_json::from_slice(body).map_err(|_| self.no_list("repositories"))?;
                let names = page.repositories.unwrap_or_default();
                // A name that is none is not asked for later.
                let names = names.iter().filter(|name| name.starts_with(prefix));
                found.extend(names.filter_map(|name| Repository::parse(name).ok()));
                self.bounded(found.len())
            })
            .await;
        match read {
            Ok(()) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The entries of the list `name` over all pages of `GET /-/api/v1/PATH`; `None` where there is no such API.
    pub async fn api(
        &self,
        path: &str,
        query: &[(&str, &str)],
        name: &str,
    ) -> Result<Option<Vec<Value>>, ClientError> {
        let mut url = self.url(&format!("-/api/v1/{path}"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (mut entries, mut readable) = (Vec::new(), true);
        let scope = String::new();
        let mut page = |body: &bytes::Bytes| {
            // Registries with a web page answer everything with it.
            let page = serde_json::from_slice::<Value>(body).ok();
            match page.as_ref().and_then(|page| page.get(name)?.as_array()) {
                Some(list) => entries.extend(list.iter().cloned()),
                None => readable = false,
            }
            self.bounded(entries.len())
        };
        match self.pages(url, &scope, &mut page).await {
            Ok(()) => Ok(readable.then_some(entries)),
            Err(error) if error.status().is_some_and(|status| status.is_client_error()) => Ok(None),
            // A body that is no text of ours, or too long: no such API.
            Err(ClientError::TooLarge { .. }) if entries.is_empty() => Ok(None),
            Err(error) => Err(error),
        }
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
