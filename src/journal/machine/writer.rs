//! The writer of a namespace: validates what waits, appends it together as one commit, answers (docs/internals/journal-protocol.md#writing).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Action, Core, Id, Mode, Outcome, PATIENCE, Rule, Ticket, back_off};
use crate::backend::{BackendError, Create};
use crate::clock::Timestamp;
use crate::journal::commit::{self, Commit, Head, Member};
use crate::journal::decide::{Deciding, decide};
use crate::journal::error::{JournalError, ProposeError};
use crate::journal::fold::At;
use crate::journal::proposal::{Decision, Proposal, Refusal};
use crate::journal::state::State;

/// Proposals that may wait; one more is told to come again.
const MAX_QUEUE: usize = 1_024;
const MAX_BATCH: usize = 64;
/// Line and attachments of a batch, in bytes; a larger proposal goes alone.
const MAX_BATCH_BYTES: usize = 1 << 20;
const MAX_LINE: usize = 1 << 20;
/// Where several came together, they come together again: the next round waits for as many, but no longer than this.
/// Alone, nobody waits. On a store that is fast, every commit saved is most of the CPU of a push.
const GATHERING: Duration = Duration::from_millis(1);

pub struct Waiting {
    pub id: Id,
    pub proposal: Proposal,
    pub arrived: Duration,
}

#[derive(Default)]
pub struct Writer {
    queue: VecDeque<Waiting>,
    phase: Phase,
}

#[derive(Default)]
enum Phase {
    #[default]
    Idle,
    /// The last round had `expected` members: their next proposals are on the way.
    Gathering { expected: usize, ticket: Ticket },
    /// A commit was sent, is read back because its number was taken, or waits to be sent again.
    Appending(Append),
    /// Two numbers were lost in a row: read until one is free.
    Chasing { round: Vec<Waiting>, ticket: Ticket, seq: u64, failures: u32 },
    /// Nothing was accepted: the answers wait for a head check.
    Confirming { round: Vec<(Waiting, Verdict)>, snapshot: Arc<State>, asked: bool },
}

struct Append {
    members: Vec<(Waiting, Verdict)>,
    /// What the members were validated against; the commit gets the next number.
    snapshot: Arc<State>,
    nonce: String,
    body: Vec<Bytes>,
    ticket: Ticket,
    /// When it was first and last sent: the snapshot was current when the attempt that succeeded was sent.
    first_sent: Duration,
    sent: Duration,
    failures: u32,
    /// How many numbers this round has lost to others.
    losses: u32,
    /// Whether an earlier attempt may have had an effect.
    uncertain: bool,
}

/// What comes of a member if the commit of its round succeeds.
enum Verdict {
    Accepted,
    Unchanged,
    Refused(Refusal),
}

