//! Which call is struck by what.

use std::time::Duration;

use crate::backend::Verb;

/// What a fault does to the calls it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `Unavailable`, without effect.
    FailBefore,
    /// `Unavailable`, though it took effect.
    FailAfter,
    /// The call begins after this time (of tokio's clock, which a test may pause).
    Delay(Duration),
    /// `Unavailable` now; a create, delete or copy takes effect just before the `after`-th call from then on
    /// (`after` >= 1), or when [`Faulty::deliver`](super::Faulty::deliver) is called if that comes first.
    Late { after: u64 },
    /// `Full`, without effect; strikes creates and copies only.
    Full,
    /// `ReadOnly`, without effect; strikes creates, copies and deletes only.
    ReadOnly,
}

/// An effect, and the calls it strikes: the n-th that matches after it was injected, or that and all later ones.
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    verb: Option<Verb>,
    key_part: Option<String>,
    matches_to_go: u64,
    persists: bool,
}

/// Calls by verb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub create: u64,
    pub read: u64,
    pub list: u64,
    pub delete: u64,
    pub copy: u64,
}

impl Fault {
    /// Strikes the `n`-th call (from 1) of all that match.
    pub fn nth(n: u64, effect: Effect) -> Self {
        Self { effect, verb: None, key_part: None, matches_to_go: n, persists: false }
    }

    /// Only calls of this verb match.
    pub fn of(self, verb: Verb) -> Self {
        Self { verb: Some(verb), ..self }
    }

    /// Only calls match that have this text in a key, or in the prefix of a listing.
    pub fn on(self, key_part: impl Into<String>) -> Self {
        Self { key_part: Some(key_part.into()), ..self }
    }

    /// Strikes the later ones as well, until the backend is healed.
    pub fn and_all_later(self) -> Self {
        Self { persists: true, ..self }
    }

    fn matches(&self, verb: Verb, keys: &[&str]) -> bool {
        let possible = match self.effect {
            Effect::Full => matches!(verb, Verb::Create | Verb::Copy),
            Effect::ReadOnly => matches!(verb, Verb::Create | Verb::Copy | Verb::Delete),
            _ => true,
        };
        let on_key = self.key_part.as_ref().is_none_or(|part| keys.iter().any(|key| key.contains(part)));
        possible && on_key && self.verb.is_none_or(|wanted| wanted == verb)
    }

    /// Counts a call that matches, and says whether it is struck.
    fn strikes(&mut self) -> bool {
        let arrived = self.matches_to_go <= 1;
        self.matches_to_go = self.matches_to_go.saturating_sub(1);
        arrived
    }

    fn is_spent(&self) -> bool {
        self.matches_to_go == 0 && !self.persists
    }
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.create + self.read + self.list + self.delete + self.copy
    }

    fn add(&mut self, verb: Verb) {
        let count = match verb {
            Verb::Create => &mut self.create,
            Verb::Read => &mut self.read,
            Verb::List => &mut self.list,
            Verb::Delete => &mut self.delete,
            Verb::Copy => &mut self.copy,
        };
        *count += 1;
    }
}

#[derive(Default)]
pub(super) struct Plan {
    pub(super) faults: Vec<Fault>,
    pub(super) full: bool,
    pub(super) partitioned: bool,
    pub(super) counts: Counts,
}

impl Plan {
    /// Counts a call and decides what happens to it, if anything. Every fault counts the calls that match it, also those
    /// that another one strikes.
    pub(super) fn judge(&mut self, verb: Verb, keys: &[&str]) -> Option<Effect> {
        self.counts.add(verb);
        let mut struck = None;
        for fault in self.faults.iter_mut().filter(|fault| fault.matches(verb, keys)) {
            if fault.strikes() {
                struck = struck.or(Some(fault.effect));
            }
        }
        self.faults.retain(|fault| !fault.is_spent());
        if self.partitioned {
            return Some(Effect::FailBefore);
        }
        let is_full = self.full && matches!(verb, Verb::Create | Verb::Copy);
        if is_full { Some(Effect::Full) } else { struck }
    }
}
