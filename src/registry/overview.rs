//! The charts of a namespace, each with its versions in order: what lists and searches are answered from. It is kept,
//! and brought in line with the state by what changed. No package is read, and no metadata except for a search.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use imbl::OrdMap;
use moka::ops::compute::Op;

use super::standing::{Releases, changed, standing};
use super::{Error, Registry};
use crate::chart::{Rank, Searchable};
use crate::journal::{Release, Revision, State};
use crate::oci::{Namespace, RepositoryName, Tag};

/// An overview that nobody asks for is not kept for longer.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// What a version takes beside its metadata, about.
const OF_A_VERSION: u64 = 512;

/// The charts of one namespace at one commit.
#[derive(Debug, Default)]
pub(super) struct Overview {
    /// The commit that changed a release last.
    pub revision: Revision,
    pub charts: OrdMap<RepositoryName, Arc<Chart>>,
    /// In bytes.
    weight: u64,
}

/// A chart that has versions.
#[derive(Debug)]
pub struct Chart {
    /// The highest version comes first.
    pub versions: OrdMap<Rank, ListedVersion>,
    /// The highest that is no pre-release; the highest of all when there are only those.
    pub newest: ListedVersion,
    /// What `versions` was made of.
    releases: Releases,
    searchable: OnceLock<Searchable>,
    weight: u64,
}

/// A version as lists have it, with the tag that stands for it.
#[derive(Clone, Debug)]
pub struct ListedVersion {
    pub tag: Tag,
    pub release: Release,
}

/// The overviews that were asked for lately, weighed by their bytes.
pub(super) type Overviews = moka::future::Cache<Namespace, Arc<Overview>>;

pub(super) fn overviews(capacity: u64) -> Overviews {
    moka::future::Cache::builder()
        .max_capacity(capacity)
        .time_to_idle(IDLE)
        .weigher(|_: &Namespace, overview: &Arc<Overview>| u32::try_from(overview.weight).unwrap_or(u32::MAX))
        .build()
}

impl Overview {
    /// Whether it shows all that `state` has.
    fn shows(&self, state: &State) -> bool {
        self.revision.seq >= state.index.seq
    }

    /// The overview of `state`. What did not change since `self` is taken from there.
    pub(super) fn following(&self, state: &State) -> Self {
        let mut next = Self { revision: state.index, charts: OrdMap::new(), weight: OF_A_VERSION };
        for (name, repository) in &state.repositories {
            let known = self.charts.get(name);
            let chart = match known.filter(|known| known.releases.ptr_eq(&repository.releases)) {
                Some(known) => Some(known.clone()),
                None => Chart::following(known.map(|known| &**known), &repository.releases).map(Arc::new),
            };
            if let Some(chart) = chart {
                next.weight += chart.weight;
                next.charts.insert(name.clone(), chart);
            }
        }
        next
    }
}

impl Chart {
    /// The chart with `releases`. Only those that the chart `known` does not have are ranked.
    fn following(known: Option<&Self>, releases: &Releases) -> Option<Self> {
        let (mut versions, from) = match known {
            Some(known) => (known.versions.clone(), known.releases.clone()),
            None => (OrdMap::new(), Releases::new()),
        };
        let mut weight = known.map_or(0, |known| known.weight);
        for exact in changed(&from, releases) {
            let Some(rank) = Rank::of(&exact) else { continue };
            let found = standing(releases, &exact).filter(|(_, release)| !release.yanked);
            let gone = match found {
                Some((tag, release)) => {
                    let listed = ListedVersion { tag: tag.clone(), release: release.clone() };
                    weight += listed.weight();
                    versions.insert(rank, listed)
                }
                None => versions.remove(&rank),
            };
            weight = weight.saturating_sub(gone.map_or(0, |gone| gone.weight()));
        }
        let released = versions.iter().find(|(rank, _)| rank.version().pre.is_empty());
        let newest = released.or_else(|| versions.iter().next())?.1.clone();
        let releases = releases.clone();
        Some(Self { newest, versions, releases, searchable: OnceLock::new(), weight })
    }

    /// What a search looks at: the newest version.
    pub(super) fn searchable(&self) -> &Searchable {
        let release = &self.newest.release.chart;
        self.searchable.get_or_init(|| Searchable::new(&release.name, &release.metadata))
    }
}

impl ListedVersion {
    /// In bytes.
    fn weight(&self) -> u64 {
        OF_A_VERSION + self.release.chart.metadata.len() as u64
    }
}

