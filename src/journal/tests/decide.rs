//! What may be written, against which state (docs/internals/storage-format.md#operations).

use std::time::Duration;

use super::*;
use crate::journal::decide::{Deciding, decide};
use crate::journal::op::Op;
use crate::journal::op::{BodiesOp, TagOp};
use crate::journal::policy::{AllLoose, Firmness, TagPolicy};
use crate::journal::proposal::{Body, Change, Decision, NewManifest, Piece, Refusal};
use crate::oci::{Condition, EtagSet, MediaType, OCI_INDEX, OCI_MANIFEST};

/// Repository `team/app` holds the blobs `b` and `lost` (which is damaged), the manifest `m` of `b` tagged 1.0.0, and the
/// index `i` of `m`.
fn state() -> State {
    let mut journal = Journal::new();
    journal.on(20).write(&[fence(10)]);
    journal.write(&[blob("team/app", "b", object(20, 1)), blob("team/app", "lost", object(20, 2))]);
    journal.write(&[manifest("m", &["b"], &["1.0.0"]), manifest("i", &["m"], &[]), damaged(object(20, 2))]);
    journal.write(&[blob("team/app", "gone", object(20, 3)), unlink_now("gone")]);
    journal.write(&[blob("team/app", "purged", object(20, 4)), unlink_now("purged")]);
    journal.write(&[purge(object(20, 4))]);
    journal.state
}

fn upload(repository: RepositoryName, name: &str, id: Uuid) -> Change {
    let piece = Piece::Object { id, offset: 0, length: 9, crc32c: 0 };
    Change::Blob { repository, digest: digest(name), content: Body { size: 9, pieces: vec![piece] } }
}

fn put(name: &str, blobs: &[&str], tags: &[&str], change: impl FnOnce(&mut NewManifest)) -> Change {
    let mut new = NewManifest {
        repository: app(),
        digest: digest(name),
        media_type: MediaType::parse(OCI_MANIFEST).unwrap(),
        body: Body::attached(Bytes::from_static(b"body")),
        blobs: blobs.iter().map(|name| digest(name)).collect(),
        children: Vec::new(),
        sizes: Vec::new(),
        tags: tags.iter().map(|name| tag(name)).collect(),
        listed: Vec::new(),
        subject: None,
        artifact_type: None,
        annotations: None,
        chart: None,
        replace: crate::journal::Replace::AsPolicySays,
        condition: Condition::default(),
    };
    change(&mut new);
    Change::Manifest(Box::new(new))
}

fn only_if(name: &str) -> Condition {
    Condition { if_match: Some(EtagSet::Digests(vec![digest(name)])), if_none_match: None }
}

fn only_if_absent() -> Condition {
    Condition { if_match: None, if_none_match: Some(EtagSet::Any) }
}

/// Decides at the time of the newest commit.
fn decide_now(state: &State, change: &Change, policy: &dyn TagPolicy) -> Decision {
    decide(state, change, Deciding { policy, now: state.time })
}

/// The ops that were decided on, or why there are none.
fn decided(change: &Change) -> String {
    match decide_now(&state(), change, &AllLoose) {
        Decision::Unchanged => "unchanged".to_owned(),
        Decision::Refuse(refusal) => {
            let name = format!("{refusal:?}");
            name.split(['(', ' ']).next().unwrap_or_default().to_owned()
        }
        Decision::Append(draft) => draft.ops.iter().map(op_name).collect::<Vec<_>>().join(" "),
    }
}

fn op_name(op: &Op) -> String {
    serde_json::to_value(op).unwrap()["op"].as_str().unwrap().to_owned()
}

