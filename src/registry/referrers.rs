//! Referrers: the manifests of a repository that name another one as their subject (OCI distribution 1.1,
//! "Listing Referrers").
//!
//! The journal indexes the subject of every manifest it takes. So a manifest that an older client also lists
//! under a fallback tag (`sha256-<hex>`) is here by itself, once.

use std::ops::Bound;

use super::{Error, Registry};
use crate::journal::{ManifestEntry, State};
use crate::oci::{Descriptor, Digest, Manifest, RepositoryName};

/// A page ends when its annotations exceed this many bytes: clients refuse an index of more than 4 MiB.
const MAX_PAGE: usize = 2 << 20;

/// A part of the referrers: at most `limit` of them that come after `last`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferrersPage<'a> {
    pub limit: usize,
    pub last: Option<&'a Digest>,
}

/// A page of referrers, in the order of their digests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Referrers {
    pub descriptors: Vec<Descriptor>,
    /// Where the next page goes on (`last`), if there is one.
    pub next: Option<Digest>,
}

impl Registry {
    /// The manifests of `repository` whose subject is `subject`, present or not, of `artifact_type` if given. A
    /// repository that is not known has none.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: ReferrersPage<'_>,
    ) -> Result<Referrers, Error> {
        let Some(state) = self.journals.current(&repository.namespace()).await? else {
            return Ok(Referrers::default());
        };
        let mut found = Referrers::default();
        let mut bytes = 0;
        for (digest, entry) in matching(&state, repository, subject, artifact_type, page.last) {
            if found.descriptors.len() == page.limit || bytes > MAX_PAGE {
                found.next = found.descriptors.last().map(|last: &Descriptor| last.digest.clone());
                break;
            }
            let descriptor = self.descriptor(repository, digest, entry).await?;
            bytes += weight(&descriptor);
            found.descriptors.push(descriptor);
        }
        Ok(found)
    }

    async fn descriptor(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        entry: &ManifestEntry,
    ) -> Result<Descriptor, Error> {
        let manifest = &entry.manifest;
        let annotations = match &manifest.annotations {
            Some(annotations) => annotations.clone(),
            // They were too large for the journal.
            None => {
                let read = match self.manifest_body(repository, digest, entry).await {
                    Ok(body) => Manifest::read(&body, &manifest.media_type).ok(),
                    // A manifest stays in lists while its bytes are damaged.
                    Err(Error::Damaged(_) | Error::ManifestUnknown(_)) => None,
                    Err(error) => return Err(error),
                };
                read.map(|read| read.annotations).unwrap_or_default()
            }
        };
        Ok(Descriptor {
            media_type: manifest.media_type.clone(),
            digest: digest.clone(),
            size: manifest.size,
            artifact_type: manifest.artifact_type.as_deref().map(str::to_owned),
            annotations,
        })
    }
}

/// The referrers after `last`, found without looking at those before.
fn matching<'a>(
    state: &'a State,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&'a str>,
    last: Option<&Digest>,
) -> impl Iterator<Item = (&'a Digest, &'a ManifestEntry)> {
    let after = last.cloned().map_or(Bound::Unbounded, Bound::Excluded);
    let found = state.repository(repository);
    let referrers = found.and_then(|found| found.referrers.get(subject));
    let rest = referrers.map(|all| all.range((after, Bound::Unbounded))).into_iter().flatten();
    rest.filter_map(move |digest| Some((digest, found?.manifests.get(digest)?)))
        .filter(move |(_, entry)| artifact_type.is_none_or(|wanted| is_of(entry, wanted)))
}

fn is_of(entry: &ManifestEntry, artifact_type: &str) -> bool {
    entry.manifest.artifact_type.as_deref() == Some(artifact_type)
}

fn weight(descriptor: &Descriptor) -> usize {
    descriptor.annotations.iter().map(|(key, value)| key.len() + value.len()).sum()
}
