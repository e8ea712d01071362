//! A released version of a chart: enough to list it and to serve its files without reading a package.

use super::index::Listed;
use super::metadata::{InvalidMetadata, Metadata};
use super::version::{respelled, tag_of_version};
use crate::clock::Timestamp;
use crate::oci::{Descriptor, Digest, Manifest, RepositoryName, Tag};

/// A config of more bytes than this is not read.
pub const MAX_CONFIG: u64 = 1 << 20;

/// What a manifest says of its chart, rendered once, when it is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub name: Box<str>,
    pub version: Box<str>,
    /// Of the layer that is the package.
    pub package: Digest,
    /// Of the layer that is its provenance file.
    pub provenance: Option<Digest>,
    /// [`Metadata`] as an index renders it.
    pub metadata: Box<str>,
}

/// Why no index can list the chart of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlisted {
    #[error("its config has more than {MAX_CONFIG} bytes")]
    ConfigTooLarge,
    #[error("its config cannot be read back")]
    ConfigLost,
    #[error("its config is not the metadata of a chart: {0}")]
    Config(#[from] InvalidMetadata),
    #[error("it has {0} layers that are a package, instead of one")]
    Packages(usize),
    #[error("its name is {chart:?}, but that of its repository ends in {base:?}")]
    Name { chart: String, base: String },
}

impl Release {
    /// The chart of a manifest whose config, of Helm's type, is `metadata`.
    ///
    /// # Errors
    /// Why it is none that an index of `repository` can list.
    pub fn of(
        repository: &RepositoryName,
        manifest: &Manifest,
        metadata: &Metadata,
    ) -> Result<Self, Unlisted> {
        let package = package_of(manifest)?;
        if metadata.name != repository.base() {
            let (chart, base) = (metadata.name.clone(), repository.base().to_owned());
            return Err(Unlisted::Name { chart, base });
        }
        let provenance = provenances_of(manifest).next();
        Ok(Self::new(metadata, package.digest.clone(), provenance.map(|layer| layer.digest.clone()))?)
    }

    /// A release of the chart that `metadata` tells of.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn new(
        metadata: &Metadata,
        package: Digest,
        provenance: Option<Digest>,
    ) -> Result<Self, InvalidMetadata> {
        Ok(Self {
            name: metadata.name.as_str().into(),
            version: metadata.version.as_str().into(),
            package,
            provenance,
            metadata: metadata.render()?.into(),
        })
    }

    /// Returns the tags that may stand for this version, so that an index lists it: the one with its exact name, and the one
    /// that differs by a `v` before it, as mirrors write tags.
    pub fn tags(&self) -> Vec<Tag> {
        let exact = tag_of_version(&self.version);
        [Tag::parse(&exact), Tag::parse(&respelled(&exact))].into_iter().flatten().collect()
    }

    /// What an index lists of it, if it has been so since `since`.
    pub fn listed(&self, since: Timestamp) -> Listed<'_> {
        let Self { name, version, package, metadata, .. } = self;
        Listed { name, version, package, metadata, since, shares_file: false }
    }
}

/// The layer that is the package of a chart.
///
/// # Errors
/// `Packages`, unless there is one.
pub fn package_of(manifest: &Manifest) -> Result<&Descriptor, Unlisted> {
    let mut packages = manifest.layers.iter().filter(|layer| layer.media_type.is_helm_chart());
    match (packages.next(), packages.count()) {
        (Some(package), 0) => Ok(package),
        (first, others) => Err(Unlisted::Packages(others + usize::from(first.is_some()))),
    }
}

/// The layers that are provenance files.
pub fn provenances_of(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    manifest.layers.iter().filter(|layer| layer.media_type.is_helm_provenance())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oci::{HELM_CHART, HELM_CHART_LEGACY, HELM_CONFIG, HELM_PROVENANCE, MediaType, OCI_MANIFEST};

    fn release(name: &str, version: &str, provenance: Option<Digest>) -> Release {
        let config = json!({"name": name, "version": version}).to_string();
        Release::new(&Metadata::read(config.as_bytes()).unwrap(), Digest::sha256(b"package"), provenance)
            .unwrap()
    }

    #[test]
    fn a_version_has_its_own_tag_and_that_with_another_v() {
        let cases = [
            ("1.0.0", ["1.0.0", "v1.0.0"]),
            ("v1.0.0", ["v1.0.0", "1.0.0"]),
            ("1.0.0+a", ["1.0.0_a", "v1.0.0_a"]),
        ];
        for (version, expected) in cases {
            let tags = release("app", version, None).tags();
            assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), expected, "{version}");
        }
    }

    #[test]
    fn package_and_provenance_are_found_by_their_media_types() {
        let config = json!({"name": "app", "version": "1.0.0"}).to_string();
        let read = |layers: &[&str]| {
            let layer = |media_type: &&str| json!({"mediaType": media_type, "digest": Digest::sha256(media_type.as_bytes()), "size": 1});
            let manifest = json!({
                "schemaVersion": 2, "layers": layers.iter().map(layer).collect::<Vec<_>>(),
                "config": {"mediaType": HELM_CONFIG, "digest": Digest::sha256(config.as_bytes()), "size": config.len()},
            });
            let media_type = MediaType::parse(OCI_MANIFEST).unwrap();
            let manifest = Manifest::read(manifest.to_string().as_bytes(), &media_type).unwrap();
            let repository = RepositoryName::parse("team/app").unwrap();
            Release::of(&repository, &manifest, &Metadata::read(config.as_bytes()).unwrap())
                .map(|release| (release.package, release.provenance))
        };
        let digest = |of: &str| Digest::sha256(of.as_bytes());
        assert_eq!(read(&[HELM_CHART]), Ok((digest(HELM_CHART), None)));
        assert_eq!(read(&["text/plain", HELM_CHART_LEGACY]), Ok((digest(HELM_CHART_LEGACY), None)));
        let signed = Ok((digest(HELM_CHART), Some(digest(HELM_PROVENANCE))));
        assert_eq!(read(&[HELM_PROVENANCE, HELM_CHART]), signed);
        assert_eq!(read(&[HELM_PROVENANCE]), Err(Unlisted::Packages(0)));
        assert_eq!(read(&[HELM_CHART, HELM_CHART_LEGACY]), Err(Unlisted::Packages(2)));
    }
}
