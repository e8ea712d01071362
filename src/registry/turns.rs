//! Turns at work that takes much memory or time: how much of it runs at once, and how long a request waits for its own.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::Error;

pub(super) struct Turns {
    permits: Semaphore,
    patience: Duration,
}

impl Turns {
    pub(super) fn new(at_once: usize, patience: Duration) -> Self {
        Self { permits: Semaphore::new(at_once), patience }
    }

    /// A turn, which lasts until it is dropped.
    ///
    /// # Errors
    /// `Busy` when others take too long.
    pub(super) async fn take(&self) -> Result<SemaphorePermit<'_>, Error> {
        match timeout(self.patience, self.permits.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Error::Busy),
        }
    }
}
