//! Mounting: giving a repository a blob that another one holds, without moving its bytes through a client.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::content::{Kind, Stored, Wanted};
use super::{Actor, Error, Registry};
use crate::journal::{Body, Change, Extent, MAX_ATTACHED, Piece, Place, keys};
use crate::oci::{Digest, Namespace, RepositoryName};

/// Objects copied at the same time.
const COPIES: usize = 8;

/// What came of a request to mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounted {
    /// The repository holds the blob.
    Mounted,
    /// The blob cannot be had there; the client has to upload it.
    Unavailable,
}

impl Registry {
    /// Gives `repository` the blob `digest` of `from`. Whether the caller may read `from` is decided before.
    /// Inside a namespace only a name is added; otherwise the store copies the bytes.
    pub async fn mount(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
        who: &Actor,
    ) -> Result<Mounted, Error> {
        let Some(from) = from else { return Ok(Mounted::Unavailable) };
        // What is there already need not be copied; the proposal finds out whether it still is.
        let from = if self.holds(repository, digest).await? { repository } else { from };
        let source = Wanted::new(Kind::Blob, from, digest);
        let target = repository.namespace();
        let change = match source.namespace() == target {
            true => {
                Change::Mount { repository: repository.clone(), digest: digest.clone(), from: from.clone() }
            }
            false => match self.copy_across(&source, &target).await? {
                Some(content) => {
                    Change::Blob { repository: repository.clone(), digest: digest.clone(), content }
                }
                None => return Ok(Mounted::Unavailable),
            },
        };
        match self.propose(&target, change, who).await {
            Ok(_) => Ok(Mounted::Mounted),
            Err(Error::BlobUnknown(_)) => Ok(Mounted::Unavailable),
            Err(error) => Err(error),
        }
    }

    /// Copies the bytes of a blob into the namespace `target`; `None` when the source does not have them. Data
    /// that vanishes meanwhile is looked up once more.
    async fn copy_across(&self, source: &Wanted, target: &Namespace) -> Result<Option<Body>, Error> {
        let from = source.namespace();
        let Some(stored) = self.journals.by_digest(&from, |state| source.find(state)).await? else {
            return Ok(None);
        };
        if stored.size <= MAX_ATTACHED as u64 {
            return match self.body(source, &stored).await {
                Ok(bytes) => Ok(Some(Body::attached(bytes))),
                Err(Error::BlobUnknown(_) | Error::Damaged(_)) => Ok(None),
                Err(error) => Err(error),
            };
        }
        if let Some(body) = self.copy_objects(&from, &stored, target).await? {
            return Ok(Some(body));
        }
        match self.currently(&from, |state| source.find(state)).await? {
            Some(found) if found != stored => self.copy_objects(&from, &found, target).await,
            _ => Ok(None),
        }
    }

    /// The copy of a body that is in data objects; `None` when one of them is gone.
    async fn copy_objects(
        &self,
        from: &Namespace,
        stored: &Stored,
        target: &Namespace,
    ) -> Result<Option<Body>, Error> {
        let copies = stream::iter(stored.extents.iter()).map(|extent| self.copy_extent(from, extent, target));
        let pieces: Vec<Option<Piece>> = copies.buffered(COPIES).try_collect().await?;
        let pieces: Option<Vec<Piece>> = pieces.into_iter().collect();
        Ok(pieces.map(|pieces| Body { size: stored.size, pieces }))
    }

    async fn copy_extent(
        &self,
        from: &Namespace,
        extent: &Extent,
        target: &Namespace,
    ) -> Result<Option<Piece>, Error> {
        let Extent { place: Place::Object { id, offset }, length, crc32c } = *extent else { return Ok(None) };
        let copy = self.objects(target).copy(&keys::data(from, id)).await?;
        Ok(copy.map(|id| Piece::Object { id, offset, length, crc32c }))
    }
}
