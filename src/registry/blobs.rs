//! Blobs: looking them up, reading and removing them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::content::{Kind, LookedUp, Stored, Wanted};
use super::{Actor, BlobReader, Error, Registry};
use crate::journal::Change;
use crate::oci::{Digest, RepositoryName};

/// A blob that a repository holds, and where its bytes are.
#[derive(Clone, Debug)]
pub struct Blob {
    pub(super) wanted: Wanted,
    pub(super) stored: Stored,
}

impl Blob {
    pub fn digest(&self) -> &Digest {
        &self.wanted.digest
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.stored.size
    }
}

impl Registry {
    /// A blob of `repository`. One that is damaged is unknown, so that clients push it again.
    ///
    /// # Errors
    /// `BlobUnknown`, also when another repository holds it.
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, Error> {
        let wanted = Wanted::new(Kind::Blob, repository, digest);
        match self.journals.by_digest(&wanted.namespace(), |state| wanted.look_up(state)).await? {
            Some(LookedUp::Sound(stored)) => Ok(Blob { wanted, stored }),
            // On the heap: it is rare, and every request has room for the largest future of all.
            Some(LookedUp::Damaged) => Box::pin(self.blob_after_recheck(wanted)).await,
            None => Err(wanted.unknown()),
        }
    }

    /// A blob that is marked as damaged, if that is no longer true.
    async fn blob_after_recheck(&self, wanted: Wanted) -> Result<Blob, Error> {
        if !self.recheck(&wanted).await? {
            return Err(wanted.unknown());
        }
        let found = self.journals.by_digest(&wanted.namespace(), |state| wanted.find(state)).await?;
        match found {
            Some(stored) => Ok(Blob { wanted, stored }),
            None => Err(wanted.unknown()),
        }
    }

    /// The bytes of a small blob.
    pub(super) async fn small_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Bytes, Error> {
        let Blob { wanted, stored } = self.blob(repository, digest).await?;
        self.body(&wanted, &stored).await
    }

    /// Reads the bytes `range` of a blob; what lies behind its end is left out.
    pub fn read_blob(self: &Arc<Self>, blob: Blob, range: Range<u64>) -> BlobReader {
        BlobReader::new(self.clone(), blob, range)
    }

    /// Whether `repository` holds a blob whose bytes need not be stored again ([`Registry::has_sound`]).
    pub(super) async fn holds_sound(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let Some(state) = self.journals.recent(&repository.namespace()).await? else { return Ok(false) };
        if self.has_sound_in(&state, &Wanted::new(Kind::Blob, repository, digest)).await? {
            return Ok(true);
        }
        // When the namespace has the bytes, the journal makes a mount of the push: they must be sound, too.
        self.has_sound_in(&state, &Wanted::new(Kind::Content, repository, digest)).await?;
        Ok(false)
    }

    /// Whether `repository` is known to hold a blob that is not marked as damaged.
    pub(super) async fn holds(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool, Error> {
        let state = self.journals.recent(&repository.namespace()).await?;
        Ok(state.is_some_and(|state| state.blob(repository, digest).is_some()))
    }

    /// Removes a blob from `repository`; others keep it.
    ///
    /// # Errors
    /// `BlobUnknown`; `Refused(Referenced)` while a manifest of the repository refers to it.
    pub async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        who: &Actor,
    ) -> Result<(), Error> {
        let (repository, digest, now) = (repository.clone(), digest.clone(), false);
        let namespace = repository.namespace();
        self.propose(&namespace, Change::Unlink { repository, digest, now }, who).await.map(drop)
    }
}
