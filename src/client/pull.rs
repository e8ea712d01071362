//! Pulling a chart: to a file, with its provenance, or unpacked.

use std::path::{Path, PathBuf};

use futures_util::future::try_join;
use serde::Serialize;

use super::chart::RemoteChart;
use super::choose::{Chosen, Wanted, choose};
use super::error::ClientError;
use super::files::{self, Draft};
use super::progress::Progress;
use super::push::with_suffix;
use super::reference::{ChartReference, Repository};
use super::registry::Registry;
use crate::oci::{Descriptor, Reference};

#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    pub wanted: Wanted,
    pub destination: PathBuf,
    /// The provenance file too; a chart without one is an error.
    pub provenance: bool,
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
}

pub async fn pull(
    registry: &Registry,
    chart: &ChartReference,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Pulled, ClientError> {
    let chosen = choose(registry, chart, &options.wanted).await?;
    let repository = &chart.repository;
    let remote = RemoteChart::open(registry, repository, &chosen.reference).await?;
    if options.provenance && remote.provenance.is_none() {
        return Err(ClientError::Unfit(format!("{chart} has no provenance file")));
    }
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
    Ok(Pulled { reference: reference.to_string(), digest: remote.digest, path, provenance })
}

/// A blob as a file that appears when it is whole and right.
async fn fetch(
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
    let remote = RemoteChart::open(registry, &chart.repository, &chosen.reference).await?;
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
