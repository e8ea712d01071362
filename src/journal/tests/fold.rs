//! What each operation does to the state, from lines as they stand in a journal
//! (docs/internals/storage-format.md#operations).

use serde_json::json;

use super::*;
use crate::journal::recount;
use crate::journal::state::{Condemned, Place};

fn holds(state: &State, repository: &RepositoryName, name: &str) -> bool {
    state.blob(repository, &digest(name)).is_some()
}

fn sees(state: &State, name: &str) -> bool {
    state.manifest(&app(), &digest(name)).is_some()
}

fn points_to(state: &State, name: &str) -> Option<Digest> {
    state.tag(&app(), &tag(name)).map(|entry| entry.digest.clone())
}

/// A journal with the blob `b` in object `(1, 1)`, and the manifest `m` that refers to it, tagged 1.0.0.
fn pushed() -> Journal {
    let mut journal = Journal::new();
    journal.write(&[blob("team/app", "b", object(1, 1)), manifest("m", &["b"], &["1.0.0"])]);
    assert_eq!(journal.state.entries, 3);
    journal
}

#[test]
fn every_op_changes_what_the_table_says() {
    type Check = fn(&State) -> bool;
    let cases: [(&str, Vec<Value>, Check); 21] = [
        ("blob", vec![blob("team/base", "c", object(1, 2))], |s| holds(s, &base(), "c")),
        ("blob held by another repository", vec![blob("team/base", "b", object(1, 1))], |s| {
            holds(s, &base(), "b") && s.contents[&digest("b")].holders == 2 && s.objects[&object(1, 1)] == 1
        }),
        ("blob with new extents replaces", vec![blob("team/app", "b", object(1, 2))], |s| {
            s.condemned.contains_key(&object(1, 1)) && s.objects[&object(1, 2)] == 1
        }),
        ("blob with the same extents again", vec![blob("team/app", "b", object(1, 1))], |s| {
            s.condemned.is_empty()
        }),
        ("mount", vec![op("mount", "team/base", "b")], |s| holds(s, &base(), "b")),
        ("mount of what nobody holds", vec![op("mount", "team/base", "c")], |s| !holds(s, &base(), "c")),
        ("manifest", vec![manifest("n", &["b"], &["2.0.0"])], |s| {
            sees(s, "n") && points_to(s, "2.0.0") == Some(digest("n"))
        }),
        ("manifest without its references", vec![manifest("n", &["c"], &["2.0.0"])], |s| {
            !sees(s, "n") && points_to(s, "2.0.0").is_none()
        }),
        ("tag", vec![move_tag("latest", "m")], |s| points_to(s, "latest") == Some(digest("m"))),
        ("tag of nothing", vec![move_tag("latest", "n")], |s| points_to(s, "latest").is_none()),
        ("untag", vec![untag("1.0.0", "m", 1)], |s| points_to(s, "1.0.0").is_none() && sees(s, "m")),
        ("untag of nothing", vec![untag("9.9.9", "m", 1)], |s| s.entries == 3),
        ("delete", vec![op("delete", "team/app", "m")], |s| !sees(s, "m") && points_to(s, "1.0.0").is_none()),
        ("delete of a child", vec![manifest("i", &["m"], &[]), op("delete", "team/app", "m")], |s| {
            sees(s, "m")
        }),
        ("untag of what was moved since", vec![untag("1.0.0", "m", 9)], |s| points_to(s, "1.0.0").is_some()),
        ("unlink", vec![op("delete", "team/app", "m"), op("unlink", "team/app", "b")], |s| {
            !holds(s, &app(), "b") && s.condemned.is_empty() && s.entries == 3
        }),
        ("unlink for good", vec![delete_now("m"), unlink_now("b")], |s| {
            !holds(s, &app(), "b") && s.condemned.contains_key(&object(1, 1)) && s.entries == 0
        }),
        ("unlink of what is referred to", vec![op("unlink", "team/app", "b")], |s| holds(s, &app(), "b")),
        ("damaged", vec![damaged(object(1, 1))], |s| !holds(s, &app(), "b") && sees(s, "m")),
        ("damaged and replaced", vec![damaged(object(1, 1)), blob("team/app", "b", object(1, 2))], |s| {
            holds(s, &app(), "b") && s.damaged_objects.is_empty()
        }),
        ("drop", vec![json!({"op": "drop", "now": true})], |s| {
            !s.exists() && s.entries == 0 && s.condemned.contains_key(&object(1, 1))
        }),
    ];
    for (name, ops, check) in cases {
        let mut journal = pushed();
        journal.write(&ops);
        assert_eq!(recount::contradiction(&journal.state), None, "{name}");
        assert!(check(&journal.state), "{name}: {:#?}", journal.state);
    }
}

