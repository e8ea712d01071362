//! Pulling a chart: to a file, with its provenance, or unpacked.

use std::path::{Path, PathBuf};

use futures_util::future::try_join;
use serde::Serialize;

use super::chart::RemoteChart;
use super::choose::{Chosen, Wanted, choose};
use super::error::ClientError;
use super::files::{self, Draft, FileSource};
use super::progress::Progress;
use super::push::with_suffix;
use super::reference::{ChartReference, Repository};
use super::registry::Registry;
use super::verify::{Claim, Verified, verify};
use crate::chart::provenance::MAX_PROVENANCE;
use crate::chart::{lax, respelled};
use crate::clock::Clock;
use crate::oci::{Descriptor, Reference};

#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    pub wanted: Wanted,
    pub destination: PathBuf,
    /// The provenance file too; a chart without one is an error.
    pub provenance: bool,
    /// A keyring: only what one of its keys signed is pulled.
    pub keyring: Option<Vec<u8>>,
    /// Unpack into this folder, and keep no package.
    pub untar: Option<PathBuf>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pulled {
    pub reference: String,
    pub digest: crate::oci::Digest,
    /// The package, or the folder that it was unpacked to.
    pub path: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

pub async fn pull(
    registry: &Registry,
    chart: &ChartReference,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Pulled, ClientError> {
    let chosen = choose(registry, chart, &options.wanted).await?;
    let repository = &chart.repository;
    let remote = chosen.open(registry, repository).await?;
    if options.provenance && remote.provenance.is_none() {
        return Err(ClientError::Unfit(format!("{chart} has no provenance file")));
    }
    let verified = match &options.keyring {
        // Before anything is fetched: the digest that is signed is the one that the package will have.
        Some(keyring) => Some(verify_remote(registry, repository, &remote, &chosen, keyring).await?),
        None => None,
    };
    // Every part of the name is of a grammar without `/`, and comes from the reference, not from the package.
    let name = match (&chosen.reference, chosen.version()) {
        (Reference::Digest(digest), None) => {
            format!("{}@{}.tgz", repository.base(), digest.to_string().replace(':', "-"))
        }
        (_, version) => format!("{}-{}.tgz", repository.base(), version.unwrap_or_default()),
    };
    let scratch = options.untar.as_ref().map(|_| files::scratch_folder(&options.destination)).transpose()?;
    let folder = scratch.as_ref().map_or(options.destination.as_path(), |scratch| scratch.path());
    let path = folder.join(&name);
    let package = fetch(registry, repository, &remote.package, &path, progress);
    let provenance = async {
        match &remote.provenance {
            Some(layer) if options.provenance => {
                let path = with_suffix(&options.destination.join(&name), ".prov");
                fetch(registry, repository, layer, &path, progress).await.map(|()| Some(path))
            }
            _ => Ok(None),
        }
    };
    let ((), provenance) = try_join(package, provenance).await?;
    let path = match &options.untar {
        Some(folder) => files::untar(&path, folder, repository.base())?,
        None => path,
    };
    let reference = ChartReference { tag: chosen.tag, digest: chart.digest.clone(), ..chart.clone() };
    Ok(Pulled { reference: reference.to_string(), digest: remote.digest, path, provenance, verified })
}

/// Checks the provenance of a chart without fetching its package.
pub async fn verify_chart(
    registry: &Registry,
    chart: &ChartReference,
    wanted: &Wanted,
    keyring: &[u8],
) -> Result<Verified, ClientError> {
    let chosen = choose(registry, chart, wanted).await?;
    let remote = chosen.open(registry, &chart.repository).await?;
    verify_remote(registry, &chart.repository, &remote, &chosen, keyring).await
}

/// The signed text has to name the chart and the version that were asked for, or else an old signature could stand
/// for a new version; a reference without a version leaves that to the config.
async fn verify_remote(
    registry: &Registry,
    repository: &Repository,
    remote: &RemoteChart,
    chosen: &Chosen,
    keyring: &[u8],
) -> Result<Verified, ClientError> {
    let missing = || ClientError::Unfit(format!("{repository} {} has no provenance file", chosen.reference));
    let provenance = remote.read_provenance(registry, repository).await?.ok_or_else(missing)?;
    let asked_for = chosen.version().filter(|version| lax(version).is_some());
    let of_config = remote.read_config(registry, repository).await?.version;
    let version = match asked_for {
        // A mirror's tag may lack the `v` of the version, or have one more.
        Some(version) if respelled(&version) != of_config => version,
        _ => of_config,
    };
    let claim = Claim { name: repository.base(), version: &version, package: &remote.package.digest };
    verify(&claim, &provenance, keyring, &*registry.transport().clock)
}

/// Checks a package on the disk by the provenance file beside it.
pub fn verify_file(path: &Path, keyring: &[u8], clock: &dyn Clock) -> Result<Verified, ClientError> {
    let package = FileSource::of(path)?;
    let metadata = files::read_package(path, &|_| false)?.metadata;
    let beside = with_suffix(path, ".prov");
    let missing = || ClientError::Unfit(format!("{} is not there", beside.display()));
    let provenance = files::read(&beside, MAX_PROVENANCE as u64)?.ok_or_else(missing)?;
    let claim = Claim { name: &metadata.name, version: &metadata.version, package: &package.digest };
    verify(&claim, &provenance, keyring, clock)
}

/// The bytes of a keyring.
pub fn read_keyring(path: &Path) -> Result<Vec<u8>, ClientError> {
    const MAX_KEYRING: u64 = 64 << 20;
    let missing = || {
        ClientError::Usage(format!("the keyring {} is not there: name one with --keyring", path.display()))
    };
    files::read(path, MAX_KEYRING)?.ok_or_else(missing)
}

/// A blob as a file that appears when it is whole and right.
pub(super) async fn fetch(
    registry: &Registry,
    repository: &Repository,
    blob: &Descriptor,
    path: &Path,
    progress: &dyn Progress,
) -> Result<(), ClientError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bar = progress.begin(&name, blob.size);
    let mut draft = Draft::open(path, &blob.digest, blob.size)?;
    registry.fetch(repository, &blob.digest, &mut draft, &*bar).await?;
    draft.finish()
}

/// The package of a chart in a folder of its own inside `parent`, for commands that look into it.
pub async fn pull_aside(
    registry: &Registry,
    chart: &ChartReference,
    wanted: &Wanted,
    parent: &Path,
    progress: &dyn Progress,
) -> Result<Aside, ClientError> {
    let chosen = choose(registry, chart, wanted).await?;
    let remote = chosen.open(registry, &chart.repository).await?;
    let scratch = files::scratch_folder(parent)?;
    let package = scratch.path().join("chart.tgz");
    fetch(registry, &chart.repository, &remote.package, &package, progress).await?;
    Ok(Aside { package, digest: remote.digest, chosen, _scratch: scratch })
}

/// A package that goes away with this.
pub struct Aside {
    pub package: PathBuf,
    pub digest: crate::oci::Digest,
    pub chosen: Chosen,
    _scratch: files::Scratch,
}
