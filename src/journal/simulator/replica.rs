//! One process: a machine and the clock it sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::clients::namespace;
use super::random::{Random, mix};
use crate::clock::{Clock, Timestamp};
use crate::journal::AllLoose;
use crate::journal::machine::{Action, Rule};
use crate::journal::machine::{Event, Machine, Mode, Rules, Setup};
use crate::journal::state::State;

pub const MAX_STALENESS: Duration = Duration::from_secs(1);
/// For how long states are read while the store does not answer, in the runs in which they may be.
pub const OUTAGE_READS: Duration = Duration::from_secs(5);
/// Where the simulation begins: some day in 2026.
const BEGINNING: i64 = 1_767_323_045_000_000;

pub struct Replica {
    pub machine: Machine,
    pub clock: Arc<SimClock>,
    /// Counts its machines: answers and timers of an earlier one do not reach this one.
    pub life: u64,
    /// Nothing reaches it before this moment.
    pub stalled_until: u64,
    /// All its requests fail before this moment.
    pub cut_until: u64,
    /// The state that was compared with the history last.
    pub compared: Option<Arc<State>>,
    setup: Setup,
}

/// The clock of one replica. Its monotonic time begins anywhere and runs up to 4 % too fast or too slow; its wall
/// clock jumps.
pub struct SimClock {
    world: Arc<AtomicU64>,
    offset: u64,
    per_mille: u64,
    wall: AtomicI64,
    draws: AtomicU64,
    seed: u64,
}

impl Replica {
    pub fn new(
        world: &Arc<AtomicU64>,
        mode: Mode,
        broken: Option<Rule>,
        outage_reads: Duration,
        random: &mut Random,
    ) -> Self {
        let clock = Arc::new(SimClock {
            world: world.clone(),
            offset: random.next() % 1_000_000_000_000,
            per_mille: 960 + random.next() % 81,
            wall: AtomicI64::new(0),
            draws: AtomicU64::new(0),
            seed: random.next(),
        });
        let setup = Setup {
            namespace: namespace(),
            store: Uuid::from_u128(1),
            mode,
            writer: clock.uuid(clock.now()),
            max_staleness: MAX_STALENESS,
            outage_reads,
            clock: clock.clone(),
            policy: Arc::new(AllLoose),
            rules: Rules { broken },
        };
        let machine = Machine::new(setup.clone());
        Self { machine, clock, life: 0, stalled_until: 0, cut_until: 0, compared: None, setup }
    }

    pub fn on(&mut self, event: Event) -> Vec<Action> {
        self.machine.on(event)
    }

    /// The process goes on, but drops what it knows of the namespace.
    pub fn forget(&mut self) {
        self.machine = Machine::new(self.setup.clone());
        self.life += 1;
    }

    /// A new process.
    pub fn restart(&mut self) {
        self.setup.writer = self.clock.uuid(self.clock.now());
        self.forget();
    }
}

impl SimClock {
    pub fn jump(&self, micros: i64) {
        self.wall.fetch_add(micros, Ordering::Relaxed);
    }

    /// The microseconds of the world until `time` has passed on this clock.
    pub fn takes(&self, time: Duration) -> u64 {
        time.as_micros() as u64 * 1_000 / self.per_mille + 2
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let world = self.world.load(Ordering::Relaxed) as i64;
        Timestamp::from_micros(BEGINNING + world + self.wall.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        let world = self.world.load(Ordering::Relaxed);
        Duration::from_micros(self.offset + world * self.per_mille / 1_000)
    }

    fn random(&self) -> u128 {
        let draw = self.draws.fetch_add(2, Ordering::Relaxed);
        let half = |n: u64| u128::from(mix(self.seed.wrapping_add(mix(n))));
        half(draw) << 64 | half(draw + 1)
    }
}
