//! What clients ask for, over a small universe: 2 repositories, 2 blobs, 2 manifests, an index, 3 tags.

use std::sync::LazyLock;

use bytes::Bytes;
use uuid::Uuid;

use super::collector::{drop_some, restore};
use super::random::Random;
use crate::journal::op::{BodiesOp, Crc32c};
use crate::journal::proposal::{Body, Change, NewManifest, Piece};
use crate::journal::state::{Extent, State};
use crate::oci::{
    Condition, Digest, EtagSet, MediaType, Namespace, OCI_INDEX, OCI_MANIFEST, RepositoryName, Tag,
};

pub struct Universe {
    repositories: [RepositoryName; 2],
    tags: [Tag; 3],
    blobs: [(Bytes, Digest); 2],
    /// Body, digest, blobs, children, subject.
    manifests: [Described; 3],
}

struct Described {
    body: Bytes,
    digest: Digest,
    media_type: MediaType,
    blobs: Vec<Digest>,
    children: Vec<Digest>,
    subject: Option<Digest>,
}

static UNIVERSE: LazyLock<Universe> = LazyLock::new(Universe::new);

pub fn namespace() -> Namespace {
    UNIVERSE.repositories[0].namespace()
}

/// A change that a client may ask for, `removals` of a thousand times one that removes or restores; data objects it names get an id from `fresh`.
pub fn any_change(random: &mut Random, removals: u32, state: &State, fresh: impl FnOnce() -> Uuid) -> Change {
    let universe = &*UNIVERSE;
    let [first, second] = &universe.repositories;
    let repository = if random.chance(750) { first } else { second }.clone();
    let kind = if random.chance(removals) { 80 + random.below(20) } else { random.below(100) };
    match kind {
        0..25 => {
            let (bytes, digest) = random.pick(&universe.blobs).clone();
            let content = if random.chance(500) { Body::attached(bytes) } else { stored(&bytes, fresh()) };
            Change::Blob { repository, digest, content }
        }
        25..33 => {
            let digest = random.pick(&universe.blobs).1.clone();
            let from = random.pick(&universe.repositories).clone();
            Change::Mount { repository, digest, from }
        }
        33..68 => any_manifest(universe, repository, random, fresh),
        68..80 => {
            let tag = random.pick(&universe.tags).clone();
            Change::Untag { repository, tag, condition: any_condition(universe, random) }
        }
        80..89 => {
            let digest = random.pick(&universe.manifests).digest.clone();
            Change::Delete {
                repository,
                digest,
                condition: any_condition(universe, random),
                now: random.chance(100),
            }
        }
        89..91 => restore(state, random).unwrap_or(Change::Require(1)),
        91 => {
            let (tag, reason) = (random.pick(&universe.tags).clone(), Some("bad".into()));
            match random.chance(700) {
                true => Change::Yank { repository, tag, reason, instead: None },
                false => Change::Unyank { repository, tag },
            }
        }
        92 if random.chance(300) => drop_some(state, random),
        92..98 => {
            let digest = random.pick(&universe.blobs).1.clone();
            Change::Unlink { repository, digest, now: random.chance(100) }
        }
        _ => {
            let live: Vec<Uuid> = state.objects.keys().copied().collect();
            let object = if live.is_empty() { Uuid::nil() } else { *random.pick(&live) };
            let attached = |extent: &Extent| extent.attached().map(|(seq, at)| (seq, at, extent.length));
            let bodies: Vec<_> = state.all_extents().filter_map(attached).collect();
            let bodies = bodies.get(random.below(bodies.len() + 1)).copied().into_iter().collect();
            let op = BodiesOp { objects: vec![object], bodies };
            if random.chance(600) { Change::Damaged(op) } else { Change::Sound(op) }
        }
    }
}

fn any_manifest(
    universe: &Universe,
    repository: RepositoryName,
    random: &mut Random,
    fresh: impl FnOnce() -> Uuid,
) -> Change {
    let described = random.pick(&universe.manifests);
    let tags = (0..random.below(3)).map(|_| random.pick(&universe.tags).clone()).collect();
    let stored_apart = random.chance(200);
    Change::Manifest(Box::new(NewManifest {
        repository,
        digest: described.digest.clone(),
        media_type: described.media_type.clone(),
        body: if stored_apart {
            stored(&described.body, fresh())
        } else {
            Body::attached(described.body.clone())
        },
        blobs: described.blobs.clone(),
        children: described.children.clone(),
        sizes: Vec::new(),
        tags,
        listed: Vec::new(),
        subject: described.subject.clone(),
        artifact_type: None,
        annotations: None,
        chart: None,
        replace: crate::journal::Replace::AsPolicySays,
        condition: any_condition(universe, random),
    }))
}

/// The data objects that a change names.
pub fn objects(change: &Change) -> Vec<Uuid> {
    let body = match change {
        Change::Blob { content, .. } => content,
        Change::Manifest(new) => &new.body,
        _ => return Vec::new(),
    };
    let object = |piece: &Piece| match piece {
        Piece::Object { id, .. } => Some(*id),
        Piece::Attached(_) => None,
    };
    body.pieces.iter().filter_map(object).collect()
}

/// Mostly none; else "only if absent", as a registry with immutable tags asks, or "only if it is this one".
fn any_condition(universe: &Universe, random: &mut Random) -> Condition {
    match random.below(10) {
        0..3 => Condition { if_match: None, if_none_match: Some(EtagSet::Any) },
        3 => {
            let digest = random.pick(&universe.manifests).digest.clone();
            Condition { if_match: Some(EtagSet::Digests(vec![digest])), if_none_match: None }
        }
        _ => Condition::default(),
    }
}

fn stored(bytes: &Bytes, id: Uuid) -> Body {
    let (length, crc32c) = (bytes.len() as u64, Crc32c::of(bytes).0);
    Body { size: length, pieces: vec![Piece::Object { id, offset: 0, length, crc32c }] }
}

impl Universe {
    fn new() -> Self {
        let repository = |name| RepositoryName::parse(name).expect("a legal name");
        let blob =
            |text: &'static str| (Bytes::from_static(text.as_bytes()), Digest::sha256(text.as_bytes()));
        let blobs = [blob("layer zero"), blob("layer one")];
        let described = |text: &'static str, media_type, blobs: &[&Digest], children: &[&Digest]| Described {
            body: Bytes::from_static(text.as_bytes()),
            digest: Digest::sha256(text.as_bytes()),
            media_type: MediaType::parse(media_type).expect("a legal media type"),
            blobs: blobs.iter().copied().cloned().collect(),
            children: children.iter().copied().cloned().collect(),
            subject: None,
        };
        let small = described("manifest zero", OCI_MANIFEST, &[&blobs[0].1], &[]);
        let large = described("manifest one", OCI_MANIFEST, &[&blobs[0].1, &blobs[1].1], &[]);
        let mut index = described("index", OCI_INDEX, &[], &[&small.digest]);
        index.subject = Some(large.digest.clone());
        Self {
            repositories: [repository("team/app"), repository("team/base")],
            tags: ["1.0.0", "2.0.0", "latest"].map(|tag| Tag::parse(tag).expect("a legal tag")),
            blobs,
            manifests: [small, large, index],
        }
    }
}
