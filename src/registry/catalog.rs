//! The catalog: the repositories of the store, read from their markers. No namespace is loaded.

use super::{Error, Page, Registry};
use crate::journal::keys;
use crate::oci::RepositoryName;

/// A page of repositories in byte order; the last one is where the next page goes on, if there is `more`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CatalogPage {
    pub repositories: Vec<RepositoryName>,
    pub more: bool,
}

impl Registry {
    /// The repositories that anything was ever pushed to.
    pub async fn catalog(&self, page: Page<'_>) -> Result<CatalogPage, Error> {
        if page.limit == 0 {
            return Ok(CatalogPage::default());
        }
        // `!` ends a marker and sorts below every character of a name: markers are in the order of their names.
        let after = page.last.map(|last| format!("{}{last}!", keys::CATALOG)).unwrap_or_default();
        let mut markers = self.backend.list(keys::CATALOG, &after, page.limit + 1).await?;
        let more = markers.len() > page.limit;
        markers.truncate(page.limit);
        let repositories = markers.iter().filter_map(keys::marked).collect();
        Ok(CatalogPage { repositories, more })
    }
}
