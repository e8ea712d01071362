//! One namespace in one process as a pure state machine: `on(event) -> actions` (docs/internals/journal-protocol.md).
//!
//! It loads the namespace, then appends and confirms. It does no I/O and knows no task or thread: the server drives
//! it with tokio, the tests with a seeded scheduler. Answers of the store may come in any order, late, or never.

mod head_check;
mod loader;
mod rules;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::damage::DamageKind;
use super::error::{JournalError, ProposeError};
use super::fold::FoldError;
use super::keys;
use super::policy::TagPolicy;
use super::proposal::Proposal;
use super::state::State;
use crate::backend::{BackendError, Create, Key};
use crate::clock::Clock;
use crate::oci::Namespace;

use head_check::{ForWriter, HeadCheck, Waiter};
use loader::{Loader, Progress};
pub use rules::{Rule, Rules};
use writer::{Waiting, Writer};

/// How long a request may wait for the store before it is answered that the store is unavailable.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// For how long a namespace whose journal cannot be read is refused without looking again. A load that takes longer is
/// repeated after the time that it took, so that it does not go on all the time.
pub const REFUSAL_LASTS: Duration = Duration::from_secs(5);

/// Names an outstanding request to the store, or a timer.
pub type Ticket = u64;

/// Names somebody who waits for an answer.
pub type Id = u64;

pub enum Event {
    /// Somebody proposes a change.
    Propose {
        id: Id,
        proposal: Proposal,
    },
    /// Somebody wants to read a state that was current at this moment, or no longer ago than `within`.
    Confirm {
        id: Id,
        within: Duration,
    },
    Created {
        ticket: Ticket,
        result: Result<Create, BackendError>,
    },
    Read {
        ticket: Ticket,
        result: Result<Bytes, BackendError>,
    },
    Listed {
        ticket: Ticket,
        result: Result<Vec<Key>, BackendError>,
    },
    Timer {
        ticket: Ticket,
    },
    /// Another process has written to the store.
    Foreign {
        writer: Uuid,
    },
}

pub enum Action {
    Create {
        ticket: Ticket,
        key: Key,
        body: Vec<Bytes>,
    },
    Read {
        ticket: Ticket,
        key: Key,
    },
    List {
        ticket: Ticket,
        prefix: String,
        after: String,
        limit: usize,
    },
    Timer {
        ticket: Ticket,
        after: Duration,
    },
    Answer {
        id: Id,
        result: Result<Outcome, ProposeError>,
    },
    /// `None`: the namespace does not exist. `fresh`: the state was current at some moment after the question.
    Confirmed {
        id: Id,
        result: Result<Option<Arc<State>>, JournalError>,
        fresh: bool,
    },
    /// An answer to one who reads while the store does not answer: the state may be behind.
    Behind {
        id: Id,
        state: Arc<State>,
    },
    /// Something an operator must see.
    Alarm(String),
    /// This process must not go on with the store.
    Stop(String),
}

/// What came of an accepted proposal.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// A state that the change is part of.
    pub state: Arc<State>,
    /// Whether the proposal brought a commit; otherwise what was asked for held already.
    pub changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// This process is the only writer of the store: its state is current by itself.
    Single,
    /// Any number of processes share the store.
    Shared,
}

/// What a machine is told at its beginning.
#[derive(Clone)]
pub struct Setup {
    pub namespace: Namespace,
    /// The id that `prev` of commit 1 is: that of the store, or of the one whose history it goes on with.
    pub store: Uuid,
    pub mode: Mode,
    /// This process.
    pub writer: Uuid,
    pub max_staleness: Duration,
    /// For how long after it was current the state is read while the store does not answer; 0 is not at all.
    pub outage_reads: Duration,
    pub clock: Arc<dyn Clock>,
    pub policy: Arc<dyn TagPolicy>,
    pub rules: Rules,
}

pub struct Machine {
    core: Core,
    phase: Phase,
    writer: Writer,
    check: HeadCheck,
    /// Why the namespace was refused last, until it is in order again.
    refusal: Option<JournalError>,
    /// Damaged checkpoints that the load has found, until the driver takes them.
    damaged_checkpoints: Vec<Key>,
}

enum Phase {
    /// Nobody has asked for anything.
    New,
    Loading(Box<Loader>),
    Serving,
    /// The load failed, or the process must end: nothing is answered but this.
    Failed(JournalError),
    /// The journal cannot be read: nothing is answered but this until `again`, when it is loaded anew.
    Refused {
        error: JournalError,
        again: Duration,
    },
}

