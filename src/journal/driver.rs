//! Runs the machine of one namespace with tokio: requests to the store become tasks, answers become events.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

use super::checkpoint;
use super::commit::Commit;
use super::damage::DamageCounts;
use super::error::{JournalError, ProposeError};
use super::keys;
use super::machine::{Action, Event, Id, Machine, Outcome, PATIENCE, Setup, Tail};
use super::proposal::Proposal;
use super::state::State;
use crate::backend::{Backend, BackendError, Key};
use crate::oci::Namespace;

/// A request that the store does not answer in this time counts as unanswered.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// A checkpoint is due after this many commits, or one for each [`CHECKPOINT_ENTRIES`] of the state if that is more.
const CHECKPOINT_COMMITS: u64 = 64;
/// To write them all costs a commit as much as to write so many of them.
const CHECKPOINT_ENTRIES: u64 = 32;
/// ... or after this many bytes of journal, or as many as the last checkpoint had.
const CHECKPOINT_BYTES: u64 = 8 << 20;
/// A namespace with more commits than this after its checkpoint gets one when it is quiet, or was just loaded.
pub const CHECKPOINT_QUIET: u64 = 32;
/// Checkpoints that are kept of this fold version.
const CHECKPOINTS_KEPT: usize = 2;

pub struct Driver {
    namespace: Namespace,
    backend: Arc<dyn Backend>,
    clock: Arc<dyn crate::clock::Clock>,
    inner: Mutex<Inner>,
    /// The newest state, while the namespace is loaded.
    snapshot: ArcSwapOption<State>,
    /// Where the reason is put for which this process must not go on.
    stop: watch::Sender<Option<String>>,
    damage: Arc<DamageCounts>,
    /// Monotonic milliseconds of the last request, and of the last change.
    used: AtomicU64,
    changed: AtomicU64,
}

/// What a proposer is told.
type Answer = Result<Outcome, ProposeError>;

/// What a reader is told.
type Confirmation = Result<Seen, JournalError>;

pub struct Seen {
    /// None when the namespace does not exist.
    pub state: Option<Arc<State>>,
    /// Whether it was current at some moment after the question.
    pub fresh: bool,
    /// Whether it may be behind, because the store does not answer.
    pub behind: bool,
}

struct Inner {
    machine: Machine,
    last_id: Id,
    proposers: BTreeMap<Id, oneshot::Sender<Answer>>,
    readers: BTreeMap<Id, oneshot::Sender<Confirmation>>,
    /// Dropped from the cache: whoever still has it must ask for the namespace again.
    retired: bool,
    /// Counted among the namespaces that are refused.
    refused: bool,
    checkpoint: Checkpointing,
}

#[derive(Default)]
struct Checkpointing {
    running: bool,
    last_size: u64,
}

/// The driver was dropped from the cache meanwhile.
pub struct Retired;

impl Driver {
    pub fn new(
        setup: Setup,
        backend: Arc<dyn Backend>,
        stop: watch::Sender<Option<String>>,
        damage: Arc<DamageCounts>,
    ) -> Arc<Self> {
        let (namespace, clock) = (setup.namespace.clone(), setup.clock.clone());
        let inner = Inner {
            machine: Machine::new(setup),
            last_id: 0,
            proposers: BTreeMap::new(),
            readers: BTreeMap::new(),
            retired: false,
            refused: false,
            checkpoint: Checkpointing::default(),
        };
        Arc::new(Self {
            namespace,
            backend,
            clock,
            inner: Mutex::new(inner),
            snapshot: ArcSwapOption::empty(),
            stop,
            damage,
            used: AtomicU64::new(0),
            changed: AtomicU64::new(0),
        })
    }

    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The newest state this process knows, if the namespace is loaded.
    pub fn snapshot(&self) -> Option<Arc<State>> {
        self.touch(&self.used);
        self.snapshot.load_full()
    }

    pub fn is_loaded(&self) -> bool {
        self.snapshot.load().is_some()
    }

    /// How many entries the state in memory has.
    pub fn entries(&self) -> u64 {
        self.snapshot.load().as_ref().map_or(0, |state| state.entries)
    }

    pub async fn propose(self: &Arc<Self>, proposal: Proposal) -> Result<Answer, Retired> {
        let (sender, receiver) = oneshot::channel();
        self.admit(|inner, id| {
            inner.proposers.insert(id, sender);
            Event::Propose { id, proposal }
        })?;
        Ok(match timeout(PATIENCE, receiver).await {
            Ok(answer) => answer.unwrap_or(Err(ProposeError::Journal(JournalError::Panicked))),
            // It waits, or is on its way: the machine goes on with it.
            Err(_) => Err(ProposeError::Unknown),
        })
    }

