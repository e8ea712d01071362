//! The releases that the fold keeps, since when each is what it is, and the commit that changed one last.

use serde_json::json;

use super::*;
use crate::journal::{Revision, checkpoint, recount};

/// A manifest of a chart whose package has the digest of `package`; all its tags stand for its version.
fn chart(manifest_name: &str, version: &str, package: &str, tags: &[&str]) -> Value {
    let mut op = manifest(manifest_name, &[package], tags);
    // The journal never looks into what it says.
    let metadata = "this is { not JSON";
    op["chart"] =
        json!({"name": "app", "version": version, "metadata": metadata, "package": digest(package)});
    op["listed"] = json!(tags);
    op
}

/// The blobs that charts refer to.
fn packages() -> Vec<Value> {
    ["p", "q", "v"].iter().map(|name| blob("team/app", name, object(1, 1))).collect()
}

/// A tag that stands for the version of the chart.
fn list(name: &str, of: &str) -> Value {
    let mut op = move_tag(name, of);
    op["listed"] = true.into();
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
    let yank =
        |name: &str| json!({"op": name, "repository": "team/app", "tag": "1.0.0", "digest": digest("m")});
    let steps: [(&str, Vec<Value>, _); 12] = [
        ("untagged", [packages(), vec![chart("m", "1.0.0", "p", &[])]].concat(), is(&[], 0)),
        ("tagged", vec![list("1.0.0", "m")], is(&[("1.0.0", 2)], 2)),
        ("other tags", vec![move_tag("latest", "m"), move_tag("2.0.0", "m")], is(&[("1.0.0", 2)], 2)),
        ("the same again", vec![list("1.0.0", "m")], is(&[("1.0.0", 2)], 2)),
        ("yanked", vec![yank("yank")], is(&[("1.0.0", 2)], 5)),
        ("same package, other manifest", vec![chart("n", "1.0.0", "p", &["1.0.0"])], is(&[("1.0.0", 2)], 6)),
        ("another package", vec![chart("o", "1.0.0", "q", &["1.0.0"])], is(&[("1.0.0", 7)], 7)),
        (
            "a chart under a tag that is not its version",
            vec![manifest("b", &[], &["3.0.0"])],
            is(&[("1.0.0", 7)], 7),
        ),
        (
            "a second version",
            vec![chart("v", "1.0.0+b", "v", &["1.0.0_b"])],
            is(&[("1.0.0", 7), ("1.0.0_b", 9)], 9),
        ),
        ("untagged again", vec![untag("1.0.0_b", "v", 9)], is(&[("1.0.0", 7)], 10)),
        ("deleted", vec![op("delete", "team/app", "o")], is(&[], 11)),
        ("dropped", vec![json!({"op": "drop"})], is(&[], 12)),
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
    assert_eq!(journal.state.index, Revision { seq: 12, time: day(12) });
}

/// Another media type makes other content of the same bytes.
#[test]
fn another_media_type_changes_the_releases_of_a_manifest() {
    let mut journal = Journal::new();
    journal.write(&packages());
    journal.write(&[manifest("m", &[], &["1.0.0", "2.0.0"])]);
    assert_eq!(listed(&journal.state), is(&[], 0));
    let mut of_type = chart("m", "1.0.0", "p", &[]);
    of_type["media_type"] = json!(crate::oci::OCI_INDEX);
    journal.on(2).write(&[of_type, list("1.0.0", "m")]);
    assert_eq!(listed(&journal.state), is(&[("1.0.0", 2)], 3));
    // The same type again only heals it.
    let mut healed = chart("m", "1.0.0", "q", &[]);
    healed["media_type"] = json!(crate::oci::OCI_INDEX);
    journal.on(3).write(&[healed]);
    assert_eq!(listed(&journal.state), is(&[("1.0.0", 2)], 3));
    journal.on(4).write(&[manifest("m", &[], &[])]);
    assert_eq!(listed(&journal.state), is(&[], 5));
}