/// What the parts of the machine share.
struct Core {
    setup: Setup,
    state: Arc<State>,
    /// The monotonic moment at which the state was certainly current; `None` before the first confirmation.
    confirmed: Option<Duration>,
    /// Commits and bytes folded since the newest checkpoint.
    tail: Tail,
    last_ticket: Ticket,
    /// Answers that wait until no replica serves the deleted content any more.
    late: BTreeMap<Ticket, (Vec<Id>, Outcome)>,
    /// A commit is missing that was there once.
    has_gap: bool,
    /// Alarms since the namespace was last in order: while it is refused nothing is told twice.
    told: BTreeSet<String>,
    /// What was found damaged, until the driver takes it.
    damage: Vec<DamageKind>,
    actions: Vec<Action>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    pub commits: u64,
    pub bytes: u64,
}

impl Machine {
    pub fn new(setup: Setup) -> Self {
        let state = Arc::new(State::empty(setup.store));
        let core = Core {
            setup,
            state,
            confirmed: None,
            tail: Tail::default(),
            last_ticket: 0,
            late: BTreeMap::new(),
            has_gap: false,
            told: BTreeSet::new(),
            damage: Vec::new(),
            actions: Vec::new(),
        };
        let (writer, check) = Default::default();
        Self { core, phase: Phase::New, writer, check, refusal: None, damaged_checkpoints: Vec::new() }
    }

    pub fn on(&mut self, event: Event) -> Vec<Action> {
        let result = match event {
            Event::Propose { id, proposal } => self.propose(id, proposal),
            Event::Confirm { id, within } => self.confirm(id, within),
            Event::Timer { ticket } if self.core.late.contains_key(&ticket) => {
                self.core.answer_late(ticket);
                Ok(())
            }
            Event::Foreign { writer } => Err(JournalError::Foreign(writer)),
            event => self.store_answered(event),
        };
        if let Err(error) = result.and_then(|()| self.go_on()) {
            self.fail(error);
        }
        std::mem::take(&mut self.core.actions)
    }

    pub fn state(&self) -> &Arc<State> {
        &self.core.state
    }

    pub fn tail(&self) -> Tail {
        self.core.tail
    }

    /// A checkpoint was written when the tail was `then`.
    pub fn checkpointed(&mut self, then: Tail) {
        self.core.tail.commits = self.core.tail.commits.saturating_sub(then.commits);
        self.core.tail.bytes = self.core.tail.bytes.saturating_sub(then.bytes);
    }