impl Writer {
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle) && self.queue.is_empty()
    }

    pub fn enqueue(&mut self, core: &mut Core, waiting: Waiting) {
        if self.queue.len() < MAX_QUEUE {
            self.queue.push_back(waiting);
        } else {
            core.act(Action::Answer { id: waiting.id, result: Err(ProposeError::Busy) });
        }
        if matches!(self.phase, Phase::Gathering { expected, .. } if expected <= self.queue.len()) {
            self.phase = Phase::Idle;
        }
    }

    /// Starts a round with what waits, if none is under way.
    pub fn run(&mut self, core: &mut Core) -> Result<(), JournalError> {
        while matches!(self.phase, Phase::Idle) && !self.queue.is_empty() {
            let round = self.take_round();
            self.start(core, round, core.state.clone(), 0)?;
        }
        Ok(())
    }

    /// Whether the writer waits for a head check that nobody was asked for yet.
    pub fn asks_for_check(&mut self) -> bool {
        match &mut self.phase {
            Phase::Confirming { asked, .. } => !std::mem::replace(asked, true),
            _ => false,
        }
    }

    /// The answer of a create.
    pub fn created(
        &mut self,
        core: &mut Core,
        ticket: Ticket,
        result: Result<Create, BackendError>,
    ) -> Result<(), JournalError> {
        let Some(append) = self.append_of(ticket) else { return Ok(()) };
        let sent = append.sent;
        match result {
            Ok(Create::Created) => self.succeeded(core, sent),
            Ok(Create::AlreadyExists) if !core.setup.rules.hold(Rule::NonceIsCompared) => {
                self.succeeded(core, sent)
            }
            Ok(Create::AlreadyExists) => {
                append.ticket = core.read_commit(append.snapshot.seq + 1);
                Ok(())
            }
            Err(error) if error.is_definite() && !append.uncertain => {
                self.answer_all(core, &ProposeError::Journal(JournalError::from(&error)));
                Ok(())
            }
            Err(_) if !core.setup.rules.hold(Rule::UnknownIsSettledFirst) => self.succeeded(core, sent),
            Err(_) => {
                self.repeat_or_give_up(core);
                Ok(())
            }
        }
    }

    /// The answer of a read: the commit that took our number, or the next one of a chase.
    pub fn read(
        &mut self,
        core: &mut Core,
        ticket: Ticket,
        result: Result<Bytes, BackendError>,
    ) -> Result<(), JournalError> {
        if self.append_of(ticket).is_some() {
            return self.read_back(core, result);
        }
        if matches!(&self.phase, Phase::Chasing { ticket: chased, .. } if *chased == ticket) {
            return self.chase(core, result);
        }
        Ok(())
    }

    /// A pause is over: that before a repetition, or that in which a round gathers.
    pub fn again(&mut self, core: &mut Core, ticket: Ticket) -> Result<(), JournalError> {
        if matches!(self.phase, Phase::Gathering { ticket: gathering, .. } if gathering == ticket) {
            self.phase = Phase::Idle;
            return Ok(());
        }
        if let Phase::Chasing { ticket: paused, seq, .. } = &mut self.phase
            && *paused == ticket
        {
            *paused = core.read_commit(*seq);
            return Ok(());
        }
        let Some(append) = self.append_of(ticket) else { return Ok(()) };
        if !core.setup.rules.hold(Rule::NumberOfTheSnapshot) {
            let (snapshot, losses) = (append.snapshot.clone(), append.losses);
            let round = self.take_members();
            return self.start(core, round, snapshot, losses);
        }
        append.sent = core.now();
        append.ticket = core.create_commit(append.snapshot.seq + 1, append.body.clone());
        Ok(())
    }

    /// A head check that began after the refused proposals arrived is done.
    pub fn confirmed(&mut self, core: &mut Core) -> Result<(), JournalError> {
        match std::mem::take(&mut self.phase) {
            // The check found commits: what was refused may be right by now.
            Phase::Confirming { round, snapshot, .. } if snapshot.seq != core.state.seq => {
                let round = round.into_iter().map(|(waiting, _)| waiting).collect();
                self.start(core, round, core.state.clone(), 0)
            }
            // Not decided again: by now it is later, and what need not be written then may have to be written now.
            Phase::Confirming { round, .. } => {
                self.answer(core, round);
                Ok(())
            }
            other => {
                self.phase = other;
                Ok(())
            }
        }
    }

    /// No head check came about in time: what would be refused may be right elsewhere.
    pub fn unconfirmed(&mut self, core: &mut Core, error: JournalError) {
        if matches!(self.phase, Phase::Confirming { .. }) {
            self.answer_all(core, &ProposeError::Journal(error));
        }
    }

    /// Everybody who waits; the writer is idle then.
    pub fn take_all(&mut self) -> Vec<Id> {
        let round = self.take_members();
        round.into_iter().chain(self.queue.drain(..)).map(|waiting| waiting.id).collect()
    }

    fn take_round(&mut self) -> Vec<Waiting> {
        let mut round: Vec<Waiting> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.queue.front() {
            bytes += next.proposal.change.weight();
            if !round.is_empty() && (round.len() == MAX_BATCH || bytes > MAX_BATCH_BYTES) {
                break;
            }
            round.extend(self.queue.pop_front());
        }
        round
    }

    /// Validates a round against `snapshot` and sends what was accepted to the number after the head.
    fn start(
        &mut self,
        core: &mut Core,
        round: Vec<Waiting>,
        snapshot: Arc<State>,
        losses: u32,
    ) -> Result<(), JournalError> {
        let time = time_of_next(core).max(snapshot.time);
        let Validated { verdicts, accepted } = validate(core, &snapshot, &round, time);
        if accepted.is_empty() {
            return self.nothing_accepted(core, round, verdicts);
        }
        let snapshot = core.state.clone();
        let head = Head {
            seq: snapshot.seq + 1,
            prev: snapshot.link.to_string(),
            time: time.max(snapshot.time),
            writer: core.setup.writer,
            nonce: format!("{:032x}", core.setup.clock.random()),
        };
        let body =
            commit::encode(&head, accepted).map_err(|error| JournalError::Broken(error.to_string()))?;
        if body.first().is_some_and(|line| line.len() > MAX_LINE) {
            return self.start_smaller(core, round);
        }
        let sent = core.now();
        let ticket = core.create_commit(head.seq, body.clone());
        self.phase = Phase::Appending(Append {
            members: round.into_iter().zip(verdicts).collect(),
            snapshot,
            nonce: head.nonce,
            body,
            ticket,
            first_sent: sent,
            sent,
            failures: 0,
            losses,
            uncertain: false,
        });
        Ok(())
    }

    fn nothing_accepted(
        &mut self,
        core: &mut Core,
        round: Vec<Waiting>,
        verdicts: Vec<Verdict>,
    ) -> Result<(), JournalError> {
        let round: Vec<(Waiting, Verdict)> = round.into_iter().zip(verdicts).collect();
        if core.setup.mode == Mode::Single || !core.setup.rules.hold(Rule::RefusedAfterCheck) {
            self.answer(core, round);
        } else {
            self.phase = Phase::Confirming { round, snapshot: core.state.clone(), asked: false };
        }
        Ok(())
    }

    /// Several that are too large for one line go one by one; alone, a proposal has the whole line.
    fn start_smaller(&mut self, core: &mut Core, mut round: Vec<Waiting>) -> Result<(), JournalError> {
        let rest = round.split_off(1);
        if rest.is_empty() {
            let refused = round.into_iter().map(|waiting| (waiting, Verdict::Refused(Refusal::TooLarge)));
            self.answer(core, refused.collect());
            return Ok(());
        }
        rest.into_iter().rev().for_each(|waiting| self.queue.push_front(waiting));
        self.start(core, round, core.state.clone(), 0)
    }

    /// The commit is in the journal under its number, by an attempt that was not sent before `sent`.
    fn succeeded(&mut self, core: &mut Core, sent: Duration) -> Result<(), JournalError> {
        let Phase::Appending(append) = std::mem::take(&mut self.phase) else { return Ok(()) };
        core.advance(append.snapshot.seq + 1, &append.body.concat().into())?;
        core.confirm(sent);
        let expected = append.members.len();
        self.answer(core, append.members);
        if expected > 1 && self.queue.len() < expected {
            self.phase = Phase::Gathering { expected, ticket: core.timer(GATHERING) };
        }
        Ok(())
    }

    /// The number was taken, by whom the nonce tells.
    fn read_back(
        &mut self,
        core: &mut Core,
        result: Result<Bytes, BackendError>,
    ) -> Result<(), JournalError> {
        let Ok(bytes) = result else {
            self.repeat_or_give_up(core);
            return Ok(());
        };
        let Phase::Appending(append) = &mut self.phase else { return Ok(()) };
        let theirs = Commit::read(&bytes).map_err(|error| JournalError::Broken(error.to_string()))?;
        if theirs.nonce == append.nonce && core.setup.rules.hold(Rule::OwnCommitIsSuccess) {
            // Any of the attempts may have been it, and others may have gone on from there since.
            let sent = append.first_sent;
            return self.succeeded(core, sent);
        }
        if core.setup.mode == Mode::Single && theirs.writer != core.setup.writer {
            return Err(JournalError::Foreign(theirs.writer));
        }
        let (seq, losses) = (append.snapshot.seq + 1, append.losses + 1);
        let validated_against = append.snapshot.clone();
        core.advance(seq, &bytes)?;
        let round = self.take_members();
        if losses >= 2 {
            let seq = core.state.seq + 1;
            let ticket = core.read_commit(seq);
            self.phase = Phase::Chasing { round, ticket, seq, failures: 0 };
            return Ok(());
        }
        let again = core.setup.rules.hold(Rule::LoserValidatesAgain);
        let snapshot = if again { core.state.clone() } else { validated_against };
        self.start(core, round, snapshot, losses)
    }

    fn chase(&mut self, core: &mut Core, result: Result<Bytes, BackendError>) -> Result<(), JournalError> {
        let Phase::Chasing { ticket, seq, failures, round } = &mut self.phase else { return Ok(()) };
        match result {
            Ok(bytes) => {
                core.advance(*seq, &bytes)?;
                *seq = core.state.seq + 1;
                *ticket = core.read_commit(*seq);
                Ok(())
            }
            Err(BackendError::NotFound(_)) => {
                let round = std::mem::take(round);
                self.phase = Phase::Idle;
                self.start(core, round, core.state.clone(), 0)
            }
            Err(error) => {
                *failures += 1;
                let first_arrival = round.iter().map(|waiting| waiting.arrived).min().unwrap_or_default();
                if core.now() >= first_arrival + PATIENCE {
                    self.answer_all(core, &ProposeError::Journal(JournalError::from(&error)));
                } else {
                    *ticket = core.timer(back_off(*failures));
                }
                Ok(())
            }
        }
    }

    /// Whether the commit took effect is unknown: the same bytes are sent again until it is known.
    fn repeat_or_give_up(&mut self, core: &mut Core) {
        let Phase::Appending(append) = &mut self.phase else { return };
        append.uncertain = true;
        append.failures += 1;
        if core.now() >= append.first_sent + PATIENCE {
            // The state stays: it is a true prefix. A late arrival finds its number taken, or lands valid.
            self.answer_all(core, &ProposeError::Unknown);
        } else {
            append.ticket = core.timer(back_off(append.failures));
        }
    }

    fn answer(&mut self, core: &mut Core, members: Vec<(Waiting, Verdict)>) {
        let mut deleted = Vec::new();
        for (waiting, verdict) in members {
            let changed = matches!(verdict, Verdict::Accepted);
            if let Verdict::Refused(refusal) = verdict {
                core.act(Action::Answer { id: waiting.id, result: Err(refusal.into()) });
            } else if changed && waiting.proposal.change.removes_content() && core.delays_deletions() {
                deleted.push(waiting.id);
            } else {
                let outcome = Outcome { state: core.state.clone(), changed };
                core.act(Action::Answer { id: waiting.id, result: Ok(outcome) });
            }
        }
        if !deleted.is_empty() {
            core.answer_later(deleted);
        }
    }

    fn answer_all(&mut self, core: &mut Core, error: &ProposeError) {
        for waiting in self.take_members() {
            core.act(Action::Answer { id: waiting.id, result: Err(error.clone()) });
        }
    }

    /// The members of the round under way; the writer is idle then.
    fn take_members(&mut self) -> Vec<Waiting> {
        match std::mem::take(&mut self.phase) {
            Phase::Idle | Phase::Gathering { .. } => Vec::new(),
            Phase::Appending(Append { members, .. }) | Phase::Confirming { round: members, .. } => {
                members.into_iter().map(|(waiting, _)| waiting).collect()
            }
            Phase::Chasing { round, .. } => round,
        }
    }

    fn append_of(&mut self, ticket: Ticket) -> Option<&mut Append> {
        match &mut self.phase {
            Phase::Appending(append) if append.ticket == ticket => Some(append),
            _ => None,
        }
    }
}

