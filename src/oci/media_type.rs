//! Media types (RFC 6838 section 4.2) and those that a registry of charts must know by name.

use std::fmt;
use std::sync::Arc;

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const HELM_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
pub const HELM_CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// What charts pushed by early Helm releases carry instead of [`HELM_CHART`].
pub const HELM_CHART_LEGACY: &str = "application/tar+gzip";
/// The config of what Artifact Hub reads of a repository, pushed from an empty file.
/// The layer of Artifact Hub's metadata that is `artifacthub-repo.yml`.
pub const ARTIFACT_HUB_LAYER: &str = "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml";
pub const ARTIFACT_HUB_CONFIG: &str = "application/vnd.cncf.artifacthub.config.v1+yaml";
pub const HELM_PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// Layers that clients may leave unpushed because their licence forbids distribution (image-spec, layer.md).
const NON_DISTRIBUTABLE: [&str; 5] = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// `type/subtype` without parameters, kept as it was written; at most 255 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType(Arc<str>);

/// Why a text is not a media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the media type is malformed: expected type/subtype as RFC 6838 section 4.2 has it, without parameters"
)]
pub struct InvalidMediaType;

impl MediaType {
    pub fn parse(text: &str) -> Result<Self, InvalidMediaType> {
        match text.split_once('/') {
            Some((kind, subtype)) if is_restricted_name(kind) && is_restricted_name(subtype) => {
                Ok(Self(text.into()))
            }
            _ => Err(InvalidMediaType),
        }
    }

    /// Reads the value of a `Content-Type` header and drops its parameters.
    pub fn parse_header(value: &str) -> Result<Self, InvalidMediaType> {
        let essence = value.split(';').next().unwrap_or(value);
        Self::parse(essence.trim_matches([' ', '\t']))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An image manifest, OCI's or Docker's.
    pub fn is_image(&self) -> bool {
        [OCI_MANIFEST, DOCKER_MANIFEST].contains(&self.as_str())
    }

    /// An image index or manifest list.
    pub fn is_index(&self) -> bool {
        [OCI_INDEX, DOCKER_LIST].contains(&self.as_str())
    }

    /// A layer that a manifest may name although it was never pushed.
    pub fn is_non_distributable(&self) -> bool {
        NON_DISTRIBUTABLE.contains(&self.as_str())
    }

    pub fn is_helm_config(&self) -> bool {
        self.as_str() == HELM_CONFIG
    }

    /// The package of a chart, also as early Helm releases wrote it.
    pub fn is_helm_chart(&self) -> bool {
        [HELM_CHART, HELM_CHART_LEGACY].contains(&self.as_str())
    }

    pub fn is_helm_provenance(&self) -> bool {
        self.as_str() == HELM_PROVENANCE
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(MediaType, InvalidMediaType);

/// `restricted-name`: a letter or digit, then up to 126 of letters, digits and `!#$&-^_.+`.
fn is_restricted_name(text: &str) -> bool {
    text.len() <= 127
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_loses_its_parameters_and_nothing_else() {
        for value in [
            "application/json",
            " application/json ",
            "application/json;charset=utf-8",
            "application/json ; a=b; c",
        ] {
            assert_eq!(MediaType::parse_header(value).unwrap().as_str(), "application/json");
        }
        for value in [
            "",
            ";",
            "application",
            "application/",
            "/json",
            "a/b/c",
            "a b/c",
            "a/b c",
            "*/*",
            "a/b\n",
            "é/b",
        ] {
            assert_eq!(MediaType::parse_header(value), Err(InvalidMediaType), "{value:?}");
        }
        assert_eq!(MediaType::parse("a/b;c=d"), Err(InvalidMediaType));
    }

    #[test]
    fn the_longest_media_type_has_255_bytes() {
        let half = "a".repeat(127);
        assert!(MediaType::parse(&format!("{half}/{half}")).is_ok());
        assert!(MediaType::parse(&format!("{half}a/b")).is_err());
        assert!(MediaType::parse(&format!("b/{half}a")).is_err());
    }

    #[test]
    fn known_types_are_told_apart() {
        let parse = |text| MediaType::parse(text).unwrap();
        assert!(parse(OCI_MANIFEST).is_image() && parse(DOCKER_MANIFEST).is_image());
        assert!(parse(OCI_INDEX).is_index() && parse(DOCKER_LIST).is_index());
        assert!(!parse(OCI_INDEX).is_image() && !parse(OCI_EMPTY).is_index());
        assert!(NON_DISTRIBUTABLE.iter().all(|text| parse(text).is_non_distributable()));
        assert!(!parse("application/vnd.oci.image.layer.v1.tar").is_non_distributable());
        assert!(parse(HELM_CHART).is_helm_chart() && parse(HELM_CHART_LEGACY).is_helm_chart());
        assert!(parse(HELM_CONFIG).is_helm_config() && parse(HELM_PROVENANCE).is_helm_provenance());
    }

    proptest! {
        #[test]
        fn whatever_parses_is_kept_as_written(text in "[a-z]{1,3}/[a-z+.]{1,5}|\\PC*") {
            if let Ok(media_type) = MediaType::parse(&text) {
                prop_assert!(text.len() <= 255);
                prop_assert_eq!(media_type.to_string(), text);
            }
        }
    }
}
