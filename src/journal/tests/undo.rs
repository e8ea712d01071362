//! What was deleted waits to be restored, with all it needs; and what ends that.

use serde_json::json;

use super::*;
use crate::journal::{checkpoint, recount};

/// Day 1: the blob `b`; the manifest `m` of it, tagged 1.0.0 as a version and latest; the index `i` of `m`; and `s`, whose
/// subject is `m`.
fn pushed() -> Journal {
    let mut journal = Journal::new();
    let mut chart = manifest("m", &["b"], &["1.0.0", "latest"]);
    chart["chart"] = json!({"name": "app", "version": "1.0.0", "metadata": "text", "package": digest("b")});
    chart["listed"] = json!(["1.0.0"]);
    let mut signature = manifest("s", &[], &[]);
    signature["subject"] = json!(digest("m"));
    journal.write(&[blob("team/app", "b", object(1, 1)), chart, signature]);
    journal
}

fn restore(manifests: Value, blobs: Value, tags: Value) -> Value {
    json!({"op": "restore", "manifests": manifests, "blobs": blobs, "tags": tags})
}

fn of(name: &str, seq: u64) -> Value {
    json!(["team/app", digest(name), seq])
}

fn tag_of(name: &str, of: &str, seq: u64, listed: bool) -> Value {
    json!(["team/app", name, digest(of), seq, listed])
}

fn reap_undo(before: u32, kind: &str, key: Value, seq: u64) -> Value {
    json!({"op": "reap", "before": day(before).to_string(), "undo": [["team/app", {kind: key}, seq]]})
}

fn yank(op: &str, reason: &str) -> Value {
    json!({"op": op, "repository": "team/app", "tag": "1.0.0", "digest": digest("m"), "reason": reason})
}

fn app_state(state: &State) -> &crate::journal::state::Repository {
    &state.repositories[&app()]
}

fn sees(state: &State, name: &str) -> bool {
    state.manifest(&app(), &digest(name)).is_some()
}

fn holds(state: &State, name: &str) -> bool {
    state.blob(&app(), &digest(name)).is_some()
}

fn waits(state: &State, name: &str) -> bool {
    app_state(state).undo.manifests.contains_key(&digest(name))
}

fn points_to(state: &State, name: &str) -> Option<Digest> {
    state.tag(&app(), &tag(name)).map(|entry| entry.digest.clone())
}

/// Writes a commit a day, after the one of `pushed`, and checks every state.
fn after(steps: &[Vec<Value>]) -> State {
    let mut journal = pushed();
    for (at, ops) in (2..).zip(steps) {
        journal.on(at).write(ops);
        assert_eq!(recount::contradiction(&journal.state), None, "commit {at}: {ops:?}");
        let read = checkpoint::read(&checkpoint::write(&journal.state).unwrap()).unwrap().state;
        assert_eq!(checkpoint::text(&read), checkpoint::text(&journal.state));
        assert_eq!(read, journal.state);
    }
    journal.state
}

