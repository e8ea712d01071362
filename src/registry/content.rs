//! Bodies in the store: writing them before a commit names them, reading and verifying them afterwards.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use super::{Error, Registry};
use crate::backend::{BackendError, Key};
use crate::journal::{
    Body, Content, Crc32c, Extent, MAX_ATTACHED, ManifestEntry, Outcome, Piece, Place, State, keys,
};
use crate::oci::{Digest, Namespace, Reference, RepositoryName};

/// Bodies up to this size are verified by digest and kept for the next reader.
pub(super) const MAX_CACHED: u64 = 256 * 1024;

/// Bodies by the place of their bytes. Under a place are only bytes that this process has read there and verified, or has
/// written there itself: a copy of the same content elsewhere says nothing of this one. Who may read a body is decided
/// before the cache is asked.
pub(super) type Cache = moka::future::Cache<CacheKey, Bytes>;

/// Where the bytes of a body begin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CacheKey {
    digest: Digest,
    namespace: Namespace,
    /// Of the first extent: the id of a data object or the number of a commit, and the offset in it. Ids are uuids of
    /// version 7, which are larger than any number of a commit.
    place: Option<(u128, u64)>,
}

impl CacheKey {
    fn new(wanted: &Wanted, extents: &[Extent]) -> Self {
        let place = extents.first().map(|extent| match extent.place {
            Place::Object { id, offset } => (id.as_u128(), offset),
            Place::Commit { seq, offset } => (u128::from(seq), offset),
        });
        Self { digest: wanted.digest.clone(), namespace: wanted.namespace(), place }
    }
}

pub(super) fn cache(capacity: u64) -> Cache {
    moka::future::Cache::builder()
        .max_capacity(capacity)
        // The fixed part stands for the key and the cache's own book-keeping.
        .weigher(|_: &CacheKey, body: &Bytes| body.len() as u32 + 384)
        .build()
}

/// Where the bytes of a body are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub size: u64,
    pub extents: Arc<[Extent]>,
}

impl Stored {
    fn of_content(content: &Content) -> Self {
        Self { size: content.size, extents: content.extents.clone() }
    }

    pub fn of_manifest(entry: &ManifestEntry) -> Self {
        Self { size: entry.manifest.size, extents: entry.manifest.extents.clone() }
    }
}

/// What a reader is after. The state may come to name other bytes for it while they are read.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub repository: RepositoryName,
    pub digest: Digest,
    pub kind: Kind,
}

/// What a state says of content that it names.
pub(super) enum LookedUp {
    Sound(Stored),
    Damaged,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A blob that the repository holds.
    Blob,
    /// A blob that the namespace has, whichever repository holds it.
    Content,
    Manifest,
}

impl Wanted {
    pub fn new(kind: Kind, repository: &RepositoryName, digest: &Digest) -> Self {
        Self { repository: repository.clone(), digest: digest.clone(), kind }
    }

    pub fn namespace(&self) -> Namespace {
        self.repository.namespace()
    }

    /// Returns where the bytes are, unless they are known to be damaged.
    pub fn find(&self, state: &State) -> Option<Stored> {
        match self.kind {
            Kind::Blob => state.blob(&self.repository, &self.digest).map(Stored::of_content),
            Kind::Content => state.healthy_content(&self.digest).map(Stored::of_content),
            Kind::Manifest => state.healthy_manifest(&self.repository, &self.digest).map(Stored::of_manifest),
        }
    }

    /// Returns where the bytes are, or that they are marked as damaged.
    pub fn look_up(&self, state: &State) -> Option<LookedUp> {
        let sound = self.find(state).map(LookedUp::Sound);
        sound.or_else(|| self.find_damaged(state).map(|_| LookedUp::Damaged))
    }

    /// Returns where the bytes are if they are marked as damaged.
    pub fn find_damaged(&self, state: &State) -> Option<Stored> {
        let repository = state.repository(&self.repository)?;
        let stored = match self.kind {
            Kind::Blob | Kind::Content => {
                repository.blobs.get(&self.digest)?;
                Stored::of_content(state.contents.get(&self.digest)?)
            }
            Kind::Manifest => Stored::of_manifest(repository.manifests.get(&self.digest)?),
        };
        state.is_damaged(&stored.extents).then_some(stored)
    }

