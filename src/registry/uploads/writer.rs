//! Turning the bytes of an upload into data objects as they arrive, within the memory of all uploads.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::memory::{HOLD, Memory, PATIENCE, Unit};
use super::state::{Base64, StagedPiece, too_many_pieces};
use super::{BodySource, MAX_PIECES};
use crate::backend::BackendError;
use crate::journal::{Body, MAX_ATTACHED, Piece};
use crate::oci::Namespace;
use crate::registry::content::{Crc, MAX_CACHED};
use crate::registry::objects::Objects;
use crate::registry::{Error, Registry};

/// Data objects of one upload that are being written at the same time.
const IN_FLIGHT: usize = 2;

/// Writes one upload.
pub(super) struct Writer {
    objects: Objects,
    memory: Arc<Memory>,
    extent: usize,
    /// What is safe in the store; complete while nothing is in flight.
    pieces: Vec<StagedPiece>,
    in_flight: VecDeque<JoinHandle<Result<StagedPiece, Error>>>,
    buffer: Buffer,
    /// Since when the buffer has not been empty.
    held_since: Instant,
}

impl Writer {
    pub fn new(registry: &Registry, namespace: &Namespace) -> Self {
        Self {
            objects: registry.objects(namespace),
            memory: registry.uploads.memory.clone(),
            extent: registry.limits.extent,
            pieces: Vec::new(),
            in_flight: VecDeque::new(),
            buffer: Buffer::default(),
            held_since: Instant::now(),
        }
    }

    /// The next piece of `body`. While others wait for memory, what is held too long meanwhile is written.
    pub async fn receive(&mut self, body: &mut dyn BodySource) -> Result<Option<Bytes>, Error> {
        self.make_way().await?;
        let mut next = body.next();
        loop {
            if self.buffer.length == 0 {
                return Ok(next.await?);
            }
            let patience = HOLD.saturating_sub(self.held_since.elapsed()).max(PATIENCE);
            match timeout(patience, &mut next).await {
                Ok(piece) => return Ok(piece?),
                Err(_) => self.make_way().await?,
            }
        }
    }

