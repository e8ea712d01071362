//! Reading a blob piece by piece. What is read is (digest, offset): when its data is gone because the state has
//! come to name other bytes, reading goes on at the same offset in those (JOURNAL.md section 4).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::content::{Crc, MAX_CACHED};
use super::{Blob, Error, Registry};
use crate::journal::Extent;

/// The largest piece, in bytes.
const PIECE: u64 = 1 << 20;

/// The bytes of a blob, or of a range of it.
pub struct BlobReader {
    registry: Arc<Registry>,
    blob: Blob,
    /// The next byte of the blob to read, and the one to stop before.
    position: u64,
    end: u64,
    cursor: Option<Cursor>,
}

/// The extent that is being read.
struct Cursor {
    index: usize,
    /// Where in the blob the extent begins.
    start: u64,
    /// The checksum so far, if the extent has been read from its first byte on.
    crc: Option<Crc>,
}

impl BlobReader {
    pub(super) fn new(registry: Arc<Registry>, blob: Blob, range: Range<u64>) -> Self {
        let end = range.end.min(blob.size());
        Self { registry, blob, position: range.start, end, cursor: None }
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
        let namespace = self.blob.wanted.namespace();
        loop {
            let Some((extent, from)) = self.seek() else { return Err(self.lost(&[]).await) };
            let length = PIECE.min(extent.length - from).min(self.end - self.position);
            let read = self.registry.read_extent(&namespace, &extent, from, length).await?;
            let Some(bytes) = read else {
                self.look_up_again(&extent).await?;
                continue;
            };
            return match self.verify(&extent, from, &bytes) {
                true => Ok(bytes),
                false => Err(self.lost(&[extent]).await),
            };
        }
    }

    /// The extent that holds the next byte, and the place of that byte in it.
    fn seek(&mut self) -> Option<(Extent, u64)> {
        let (mut index, mut start, crc) = match self.cursor.take() {
            Some(Cursor { index, start, crc }) => (index, start, crc),
            None => (0, 0, None),
        };
        let extents = &self.blob.stored.extents;
        while self.position >= start + extents.get(index)?.length {
            start += extents.get(index)?.length;
            index += 1;
        }
        let from = self.position - start;
        let crc = if from == 0 { Some(Crc::default()) } else { crc };
        self.cursor = Some(Cursor { index, start, crc });
        Some((*extents.get(index)?, from))
    }

    /// Whether the extent is sound as far as it is known: at its end, if it was read as a whole.
    fn verify(&mut self, extent: &Extent, from: u64, bytes: &Bytes) -> bool {
        let Some(crc) = self.cursor.as_mut().and_then(|cursor| cursor.crc.as_mut()) else { return true };
        crc.update(bytes);
        let is_last = from + bytes.len() as u64 == extent.length;
        !is_last || crc.finish() == extent.crc32c
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
                self.cursor = None;
                Ok(())
            }
        }
    }

    async fn lost(&self, suspects: &[Extent]) -> Error {
        self.registry.lost(&self.blob.wanted, suspects).await
    }
}
