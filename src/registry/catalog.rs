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
        let mut after = page.last.map(|last| format!("{}{last}!", keys::CATALOG)).unwrap_or_default();
        let mut repositories: Vec<RepositoryName> = Vec::new();
        // One more than asked for tells whether there is more. What is no marker does not count.
        while repositories.len() <= page.limit {
            let wanted = page.limit + 1 - repositories.len();
            let keys = self.backend.list(keys::CATALOG, &after, wanted).await?;
            repositories.extend(keys.iter().filter_map(keys::marked));
            match keys.last() {
                Some(last) if keys.len() == wanted => after = last.as_str().to_owned(),
                _ => break,
            }
        }
        let more = repositories.len() > page.limit;
        repositories.truncate(page.limit);
        Ok(CatalogPage { repositories, more })
    }
}
