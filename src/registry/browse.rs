//! Looking at what there is: charts and their versions, page by page.

use std::ops::Bound;
use std::sync::Arc;

use super::overview::{Chart, ListedVersion};
use super::standing::{self, Releases};
use super::{Error, Page, Registry};
use crate::chart::{self, Constraint, Rank, tag_of_version, version_of_tag};
use crate::journal::{Release, Revision, State};
use crate::oci::{Digest, Namespace, RepositoryName, Tag};

/// A page ends early when it has more bytes of metadata than this: clients read 4 MiB of one answer.
const MAX_METADATA: usize = 3 << 20;

/// Entries in their order; the last one is where the next page goes on, if there is `more`.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    pub entries: Vec<T>,
    pub more: bool,
    /// The commit that changed a release of the namespace last.
    pub revision: Revision,
}

/// A chart with the repository that holds it.
#[derive(Clone, Debug)]
pub struct ListedChart {
    pub repository: RepositoryName,
    pub chart: Arc<Chart>,
}

/// A version of a chart.
#[derive(Clone, Debug)]
pub struct Version {
    /// The one that stands for it.
    pub tag: Tag,
    pub release: Release,
    /// Of the manifest that its tag names.
    pub manifest: Digest,
    /// The commit that changed a release of the namespace last.
    pub revision: Revision,
}

/// Finds the release that a tag means.
type Finder = for<'a> fn(&'a Releases, &Tag) -> Option<(&'a Tag, &'a Release)>;

impl Registry {
    /// The charts of `namespace` by name, after the repository `page.last`.
    ///
    /// # Errors
    /// `NamespaceUnknown`.
    pub async fn charts(&self, namespace: &Namespace, page: Page<'_>) -> Result<Listing<ListedChart>, Error> {
        let overview = self.overview(namespace).await?;
        let after = page.last.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = overview.charts.range::<_, str>((after, Bound::Unbounded));
        let listed = rest.map(|(name, chart)| ListedChart { repository: name.clone(), chart: chart.clone() });
        let (entries, more) = take(listed, page.limit, ListedChart::size);
        Ok(Listing { entries, more, revision: overview.revision })
    }

    /// The chart of `repository`, and the commit that changed a release of its namespace last.
    ///
    /// # Errors
    /// `ChartUnknown`.
    pub async fn chart(&self, repository: &RepositoryName) -> Result<(ListedChart, Revision), Error> {
        let (_, listed, revision) = self.chart_and_state(repository).await?;
        Ok((listed, revision))
    }

    /// The versions of a chart, the highest first, after the version `page.last`.
    ///
    /// # Errors
    /// `ChartUnknown`; `VersionInvalid` when `page.last` is none.
    pub async fn versions(
        &self,
        repository: &RepositoryName,
        page: Page<'_>,
    ) -> Result<Listing<ListedVersion>, Error> {
        let last = page.last.map(rank).transpose()?;
        let (_, ListedChart { chart, .. }, revision) = self.chart_and_state(repository).await?;
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = chart.versions.range((after, Bound::Unbounded)).map(|(_, version)| version.clone());
        let (entries, more) = take(rest, page.limit, |version| version.release.chart.metadata.len());
        Ok(Listing { entries, more, revision })
    }

    /// A version of a chart, by its name or by the tag that stands for it.
    ///
    /// # Errors
    /// `ChartUnknown`; `VersionUnknown`.
    pub async fn version(&self, repository: &RepositoryName, version: &Tag) -> Result<Version, Error> {
        self.version_that(repository, version, standing::named).await
    }

    /// The version that `find` finds.
    async fn version_that(
        &self,
        repository: &RepositoryName,
        version: &Tag,
        find: Finder,
    ) -> Result<Version, Error> {
        let state = self.journals.current(&repository.namespace()).await?;
        let found = state.as_deref().and_then(|state| state.repository(repository));
        let releases = found.map(|found| &found.releases).filter(|releases| !releases.is_empty());
        let (Some(state), Some(releases)) = (&state, releases) else {
            return Err(Error::ChartUnknown(repository.clone()));
        };
        let found =
            find(releases, version).and_then(|(tag, release)| Version::of(state, repository, tag, release));
        found.ok_or_else(|| {
            let version = version_of_tag(version.as_str());
            Error::VersionUnknown { repository: repository.clone(), version }
        })
    }

    /// The version that Helm chooses for `constraint` out of an index: the one that is spelled like it, else the highest that
    /// satisfies it, of equals the one that stands first in the index. Versions need not be strict. No constraint stands
    /// for any version; with `devel` pre-releases count, too.
    ///
    /// # Errors
    /// `ChartUnknown`; `ConstraintInvalid`; `NoVersion` when none satisfies it.
    pub async fn resolve(
        &self,
        repository: &RepositoryName,
        constraint: Option<&str>,
        devel: bool,
    ) -> Result<Version, Error> {
        let constraint = constraint_or_any(constraint, devel);
        let parsed = Constraint::parse(constraint)?;
        let (state, ListedChart { chart, .. }, _) = self.chart_and_state(repository).await?;
        let exact = Tag::parse(&tag_of_version(constraint)).ok();
        let exact = exact.as_ref().and_then(Rank::of).filter(|rank| chart.versions.contains_key(rank));
        let chosen = exact.or_else(|| parsed.highest(chart.versions.keys(), |rank| rank.version()).cloned());
        let found = chosen.and_then(|rank| chart.versions.get(&rank)).and_then(|listed| {
            let ListedVersion { tag, release } = listed;
            Version::of(&state, repository, tag, release)
        });
        found.ok_or_else(|| {
            let constraint = constraint.to_owned();
            Error::NoVersion { repository: repository.clone(), constraint }
        })
    }

