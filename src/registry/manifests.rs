//! Manifests: reading, pushing and deleting them.

use bytes::Bytes;

use super::content::{Kind, Stored, Wanted};
use super::{Error, Registry, Who};
use crate::journal::{Change, ManifestEntry, State};
use crate::oci::{Condition, Digest, MediaType, Reference, RepositoryName, Tag};

/// What a HEAD of a manifest tells.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestStat {
    pub digest: Digest,
    pub media_type: MediaType,
    /// In bytes.
    pub size: u64,
    pub subject: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StoredManifest {
    pub digest: Digest,
    /// As it was pushed.
    pub media_type: MediaType,
    pub body: Bytes,
    pub subject: Option<Digest>,
}

impl Registry {
    /// A manifest with its body, byte for byte as it was pushed.
    ///
    /// # Errors
    /// `NameUnknown`, `ManifestUnknown`; `Damaged` when its bytes are lost.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest, Error> {
        let (digest, entry) = self.find_manifest(repository, reference).await?;
        let manifest = &entry.manifest;
        let body = match self.bodies.get(&digest).await {
            Some(body) => body,
            None => self.manifest_body(repository, &digest, &entry).await?,
        };
        let (media_type, subject) = (manifest.media_type.clone(), manifest.subject.clone());
        Ok(StoredManifest { digest, media_type, body, subject })
    }

    /// What there is to say about a manifest without its body.
    ///
    /// # Errors
    /// `NameUnknown`, `ManifestUnknown`.
    pub async fn manifest_stat(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<ManifestStat, Error> {
        let (digest, entry) = self.find_manifest(repository, reference).await?;
        let manifest = &entry.manifest;
        let (media_type, subject) = (manifest.media_type.clone(), manifest.subject.clone());
        Ok(ManifestStat { digest, media_type, size: manifest.size, subject })
    }

    /// Deletes a manifest and the tags that point to it.
    ///
    /// # Errors
    /// `ManifestUnknown`; `Refused(Referenced)` while an index of the repository lists it, `Refused(Precondition)`.
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        condition: Condition,
        who: &Who,
    ) -> Result<(), Error> {
        let change = Change::Delete { repository: repository.clone(), digest: digest.clone(), condition };
        self.propose(&repository.namespace(), change, who).await.map(drop)
    }

    async fn find_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(Digest, ManifestEntry), Error> {
        let namespace = repository.namespace();
        let found = match reference {
            Reference::Digest(digest) => {
                let find = |state: &State| state.manifest(repository, digest).cloned();
                self.by_digest(&namespace, find).await?.map(|entry| (digest.clone(), entry))
            }
            Reference::Tag(tag) => self.currently(&namespace, |state| tagged(state, repository, tag)).await?,
        };
        match found {
            Some(found) => Ok(found),
            None => {
                self.state_of(repository).await?;
                Err(Error::ManifestUnknown(reference.clone()))
            }
        }
    }

    /// The verified bytes of a manifest.
    pub(super) async fn manifest_body(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        entry: &ManifestEntry,
    ) -> Result<Bytes, Error> {
        let wanted = Wanted { repository: repository.clone(), digest: digest.clone(), kind: Kind::Manifest };
        let stored = Stored { size: entry.manifest.size, extents: entry.manifest.extents.clone() };
        self.body(&wanted, &stored).await
    }
}

fn tagged(state: &State, repository: &RepositoryName, tag: &Tag) -> Option<(Digest, ManifestEntry)> {
    let digest = &state.tag(repository, tag)?.digest;
    state.manifest(repository, digest).map(|entry| (digest.clone(), entry.clone()))
}