#[test]
fn every_deletion_can_be_taken_back_and_its_end_is_told_by_the_table() {
    type Check = fn(&State) -> bool;
    let delete = |name: &str| op("delete", "team/app", name);
    let unlink = || op("unlink", "team/app", "b");
    let both_tags = json!([tag_of("1.0.0", "m", 2, true), tag_of("latest", "m", 2, false)]);
    let all = || restore(json!([of("m", 2)]), json!([of("b", 3)]), both_tags.clone());
    let index = || manifest("i", &["m"], &["2.0.0"]);
    let drop = |more: Value| {
        let mut op = json!({"op": "drop"});
        op.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        op
    };
    let cases: Vec<(&str, Vec<Vec<Value>>, Check)> = vec![
        ("a deleted manifest waits with its tags", vec![vec![delete("m")]], |s| {
            waits(s, "m")
                && points_to(s, "latest").is_none()
                && s.condemned.is_empty()
                && s.totals.versions == 0
        }),
        ("an unlinked blob waits", vec![vec![delete("m")], vec![unlink()]], |s| {
            !holds(s, "b") && app_state(s).undo.blobs.contains_key(&digest("b")) && s.objects.len() == 1
        }),
        ("all comes back, as old as before", vec![vec![delete("m")], vec![unlink()], vec![all()]], |s| {
            let entry = s.tag(&app(), &tag("1.0.0")).unwrap();
            let release = &app_state(s).releases[&tag("1.0.0")];
            let manifest = &s.manifest(&app(), &digest("m")).unwrap().manifest;
            holds(s, "b")
                && points_to(s, "latest") == Some(digest("m"))
                && (entry.time, entry.restored.as_deref()) == (day(1), Some(&day(4)))
                && (release.since, release.seq, &*release.chart.metadata) == (day(1), 1, "text")
                && (manifest.time, manifest.seq) == (day(1), 1)
                && app_state(s).undo.is_empty()
        }),
        (
            "a restore without the blob",
            vec![vec![delete("m")], vec![unlink()], vec![restore(json!([of("m", 2)]), json!([]), json!([]))]],
            |s| waits(s, "m") && !sees(s, "m"),
        ),
        (
            "a restore of another deletion",
            vec![vec![delete("m")], vec![restore(json!([of("m", 3)]), json!([]), json!([]))]],
            |s| waits(s, "m"),
        ),
        (
            "a restore with a tag that was taken",
            vec![
                vec![delete("m")],
                vec![manifest("n", &[], &["latest"])],
                vec![restore(json!([of("m", 2)]), json!([]), both_tags.clone())],
            ],
            |s| waits(s, "m") && points_to(s, "latest") == Some(digest("n")),
        ),
        (
            "a restore without that tag",
            vec![
                vec![delete("m")],
                vec![manifest("n", &[], &["latest"])],
                vec![restore(json!([of("m", 2)]), json!([]), json!([tag_of("1.0.0", "m", 2, true)]))],
            ],
            |s| {
                sees(s, "m")
                    && points_to(s, "latest") == Some(digest("n"))
                    && app_state(s).undo.tags.len() == 1
            },
        ),
        (
            "an index without its child",
            vec![
                vec![index()],
                vec![delete("i")],
                vec![delete("m")],
                vec![restore(json!([of("i", 3)]), json!([]), json!([]))],
            ],
            |s| waits(s, "i"),
        ),
        (
            "an index after its child",
            vec![
                vec![index()],
                vec![delete("i")],
                vec![delete("m")],
                vec![restore(json!([of("m", 4), of("i", 3)]), json!([]), json!([]))],
            ],
            |s| sees(s, "i") && sees(s, "m"),
        ),
        (
            "an index before its child",
            vec![
                vec![index()],
                vec![delete("i")],
                vec![delete("m")],
                vec![restore(json!([of("i", 3), of("m", 4)]), json!([]), json!([]))],
            ],
            |s| waits(s, "i") && waits(s, "m"),
        ),
        ("a removed tag waits, its manifest stays", vec![vec![untag("latest", "m", 1)]], |s| {
            sees(s, "m") && app_state(s).undo.tags.contains_key(&tag("latest"))
        }),
        (
            "a removed tag comes back",
            vec![
                vec![untag("latest", "m", 1)],
                vec![restore(json!([]), json!([]), json!([tag_of("latest", "m", 2, false)]))],
            ],
            |s| points_to(s, "latest") == Some(digest("m")) && app_state(s).undo.is_empty(),
        ),
        (
            "a push of the tag ends that",
            vec![vec![untag("latest", "m", 1)], vec![move_tag("latest", "s")]],
            |s| app_state(s).undo.is_empty(),
        ),
        (
            "a tag that waits goes with its manifest for good",
            vec![
                vec![untag("latest", "m", 1)],
                vec![delete("m")],
                vec![reap_undo(5, "manifest", json!(digest("m")), 3)],
            ],
            |s| app_state(s).undo.is_empty(),
        ),
        (
            "a push of the manifest takes it out, its tags wait alone",
            vec![vec![delete("m")], vec![manifest("m", &["b"], &["latest"])]],
            |s| !waits(s, "m") && app_state(s).undo.tags.keys().eq([&tag("1.0.0")]),
        ),
        (
            "a push of the blob takes it out",
            vec![vec![delete("m")], vec![unlink()], vec![op("mount", "team/app", "b")]],
            |s| holds(s, "b") && app_state(s).undo.blobs.is_empty(),
        ),
        ("what is retained is not reaped", vec![vec![delete("m")], vec![reap(3, &["b"], &[])]], |s| {
            holds(s, "b")
        }),
        ("nor unlinked for good", vec![vec![delete("m")], vec![unlink_now("b")]], |s| holds(s, "b")),
        (
            "nor can its unlinking be forgotten before",
            vec![vec![delete("m")], vec![unlink()], vec![reap_undo(4, "blob", json!(digest("b")), 3)]],
            |s| app_state(s).undo.blobs.len() == 1,
        ),
        (
            "reaped, it cannot be restored, and its data goes with its blob",
            vec![
                vec![delete("m")],
                vec![unlink()],
                vec![
                    reap_undo(4, "manifest", json!(digest("m")), 2),
                    reap_undo(4, "blob", json!(digest("b")), 3),
                ],
            ],
            |s| app_state(s).undo.is_empty() && s.condemned.len() == 1,
        ),
        (
            "a reap of an earlier deletion",
            vec![
                vec![delete("m")],
                vec![manifest("m", &["b"], &[])],
                vec![delete("m")],
                vec![reap_undo(9, "manifest", json!(digest("m")), 2)],
            ],
            |s| waits(s, "m"),
        ),
        (
            "a reap of what is too young",
            vec![vec![delete("m")], vec![reap_undo(2, "manifest", json!(digest("m")), 2)]],
            |s| waits(s, "m"),
        ),
        ("a deletion for good", vec![vec![delete_now("m")]], |s| !waits(s, "m") && holds(s, "b")),
        ("a deletion for good of what waits", vec![vec![delete("m")], vec![delete_now("m")]], |s| {
            app_state(s).undo.is_empty() && holds(s, "b")
        }),
        (
            "an unlinking for good of what waits",
            vec![vec![delete_now("m")], vec![unlink()], vec![unlink_now("b")]],
            |s| app_state(s).undo.is_empty() && s.condemned.len() == 1 && s.totals.live == 9,
        ),
        (
            "a signature outlives its subject for a while",
            vec![
                vec![delete("m")],
                vec![reap_undo(3, "manifest", json!(digest("m")), 2), reap(2, &[], &["s"])],
            ],
            |s| sees(s, "s"),
        ),
        ("and stays while that waits", vec![vec![delete("m")], vec![reap(3, &[], &["s"])]], |s| sees(s, "s")),
        (
            "then it goes",
            vec![
                vec![delete("m")],
                vec![reap_undo(3, "manifest", json!(digest("m")), 2), reap(3, &[], &["s"])],
            ],
            |s| !sees(s, "s"),
        ),
        ("a dropped repository waits whole", vec![vec![drop(json!({"repository": "team/app"}))]], |s| {
            !s.exists()
                && waits(s, "m")
                && waits(s, "s")
                && app_state(s).index.seq == 2
                && s.objects.len() == 1
        }),
        (
            "a dropped repository comes back",
            vec![
                vec![drop(json!({}))],
                vec![restore(json!([of("m", 2), of("s", 2)]), json!([of("b", 2)]), both_tags.clone())],
            ],
            |s| {
                (app_state(s).born, app_state(s).populated) == (3, 3)
                    && points_to(s, "1.0.0").is_some()
                    && app_state(s).undo.is_empty()
            },
        ),
        ("dropped for good", vec![vec![drop(json!({"now": true}))]], |s| {
            s.entries == 0 && s.condemned.len() == 1 && app_state(s).undo.is_empty()
        }),
        ("dropped for good what waits", vec![vec![delete("m")], vec![drop(json!({"now": true}))]], |s| {
            s.entries == 0 && app_state(s).undo.is_empty()
        }),
        ("a yank", vec![vec![yank("yank", "broken")]], |s| {
            app_state(s).releases[&tag("1.0.0")].yanked && app_state(s).index.seq == 2
        }),
        ("a yank is taken back", vec![vec![yank("yank", "broken")], vec![yank("unyank", "")]], |s| {
            !app_state(s).releases[&tag("1.0.0")].yanked && app_state(s).yanks.is_empty()
        }),
        (
            "a yank of what the tag does not point to",
            vec![vec![move_tag("1.0.0", "s")], vec![yank("yank", "x")]],
            |s| app_state(s).yanks.is_empty(),
        ),
        (
            "a yank goes when the tag moves",
            vec![vec![yank("yank", "broken")], vec![move_tag("1.0.0", "s")]],
            |s| app_state(s).yanks.is_empty(),
        ),
        (
            "a yank comes back with its version",
            vec![
                vec![yank("yank", "broken")],
                vec![delete("m")],
                vec![restore(json!([of("m", 3)]), json!([]), json!([tag_of("1.0.0", "m", 3, true)]))],
            ],
            |s| app_state(s).releases[&tag("1.0.0")].yanked,
        ),
        (
            "rules",
            vec![vec![json!({"op": "rules", "hash": "x"})], vec![json!({"op": "rules", "hash": "x"})]],
            |s| s.rules.as_ref().is_some_and(|mark| (mark.seq, mark.time) == (2, day(2))),
        ),
        (
            "a reap by other rules",
            vec![
                vec![delete("m")],
                vec![json!({"op": "rules", "hash": "x"})],
                vec![reap_undo(9, "manifest", json!(digest("m")), 2)],
            ],
            |s| waits(s, "m"),
        ),
        (
            "a requirement never falls",
            vec![vec![json!({"op": "require", "writer": 1})], vec![json!({"op": "require", "writer": 0})]],
            |s| s.required_writer == 1,
        ),
    ];
    for (name, steps, check) in cases {
        let state = after(&steps);
        assert!(check(&state), "{name}: {}", checkpoint::text(&state));
    }
}

