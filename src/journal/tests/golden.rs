//! The golden store of format v1 folds to the states that it folded to when it was written, whichever release folds it
//! (docs/internals/storage-format.md#golden-stores).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::journal::commit::{Commit, line, seal};
use crate::journal::fold::At;
use crate::journal::keys::{self, FOLD_VERSION};
use crate::journal::layout::Layout;
use crate::journal::op::Op;
use crate::journal::state::State;
use crate::journal::{checkpoint, recount};
use crate::oci::{Digest, Namespace};

const NAMESPACES: [&str; 6] = ["", "future", "gone", "other", "team", "team/sub"];

/// The records of a checkpoint.
const RECORDS: [&str; 15] = [
    "blob",
    "condemned",
    "content",
    "damaged_body",
    "damaged_object",
    "erased_body",
    "manifest",
    "purged",
    "release",
    "repository",
    "tag",
    "undo_blob",
    "undo_manifest",
    "undo_tag",
    "yank",
];

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-v1").join(path)
}

fn read(path: &str) -> Bytes {
    let path = fixture(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

fn namespace(text: &str) -> Namespace {
    if text.is_empty() { Namespace::root() } else { Namespace::parse(text).unwrap() }
}

/// The state before the first commit of each namespace.
fn empty() -> State {
    State::empty(Layout::read(&read("store/layout")).unwrap().chain())
}

/// The commits of a namespace, from the first one on.
fn commits(of: &str) -> Vec<Bytes> {
    let file = |seq| format!("store/{}", keys::commit(&namespace(of), seq));
    let found: Vec<Bytes> =
        (1..).map(file).take_while(|file| fixture(file).exists()).map(|f| read(&f)).collect();
    assert!(!found.is_empty(), "{of} has commits");
    found
}

/// The numbers of the checkpoints of a namespace, with their bytes.
fn checkpoints(of: &str) -> BTreeMap<u64, Bytes> {
    let folder = format!("store/{}", keys::checkpoints(&namespace(of), FOLD_VERSION));
    let Ok(found) = fs::read_dir(fixture(&folder)) else { return BTreeMap::new() };
    let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| (u64::MAX - name.parse::<u64>().unwrap(), read(&format!("{folder}{name}")))).collect()
}

/// Folds the commits after the newest one that `state` has.
fn fold(mut state: State, commits: &[Bytes]) -> State {
    for seq in state.seq + 1..=commits.len() as u64 {
        state.fold(seq, &commits[seq as usize - 1]).unwrap();
    }
    state
}

/// The state that a namespace must fold to. A release with another fold version adds a file of its own.
fn expected(of: &str) -> String {
    let folder = if of.is_empty() { "_root" } else { of };
    let bytes = read(&format!("expected/namespaces/{folder}/state-{FOLD_VERSION}.jsonl"));
    String::from_utf8(bytes.into()).unwrap()
}

#[track_caller]
fn assert_same(of: &str, found: &str) {
    let expected = expected(of);
    let differing = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    assert!(
        found == expected,
        "namespace {of:?} folds to another state than it did when it was written; a golden store is never changed to \
         fit.\nThe first lines that differ: {differing:#?}"
    );
}

#[test]
fn every_namespace_folds_to_the_state_it_was_written_with() {
    for of in NAMESPACES {
        let state = fold(empty(), &commits(of));
        assert_same(of, &checkpoint::text(&state));
        assert_eq!(recount::contradiction(&state), None, "{of}");
    }
}

#[test]
fn a_checkpoint_and_the_commits_after_it_give_the_same_state() {
    let mut tails = 0;
    for of in NAMESPACES {
        let commits = commits(of);
        for (seq, bytes) in checkpoints(of) {
            let state = checkpoint::read(&bytes).unwrap().state;
            assert_eq!(checkpoint::text(&state), checkpoint::text(&fold(empty(), &commits[..seq as usize])));
            tails += commits.len() - seq as usize;
            assert_same(of, &checkpoint::text(&fold(state, &commits)));
        }
    }
    assert!(tails > 20, "only {tails} commits follow checkpoints");
    assert!(NAMESPACES.iter().any(|of| checkpoints(of).is_empty()), "one namespace has none");
}

#[test]
fn a_checkpoint_at_any_commit_would_give_the_same_state() {
    for of in NAMESPACES {
        let commits = commits(of);
        let mut state = empty();
        for seq in 1..=commits.len() {
            state = fold(state, &commits[..seq]);
            let read_back = checkpoint::read(&checkpoint::write(&state).unwrap()).unwrap().state;
            assert_eq!(read_back, state, "{of} at {seq}");
        }
    }
}

/// The texts are blanked, not cut out: the offsets of attached bytes count from the end of the line.
#[test]
fn unknown_members_and_optional_ops_change_nothing() {
    let unknown: Vec<String> = serde_json::from_slice(&read("expected/unknown.json")).unwrap();
    let mut commits = commits("future");
    let known = checkpoint::text(&fold(empty(), &commits));
    let mut link: Option<(String, String)> = None;
    let mut blanked = BTreeSet::new();
    for commit in &mut commits {
        let old = line(commit).to_vec();
        let mut text = String::from_utf8(old.clone()).unwrap();
        for part in
            unknown.iter().filter(|part| old.windows(part.len()).any(|window| window == part.as_bytes()))
        {
            text = text.replace(part.as_str(), &" ".repeat(part.len()));
            assert!(blanked.insert(part.clone()), "{part} stands in one commit");
        }
        if let Some((old, new)) = &link {
            text = text.replace(old.as_str(), new);
        }
        let sealed = resealed(&text);
        assert_eq!(sealed.len(), old.len());
        link = Some((Digest::sha256(&old).to_string(), Digest::sha256(&sealed).to_string()));
        *commit = [&sealed[..], &commit[old.len()..]].concat().into();
    }
    assert_eq!(blanked.len(), unknown.len(), "every part was there");
    let (old, new) = link.unwrap();
    assert_ne!(old, new);
    assert_eq!(checkpoint::text(&fold(empty(), &commits)).replace(&new, &old), known);
}

/// The line with the checksum of its changed bytes.
fn resealed(text: &str) -> Vec<u8> {
    let end = text.rfind(",\"crc32c\":\"").unwrap();
    let mut bytes = format!("{}}}", &text[..end]).into_bytes();
    seal(&mut bytes);
    bytes
}

#[test]
fn the_golden_store_has_every_op_and_each_changes_something() {
    let mut effective = BTreeSet::new();
    for of in NAMESPACES {
        let mut state = empty();
        for bytes in commits(of) {
            let commit = Commit::read(&bytes).unwrap();
            let (seq, time, attachments) = (commit.seq, commit.time, line(&bytes).len() as u64 + 1);
            let mut applied = state.clone();
            for folded in commit.ops {
                let before = applied.clone();
                applied.apply(&folded.op, &At { seq, time, attachments, by: folded.by, call: folded.call });
                if applied != before {
                    let op = serde_json::to_value(&folded.op).unwrap();
                    effective.insert(op["op"].as_str().unwrap().to_owned());
                }
            }
            state.fold(seq, &bytes).unwrap();
        }
    }
    assert_eq!(effective, Op::NAMES.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn the_golden_states_have_every_record() {
    let mut kinds = BTreeSet::new();
    for of in NAMESPACES {
        for line in expected(of).lines().skip(1) {
            let record: Value = serde_json::from_str(line).unwrap();
            kinds.extend(record.as_object().unwrap().keys().cloned());
        }
    }
    assert_eq!(kinds, RECORDS.map(str::to_owned).into());
}

#[test]
fn some_commits_of_the_golden_store_have_several_calls_and_several_tags() {
    let (mut calls, mut tags) = (0, 0);
    for bytes in commits("team") {
        let line: Value = serde_json::from_slice(line(&bytes)).unwrap();
        let ops = line["ops"].as_array().unwrap();
        let distinct: BTreeSet<Uuid> =
            ops.iter().map(|op| serde_json::from_value(op["call"].clone()).unwrap()).collect();
        let most = ops.iter().filter_map(|op| op["tags"].as_array()).map(Vec::len).max();
        (calls, tags) = (calls.max(distinct.len()), tags.max(most.unwrap_or(0)));
    }
    assert!(calls > 2 && tags > 2, "{calls} calls, {tags} tags");
}
