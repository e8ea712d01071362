//! The head check: reading commit `head + 1` until it is not found proves that the state is current.
//!
//! Requests share a check, but only one whose last read was sent after they arrived.

use std::time::Duration;

use bytes::Bytes;

use super::{Action, Core, Id, PATIENCE, Rule, Ticket, back_off};
use crate::backend::BackendError;
use crate::journal::error::JournalError;

/// For how long after a failed read the store counts as not answering: longer than the next one takes to fail.
const REMEMBERED: Duration = Duration::from_secs(12);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    Reader(Id),
    /// The writer, which has refusals to answer.
    Writer,
}

/// What an answer of the store means for the writer.
pub enum ForWriter {
    Nothing,
    /// It may answer now.
    Confirmed,
    /// The store has not answered for as long as a request waits.
    Unconfirmed(JournalError),
}

#[derive(Default)]
pub struct HeadCheck {
    waiting: Vec<Waiting>,
    flight: Option<Flight>,
    outage: Option<Outage>,
}

/// The store does not answer.
struct Outage {
    since: Duration,
    last_failure: Duration,
    error: JournalError,
    /// Whether somebody has asked since the last failure. Nobody waits, but the end of the outage must be seen.
    asked: bool,
}

struct Waiting {
    waiter: Waiter,
    arrived: Duration,
    /// The newest ticket when it arrived: reads with a later one were sent after that.
    after: Ticket,
}

/// The read in flight, or the pause before it is sent again.
struct Flight {
    ticket: Ticket,
    seq: u64,
    sent: Duration,
    failures: u32,
}

impl HeadCheck {
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn is_waiting_for(&self, ticket: Ticket) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.ticket == ticket)
    }

    pub fn want(&mut self, core: &mut Core, waiter: Waiter) {
        match waiter {
            Waiter::Reader(id) if self.answer_in_outage(core, id) => {}
            _ => self.waiting.push(Waiting { waiter, arrived: core.now(), after: core.last_ticket }),
        }
    }

    /// While the store is known not to answer nobody waits to find out: readers get the state as it was, if they may, and
    /// after a while an error.
    fn answer_in_outage(&mut self, core: &mut Core, id: Id) -> bool {
        let now = core.now();
        let Some(outage) = self.outage.as_mut().filter(|outage| now < outage.last_failure + REMEMBERED)
        else {
            return false;
        };
        if core.may_read_behind(&outage.error) {
            core.answer_behind(id);
        } else if now >= outage.since + PATIENCE {
            core.act(Action::Confirmed { id, result: Err(outage.error.clone()), fresh: true });
        } else {
            return false;
        }
        outage.asked = true;
        true
    }

    /// Sends a read if it is wanted and none is in flight.
    pub fn run(&mut self, core: &mut Core) {
        if self.flight.is_none() && self.is_wanted() {
            self.send(core, 0);
        }
    }

    fn is_wanted(&self) -> bool {
        !self.is_idle() || self.outage.as_ref().is_some_and(|outage| outage.asked)
    }

    fn send(&mut self, core: &mut Core, failures: u32) {
        let (seq, sent) = (core.state.seq + 1, core.now());
        let ticket = core.read_commit(seq);
        self.flight = Some(Flight { ticket, seq, sent, failures });
    }

    /// The answer of the read in flight.
    pub fn read(
        &mut self,
        core: &mut Core,
        result: Result<Bytes, BackendError>,
    ) -> Result<ForWriter, JournalError> {
        let Some(flight) = self.flight.take() else { return Ok(ForWriter::Nothing) };
        if matches!(result, Ok(_) | Err(BackendError::NotFound(_))) {
            self.outage = None;
        }
        match result {
            Err(BackendError::NotFound(_)) => {
                core.confirm(flight.sent);
                Ok(self.answer(core, flight.ticket))
            }
            Ok(bytes) => {
                core.advance(flight.seq, &bytes)?;
                if !core.setup.rules.hold(Rule::CheckGoesOn) {
                    return Ok(self.answer(core, flight.ticket));
                }
                self.send(core, 0);
                Ok(ForWriter::Nothing)
            }
            Err(error) => {
                let ticket = core.timer(back_off(flight.failures));
                self.flight = Some(Flight { ticket, failures: flight.failures + 1, ..flight });
                Ok(self.failed(core, flight.sent, JournalError::from(&error)))
            }
        }
    }

    fn failed(&mut self, core: &mut Core, sent: Duration, error: JournalError) -> ForWriter {
        let last_failure = core.now();
        let known = self.outage.take().filter(|outage| sent < outage.last_failure + REMEMBERED);
        let since = known.map_or(sent, |outage| outage.since);
        self.outage = Some(Outage { since, last_failure, error: error.clone(), asked: false });
        self.give_up(core, since, &error)
    }

    /// The pause after a failed read is over.
    pub fn again(&mut self, core: &mut Core) {
        let failures = self.flight.take().map_or(0, |flight| flight.failures);
        if self.is_wanted() {
            self.send(core, failures);
        }
    }

    /// Answers whoever came before the read `ticket` was sent.
    pub fn answer(&mut self, core: &mut Core, ticket: Ticket) -> ForWriter {
        let shared = core.setup.rules.hold(Rule::CheckBeganAfter);
        let mut writer = ForWriter::Nothing;
        for waiting in self.waiting.extract_if(.., |waiting| waiting.after < ticket || !shared) {
            match waiting.waiter {
                Waiter::Reader(id) => core.answer_reader(id, true),
                Waiter::Writer => writer = ForWriter::Confirmed,
            }
        }
        writer
    }

    /// Whoever has waited long enough is told; when the store has been silent for that long already, all are. Readers get
    /// the state as it was, if they may.
    fn give_up(&mut self, core: &mut Core, since: Duration, error: &JournalError) -> ForWriter {
        let (now, behind) = (core.now(), core.may_read_behind(error));
        let is_long_ago = |moment: Duration| now >= moment + PATIENCE;
        let is_over = |waiting: &mut Waiting| {
            is_long_ago(since) || is_long_ago(waiting.arrived) || (behind && waiting.waiter != Waiter::Writer)
        };
        let mut writer = ForWriter::Nothing;
        for waiting in self.waiting.extract_if(.., is_over) {
            match waiting.waiter {
                Waiter::Reader(id) if behind => core.answer_behind(id),
                Waiter::Reader(id) => {
                    core.act(Action::Confirmed { id, result: Err(error.clone()), fresh: true });
                }
                Waiter::Writer => writer = ForWriter::Unconfirmed(error.clone()),
            }
        }
        writer
    }

    pub fn take_readers(&mut self) -> Vec<Id> {
        let reader = |waiting: Waiting| match waiting.waiter {
            Waiter::Reader(id) => Some(id),
            Waiter::Writer => None,
        };
        self.waiting.drain(..).filter_map(reader).collect()
    }
}
