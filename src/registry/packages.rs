//! Packages as they are read for who looks into them: bounded, on a thread that may block, and kept for a while.

use std::sync::Arc;
use std::time::Duration;

use super::turns::Turns;
use super::{Blob, Error, Registry};
use crate::chart::archive::{Limits, Package};
use crate::chart::{Difference, difference};
use crate::journal::Release;
use crate::oci::{Digest, RepositoryName};

/// Larger packages are not looked into, in bytes as they are stored and as they are unpacked. What Helm installs fits
/// in 1 MiB.
const MAX_PACKED: u64 = 32 << 20;
const LIMITS: Limits = Limits { unpacked: 32 << 20, file: 5 << 20, entries: 10_000, depth: 16 };
/// How many packages are read at once.
const AT_ONCE: usize = 2;
/// A request that wants one read waits for its turn no longer.
const PATIENCE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(10 * 60);

/// Packages that were looked into lately, weighed by their bytes.
pub(super) struct Packages {
    read: moka::future::Cache<Digest, Arc<Package>>,
    turns: Turns,
}

impl Packages {
    pub(super) fn new(capacity: u64) -> Self {
        let read = moka::future::Cache::builder()
            .max_capacity(capacity)
            .time_to_idle(IDLE)
            .weigher(|_: &Digest, package: &Arc<Package>| weight(package))
            .build();
        Self { read, turns: Turns::new(AT_ONCE, PATIENCE) }
    }

    /// The right to read one package.
    pub(super) async fn turn(&self) -> Result<impl Drop + use<'_>, Error> {
        self.turns.take().await
    }
}

fn weight(package: &Package) -> u32 {
    let files = package.files.iter().map(|file| {
        let kept = package.content(&file.path).map_or(0, <[u8]>::len);
        kept + 2 * file.path.len() + 64
    });
    u32::try_from(files.sum::<usize>() + package.subcharts.len() * 256 + 4_096).unwrap_or(u32::MAX)
}

impl Registry {
    /// The package of a release of `repository`, with its templates.
    ///
    /// # Errors
    /// `BlobUnknown` and `Damaged`; `PackageUnreadable`; `Busy`.
    pub async fn package(
        &self,
        repository: &RepositoryName,
        release: &Release,
    ) -> Result<Arc<Package>, Error> {
        let blob = self.blob(repository, &release.chart.package).await?;
        if blob.size() > MAX_PACKED {
            return Err(Error::PackageUnreadable(format!("it has more than {MAX_PACKED} bytes")));
        }
        let digest = blob.digest().clone();
        let read = self.packages.read.try_get_with(digest, self.read_package(blob));
        read.await.map_err(|error| (*error).clone())
    }

    /// What changed between two versions of the chart of `repository`.
    ///
    /// # Errors
    /// Those of `package`.
    pub async fn difference(
        &self,
        repository: &RepositoryName,
        from: &Release,
        to: &Release,
    ) -> Result<Difference, Error> {
        let from = self.package(repository, from).await?;
        let to = self.package(repository, to).await?;
        let _turn = self.packages.turns.take().await?;
        tokio::task::spawn_blocking(move || difference(&from, &to)).await.map_err(|_| Error::Panicked)
    }

    async fn read_package(&self, blob: Blob) -> Result<Arc<Package>, Error> {
        let _turn = self.packages.turns.take().await?;
        let bytes = self.body(&blob.wanted, &blob.stored).await?;
        let read = tokio::task::spawn_blocking(move || {
            Package::read_keeping(&bytes[..], &LIMITS, &|path| path.starts_with("templates/"))
        });
        let read = read.await.map_err(|_| Error::Panicked)?;
        read.map(Arc::new).map_err(|error| Error::PackageUnreadable(error.to_string()))
    }
}
