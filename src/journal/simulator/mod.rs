//! The simulator (docs/internals/journal-protocol.md#the-simulator): a seeded scheduler runs replicas of the real machine over one store with
//! everything that can go wrong, and an observer checks every answer against the true history.
//!
//! `CHARTHOUSE_SIM_SEEDS=100000 cargo test simulator` runs more seeds, `CHARTHOUSE_SIM_SEED=42` replays one.

mod clients;
mod collector;
mod fold_mutants;
mod mutants;
mod observer;
#[cfg(feature = "s3")]
mod over_s3;
mod promises;
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

/// The seeds to run: `most` unless the environment says otherwise under `name`, or names a single one.
fn seeds(name: &str, most: u64) -> Range<u64> {
    match setting("CHARTHOUSE_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting(name).unwrap_or(most),
    }
}

fn world(seed: u64, broken: Option<Rule>, change: impl FnOnce(&mut Weather)) -> World {
    let mut random = Random::new(seed);
    let mut weather = Weather::of(&mut random, broken);
    change(&mut weather);
    World::new(random, weather)
}

/// One run; its trace if nothing went wrong.
fn run(seed: u64, broken: Option<Rule>) -> Result<u64, Violation> {
    let mut world = world(seed, broken, |_| ());
    world.run(STEPS)?;
    world.settle()?;
    Ok(world.trace())
}

/// The first of `seeds` with which something goes wrong, and what. Each run is single-threaded; runs share nothing.
fn first_violation(
    seeds: Range<u64>,
    threads: usize,
    run: impl Fn(u64) -> Result<u64, Violation> + Sync,
) -> Option<(u64, Violation)> {
    let (next, end) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end));
    let search = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end.load(Ordering::Relaxed) {
                return None;
            }
            if let Err(violation) = run(seed) {
                // Those before it are under way.
                end.fetch_min(seed, Ordering::Relaxed);
                return Some((seed, violation));
            }
        }
    };
    std::thread::scope(|scope| {
        let searches: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        let found = searches.into_iter().filter_map(|search| search.join().expect("no panic in a run"));
        found.min_by_key(|(seed, _)| *seed)
    })
}

#[test]
fn no_interleaving_breaks_an_invariant() {
    let seeds = seeds("CHARTHOUSE_SIM_SEEDS", SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if let Some((seed, violation)) = first_violation(seeds, threads, |seed| run(seed, None)) {
        panic!("CHARTHOUSE_SIM_SEED={seed}: {violation}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..20 {
        assert_eq!(run(seed, None), run(seed, None));
    }
}