#[test]
fn every_change_is_decided_as_the_table_says() {
    let by_tag = |name, condition| Change::Untag { repository: app(), tag: tag(name), condition };
    let delete =
        |name, condition| Change::Delete { repository: app(), digest: digest(name), condition, now: false };
    let unlink = |name| Change::Unlink { repository: app(), digest: digest(name), now: false };
    let mount = |name| Change::Mount { repository: base(), digest: digest(name), from: app() };
    let into_itself = Change::Mount { repository: app(), digest: digest("b"), from: app() };
    let damage = |object| Change::Damaged(BodiesOp { objects: vec![object], bodies: Vec::new() });
    let any = Condition::default;
    let cases = [
        ("a new blob", upload(app(), "new", object(20, 9)), "blob"),
        ("a blob that is held", upload(app(), "b", object(20, 9)), "unchanged"),
        ("a blob that another repository holds", upload(base(), "b", object(20, 9)), "mount"),
        ("a damaged blob is healed", upload(app(), "lost", object(20, 9)), "blob"),
        ("an object older than the fence", upload(app(), "new", object(9, 9)), "UploadExpired"),
        ("a condemned object", upload(app(), "new", object(20, 3)), "UploadExpired"),
        ("a purged object", upload(app(), "new", object(20, 4)), "UploadExpired"),
        ("a mount", mount("b"), "mount"),
        ("a mount of what is not there", mount("new"), "BlobUnknown"),
        ("a mount of what is damaged", mount("lost"), "BlobUnknown"),
        ("a mount of what is held", into_itself, "unchanged"),
        ("a manifest", put("n", &["b"], &["2.0.0"], |_| {}), "manifest"),
        ("a manifest that takes a tag", put("n", &["b"], &["1.0.0", "2.0.0"], |_| {}), "manifest tag"),
        ("a manifest without its blob", put("n", &["new"], &[], |_| {}), "ReferenceUnknown"),
        (
            "an index without its child",
            put("n", &[], &[], |m| m.children = vec![digest("x")]),
            "ReferenceUnknown",
        ),
        ("the sizes of its blob", put("n", &["b"], &[], |m| m.sizes = vec![(digest("b"), 9)]), "manifest"),
        (
            "another size of its blob",
            put("n", &["b"], &[], |m| m.sizes = vec![(digest("b"), 8)]),
            "SizeMismatch",
        ),
        (
            "its blob twice, once with another size",
            put("n", &["b"], &[], |m| m.sizes = vec![(digest("b"), 9), (digest("b"), 10)]),
            "SizeMismatch",
        ),
        (
            "another size of a damaged blob",
            put("n", &["lost"], &[], |m| m.sizes = vec![(digest("lost"), 8)]),
            "SizeMismatch",
        ),
        (
            "another size of a child",
            put("n", &[], &[], |m| (m.children, m.sizes) = (vec![digest("m")], vec![(digest("m"), 8)])),
            "SizeMismatch",
        ),
        (
            "another size of its subject",
            put("n", &[], &[], |m| (m.subject, m.sizes) = (Some(digest("m")), vec![(digest("m"), 8)])),
            "SizeMismatch",
        ),
        (
            "any size of a subject that is not there",
            put("n", &[], &[], |m| (m.subject, m.sizes) = (Some(digest("x")), vec![(digest("x"), 8)])),
            "manifest",
        ),
        ("an index of a manifest", put("n", &[], &[], |m| m.children = vec![digest("m")]), "manifest"),
        ("a subject that is not there", put("n", &[], &[], |m| m.subject = Some(digest("x"))), "manifest"),
        ("a visible manifest", put("m", &["b"], &["1.0.0"], |_| {}), "unchanged"),
        ("a visible manifest with another tag", put("m", &["b"], &["1.0.0", "2.0.0"], |_| {}), "tag"),
        (
            "a visible manifest of another media type",
            put("m", &["b"], &[], |m| m.media_type = MediaType::parse(OCI_INDEX).unwrap()),
            "manifest",
        ),
        (
            "a body in a purged object",
            put("n", &[], &[], |m| {
                m.body.pieces = vec![Piece::Object { id: object(20, 4), offset: 0, length: 4, crc32c: 0 }]
            }),
            "UploadExpired",
        ),
        ("only if absent", put("n", &[], &["2.0.0"], |m| m.condition = only_if_absent()), "manifest"),
        (
            "only if absent, but is",
            put("n", &[], &["1.0.0"], |m| m.condition = only_if_absent()),
            "Precondition",
        ),
        ("only if it is m", put("n", &[], &["1.0.0"], |m| m.condition = only_if("m")), "manifest tag"),
        ("only if it is n", put("n", &[], &["1.0.0"], |m| m.condition = only_if("n")), "Precondition"),
        (
            "only if absent, by digest",
            put("m", &["b"], &[], |m| m.condition = only_if_absent()),
            "Precondition",
        ),
        ("an untag", by_tag("1.0.0", any()), "untag"),
        ("an untag of nothing", by_tag("2.0.0", any()), "TagUnknown"),
        ("an untag of another", by_tag("1.0.0", only_if("n")), "Precondition"),
        ("a deletion", delete("i", any()), "delete"),
        ("a deletion of nothing", delete("n", any()), "ManifestUnknown"),
        ("a deletion of a child", delete("m", any()), "Referenced"),
        ("a deletion of another", delete("i", only_if("m")), "Precondition"),
        ("an unlink", unlink("lost"), "unlink"),
        ("an unlink of nothing", unlink("new"), "BlobUnknown"),
        ("an unlink of what is referred to", unlink("b"), "Referenced"),
        ("damage", damage(object(20, 1)), "damaged"),
        ("damage that is known", damage(object(20, 2)), "unchanged"),
        ("damage to what nothing names", damage(object(20, 3)), "unchanged"),
    ];
    for (name, change, expected) in cases {
        assert_eq!(decided(&change), expected, "{name}");
    }
}

