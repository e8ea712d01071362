//! The index of a namespace, kept rendered: a read of what has not changed costs nothing, and a change costs what it
//! touches (docs/internals/helm.md#the-index, docs/performance.md#workloads).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::OnceCell;

use super::charts::listed;
use super::standing::{Releases, changed, standing};
use super::{Error, Registry, file_names};
use crate::chart::{self, Listed, Rank, ServerInfo};
use crate::journal::{Repository, Revision, State};
use crate::oci::{Namespace, RepositoryName, Tag};

/// An index that nobody reads is not kept for longer.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// The `index.yaml` of a namespace.
#[derive(Debug)]
pub struct Index {
    /// The commit that changed it last.
    pub revision: Revision,
    pub pieces: Arc<[Bytes]>,
    /// In bytes.
    pub size: u64,
    gzip: OnceCell<Bytes>,
}

impl Index {
    /// The whole in one gzip member (RFC 1952), made when it is first asked for.
    pub async fn gzip(&self) -> Bytes {
        let make = || async {
            let pieces = self.pieces.clone();
            tokio::task::spawn_blocking(move || gzip(&pieces)).await.unwrap_or_default()
        };
        self.gzip.get_or_init(make).await.clone()
    }
}

fn gzip(pieces: &[Bytes]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in pieces {
        // A vector takes whatever is written.
        encoder.write_all(piece).unwrap_or_default();
    }
    encoder.finish().unwrap_or_default().into()
}

/// The indexes of all namespaces that were asked for lately, weighed by their bytes.
pub(super) type Indexes = moka::future::Cache<Namespace, Arc<Shelf>>;

pub(super) fn indexes(capacity: u64) -> Indexes {
    moka::future::Cache::builder()
        .max_capacity(capacity)
        .time_to_idle(IDLE)
        .weigher(|_: &Namespace, shelf: &Arc<Shelf>| shelf.weight())
        .build()
}

/// The newest index of a namespace, and what the next one is made of.
#[derive(Default)]
pub(super) struct Shelf {
    newest: ArcSwapOption<Index>,
    rope: Mutex<Rope>,
    /// One reader at a time makes an index; the others wait for it, and not on a thread.
    gate: tokio::sync::Mutex<()>,
}

impl Shelf {
    fn weight(&self) -> u32 {
        let bytes = self.newest.load().as_ref().map_or(0, |index| index.size);
        u32::try_from(bytes).unwrap_or(u32::MAX).max(256)
    }

    /// The newest index, if it shows all that `state` has.
    fn showing(&self, state: &State) -> Option<Arc<Index>> {
        self.newest.load_full().filter(|index| index.revision.seq >= state.index.seq)
    }

    /// Makes the index that shows what `state` has, unless there is one.
    fn bring_to(&self, state: &State, server: ServerInfo<'_>) -> Arc<Index> {
        let mut rope = self.rope.lock().unwrap_or_else(|poisoned| {
            // It may be half changed: begin anew.
            let mut rope = poisoned.into_inner();
            *rope = Rope::default();
            rope
        });
        if let Some(index) = self.showing(state) {
            return index;
        }
        rope.follow(state);
        let index = Arc::new(rope.render(state.index, server));
        self.newest.store(Some(index.clone()));
        index
    }
}

/// The rendered index, and the releases it shows.
#[derive(Clone, Default)]
struct Rope {
    index: chart::Index,
    shown: BTreeMap<RepositoryName, Releases>,
}

impl Rope {
    /// Brings the index in line with `state`. The work is that of the repositories, and of the releases that changed.
    fn follow(&mut self, state: &State) {
        let mut rivals = BTreeSet::new();
        for (name, Repository { releases, .. }) in &state.repositories {
            let shown = self.shown.get(name).cloned().unwrap_or_default();
            self.change(state, name, &shown, releases, &mut rivals);
        }
        let dropped = self.shown.iter().filter(|(name, _)| !state.repositories.contains_key(*name));
        let dropped: Vec<_> = dropped.map(|(name, shown)| (name.clone(), shown.clone())).collect();
        for (name, shown) in dropped {
            self.change(state, &name, &shown, &Releases::new(), &mut rivals);
        }
        for (name, exact) in rivals {
            self.index.change(name.base(), entry(state, &name, &exact));
        }
    }

    /// Brings one repository in line. `rivals` gets the releases elsewhere whose URL may be another one now.
    fn change(
        &mut self,
        state: &State,
        name: &RepositoryName,
        from: &Releases,
        to: &Releases,
        rivals: &mut BTreeSet<(RepositoryName, Tag)>,
    ) {
        if from.ptr_eq(to) {
            return;
        }
        let changes = changed(from, to).into_iter().filter_map(|exact| {
            let others = file_names::rivals(state, name, &exact).into_iter();
            rivals.extend(others.map(|other| (other.repository, other.exact)));
            entry(state, name, &exact)
        });
        self.index.change(name.base(), changes);
        match to.is_empty() {
            true => self.shown.remove(name),
            false => self.shown.insert(name.clone(), to.clone()),
        };
    }

    fn render(&self, revision: Revision, server: ServerInfo<'_>) -> Index {
        let pieces = self.index.pieces(revision.time, server);
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        Index { revision, pieces: pieces.into(), size, gzip: OnceCell::new() }
    }
}

/// A version with what the index lists of it: nothing of one that is yanked or gone.
fn entry<'a>(state: &'a State, name: &RepositoryName, exact: &Tag) -> Option<(Rank, Option<Listed<'a>>)> {
    let repository = state.repositories.get(name);
    let found = repository.and_then(|repository| standing(&repository.releases, exact));
    let found = found.filter(|(_, release)| !release.yanked);
    Some((Rank::of(exact)?, found.map(|(_, release)| listed(state, name, exact, release))))
}

impl Registry {
    /// The index of a namespace that nothing was pushed to yet, for those who may.
    pub fn empty_index(&self) -> Index {
        let server = match &*self.policy.context_path {
            "" => ServerInfo::Empty,
            path => ServerInfo::Below(path),
        };
        Rope::default().render(Revision::default(), server)
    }

    /// The path below which a proxy serves this registry; empty for none.
    pub fn context_path(&self) -> &str {
        &self.policy.context_path
    }

    /// The index of `namespace`, as it is now.
    ///
    /// # Errors
    /// `NamespaceUnknown` when nothing was ever pushed to it.
    pub async fn index(&self, namespace: &Namespace) -> Result<Arc<Index>, Error> {
        let current = self.journals.current(namespace).await?;
        let state = current.ok_or_else(|| Error::NamespaceUnknown(namespace.clone()))?;
        let shelf = self.indexes.get_with_by_ref(namespace, async { Arc::default() }).await;
        if let Some(index) = shelf.showing(&state) {
            return Ok(index);
        }
        let _gate = shelf.gate.lock().await;
        if let Some(index) = shelf.showing(&state) {
            return Ok(index);
        }
        // Goes on when this reader hangs up: the next one finds it done.
        let made = tokio::task::spawn_blocking({
            let (shelf, policy) = (shelf.clone(), self.policy.clone());
            move || {
                let server = match &*policy.context_path {
                    "" => ServerInfo::Absent,
                    path => ServerInfo::Below(path),
                };
                shelf.bring_to(&state, server)
            }
        });
        let index = made.await.map_err(|_| Error::Panicked)?;
        // It has another weight now.
        self.indexes.insert(namespace.clone(), shelf.clone()).await;
        Ok(index)
    }
}
