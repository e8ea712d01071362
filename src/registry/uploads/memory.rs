//! The memory of uploads: bytes that arrived and are not written yet lie in buffers of 256 KiB, and there is a fixed
//! number of these for all uploads of the process (docs/internals/journal-protocol.md#upload-memory).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::registry::Error;

/// The size of a buffer, in bytes.
pub(super) const UNIT: usize = 256 * 1024;

/// An upload that waits longer than this for a buffer writes what it holds.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// While others wait, nobody holds bytes that are not written for much longer than this.
pub(super) const HOLD: Duration = Duration::from_secs(1);

/// As many buffers as this are kept when no upload uses them; of more, only as many as are in use. Left to the allocator,
/// buffers that one thread fills and another one drops took twice the room and the CPU to map them again and again.
const SPARE: usize = 16;

pub(super) struct Memory {
    permits: Arc<Semaphore>,
    units: usize,
    spare: Mutex<Vec<Vec<u8>>>,
}

impl Memory {
    pub fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).max(1);
        Self { permits: Arc::new(Semaphore::new(units)), units, spare: Mutex::default() }
    }

    /// An empty buffer; whoever waits longest gets one first.
    pub async fn unit(self: Arc<Self>) -> Result<Unit, Error> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| Error::Busy)?;
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = spare.unwrap_or_else(|| Vec::with_capacity(UNIT));
        Ok(Unit { bytes, memory: self, _permit: permit })
    }

    /// Whether somebody may be waiting.
    pub fn is_exhausted(&self) -> bool {
        self.permits.available_permits() == 0
    }

    fn take_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let in_use = self.units.saturating_sub(self.permits.available_permits());
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(buffer);
        spare.truncate(in_use.max(SPARE));
    }
}

/// A buffer of [`UNIT`] bytes, until it is dropped.
pub(super) struct Unit {
    bytes: Vec<u8>,
    memory: Arc<Memory>,
    _permit: OwnedSemaphorePermit,
}

impl Unit {
    /// How many bytes more it takes.
    pub fn room(&self) -> usize {
        UNIT - self.bytes.len()
    }

    /// Takes at most [`Unit::room`] bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What it holds; the buffer is free again when that is dropped.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Unit {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.memory.take_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_buffer_is_free_again_when_its_bytes_are_dropped() {
        let memory = Arc::new(Memory::new(2 * UNIT));
        let mut unit = memory.clone().unit().await.unwrap();
        unit.push(b"abc");
        assert_eq!(unit.room(), UNIT - 3);
        let (bytes, second) = (unit.freeze(), memory.clone().unit().await.unwrap());
        assert_eq!(bytes, "abc");
        assert!(memory.is_exhausted());

        let part = bytes.slice(1..2);
        drop(bytes);
        assert!(memory.is_exhausted(), "a part of it is held");
        drop(part);
        assert!(!memory.is_exhausted());
        assert_eq!(memory.unit().await.unwrap().room(), UNIT, "it comes back empty");
        drop(second);
    }

    #[tokio::test]
    async fn no_more_buffers_are_kept_than_were_used_or_are_few() {
        let memory = Arc::new(Memory::new(100 * UNIT));
        let mut units = Vec::new();
        for _ in 0..100 {
            units.push(memory.clone().unit().await.unwrap());
        }
        let spare = || memory.spare.lock().unwrap().len();
        units.truncate(60);
        assert_eq!(spare(), 40);
        units.clear();
        assert_eq!(spare(), SPARE);
    }
}
