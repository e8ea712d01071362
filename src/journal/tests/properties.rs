//! Whatever a journal says, folding it neither panics nor loses count, and a checkpoint plus tail says the same.

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::journal::Actor;
use crate::journal::commit::{self, Head, Member};
use crate::journal::op::*;
use crate::journal::proposal::Draft;
use crate::journal::state::State;
use crate::journal::{checkpoint, recount};
use crate::oci::{Digest, MediaType, OCI_INDEX, OCI_MANIFEST, RepositoryName, Tag};

const DAY: i64 = 86_400_000_000;

fn repositories() -> impl Strategy<Value = RepositoryName> {
    select(vec!["team/app", "team/base"]).prop_map(|name| RepositoryName::parse(name).unwrap())
}

fn digests() -> impl Strategy<Value = Digest> {
    (0..4u8).prop_map(|n| Digest::sha256(&[n]))
}

fn tags() -> impl Strategy<Value = Tag> {
    select(vec!["1.0.0", "2.0.0", "latest"]).prop_map(|tag| Tag::parse(tag).unwrap())
}

/// Days around the beginning of 2026, and the ends of what a commit can say.
fn times() -> impl Strategy<Value = Timestamp> {
    let far = ["0000-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"];
    prop_oneof![
        9 => (0..40i64).prop_map(|day| Timestamp::from_micros(1_767_225_600_000_000 + day * DAY)),
        1 => select(far.map(|text| Timestamp::parse(text).unwrap()).to_vec()),
    ]
}

/// Data objects of different days; one whose uuid has no time and some whose time is none of ours.
fn objects() -> impl Strategy<Value = Uuid> {
    let day = |day: u128| Uuid::from_u128((1_767_225_600_000 + day * 86_400_000) << 80 | 7 << 76 | 2 << 62);
    let other = |text| Uuid::parse_str(text).unwrap();
    select(vec![
        day(0),
        day(10),
        day(20),
        Uuid::nil(),
        Uuid::max(),
        other("00000000-0000-1000-8000-000000000000"),
        other("00000000-0000-6000-8000-000000000000"),
        other("ffffffff-ffff-7fff-bfff-ffffffffffff"),
    ])
}

fn extents() -> impl Strategy<Value = Vec<OpExtent>> {
    let numbers = || select(vec![0, 1, 7, u64::MAX]);
    let object = (objects(), numbers(), numbers()).prop_map(|(object, offset, length)| OpExtent::Object {
        object,
        offset,
        length,
        crc32c: Crc32c(7),
    });
    let attached = (numbers(), numbers())
        .prop_map(|(at, length)| OpExtent::Attached { attached: [at, length], crc32c: Crc32c(u32::MAX) });
    vec(prop_oneof![3 => object, 1 => attached], 0..3)
}

