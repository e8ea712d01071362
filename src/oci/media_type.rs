//! Media types (RFC 6838 section 4.2), and those with a meaning here.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::name::text_type;

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const HELM_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
pub const HELM_CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
pub const HELM_CHART_LEGACY: &str = "application/tar+gzip";
pub const HELM_PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// `type/subtype`, without parameters, at most 255 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType(Arc<str>);

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a media type is `type/subtype` of RFC 6838, at most 255 characters")]
pub struct InvalidMediaType;

impl MediaType {
    pub fn parse(text: &str) -> Result<Self, InvalidMediaType> {
        let (kind, subtype) = text.split_once('/').ok_or(InvalidMediaType)?;
        let legal = text.len() <= 255 && is_restricted_name(kind) && is_restricted_name(subtype);
        if legal { Ok(Self(text.into())) } else { Err(InvalidMediaType) }
    }

    /// The media type of a `Content-Type` header; its parameters are dropped.
    pub fn parse_header(text: &str) -> Result<Self, InvalidMediaType> {
        Self::parse(text.split(';').next().unwrap_or_default().trim_matches([' ', '\t']))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_image(&self) -> bool {
        matches!(self.as_str(), OCI_MANIFEST | DOCKER_MANIFEST)
    }

    pub fn is_index(&self) -> bool {
        matches!(self.as_str(), OCI_INDEX | DOCKER_LIST)
    }

    /// Layers of these types are fetched from elsewhere and never pushed.
    pub fn is_non_distributable(&self) -> bool {
        self.0.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar")
            || &*self.0 == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
            || &*self.0 == "application/vnd.docker.image.rootfs.foreign.diff.tar"
    }
}

/// RFC 6838 section 4.2, `restricted-name`; without its limit of 127, which nobody keeps.
fn is_restricted_name(text: &str) -> bool {
    let punctuation = b"!#$&-^_.+";
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || punctuation.contains(&b))
}

text_type!(MediaType);