    /// A state that was current no longer ago than `within`.
    pub async fn confirm(self: &Arc<Self>, within: Duration) -> Result<Confirmation, Retired> {
        let (sender, receiver) = oneshot::channel();
        self.admit(|inner, id| {
            inner.readers.insert(id, sender);
            Event::Confirm { id, within }
        })?;
        Ok(match timeout(PATIENCE, receiver).await {
            Ok(confirmation) => confirmation.unwrap_or(Err(JournalError::Panicked)),
            Err(_) => Err(JournalError::silent()),
        })
    }

    /// In single mode: looks whether another process than `writer` has written the next commit.
    pub async fn look_for_others(self: &Arc<Self>, writer: Uuid) {
        let Some(state) = self.snapshot.load_full() else { return };
        let key = keys::commit(&self.namespace, state.seq + 1);
        let Ok(bytes) = self.backend.read(&key, None).await else { return };
        if let Ok(commit) = Commit::read(&bytes)
            && commit.writer != writer
        {
            self.feed(Event::Foreign { writer: commit.writer });
        }
    }

    /// Retires the driver if nobody waits and `wanted` holds; whether it did.
    pub fn retire_if(&self, wanted: impl FnOnce(&Machine) -> bool) -> bool {
        let mut inner = self.lock();
        let idle = inner.machine.is_idle() && !inner.checkpoint.running;
        if !inner.retired && idle && wanted(&inner.machine) {
            inner.retired = true;
            self.set_refused(&mut inner, false);
            self.snapshot.store(None);
        }
        inner.retired
    }

    /// Whether the namespace is refused, because its journal cannot be read.
    pub fn is_refused(&self) -> bool {
        self.lock().refused
    }

    /// Monotonic time since the last request and since the last change.
    pub fn idle_for(&self) -> (Duration, Duration) {
        let now = self.millis();
        let since = |at: &AtomicU64| Duration::from_millis(now.saturating_sub(at.load(Ordering::Relaxed)));
        (since(&self.used), since(&self.changed))
    }

    pub fn tail(&self) -> Tail {
        self.lock().machine.tail()
    }

