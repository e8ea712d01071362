//! PUT: closing an upload, with the whole blob, its last chunk or nothing; and POST with the whole blob.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::incoming::Incoming;
use super::state::{Position, StagedPiece};
use super::writer::Writer;
use super::{BodySource, Token};
use crate::journal::{Body, Change, Extent, Outcome, Piece, Place};
use crate::oci::{Algorithm, Digest, Hasher, Namespace, RepositoryName, UploadRange};
use crate::registry::content::{Kind, Wanted, first_object};
use crate::registry::{Actor, Error, Registry};

/// States read at the same time.
const READS: usize = 32;

/// Bytes read at once to hash them again.
const PIECE: u64 = 1 << 20;

impl Registry {
    /// Stores a blob that arrives in one request.
    ///
    /// # Errors
    /// `DigestMismatch`, `TooLarge`, `Body`.
    pub async fn upload(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        body: &mut dyn BodySource,
        who: &Actor,
    ) -> Result<(), Error> {
        let incoming = Incoming::new(self, &repository.namespace(), body, None).await?;
        self.store_whole(repository, digest, incoming, who).await
    }

    /// Closes an upload: `body` is its last chunk, or the whole blob, or empty. A repeated close succeeds while
    /// the repository holds the blob.
    ///
    /// # Errors
    /// `UploadUnknown`, `RangeNotSatisfiable`, `SizeMismatch`, `DigestMismatch`, `TooLarge`, `Body`.
    pub async fn finish_upload(
        &self,
        repository: &RepositoryName,
        session: &str,
        digest: &Digest,
        range: Option<UploadRange>,
        body: &mut dyn BodySource,
        who: &Actor,
    ) -> Result<(), Error> {
        let token = self.open_session(repository, session, who)?;
        let namespace = repository.namespace();
        let incoming = Incoming::new(self, &namespace, body, range).await?;
        if token.n == 0 && incoming.is_whole() {
            return match self.uploads.cancelled.contains_key(&token.upload) {
                true => Err(Error::UploadUnknown),
                false => self.store_whole(repository, digest, incoming, who).await,
            };
        }
        let n = self.newest_number(&namespace, &token).await?;
        match self.close(repository, &token, n, digest, incoming, who).await {
            // The chunks were swept since: this is the repetition of a close that succeeded.
            Err(Error::UploadUnknown) if self.holds(repository, digest).await? => Ok(()),
            closed => closed,
        }
    }

    /// Content that the repository holds already is hashed and forgotten, unless its stored bytes are found damaged.
    async fn store_whole(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        mut incoming: Incoming<'_>,
        who: &Actor,
    ) -> Result<(), Error> {
        let is_known = self.holds_sound(repository, digest).await?;
        let mut hasher = Hasher::new(digest.algorithm());
        while let Some(bytes) = incoming.next().await? {
            hasher.update(&bytes);
            if !is_known {
                incoming.writer.push(bytes).await?;
            }
        }
        incoming.check_length()?;
        check_digest(digest, hasher.finish())?;
        if !is_known {
            let (content, bytes) = incoming.writer.finish_with_bytes().await?;
            let staged = first_object(&content);
            let outcome = self.name(repository, digest, content, who).await?;
            // A manifest that is looked at comes next.
            if let Some(bytes) = bytes {
                let wanted = Wanted::new(Kind::Blob, repository, digest);
                self.keep_if_stored(&wanted, staged, &outcome, bytes).await;
            }
            return Ok(());
        }
        let (repository, digest) = (repository.clone(), digest.clone());
        let (namespace, from) = (repository.namespace(), repository.clone());
        match self.propose(&namespace, Change::Mount { repository, digest, from }, who).await {
            // It was held when the upload began; the bytes are gone.
            Err(Error::BlobUnknown(_)) => Err(Error::Busy),
            outcome => outcome.map(drop),
        }
    }

    /// Joins the first `n` chunks and the last one.
    async fn close(
        &self,
        repository: &RepositoryName,
        token: &Token,
        n: u32,
        digest: &Digest,
        mut incoming: Incoming<'_>,
        who: &Actor,
    ) -> Result<(), Error> {
        let namespace = repository.namespace();
        let mut position = self.collect(&namespace, token, n, &mut incoming.writer).await?;
        let is_next = match incoming.range {
            Some(range) => range.first == position.length,
            None => incoming.is_empty() || n == token.n,
        };
        if !is_next {
            return Err(self.out_of_order(&position, token, repository, who));
        }
        while let Some(bytes) = incoming.next().await? {
            position.hasher.update(&bytes);
            incoming.writer.push(bytes).await?;
        }
        incoming.check_length()?;
        let content = incoming.writer.finish().await?;
        let actual = match token.algorithm == digest.algorithm() {
            true => position.hasher.finish(),
            false => self.hash_again(&namespace, &content, digest.algorithm()).await?,
        };
        check_digest(digest, actual)?;
        // If the stored bytes are wrong, they are marked now, and the proposal brings its own.
        self.holds_sound(repository, digest).await?;
        self.name(repository, digest, content, who).await.map(drop)
    }

    /// Hands the pieces of the first `n` chunks to `writer`, which joins the small ones.
    async fn collect(
        &self,
        namespace: &Namespace,
        token: &Token,
        n: u32,
        writer: &mut Writer,
    ) -> Result<Position, Error> {
        let mut position = Position::start(token);
        let reads = (1..=n).map(|n| self.read_state(namespace, token.upload, n));
        let mut states = stream::iter(reads).buffered(READS);
        for n in 1..=n {
            let Some(state) = states.try_next().await? else { break };
            position = Position::after(token, n, &state)?;
            for piece in state.pieces {
                match piece {
                    StagedPiece::Inline { inline } => writer.push(inline.0).await?,
                    object => writer.append(object).await?,
                }
            }
        }
        Ok(position)
    }

    /// The digest of staged bytes under an algorithm that was not known while they arrived.
    async fn hash_again(
        &self,
        namespace: &Namespace,
        content: &Body,
        algorithm: Algorithm,
    ) -> Result<Digest, Error> {
        let mut hasher = Hasher::new(algorithm);
        for piece in &content.pieces {
            match *piece {
                Piece::Attached(ref bytes) => hasher.update(bytes),
                Piece::Object { id, offset, length, crc32c } => {
                    let extent = Extent { place: Place::Object { id, offset }, length, crc32c };
                    let mut from = 0;
                    while from < length {
                        let wanted = PIECE.min(length - from);
                        let read = self.read_extent(namespace, &extent, from, wanted).await?;
                        hasher.update(&read.ok_or(Error::UploadUnknown)?);
                        from += wanted;
                    }
                }
            }
        }
        Ok(hasher.finish())
    }

    /// Makes staged bytes a blob of the repository.
    async fn name(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        content: Body,
        who: &Actor,
    ) -> Result<Outcome, Error> {
        let change = Change::Blob { repository: repository.clone(), digest: digest.clone(), content };
        self.propose(&repository.namespace(), change, who).await
    }
}

fn check_digest(expected: &Digest, actual: Digest) -> Result<(), Error> {
    match actual == *expected {
        true => Ok(()),
        false => Err(Error::DigestMismatch { expected: expected.clone(), actual }),
    }
}
