//! Charts: what a push says of its chart, and the files of a chart repository.

use std::sync::Arc;

use super::standing::{exact_name, standing};
use super::{Blob, Error, Registry, file_names};
use crate::chart::{self, Listed, MAX_CONFIG, Metadata, Unlisted, tag_of_version, version_of_tag};
use crate::journal::{ChartRecord, Release, State};
use crate::oci::{ChartFile, Digest, Manifest, Namespace, RepositoryName, Tag};

/// A file of a chart repository.
#[derive(Clone, Debug)]
pub struct StoredChartFile {
    /// As clients save it: `app-1.2.3+build.tgz`.
    pub name: String,
    pub blob: Blob,
    pub chart: Arc<ChartRecord>,
}

/// The chart of a manifest that is pushed.
#[derive(Debug)]
pub(super) struct ReadChart {
    /// Of the config.
    pub digest: Digest,
    /// What the config says.
    pub config: Result<Metadata, Unlisted>,
    /// What an index lists, if it can.
    pub record: Option<Arc<ChartRecord>>,
    /// The tags that may stand for its version.
    pub listed: Vec<Tag>,
    pub warnings: Vec<String>,
}

/// What an index has of each version, at one state of a namespace.
#[derive(Debug)]
pub struct IndexEntries(Arc<State>);

impl IndexEntries {
    /// The entry of a release of `repository`, as JSON.
    pub fn entry(&self, repository: &RepositoryName, release: &Release) -> String {
        let chart = &release.chart;
        // What is listed has a tag for its version.
        let tag = Tag::parse(&tag_of_version(&chart.version)).ok();
        let precursor = tag.and_then(|tag| file_names::precursor(&self.0, repository, &tag, release));
        chart::entry(Listed {
            name: &chart.name,
            version: &chart.version,
            package: &chart.package,
            metadata: &chart.metadata,
            since: release.since,
            shares_file: precursor.is_some(),
        })
    }
}

impl Registry {
    /// The entries of the index of `namespace`, as it is now.
    pub async fn index_entries(&self, namespace: &Namespace) -> Result<IndexEntries, Error> {
        let state = self.journals.current(namespace).await?;
        Ok(IndexEntries(state.unwrap_or_default()))
    }

    /// A file of a release: of what the index of `namespace` lists.
    ///
    /// # Errors
    /// `ChartFileUnknown`; `BlobUnknown` while its bytes are damaged.
    pub async fn chart_file(
        &self,
        namespace: &Namespace,
        file: &ChartFile,
    ) -> Result<StoredChartFile, Error> {
        let found = self.currently(namespace, |state| find(state, namespace, file)).await?;
        let (repository, release) = found.ok_or_else(|| Error::ChartFileUnknown(file.clone()))?;
        let (digest, ending) = match file.provenance {
            false => (Some(&release.package), "tgz"),
            true => (release.provenance.as_ref(), "tgz.prov"),
        };
        let digest = digest.ok_or_else(|| Error::ChartFileUnknown(file.clone()))?;
        let blob = self.blob(&repository, digest).await?;
        let name = format!("{}-{}.{ending}", release.name, release.version);
        Ok(StoredChartFile { name, blob, chart: release })
    }

    /// What a manifest that is pushed says of its chart, if it is one, and what will surprise whoever pushed it.
    pub(super) async fn read_chart(
        &self,
        repository: &RepositoryName,
        manifest: &Manifest,
        tags: &[Tag],
    ) -> Result<Option<ReadChart>, Error> {
        let Some(config) = manifest.config.as_ref().filter(|config| config.media_type.is_helm_config())
        else {
            return Ok(None);
        };
        let mut warnings = odd_versions(tags);
        let read = match config.size {
            0..=MAX_CONFIG => match self.small_blob(repository, &config.digest).await {
                Ok(config) => Metadata::read(&config).map_err(Unlisted::from),
                // Whether it was ever pushed is for the journal to say.
                Err(Error::BlobUnknown(_) | Error::Damaged(_)) => Err(Unlisted::ConfigLost),
                Err(error) => return Err(error),
            },
            _ => Err(Unlisted::ConfigTooLarge),
        };
        let listed = match &read {
            Ok(metadata) => chart::Release::of(repository, manifest, metadata),
            Err(unlisted) => Err(unlisted.clone()),
        };
        let (record, listed) = match listed {
            Ok(release) => {
                warnings.extend(other_versions(&release, tags));
                let listed = release.tags();
                (Some(Arc::new(record_of(release))), listed)
            }
            Err(unlisted) => {
                warnings.push(format!("index.yaml does not list this chart: {unlisted}"));
                (None, Vec::new())
            }
        };
        Ok(Some(ReadChart { digest: config.digest.clone(), config: read, record, listed, warnings }))
    }
}

