//! Sees every commit at the moment it takes effect and every answer, and knows what must hold (docs/internals/journal-protocol.md#invariants).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::clients::objects;
use super::promises::Promises;
use super::replica::MAX_STALENESS;
use crate::clock::Timestamp;
use crate::journal::AllLoose;
use crate::journal::commit::{self, Commit};
use crate::journal::decide::{Deciding, decide};
use crate::journal::error::ProposeError;
use crate::journal::fold::At;
use crate::journal::machine::{Id, Outcome};
use crate::journal::op::{FoldedOp, Op, OpExtent};
use crate::journal::proposal::{Change, Decision, Refusal};
use crate::journal::recount;
use crate::journal::state::{State, created_at};
use crate::oci::EtagSet;

/// What went wrong, in words.
pub type Violation = String;

pub struct Observer {
    /// Whether several replicas write: then nothing is answered from a state that was not current since the
    /// request arrived. One alone may not know of its own commit while its outcome is unknown.
    shared: bool,
    commits: Vec<Committed>,
    /// Every state that a proposal could be decided on: between the proposals of a commit, too.
    moments: Vec<State>,
    proposals: BTreeMap<Id, Proposed>,
    /// The newest commit that somebody was told of, and the newest deletion that was acknowledged.
    known: u64,
    deleted: u64,
    promises: Promises,
}

struct Committed {
    at: u64,
    /// The fold of everything up to here, and which of the moments it is.
    state: Arc<State>,
    moment: usize,
}

struct Proposed {
    change: Change,
    /// Whether no other proposal names its objects.
    fresh: bool,
    arrival: Arrival,
    fate: Fate,
    /// The commit it is in.
    commit: Option<u64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Open,
    Acknowledged,
    /// Refused, or nothing changed: it must never be in the history.
    Without,
}

/// What was true when a request arrived.
#[derive(Clone, Copy)]
pub struct Arrival {
    at: u64,
    head: u64,
    known: u64,
    deleted: u64,
}

impl Observer {
    pub fn new(empty: State, shared: bool) -> Self {
        let first = Committed { at: 0, state: Arc::new(empty.clone()), moment: 0 };
        Self {
            shared,
            commits: vec![first],
            moments: vec![empty],
            proposals: BTreeMap::new(),
            known: 0,
            deleted: 0,
            promises: Promises::default(),
        }
    }

    pub fn head(&self) -> u64 {
        self.commits.len() as u64 - 1
    }

    /// The fold of commits 1 to `seq`.
    pub fn state(&self, seq: u64) -> Option<&Arc<State>> {
        self.commits.get(seq as usize).map(|commit| &commit.state)
    }

    pub fn newest(&self) -> &Arc<State> {
        &self.commits[self.commits.len() - 1].state
    }

    pub fn arrival(&self, now: u64) -> Arrival {
        Arrival { at: now, head: self.head(), known: self.known, deleted: self.deleted }
    }

    pub fn proposed(&mut self, id: Id, change: Change, fresh: bool, now: u64) {
        let arrival = self.arrival(now);
        if !fresh {
            let named = objects(&change);
            let before = self.proposals.values_mut().filter(|proposed| objects(&proposed.change) == named);
            before.for_each(|proposed| proposed.fresh = false);
        }
        self.proposals.insert(id, Proposed { change, fresh, arrival, fate: Fate::Open, commit: None });
    }

    /// The store has lost every commit after `seq`, and with them what was promised.
    pub fn lost_after(&mut self, seq: u64) {
        self.commits.truncate(seq as usize + 1);
        self.moments.truncate(self.commits[seq as usize].moment + 1);
        self.proposals.clear();
        (self.known, self.deleted) = (self.known.min(seq), self.deleted.min(seq));
        self.promises = Promises::default();
    }