    /// Whether the state is loaded and can be read.
    pub fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving)
    }

    /// Whether the namespace is refused, because its journal cannot be read; also while it is loaded again to see.
    pub fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// What was found damaged since this was last called.
    pub fn take_damage(&mut self) -> Vec<DamageKind> {
        std::mem::take(&mut self.core.damage)
    }

    /// The checkpoints that are damaged, once the namespace is loaded without them. They are only a cache, so they may be
    /// deleted: otherwise one of them stays the newest until a later one is written.
    pub fn take_damaged_checkpoints(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.damaged_checkpoints)
    }

    /// Whether nobody waits for anything, so that the machine may be dropped.
    pub fn is_idle(&self) -> bool {
        !matches!(self.phase, Phase::Loading(_))
            && self.writer.is_idle()
            && self.check.is_idle()
            && self.core.late.is_empty()
    }

    /// Whether there is nothing to keep when the machine is idle: it failed, or the namespace does not exist. One that is
    /// refused is kept, so that not every request loads it again.
    pub fn is_spent(&self) -> bool {
        !self.is_refused() && (!self.is_serving() || self.core.state.seq == 0)
    }

    fn propose(&mut self, id: Id, proposal: Proposal) -> Result<(), JournalError> {
        self.end_refusal();
        if let Phase::Failed(error) | Phase::Refused { error, .. } = &self.phase {
            let result = Err(ProposeError::Journal(error.clone()));
            self.core.act(Action::Answer { id, result });
            return Ok(());
        }
        let arrived = self.core.now();
        self.writer.enqueue(&mut self.core, Waiting { id, proposal, arrived });
        Ok(())
    }

    fn confirm(&mut self, id: Id, within: Duration) -> Result<(), JournalError> {
        self.end_refusal();
        match &self.phase {
            Phase::Failed(error) | Phase::Refused { error, .. } => {
                let result = Err(error.clone());
                self.core.act(Action::Confirmed { id, result, fresh: true });
            }
            Phase::Serving if self.core.is_current(within) => {
                let fresh = self.core.setup.mode == Mode::Single;
                self.core.answer_reader(id, fresh);
            }
            _ => self.check.want(&mut self.core, Waiter::Reader(id)),
        }
        Ok(())
    }

    /// When a refusal has lasted long enough the namespace is loaded again: an operator may have restored it.
    fn end_refusal(&mut self) {
        if matches!(self.phase, Phase::Refused { again, .. } if self.core.now() >= again) {
            self.phase = Phase::New;
        }
    }

    fn store_answered(&mut self, event: Event) -> Result<(), JournalError> {
        match &mut self.phase {
            Phase::New | Phase::Failed(_) | Phase::Refused { .. } => Ok(()),
            Phase::Loading(loader) => match loader.on(&mut self.core, event)? {
                Progress::Waiting => Ok(()),
                Progress::Loaded { last_read, sent } => {
                    self.damaged_checkpoints = loader.take_damaged();
                    self.core.told.clear();
                    self.refusal = None;
                    self.phase = Phase::Serving;
                    self.core.confirm(sent);
                    self.loaded(last_read)
                }
            },
            Phase::Serving => self.serve(event),
        }
    }

    fn serve(&mut self, event: Event) -> Result<(), JournalError> {
        match event {
            Event::Created { ticket, result } => self.writer.created(&mut self.core, ticket, result),
            Event::Read { ticket, result } if self.check.is_waiting_for(ticket) => {
                match self.check.read(&mut self.core, result)? {
                    ForWriter::Nothing => Ok(()),
                    ForWriter::Confirmed => self.writer.confirmed(&mut self.core),
                    ForWriter::Unconfirmed(error) => {
                        self.writer.unconfirmed(&mut self.core, error);
                        Ok(())
                    }
                }
            }
            Event::Read { ticket, result } => self.writer.read(&mut self.core, ticket, result),
            Event::Timer { ticket } if self.check.is_waiting_for(ticket) => {
                self.check.again(&mut self.core);
                Ok(())
            }
            Event::Timer { ticket } => self.writer.again(&mut self.core, ticket),
            Event::Listed { .. } | Event::Propose { .. } | Event::Confirm { .. } | Event::Foreign { .. } => {
                Ok(())
            }
        }
    }

    /// The load ended with a read of `head + 1` that found nothing: that was a head check.
    fn loaded(&mut self, last_read: Ticket) -> Result<(), JournalError> {
        let single = self.core.setup.mode == Mode::Single;
        self.check.answer(&mut self.core, if single { Ticket::MAX } else { last_read });
        Ok(())
    }

    /// Sends what is due after an event.
    fn go_on(&mut self) -> Result<(), JournalError> {
        match self.phase {
            Phase::New if !(self.writer.is_idle() && self.check.is_idle()) => {
                self.phase = Phase::Loading(Box::new(Loader::start(&mut self.core)));
            }
            Phase::Serving => {
                self.writer.run(&mut self.core)?;
                if self.writer.asks_for_check() {
                    self.check.want(&mut self.core, Waiter::Writer);
                }
                self.check.run(&mut self.core);
            }
            _ => {}
        }
        Ok(())
    }

    fn fail(&mut self, error: JournalError) {
        if error.is_refusal() {
            self.raise_alarm(&error);
            self.refusal = Some(error.clone());
        }
        if matches!(error, JournalError::Foreign(_)) {
            self.core.act(Action::Stop(error.to_string()));
        }
        for id in self.check.take_readers() {
            self.core.act(Action::Confirmed { id, result: Err(error.clone()), fresh: true });
        }
        for id in self.writer.take_all() {
            self.core.act(Action::Answer { id, result: Err(ProposeError::Journal(error.clone())) });
        }
        self.phase = match self.refusal.clone().filter(|_| !matches!(error, JournalError::Foreign(_))) {
            Some(refusal) => self.refuse(refusal),
            None => Phase::Failed(error),
        };
    }

    fn raise_alarm(&mut self, error: &JournalError) {
        let kind = match (error, std::mem::take(&mut self.core.has_gap)) {
            (JournalError::Newer(_), _) => None,
            (_, true) => Some(DamageKind::Gap),
            (_, false) => Some(DamageKind::Commit),
        };
        let namespace = self.core.setup.namespace.as_str();
        self.core.alarm(kind, format!("namespace {namespace:?} is refused: {error}"));
    }

    /// Forgets everything but the reason.
    fn refuse(&mut self, error: JournalError) -> Phase {
        let took = match &self.phase {
            Phase::Loading(loader) => loader.age(&self.core),
            _ => Duration::ZERO,
        };
        self.check = HeadCheck::default();
        self.core.state = Arc::new(State::empty(self.core.setup.store));
        self.core.confirmed = None;
        self.core.tail = Tail::default();
        Phase::Refused { error, again: self.core.now() + REFUSAL_LASTS.max(took) }
    }
}