/// What an index lists of the release of `repository` whose version has the exact name `exact`.
pub(super) fn listed<'a>(
    state: &State,
    repository: &RepositoryName,
    exact: &Tag,
    release: &'a Release,
) -> Listed<'a> {
    let ChartRecord { name, version, package, metadata, .. } = &*release.chart;
    let shares_file = file_names::precursor(state, repository, exact, release).is_some();
    Listed { name, version, package, metadata, since: release.since, shares_file }
}

/// What whoever pulls a chart should know.
pub fn deprecation(chart: &ChartRecord) -> Option<String> {
    // A member of the object itself: inside a text the quotes would be escaped, and nothing else has this name.
    let is_deprecated = chart.metadata.contains(r#""deprecated":true"#);
    let ChartRecord { name, version, .. } = chart;
    is_deprecated.then(|| {
        format!("the chart {name} is deprecated since version {version} or earlier: see its README for what replaces it")
    })
}

/// What the journal keeps of a chart.
pub fn record_of(release: chart::Release) -> ChartRecord {
    let chart::Release { name, version, package, provenance, metadata } = release;
    ChartRecord { name, version, package, provenance, metadata }
}

/// The release whose file is `file`. Of several with one file name the first is meant, unless the file says which.
fn find(
    state: &State,
    namespace: &Namespace,
    file: &ChartFile,
) -> Option<(RepositoryName, Arc<ChartRecord>)> {
    let mut named = file_names::named(state, namespace, &file.stem);
    named.retain(|named| file.may_be_of(&named.release.chart.package));
    file_names::first(named).map(|named| (named.repository, named.release.chart.clone()))
}

/// What is said of versions that were pushed under `tags` and share the name of their file with an earlier version.
pub(super) fn shared_files(state: &State, repository: &RepositoryName, tags: &[Tag]) -> Vec<String> {
    let releases = state.repository(repository).map(|found| &found.releases);
    let warning = |tag: &Tag| {
        let exact = exact_name(tag, releases?.get(tag)?)?;
        let (_, release) = standing(releases?, &exact).filter(|(standing, _)| *standing == tag)?;
        let first = file_names::precursor(state, repository, &exact, release)?;
        let (name, version) = (&release.chart.name, &release.chart.version);
        let prefix = ChartFile::package_prefix(&release.chart.package);
        Some(format!(
            "version {} of {} has a file of the same name, {name}-{version}.tgz, and had it before: the URL of this \
             version in index.yaml is charts/{prefix}/{name}-{version}.tgz",
            first.release.chart.version, first.repository,
        ))
    };
    tags.iter().filter_map(warning).collect()
}

/// Tags of a chart that Helm never finds by a range of versions.
fn odd_versions(tags: &[Tag]) -> Vec<String> {
    let is_odd = |tag: &&Tag| !chart::is_strict(&version_of_tag(tag.as_str()));
    let warning = |tag: &Tag| {
        format!("{tag} is not a strict semantic version: Helm pulls it by its exact name, never for a range")
    };
    tags.iter().filter(is_odd).map(warning).collect()
}

/// Tags that name another version than the chart does.
fn other_versions(release: &chart::Release, tags: &[Tag]) -> Vec<String> {
    let version = |tag: &Tag| version_of_tag(tag.as_str());
    let is_other = |tag: &&Tag| chart::lax(&version(tag)).is_some() && version(tag) != *release.version;
    let (standing, exact) = (release.tags(), tag_of_version(&release.version));
    let warning = |tag: &Tag| match standing.contains(tag) {
        true => format!(
            "the version of the chart is {}, so that index.yaml lists it as that; the tag {tag} stands for it as long as there \
             is no tag {exact}",
            release.version
        ),
        false => {
            format!("index.yaml does not list the tag {tag}: the version of the chart is {}", release.version)
        }
    };
    tags.iter().filter(is_other).map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_surprise_are_told_of() {
        let tags: Vec<Tag> =
            ["1.2.3", "v1.2.3", "1.2.4", "latest"].iter().map(|tag| Tag::parse(tag).unwrap()).collect();
        let odd = odd_versions(&tags);
        assert_eq!(odd.len(), 2, "{odd:?}");
        assert!(odd[0].starts_with("v1.2.3 ") && odd[1].starts_with("latest "), "{odd:?}");

        let config = br#"{"name":"app","version":"1.2.3"}"#;
        let metadata = Metadata::read(config).unwrap();
        let release = chart::Release::new(&metadata, Digest::sha256(b""), None).unwrap();
        let other = other_versions(&release, &tags);
        assert_eq!(other.len(), 2, "{other:?}");
        assert!(
            other[0].contains("the tag v1.2.3 stands for it") && other[1].contains("the tag 1.2.4:"),
            "{other:?}"
        );
    }
}
