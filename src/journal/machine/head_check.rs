//! The head check: reading commit `head + 1` until it is not found proves that the state is current.
//!
//! Requests share a check, but only one whose last read was sent after they arrived.

use std::time::Duration;

use bytes::Bytes;

use super::{Action, Core, Id, PATIENCE, Rule, Ticket, back_off};
use crate::backend::BackendError;
use crate::journal::error::JournalError;

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
    /// Since when every read has failed.
    failing_since: Option<Duration>,
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
            Waiter::Reader(id) if self.failing_since.is_some() && core.may_read_behind() => {
                core.answer_behind(id);
            }
            _ => self.waiting.push(Waiting { waiter, arrived: core.now(), after: core.last_ticket }),
        }
    }

    /// Sends a read if somebody waits and none is in flight.
    pub fn run(&mut self, core: &mut Core) {
        if self.flight.is_none() && self.is_wanted(core) {
            self.send(core, 0);
        }
    }

    /// Readers who were answered from a state that may be behind do not wait, but the end of an outage must be seen.
    fn is_wanted(&self, core: &Core) -> bool {
        !self.is_idle() || (self.failing_since.is_some() && core.may_read_behind())
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
            self.failing_since = None;
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
                self.failing_since.get_or_insert(flight.sent);
                let ticket = core.timer(back_off(flight.failures));
                self.flight = Some(Flight { ticket, failures: flight.failures + 1, ..flight });
                Ok(self.give_up(core, &JournalError::from(&error)))
            }
        }
    }

    /// The pause after a failed read is over.
    pub fn again(&mut self, core: &mut Core) {
        let failures = self.flight.take().map_or(0, |flight| flight.failures);
        if self.is_wanted(core) {
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
    fn give_up(&mut self, core: &mut Core, error: &JournalError) -> ForWriter {
        let (now, behind) =
            (core.now(), core.may_read_behind() && matches!(error, JournalError::Unavailable(_)));
        let is_long_ago = |moment: Duration| now >= moment + PATIENCE;
        let all = self.failing_since.is_some_and(is_long_ago);
        let is_over = |waiting: &mut Waiting| {
            all || is_long_ago(waiting.arrived) || (behind && waiting.waiter != Waiter::Writer)
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
