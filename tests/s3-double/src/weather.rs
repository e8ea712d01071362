//! Seeded random faults for long tests.

use std::time::Duration;

use crate::fault::Effect;

/// Each request is struck with probability 1 / `one_in`: by a lost answer, a cut, an error before or after its effect, a
/// `SlowDown`, a delivery that is late by up to 300 ms, a delay of up to 50 ms or a truncated answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    pub seed: u64,
    pub one_in: u64,
}

/// Weather on its way through its random numbers.
pub(crate) struct Sky {
    one_in: u64,
    random: Random,
}

impl Sky {
    pub(crate) fn new(weather: Weather) -> Self {
        Self { one_in: weather.one_in, random: Random(weather.seed) }
    }

    /// What strikes the next request, if anything.
    pub(crate) fn draw(&mut self) -> Option<Effect> {
        if self.random.between(1, self.one_in) != 1 {
            return None;
        }
        Some(match self.random.between(1, 8) {
            1 => Effect::LoseAnswer,
            2 => Effect::CutBefore,
            3 => Effect::Fail { status: 500, code: "InternalError" },
            4 => Effect::FailAfter { status: 500, code: "InternalError" },
            5 => Effect::Fail { status: 503, code: "SlowDown" },
            6 => Effect::Late { after: Duration::from_millis(self.random.between(50, 300)) },
            7 => Effect::Delay(Duration::from_millis(self.random.between(1, 50))),
            _ => Effect::Truncate,
        })
    }
}

/// SplitMix64: a counter in steps of the golden ratio, its bits well mixed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Both ends included.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most.max(least) - least + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(seed: u64, one_in: u64, requests: usize) -> Vec<Option<Effect>> {
        let mut sky = Sky::new(Weather { seed, one_in });
        (0..requests).map(|_| sky.draw()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_weather() {
        assert_eq!(effects(7, 3, 500), effects(7, 3, 500));
        assert_ne!(effects(7, 3, 500), effects(8, 3, 500));
    }

    #[test]
    fn one_in_so_many_is_struck() {
        let struck = effects(1, 10, 10_000).iter().flatten().count();
        assert!((900..1100).contains(&struck), "{struck}");
        assert!(effects(1, 1, 100).iter().all(Option::is_some));
    }

    #[test]
    fn every_kind_comes_and_times_are_bounded() {
        let effects: Vec<_> = effects(2, 1, 2_000).into_iter().flatten().collect();
        let kinds: std::collections::HashSet<_> = effects.iter().map(std::mem::discriminant).collect();
        // InternalError and SlowDown are of one kind.
        assert_eq!(kinds.len(), 7);
        assert!(effects.contains(&Effect::Fail { status: 503, code: "SlowDown" }));
        for effect in effects {
            match effect {
                Effect::Late { after } => assert!((50..=300).contains(&after.as_millis()), "{after:?}"),
                Effect::Delay(time) => assert!((1..=50).contains(&time.as_millis()), "{time:?}"),
                _ => {}
            }
        }
    }
}
