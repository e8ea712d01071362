//! A released version of a chart: enough to list it and to serve its files without reading a package.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::metadata::{InvalidMetadata, Metadata};
use super::version::{tag_of_version, version_of_tag};
use crate::oci::{Descriptor, Digest, Manifest, RepositoryName, Tag};

/// A config of more bytes than this is not read.
pub const MAX_CONFIG: u64 = 1 << 20;

/// What a manifest says of its chart. It travels in the journal; a checkpoint has it as it is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// The only tag that stands for this version, if there can be one.
    pub fn tag(&self) -> Option<Tag> {
        Tag::parse(&tag_of_version(&self.version)).ok()
    }

    /// Whether `tag` of `repository` stands for this version, so that an index lists it: clients look for a chart and
    /// a version where their names say.
    pub fn is_at(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        *self.name == *repository.base() && *self.version == *version_of_tag(tag.as_str())
    }

    /// Reads a record of the journal, `{metadata, package, provenance?}`; `None` for whatever else a journal may hold
    /// in its place.
    pub fn read(record: &Value) -> Option<Self> {
        let metadata = Metadata::read(record.get("metadata")?.to_string().as_bytes()).ok()?;
        let digest = |key| record.get(key)?.as_str().and_then(|text| Digest::parse(text).ok());
        Self::new(&metadata, digest("package")?, digest("provenance")).ok()
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

/// A release as the journal has it: JSON that people can read.
pub mod record {
    use super::*;

    pub fn serialize<S: Serializer>(
        release: &Option<Arc<Release>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Record<'a> {
            metadata: &'a RawValue,
            package: &'a Digest,
            #[serde(skip_serializing_if = "Option::is_none")]
            provenance: &'a Option<Digest>,
        }
        let Some(release) = release else { return serializer.serialize_none() };
        let metadata = serde_json::from_str(&release.metadata).map_err(serde::ser::Error::custom)?;
        let Release { package, provenance, .. } = &**release;
        Record { metadata, package, provenance }.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Release>>, D::Error> {
        let record = Value::deserialize(deserializer)?;
        Ok(Release::read(&record).map(Arc::new))
    }
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
    fn a_record_is_read_as_it_was_written() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Op(#[serde(with = "record")] Option<Arc<Release>>);
        for provenance in [None, Some(Digest::sha256(b"b"))] {
            let op = Op(Some(Arc::new(release("app", "1.0.0+a", provenance))));
            let text = serde_json::to_string(&op).unwrap();
            assert!(text.starts_with(r#"{"metadata":{"name":"app","version":"1.0.0+a"},"#), "{text}");
            assert_eq!(serde_json::from_str::<Op>(&text).unwrap(), op);
        }
        assert_eq!(release("app", "1.0.0+a", None).tag(), Tag::parse("1.0.0_a").ok());
    }

    #[test]
    fn what_is_no_record_is_none() {
        let package = Digest::sha256(b"a");
        let metadata = json!({"name": "app", "version": "1.0.0"});
        for record in [
            json!(null),
            json!([1]),
            json!({"metadata": metadata}),
            json!({"metadata": {"name": "app"}, "package": package}),
            json!({"metadata": {"name": 1, "version": "1.0.0"}, "package": package}),
            json!({"metadata": metadata, "package": "sha256:0"}),
        ] {
            assert_eq!(Release::read(&record), None, "{record}");
        }
    }

    #[test]
    fn a_tag_stands_for_the_version_that_helm_reads_in_it() {
        let cases = [
            ("team/app", "1.0.0", "app", "1.0.0", true),
            ("app", "1.0.0_a", "app", "1.0.0+a", true),
            ("team/app", "1.0.0", "base", "1.0.0", false),
            ("team/app", "latest", "app", "1.0.0", false),
            ("team/app", "v1.0.0", "app", "1.0.0", false),
        ];
        for (repository, tag, name, version, expected) in cases {
            let (repository, tag) = (RepositoryName::parse(repository).unwrap(), Tag::parse(tag).unwrap());
            let stands = release(name, version, None).is_at(&repository, &tag);
            assert_eq!(stands, expected, "{repository}:{tag} {name} {version}");
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
