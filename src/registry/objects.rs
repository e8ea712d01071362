//! Creating data objects, which a commit names afterwards.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::{Error, Registry};
use crate::backend::{Backend, BackendError, Create, Key};
use crate::journal::{JournalError, Journals, keys};
use crate::oci::Namespace;

/// How often an object is written before the store counts as not reachable.
const ATTEMPTS: u32 = 3;
const BACK_OFF: Duration = Duration::from_millis(50);

/// Creates data objects of one namespace.
#[derive(Clone)]
pub(super) struct Objects {
    journals: Arc<Journals>,
    backend: Arc<dyn Backend>,
    namespace: Namespace,
}

impl Registry {
    pub(super) fn objects(&self, namespace: &Namespace) -> Objects {
        Objects {
            journals: self.journals.clone(),
            backend: self.backend.clone(),
            namespace: namespace.clone(),
        }
    }
}

impl Objects {
    /// A new object with the concatenation of `pieces`.
    pub async fn create(&self, pieces: Vec<Bytes>) -> Result<Uuid, Error> {
        let create = |key| {
            let pieces = pieces.clone();
            async move { self.backend.create(&key, pieces).await }
        };
        Ok(self.attempt(create).await??)
    }

    /// A new object with the bytes of `from`; `None` when that does not exist.
    pub async fn copy(&self, from: &Key) -> Result<Option<Uuid>, Error> {
        match self.attempt(|key| async move { self.backend.copy(from, &key).await }).await? {
            Ok(id) => Ok(Some(id)),
            Err(BackendError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Every attempt has an id of its own: one whose outcome is unknown may still land, and is swept later.
    async fn attempt<F>(&self, write: impl Fn(Key) -> F) -> Result<Result<Uuid, BackendError>, JournalError>
    where
        F: Future<Output = Result<Create, BackendError>>,
    {
        let mut attempt = 1;
        loop {
            let id = self.journals.new_object(&self.namespace).await?;
            let error = match write(keys::data(&self.namespace, id)).await {
                Ok(Create::Created) => return Ok(Ok(id)),
                Ok(Create::AlreadyExists) => BackendError::Unavailable(io::ErrorKind::AlreadyExists.into()),
                Err(error) => error,
            };
            if error.is_definite() || attempt == ATTEMPTS {
                return Ok(Err(error));
            }
            tokio::time::sleep(BACK_OFF * attempt).await;
            attempt += 1;
        }
    }
}
