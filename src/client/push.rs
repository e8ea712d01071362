//! Pushing a chart package: the same config, layers and manifest that Helm makes, each sent only if it is not there.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::try_join3;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::body::Body;
use super::config::{Config, as_go_writes};
use super::error::ClientError;
use super::files::{self, FileSource};
use super::progress::{Bar, Progress};
use super::reference::{ChartReference, Place, tag_of};
use super::registry::{Registry, Stored};
use crate::chart::provenance::MAX_PROVENANCE;
use crate::oci::{Digest, HELM_CHART, HELM_CONFIG, HELM_PROVENANCE, MediaType, OCI_MANIFEST, Reference};

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
        let config_json = config.to_json();
        let created = created(package.modified);
        let manifest = manifest(&config, &config_json, &package, provenance.as_deref(), &created)?;
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

fn manifest(
    config: &Config,
    config_json: &str,
    package: &FileSource,
    provenance: Option<&[u8]>,
    created: &str,
) -> Result<Stored, ClientError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Written<'a> {
        schema_version: u8,
        config: Layer,
        layers: Vec<Layer>,
        annotations: &'a std::collections::BTreeMap<String, String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Layer {
        media_type: &'static str,
        digest: Digest,
        size: u64,
    }
    let of_bytes = |media_type, bytes: &[u8]| Layer {
        media_type,
        digest: Digest::sha256(bytes),
        size: bytes.len() as u64,
    };
    let mut layers =
        vec![Layer { media_type: HELM_CHART, digest: package.digest.clone(), size: package.length }];
    layers.extend(provenance.map(|bytes| of_bytes(HELM_PROVENANCE, bytes)));
    layers.sort_by(|one, other| one.digest.cmp(&other.digest));
    let config_layer = of_bytes(HELM_CONFIG, config_json.as_bytes());
    let annotations = &config.annotations(created);
    let written = as_go_writes(&Written { schema_version: 2, config: config_layer, layers, annotations });
    let media_type = MediaType::parse(OCI_MANIFEST).map_err(|why| ClientError::Unfit(why.to_string()))?;
    Ok(Stored::of(written, media_type))
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
