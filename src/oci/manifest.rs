//! Reading a manifest for what a registry must know of it. The bytes stay as they were sent and are never written anew.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::descriptor::{Descriptor, null_as_empty};
use super::digest::Digest;
use super::json::{self, InvalidJson, Object};
use super::json_fault::json_fault;
use super::media_type::{DOCKER_LIST, DOCKER_MANIFEST, MediaType, OCI_INDEX, OCI_MANIFEST};

/// Clients refuse a manifest that is larger.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// Config, layers, children and subject of one manifest together.
pub const MAX_REFERENCES: usize = 10_000;

/// An image manifest (image-spec, manifest.md) or an index of manifests (image-index.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What it was pushed as.
    pub media_type: MediaType,
    pub kind: Kind,
    /// Present in every image, absent from every index.
    pub config: Option<Descriptor>,
    pub layers: Vec<Descriptor>,
    pub manifests: Vec<Descriptor>,
    pub subject: Option<Descriptor>,
    pub artifact_type: Option<String>,
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Image,
    Index,
}

/// Why a document is refused as a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest has more than {MAX_MANIFEST_BYTES} bytes")]
    TooLarge,
    #[error(
        "the content type {0} is not that of a manifest: use {OCI_MANIFEST}, {OCI_INDEX}, {DOCKER_MANIFEST} or {DOCKER_LIST}"
    )]
    ContentType(MediaType),
    #[error(transparent)]
    Json(#[from] InvalidJson),
    #[error("a field of the manifest is missing or wrong: {0}")]
    Field(String),
    #[error("schemaVersion must be 2")]
    SchemaVersion,
    #[error("the field mediaType must be the Content-Type of the request, {0}, or absent")]
    MediaType(MediaType),
    #[error(
        "an image manifest has config and layers but no manifests, an index has manifests but no config or layers"
    )]
    Ambiguous,
    #[error("an image manifest must have a config")]
    ConfigMissing,
    #[error("an index must have a list of manifests")]
    ManifestsMissing,
    #[error("the manifest refers to more than {MAX_REFERENCES} others")]
    TooManyReferences,
}

/// A message quotes at most this much of the document.
const MAX_QUOTED: usize = 300;

impl ManifestError {
    fn field(error: serde_json::Error) -> Self {
        let mut message = json_fault(&error);
        message.truncate(message.floor_char_boundary(MAX_QUOTED));
        Self::Field(message)
    }
}

/// The fields that are read, of a manifest and of its descriptors.
const FIELDS: [&str; 12] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "digest",
    "size",
    "urls",
    "data",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<MediaType>,
    artifact_type: Option<String>,
    config: Option<Object<Descriptor>>,
    layers: Option<Vec<Object<Descriptor>>>,
    manifests: Option<Vec<Object<Descriptor>>>,
    subject: Option<Object<Descriptor>>,
    #[serde(default, deserialize_with = "null_as_empty")]
    annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads `bytes`, pushed as `content_type`. Fields it does not know are passed over.
    pub fn read(bytes: &[u8], content_type: &MediaType) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge);
        }
        let kind = match content_type {
            image if image.is_image() => Kind::Image,
            index if index.is_index() => Kind::Index,
            other => return Err(ManifestError::ContentType(other.clone())),
        };
        json::check(bytes, &FIELDS)?;
        let Object(document): Object<Document> =
            serde_json::from_slice(bytes).map_err(ManifestError::field)?;
        document.check(kind, content_type)?;
        Ok(Self {
            media_type: content_type.clone(),
            kind,
            config: document.config.map(Object::into_inner),
            layers: inner(document.layers),
            manifests: inner(document.manifests),
            subject: document.subject.map(Object::into_inner),
            artifact_type: document.artifact_type.filter(|text| !text.is_empty()),
            annotations: document.annotations,
        })
    }

    /// What a list of referrers calls this manifest: its own type, else that of its config (distribution-spec,
    /// "Listing Referrers").
    pub fn effective_artifact_type(&self) -> Option<&str> {
        let of_config = || self.config.as_ref().map(|config| config.media_type.as_str());
        self.artifact_type.as_deref().or_else(of_config)
    }

    /// Config and layers, each once, without the layers that are never pushed.
    pub fn blobs(&self) -> Vec<Digest> {
        let layers = self.layers.iter().filter(|layer| !layer.media_type.is_non_distributable());
        distinct(self.config.iter().chain(layers))
    }

    /// The manifests of an index, each once.
    pub fn children(&self) -> Vec<Digest> {
        distinct(self.manifests.iter())
    }

    /// The size of each descriptor, that of the subject included. A digest stands as often as it is named.
    pub fn sizes(&self) -> Vec<(Digest, u64)> {
        let named = self.config.iter().chain(&self.layers).chain(&self.manifests).chain(&self.subject);
        named.map(|descriptor| (descriptor.digest.clone(), descriptor.size)).collect()
    }
}

impl Document {
    fn check(&self, kind: Kind, content_type: &MediaType) -> Result<(), ManifestError> {
        if self.schema_version != Some(2) {
            return Err(ManifestError::SchemaVersion);
        }
        if self.media_type.as_ref().is_some_and(|field| field != content_type) {
            return Err(ManifestError::MediaType(content_type.clone()));
        }
        match kind {
            Kind::Image if self.manifests.is_some() => return Err(ManifestError::Ambiguous),
            Kind::Index if self.config.is_some() || self.layers.is_some() => {
                return Err(ManifestError::Ambiguous);
            }
            Kind::Image if self.config.is_none() => return Err(ManifestError::ConfigMissing),
            Kind::Index if self.manifests.is_none() => return Err(ManifestError::ManifestsMissing),
            _ => {}
        }
        let lists = [&self.layers, &self.manifests];
        let listed: usize = lists.into_iter().flatten().map(Vec::len).sum();
        let single = usize::from(self.config.is_some()) + usize::from(self.subject.is_some());
        if listed + single > MAX_REFERENCES {
            return Err(ManifestError::TooManyReferences);
        }
        Ok(())
    }
}

fn inner(objects: Option<Vec<Object<Descriptor>>>) -> Vec<Descriptor> {
    objects.unwrap_or_default().into_iter().map(Object::into_inner).collect()
}

fn distinct<'a>(descriptors: impl Iterator<Item = &'a Descriptor>) -> Vec<Digest> {
    let mut seen = BTreeSet::new();
    descriptors.map(|descriptor| &descriptor.digest).filter(|digest| seen.insert(*digest)).cloned().collect()
}

#[cfg(test)]
mod tests;