/// What a push finds held is renewed when a collector or a rule of retention could take it for old.
#[test]
fn what_is_held_is_renewed_when_it_is_old() {
    let mut journal = Journal::new();
    journal.on(20).write(&[blob("team/app", "b", object(20, 1)), blob("team/app", "idle", object(20, 2))]);
    journal.write(&[manifest("m", &["b"], &["1.0.0"]), manifest("untagged", &[], &[])]);
    let mount = |name| Change::Mount { repository: app(), digest: digest(name), from: app() };
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
    let cases = [
        ("an idle blob of this hour", upload(app(), "idle", object(20, 9)), hour, "unchanged"),
        ("an idle blob", upload(app(), "idle", object(20, 9)), hour + minute, "mount"),
        ("an idle blob that is mounted", mount("idle"), hour + minute, "mount"),
        ("a blob in use", upload(app(), "b", object(20, 9)), 30 * hour, "unchanged"),
        ("an idle manifest of this hour", put("untagged", &[], &[], |_| {}), hour, "unchanged"),
        ("an idle manifest", put("untagged", &[], &[], |_| {}), hour + minute, "manifest"),
        ("a tag of this day", put("m", &["b"], &["1.0.0"], |_| {}), 24 * hour, "unchanged"),
        ("a tag", put("m", &["b"], &["1.0.0"], |_| {}), 24 * hour + minute, "tag"),
        ("a tagged manifest by digest", put("m", &["b"], &[], |_| {}), 30 * hour, "unchanged"),
    ];
    for (name, change, later, expected) in cases {
        let deciding = Deciding { policy: &AllLoose, now: day(20).plus(later) };
        let decided = match decide(&journal.state, &change, deciding) {
            Decision::Unchanged => "unchanged".to_owned(),
            Decision::Refuse(refusal) => format!("{refusal:?}"),
            Decision::Append(draft) => draft.ops.iter().map(op_name).collect::<Vec<_>>().join(" "),
        };
        assert_eq!(decided, expected, "{name}");
    }
}

/// The bytes of a damaged manifest come back with a push of the same chart, in whichever manifest Helm makes of it.
#[test]
fn mutant_damaged_manifest_keeps_a_released_tag_is_caught() {
    let mut journal = Journal::new();
    journal.on(20).write(&[blob("team/app", "b", object(20, 1)), blob("team/app", "c", object(20, 2))]);
    let mut held = manifest("m", &["b"], &["final"]);
    held["extents"] = blob("team/app", "m", object(20, 3))["extents"].clone();
    journal.write(&[held]);
    let again = put("again", &["b"], &["final"], |_| {});
    let other = put("other", &["c"], &["final"], |_| {});
    let kept = decide_now(&journal.state, &again, &Rules);
    assert!(matches!(&kept, Decision::Append(draft) if draft.ops.len() == 1), "{kept:?}");
    journal.write(&[damaged(object(20, 3))]);
    let healed = decide_now(&journal.state, &again, &Rules);
    assert!(matches!(&healed, Decision::Append(draft) if draft.ops.len() == 2), "{healed:?}");
    assert!(matches!(
        decide_now(&journal.state, &other, &Rules),
        Decision::Refuse(Refusal::Immutable { .. })
    ));
}