#[test]
fn same_extents_named_again_do_not_condemn_them() {
    let mut journal = pushed();
    journal.write(&[blob("team/base", "b", object(1, 1)), blob("team/app", "b", object(1, 1))]);
    assert!(journal.state.condemned.is_empty());
    // An object that old and new extents share is in use all the time.
    let extents = [object(1, 1), object(1, 2)]
        .map(|id| json!({"object": id, "offset": 0, "length": 4, "crc32c": "00000000"}));
    let mut again = blob("team/app", "b", object(1, 1));
    again["size"] = json!(8);
    again["extents"] = json!(extents);
    journal.write(&[again]);
    assert!(journal.state.condemned.is_empty());
    assert_eq!(journal.state.objects.len(), 2);
}

/// What a fold without the rule would leave is seen by the count from scratch, which the simulator asks too.
#[test]
fn mutant_same_extents_named_again_condemn_them_is_caught() {
    let mut journal = pushed();
    journal.write(&[blob("team/app", "b", object(1, 1))]);
    assert_eq!(recount::contradiction(&journal.state), None);
    journal.state.condemned.insert(object(1, 1), Condemned { seq: 2, bytes: 9 });
    assert!(recount::contradiction(&journal.state).unwrap().contains("in use is condemned"));
}

#[test]
fn mutant_fold_that_trusts_a_reap_is_caught() {
    let mut journal = Journal::new();
    journal.write(&[blob("team/app", "b", object(1, 1))]);
    // The collector has looked, then the blob is used again, then comes what the collector wrote.
    journal.on(5).write(&[manifest("m", &["b"], &["1.0.0"])]);
    journal.on(6).write(&[reap(3, &["b"], &[])]);
    assert_eq!(recount::contradiction(&journal.state), None);
    assert!(holds(&journal.state, &app(), "b"));
    journal.state.repositories[&app()].blobs.remove(&digest("b"));
    journal.state.contents.remove(&digest("b"));
    journal.state.objects.remove(&object(1, 1));
    journal.state.entries -= 1;
    journal.state.totals.live -= 9;
    assert!(recount::contradiction(&journal.state).unwrap().contains("refers to"));
}

#[test]
fn mutant_no_fence_for_a_writer_that_slept_is_caught() {
    let (mut fenced, mut unfenced) = (Journal::new(), Journal::new());
    fenced.on(20).write(&[fence(10)]);
    // The sweep has deleted what was older and named by nothing; only then comes what names it.
    for journal in [&mut fenced, &mut unfenced] {
        journal.on(21).write(&[blob("team/app", "late", object(2, 1))]);
    }
    assert!(!fenced.state.objects.contains_key(&object(2, 1)));
    assert!(unfenced.state.objects.contains_key(&object(2, 1)), "only the fence is in its way");
}

#[test]
fn a_condemned_or_purged_object_may_not_be_named() {
    let mut journal = pushed();
    let name_again = [blob("team/app", "c", object(1, 1))];
    journal.write(&[delete_now("m"), unlink_now("b")]);
    assert!(!holds(journal.write(&name_again), &app(), "c"), "condemned");
    journal.write(&[purge(object(1, 1))]);
    assert!(journal.state.purged.contains(&object(1, 1)));
    assert!(!holds(journal.write(&name_again), &app(), "c"), "purged");
    // What the fence refuses anyway is not remembered any longer.
    assert!(journal.on(20).write(&[fence(2)]).purged.is_empty());
    assert!(!holds(journal.write(&name_again), &app(), "c"), "older than the fence");
}

