//! The record of a chart in the journal: enough to list it and to serve its files without reading a package.

use serde_json::{Value, json};

use super::version::version_of_tag;
use crate::oci::{Digest, RepositoryName, Tag};

/// A chart as a record tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Release<'a> {
    /// Helm's metadata: an object.
    pub metadata: &'a Value,
    pub name: &'a str,
    pub version: &'a str,
    /// Of the layer that is the package.
    pub package: Digest,
    /// Of the layer that is its provenance file.
    pub provenance: Option<Digest>,
}

impl<'a> Release<'a> {
    /// Makes a record: `{metadata, package, provenance?}`.
    pub fn record(metadata: Value, package: &Digest, provenance: Option<&Digest>) -> Value {
        let mut record = json!({"metadata": metadata, "package": package});
        if let Some(provenance) = provenance {
            record["provenance"] = json!(provenance);
        }
        record
    }

    /// Reads a record; `None` for whatever else a journal may hold in its place.
    pub fn read(record: &'a Value) -> Option<Self> {
        let metadata = record.get("metadata")?;
        let text = |key| metadata.get(key).and_then(Value::as_str);
        let digest = |key| record.get(key)?.as_str().and_then(|text| Digest::parse(text).ok());
        Some(Self {
            metadata,
            name: text("name")?,
            version: text("version")?,
            package: digest("package")?,
            provenance: digest("provenance"),
        })
    }

    /// The only tag that stands for this version, if there can be one.
    pub fn tag(&self) -> Option<Tag> {
        Tag::parse(&self.version.replace('+', "_")).ok()
    }
}

/// Whether `tag` of `repository` stands for the version of the chart that `record` tells of, so that an index lists
/// it: clients look for a chart and a version where their names say.
pub fn is_release(repository: &RepositoryName, tag: &Tag, record: &Value) -> bool {
    Release::read(record).is_some_and(|release| {
        release.name == repository.base() && release.version == version_of_tag(tag.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(name: &str, version: &str) -> Value {
        json!({"name": name, "version": version})
    }

    #[test]
    fn a_record_is_read_as_it_was_made() {
        let (package, provenance) = (Digest::sha256(b"a"), Digest::sha256(b"b"));
        for provenance in [None, Some(&provenance)] {
            let record = Release::record(metadata("app", "1.0.0+a"), &package, provenance);
            let release = Release::read(&record).unwrap();
            assert_eq!((release.name, release.version), ("app", "1.0.0+a"));
            assert_eq!((&release.package, release.provenance.as_ref()), (&package, provenance));
            assert_eq!(release.tag(), Tag::parse("1.0.0_a").ok());
        }
    }

    #[test]
    fn what_is_no_record_is_none() {
        let package = Digest::sha256(b"a");
        for record in [
            json!(null),
            json!([1]),
            json!({"metadata": metadata("app", "1.0.0")}),
            json!({"metadata": {"name": "app"}, "package": package}),
            json!({"metadata": {"name": 1, "version": "1.0.0"}, "package": package}),
            json!({"metadata": metadata("app", "1.0.0"), "package": "sha256:0"}),
        ] {
            assert_eq!(Release::read(&record), None, "{record}");
        }
    }

    #[test]
    fn a_tag_stands_for_the_version_that_helm_reads_in_it() {
        let cases = [
            ("team/app", "1.0.0", "app", "1.0.0", true),
            ("app", "1.0.0_a", "app", "1.0.0+a", true),
            ("team/app", "1.0.0_a", "app", "1.0.0_a", false),
            ("team/app", "1.0.0", "base", "1.0.0", false),
            ("team/app", "latest", "app", "1.0.0", false),
            ("team/app", "v1.0.0", "app", "1.0.0", false),
        ];
        for (repository, tag, name, version, expected) in cases {
            let record = Release::record(metadata(name, version), &Digest::sha256(b"a"), None);
            let (repository, tag) = (RepositoryName::parse(repository).unwrap(), Tag::parse(tag).unwrap());
            assert_eq!(
                is_release(&repository, &tag, &record),
                expected,
                "{repository}:{tag} {name} {version}"
            );
        }
    }
}