/// A caller without bytes must not bring a blob without bytes (it would be served as 200 with no byte, for ever).
#[test]
fn mutant_blob_without_its_bytes_is_caught() {
    let without =
        |name: &str| Change::Blob { repository: app(), digest: digest(name), content: Body::default() };
    assert_eq!(decided(&without("new")), "BlobUnknown");
    assert_eq!(decided(&without("lost")), "BlobUnknown");
    assert_eq!(decided(&without("")), "blob", "the empty blob has none");
    let cut = Body { size: 10, ..Body::attached(Bytes::from_static(b"nine byte")) };
    assert_eq!(
        decided(&Change::Blob { repository: app(), digest: digest("new"), content: cut }),
        "BlobUnknown"
    );
}

#[test]
fn a_namespace_for_newer_releases_is_read_but_not_written() {
    let mut journal = Journal::new();
    journal.on(20).write(&[blob("team/app", "b", object(20, 1))]);
    journal.write(&[json!({"op": "require", "writer": super::super::keys::WRITER + 1})]);
    assert!(journal.state.blob(&app(), &digest("b")).is_some());
    let changes =
        [upload(app(), "c", object(20, 2)), Change::Unyank { repository: app(), tag: tag("1.0.0") }];
    for change in changes {
        let decision = decide_now(&journal.state, &change, &AllLoose);
        assert!(matches!(decision, Decision::Refuse(Refusal::NewerRelease(2))), "{decision:?}");
    }
}

#[test]
fn a_yank_takes_texts_that_fit_a_header() {
    let yank = |reason: &str, instead: Option<&str>| Change::Yank {
        repository: app(),
        tag: tag("1.0.0"),
        reason: Some(reason.into()),
        instead: instead.map(Into::into),
    };
    let long = "x".repeat(513);
    let cases = [
        (yank("broken: see #12", Some("1.0.1")), "yank"),
        (yank("a \"quote\"", None), "YankText"),
        (yank("two\nlines", None), "YankText"),
        (yank("back\\slash", None), "YankText"),
        (yank(&long, None), "YankText"),
        (yank("fine", Some("not\u{7f}fine")), "YankText"),
        (Change::Yank { repository: app(), tag: tag("9.9.9"), reason: None, instead: None }, "TagUnknown"),
        (Change::Unyank { repository: app(), tag: tag("1.0.0") }, "unchanged"),
    ];
    for (change, expected) in cases {
        assert_eq!(decided(&change), expected, "{change:?}");
    }
}

/// Tags named `final` and `kept` stay, the first also when somebody wants to remove it.
#[derive(Debug)]
struct Rules;

impl TagPolicy for Rules {
    fn firmness(&self, repository: &RepositoryName, tag: &Tag, artifact_type: Option<&str>) -> Firmness {
        match (tag.as_str(), artifact_type) {
            _ if *repository != app() => Firmness::Loose,
            ("final", _) => Firmness::Fixed,
            ("kept", _) | (_, Some("kept")) => Firmness::Kept,
            _ => Firmness::Loose,
        }
    }
}