#[test]
fn an_object_in_use_is_not_purged() {
    let mut journal = pushed();
    assert!(journal.write(&[purge(object(1, 1))]).purged.is_empty());
    assert!(holds(&journal.state, &app(), "b"));
}

#[test]
fn a_fence_refuses_older_objects_and_never_moves_back_or_too_close() {
    let mut journal = Journal::new();
    journal.on(20).write(&[fence(10)]);
    journal.write(&[blob("team/app", "old", object(9, 1)), blob("team/app", "new", object(10, 1))]);
    assert!(!holds(&journal.state, &app(), "old"));
    assert!(holds(&journal.state, &app(), "new"));
    assert_eq!(journal.write(&[fence(3)]).fence, day(10));
    assert_eq!(journal.write(&[fence(14)]).fence, day(10), "less than seven days behind its commit");
    assert_eq!(journal.write(&[fence(13)]).fence, day(13));
}

#[test]
fn a_reap_passes_over_what_is_in_use_or_too_young() {
    let mut journal = Journal::new();
    let blobs = ["used", "idle", "young"].map(|name| blob("team/app", name, object(1, name.len() as u128)));
    journal.write(&blobs[..2]);
    journal.write(&[
        manifest("m", &["used"], &[]),
        manifest("tagged", &[], &["1.0.0"]),
        untag("1.0.0", "tagged", 2),
    ]);
    let mut signature = manifest("signature", &[], &[]);
    signature["subject"] = json!(digest("tagged"));
    journal.write(&[manifest("i", &["m"], &["2.0.0"]), signature]);
    journal.on(5).write(&blobs[2..]);
    journal.on(6).write(&[reap(3, &["used", "idle", "young"], &["m", "tagged", "signature"])]);
    assert!(holds(&journal.state, &app(), "used"), "a visible manifest refers to it");
    assert!(!holds(&journal.state, &app(), "idle"));
    assert!(holds(&journal.state, &app(), "young"));
    assert!(sees(&journal.state, "m"), "an index names it");
    assert!(sees(&journal.state, "tagged"), "its digest stays pullable");
    assert!(sees(&journal.state, "signature"), "its subject is visible");
    // Without the index and the subject, their time begins anew.
    journal.write(&[delete_now("i"), delete_now("tagged")]);
    assert!(sees(journal.write(&[reap(6, &[], &["m"])]), "m"));
    journal.on(8).write(&[reap(7, &["used"], &["m", "signature"])]);
    assert!(!sees(&journal.state, "m") && !sees(&journal.state, "signature"));
    assert!(holds(&journal.state, &app(), "used"), "unreferenced only since this very commit");
}

#[test]
fn another_media_type_replaces_a_manifest_and_what_it_refers_to() {
    let mut journal = pushed();
    let mut first = manifest("n", &["b"], &["2.0.0"]);
    first["subject"] = json!(digest("m"));
    journal.write(&[first]);
    let mut second = manifest("n", &[], &[]);
    second["media_type"] = json!(crate::oci::OCI_INDEX);
    journal.write(&[second]);
    let entry = journal.state.manifest(&app(), &digest("n")).unwrap();
    assert_eq!((entry.manifest.media_type.as_str(), entry.tags), (crate::oci::OCI_INDEX, 1));
    let repository = journal.state.repository(&app()).unwrap();
    assert_eq!(repository.references[&digest("b")], 1);
    assert!(repository.referrers.is_empty());
    assert_eq!(recount::contradiction(&journal.state), None);
}

#[test]
fn an_attached_extent_is_placed_behind_the_line_of_its_commit() {
    let mut journal = Journal::new();
    let mut op = blob("team/app", "b", object(1, 1));
    (op["extents"], op["size"]) = (json!([{"attached": [2, 3], "crc32c": "00000000"}]), json!(3));
    let mut line = journal.next(&[op]);
    line["attached"] = json!({"length": 5, "sha256": digest("hello")});
    journal.append(&line, "hello").unwrap();
    let place = journal.state.contents[&digest("b")].extents[0].place;
    let bytes = super::commit(&line, "hello");
    let Place::Commit { seq: 1, offset } = place else { panic!("{place:?}") };
    assert_eq!(&bytes[offset as usize..offset as usize + 3], b"llo");
}
