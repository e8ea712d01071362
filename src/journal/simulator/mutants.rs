//! Takes one rule of the machine away at a time: the observer must see what breaks (the table of JOURNAL.md section 9).

use super::{Rule, run};

/// Every mutant is seen within this many seeds.
const SEEDS: u64 = 100;

/// The first seed that shows that `rule` was taken away.
fn assert_caught(rule: Rule) {
    let caught = (0..SEEDS).find_map(|seed| run(seed, Some(rule)).err().map(|violation| (seed, violation)));
    let (seed, violation) = caught.unwrap_or_else(|| panic!("nothing breaks without {rule:?}"));
    println!("without {rule:?}, seed {seed}: {violation}");
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
