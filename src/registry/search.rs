//! Search over the newest versions of all charts of one namespace, or of all namespaces.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::browse::{ListedChart, take};
use super::overview::{Chart, Overview};
use super::turns::Turns;
use super::{Error, Page, Registry};
use crate::chart::{Relevance, Terms};
use crate::journal::Revision;
use crate::oci::{Namespace, RepositoryName};

/// How many namespaces are looked through at a time.
const AT_A_TIME: usize = 8;
/// A search waits for its turn no longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many namespaces are listed at a time.
const NAMESPACES: usize = 1_000;

/// Charts that fit, the best first; the last one is where the next page goes on, if there is `more`.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub charts: Vec<ListedChart>,
    /// Where the next page goes on.
    pub next: Option<String>,
    /// The commit that changed a release of the namespace last; none for all namespaces.
    pub revision: Option<Revision>,
}

/// Of searches through all namespaces.
pub(super) fn turns() -> Turns {
    Turns::new(1, PATIENCE)
}

/// The place of a chart among those that are found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(Relevance, RepositoryName);

impl Registry {
    /// The charts whose newest version has all words of `query`: in its name, description, keywords, maintainers or
    /// annotations. `page.last` is the `next` of another page.
    ///
    /// # Errors
    /// `SearchInvalid`; `NamespaceUnknown`.
    pub async fn search(
        self: &Arc<Self>,
        query: &str,
        namespace: Option<&Namespace>,
        page: Page<'_>,
    ) -> Result<Found, Error> {
        let search = Arc::new(Search {
            terms: Terms::parse(query).map_err(|error| Error::SearchInvalid(error.to_string()))?,
            after: page.last.map(Place::parse).transpose()?,
            limit: page.limit,
        });
        let (found, revision) = match namespace {
            Some(namespace) => {
                let overview = self.overview(namespace).await?;
                let revision = overview.revision;
                (search.clone().through(overview).await?, Some(revision))
            }
            None => (self.search_all(&search).await?, None),
        };
        Ok(search.page(found, revision))
    }

    /// What is found in all namespaces. One such search at a time: it may load them all.
    async fn search_all(self: &Arc<Self>, search: &Arc<Search>) -> Result<Best, Error> {
        let _turn = self.searches.take().await?;
        let mut best = Best::default();
        let mut last: Option<String> = None;
        loop {
            let page = self.namespaces(Page { limit: NAMESPACES, last: last.as_deref() }).await?;
            last = page.namespaces.last().map(ToString::to_string);
            let found = stream::iter(page.namespaces).map(|namespace| async move {
                match self.overview(&namespace).await {
                    Ok(overview) => search.clone().through(overview).await,
                    // It may be gone since it was listed.
                    Err(Error::NamespaceUnknown(_)) => Ok(Best::default()),
                    // Charts of other namespaces are found; the log and /readyz say which are refused.
                    Err(Error::Store(error)) if error.is_refusal() => Ok(Best::default()),
                    Err(error) => Err(error),
                }
            });
            let merge = |best, found| async { Ok(search.merge(best, found)) };
            best = found.buffer_unordered(AT_A_TIME).try_fold(best, merge).await?;
            if !page.more {
                return Ok(best);
            }
        }
    }
}

struct Search {
    terms: Terms,
    after: Option<Place>,
    limit: usize,
}

/// What was found of the best, and one more than a page has.
type Best = Vec<(Place, Arc<Chart>)>;

impl Search {
    /// Looks through the charts of a namespace on a thread that may block: the first time their metadata is read.
    async fn through(self: Arc<Self>, overview: Arc<Overview>) -> Result<Best, Error> {
        let search = move || {
            let found = overview.charts.iter().filter_map(|(name, chart)| {
                let place = Place(chart.searchable().relevance(&self.terms)?, name.clone());
                (self.after.as_ref().is_none_or(|after| place > *after)).then(|| (place, chart.clone()))
            });
            self.best(found.collect())
        };
        tokio::task::spawn_blocking(search).await.map_err(|_| Error::Panicked)
    }