/// Records of charts: what their texts say is for no fold to know.
fn charts() -> impl Strategy<Value = Arc<ChartRecord>> {
    let text = prop_oneof![Just(r#"{"name":"app"}"#.to_owned()), "[ -~é\u{2028}]{0,12}"];
    (select(vec!["1.0.0", "2.0.0", "\u{7f} none"]), 0..2u8, text).prop_map(|(version, package, metadata)| {
        Arc::new(ChartRecord {
            name: "app".into(),
            version: version.into(),
            package: Digest::sha256(&[package]),
            provenance: None,
            metadata: metadata.into(),
        })
    })
}

fn manifests() -> impl Strategy<Value = Op> {
    let types = select(vec![OCI_MANIFEST, OCI_INDEX]).prop_map(|text| MediaType::parse(text).unwrap());
    let what = (repositories(), digests(), types, any::<u64>(), extents());
    let tagged = (vec(tags(), 0..3), vec(tags(), 0..2));
    (what, vec(digests(), 0..3), tagged, option::of(digests()), option::of(charts())).prop_map(
        |((repository, digest, media_type, size, extents), references, (tags, listed), subject, chart)| {
            Op::Manifest(Box::new(ManifestOp {
                repository,
                digest,
                media_type,
                size: sized(size, &extents),
                extents,
                references,
                tags,
                listed,
                subject,
                artifact_type: None,
                annotations: Some([("a".to_owned(), "b".to_owned())].into()),
                chart,
            }))
        },
    )
}

/// A size that the extents add up to, mostly.
fn sized(size: u64, extents: &[OpExtent]) -> u64 {
    let sum = extents.iter().fold(0u64, |sum, extent| sum.saturating_add(extent.length()));
    if size.is_multiple_of(7) { size } else { sum }
}

fn bodies() -> impl Strategy<Value = BodiesOp> {
    let body = (1..12u64, 0..600u64, select(vec![1, 7]));
    (vec(objects(), 0..3), vec(body, 0..3)).prop_map(|(objects, bodies)| BodiesOp { objects, bodies })
}

fn undo_keys() -> impl Strategy<Value = UndoKey> {
    prop_oneof![
        digests().prop_map(UndoKey::Manifest),
        tags().prop_map(UndoKey::Tag),
        digests().prop_map(UndoKey::Blob),
    ]
}

fn restores() -> impl Strategy<Value = Op> {
    let of_digest = || vec((repositories(), digests(), 1..12u64), 0..2);
    let of_tag = vec((repositories(), tags(), digests(), 1..12u64, any::<bool>()), 0..2);
    (of_digest(), of_digest(), of_tag)
        .prop_map(|(manifests, blobs, tags)| Op::Restore(RestoreOp { manifests, blobs, tags }))
}

fn removals() -> impl Strategy<Value = Op> {
    let held = || vec((repositories(), digests()), 0..4);
    let undo = vec((repositories(), undo_keys(), 1..12u64), 0..4);
    prop_oneof![
        3 => (repositories(), digests(), prop::bool::weighted(0.2)).prop_map(|(repository, digest, now)| {
            Op::Delete(DeleteOp { repository, digest, tags: Vec::new(), now, reason: None })
        }),
        3 => (repositories(), digests(), prop::bool::weighted(0.2))
            .prop_map(|(repository, digest, now)| Op::Unlink(UnlinkOp { repository, digest, now })),
        2 => (times(), held(), held(), undo).prop_map(|(before, blobs, manifests, undo)| {
            Op::Reap(ReapOp { before, blobs, manifests, undo, rules: None })
        }),
        1 => vec(objects(), 0..4).prop_map(|objects| Op::Purge(PurgeOp { objects })),
        1 => (times(), times()).prop_map(|(before, swept)| Op::Fence(FenceOp { before, swept })),
        1 => (option::of(repositories()), any::<bool>())
            .prop_map(|(repository, now)| Op::Drop(DropOp { repository, now })),
        3 => restores(),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    let was = || (digests(), 0..12u64).prop_map(|(digest, seq)| Was { digest, seq });
    let tagged = || (repositories(), tags(), digests());
    prop_oneof![
        5 => (repositories(), digests(), any::<u64>(), extents()).prop_map(|(repository, digest, size, extents)| {
            Op::Blob(BlobOp { repository, digest, size: sized(size, &extents), extents })
        }),
        2 => (repositories(), digests())
            .prop_map(|(repository, digest)| Op::Mount(MountOp { repository, digest, from: None })),
        8 => manifests(),
        3 => (tagged(), any::<bool>()).prop_map(|((repository, tag, digest), listed)| {
            Op::Tag(TagOp { repository, tag, digest, was: None, listed })
        }),
        3 => (repositories(), tags(), was())
            .prop_map(|(repository, tag, was)| Op::Untag(UntagOp { repository, tag, was, reason: None })),
        10 => removals(),
        1 => bodies().prop_map(Op::Damaged),
        1 => bodies().prop_map(Op::Sound),
        1 => bodies().prop_map(|op| Op::Erase(EraseOp { bodies: op.bodies })),
        2 => tagged().prop_map(|(repository, tag, digest)| {
            Op::Yank(YankOp { repository, tag, digest, reason: Some("bad".into()), instead: None })
        }),
        1 => tagged().prop_map(|(repository, tag, digest)| Op::Unyank(UnyankOp { repository, tag, digest })),
        1 => (0..2u32).prop_map(|writer| Op::Require(RequireOp { writer })),
        1 => select(vec!["x", "y"]).prop_map(|hash| Op::Rules(RulesOp { hash: hash.into() })),
    ]
}

fn next_commit(state: &State, time: Timestamp, ops: Vec<Op>) -> Bytes {
    let head = Head {
        seq: state.seq + 1,
        prev: state.link.to_string(),
        time,
        writer: Uuid::nil(),
        nonce: "n".to_owned(),
    };
    let member = Member {
        draft: Draft { ops, attachments: Vec::new() },
        actor: Actor::system("test", "r", Uuid::nil()),
    };
    commit::encode(&head, vec![member]).unwrap().concat().into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_ops_fold_without_losing_count_and_like_a_checkpoint_plus_tail(
        commits in vec((times(), vec(ops(), 1..5)), 1..16),
        checkpoint_at in 0..16usize,
    ) {
        let mut state = State::empty(Uuid::nil());
        let mut restored = None;
        for (i, (time, ops)) in commits.into_iter().enumerate() {
            let bytes = next_commit(&state, time, ops);
            let seq = state.seq + 1;
            state.fold(seq, &bytes).unwrap();
            prop_assert_eq!(recount::contradiction(&state), None);
            if i == checkpoint_at {
                restored = Some(checkpoint::read(&checkpoint::write(&state).unwrap()).unwrap().state);
            } else if let Some(restored) = &mut restored {
                restored.fold(seq, &bytes).unwrap();
            }
        }
        if let Some(restored) = restored {
            prop_assert_eq!(checkpoint::text(&restored), checkpoint::text(&state));
            prop_assert_eq!(restored, state);
        }
    }

    #[test]
    fn a_damaged_commit_changes_all_or_nothing_and_a_damaged_checkpoint_is_refused(
        ops in vec(ops(), 1..5),
        at in any::<Index>(),
        byte in any::<u8>(),
        is_cut in any::<bool>(),
    ) {
        let damaged = |bytes: &Bytes| {
            let (mut bytes, at) = (bytes.to_vec(), at.index(bytes.len()));
            if is_cut { bytes.truncate(at) } else { bytes[at] = byte }
            Bytes::from(bytes)
        };
        let empty = State::empty(Uuid::nil());
        let commit = next_commit(&empty, Timestamp::from_micros(1_767_225_600_000_000), ops);
        let mut state = empty.clone();
        if state.fold(1, &damaged(&commit)).is_err() {
            prop_assert_eq!(&state, &empty);
        }
        prop_assert_eq!(recount::contradiction(&state), None);

        let mut state = empty;
        state.fold(1, &commit).unwrap();
        if let Ok(read) = checkpoint::read(&damaged(&checkpoint::write(&state).unwrap())) {
            prop_assert_eq!(read.state, state);
        }
    }
}
