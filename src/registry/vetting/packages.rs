//! Packages as they are read to be judged: once and bounded; all but small ones piece by piece, on a thread that may
//! block.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::runtime::Handle;

use super::Source;
use crate::chart::Metadata;
use crate::chart::archive::{InvalidPackage, Limits, Package};
use crate::oci::{Digest, Namespace};
use crate::registry::content::MAX_CACHED;
use crate::registry::turns::Turns;
use crate::registry::{BlobReader, Error, Registry};

/// The limits of the reader allow 100 MiB of files in archives of at most 140 MiB: what is larger is not compressed, or
/// has something behind it.
const MAX_PACKED: u64 = 144 << 20;
/// What is judged at once, on the thread that asks: some milliseconds at most.
const SMALL: Limits = Limits { unpacked: 512 << 10, file: 5 << 20, entries: 250, depth: 16 };
/// How many larger packages are read at once. Each takes as much memory as the few files that are judged, at most 5 MiB each.
const AT_ONCE: usize = 4;
/// A request that wants one read waits for its turn no longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// For what is remembered, in bytes.
const REMEMBERED: u64 = 8 << 20;

/// What is known of a package: what it is, or why it is refused.
pub(in crate::registry) type Inspected = Result<Arc<Inspection>, Arc<InvalidPackage>>;

#[derive(Debug)]
pub(in crate::registry) struct Inspection {
    pub metadata: Metadata,
    /// As warnings tell them.
    pub oddities: Vec<String>,
    /// What remembering it takes, in bytes.
    weight: u32,
}

/// Packages that were judged lately.
pub(in crate::registry) struct Inspections {
    known: moka::future::Cache<Digest, Inspected>,
    turns: Turns,
}

impl Inspections {
    pub(in crate::registry) fn new() -> Self {
        let weight = |_: &Digest, inspected: &Inspected| match inspected {
            Ok(inspection) => inspection.weight,
            Err(_) => 2_048,
        };
        let known = moka::future::Cache::builder().max_capacity(REMEMBERED).weigher(weight).build();
        Self { known, turns: Turns::new(AT_ONCE, PATIENCE) }
    }
}

impl Registry {
    /// Judges the package with this digest.
    ///
    /// # Errors
    /// `BlobUnknown` and `Damaged`; `Busy`.
    pub(in crate::registry) async fn inspect(
        self: &Arc<Self>,
        digest: &Digest,
        source: Source<'_>,
    ) -> Result<Inspected, Error> {
        let read = self.read_to_judge(digest, source);
        self.inspections.known.try_get_with_by_ref(digest, read).await.map_err(|error| (*error).clone())
    }

    /// The metadata of a package that is refused, where faults are no reason to refuse it.
    ///
    /// # Errors
    /// `Busy`.
    pub(in crate::registry) async fn metadata_alone(
        &self,
        namespace: &Namespace,
        package: &Bytes,
    ) -> Result<Option<Metadata>, Error> {
        if !self.policy.is_lenient(namespace) {
            return Ok(None);
        }
        let _turn = self.inspections.turns.take().await?;
        let package = package.clone();
        let read =
            tokio::task::spawn_blocking(move || Package::metadata_alone(&package[..], &Limits::default()));
        read.await.map_err(|_| Error::Panicked)
    }

    async fn read_to_judge(
        self: &Arc<Self>,
        digest: &Digest,
        source: Source<'_>,
    ) -> Result<Inspected, Error> {
        let repository = match source {
            Source::Held(bytes) => return self.judge_bytes(bytes.clone()).await,
            Source::Stored(repository) => repository,
        };
        let blob = self.blob(repository, digest).await?;
        match blob.size() {
            0..=MAX_CACHED => self.judge_bytes(self.body(&blob.wanted, &blob.stored).await?).await,
            size @ ..=MAX_PACKED => {
                let reader = self.read_blob(blob, 0..size);
                self.judge(Pieces { reader, store: Handle::current(), piece: Bytes::new(), failed: None })
                    .await
            }
            size => Ok(Err(Arc::new(InvalidPackage::TooLong { size, limit: MAX_PACKED }))),
        }
    }

    /// Most packages take less time to be judged than another thread takes to begin.
    async fn judge_bytes(&self, package: Bytes) -> Result<Inspected, Error> {
        if package.len() as u64 <= MAX_CACHED && unpacked_size(&package) <= SMALL.unpacked {
            match Package::inspect(&package[..], &SMALL) {
                Err(InvalidPackage::TooLarge | InvalidPackage::TooManyEntries) => {}
                read => return Ok(read.map(Inspection::of).map(Arc::new).map_err(Arc::new)),
            }
        }
        self.judge(package.reader()).await
    }

    async fn judge<I: Input>(&self, mut input: I) -> Result<Inspected, Error> {
        let _turn = self.inspections.turns.take().await?;
        let judged = tokio::task::spawn_blocking(move || {
            let read = Package::inspect(&mut input, &Limits::default());
            match input.failure() {
                Some(error) => Err(error),
                None => Ok(read.map(Inspection::of).map(Arc::new).map_err(Arc::new)),
            }
        });
        judged.await.map_err(|_| Error::Panicked)?
    }
}

/// Bytes of a package, which the store may fail to give.
trait Input: Read + Send + 'static {
    fn failure(&mut self) -> Option<Error>;
}

/// What a gzip file says of its size (RFC 1952 section 2.3.1): only a guess whether to try.
fn unpacked_size(package: &[u8]) -> u64 {
    package.last_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)))
}

impl Inspection {
    fn of(package: Package) -> Self {
        let oddities =
            package.oddities.iter().map(|odd| format!("the package is taken, but {odd}")).collect();
        let weight = u32::try_from(2 * package.chart_yaml().len() + 1_024).unwrap_or(u32::MAX);
        Self { metadata: package.metadata, oddities, weight }
    }
}

impl Input for bytes::buf::Reader<Bytes> {
    fn failure(&mut self) -> Option<Error> {
        None
    }
}

/// A blob as it is read, one piece in memory.
struct Pieces {
    reader: BlobReader,
    store: Handle,
    piece: Bytes,
    failed: Option<Error>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.store.block_on(self.reader.next()) {
                None => return Ok(0),
                Some(Ok(bytes)) => self.piece = bytes,
                Some(Err(error)) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the store failed"));
                }
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Input for Pieces {
    fn failure(&mut self) -> Option<Error> {
        self.failed.take()
    }
}
