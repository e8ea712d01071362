//! The memory of uploads: bytes that arrived and are not written yet are paid for with permits of 256 KiB, from
//! one semaphore for all uploads of the process (JOURNAL.md section 3, "Upload memory").

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::registry::Error;

/// What one permit stands for, in bytes.
pub(super) const UNIT: usize = 256 * 1024;

/// An upload that waits longer than this for a permit writes what it holds.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// While others wait, nobody holds bytes that are not written for much longer than this.
pub(super) const HOLD: Duration = Duration::from_secs(1);

pub(super) struct Memory {
    permits: Arc<Semaphore>,
}

impl Memory {
    pub fn new(bytes: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new((bytes / UNIT).max(1))) }
    }

    /// One permit; whoever waits longest gets it first.
    pub async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.permits.clone().acquire_owned().await.map_err(|_| Error::Busy)
    }

    /// Whether somebody may be waiting.
    pub fn is_exhausted(&self) -> bool {
        self.permits.available_permits() == 0
    }
}