#[test]
fn an_upload_and_a_mount_renew_what_nothing_refers_to() {
    for again in [op("mount", "team/app", "c"), blob("team/app", "c", object(1, 2))] {
        let mut journal = Journal::new();
        journal.write(&[blob("team/app", "c", object(1, 2))]);
        journal.on(5).write(&[again]);
        journal.on(6).write(&[reap(5, &["c"], &[])]);
        assert!(journal.state.blob(&app(), &digest("c")).is_some());
        journal.write(&[reap(6, &["c"], &[])]);
        assert!(journal.state.blob(&app(), &digest("c")).is_none());
    }
}

/// An upload that brought no bytes must not be taken for one of the empty blob.
#[test]
fn a_blob_whose_extents_do_not_add_up_is_passed_over() {
    let whole = blob("team/app", "b", object(1, 1));
    let with = |size: u64, extents: Value| {
        let mut op = whole.clone();
        (op["size"], op["extents"]) = (json!(size), extents);
        op
    };
    let extent =
        |length: u64| json!({"object": object(1, 1), "offset": 0, "length": length, "crc32c": "00000000"});
    let cases = [
        (with(0, json!([])), false),
        (with(9, json!([])), false),
        (with(9, json!([extent(8)])), false),
        (with(0, json!([extent(0)])), false),
        (with(9, json!([extent(9), extent(0)])), false),
        (with(u64::MAX, json!([extent(u64::MAX), extent(1)])), false),
        (with(9, json!([extent(4), extent(5)])), true),
    ];
    for (op, expected) in cases {
        let mut journal = Journal::new();
        journal.write(std::slice::from_ref(&op));
        assert_eq!(journal.state.blob(&app(), &digest("b")).is_some(), expected, "{op}");
    }
    let mut empty = with(0, json!([]));
    empty["digest"] = json!(digest(""));
    let mut journal = Journal::new();
    journal.write(&[empty]);
    assert!(journal.state.blob(&app(), &digest("")).is_some(), "the empty blob has no bytes");
}
