//! Uploads: sessions, the chunks they gather, and their close
//! (docs/internals/journal-protocol.md#upload-sessions).
//!
//! A session lives in its own name: whatever a replica has to know is in the signed token or in the immutable
//! states that PATCH requests leave in the store, so that any replica goes on with it, also after a restart.

mod append;
mod finish;
mod incoming;
mod memory;
mod session;
mod state;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use super::{Actor, BodyError, Error, Registry};
use crate::journal::keys;
use crate::oci::{Algorithm, RepositoryName};

pub use session::Session;
use session::Token;

/// Chunks of one upload, and data objects of one blob.
const MAX_PIECES: u32 = 10_000;

/// How long a session may be used, in total.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The body of a request.
#[async_trait]
pub trait BodySource: Send {
    /// The next piece, of some tens of KiB; `None` at the end. A client that hung up before the end is an
    /// error. It is not called again after either.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError>;
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The name to go on with.
    pub session: Session,
    /// Bytes that arrived.
    pub length: u64,
}

/// What uploads share in one process.
pub(super) struct Uploads {
    memory: Arc<memory::Memory>,
    /// Sessions cancelled here: a blob that comes in one PUT asks nobody else.
    cancelled: moka::future::Cache<Uuid, ()>,
}

impl Uploads {
    pub fn new(memory: usize) -> Self {
        let cancelled = moka::future::Cache::builder().max_capacity(10_000).time_to_live(LIFETIME).build();
        Self { memory: Arc::new(memory::Memory::new(memory)), cancelled }
    }
}

impl Registry {
    /// Starts an upload. Nothing is written. `algorithm` is the one that the client announced, if it did; a
    /// digest of another one is taken at the close too, but costs reading the bytes again.
    pub fn start_upload(
        &self,
        repository: &RepositoryName,
        algorithm: Option<Algorithm>,
        who: &Actor,
    ) -> Session {
        let upload = self.clock.uuid(self.clock.now());
        let algorithm = algorithm.unwrap_or(Algorithm::Sha256);
        self.seal(&Token { upload, n: 0, length: 0, algorithm }, repository, who)
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// `UploadUnknown`.
    pub async fn upload_progress(
        &self,
        repository: &RepositoryName,
        session: &str,
        who: &Actor,
    ) -> Result<Progress, Error> {
        let token = self.open_session(repository, session, who)?;
        let newest = self.newest_state(&repository.namespace(), &token).await?;
        Ok(self.progress(&newest.token(&token), repository, who))
    }

    /// Cancels an upload.
    ///
    /// # Errors
    /// `UploadUnknown`, also when it was cancelled before.
    pub async fn cancel_upload(
        &self,
        repository: &RepositoryName,
        session: &str,
        who: &Actor,
    ) -> Result<(), Error> {
        let token = self.open_session(repository, session, who)?;
        let namespace = repository.namespace();
        self.newest_number(&namespace, &token).await?;
        self.backend.create(&keys::upload_cancelled(&namespace, token.upload), Vec::new()).await?;
        self.uploads.cancelled.insert(token.upload, ()).await;
        Ok(())
    }

    fn progress(&self, token: &Token, repository: &RepositoryName, who: &Actor) -> Progress {
        Progress { session: self.seal(token, repository, who), length: token.length }
    }

    fn seal(&self, token: &Token, repository: &RepositoryName, who: &Actor) -> Session {
        token.seal(self.journals.secret(), repository, who.by.as_str())
    }

    /// The token of a session of this repository and principal that has not expired.
    fn open_session(&self, repository: &RepositoryName, session: &str, who: &Actor) -> Result<Token, Error> {
        let token = Token::open(session, self.journals.secret(), repository, who.by.as_str());
        let token = token.ok_or(Error::UploadUnknown)?;
        let expires = token.started().plus(LIFETIME);
        if self.clock.now() < expires { Ok(token) } else { Err(Error::UploadUnknown) }
    }
}
