//! Lines that cannot be folded, and lines of newer versions.

use super::*;

/// A commit, spoilt, with what is said of it; the state must stay as it was.
#[test]
fn a_commit_that_does_not_fit_changes_nothing_and_says_why() {
    type Spoil = fn(&mut Value);
    let cases: [(Spoil, &str, &str); 12] = [
        (|line| line["seq"] = 3.into(), "", "calls itself number 3"),
        (|line| line["seq"] = 1.into(), "", "calls itself number 1"),
        (|line| line["prev"] = "sha256:0".into(), "", "does not follow the commit before it"),
        (|line| line["v"] = 2.into(), "", "format version 2"),
        (|line| line["ops"][0]["op"] = "teleport".into(), "", "written by a newer version"),
        (|line| line["ops"][0]["digest"] = "sha256:xyz".into(), "", "not the JSON of a commit"),
        (|line| line["ops"][0]["size"] = (-1).into(), "", "not the JSON of a commit"),
        (|line| line["ops"][0]["repository"] = "_journal".into(), "", "not the JSON of a commit"),
        (|line| line["ops"] = Value::Null, "", "not the JSON of a commit"),
        (|line| line["time"] = "yesterday".into(), "", "not the JSON of a commit"),
        (
            |line| line["attached"] = json!({"length": 3, "sha256": digest("abc")}),
            "ab",
            "2 bytes instead of 3",
        ),
        (|_| {}, "more", "4 bytes instead of 0"),
    ];
    let mut journal = Journal::new();
    journal.write(&[blob("team/app", "a", object(1, 1))]);
    let before = journal.state.clone();
    for (spoil, attached, reason) in cases {
        let mut line = journal.next(&[blob("team/app", "b", object(1, 2))]);
        spoil(&mut line);
        let error = journal.append(&line, attached).unwrap_err().to_string();
        assert!(error.contains(reason), "{error} instead of {reason}");
        assert_eq!(journal.state, before);
    }
}

#[test]
fn bytes_that_are_no_line_are_refused() {
    for (bytes, reason) in
        [("", "no end"), ("{}", "no end"), ("{}\n", "JSON"), ("\n", "JSON"), ("\u{0}\n", "JSON")]
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
    assert!(journal.state.fold(1, &Bytes::from(format!("{line}\n"))).is_err());
}
