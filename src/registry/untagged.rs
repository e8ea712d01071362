//! Manifests without tags: what keeps blobs and other manifests from being deleted, and is in no list of tags.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::{Error, Page, Registry};
use crate::journal::Manifest;
use crate::oci::{Digest, InvalidDigest, RepositoryName};

/// A manifest that no tag points to.
#[derive(Clone, Debug, PartialEq)]
pub struct UntaggedManifest {
    pub digest: Digest,
    pub manifest: Arc<Manifest>,
    /// Whether a tag has ever pointed to it.
    pub ever_tagged: bool,
    /// The indexes of the repository that list it: while there is one, it cannot be deleted.
    pub listed_by: Vec<Digest>,
}

/// A page of manifests in the order of their digests; the last one is where the next page goes on, if there is `more`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UntaggedPage {
    pub manifests: Vec<UntaggedManifest>,
    pub more: bool,
}

impl Registry {
    /// The manifests of `repository` that have no tag. The work is proportional to the repository, not to the page.
    ///
    /// # Errors
    /// `NameUnknown`.
    pub async fn untagged(&self, repository: &RepositoryName, page: Page<'_>) -> Result<UntaggedPage, Error> {
        let last: Option<Digest> = page.last.map(Digest::parse).transpose().map_err(unreadable)?;
        let state = self.state_of(repository).await?;
        let Some(found) = state.repository(repository) else { return Ok(UntaggedPage::default()) };
        let after = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = found
            .manifests
            .range::<_, Digest>((after, Bound::Unbounded))
            .filter(|(_, entry)| entry.tags == 0);
        let mut manifests: Vec<UntaggedManifest> = rest
            .by_ref()
            .take(page.limit)
            .map(|(digest, entry)| UntaggedManifest {
                digest: digest.clone(),
                manifest: entry.manifest.clone(),
                ever_tagged: entry.ever_tagged,
                listed_by: Vec::new(),
            })
            .collect();
        let more = page.limit > 0 && rest.next().is_some();
        let mut places: BTreeMap<Digest, usize> = BTreeMap::new();
        for (at, one) in manifests.iter().enumerate() {
            if found.references.contains_key(&one.digest) {
                places.insert(one.digest.clone(), at);
            }
        }
        let referrers = found.manifests.iter().filter(|_| !places.is_empty());
        for (by, entry) in referrers {
            let listed = entry.manifest.references.iter().filter_map(|child| places.get(child));
            listed.for_each(|at| manifests[*at].listed_by.push(by.clone()));
        }
        Ok(UntaggedPage { manifests, more })
    }
}

fn unreadable(_: InvalidDigest) -> Error {
    Error::SearchInvalid(
        "`last` is the digest of a manifest: it is what the Link of the page before has".to_owned(),
    )
}