    pub fn unknown(&self) -> Error {
        match self.kind {
            Kind::Blob | Kind::Content => Error::BlobUnknown(self.digest.clone()),
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
        let key = CacheKey::new(wanted, &stored.extents);
        if let Some(body) = self.bodies.get(&key).await {
            return Ok(body);
        }
        let load = Box::pin(self.load(wanted, stored));
        self.bodies.try_get_with_by_ref(&key, load).await.map_err(|error| (*error).clone())
    }

    /// Why content is not to be had that was there when it was asked for: it was removed, or is marked as damaged.
    pub(super) async fn absent(&self, wanted: &Wanted) -> Error {
        match self.currently(&wanted.namespace(), |state| wanted.find_damaged(state)).await {
            Ok(Some(_)) => Error::Damaged(wanted.digest.clone()),
            Ok(None) => wanted.unknown(),
            Err(error) => error,
        }
    }

    /// What is missing or wrong is looked up again in the current state, which may name other bytes by now;
    /// only if it names the same ones, and they are wrong again, are they lost.
    async fn load(&self, wanted: &Wanted, stored: &Stored) -> Result<Bytes, Error> {
        let namespace = wanted.namespace();
        let mut stored = stored.clone();
        loop {
            if let Some(body) = self.read_verified(wanted, &stored).await? {
                return Ok(body);
            }
            let found = self.currently(&namespace, |state| wanted.find(state)).await?;
            match found {
                None => return Err(self.absent(wanted).await),
                Some(found) if found == stored => break,
                Some(found) => stored = found,
            }
        }
        if let Some(body) = self.read_verified(wanted, &stored).await? {
            return Ok(body);
        }
        let mut damaged = self.damaged_of(&namespace, &stored.extents).await?;
        if damaged.is_empty() {
            // Each extent has its checksum, and yet all of them do not have the digest.
            damaged = stored.extents.to_vec();
        }
        Err(self.mark_damaged(wanted, &damaged).await)
    }

    /// The whole body, if it is there and has its digest.
    async fn read_verified(&self, wanted: &Wanted, stored: &Stored) -> Result<Option<Bytes>, Error> {
        let body = self.read_all(&wanted.namespace(), &stored.extents).await?;
        Ok(body.filter(|body| Digest::of(wanted.digest.algorithm(), body) == wanted.digest))
    }

    /// Whether the state names bytes of `wanted` that can be relied on, so that a push need not store its own. Small
    /// content is read for it, unless it is in the cache; of larger content the state is believed.
    pub(super) async fn has_sound(&self, wanted: &Wanted) -> Result<bool, Error> {
        match self.journals.recent(&wanted.namespace()).await? {
            Some(state) => self.has_sound_in(&state, wanted).await,
            None => Ok(false),
        }
    }

    /// [`Self::has_sound`], for a state that is recent.
    pub(super) async fn has_sound_in(&self, state: &State, wanted: &Wanted) -> Result<bool, Error> {
        let Some(stored) = wanted.find(state) else { return Ok(false) };
        if stored.size > MAX_CACHED {
            return Ok(true);
        }
        match self.body(wanted, &stored).await {
            Ok(_) => Ok(true),
            Err(Error::Damaged(_) | Error::BlobUnknown(_) | Error::ManifestUnknown(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Keeps the bytes of a push for the next reader, if its commit has stored them. A push that found its content held
    /// says nothing of the bytes that are stored.
    pub(super) async fn keep_if_stored(
        &self,
        wanted: &Wanted,
        staged: Option<Uuid>,
        outcome: &Outcome,
        body: Bytes,
    ) {
        let Some(stored) = wanted.find(&outcome.state) else { return };
        let is_new = stored.extents.first().is_none_or(|first| match first.place {
            Place::Object { id, .. } => staged == Some(id),
            Place::Commit { seq, .. } => seq == outcome.state.seq,
        });
        if outcome.changed && is_new && body.len() as u64 <= MAX_CACHED {
            self.bodies.insert(CacheKey::new(wanted, &stored.extents), body).await;
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

/// The first data object of a body that a proposal names, if it has any.
pub(super) fn first_object(body: &Body) -> Option<Uuid> {
    body.pieces.iter().find_map(|piece| match piece {
        Piece::Object { id, .. } => Some(*id),
        Piece::Attached(_) => None,
    })
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
