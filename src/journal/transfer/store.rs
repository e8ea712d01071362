//! The two stores of a copy. One that does not answer is asked again; only the target can be written.

use std::ops::{Deref, Range};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Side, TransferError};
use crate::backend::{Backend, BackendError, Create, Key};

/// How often a store is asked before the copy gives up, and the first pause in between; each is twice as long.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
const PAGE: usize = 1_000;

/// A store to read.
pub(super) struct Store {
    backend: Arc<dyn Backend>,
    side: Side,
}

/// The store that is written.
pub(super) struct Target(Store);

/// What is under a key that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Created,
    /// The same bytes were there.
    Same,
    /// Other bytes are there.
    Other,
}

impl Store {
    pub fn new(backend: Arc<dyn Backend>, side: Side) -> Self {
        Self { backend, side }
    }

    /// The bytes of `key`; none if it does not exist.
    pub async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, TransferError> {
        let read = async || match self.backend.read(key, range.clone()).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(BackendError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        };
        self.patiently(read).await
    }

    /// The first keys below `prefix` after `after`, and whether there are more.
    pub async fn page(&self, prefix: &str, after: &str) -> Result<(Vec<Key>, bool), TransferError> {
        let keys = self.patiently(async || self.backend.list(prefix, after, PAGE).await).await?;
        let more = keys.len() == PAGE;
        Ok((keys, more))
    }

    /// What `read` makes of all keys below `prefix`.
    pub async fn all<T, C: Default + Extend<T>>(
        &self,
        prefix: &str,
        read: impl Fn(&Key) -> Option<T>,
    ) -> Result<C, TransferError> {
        let (mut found, mut after) = (C::default(), String::new());
        loop {
            let (keys, more) = self.page(prefix, &after).await?;
            found.extend(keys.iter().filter_map(&read));
            match keys.last() {
                Some(last) if more => after = last.as_str().to_owned(),
                _ => return Ok(found),
            }
        }
    }

    async fn patiently<T>(
        &self,
        call: impl AsyncFn() -> Result<T, BackendError>,
    ) -> Result<T, TransferError> {
        let mut attempt = 1;
        loop {
            match call().await {
                Err(error) if !error.is_definite() && attempt < ATTEMPTS => {
                    tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                    attempt += 1;
                }
                outcome => return outcome.map_err(|source| TransferError::Store { side: self.side, source }),
            }
        }
    }
}

impl Target {
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self(Store::new(backend, Side::To))
    }

    /// Creates `key`; where something is already, perhaps by a create whose answer was lost, it is compared.
    pub async fn put(&self, key: &Key, bytes: &Bytes) -> Result<Put, TransferError> {
        match self.patiently(async || self.0.backend.create(key, vec![bytes.clone()]).await).await? {
            Create::Created => Ok(Put::Created),
            Create::AlreadyExists => match self.read(key, None).await? {
                Some(there) if there == *bytes => Ok(Put::Same),
                _ => Ok(Put::Other),
            },
        }
    }
}

impl Deref for Target {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}
