//! Pushing a chart package: the same config, layers and manifest that Helm makes, each sent only if it is not there.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::try_join3;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::body::Body;
use super::error::ClientError;
use super::files::{self, FileSource};
use super::progress::{Bar, Progress};
use super::reference::{ChartReference, Place, tag_of};
use super::registry::{Registry, Stored};
use crate::chart::provenance::MAX_PROVENANCE;
use crate::chart::{Artifact, Config, Named};
use crate::oci::{Digest, MediaType, OCI_MANIFEST, Reference};

/// A package that is ready to go: everything is hashed, nothing was sent.
pub struct Prepared {
    pub config: Config,
    pub target: ChartReference,
    config_json: String,
    package: FileSource,
    provenance: Option<Vec<u8>>,
    manifest: Stored,
}

/// What was pushed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pushed {
    pub reference: String,
    pub digest: Digest,
    pub package: Digest,
    /// Of the package, in bytes.
    pub size: u64,
    pub provenance: bool,
}

impl Prepared {
    /// Reads a package and the provenance file beside it.
    pub fn read(path: &Path, place: &Place) -> Result<Self, ClientError> {
        let package = FileSource::of(path)?;
        let config = Config::of(&files::read_package(path, &|_| false)?.metadata);
        let wrong = |why: &dyn std::fmt::Display| ClientError::Package {
            path: path.to_owned(),
            why: why.to_string(),
        };
        let repository = place.repository(&config.name).map_err(|why| {
            wrong(&format!("its name {:?} cannot be that of a repository: {why}", config.name))
        })?;
        let tag = tag_of(&config.version).map_err(|why| wrong(&why))?;
        let provenance = files::read(&with_suffix(path, ".prov"), MAX_PROVENANCE as u64)?;
        let named = Named { digest: package.digest.clone(), size: package.length };
        let signature = provenance.as_deref().map(Named::of);
        let artifact = Artifact::new(&config, named, signature, &created(package.modified));
        let media_type = MediaType::parse(OCI_MANIFEST).map_err(|why| ClientError::Unfit(why.to_string()))?;
        let (config_json, manifest) = (artifact.config, Stored::of(artifact.manifest, media_type));
        let target = ChartReference { host: place.host.clone(), repository, tag: Some(tag), digest: None };
        Ok(Self { config, target, config_json, package, provenance, manifest })
    }

    /// Uploads what is missing, then tags it.
    pub async fn push(self, registry: &Registry, progress: &dyn Progress) -> Result<Pushed, ClientError> {
        let repository = &self.target.repository;
        let bar =
            progress.begin(&format!("{} {}", self.config.name, self.config.version), self.package.length);
        let config = Body::Bytes(self.config_json.clone().into());
        let config_digest = Digest::sha256(self.config_json.as_bytes());
        let package = Body::Source(Arc::new(Watched { file: self.package.clone(), bar: Arc::clone(&bar) }));
        let provenance = async {
            let Some(bytes) = self.provenance.clone() else { return Ok(false) };
            let digest = Digest::sha256(&bytes);
            registry.push_blob(repository, &digest, Body::Bytes(bytes.into()), None).await
        };
        try_join3(
            registry.push_blob(repository, &config_digest, config, None),
            registry.push_blob(repository, &self.package.digest, package, None),
            provenance,
        )
        .await?;
        let tag =
            self.target.tag.clone().ok_or_else(|| ClientError::Unfit("a push needs a tag".to_owned()))?;
        registry.put_manifest(repository, &Reference::Tag(tag), &self.manifest).await?;
        Ok(Pushed {
            reference: self.target.to_string(),
            digest: self.manifest.digest,
            package: self.package.digest,
            size: self.package.length,
            provenance: self.provenance.is_some(),
        })
    }
}

/// When the file was last written. Helm writes the time in the zone of its machine; here it is always UTC, so that
/// the digest does not depend on where the push is run.
fn created(modified: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(modified).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A file that tells how much of it was read.
struct Watched {
    file: FileSource,
    bar: Arc<dyn Bar>,
}

impl super::body::Source for Watched {
    fn length(&self) -> u64 {
        self.file.length
    }

    fn open(&self) -> futures_util::future::BoxFuture<'_, Result<super::body::ByteStream, ClientError>> {
        use futures_util::StreamExt as _;
        Box::pin(async {
            let bar = Arc::clone(&self.bar);
            let pieces = self.file.open().await?;
            let watched = pieces
                .inspect(move |piece| bar.advance(piece.as_ref().map_or(0, |piece| piece.len() as u64)));
            Ok(watched.boxed())
        })
    }
}