    fn merge(&self, mut best: Best, found: Best) -> Best {
        best.extend(found);
        self.best(best)
    }

    fn best(&self, mut found: Best) -> Best {
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found.truncate(self.limit + 1);
        found
    }

    fn page(&self, found: Best, revision: Option<Revision>) -> Found {
        let (entries, more) =
            take(found.into_iter(), self.limit, |(_, chart)| chart.newest.release.chart.metadata.len());
        let next = entries.last().filter(|_| more).map(|(place, _)| place.to_text());
        let listed = |(Place(_, repository), chart)| ListedChart { repository, chart };
        Found { charts: entries.into_iter().map(listed).collect(), next, revision }
    }
}

impl Place {
    fn to_text(&self) -> String {
        format!("{}:{}", self.0.number(), self.1)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let parsed = text.split_once(':').and_then(|(number, name)| {
            let relevance = Relevance::of_number(number.parse().ok()?)?;
            Some(Self(relevance, RepositoryName::parse(name).ok()?))
        });
        parsed
            .ok_or_else(|| Error::SearchInvalid("`last` is what the Link of the page before has".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::chart::{Metadata, Release};
    use crate::clock::Timestamp;
    use crate::journal::{self, State};
    use crate::oci::{Digest, Tag};

    /// 1,000 charts of 10 versions each, with 1 KiB of metadata.
    fn state() -> State {
        let mut state = State { index: Revision { seq: 1, ..Revision::default() }, ..State::default() };
        for n in 0..1_000 {
            let repository = RepositoryName::parse(&format!("team/chart{n}")).unwrap();
            let releases = (0..10).map(|version| {
                let config = serde_json::json!({
                    "name": format!("chart{n}"), "version": format!("1.{version}.0"),
                    "description": "A chart like any other. ".repeat(40), "keywords": [format!("word{}", n % 7)],
                });
                let metadata = Metadata::read(config.to_string().as_bytes()).unwrap();
                let chart = Arc::new(crate::registry::record_of(
                    Release::new(&metadata, Digest::sha256(b""), None).unwrap(),
                ));
                let tag = Tag::parse(&format!("1.{version}.0")).unwrap();
                (tag, journal::Release { chart, seq: 1, since: Timestamp::default(), yanked: false })
            });
            state.repositories.entry(repository).or_default().releases = releases.collect();
        }
        state
    }

    fn search(query: &str, limit: usize) -> Arc<Search> {
        Arc::new(Search { terms: Terms::parse(query).unwrap(), after: None, limit })
    }

    #[tokio::test]
    async fn ten_thousand_versions_are_searched_without_reading_their_metadata_again() {
        let state = state();
        let start = Instant::now();
        let overview = Arc::new(Overview::default().following(&state));
        let made = start.elapsed();
        let mut times = Vec::new();
        for (query, expected) in [("word3", 143), ("CHART99", 11), ("like nothing", 0), ("any word0", 143)] {
            let start = Instant::now();
            let found = search(query, 200).through(overview.clone()).await.unwrap();
            times.push(start.elapsed());
            assert_eq!(found.len(), expected, "{query}");
            assert!(found.is_sorted_by(|(a, _), (b, _)| a < b));
        }
        let start = Instant::now();
        overview.following(&state);
        println!("made in {made:?}, followed in {:?}, searched in {times:?}", start.elapsed());
        // Unoptimised, and beside other tests.
        assert!(times[1..].iter().all(|time| time.as_millis() < 1_000), "{times:?}");
    }

    #[test]
    fn the_place_of_a_chart_is_read_as_it_is_written() {
        let place = Place(Relevance::Keyword, RepositoryName::parse("team/app").unwrap());
        assert_eq!(place.to_text(), "3:team/app");
        assert_eq!(Place::parse("3:team/app").ok(), Some(place));
        for text in ["", "3", "3:", "5:app", "-1:app", "3:App", "x:app", "256:app", "3:a:b"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }
}
