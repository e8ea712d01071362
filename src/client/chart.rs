//! A chart as a registry has it: its manifest, its config, and the layers that are package and provenance.

use super::error::ClientError;
use super::reference::Repository;
use super::registry::{Registry, Stored};
use crate::chart::provenance::MAX_PROVENANCE;
use crate::chart::{MAX_CONFIG, Metadata};
use crate::oci::{Descriptor, Digest, Kind, Manifest, Reference};

#[derive(Clone, Debug)]
pub struct RemoteChart {
    /// Of what was asked for: the manifest, or the index around it.
    pub digest: Digest,
    pub config: Descriptor,
    pub package: Descriptor,
    pub provenance: Option<Descriptor>,
}

impl RemoteChart {
    pub async fn open(
        registry: &Registry,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Self, ClientError> {
        let stored = registry.manifest(repository, reference).await?;
        let digest = stored.digest.clone();
        let manifest = chart_of(registry, repository, &stored).await?;
        let what = || format!("oci://{}/{repository}, {reference},", registry.host());
        let packages: Vec<_> =
            manifest.layers.iter().filter(|layer| layer.media_type.is_helm_chart()).collect();
        let [package] = packages.as_slice() else {
            let count = packages.len();
            return Err(ClientError::Unfit(format!(
                "{} is no chart: {count} of its layers are packages",
                what()
            )));
        };
        let provenance = manifest.layers.iter().find(|layer| layer.media_type.is_helm_provenance()).cloned();
        let package = (*package).clone();
        let missing = || ClientError::Unfit(format!("{} is no chart: it has no config", what()));
        Ok(Self { digest, config: manifest.config.ok_or_else(missing)?, package, provenance })
    }

    /// Opens what is a chart; `None` for an image or anything else, and for a tag that is gone.
    pub async fn open_if_chart(
        registry: &Registry,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<Self>, ClientError> {
        match Self::open(registry, repository, reference).await {
            Ok(chart) => Ok(Some(chart)),
            Err(ClientError::Unfit(_)) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The provenance file, if there is one.
    pub async fn read_provenance(
        &self,
        registry: &Registry,
        repository: &Repository,
    ) -> Result<Option<bytes::Bytes>, ClientError> {
        match &self.provenance {
            Some(layer) => registry.small_blob(repository, layer, MAX_PROVENANCE as u64).await.map(Some),
            None => Ok(None),
        }
    }

    /// Chart.yaml as it was pushed.
    pub async fn read_config(
        &self,
        registry: &Registry,
        repository: &Repository,
    ) -> Result<Metadata, ClientError> {
        let bytes = registry.small_blob(repository, &self.config, MAX_CONFIG).await?;
        Metadata::read(&bytes).map_err(|why| {
            ClientError::Unfit(format!("the config of {repository} is not that of a chart: {why}"))
        })
    }
}

/// The manifest itself, or the first chart that an index lists (Helm does so since 4.2).
async fn chart_of(
    registry: &Registry,
    repository: &Repository,
    stored: &Stored,
) -> Result<Manifest, ClientError> {
    let manifest = stored.read()?;
    if manifest.kind == Kind::Image {
        return Ok(manifest);
    }
    const MOST: usize = 16;
    for child in manifest.manifests.iter().filter(|child| child.media_type.is_image()).take(MOST) {
        let child = registry.manifest(repository, &Reference::Digest(child.digest.clone())).await?.read()?;
        if child.layers.iter().any(|layer| layer.media_type.is_helm_chart()) {
            return Ok(child);
        }
    }
    Err(ClientError::Unfit(format!("the index {} of {repository} lists no chart", stored.digest)))
}