    /// Takes bytes; waits for memory, and for the store when two objects are being written already.
    pub async fn push(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.buffer.room() == 0 {
                let unit = self.unit().await?;
                self.buffer.open(unit);
            }
            if self.buffer.length == 0 {
                self.held_since = Instant::now();
            }
            let room = self.buffer.room().min(self.extent - self.buffer.length);
            self.buffer.push(&bytes.split_to(room.min(bytes.len())));
            if self.buffer.length >= self.extent {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Takes a piece that is in the store already.
    pub async fn append(&mut self, piece: StagedPiece) -> Result<(), Error> {
        self.settle().await?;
        self.keep(piece)
    }

    /// Everything taken since the last call, safe in the store or small enough to sit in a state.
    pub async fn segment(&mut self) -> Result<Vec<StagedPiece>, Error> {
        if self.holds_all(MAX_ATTACHED) {
            let inline = std::mem::take(&mut self.buffer).joined();
            return Ok(vec![StagedPiece::Inline { inline: Base64(inline) }]);
        }
        self.settle().await?;
        Ok(std::mem::take(&mut self.pieces))
    }

    /// [`Writer::finish`], with the bytes themselves if they are few enough to be cached.
    pub async fn finish_with_bytes(self) -> Result<(Body, Option<Bytes>), Error> {
        if self.holds_all(MAX_ATTACHED) {
            let bytes = self.buffer.joined();
            return Ok((Body::attached(bytes.clone()), Some(bytes)));
        }
        let bytes = self.holds_all(MAX_CACHED as usize).then(|| self.buffer.joined());
        Ok((self.finish().await?, bytes))
    }

    /// Everything taken, as a body for the journal to name.
    pub async fn finish(mut self) -> Result<Body, Error> {
        if self.holds_all(MAX_ATTACHED) {
            return Ok(Body::attached(self.buffer.joined()));
        }
        self.settle().await?;
        let pieces: Vec<Piece> = self.pieces.into_iter().map(named).collect();
        Ok(Body { size: pieces.iter().map(length).sum(), pieces })
    }

    /// Whether everything taken is in the buffer, and has at most so many bytes.
    fn holds_all(&self, most: usize) -> bool {
        self.pieces.is_empty() && self.in_flight.is_empty() && self.buffer.length <= most
    }

    /// One more buffer. Waiting for it, the upload gives back what it holds: were all to wait holding, none
    /// would go on.
    async fn unit(&mut self) -> Result<Unit, Error> {
        let mut waiting = std::pin::pin!(self.memory.clone().unit());
        match timeout(PATIENCE, &mut waiting).await {
            Ok(unit) => unit,
            Err(_) => {
                self.flush().await?;
                waiting.await
            }
        }
    }

    /// Writes what has been held for long, if others wait: a client that stalls must not stop them.
    async fn make_way(&mut self) -> Result<(), Error> {
        let is_held = self.buffer.length > 0 && self.held_since.elapsed() >= HOLD;
        if is_held && self.memory.is_exhausted() { self.flush().await } else { Ok(()) }
    }

    /// Begins to write the buffer as a data object.
    async fn flush(&mut self) -> Result<(), Error> {
        if self.buffer.length == 0 {
            return Ok(());
        }
        while self.in_flight.len() >= IN_FLIGHT {
            self.land().await?;
        }
        let (length, crc32c) = (self.buffer.length as u64, self.buffer.crc.finish());
        let (bytes, objects) = (self.buffer.take(), self.objects.clone());
        self.in_flight.push_back(tokio::spawn(async move {
            let object = objects.create(bytes).await?;
            Ok(StagedPiece::Object { object, length, crc32c })
        }));
        Ok(())
    }

    /// Waits for the oldest object in flight.
    async fn land(&mut self) -> Result<(), Error> {
        let Some(oldest) = self.in_flight.pop_front() else { return Ok(()) };
        let landed = oldest.await.map_err(|panic| BackendError::Unavailable(std::io::Error::other(panic)))?;
        self.keep(landed?)
    }

    fn keep(&mut self, piece: StagedPiece) -> Result<(), Error> {
        if self.pieces.len() == MAX_PIECES as usize {
            return Err(too_many_pieces());
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// Writes the buffer and waits until everything is in the store.
    async fn settle(&mut self) -> Result<(), Error> {
        self.flush().await?;
        while !self.in_flight.is_empty() {
            self.land().await?;
        }
        Ok(())
    }
}

fn named(piece: StagedPiece) -> Piece {
    match piece {
        StagedPiece::Object { object, length, crc32c } => {
            Piece::Object { id: object, offset: 0, length, crc32c }
        }
        StagedPiece::Inline { inline } => Piece::Attached(inline.0),
    }
}

fn length(piece: &Piece) -> u64 {
    match piece {
        Piece::Object { length, .. } => *length,
        Piece::Attached(bytes) => bytes.len() as u64,
    }
}

/// Bytes in order.
#[derive(Default)]
struct Buffer {
    full: Vec<Bytes>,
    last: Option<Unit>,
    length: usize,
    crc: Crc,
}

impl Buffer {
    /// How many bytes more it takes before it needs another unit.
    fn room(&self) -> usize {
        self.last.as_ref().map_or(0, Unit::room)
    }

    fn open(&mut self, unit: Unit) {
        self.full.extend(self.last.replace(unit).map(Unit::freeze));
    }

    /// Takes at most [`Buffer::room`] bytes.
    fn push(&mut self, bytes: &[u8]) {
        if let Some(unit) = &mut self.last {
            unit.push(bytes);
            self.length += bytes.len();
            self.crc.update(bytes);
        }
    }

    /// A copy of it all.
    fn joined(&self) -> Bytes {
        let pieces = self.full.iter().map(Bytes::as_ref).chain(self.last.as_ref().map(Unit::as_ref));
        pieces.collect::<Vec<_>>().concat().into()
    }

    fn take(&mut self) -> Vec<Bytes> {
        let Self { mut full, last, .. } = std::mem::take(self);
        full.extend(last.map(Unit::freeze));
        full
    }
}
