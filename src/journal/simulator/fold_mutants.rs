//! Takes one rule of the fold, of the decisions or of the collector away at a time: the observer must see what breaks
//! (docs/internals/journal-protocol.md#mutants).

use super::random::Random;
use super::weather::Weather;
use super::world::World;
use super::{STEPS, Violation};
use crate::journal::fold::rules::{FoldRule, without};

/// Every mutant is seen within this many seeds.
const SEEDS: u64 = 1_500;

/// A run in which much is deleted, collected and restored, and time passes.
fn run(seed: u64) -> Result<(), Violation> {
    let mut random = Random::new(seed);
    let mut weather = Weather::of(&mut random, None);
    (weather.collect, weather.quiet, weather.sweep, weather.jump) = (250, 120, 80, 0);
    (weather.repeats, weather.two_rules, weather.removals) = (100, seed.is_multiple_of(2), 300);
    let mut world = World::new(random, weather);
    world.run(2 * STEPS)?;
    world.settle()
}

fn assert_caught(rule: FoldRule) {
    let caught = without(rule, || (0..SEEDS).find_map(|seed| Some((seed, run(seed).err()?))));
    let (seed, violation) = caught.expect("a seed that shows it");
    println!("without {rule:?}, seed {seed}: {violation}");
    // It is the rule that was missing.
    assert_eq!(run(seed), Ok(()), "seed {seed}");
}

#[test]
fn mutant_what_can_be_restored_is_reaped_is_caught() {
    assert_caught(FoldRule::RetainedIsNotReaped);
}

#[test]
fn mutant_data_of_what_can_be_restored_is_condemned_is_caught() {
    assert_caught(FoldRule::RetainedDataIsCounted);
}

#[test]
fn mutant_referrers_go_as_soon_as_their_subject_is_caught() {
    assert_caught(FoldRule::SubjectKeepsReferrers);
}

#[test]
fn mutant_fold_trusts_a_reap_is_caught() {
    assert_caught(FoldRule::ReapIsCheckedAgain);
}

#[test]
fn mutant_reap_of_undo_entries_without_their_deletion_is_caught() {
    assert_caught(FoldRule::UndoReapNamesItsDeletion);
}

#[test]
fn mutant_push_leaves_the_undo_entry_is_caught() {
    assert_caught(FoldRule::PushTakesUndoOut);
}

#[test]
fn mutant_restore_is_not_checked_at_its_place_is_caught() {
    assert_caught(FoldRule::RestoreIsCheckedAgain);
}

#[test]
fn mutant_restore_without_children_and_blobs_is_caught() {
    assert_caught(FoldRule::RestoreIsComplete);
}

#[test]
fn mutant_restore_moves_a_tag_is_caught() {
    assert_caught(FoldRule::RestoreLeavesTakenTags);
}

#[test]
fn mutant_deletion_for_good_leaves_undo_entries_is_caught() {
    assert_caught(FoldRule::NowDropsUndo);
}

#[test]
fn mutant_upload_does_not_renew_is_caught() {
    assert_caught(FoldRule::UploadRenews);
}

#[test]
fn mutant_each_replica_follows_its_own_removal_rules_is_caught() {
    assert_caught(FoldRule::OneRuleForAll);
}

#[test]
fn mutant_no_fence_is_caught() {
    assert_caught(FoldRule::FenceIsKept);
}

#[test]
fn mutant_sweep_without_a_fence_is_caught() {
    assert_caught(FoldRule::SweepBehindFence);
}

#[test]
fn mutant_condemned_data_does_not_linger_is_caught() {
    assert_caught(FoldRule::CondemnedLingers);
}
