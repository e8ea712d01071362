//! The simulator (JOURNAL.md section 9): a seeded scheduler runs replicas of the real machine over one store with
//! everything that can go wrong, and an observer checks every answer against the true history.
//!
//! `CHARTHOUSE_SIM_SEEDS=100000 cargo test simulator` runs more seeds, `CHARTHOUSE_SIM_SEED=42` replays one.

mod clients;
mod mutants;
mod observer;
mod random;
mod replica;
mod scripted;
mod store;
mod weather;
mod world;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use observer::Violation;
use random::Random;
use weather::Weather;
use world::World;

use super::machine::Rule;

const SEEDS: u64 = 3_000;
const STEPS: usize = 300;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

fn world(seed: u64, broken: Option<Rule>) -> World {
    let mut random = Random::new(seed);
    let weather = Weather::of(&mut random, broken);
    World::new(random, weather)
}

/// One run; its trace if nothing went wrong.
fn run(seed: u64, broken: Option<Rule>) -> Result<u64, Violation> {
    let mut world = world(seed, broken);
    world.run(STEPS)?;
    world.settle()?;
    Ok(world.trace())
}

/// The first of `seeds` with which something goes wrong, and what. Each run is single-threaded; runs share nothing.
fn first_violation(seeds: Range<u64>) -> Option<(u64, Violation)> {
    let next = AtomicU64::new(seeds.start);
    let search = || {
        let mut mine = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let seeds = mine.by_ref().take_while(|seed| *seed < seeds.end);
        seeds.filter_map(|seed| run(seed, None).err().map(|violation| (seed, violation))).next()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let searches: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        let found = searches.into_iter().filter_map(|search| search.join().expect("no panic in a run"));
        found.min_by_key(|(seed, _)| *seed)
    })
}

#[test]
fn no_interleaving_breaks_an_invariant() {
    let seeds = match setting("CHARTHOUSE_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("CHARTHOUSE_SIM_SEEDS").unwrap_or(SEEDS),
    };
    if let Some((seed, violation)) = first_violation(seeds) {
        panic!("CHARTHOUSE_SIM_SEED={seed}: {violation}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..20 {
        assert_eq!(run(seed, None), run(seed, None));
    }
}
