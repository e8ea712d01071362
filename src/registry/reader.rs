//! Reading a blob piece by piece. What is read is (digest, offset): when its data is gone because the state
//! has come to name other bytes, reading goes on at the same offset in those
//! (docs/internals/journal-protocol.md#reading).

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::content::{Crc, MAX_CACHED};
use super::{Blob, Error, Registry};
use crate::backend::BackendError;
use crate::journal::Extent;

/// The largest piece, in bytes.
const PIECE: u64 = 1 << 20;

/// Pieces that all readers together hold before they are asked for.
pub(super) const MOST_AHEAD: usize = 64;

/// The bytes of a blob, or of a range of it.
pub struct BlobReader {
    registry: Arc<Registry>,
    blob: Blob,
    /// The next byte of the blob to read, and the one to stop before.
    position: u64,
    end: u64,
    /// The extent of the last piece: its index, and where in the blob it begins.
    last: (usize, u64),
    /// The checksum of the extent that is being read, if it has been read from its first byte on.
    crc: Option<Crc>,
    /// The pieces after the next one, on their way already.
    ahead: VecDeque<Ahead>,
}

/// A piece: `length` bytes of `extent` from its byte `from` on.
#[derive(Clone, Copy)]
struct Part {
    /// Where in the blob it begins.
    position: u64,
    extent: Extent,
    from: u64,
    length: u64,
}

/// A piece that is read before it is asked for.
struct Ahead {
    part: Part,
    read: JoinHandle<Result<Option<Bytes>, Error>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.read.abort();
    }
}

impl BlobReader {
    pub(super) fn new(registry: Arc<Registry>, blob: Blob, range: Range<u64>) -> Self {
        let end = range.end.min(blob.size());
        let (position, last, ahead) = (range.start, (0, 0), VecDeque::new());
        Self { registry, blob, position, end, last, crc: None, ahead }
    }

    /// The next piece, at most 1 MiB; `None` after the last and after an error. A client must not take what it
    /// got before an error for the whole: cut its connection.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if self.position >= self.end {
            return None;
        }
        let piece = match self.blob.size() <= MAX_CACHED {
            true => self.rest_of_small().await,
            false => self.piece().await,
        };
        match &piece {
            Ok(bytes) => self.position += bytes.len() as u64,
            Err(_) => self.position = self.end,
        }
        Some(piece)
    }

    async fn rest_of_small(&self) -> Result<Bytes, Error> {
        let Blob { wanted, stored } = &self.blob;
        let body = self.registry.body(wanted, stored).await?;
        match body.len() as u64 == stored.size {
            true => Ok(body.slice(self.position as usize..self.end as usize)),
            false => Err(self.registry.lost(wanted, &stored.extents).await),
        }
    }

    async fn piece(&mut self) -> Result<Bytes, Error> {
        loop {
            let Some(part) = self.part_at(self.position) else { return Err(self.lost(&[]).await) };
            let Some(bytes) = self.read(part).await? else {
                self.look_up_again(&part.extent).await?;
                continue;
            };
            return match self.verify(&part, &bytes) {
                true => Ok(bytes),
                false => Err(self.lost(&[part.extent]).await),
            };
        }
    }

    /// The bytes of `part`, while the pieces after it set out.
    async fn read(&mut self, part: Part) -> Result<Option<Bytes>, Error> {
        let namespace = self.blob.wanted.namespace();
        let due = self.ahead.pop_front().filter(|ahead| ahead.part.position == part.position);
        self.set_out(part);
        match due {
            Some(mut ahead) => (&mut ahead.read)
                .await
                .unwrap_or_else(|panic| Err(BackendError::Unavailable(io::Error::other(panic)).into())),
            None => self.registry.read_extent(&namespace, &part.extent, part.from, part.length).await,
        }
    }

    fn set_out(&mut self, current: Part) {
        let mut newest = self.ahead.back().map_or(current, |ahead| ahead.part);
        while self.ahead.len() < self.registry.limits.read_ahead {
            let Some(part) = self.part_at(newest.position + newest.length) else { return };
            let Ok(permit) = Arc::clone(&self.registry.read_ahead).try_acquire_owned() else { return };
            let (registry, namespace) = (Arc::clone(&self.registry), self.blob.wanted.namespace());
            let read = tokio::spawn(async move {
                registry.read_extent(&namespace, &part.extent, part.from, part.length).await
            });
            self.ahead.push_back(Ahead { part, read, _permit: permit });
            newest = part;
        }
    }

    /// The piece that begins at byte `position` of the blob.
    fn part_at(&mut self, position: u64) -> Option<Part> {
        if position >= self.end {
            return None;
        }
        let extents = &self.blob.stored.extents;
        let (mut index, mut start) = self.last;
        while position >= start + extents.get(index)?.length {
            start += extents.get(index)?.length;
            index += 1;
        }
        let (extent, from) = (*extents.get(index)?, position - start);
        if position == self.position {
            self.last = (index, start);
        }
        let length = PIECE.min(extent.length - from).min(self.end - position);
        Some(Part { position, extent, from, length })
    }

    /// Whether the extent is sound as far as it is known: at its end, if it was read as a whole.
    fn verify(&mut self, part: &Part, bytes: &Bytes) -> bool {
        if part.from == 0 {
            self.crc = Some(Crc::default());
        }
        let Some(crc) = &mut self.crc else { return true };
        crc.update(bytes);
        let is_last = part.from + part.length == part.extent.length;
        !is_last || crc.finish() == part.extent.crc32c
    }

    /// The data of `extent` is missing: finds out where the current state has it.
    async fn look_up_again(&mut self, extent: &Extent) -> Result<(), Error> {
        let Blob { wanted, stored } = &self.blob;
        let found = self.registry.currently(&wanted.namespace(), |state| wanted.find(state)).await?;
        match found {
            None => Err(wanted.unknown()),
            Some(found) if found == *stored => Err(self.lost(&[*extent]).await),
            Some(found) => {
                self.blob.stored = found;
                self.last = (0, 0);
                self.crc = None;
                self.ahead.clear();
                Ok(())
            }
        }
    }

    async fn lost(&self, suspects: &[Extent]) -> Error {
        self.registry.lost(&self.blob.wanted, suspects).await
    }
}
