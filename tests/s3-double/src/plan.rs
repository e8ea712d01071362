//! Decides what happens to each request that arrives.

use crate::counts::Counts;
use crate::fault::{Effect, Fault, Outage};
use crate::request::Arrived;
use crate::store::Seen;
use crate::weather::{Sky, Weather};

#[derive(Default)]
pub(crate) struct Plan {
    faults: Vec<Injected>,
    pub(crate) outage: Option<Outage>,
    sky: Option<Sky>,
    pub(crate) counts: Counts,
}

/// A fault, and what was stored when it was injected.
struct Injected {
    fault: Fault,
    seen: Seen,
}

/// What strikes a request.
pub(crate) struct Strike {
    pub(crate) effect: Effect,
    /// What a stale listing shows.
    pub(crate) seen: Seen,
}

impl Plan {
    pub(crate) fn inject(&mut self, fault: Fault, seen: Seen) {
        self.faults.push(Injected { fault, seen });
    }

    pub(crate) fn set_weather(&mut self, weather: Option<Weather>) {
        self.sky = weather.map(Sky::new);
    }

    pub(crate) fn heal(&mut self) {
        *self = Self { counts: self.counts, ..Self::default() };
    }

    /// Counts a request and decides what happens to it, if anything. Every fault counts the requests that match it, also
    /// those that something else strikes, and the weather draws for each.
    pub(crate) fn judge(&mut self, arrived: &Arrived) -> Option<Strike> {
        self.counts.add(arrived.operation);
        let mut struck = None;
        for injected in self.faults.iter_mut().filter(|injected| injected.fault.matches(arrived)) {
            if injected.fault.strikes() && struck.is_none() {
                struck = Some(Strike { effect: injected.fault.effect(), seen: injected.seen.clone() });
            }
        }
        self.faults.retain(|injected| !injected.fault.is_spent());
        let weather = self.sky.as_mut().and_then(Sky::draw).map(Strike::of);
        self.outage.map(|outage| Strike::of(outage.effect())).or(struck).or(weather)
    }
}

impl Strike {
    fn of(effect: Effect) -> Self {
        Self { effect, seen: Seen::default() }
    }
}
