//! All namespaces of one store: loaded on first use, dropped again under a memory budget.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::{StreamExt, stream};
use imbl::OrdMap;
use tokio::sync::{OnceCell, watch};
use uuid::Uuid;

use super::damage::{DamageCounts, DamageKind};
use super::driver::{CHECKPOINT_QUIET, Driver, Retired, Seen};
use super::error::{JournalError, ProposeError};
use super::freshness;
use super::keys;
use super::layout::{Layout, OpenError};
use super::machine::{Mode, Outcome, PATIENCE, Rules, Setup};
use super::policy::{AllLoose, TagPolicy};
use super::proposal::{Change, Proposal};
use super::state::State;
use crate::backend::{Backend, BackendError, Key};
use crate::clock::Clock;
use crate::oci::{Namespace, RepositoryName};

/// What an entry of a state (a tag, a manifest, a blob that is held) takes in memory, in bytes, about.
const ENTRY: u64 = 400;
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// How many checkpoints are written at once at the end.
const CHECKPOINTS_AT_ONCE: usize = 16;
/// The pause before a marker is sent again.
const MARKER_PAUSE: Duration = Duration::from_millis(200);
const QUIET: Duration = Duration::from_secs(10);
/// A refused namespace that nobody asks for is loaded again after this time, to see whether it was restored.
const RECHECK_REFUSED: Duration = Duration::from_secs(60);
/// How often a running server looks whether `layout` is still what it has read at its start.
const RECHECK_LAYOUT: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
pub struct Options {
    pub mode: Mode,
    /// The service that the store is on, which is probed before servers share it; unset: there is nothing to prove.
    pub endpoint: Option<String>,
    /// For how long after the last proof that they are current states are still read while the store does not answer.
    pub outage_reads: Duration,
    /// Bytes that loaded namespaces may take, about; those unused for longest are dropped first.
    pub memory_budget: u64,
    pub policy: Arc<dyn TagPolicy>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Single,
            endpoint: None,
            outage_reads: Duration::ZERO,
            memory_budget: 256 << 20,
            policy: Arc::new(AllLoose),
        }
    }
}

pub struct Journals {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    options: Options,
    layout: Layout,
    /// This process, in the commits it writes.
    writer: Uuid,
    namespaces: ArcSwap<OrdMap<Namespace, Arc<Driver>>>,
    /// Markers that are being created, or were for a change that is not committed yet.
    markers: Mutex<BTreeMap<Key, Arc<OnceCell<()>>>>,
    damage: Arc<DamageCounts>,
    /// The reason for which this process must not go on, once there is one.
    stop: watch::Sender<Option<String>>,
}