impl Registry {
    /// The charts of `namespace`, as they are now.
    ///
    /// # Errors
    /// `NamespaceUnknown` when nothing was ever pushed to it.
    pub(super) async fn overview(&self, namespace: &Namespace) -> Result<Arc<Overview>, Error> {
        let current = self.journals.current(namespace).await?;
        let state = current.ok_or_else(|| Error::NamespaceUnknown(namespace.clone()))?;
        self.overview_of(namespace, &state).await
    }

    pub(super) async fn overview_of(
        &self,
        namespace: &Namespace,
        state: &Arc<State>,
    ) -> Result<Arc<Overview>, Error> {
        if let Some(overview) = self.overviews.get(namespace).await.filter(|kept| kept.shows(state)) {
            return Ok(overview);
        }
        // One at a time makes the overview of a namespace; the others wait for it.
        let made = self.overviews.entry_by_ref(namespace).and_try_compute_with(|kept| async {
            let kept = kept.map(|entry| entry.into_value()).unwrap_or_default();
            if kept.shows(state) && kept.revision != Revision::default() {
                return Ok(Op::Nop);
            }
            let state = state.clone();
            let made = tokio::task::spawn_blocking(move || kept.following(&state)).await;
            made.map(|made| Op::Put(Arc::new(made))).map_err(|_| Error::Panicked)
        });
        Ok(made.await?.into_entry().map(|entry| entry.into_value()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Metadata;
    use crate::clock::Timestamp;
    use crate::oci::Digest;

    fn releases(versions: &[&str]) -> OrdMap<Tag, Release> {
        let release = |version: &&str| {
            let config = serde_json::json!({"name": "app", "version": version}).to_string();
            let metadata = Metadata::read(config.as_bytes()).unwrap();
            let chart = crate::chart::Release::new(&metadata, Digest::sha256(b""), None).unwrap();
            let tag = Tag::parse(&crate::chart::tag_of_version(version)).unwrap();
            let chart = Arc::new(crate::registry::record_of(chart));
            (tag, Release { chart, seq: 1, since: Timestamp::default(), yanked: false })
        };
        versions.iter().map(release).collect()
    }

    fn state(seq: u64, versions: &[&str]) -> State {
        let name = RepositoryName::parse("team/app").unwrap();
        let mut state = State { index: Revision { seq, ..Revision::default() }, ..State::default() };
        state.repositories.entry(name).or_default().releases = releases(versions);
        state
    }

    fn shown(overview: &Overview) -> Vec<String> {
        let versions = overview.charts.values().flat_map(|chart| chart.versions.values());
        versions.map(|listed| listed.release.chart.version.to_string()).collect()
    }

    #[test]
    fn an_overview_follows_the_state() {
        let steps: [(&[&str], &[&str], Option<&str>); 5] = [
            (&["1.0.0", "1.10.0", "1.9.0"], &["1.10.0", "1.9.0", "1.0.0"], Some("1.10.0")),
            (&["1.9.0", "2.0.0-rc.1"], &["2.0.0-rc.1", "1.9.0"], Some("1.9.0")),
            (&["2.0.0-rc.1", "2.0.0-rc.2"], &["2.0.0-rc.2", "2.0.0-rc.1"], Some("2.0.0-rc.2")),
            (&[], &[], None),
            (&["1.0.0+a", "1.0.0+b", "1.0"], &["1.0.0+b", "1.0.0+a", "1.0"], Some("1.0.0+b")),
        ];
        let mut overview = Overview::default();
        for (seq, (versions, expected, newest)) in (1..).zip(steps) {
            let state = state(seq, versions);
            assert!(!overview.shows(&state));
            overview = overview.following(&state);
            assert!(overview.shows(&state));
            assert_eq!(shown(&overview), expected);
            let chart = overview.charts.values().next();
            assert_eq!(chart.map(|chart| &*chart.newest.release.chart.version), newest);
            let anew = Overview::default().following(&state);
            assert_eq!((anew.weight, shown(&anew)), (overview.weight, shown(&overview)));
        }
    }

    #[test]
    fn what_did_not_change_is_kept() {
        let first = state(1, &["1.0.0"]);
        let before = Overview::default().following(&first);
        let mut second = first.clone();
        second.index.seq = 2;
        let other = RepositoryName::parse("team/other").unwrap();
        second.repositories.entry(other).or_default().releases = releases(&["1.0.0"]);
        let after = before.following(&second);
        assert_eq!((before.charts.len(), after.charts.len()), (1, 2));
        let (name, chart) = before.charts.iter().next().unwrap();
        assert!(Arc::ptr_eq(chart, &after.charts[name]));
    }
}
