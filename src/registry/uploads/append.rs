//! PATCH: appending a chunk to an upload.

use super::state::{Base64, Position, UploadState};
use super::writer::Writer;
use super::{BodySource, Progress, Token};
use crate::oci::{RepositoryName, UploadRange};
use crate::registry::{Actor, Error, Registry};

/// A request that streams leaves a state behind each time it has brought this many bytes.
const STATE_EVERY: u64 = 64 << 20;

impl Registry {
    /// Appends `body` to an upload. What arrived of a body that broke off is kept.
    ///
    /// # Errors
    /// `UploadUnknown`; `RangeNotSatisfiable` when `range` does not begin at the end of what is there or another
    /// request was faster; `SizeMismatch`, `TooLarge`, `Body`.
    pub async fn append_upload(
        &self,
        repository: &RepositoryName,
        session: &str,
        range: Option<UploadRange>,
        body: &mut dyn BodySource,
        who: &Actor,
    ) -> Result<Progress, Error> {
        let token = self.open_session(repository, session, who)?;
        let namespace = repository.namespace();
        let position = self.newest_state(&namespace, &token).await?;
        let is_next = match range {
            Some(range) => range.first == position.length,
            None => position.n == token.n,
        };
        if !is_next {
            return Err(self.out_of_order(&position, &token, repository, who));
        }
        let writer = Writer::new(self, &namespace);
        let mut chunk =
            Chunk { registry: self, repository, who, token: &token, position, writer, pending: 0 };
        chunk.receive(body, range).await?;
        Ok(self.progress(&chunk.position.token(&token), repository, who))
    }

    pub(super) fn out_of_order(
        &self,
        position: &Position,
        token: &Token,
        repository: &RepositoryName,
        who: &Actor,
    ) -> Error {
        let session = self.seal(&position.token(token), repository, who);
        Error::RangeNotSatisfiable { have: position.length, session }
    }
}

/// A chunk on its way in.
struct Chunk<'a> {
    registry: &'a Registry,
    repository: &'a RepositoryName,
    who: &'a Actor,
    token: &'a Token,
    /// As of the newest state, but for the hash, which is ahead.
    position: Position,
    writer: Writer,
    /// Bytes that are in no state yet.
    pending: u64,
}

impl Chunk<'_> {
    async fn receive(&mut self, body: &mut dyn BodySource, range: Option<UploadRange>) -> Result<(), Error> {
        let start = self.position.length;
        let received = self.stream(body).await;
        let arrived = self.position.length + self.pending - start;
        let expected = range.map(|range| range.length());
        match (received, expected) {
            (Ok(()), Some(expected)) if expected != arrived => {
                Err(Error::SizeMismatch { expected, actual: arrived })
            }
            (Ok(()), _) => self.save().await,
            // The client will ask how far it came; the answer should not be "nowhere".
            (Err(Error::Body(broken)), _) => {
                self.save().await?;
                Err(Error::Body(broken))
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn stream(&mut self, body: &mut dyn BodySource) -> Result<(), Error> {
        while let Some(bytes) = self.writer.receive(body).await? {
            self.position.hasher.update(&bytes);
            self.pending += bytes.len() as u64;
            self.writer.push(bytes).await?;
            if self.pending >= STATE_EVERY {
                self.save().await?;
            }
        }
        Ok(())
    }

    /// Creates the next state from what arrived since the last one.
    async fn save(&mut self) -> Result<(), Error> {
        if self.pending == 0 {
            return Ok(());
        }
        let pieces = self.writer.segment().await?;
        let state = UploadState {
            length: self.position.length + self.pending,
            total: self.position.total.saturating_add(pieces.len() as u32),
            hash: Base64(self.position.hasher.save().into()),
            nonce: format!("{:032x}", self.registry.clock.random()).into(),
            pieces,
        };
        let n = self.position.n + 1;
        let namespace = self.repository.namespace();
        if !self.registry.create_state(&namespace, self.token.upload, n, &state).await? {
            let newest = self.registry.newest_state(&namespace, self.token).await?;
            return Err(self.registry.out_of_order(&newest, self.token, self.repository, self.who));
        }
        (self.position.n, self.position.length, self.position.total) = (n, state.length, state.total);
        self.pending = 0;
        Ok(())
    }
}