impl Core {
    fn now(&self) -> Duration {
        self.setup.clock.monotonic()
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Tells an operator, once, and counts the damage.
    fn alarm(&mut self, kind: Option<DamageKind>, text: String) {
        if self.told.insert(text.clone()) {
            self.act(Action::Alarm(text));
            self.damage.extend(kind);
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        self.last_ticket
    }

    fn timer(&mut self, after: Duration) -> Ticket {
        let ticket = self.ticket();
        self.act(Action::Timer { ticket, after });
        ticket
    }

    fn create_commit(&mut self, seq: u64, body: Vec<Bytes>) -> Ticket {
        let ticket = self.ticket();
        let key = keys::commit(&self.setup.namespace, seq);
        self.act(Action::Create { ticket, key, body });
        ticket
    }

    fn read_commit(&mut self, seq: u64) -> Ticket {
        self.read(keys::commit(&self.setup.namespace, seq))
    }

    fn read(&mut self, key: Key) -> Ticket {
        let ticket = self.ticket();
        self.act(Action::Read { ticket, key });
        ticket
    }

    fn list(&mut self, prefix: String, after: String, limit: usize) -> Ticket {
        let ticket = self.ticket();
        self.act(Action::List { ticket, prefix, after, limit });
        ticket
    }

    /// Whether the state was current at a moment that is no longer ago than `within`.
    fn is_current(&self, within: Duration) -> bool {
        if self.setup.mode == Mode::Single {
            return true;
        }
        let rule = if within.is_zero() { Rule::ReadAfterCheck } else { Rule::StalenessIsBounded };
        if !self.setup.rules.hold(rule) {
            return true;
        }
        self.confirmed.is_some_and(|at| !within.is_zero() && self.now() < at + within)
    }

    fn confirm(&mut self, at: Duration) {
        self.confirmed = self.confirmed.max(Some(at));
    }

    fn answer_reader(&mut self, id: Id, fresh: bool) {
        let state = (self.state.seq > 0).then(|| self.state.clone());
        self.act(Action::Confirmed { id, result: Ok(state), fresh });
    }

    /// Whether the state may be read although nobody knows whether it is current, because the store is silent.
    fn may_read_behind(&self, error: &JournalError) -> bool {
        let limit = self.setup.outage_reads;
        matches!(error, JournalError::Unavailable(_))
            && !limit.is_zero()
            && self.state.seq > 0
            && self.confirmed.is_some_and(|at| self.now() < at + limit)
    }

    fn answer_behind(&mut self, id: Id) {
        self.act(Action::Behind { id, state: self.state.clone() });
    }

    fn delays_deletions(&self) -> bool {
        self.setup.mode == Mode::Shared && self.setup.rules.hold(Rule::DeletionIsAnsweredLate)
    }

    /// Another replica may serve what was deleted, from a state confirmed just before the deletion, for
    /// `max_staleness`; a tenth is added for clocks that run at different rates.
    fn answer_later(&mut self, ids: Vec<Id>) {
        let outcome = Outcome { state: self.state.clone(), changed: true };
        let ticket = self.timer(self.setup.max_staleness.mul_f64(1.1));
        self.late.insert(ticket, (ids, outcome));
    }

    fn answer_late(&mut self, ticket: Ticket) {
        let Some((ids, outcome)) = self.late.remove(&ticket) else { return };
        for id in ids {
            self.act(Action::Answer { id, result: Ok(outcome.clone()) });
        }
    }

    /// The only fold: a commit that the state has already is passed over.
    fn advance(&mut self, seq: u64, bytes: &Bytes) -> Result<(), FoldError> {
        if seq <= self.state.seq && self.setup.rules.hold(Rule::FoldedOnce) {
            return Ok(());
        }
        let mut state = State::clone(&self.state);
        state.fold(seq, bytes)?;
        self.state = Arc::new(state);
        self.tail.commits += 1;
        self.tail.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// The pause before the `n`-th repetition of a request to the store.
fn back_off(n: u32) -> Duration {
    Duration::from_millis(20 << n.min(6))
}
