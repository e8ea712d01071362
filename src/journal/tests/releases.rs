//! The releases that the fold keeps, since when each is what it is, and the commit that changed one last.

use serde_json::json;

use super::*;
use crate::journal::{Revision, checkpoint, recount};

/// A manifest of version `version` of chart `name` whose package has the digest of `package`.
fn chart(manifest_name: &str, (name, version): (&str, &str), package: &str, tags: &[&str]) -> Value {
    let mut op = manifest(manifest_name, &[], tags);
    op["chart"] = json!({"metadata": {"name": name, "version": version}, "package": digest(package)});
    op
}

/// The tags that are releases with the day since when they are, and the number of the newest commit that changed one.
fn listed(state: &State) -> (Vec<(String, u32)>, u64) {
    let day_of = |time: Timestamp| (1..=31).find(|n| day(*n) == time).unwrap();
    let releases = state.repository(&app()).map(|repository| repository.releases.clone()).unwrap_or_default();
    let releases = releases.iter().map(|(tag, release)| (tag.to_string(), day_of(release.since))).collect();
    (releases, state.index.seq)
}

fn is(releases: &[(&str, u32)], index: u64) -> (Vec<(String, u32)>, u64) {
    (releases.iter().map(|(tag, since)| ((*tag).to_owned(), *since)).collect(), index)
}

#[test]
fn a_release_is_what_it_is_since_the_commit_that_gave_it_its_content() {
    let app = |version| ("app", version);
    let steps: [(&str, Vec<Value>, _); 11] = [
        ("untagged", vec![chart("m", app("1.0.0"), "p", &[])], is(&[], 0)),
        ("tagged", vec![move_tag("1.0.0", "m")], is(&[("1.0.0", 2)], 2)),
        (
            "another tag is none",
            vec![move_tag("latest", "m"), move_tag("2.0.0", "m")],
            is(&[("1.0.0", 2)], 2),
        ),
        ("the same again", vec![move_tag("1.0.0", "m")], is(&[("1.0.0", 2)], 2)),
        (
            "same chart, other manifest",
            vec![chart("n", app("1.0.0"), "p", &["1.0.0"])],
            is(&[("1.0.0", 2)], 2),
        ),
        ("another package", vec![chart("o", app("1.0.0"), "q", &["1.0.0"])], is(&[("1.0.0", 6)], 6)),
        (
            "a chart of another name",
            vec![chart("b", ("base", "3.0.0"), "q", &["3.0.0"])],
            is(&[("1.0.0", 6)], 6),
        ),
        (
            "a second version",
            vec![chart("v", app("1.0.0+b"), "v", &["1.0.0_b"])],
            is(&[("1.0.0", 6), ("1.0.0_b", 8)], 8),
        ),
        ("untagged again", vec![untag("1.0.0_b")], is(&[("1.0.0", 6)], 9)),
        ("deleted", vec![op("delete", "team/app", "o")], is(&[], 10)),
        ("dropped", vec![json!({"op": "drop", "by": "a", "request": "r"})], is(&[], 11)),
    ];
    let mut journal = Journal::new();
    for (n, (what, ops, expected)) in (1..).zip(steps) {
        journal.on(n).write(&ops);
        let state = &journal.state;
        assert_eq!(listed(state), expected, "{what}");
        assert_eq!(recount::contradiction(state), None, "{what}");
        let restored = checkpoint::read(&checkpoint::write(state).unwrap()).unwrap().state;
        assert_eq!(restored, *state, "{what}");
    }
    assert_eq!(journal.state.index, Revision { seq: 11, time: day(11) });
}

#[test]
fn a_manifest_that_is_pushed_again_with_another_record_changes_its_release() {
    let mut journal = Journal::new();
    journal.write(&[manifest("m", &[], &["1.0.0", "2.0.0"])]);
    assert_eq!(listed(&journal.state), is(&[], 0));
    journal.on(2).write(&[chart("m", ("app", "1.0.0"), "p", &[])]);
    assert_eq!(listed(&journal.state), is(&[("1.0.0", 2)], 2));
    journal.on(3).write(&[chart("m", ("app", "2.0.0"), "p", &[])]);
    assert_eq!(listed(&journal.state), is(&[("2.0.0", 3)], 3));
    journal.on(4).write(&[manifest("m", &[], &[])]);
    assert_eq!(listed(&journal.state), is(&[], 4));
}
