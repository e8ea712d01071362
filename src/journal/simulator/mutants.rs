//! Takes one rule of the machine away at a time: the observer must see what breaks (docs/internals/journal-protocol.md#mutants).
//!
//! Rules that are none of the machine's are taken away, or shown to matter, where they are kept:
//!
//! | mutant | is caught by |
//! |---|---|
//! | same extents named again condemn them; fold trusts a reap; no fence | `journal::tests::fold::mutant_*` |
//! | a miss without head check | `registry::tests::blobs::another_replica_has_a_push_at_once` |
//! | data not found is an error at once | `registry::tests::blobs::a_reader_goes_on_in_the_bytes_of_a_new_upload` |
//! | mount names the source's data | `registry::tests::mount::across_namespaces_the_copy_does_not_need_its_source` |
//! | commit before data, in the registry | `registry::tests::faults`, `tests/durability` |
//!
//! Those of the collector and of an administrator's deletion (no linger, what a sweep lists first, a namespace
//! deleted by its objects) come with what they are about.

use super::clients::namespace;
use super::observer::Violation;
use super::random::Random;
use super::weather::Weather;
use super::world::World;
use super::{Rule, STEPS, run};
use crate::journal::keys;
use crate::journal::machine::Mode;

/// Every mutant is seen within this many seeds.
const SEEDS: u64 = 300;

/// The first seed that shows that `rule` was taken away.
fn assert_caught(rule: Rule) {
    let (seed, violation) = first_violation(|seed| run(seed, Some(rule)).map(drop));
    println!("without {rule:?}, seed {seed}: {violation}");
}

fn first_violation(run: impl Fn(u64) -> Result<(), Violation>) -> (u64, Violation) {
    let mut runs = (0..SEEDS).filter_map(|seed| run(seed).err().map(|violation| (seed, violation)));
    runs.next().expect("a seed that shows it")
}

/// Two replicas without faults, which have written something, each with what it knows on disk and nothing in memory.
fn stopped(seed: u64, broken: Option<Rule>) -> Result<World, Violation> {
    let mut random = Random::new(seed);
    let mut weather = Weather::of(&mut random, broken);
    weather.clear_up();
    (weather.mode, weather.replicas) = (Mode::Shared, 2);
    let mut world = World::new(random, weather);
    world.run(STEPS / 2)?;
    world.settle()?;
    world.write_checkpoint(0);
    world.crash(0)?;
    world.crash(1)?;
    Ok(world)
}

#[test]
fn mutant_nonce_not_compared_and_taken_for_success_is_caught() {
    assert_caught(Rule::NonceIsCompared);
}

#[test]
fn mutant_nonce_not_compared_and_taken_for_a_loss_is_caught() {
    assert_caught(Rule::OwnCommitIsSuccess);
}

#[test]
fn mutant_loser_does_not_validate_again_is_caught() {
    assert_caught(Rule::LoserValidatesAgain);
}

#[test]
fn mutant_batch_sent_at_the_head_at_send_time_is_caught() {
    assert_caught(Rule::NumberOfTheSnapshot);
}

#[test]
fn mutant_commit_folded_twice_is_caught() {
    assert_caught(Rule::FoldedOnce);
}

#[test]
fn mutant_tag_read_without_head_check_is_caught() {
    assert_caught(Rule::ReadAfterCheck);
}

#[test]
fn mutant_sharing_a_check_begun_before_is_caught() {
    assert_caught(Rule::CheckBeganAfter);
}

#[test]
fn mutant_refusal_or_nothing_changed_without_head_check_is_caught() {
    assert_caught(Rule::RefusedAfterCheck);
}

#[test]
fn mutant_check_stops_at_the_first_commit_it_finds_is_caught() {
    assert_caught(Rule::CheckGoesOn);
}

#[test]
fn mutant_next_number_sent_while_one_is_unknown_is_caught() {
    assert_caught(Rule::UnknownIsSettledFirst);
}

#[test]
fn mutant_digest_reads_of_any_staleness_is_caught() {
    assert_caught(Rule::StalenessIsBounded);
}

#[test]
fn mutant_delete_answered_at_its_commit_is_caught() {
    assert_caught(Rule::DeletionIsAnsweredLate);
}

#[test]
fn mutant_condemned_object_may_be_named_is_caught() {
    assert_caught(Rule::CondemnedIsNotNamed);
}

#[test]
fn mutant_commit_before_data_is_caught() {
    assert_caught(Rule::DataBeforeCommit);
}

#[test]
fn mutant_data_named_by_digest_is_caught() {
    assert_caught(Rule::DataHasFreshName);
}

/// The newest commits are gone, as after a restore of an older copy, but a checkpoint of them is still there.
fn run_with_a_shortened_journal(seed: u64, broken: Option<Rule>) -> Result<(), Violation> {
    let mut world = stopped(seed, broken)?;
    let head = world.observer.head();
    let kept = head.saturating_sub(1 + world.random.below(3) as u64).max(1);
    if head <= kept {
        return Ok(());
    }
    (kept + 1..=head).for_each(|seq| world.store.remove(&keys::commit(&namespace(), seq)));
    world.observer.lost_after(kept);
    world.forgive();
    match world.run(STEPS / 2).and_then(|()| world.settle()) {
        // The namespace is refused: nobody uses the numbers again.
        Err(violation) if violation.contains("the store has lost commit") => Ok(()),
        Err(violation) => Err(violation),
        Ok(()) => Err("nobody was told of the loss".to_owned()),
    }
}

#[test]
fn mutant_checkpoint_not_compared_with_its_commit_is_caught() {
    for seed in 0..SEEDS {
        assert_eq!(run_with_a_shortened_journal(seed, None), Ok(()), "seed {seed}");
    }
    let rule = Rule::CheckpointIsCompared;
    let (seed, violation) = first_violation(|seed| run_with_a_shortened_journal(seed, Some(rule)));
    println!("without {rule:?}, seed {seed}: {violation}");
}

/// The store has lost a commit that is not the newest; what happens then, if the journal has three at least.
fn violation_with_a_gap(seed: u64, broken: Option<Rule>) -> Option<Violation> {
    let mut world = stopped(seed, broken).expect("no violation before the loss");
    let head = world.observer.head();
    if head < 3 {
        return None;
    }
    let lost = 2 + world.random.below(head as usize - 2) as u64;
    world.store.remove(&keys::commit(&namespace(), lost));
    world.store.remove(&keys::checkpoint(&namespace(), head));
    Some(world.run(STEPS / 2).and_then(|()| world.settle()).expect_err("a violation"))
}

#[test]
fn mutant_gap_taken_for_the_head_is_caught() {
    for violation in (0..SEEDS).filter_map(|seed| violation_with_a_gap(seed, None)) {
        assert!(violation.contains("the store has lost commit"), "{violation}");
    }
    let forked = |violation: Violation| violation.contains("has two bodies");
    let mut mutants = (0..SEEDS).filter_map(|seed| violation_with_a_gap(seed, Some(Rule::GapIsNoHead)));
    assert!(mutants.any(forked), "no history forks");
}

#[test]
fn store_that_looks_and_then_writes_is_caught() {
    let (seed, violation) = first_violation(|seed| {
        let mut random = Random::new(seed);
        let mut weather = Weather::of(&mut random, None);
        weather.clear_up();
        (weather.mode, weather.replicas, weather.looks_then_writes) = (Mode::Shared, 3, true);
        World::new(random, weather).run(STEPS)
    });
    assert!(violation.contains("has two bodies"), "seed {seed}: {violation}");
}
