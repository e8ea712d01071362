//! Artifacts made in memory: blobs, image manifests, indexes and referrers.
//!
//! Digests are computed here and not by the code under test.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const IMAGE_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const NON_DISTRIBUTABLE_LAYER: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
pub const EMPTY_JSON: &str = "application/vnd.oci.empty.v1+json";
pub const HELM_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
pub const HELM_CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
pub const HELM_PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

pub fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex(&Sha512::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `length` bytes that no two seeds share.
pub fn noise(seed: &str, length: usize) -> Bytes {
    let mut block = Sha256::digest(seed.as_bytes());
    let mut bytes = Vec::with_capacity(length + block.len());
    while bytes.len() < length {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    bytes.truncate(length);
    bytes.into()
}

/// Bytes with the digest that names them.
#[derive(Clone, Debug)]
pub struct Blob {
    pub bytes: Bytes,
    pub digest: String,
}

impl Blob {
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { digest: sha256(&bytes), bytes }
    }

    /// The same bytes named by their SHA-512.
    pub fn named_by_sha512(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { digest: sha512(&bytes), bytes }
    }

    pub fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// A manifest or index: its exact bytes, media type and digest.
#[derive(Clone, Debug)]
pub struct Document {
    pub media_type: String,
    pub body: Bytes,
    pub digest: String,
}

impl Document {
    pub fn new(media_type: &str, value: &Value) -> Self {
        Self::from_bytes(media_type, value.to_string())
    }

    pub fn from_bytes(media_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { media_type: media_type.into(), digest: sha256(&body), body }
    }

    /// The same document named by its SHA-512.
    pub fn named_by_sha512(self) -> Self {
        Self { digest: sha512(&self.body), ..self }
    }

    pub fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.body.len()})
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("test documents are JSON")
    }

    /// This document with `change` made to its JSON.
    pub fn with(&self, change: impl FnOnce(&mut Value)) -> Self {
        let mut value = self.json();
        change(&mut value);
        Self::new(&self.media_type, &value)
    }

    /// This document with the field `subject`.
    pub fn about(&self, subject: &Document) -> Self {
        self.with(|value| value["subject"] = subject.descriptor())
    }
}

/// An image manifest with the blobs it refers to.
#[derive(Clone, Debug)]
pub struct Image {
    pub blobs: Vec<Blob>,
    pub manifest: Document,
}

/// An image of one small layer; every seed gives different digests.
pub fn image(seed: &str) -> Image {
    image_of(Blob::new(json!({"seed": seed}).to_string()), Blob::new(format!("layer of {seed}")))
}

/// An image of one layer.
pub fn image_of(config: Blob, layer: Blob) -> Image {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": config.descriptor(IMAGE_CONFIG),
        "layers": [layer.descriptor(IMAGE_LAYER)],
    });
    Image { blobs: vec![config, layer], manifest: Document::new(IMAGE_MANIFEST, &manifest) }
}

pub fn index(children: &[&Document]) -> Document {
    let children: Vec<_> = children.iter().map(|child| child.descriptor()).collect();
    let value = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": children});
    Document::new(IMAGE_INDEX, &value)
}

/// The empty config that artifacts share (image-spec, "Guidance for an Empty Descriptor").
pub fn empty_config() -> Blob {
    Blob::new("{}")
}

/// An artifact of `artifact_type` that says something about `subject`.
pub fn referrer(subject: &Document, artifact_type: &str, note: &str) -> Image {
    let config = empty_config();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": artifact_type,
        "config": config.descriptor(EMPTY_JSON),
        "layers": [config.descriptor(EMPTY_JSON)],
        "subject": subject.descriptor(),
        "annotations": {"test.note": note},
    });
    Image { blobs: vec![config], manifest: Document::new(IMAGE_MANIFEST, &manifest) }
}
