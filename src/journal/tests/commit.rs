//! Lines that cannot be folded, and lines of newer versions.

use super::*;
use crate::journal::checkpoint;

/// A commit, spoilt, with what is said of it; the state must stay as it was.
#[test]
fn a_commit_that_does_not_fit_changes_nothing_and_says_why() {
    type Spoil = fn(&mut Value);
    let cases: [(Spoil, &str); 10] = [
        (|line| line["seq"] = 3.into(), "calls itself number 3"),
        (|line| line["seq"] = 1.into(), "calls itself number 1"),
        (|line| line["prev"] = "sha256:0".into(), "does not follow the commit before it"),
        (|line| line["v"] = 2.into(), "format version 2"),
        (|line| line["ops"][0]["op"] = "teleport".into(), "written by a newer version"),
        (|line| line["ops"][0]["digest"] = "sha256:xyz".into(), "not the JSON of a commit"),
        (|line| line["ops"][0]["size"] = (-1).into(), "not the JSON of a commit"),
        (|line| line["ops"][0]["repository"] = "_journal".into(), "not the JSON of a commit"),
        (|line| line["ops"] = Value::Null, "not the JSON of a commit"),
        (|line| line["time"] = "yesterday".into(), "not the JSON of a commit"),
    ];
    let mut journal = Journal::new();
    journal.write(&[blob("team/app", "a", object(1, 1))]);
    let before = journal.state.clone();
    for (spoil, reason) in cases {
        let mut line = journal.next(&[blob("team/app", "b", object(1, 2))]);
        spoil(&mut line);
        let error = journal.append(&line, "").unwrap_err().to_string();
        assert!(error.contains(reason), "{error} instead of {reason}");
        assert_eq!(journal.state, before);
    }
}

#[test]
fn bytes_that_are_no_line_are_refused() {
    for (bytes, reason) in
        [("", "no end"), ("{}", "no end"), ("{}\n", "checksum"), ("\n", "checksum"), ("\u{0}\n", "checksum")]
    {
        let error = Journal::new().state.fold(1, &Bytes::from(bytes)).unwrap_err().to_string();
        assert!(error.contains(reason), "{bytes:?}: {error}");
    }
}

#[test]
fn an_optional_op_of_a_newer_version_is_passed_over() {
    let mut journal = Journal::new();
    let newer = json!({"op": "teleport", "optional": true, "to": {"x": 1}, "by": "b", "request": "r"});
    journal.write(&[newer, blob("team/app", "a", object(1, 1))]);
    assert_eq!(journal.state.entries, 1);
}

#[test]
fn a_commit_folded_twice_is_refused() {
    let mut journal = Journal::new();
    let line = journal.next(&[blob("team/app", "a", object(1, 1))]);
    journal.append(&line, "").unwrap();
    assert!(journal.state.fold(1, &super::commit(&line, "")).is_err());
}

/// No hash covers the newest line but its own checksum.
#[test]
fn a_flipped_bit_anywhere_in_a_line_is_refused() {
    let journal = Journal::new();
    let bytes = super::commit(&journal.next(&[blob("team/app", "a", object(1, 1))]), "");
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1 << bit;
            let mut state = journal.state.clone();
            assert!(state.fold(1, &flipped.into()).is_err(), "byte {at}, bit {bit}");
            assert_eq!(state, journal.state);
        }
    }
}

#[test]
fn a_line_is_folded_whatever_is_attached_to_it() {
    for attached in ["", "ab", "more than was written"] {
        let mut journal = Journal::new();
        let mut line = journal.next(&[blob("team/app", "a", object(1, 1))]);
        line["attached"] = json!({"length": 3, "sha256": digest("abc")});
        journal.append(&line, attached).unwrap();
        assert_eq!(journal.state.entries, 1, "{attached:?}");
    }
}

/// What a newer release adds must not change what this one folds.
#[test]
fn unknown_fields_are_ignored() {
    let (mut plain, mut newer) = (Journal::new(), Journal::new());
    let mut of_object = manifest("m", &["b"], &["1.0.0"]);
    of_object["extents"] = blob("team/app", "m", object(1, 2))["extents"].clone();
    let ops = [blob("team/app", "b", object(1, 1)), of_object, op("delete", "team/app", "m")];
    let with_more = ops.clone().map(|mut op| {
        op["colour"] = json!({"of": ["anything"]});
        op
    });
    plain.write(&ops);
    let mut line = newer.next(&with_more);
    line["mood"] = json!("new");
    newer.append(&line, "").unwrap();
    newer.state.link = plain.state.link.clone();
    assert_eq!(checkpoint::text(&newer.state), checkpoint::text(&plain.state));
}