    /// The version that `helm pull oci://...` takes for `constraint`. What reads as a version, as `v1.0.0` and `1` do, is a
    /// tag to it; for a constraint it takes the highest of the tags that are strict versions, of equals the first,
    /// whether they are of charts or not.
    ///
    /// # Errors
    /// `ChartUnknown`; `VersionUnknown`; `ConstraintInvalid`; `NoVersion` when no tag satisfies it, `NotAVersion` when the
    /// tag that does is none of a chart's version.
    pub async fn resolve_like_oci(
        &self,
        repository: &RepositoryName,
        constraint: Option<&str>,
        devel: bool,
    ) -> Result<Version, Error> {
        let constraint = constraint_or_any(constraint, devel);
        if chart::lax(constraint).is_some() {
            let tag = Tag::parse(&tag_of_version(constraint)).map_err(|_| Error::VersionInvalid)?;
            return self.version_that(repository, &tag, standing::tagged).await;
        }
        let parsed = Constraint::parse(constraint)?;
        let state = self.journals.current(&repository.namespace()).await?;
        let found = state.as_deref().and_then(|state| Some((state, state.repository(repository)?)));
        let (state, found) = found.ok_or_else(|| Error::ChartUnknown(repository.clone()))?;
        let strict = found.tags.keys().filter(|tag| !found.yanks.contains_key(*tag)).filter_map(|tag| {
            let version = version_of_tag(tag.as_str());
            chart::is_strict(&version).then(|| chart::lax(&version)).flatten().map(|version| (tag, version))
        });
        let chosen = parsed.highest(strict, |(_, version)| version);
        let (tag, _) = chosen.ok_or_else(|| {
            let constraint = constraint.to_owned();
            Error::NoVersion { repository: repository.clone(), constraint }
        })?;
        let release =
            found.releases.get(tag).and_then(|release| Version::of(state, repository, tag, release));
        release.ok_or_else(|| Error::NotAVersion { repository: repository.clone(), tag: tag.clone() })
    }

    /// The chart of `repository` in the current state.
    async fn chart_and_state(
        &self,
        repository: &RepositoryName,
    ) -> Result<(Arc<State>, ListedChart, Revision), Error> {
        let unknown = || Error::ChartUnknown(repository.clone());
        let namespace = repository.namespace();
        let state = self.journals.current(&namespace).await?.ok_or_else(unknown)?;
        let mut overview = self.overview_of(&namespace, &state).await?;
        // Somebody else may have made one of a newer state meanwhile: both have to tell the same.
        if overview.revision != state.index {
            overview = Arc::new(overview.following(&state));
        }
        let chart = overview.charts.get(repository).cloned().ok_or_else(unknown)?;
        Ok((state, ListedChart { repository: repository.clone(), chart }, overview.revision))
    }
}

/// Returns the constraint, or without one that for any version. As Helm has it, `--devel` means something without
/// `--version` only.
fn constraint_or_any(constraint: Option<&str>, devel: bool) -> &str {
    constraint.unwrap_or(if devel { ">0.0.0-0" } else { "*" })
}

impl Version {
    fn of(state: &State, repository: &RepositoryName, tag: &Tag, release: &Release) -> Option<Self> {
        let manifest = state.tag(repository, tag)?.digest.clone();
        Some(Self { tag: tag.clone(), release: release.clone(), manifest, revision: state.index })
    }
}

impl ListedChart {
    /// In bytes of metadata.
    fn size(&self) -> usize {
        self.chart.newest.release.chart.metadata.len()
    }
}

/// The first of `rest` that make a page, and whether there is more.
pub(super) fn take<T>(
    rest: impl Iterator<Item = T>,
    limit: usize,
    size: impl Fn(&T) -> usize,
) -> (Vec<T>, bool) {
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for entry in rest {
        if entries.len() == limit || bytes > MAX_METADATA {
            return (entries, limit > 0);
        }
        bytes += size(&entry);
        entries.push(entry);
    }
    (entries, false)
}

/// The place of a version, which need not exist.
fn rank(version: &str) -> Result<Rank, Error> {
    let tag = Tag::parse(&tag_of_version(version)).ok();
    tag.as_ref().and_then(Rank::of).ok_or(Error::VersionInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_by_number_or_by_bytes() {
        let page = |sizes: &[usize], limit| {
            let (entries, more) = take(sizes.iter().copied(), limit, |size| *size);
            (entries.len(), more)
        };
        assert_eq!(page(&[], 5), (0, false));
        assert_eq!(page(&[1, 1], 2), (2, false));
        assert_eq!(page(&[1, 1, 1], 2), (2, true));
        assert_eq!(page(&[1, 1], 0), (0, false));
        assert_eq!(page(&[MAX_METADATA + 1, 1], 5), (1, true));
        assert_eq!(page(&[MAX_METADATA, 1, 1], 5), (2, true));
    }
}