impl Journals {
    /// Opens the journals of a store; a new store gets its layout. Must be called within a tokio runtime, which
    /// then runs the writers.
    pub async fn open(
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Arc<Self>, OpenError> {
        let layout = Layout::open(&backend, &*clock, options.mode, options.endpoint.as_deref()).await?;
        let writer = clock.uuid(clock.now());
        let (namespaces, markers, damage, stop) = Default::default();
        let journals =
            Arc::new(Self { backend, clock, options, layout, writer, namespaces, markers, damage, stop });
        tokio::spawn(keep_house(Arc::downgrade(&journals)));
        Ok(journals)
    }

    /// The key that signs upload sessions, and nothing else.
    pub fn secret(&self) -> &[u8; 32] {
        &self.layout.session_secret.0
    }

    pub fn mode(&self) -> Mode {
        self.options.mode
    }

    /// What was found damaged in this store; whoever finds more counts it here.
    pub fn damage(&self) -> &Arc<DamageCounts> {
        &self.damage
    }

    /// Waits until this process must not go on with the store, and says why.
    pub async fn stopped(&self) -> String {
        let mut stop = self.stop.subscribe();
        let reason = stop.wait_for(Option::is_some).await;
        // The sender lives as long as the journals.
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }

    /// The state of a namespace that was current at some moment after this call; none if it does not exist.
    pub async fn current(&self, namespace: &Namespace) -> Result<Option<Arc<State>>, JournalError> {
        Ok(self.confirmed(namespace, Duration::ZERO).await?.state)
    }

    /// A state that was current within `max_staleness` before this call.
    pub async fn recent(&self, namespace: &Namespace) -> Result<Option<Arc<State>>, JournalError> {
        Ok(self.confirmed(namespace, self.layout.max_staleness()).await?.state)
    }

    /// What `find` finds of content that is named by its digest: a state that was current lately will do for what is
    /// there; what is not there must be missing in one that is current now (docs/internals/journal-protocol.md#reading).
    pub async fn by_digest<T>(
        &self,
        namespace: &Namespace,
        find: impl Fn(&State) -> Option<T>,
    ) -> Result<Option<T>, JournalError> {
        let Seen { state, fresh, behind } = self.confirmed(namespace, self.layout.max_staleness()).await?;
        let found = state.and_then(|state| find(&state));
        if found.is_some() || fresh || behind {
            return Ok(found);
        }
        Ok(self.current(namespace).await?.and_then(|state| find(&state)))
    }

    /// Proposes a change, and answers when it is in the journal, or refused by a current state.
    pub async fn propose(&self, namespace: &Namespace, proposal: Proposal) -> Result<Outcome, ProposeError> {
        let marker = self.marker_of(namespace, &proposal.change);
        let first = match &marker {
            Some(marker) => self.mark(namespace, marker).await?,
            None => None,
        };
        let outcome = loop {
            let driver = self.driver(namespace);
            match driver.propose(proposal.clone()).await {
                Ok(result) => {
                    self.forget_if_spent(&driver);
                    break result?;
                }
                Err(Retired) => self.forget(&driver),
            }
        };
        if let Some(First { marker, .. }) = &first {
            self.create_marker(marker).await?;
        }
        Ok(outcome)
    }

    /// A fresh id for a data object of the namespace; never older than the journal's newest commit.
    pub async fn new_object(&self, namespace: &Namespace) -> Result<Uuid, JournalError> {
        let newest = self.recent(namespace).await?.map(|state| state.time).unwrap_or_default();
        Ok(self.clock.uuid(self.clock.now().max(newest)))
    }

    /// How many namespaces are in memory.
    pub fn loaded(&self) -> usize {
        self.namespaces.load().values().filter(|driver| driver.is_loaded()).count()
    }

    /// Writes the checkpoints without which the next load of a namespace would read many commits, for no longer than
    /// `within`: they are only a cache.
    pub async fn shutdown(&self, within: Duration) {
        let mut due = self.drivers();
        due.retain(|driver| driver.tail().commits > CHECKPOINT_QUIET);
        // Those that save most come first.
        due.sort_by_key(|driver| std::cmp::Reverse(driver.tail().commits));
        let count = due.len();
        let written = stream::iter(due).for_each_concurrent(CHECKPOINTS_AT_ONCE, Driver::checkpoint);
        if tokio::time::timeout(within, written).await.is_err() {
            tracing::warn!(
                due = count,
                "not all checkpoints were written in time: the next loads of some namespaces read more commits"
            );
        }
    }

    /// Writes a checkpoint of every namespace that has commits behind its newest one.
    pub async fn checkpoint_all(&self) {
        for driver in self.drivers() {
            driver.checkpoint().await;
        }
    }

    async fn confirmed(&self, namespace: &Namespace, within: Duration) -> Result<Seen, JournalError> {
        let seen = if self.options.mode == Mode::Single
            && let Some(state) = self.in_memory(namespace)
        {
            Seen { state: Some(state), fresh: true, behind: false }
        } else {
            self.asked(namespace, within).await?
        };
        if seen.behind {
            freshness::notice();
        }
        Ok(Seen { state: seen.state.filter(|state| state.exists()), ..seen })
    }

    async fn asked(&self, namespace: &Namespace, within: Duration) -> Result<Seen, JournalError> {
        loop {
            let driver = self.driver(namespace);
            match driver.confirm(within).await {
                Ok(result) => {
                    self.forget_if_spent(&driver);
                    return result;
                }
                Err(Retired) => self.forget(&driver),
            }
        }
    }

    /// Loads a namespace that is not in memory: nothing is written for one that is refused.
    async fn load(&self, namespace: &Namespace) -> Result<(), JournalError> {
        match self.in_memory(namespace) {
            Some(_) => Ok(()),
            None => self.recent(namespace).await.map(drop),
        }
    }

    fn in_memory(&self, namespace: &Namespace) -> Option<Arc<State>> {
        self.namespaces.load().get(namespace)?.snapshot()
    }

    /// The marker to create around a change that may bring a repository its first content.
    fn marker_of(&self, namespace: &Namespace, change: &Change) -> Option<Key> {
        let repository = change.brings_to()?;
        let snapshot = self.in_memory(namespace);
        let known = snapshot.is_some_and(|state| state.repository(repository).is_some());
        (!known).then(|| keys::marker(repository))
    }

    /// Creates a marker before a commit. Of several changes that come together only the first asks the store, and has to
    /// do it again after its commit.
    async fn mark<'a>(
        &'a self,
        namespace: &Namespace,
        marker: &'a Key,
    ) -> Result<Option<First<'a>>, JournalError> {
        let created = self.lock_markers().entry(marker.clone()).or_default().clone();
        let mut first = None;
        let create = async {
            first = Some(First { journals: self, marker });
            self.load(namespace).await?;
            self.create_marker(marker).await
        };
        created.get_or_try_init(|| create).await?;
        Ok(first)
    }

    fn lock_markers(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<OnceCell<()>>>> {
        self.markers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn create_marker(&self, marker: &Key) -> Result<(), JournalError> {
        let started = self.clock.monotonic();
        let created = async {
            loop {
                match self.backend.create(marker, Vec::new()).await {
                    Ok(_) => return Ok(()),
                    Err(error) if error.is_definite() || self.clock.monotonic() >= started + PATIENCE => {
                        return Err(JournalError::from(&error));
                    }
                    Err(_) => tokio::time::sleep(MARKER_PAUSE).await,
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, created).await;
        in_time.unwrap_or_else(|_| Err(JournalError::silent()))
    }

    fn driver(&self, namespace: &Namespace) -> Arc<Driver> {
        if let Some(driver) = self.namespaces.load().get(namespace) {
            return driver.clone();
        }
        let new =
            Driver::new(self.setup(namespace), self.backend.clone(), self.stop.clone(), self.damage.clone());
        // Of two that come at once, both get the driver that is in the map in the end.
        self.namespaces.rcu(|map| {
            let mut map = OrdMap::clone(map);
            map.entry(namespace.clone()).or_insert(new.clone());
            map
        });
        self.namespaces.load().get(namespace).cloned().unwrap_or(new)
    }

    fn setup(&self, namespace: &Namespace) -> Setup {
        Setup {
            namespace: namespace.clone(),
            store: self.layout.chain(),
            mode: self.options.mode,
            writer: self.writer,
            max_staleness: self.layout.max_staleness(),
            outage_reads: self.options.outage_reads,
            clock: self.clock.clone(),
            policy: self.options.policy.clone(),
            rules: Rules::default(),
        }
    }

    fn drivers(&self) -> Vec<Arc<Driver>> {
        self.namespaces.load().values().cloned().collect()
    }

    fn forget_if_spent(&self, driver: &Arc<Driver>) {
        if driver.retire_if(|machine| machine.is_spent()) {
            self.forget(driver);
        }
    }

    fn forget(&self, driver: &Arc<Driver>) {
        self.namespaces.rcu(|map| {
            let mut map = OrdMap::clone(map);
            if map.get(driver.namespace()).is_some_and(|present| Arc::ptr_eq(present, driver)) {
                map.remove(driver.namespace());
            }
            map
        });
    }

    /// Looks whether `layout` is still what it was when this process started. Without it no server starts over this store,
    /// so an operator should know before the next start. A store that does not answer shows nothing.
    pub(super) async fn check_layout(&self) {
        let why = match self.backend.read(&keys::layout(), None).await {
            Ok(bytes) => match Layout::read(&bytes) {
                Ok(layout) if layout.is_of_the_same_store(&self.layout) => return,
                Ok(_) => "it is that of another store".to_owned(),
                Err(error) => error.to_string(),
            },
            Err(BackendError::NotFound(_)) => "it is missing".to_owned(),
            Err(_) => return,
        };
        self.damage.add(DamageKind::Layout);
        tracing::error!(
            "the object `layout` was damaged since this server started, restore it from a backup: {why}"
        );
    }

    /// Drops the namespaces that were unused for longest until the others fit the budget.
    pub(super) fn drop_over_budget(&self) {
        let weight = |driver: &Driver| driver.entries() * ENTRY;
        let mut drivers = self.drivers();
        let mut total: u64 = drivers.iter().map(|driver| weight(driver)).sum();
        drivers.sort_by_key(|driver| std::cmp::Reverse(driver.idle_for().0));
        for driver in drivers {
            if total <= self.options.memory_budget {
                return;
            }
            let size = weight(&driver);
            if driver.retire_if(|machine| !machine.is_refused()) {
                self.forget(&driver);
                total -= size;
            }
        }
    }
}

/// The first of the changes that bring a repository its first content; when it ends, in whatever way, the state knows the
/// repository, or the next change asks the store again.
struct First<'a> {
    journals: &'a Journals,
    marker: &'a Key,
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        self.journals.lock_markers().remove(self.marker);
    }
}

/// Checkpoints quiet namespaces, drops spent ones and those over the budget, for as long as the journals live.
async fn keep_house(journals: Weak<Journals>) {
    let mut looked = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        let Some(journals) = journals.upgrade() else { return };
        if looked.elapsed() >= RECHECK_LAYOUT {
            looked = tokio::time::Instant::now();
            journals.check_layout().await;
        }
        for driver in journals.drivers() {
            if driver.tail().commits > CHECKPOINT_QUIET && driver.idle_for().1 >= QUIET {
                driver.clone().checkpoint().await;
            }
            if driver.is_refused() && driver.idle_for().0 >= RECHECK_REFUSED {
                let driver = driver.clone();
                tokio::spawn(async move { driver.confirm(Duration::ZERO).await.map(drop) });
            }
            // A directory has a lock; elsewhere it is a promise that nobody else writes.
            if journals.options.mode == Mode::Single && journals.options.endpoint.is_some() {
                driver.look_for_others(journals.writer).await;
            }
            journals.forget_if_spent(&driver);
        }
        journals.drop_over_budget();
    }
}

impl Change {
    /// The repository that may get its first content by the change. What is restored had content before.
    fn brings_to(&self) -> Option<&RepositoryName> {
        match self {
            Change::Blob { repository, .. } | Change::Mount { repository, .. } => Some(repository),
            Change::Manifest(new) => Some(&new.repository),
            Change::Restore(_)
            | Change::Untag { .. }
            | Change::Delete { .. }
            | Change::Unlink { .. }
            | Change::Yank { .. }
            | Change::Unyank { .. }
            | Change::Drop(_)
            | Change::Damaged(_)
            | Change::Sound(_)
            | Change::Erase(_)
            | Change::Reap(_)
            | Change::Purge(_)
            | Change::Fence(_)
            | Change::Rules(_)
            | Change::Require(_) => None,
        }
    }
}
