//! Bodies in the store: writing them before a commit names them, reading and verifying them afterwards.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Actor, Error, Registry};
use crate::backend::{BackendError, Key};
use crate::journal::{BodiesOp, Body, Change, Crc32c, Extent, MAX_ATTACHED, Piece, Place, State, keys};
use crate::oci::{Digest, Namespace, Reference, RepositoryName};

/// Bodies up to this size are verified by digest and kept for the next reader.
pub(super) const MAX_CACHED: u64 = 256 * 1024;

/// Verified bodies by digest, weighed by their bytes. Actor may read one is decided before the cache is asked.
pub(super) type Cache = moka::future::Cache<Digest, Bytes>;

pub(super) fn cache(capacity: u64) -> Cache {
    moka::future::Cache::builder()
        .max_capacity(capacity)
        // The fixed part stands for the key and the cache's own book-keeping.
        .weigher(|_: &Digest, body: &Bytes| body.len() as u32 + 256)
        .build()
}

/// Where the bytes of a body are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub size: u64,
    pub extents: Arc<[Extent]>,
}

/// What a reader is after. The state may come to name other bytes for it while they are read.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub repository: RepositoryName,
    pub digest: Digest,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Blob,
    Manifest,
}

impl Wanted {
    pub fn namespace(&self) -> Namespace {
        self.repository.namespace()
    }

    pub fn find(&self, state: &State) -> Option<Stored> {
        match self.kind {
            Kind::Blob => state
                .blob(&self.repository, &self.digest)
                .map(|content| Stored { size: content.size, extents: content.extents.clone() }),
            Kind::Manifest => state
                .healthy_manifest(&self.repository, &self.digest)
                .map(|entry| Stored { size: entry.manifest.size, extents: entry.manifest.extents.clone() }),
        }
    }

    pub fn unknown(&self) -> Error {
        match self.kind {
            Kind::Blob => Error::BlobUnknown(self.digest.clone()),
            Kind::Manifest => Error::ManifestUnknown(Reference::Digest(self.digest.clone())),
        }
    }
}

impl Registry {
    /// A whole body, verified by its digest; for small bodies and manifests.
    pub(super) async fn body(&self, wanted: &Wanted, stored: &Stored) -> Result<Bytes, Error> {
        if stored.size > MAX_CACHED {
            return self.load(wanted, stored).await;
        }
        let load = self.load(wanted, stored);
        self.bodies.try_get_with_by_ref(&wanted.digest, load).await.map_err(|error| (*error).clone())
    }

    /// What is missing or wrong is looked up again in the current state, which may name other bytes by now;
    /// only if it names the same ones are they lost.
    async fn load(&self, wanted: &Wanted, stored: &Stored) -> Result<Bytes, Error> {
        let namespace = wanted.namespace();
        let mut stored = stored.clone();
        loop {
            let body = self.read_all(&namespace, &stored.extents).await?;
            if let Some(body) =
                body.filter(|body| Digest::of(wanted.digest.algorithm(), body) == wanted.digest)
            {
                return Ok(body);
            }
            let found = self.currently(&namespace, |state| wanted.find(state)).await?;
            match found {
                None => return Err(wanted.unknown()),
                Some(found) if found == stored => return Err(self.lost(wanted, &stored.extents).await),
                Some(found) => stored = found,
            }
        }
    }

    /// The bytes of all extents, unverified; `None` when some are missing.
    async fn read_all(&self, namespace: &Namespace, extents: &[Extent]) -> Result<Option<Bytes>, Error> {
        let mut whole = BytesMut::new();
        for extent in extents {
            let Some(bytes) = self.read_extent(namespace, extent, 0, extent.length).await? else {
                return Ok(None);
            };
            if extents.len() == 1 {
                return Ok(Some(bytes));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(Some(whole.freeze()))
    }

    /// `length` bytes of `extent` from its byte `from` on, unverified; `None` when they are missing.
    pub(super) async fn read_extent(
        &self,
        namespace: &Namespace,
        extent: &Extent,
        from: u64,
        length: u64,
    ) -> Result<Option<Bytes>, Error> {
        let (key, offset) = locate(namespace, extent);
        let start = offset + from;
        match self.backend.read(&key, Some(start..start + length)).await {
            Ok(bytes) => Ok(Some(bytes).filter(|bytes| bytes.len() as u64 == length)),
            Err(BackendError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Bytes that the current state names are missing or wrong. The suspects are looked at once more; the journal
    /// learns which objects are lost, so that clients are told to upload them again.
    pub(super) async fn lost(&self, wanted: &Wanted, suspects: &[Extent]) -> Error {
        let Wanted { repository, digest, .. } = wanted;
        tracing::error!(%repository, %digest, "stored bytes are missing or damaged");
        let namespace = wanted.namespace();
        let mut lost = BodiesOp::default();
        for extent in suspects {
            let sound = match self.read_extent(&namespace, extent, 0, extent.length).await {
                Ok(bytes) => bytes.is_some_and(|bytes| Crc32c::of(&bytes).0 == extent.crc32c),
                Err(error) => return error,
            };
            match extent.place {
                _ if sound => {}
                Place::Object { id, .. } => lost.objects.push(id),
                Place::Commit { seq, offset } => lost.bodies.push((seq, offset, extent.length)),
            }
        }
        let actor = Actor::system("verification", "verification", self.new_call());
        if let Err(error) = self.propose(&namespace, Change::Damaged(lost), &actor).await {
            tracing::error!(%digest, %error, "the damage could not be recorded");
        }
        Error::Damaged(digest.clone())
    }

    /// Makes `body` ready to be named by a proposal: small ones ride along, larger ones are written now.
    pub(super) async fn stage(&self, namespace: &Namespace, body: Bytes) -> Result<Body, Error> {
        if body.len() <= MAX_ATTACHED {
            return Ok(Body::attached(body));
        }
        let mut staged = Body { size: body.len() as u64, pieces: Vec::new() };
        let objects = self.objects(namespace);
        let mut rest = body;
        while !rest.is_empty() {
            let part = rest.split_to(rest.len().min(self.limits.extent));
            let (length, crc32c) = (part.len() as u64, Crc32c::of(&part).0);
            let id = objects.create(vec![part]).await?;
            staged.pieces.push(Piece::Object { id, offset: 0, length, crc32c });
        }
        Ok(staged)
    }
}

/// The object that holds `extent`, and the place of its first byte in that object.
fn locate(namespace: &Namespace, extent: &Extent) -> (Key, u64) {
    match extent.place {
        Place::Object { id, offset } => (keys::data(namespace, id), offset),
        Place::Commit { seq, offset } => (keys::commit(namespace, seq), offset),
    }
}

/// The CRC-32C of bytes that arrive in pieces (RFC 3720 appendix B.4).
pub(super) struct Crc(crc_fast::Digest);

impl Default for Crc {
    fn default() -> Self {
        Self(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi))
    }
}

impl Crc {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(&self) -> u32 {
        self.0.finalize() as u32
    }
}