    /// A create of commit `seq` took effect.
    pub fn committed(&mut self, seq: u64, bytes: &Bytes, now: u64) -> Result<(), Violation> {
        if seq <= self.head() {
            return Err(format!("commit {seq} has two bodies"));
        }
        if seq != self.head() + 1 {
            return Err(format!("commit {seq} was written when the newest was {}", self.head()));
        }
        let commit = Commit::read(bytes).map_err(|error| format!("commit {seq}: {error}"))?;
        let before = State::clone(self.newest());
        let (time, attachments) = (commit.time, commit::line(bytes).len() as u64 + 1);
        let mut state = before.clone();
        for (id, ops) in by_proposal(bytes, commit.ops)? {
            let proposal =
                self.proposals.get_mut(&id).ok_or_else(|| format!("nobody proposed {id} in commit {seq}"))?;
            let unfolded: Vec<Op> = ops.iter().map(|folded| folded.op.clone()).collect();
            proposal.is_in(id, seq, time, &state, &unfolded)?;
            for FoldedOp { op, by, call } in ops {
                let before = state.clone();
                state.apply(&op, &At { seq, time, attachments, by, call });
                self.promises.check(&before, &op, &state, time)?;
            }
            self.moments.push(state.clone());
        }
        let mut folded = before;
        folded.fold(seq, bytes).map_err(|error| error.to_string())?;
        if let Some(contradiction) = recount::contradiction(&folded) {
            return Err(contradiction);
        }
        let last = self.moments.len() - 1;
        self.moments[last] = folded.clone();
        self.commits.push(Committed { at: now, state: Arc::new(folded), moment: last });
        Ok(())
    }

    /// A replica has this state now.
    pub fn compare(&self, state: &State) -> Result<(), Violation> {
        match self.state(state.seq) {
            Some(truth) if **truth == *state => Ok(()),
            Some(_) => Err(format!("a state at commit {} differs from the fold", state.seq)),
            None => Err(format!("a state knows commit {}, the newest is {}", state.seq, self.head())),
        }
    }

    pub fn read(
        &mut self,
        arrival: Arrival,
        within: Duration,
        state: Option<&Arc<State>>,
    ) -> Result<(), Violation> {
        let seq = state.map_or(0, |state| state.seq);
        let floor = match (self.shared, within.is_zero()) {
            (false, _) => arrival.known,
            (true, true) => arrival.head,
            (true, false) => arrival.deleted.max(self.head_before(arrival, MAX_STALENESS)),
        };
        if seq < floor {
            return Err(format!("a read within {within:?} got commit {seq}, but {floor} was due"));
        }
        self.known = self.known.max(seq);
        Ok(())
    }

    /// What a reader is shown while the store does not answer was current no longer ago than `limit`.
    pub fn read_behind(
        &mut self,
        arrival: Arrival,
        limit: Duration,
        state: &Arc<State>,
    ) -> Result<(), Violation> {
        let floor = self.head_before(arrival, limit);
        if state.seq < floor {
            return Err(format!("a read in an outage got commit {}, but {floor} was due", state.seq));
        }
        self.known = self.known.max(state.seq);
        Ok(())
    }

    /// The head at the time `age` before the arrival; clocks run up to 4 % too slow.
    fn head_before(&self, arrival: Arrival, age: Duration) -> u64 {
        self.head_at(arrival.at.saturating_sub(age.mul_f64(1.05).as_micros() as u64))
    }

    /// The head at a moment.
    pub fn head_at(&self, moment: u64) -> u64 {
        let then = self.commits.iter().take_while(|commit| commit.at <= moment).count() as u64;
        then.saturating_sub(1)
    }

    pub fn answered(&mut self, id: Id, result: &Result<Outcome, ProposeError>) -> Result<(), Violation> {
        let Some(proposal) = self.proposals.get_mut(&id) else { return Ok(()) };
        if let (
            Ok(outcome),
            Change::Blob { repository, digest, .. } | Change::Mount { repository, digest, .. },
        ) = (result, &proposal.change)
        {
            // What changed is acknowledged from its commit on; later ones may be in the answer.
            let seq = proposal.commit.filter(|_| outcome.changed).unwrap_or(outcome.state.seq);
            let time = self.commits.get(seq as usize).map(|commit| commit.state.time);
            self.promises.acknowledged(repository, digest, time.unwrap_or_default());
        }
        // So much time passed meanwhile that a fence came between.
        let fence = self.commits.last().map(|commit| commit.state.fence).unwrap_or_default();
        let is_fenced = objects(&proposal.change).iter().any(|id| created_at(id) < fence);
        match result {
            Ok(Outcome { changed: true, state }) => {
                let seq = proposal
                    .commit
                    .ok_or_else(|| format!("{id} was acknowledged, but is nowhere: {:?}", proposal.change))?;
                if state.seq < seq {
                    return Err(format!(
                        "{id} is in commit {seq}, but its answer shows commit {}",
                        state.seq
                    ));
                }
                proposal.fate = Fate::Acknowledged;
                self.known = self.known.max(seq);
                if proposal.change.removes_content() {
                    self.deleted = self.deleted.max(seq);
                }
                return Ok(());
            }
            Err(ProposeError::Unknown) => return Ok(()),
            Err(ProposeError::Refused(Refusal::UploadExpired)) if proposal.fresh && !is_fenced => {
                return Err(format!("{id} was refused for its age, but its data is new"));
            }
            _ => proposal.fate = Fate::Without,
        }
        if let Some(seq) = proposal.commit {
            return Err(format!("{id} was answered {result:?}, but it is in commit {seq}"));
        }
        match result {
            Ok(Outcome { state, .. }) => {
                self.known = self.known.max(state.seq);
                self.was_true(id, |decision| matches!(decision, Decision::Unchanged))
            }
            Err(ProposeError::Refused(refusal)) => {
                self.was_true(id, |decision| matches!(decision, Decision::Refuse(r) if *r == *refusal))
            }
            _ => Ok(()),
        }
        .map_err(|violation| format!("{violation}: {result:?}"))
    }