/// The time of the next commit: it never goes back.
fn time_of_next(core: &Core) -> Timestamp {
    core.state.time.max(core.setup.clock.now())
}

struct Validated {
    verdicts: Vec<Verdict>,
    accepted: Vec<Member>,
}

/// Decides on each proposal against the state with the accepted ones before it.
fn validate(core: &Core, snapshot: &State, round: &[Waiting], time: Timestamp) -> Validated {
    let mut speculation = snapshot.clone();
    if !core.setup.rules.hold(Rule::CondemnedIsNotNamed) {
        (speculation.condemned, speculation.purged) = Default::default();
    }
    let deciding = Deciding { policy: &*core.setup.policy, now: time };
    let mut accepted = Vec::new();
    let mut verdict = |proposal: &Proposal| match decide(&speculation, &proposal.change, deciding) {
        Decision::Unchanged => Verdict::Unchanged,
        Decision::Refuse(refusal) => Verdict::Refused(refusal),
        Decision::Append(draft) => {
            let (by, call) = (proposal.actor.by.clone(), proposal.actor.call);
            let at = At { seq: snapshot.seq + 1, time, attachments: 0, by, call };
            draft.ops.iter().for_each(|op| speculation.apply(op, &at));
            accepted.push(Member { draft, actor: proposal.actor.clone() });
            Verdict::Accepted
        }
    };
    let verdicts = round.iter().map(|waiting| verdict(&waiting.proposal)).collect();
    Validated { verdicts, accepted }
}