    /// Writes a checkpoint of the newest state, unless one is being written. Losing it is harmless.
    pub async fn checkpoint(self: Arc<Self>) {
        let Some((state, tail)) = self.begin_checkpoint() else { return };
        let seq = state.seq;
        let written = tokio::task::spawn_blocking(move || checkpoint::write(&state)).await;
        let size = match written {
            Ok(Ok(bytes)) => self.store_checkpoint(seq, bytes).await,
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut inner = self.lock();
        inner.checkpoint.running = false;
        match size {
            Ok(size) => {
                inner.checkpoint.last_size = size;
                inner.machine.checkpointed(tail);
            }
            Err(error) => {
                tracing::warn!(namespace = self.namespace.as_str(), error, "a checkpoint was not written")
            }
        }
    }

    fn begin_checkpoint(&self) -> Option<(Arc<State>, Tail)> {
        let mut inner = self.lock();
        let ready =
            inner.machine.is_serving() && !inner.checkpoint.running && inner.machine.tail().commits > 0;
        if !ready {
            return None;
        }
        inner.checkpoint.running = true;
        Some((inner.machine.state().clone(), inner.machine.tail()))
    }

    async fn store_checkpoint(&self, seq: u64, bytes: bytes::Bytes) -> Result<u64, String> {
        let size = bytes.len() as u64;
        let key = keys::checkpoint(&self.namespace, seq);
        self.backend.create(&key, vec![bytes]).await.map_err(|error| error.to_string())?;
        let prefix = keys::checkpoints(&self.namespace, keys::FOLD_VERSION);
        let mut newest_first =
            self.backend.list(&prefix, "", 100).await.map_err(|error| error.to_string())?;
        newest_first.retain(|key| keys::checkpoint_seq(key).is_some());
        let old = newest_first.get(CHECKPOINTS_KEPT..).unwrap_or_default();
        if !old.is_empty() {
            self.backend.delete(old).await.map_err(|error| error.to_string())?;
        }
        Ok(size)
    }

    /// Deletes damaged checkpoints and writes a good one. They go first, because one of them may have the number of the new
    /// one; with that of a commit that is yet to come it would stay the newest for long.
    async fn replace_checkpoints(self: Arc<Self>, damaged: Vec<Key>) {
        match self.backend.delete(&damaged).await {
            Ok(()) => self.checkpoint().await,
            Err(error) => {
                let namespace = self.namespace.as_str();
                tracing::warn!(namespace, %error, "a damaged checkpoint was not deleted");
            }
        }
    }

    fn admit(self: &Arc<Self>, event: impl FnOnce(&mut Inner, Id) -> Event) -> Result<(), Retired> {
        self.touch(&self.used);
        let mut inner = self.lock();
        if inner.retired {
            return Err(Retired);
        }
        inner.last_id += 1;
        let id = inner.last_id;
        let event = event(&mut inner, id);
        self.handle(inner, event);
        Ok(())
    }

    fn feed(self: &Arc<Self>, event: Event) {
        self.handle(self.lock(), event);
    }

    /// Gives the machine an event and does what it asks for.
    fn handle(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>, event: Event) {
        let Ok(actions) = catch_unwind(AssertUnwindSafe(|| inner.machine.on(event))) else {
            return self.panicked(inner);
        };
        if inner.machine.is_serving() && inner.machine.state().seq > 0 {
            self.publish(inner.machine.state());
        }
        self.note_damage(&mut inner);
        let damaged = inner.machine.take_damaged_checkpoints();
        let checkpoint_due = inner.is_checkpoint_due();
        for action in actions {
            self.act(&mut inner, action);
        }
        drop(inner);
        if !damaged.is_empty() {
            tokio::spawn(self.clone().replace_checkpoints(damaged));
        } else if checkpoint_due {
            tokio::spawn(self.clone().checkpoint());
        }
    }

    fn note_damage(&self, inner: &mut Inner) {
        inner.machine.take_damage().into_iter().for_each(|kind| self.damage.add(kind));
        let refused = inner.machine.is_refused();
        if refused {
            self.snapshot.store(None);
        }
        self.set_refused(inner, refused);
    }

    fn set_refused(&self, inner: &mut Inner, refused: bool) {
        if inner.refused != refused {
            inner.refused = refused;
            self.damage.set_refused(refused);
        }
    }

    fn publish(&self, state: &Arc<State>) {
        let current = self.snapshot.load();
        if current.as_ref().is_none_or(|published| !Arc::ptr_eq(published, state)) {
            self.snapshot.store(Some(state.clone()));
            self.touch(&self.changed);
        }
    }

    fn act(self: &Arc<Self>, inner: &mut Inner, action: Action) {
        match action {
            Action::Answer { id, result } => {
                // Whoever hung up does not withdraw what was committed.
                inner.proposers.remove(&id).map(|sender| sender.send(result).ok());
            }
            Action::Confirmed { id, result, fresh } => {
                let seen = result.map(|state| Seen { state, fresh, behind: false });
                inner.readers.remove(&id).map(|sender| sender.send(seen).ok());
            }
            Action::Behind { id, state } => {
                let seen = Seen { state: Some(state), fresh: false, behind: true };
                inner.readers.remove(&id).map(|sender| sender.send(Ok(seen)).ok());
            }
            Action::Stop(reason) => drop(self.stop.send_replace(Some(reason))),
            Action::Alarm(reason) => tracing::error!(namespace = self.namespace.as_str(), "{reason}"),
            Action::Timer { ticket, after } => {
                let driver = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    driver.feed(Event::Timer { ticket });
                });
            }
            request => {
                let driver = self.clone();
                tokio::spawn(async move {
                    let event = driver.ask_store(request).await;
                    event.into_iter().for_each(|event| driver.feed(event));
                });
            }
        }
    }

    async fn ask_store(&self, request: Action) -> Option<Event> {
        match request {
            Action::Create { ticket, key, body } => {
                let result = in_time(self.backend.create(&key, body)).await;
                Some(Event::Created { ticket, result })
            }
            Action::Read { ticket, key } => {
                let result = in_time(self.backend.read(&key, None)).await;
                Some(Event::Read { ticket, result })
            }
            Action::List { ticket, prefix, after, limit } => {
                let result = in_time(self.backend.list(&prefix, &after, limit)).await;
                Some(Event::Listed { ticket, result })
            }
            Action::Timer { .. }
            | Action::Answer { .. }
            | Action::Confirmed { .. }
            | Action::Behind { .. }
            | Action::Alarm(_)
            | Action::Stop(_) => None,
        }
    }

    /// A bug in the machine costs this namespace its state in memory, and those who wait an error; the next
    /// request loads it again.
    fn panicked(&self, mut inner: MutexGuard<'_, Inner>) {
        tracing::error!(namespace = self.namespace.as_str(), "the writer of the namespace panicked");
        inner.retired = true;
        self.set_refused(&mut inner, false);
        inner.proposers.clear();
        inner.readers.clear();
        self.snapshot.store(None);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self) -> u64 {
        self.clock.monotonic().as_millis() as u64
    }

    fn touch(&self, at: &AtomicU64) {
        at.store(self.millis(), Ordering::Relaxed);
    }
}

impl Inner {
    fn is_checkpoint_due(&self) -> bool {
        let Tail { commits, bytes } = self.machine.tail();
        let many = commits >= CHECKPOINT_COMMITS.max(self.machine.state().entries / CHECKPOINT_ENTRIES);
        let large = bytes >= CHECKPOINT_BYTES.max(self.checkpoint.last_size);
        self.machine.is_serving() && !self.checkpoint.running && (many || large)
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, BackendError>>) -> Result<T, BackendError> {
    match timeout(STORE_TIMEOUT, call).await {
        Ok(result) => result,
        Err(_) => Err(BackendError::Unavailable(std::io::ErrorKind::TimedOut.into())),
    }
}