    /// Whether the decision was right at some moment since the proposal arrived.
    fn was_true(&self, id: Id, expected: impl Fn(&Decision) -> bool) -> Result<(), Violation> {
        let proposal = &self.proposals[&id];
        let Arrival { head, known, .. } = proposal.arrival;
        let since = if self.shared { head } else { known };
        let first = self.commits.get(since as usize).map_or(0, |commit| commit.moment);
        // Time only adds to what is written: at the earliest moment there is most that need not be.
        let right = |state: &State| {
            let deciding = Deciding { policy: &AllLoose, now: state.time };
            expected(&decide(state, &proposal.change, deciding))
        };
        if self.moments[first..].iter().any(right) {
            return Ok(());
        }
        Err(format!("{id} got an answer that was true at no moment since commit {since}"))
    }
}

impl Proposed {
    /// It stands in commit `seq`, after `before`, as `ops`.
    fn is_in(
        &mut self,
        id: Id,
        seq: u64,
        now: Timestamp,
        before: &State,
        ops: &[Op],
    ) -> Result<(), Violation> {
        if let Some(earlier) = self.commit.replace(seq) {
            return Err(format!("{id} is in commit {earlier} and again in commit {seq}"));
        }
        if self.fate != Fate::Open {
            return Err(format!("{id} was answered long before commit {seq} brought it"));
        }
        if let Change::Manifest(new) = &self.change
            && new.condition.if_none_match == Some(EtagSet::Any)
            && new.tags.iter().any(|tag| before.tag(&new.repository, tag).is_some())
        {
            return Err(format!("commit {seq} moves a tag that must not move"));
        }
        match decide(before, &self.change, Deciding { policy: &AllLoose, now }) {
            Decision::Append(draft) if unplaced(&draft.ops) == unplaced(ops) => Ok(()),
            other => Err(format!("{id} is invalid at its place in commit {seq}: {other:?}")),
        }
    }
}

/// The ops of a commit, in order, those of one proposal together.
fn by_proposal(bytes: &Bytes, ops: Vec<FoldedOp>) -> Result<Vec<(Id, Vec<FoldedOp>)>, Violation> {
    #[derive(Deserialize)]
    struct Line {
        ops: Vec<Who>,
    }
    #[derive(Deserialize)]
    struct Who {
        request: String,
    }
    let line: Line = serde_json::from_slice(commit::line(bytes)).map_err(|error| error.to_string())?;
    let mut groups: Vec<(Id, Vec<FoldedOp>)> = Vec::new();
    for (op, who) in ops.into_iter().zip(line.ops) {
        let id = who.request.parse().map_err(|_| format!("request {:?} is none of ours", who.request))?;
        match groups.last_mut() {
            Some((last, of)) if *last == id => of.push(op),
            _ => groups.push((id, vec![op])),
        }
    }
    Ok(groups)
}

/// Ops without the places of what rides along, which depend on the rest of the batch.
fn unplaced(ops: &[Op]) -> Vec<Op> {
    let mut ops = ops.to_vec();
    for op in &mut ops {
        for extent in op.extents_mut() {
            if let OpExtent::Attached { attached, .. } = extent {
                attached[0] = 0;
            }
        }
    }
    ops
}
