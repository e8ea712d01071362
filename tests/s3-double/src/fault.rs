//! Which request is struck by what.

use std::time::Duration;

use crate::counts::Operation;
use crate::request::Arrived;

/// What a fault does to the requests it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It takes effect; then the connection is closed without an answer.
    LoseAnswer,
    /// The connection is closed, without effect.
    CutBefore,
    /// An error of S3, without effect.
    Fail { status: u16, code: &'static str },
    /// An error of S3, though it took effect.
    FailAfter { status: u16, code: &'static str },
    /// An answer that is not S3's, as a proxy gives, without effect.
    PlainFail { status: u16 },
    /// The connection is closed at once. The request takes effect after this time, or when
    /// [`Double::deliver`](crate::Double::deliver) is called if that comes first.
    Late { after: Duration },
    /// It begins after this time, also if its client has given up.
    Delay(Duration),
    /// No answer and no effect; the connection is held open until the double is healed, an outage ends or it stops.
    Hang,
    /// It takes effect; half of the answer's body is sent, then the connection is closed. An answer without a body is lost.
    Truncate,
    /// The answer's body comes in pieces of this many bytes, with a pause between them.
    Drip { piece: usize, pause: Duration },
    /// One bit in the middle of the answer's body is wrong.
    CorruptBody,
    /// A listing shows what was there when the fault was injected; strikes listings only.
    StaleListing,
}

/// An effect, and the requests it strikes: the n-th that matches after it was injected, or that and all later ones.
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    operation: Option<Operation>,
    key_part: Option<String>,
    matches_to_go: u64,
    persists: bool,
}

/// What happens to all requests for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// 503 `ServiceUnavailable`, without effect.
    Refuse503,
    /// The connection is closed, without effect.
    Close,
    /// No answer, without effect.
    Hang,
}

impl Fault {
    /// Strikes the `n`-th request (from 1) of all that match.
    pub fn nth(n: u64, effect: Effect) -> Self {
        Self { effect, operation: None, key_part: None, matches_to_go: n, persists: false }
    }

    /// Only requests of this operation match.
    pub fn of(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Only requests match that have this text in a key, in the prefix of a listing or in the body of a DeleteObjects.
    pub fn on(self, key_part: impl Into<String>) -> Self {
        Self { key_part: Some(key_part.into()), ..self }
    }

    /// Strikes the later ones as well, until the double is healed.
    pub fn and_all_later(self) -> Self {
        Self { persists: true, ..self }
    }

    pub(crate) fn effect(&self) -> Effect {
        self.effect
    }

    pub(crate) fn matches(&self, arrived: &Arrived) -> bool {
        let possible = self.effect != Effect::StaleListing || arrived.operation == Operation::List;
        let on_key =
            self.key_part.as_ref().is_none_or(|part| arrived.keys.iter().any(|key| key.contains(part)));
        possible && on_key && self.operation.is_none_or(|wanted| wanted == arrived.operation)
    }

    /// Counts a request that matches, and says whether it is struck.
    pub(crate) fn strikes(&mut self) -> bool {
        let arrived = self.matches_to_go <= 1;
        self.matches_to_go = self.matches_to_go.saturating_sub(1);
        arrived
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.matches_to_go == 0 && !self.persists
    }
}

impl Outage {
    pub(crate) fn effect(self) -> Effect {
        match self {
            Self::Refuse503 => Effect::Fail { status: 503, code: "ServiceUnavailable" },
            Self::Close => Effect::CutBefore,
            Self::Hang => Effect::Hang,
        }
    }
}
