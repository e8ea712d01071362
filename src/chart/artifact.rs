//! A chart as an OCI artifact: the config and manifest that Helm makes of a package, byte for byte
//! (docs/internals/helm.md#media-types-and-annotations).

use serde::Serialize;

use super::config::{Config, as_go_writes};
use crate::oci::{Digest, HELM_CHART, HELM_CONFIG, HELM_PROVENANCE};

/// What is pushed beside the package and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// JSON, the metadata of the chart.
    pub config: String,
    /// Of the type of an OCI image manifest. It does not say so itself: Helm leaves the field out.
    pub manifest: String,
}

/// Bytes that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub digest: Digest,
    pub size: u64,
}

impl Named {
    pub fn of(bytes: &[u8]) -> Self {
        Self { digest: Digest::sha256(bytes), size: bytes.len() as u64 }
    }
}

impl Artifact {
    /// The artifact of a chart; `created` is RFC 3339, and with Helm the time of the file.
    pub fn new(config: &Config, package: Named, provenance: Option<Named>, created: &str) -> Self {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written {
            schema_version: u8,
            config: Layer,
            layers: Vec<Layer>,
            annotations: std::collections::BTreeMap<String, String>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Layer {
            media_type: &'static str,
            digest: Digest,
            size: u64,
        }
        let layer = |media_type, Named { digest, size }| Layer { media_type, digest, size };
        let json = config.to_json();
        let mut layers = vec![layer(HELM_CHART, package)];
        layers.extend(provenance.map(|named| layer(HELM_PROVENANCE, named)));
        layers.sort_by(|one, other| one.digest.cmp(&other.digest));
        let manifest = as_go_writes(&Written {
            schema_version: 2,
            config: layer(HELM_CONFIG, Named::of(json.as_bytes())),
            layers,
            annotations: config.annotations(created),
        });
        Self { config: json, manifest }
    }
}
