//! Tags: listing and removing them.

use std::ops::Bound;

use super::{Actor, Error, Page, Registry};
use crate::journal::Change;
use crate::oci::{Condition, RepositoryName, Tag};

/// A page of tags in byte order; the last one is where the next page goes on, if there is `more`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TagPage {
    pub tags: Vec<Tag>,
    pub more: bool,
}

impl Registry {
    /// The tags of `repository`. The work is proportional to the page.
    ///
    /// # Errors
    /// `NameUnknown` for a repository that nothing was ever pushed to.
    pub async fn tags(&self, repository: &RepositoryName, page: Page<'_>) -> Result<TagPage, Error> {
        let state = self.state_of(repository).await?;
        let Some(found) = state.repository(repository) else {
            return Ok(TagPage::default());
        };
        let after = page.last.map_or(Bound::Unbounded, Bound::Excluded);
        let all = found.tags.range::<_, str>((after, Bound::Unbounded)).map(|(tag, _)| tag);
        // Clients choose versions from this list: one that is yanked is pulled by its name only.
        let mut rest = all.filter(|tag| !found.yanks.contains_key(*tag));
        let tags: Vec<Tag> = rest.by_ref().take(page.limit).cloned().collect();
        let more = page.limit > 0 && rest.next().is_some();
        Ok(TagPage { tags, more })
    }

    /// Removes a tag; the manifest stays.
    ///
    /// # Errors
    /// `ManifestUnknown` when there is no such tag; `Refused(Precondition)`.
    pub async fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        condition: Condition,
        who: &Actor,
    ) -> Result<(), Error> {
        let change = Change::Untag { repository: repository.clone(), tag: tag.clone(), condition };
        self.propose(&repository.namespace(), change, who).await.map(drop)
    }
}