#[test]
fn tags_that_stay_are_not_moved_to_other_content() {
    let mut journal = Journal::new();
    journal.on(20).write(&[blob("team/app", "b", object(20, 1)), blob("team/app", "c", object(20, 2))]);
    journal.write(&[manifest("m", &["b"], &["final", "kept", "latest"])]);
    let mut typed = manifest("typed", &["b"], &["1.0.0"]);
    typed["artifact_type"] = json!("kept");
    journal.write(&[typed]);
    let decided = |change: &Change| match decide_now(&journal.state, change, &Rules) {
        Decision::Unchanged => "unchanged".to_owned(),
        Decision::Refuse(refusal) => format!("{refusal:?}").split([' ', '(']).next().unwrap().to_owned(),
        Decision::Append(draft) => draft.ops.iter().map(op_name).collect::<Vec<_>>().join(" "),
    };
    let untag = |name| Change::Untag { repository: app(), tag: tag(name), condition: Condition::default() };
    let delete = |name| Change::Delete {
        repository: app(),
        digest: digest(name),
        condition: Condition::default(),
        now: false,
    };
    let of_type = |kind: &'static str| move |new: &mut NewManifest| new.artifact_type = Some(kind.into());
    let cases = [
        ("other content", put("n", &["c"], &["final"], |_| {}), "Immutable"),
        ("other content, one tag of several", put("n", &["c"], &["latest", "kept"], |_| {}), "Immutable"),
        ("other content under a loose tag", put("n", &["c"], &["latest"], |_| {}), "manifest tag"),
        ("the same content in another manifest", put("n", &["b"], &["final", "new"], |_| {}), "manifest"),
        ("the same manifest", put("m", &["b"], &["final", "kept"], |_| {}), "unchanged"),
        ("the same blobs as another type", put("n", &["b"], &["final"], of_type("x")), "Immutable"),
        ("a type that keeps what it comes to", put("n", &["c"], &["latest"], of_type("kept")), "Immutable"),
        ("a type that keeps what is there", put("n", &["c"], &["1.0.0"], |_| {}), "Immutable"),
        ("a new tag", put("n", &["c"], &["1.1.0"], of_type("kept")), "manifest"),
        ("removing a fixed tag", untag("final"), "Undeletable"),
        ("removing a kept tag", untag("kept"), "untag"),
        ("deleting what has a fixed tag", delete("m"), "Undeletable"),
        ("deleting what has a kept tag", delete("typed"), "delete"),
    ];
    for (name, change, expected) in cases {
        assert_eq!(decided(&change), expected, "{name}");
    }
    let moved = put("n", &["c"], &["final"], |_| {});
    let Decision::Refuse(refusal) = decide_now(&journal.state, &moved, &Rules) else { panic!("moved") };
    let said = refusal.to_string();
    assert!(said.contains(&digest("m").to_string()) && said.contains(&digest("n").to_string()), "{said}");
}

#[test]
fn a_refusal_to_delete_names_the_referrer_and_its_tag() {
    let delete = |name| Change::Delete {
        repository: app(),
        digest: digest(name),
        condition: Condition::default(),
        now: false,
    };
    let unlink = Change::Unlink { repository: app(), digest: digest("b"), now: false };
    for (change, by, tag) in
        [(delete("m"), "i", "which has no tag"), (unlink, "m", "which has the tag 1.0.0")]
    {
        let Decision::Refuse(refusal) = decide_now(&state(), &change, &AllLoose) else {
            panic!("{change:?}")
        };
        let told = refusal.to_string();
        assert!(told.contains(&digest(by).to_string()) && told.contains(tag), "{told}");
    }
}

#[test]
fn a_refusal_names_what_is_in_the_way() {
    let refused = |change: &Change| match decide_now(&state(), change, &AllLoose) {
        Decision::Refuse(refusal) => refusal,
        other => panic!("{other:?}"),
    };
    let missing = put("n", &["b", "new"], &[], |_| {});
    assert_eq!(refused(&missing), Refusal::ReferenceUnknown(digest("new")));
    let moved = put("n", &[], &["2.0.0", "1.0.0"], |new| new.condition = only_if_absent());
    assert_eq!(refused(&moved), Refusal::Precondition(Some(digest("m"))));
}

#[test]
fn a_tag_that_moves_says_where_it_pointed() {
    let Decision::Append(draft) = decide_now(&state(), &put("n", &[], &["1.0.0"], |_| {}), &AllLoose) else {
        panic!()
    };
    let Some(Op::Tag(TagOp { was: Some(was), .. })) = draft.ops.last() else { panic!("{:?}", draft.ops) };
    assert_eq!((&was.digest, was.seq), (&digest("m"), 3));
}
