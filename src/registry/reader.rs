//! Reading a blob piece by piece. What is read is (digest, offset): when its data is gone because the state
//! has come to name other bytes, reading goes on at the same offset in those
//! (docs/internals/journal-protocol.md#reading).
//!
//! A checksum covers a whole extent, so an extent is read from its first byte to its last, also for a range that begins
//! or ends inside it. The last piece that is handed on of an extent waits until the checksum is known to be right: whoever
//! got all bytes of the range got the right ones.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::content::{Crc, MAX_CACHED, Stored};
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
    /// The first byte of the blob to hand on, the next one, and the one to stop before.
    start: u64,
    position: u64,
    end: u64,
    /// The next byte of the blob to read: before `position` while the beginning of an extent is skipped, after it while
    /// the rest of an extent is read for its checksum.
    cursor: u64,
    /// The extent of the last part: its index, and where in the blob it begins.
    last: (usize, u64),
    /// The checksum of the extent that is being read.
    crc: Crc,
    /// The end of the range, until the checksum of its extent is known to be right.
    held: Option<Bytes>,
    unproven: Option<Unproven>,
    /// The parts after the next one, on their way already.
    ahead: VecDeque<Ahead>,
}

/// Bytes that were handed on of an extent whose data vanished before its checksum was known: what the state names
/// instead must be the same.
struct Unproven {
    /// In the blob.
    range: Range<u64>,
    expected: u32,
    crc: Crc,
}

/// A part of what is read: `length` bytes of `extent` from its byte `from` on.
#[derive(Clone, Copy)]
struct Part {
    /// Where in the blob it begins.
    position: u64,
    extent: Extent,
    from: u64,
    length: u64,
}

/// A part that is read before it is asked for.
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
        let cursor = extent_start(&blob.stored.extents, range.start);
        Self {
            registry,
            blob,
            start: range.start,
            position: range.start,
            end,
            cursor,
            last: (0, 0),
            crc: Crc::default(),
            held: None,
            unproven: None,
            ahead: VecDeque::new(),
        }
    }

    /// The next piece, at most 1 MiB; `None` after the last and after an error. A client must not take what it
    /// got before an error for the whole: cut its connection. Reads more than it hands on of an extent that the range
    /// has only in part.
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
            false => Err(Error::Unreadable(wanted.digest.clone())),
        }
    }

    async fn piece(&mut self) -> Result<Bytes, Error> {
        loop {
            // The extents of a blob add up to its size.
            let Some(part) = self.part_at(self.cursor) else { return Err(self.unreadable()) };
            match self.read(part).await? {
                Some(bytes) => {
                    if let Some(piece) = self.accept(&part, &bytes).await? {
                        return Ok(piece);
                    }
                }
                None => self.look_up_again(&part).await?,
            }
        }
    }

    /// Takes the bytes of the part at the cursor, and returns what can be handed on.
    async fn accept(&mut self, part: &Part, bytes: &Bytes) -> Result<Option<Bytes>, Error> {
        if part.from == 0 {
            self.crc = Crc::default();
        }
        self.crc.update(bytes);
        let (start, end) = (part.position, part.position + part.length);
        self.cursor = end;
        let is_last = part.from + part.length == part.extent.length;
        if is_last && self.crc.finish() != part.extent.crc32c {
            // What was handed on cannot be taken back.
            return match self.has_handed_on_of(part) {
                true => Err(self.report(&part.extent).await),
                false => self.look_up_again(part).await.map(|()| None),
            };
        }
        self.compare_unproven(start, bytes)?;
        let (from, to) = (self.position.max(start), self.end.min(end));
        if from >= to {
            return Ok(if is_last { self.held.take() } else { None });
        }
        let piece = bytes.slice((from - start) as usize..(to - start) as usize);
        if is_last || to < self.end {
            return Ok(Some(piece));
        }
        self.held = Some(piece);
        Ok(None)
    }

    /// Compares what was handed on before its data vanished with the bytes that were read instead.
    fn compare_unproven(&mut self, start: u64, bytes: &Bytes) -> Result<(), Error> {
        let Some(unproven) = &mut self.unproven else { return Ok(()) };
        let end = start + bytes.len() as u64;
        let (from, to) = (unproven.range.start.max(start), unproven.range.end.min(end));
        if from < to {
            unproven.crc.update(&bytes[(from - start) as usize..(to - start) as usize]);
        }
        if end < unproven.range.end {
            return Ok(());
        }
        let is_same = unproven.crc.finish() == unproven.expected;
        self.unproven = None;
        if is_same { Ok(()) } else { Err(self.unreadable()) }
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

    /// The part that begins at byte `position` of the blob; `None` behind the last extent that has bytes of the range.
    fn part_at(&mut self, position: u64) -> Option<Part> {
        let extents = &self.blob.stored.extents;
        let (mut index, mut start) = self.last;
        while position >= start + extents.get(index)?.length {
            start += extents.get(index)?.length;
            index += 1;
        }
        if start >= self.end {
            return None;
        }
        let (extent, from) = (*extents.get(index)?, position - start);
        if position == self.cursor {
            self.last = (index, start);
        }
        let length = PIECE.min(extent.length - from);
        Some(Part { position, extent, from, length })
    }

    /// Whether bytes of the extent of `part` were handed on.
    fn has_handed_on_of(&self, part: &Part) -> bool {
        self.position > self.start.max(part.position - part.from)
    }

    /// The data of `part` is missing or wrong: finds out where the current state has it.
    async fn look_up_again(&mut self, part: &Part) -> Result<(), Error> {
        let Blob { wanted, stored } = &self.blob;
        let found = self.registry.currently(&wanted.namespace(), |state| wanted.find(state)).await?;
        match found {
            None => Err(self.registry.absent(wanted).await),
            Some(found) if found == *stored => Err(self.report(&part.extent).await),
            Some(found) => self.go_on_in(found, part),
        }
    }

    /// Goes on in other bytes of the same content, because those of `part` are gone.
    fn go_on_in(&mut self, found: Stored, part: &Part) -> Result<(), Error> {
        if self.has_handed_on_of(part) {
            // What was handed on of this extent has to be read and compared; if that is to be done twice, or more was
            // read than handed on, it is simpler to begin anew.
            if self.unproven.is_some() || self.held.is_some() {
                return Err(self.unreadable());
            }
            let range = part.position - part.from..part.position;
            let expected = self.crc.finish();
            self.unproven = Some(Unproven { range, expected, crc: Crc::default() });
        } else if self.unproven.is_some() {
            return Err(self.unreadable());
        }
        let first = self.unproven.as_ref().map_or(self.position, |unproven| unproven.range.start);
        self.cursor = extent_start(&found.extents, first);
        self.blob.stored = found;
        self.last = (0, 0);
        self.held = None;
        self.ahead.clear();
        Ok(())
    }

    async fn report(&self, suspect: &Extent) -> Error {
        self.registry.report_damage(&self.blob.wanted, &[*suspect]).await
    }

    fn unreadable(&self) -> Error {
        Error::Unreadable(self.blob.digest().clone())
    }
}

/// Where in the blob the extent begins that has byte `position`.
fn extent_start(extents: &[Extent], position: u64) -> u64 {
    let mut start = 0;
    for extent in extents {
        if position < start + extent.length {
            break;
        }
        start += extent.length;
    }
    start
}
