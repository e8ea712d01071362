//! Pushing a chart package: the same config, layers and manifest that Helm makes, each sent only if it is not there.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::try_join3;
use reqwest::StatusCode;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::body::Body;
use super::chart::RemoteChart;
use super::error::ClientError;
use super::files::{self, FileSource};
use super::progress::{Bar, Progress, Silent};
use super::pull::fetch;
use super::reference::{ChartReference, Place, tag_of};
use super::registry::{Registry, Stored};
use super::show::{Difference, differences};
use crate::chart::provenance::MAX_PROVENANCE;
use crate::chart::{Artifact, Config, Named};
use crate::oci::{Digest, MediaType, OCI_MANIFEST, Reference};

/// A package that is ready to go: everything is hashed, nothing was sent.
pub struct Prepared {
    pub config: Config,
    pub target: ChartReference,
    /// The rule that the package breaks. Registries may take it all the same.
    pub fault: Option<String>,
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
    /// Nothing was sent: the registry has this version already, and `digest` is of what it has.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
}

/// Packages of more bytes than this are not fetched to see how they differ.
const MAX_COMPARED: u64 = 32 << 20;

impl Prepared {
    /// Reads a package and the provenance file beside it.
    pub fn read(path: &Path, place: &Place) -> Result<Self, ClientError> {
        let package = FileSource::of(path)?;
        let (metadata, fault) = files::read_metadata(path)?;
        let config = Config::of(&metadata);
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
        Ok(Self { config, target, fault, config_json, package, provenance, manifest })
    }

    /// Uploads what is missing, then tags it. `scratch` is a folder for what has to be looked at when the registry
    /// refuses the tag.
    pub async fn push(
        self,
        registry: &Registry,
        scratch: &Path,
        progress: &dyn Progress,
    ) -> Result<Pushed, ClientError> {
        self.upload(registry, progress).await?;
        let repository = &self.target.repository;
        let reference = self.reference()?;
        match registry.put_manifest(repository, &reference, &self.manifest).await {
            Ok(_) => Ok(self.pushed()),
            Err(error) => match self.compare(registry, &reference, scratch, &error).await {
                Some(note) => Err(error.with_note(note)),
                None => Err(error),
            },
        }
    }

    /// Like [`Self::push`], but leaves alone what the registry has under this version.
    pub async fn push_if_absent(
        self,
        registry: &Registry,
        scratch: &Path,
        progress: &dyn Progress,
    ) -> Result<Pushed, ClientError> {
        match registry.head_manifest(&self.target.repository, &self.reference()?).await {
            Ok(Some(head)) => Ok(Pushed { digest: head.digest, skipped: true, ..self.pushed() }),
            // An answer to HEAD has no reason: the push is told it.
            Err(error) if error.status().is_none_or(|status| !status.is_client_error()) => Err(error),
            _ => self.push(registry, scratch, progress).await,
        }
    }

    fn reference(&self) -> Result<Reference, ClientError> {
        let tag = self.target.tag.clone();
        tag.map(Reference::Tag).ok_or_else(|| ClientError::Unfit("a push needs a tag".to_owned()))
    }

    fn pushed(&self) -> Pushed {
        Pushed {
            reference: self.target.to_string(),
            digest: self.manifest.digest.clone(),
            package: self.package.digest.clone(),
            size: self.package.length,
            provenance: self.provenance.is_some(),
            skipped: false,
        }
    }

    async fn upload(&self, registry: &Registry, progress: &dyn Progress) -> Result<(), ClientError> {
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
        .await
        .map(drop)
    }

    /// Says how the chart that the registry has under this version differs, when it is the reason for a refusal.
    async fn compare(
        &self,
        registry: &Registry,
        reference: &Reference,
        scratch: &Path,
        refusal: &ClientError,
    ) -> Option<String> {
        const OCCUPIED: [StatusCode; 5] = [
            StatusCode::BAD_REQUEST,
            StatusCode::FORBIDDEN,
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::CONFLICT,
            StatusCode::PRECONDITION_FAILED,
        ];
        refusal.status().filter(|status| OCCUPIED.contains(status))?;
        // All of this is for a better message; where it fails, the refusal itself is told.
        let repository = &self.target.repository;
        let there = RemoteChart::open(registry, repository, reference).await.ok()?;
        let differs = if there.package.digest == self.package.digest {
            "the registry has this very package under this version, with another config or provenance file"
                .to_owned()
        } else if there.package.size.max(self.package.length) > MAX_COMPARED {
            return None;
        } else {
            let scratch = files::scratch_folder(scratch).ok()?;
            let path = scratch.path().join("there.tgz");
            fetch(registry, repository, &there.package, &path, &Silent).await.ok()?;
            told(&differences(&path, &self.package.path).ok()?)
        };
        Some(format!("{differs}; --skip-existing passes over versions that are there"))
    }
}

/// How the package that is there differs from the one that was to be pushed.
fn told(differences: &[Difference]) -> String {
    match differences {
        [] => "the package there has the same files: only file times or the way of packing differ".to_owned(),
        [one] => format!("the package there differs in {}", one.path),
        [one, rest @ ..] => {
            let others = if rest.len() == 1 { "one other file" } else { "other files" };
            format!("the package there differs in {} and {others}", one.path)
        }
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
