//! What may be proposed to a namespace, and the decision on it: a pure function of the proposal and the state
//! at its place in the journal (the table of JOURNAL.md section 2).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use uuid::Uuid;

use super::op::{Crc32c, ManifestOp, Op, OpExtent, Was};
use super::policy::{Firmness, TagPolicy};
use super::state::{Manifest, ManifestEntry, State};
use crate::chart::Release;
use crate::oci::{Condition, Digest, MediaType, RepositoryName, Tag};

/// A change that somebody asks for.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub change: Change,
    /// The principal, for the audit trail.
    pub by: Box<str>,
    /// The request id, for the audit trail.
    pub request: Box<str>,
}

#[derive(Clone, Debug)]
pub enum Change {
    /// A blob whose bytes are stored, or ride along.
    Blob {
        repository: RepositoryName,
        digest: Digest,
        content: Body,
    },
    /// A blob that `from` holds, in the same namespace.
    Mount {
        repository: RepositoryName,
        digest: Digest,
        from: RepositoryName,
    },
    /// A manifest and the tags to give it.
    Manifest(Box<NewManifest>),
    Untag {
        repository: RepositoryName,
        tag: Tag,
        condition: Condition,
    },
    Delete {
        repository: RepositoryName,
        digest: Digest,
        condition: Condition,
    },
    Unlink {
        repository: RepositoryName,
        digest: Digest,
    },
    /// A verified read found the object missing or wrong.
    Damaged {
        object: Uuid,
    },
}

#[derive(Clone, Debug)]
pub struct NewManifest {
    pub repository: RepositoryName,
    pub digest: Digest,
    pub media_type: MediaType,
    pub body: Body,
    /// Blobs that the repository must hold.
    pub blobs: Vec<Digest>,
    /// Children (of an index) that the repository must hold, as manifests or as blobs.
    pub children: Vec<Digest>,
    pub tags: Vec<Tag>,
    pub subject: Option<Digest>,
    pub artifact_type: Option<Box<str>>,
    pub annotations: Option<BTreeMap<String, String>>,
    /// The chart, if it is one that an index can list.
    pub chart: Option<Arc<Release>>,
    /// Against what each of `tags` points to; without tags, against the manifest itself.
    pub condition: Condition,
    pub replace: Replace,
}

/// Whether a tag is taken from another manifest of other content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Replace {
    #[default]
    AsPolicySays,
    Never,
    /// From this one only, but from it whatever the policy says.
    This(Digest),
}

/// Bytes for the journal to name, in order.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub size: u64,
    pub pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
pub enum Piece {
    /// Bytes of a data object, which was created before.
    Object { id: Uuid, offset: u64, length: u64, crc32c: u32 },
    /// Bytes that ride along in the commit: at most [`MAX_ATTACHED`] in one body.
    Attached(Bytes),
}

/// Bodies of at most this many bytes ride along in the commit.
pub const MAX_ATTACHED: usize = 16 * 1024;

/// The rule that a proposal broke.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    #[error("blob {0} is not in this repository")]
    BlobUnknown(Digest),
    #[error("manifest {0} is not in this repository")]
    ManifestUnknown(Digest),
    #[error("tag {0} is not in this repository")]
    TagUnknown(Tag),
    #[error("the manifest refers to {0}, which is not in this repository: push it first")]
    ReferenceUnknown(Digest),
    #[error("{0} is referred to by a manifest of this repository: delete that manifest first")]
    Referenced(Digest),
    #[error("the precondition does not hold: the current digest is {}", .0.as_ref().map_or("none".to_owned(), Digest::to_string))]
    Precondition(Option<Digest>),
    #[error(
        "{tag} is released and keeps its content: it is {held}, you sent {sent}; push it under another version, or name it in policy.mutable"
    )]
    Immutable { tag: Tag, held: Digest, sent: Digest },
    #[error("{tag} is there already, as {held}: it is replaced only if that is asked for")]
    Taken { tag: Tag, held: Digest },
    #[error(
        "{tag} is released and stays, as {held}: set policy.delete_immutable, or name it in policy.mutable, to remove it"
    )]
    Undeletable { tag: Tag, held: Digest },
    #[error("the uploaded data is too old or was collected: upload it again")]
    UploadExpired,
    #[error("what the operation says of itself exceeds the journal's line of 1 MiB")]
    TooLarge,
}

/// What comes of a proposal at one place of the journal.
#[derive(Clone, Debug)]
pub enum Decision {
    Append(Draft),
    /// What was asked for holds already.
    Unchanged,
    Refuse(Refusal),
}

/// Ops that are ready for the journal, but for the places of the bytes that ride along.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub ops: Vec<Op>,
    /// The bytes of the `Attached` extents of `ops`, in their order.
    pub attachments: Vec<Bytes>,
}

/// Decides on `change` against `state`, by the rules of `policy`.
pub fn decide(state: &State, change: &Change, policy: &dyn TagPolicy) -> Decision {
    match change {
        Change::Blob { repository, digest, content } => decide_blob(state, repository, digest, content),
        Change::Mount { repository, digest, from } => decide_mount(state, repository, digest, from),
        Change::Manifest(new) => decide_manifest(state, new, policy),
        Change::Untag { repository, tag, condition } => {
            decide_untag(state, repository, tag, condition, policy)
        }
        Change::Delete { repository, digest, condition } => {
            decide_delete(state, repository, digest, condition, policy)
        }
        Change::Unlink { repository, digest } => decide_unlink(state, repository, digest),
        Change::Damaged { object } => decide_damaged(state, *object),
    }
}

fn decide_blob(state: &State, repository: &RepositoryName, digest: &Digest, content: &Body) -> Decision {
    if state.blob(repository, digest).is_some() {
        return Decision::Unchanged;
    }
    if state.healthy_content(digest).is_some() {
        // The namespace has the bytes: the repository gets the name, the upload is forgotten.
        return append(Op::Mount { repository: repository.clone(), digest: digest.clone() });
    }
    if !may_name(state, content) {
        return Decision::Refuse(Refusal::UploadExpired);
    }
    let mut draft = Draft::default();
    let extents = draft.attach(content);
    let (repository, digest) = (repository.clone(), digest.clone());
    draft.ops.push(Op::Blob { repository, digest, size: content.size, extents });
    Decision::Append(draft)
}

fn decide_mount(
    state: &State,
    repository: &RepositoryName,
    digest: &Digest,
    from: &RepositoryName,
) -> Decision {
    if state.blob(from, digest).is_none() {
        return Decision::Refuse(Refusal::BlobUnknown(digest.clone()));
    }
    if state.blob(repository, digest).is_some() {
        return Decision::Unchanged;
    }
    append(Op::Mount { repository: repository.clone(), digest: digest.clone() })
}

fn decide_manifest(state: &State, new: &NewManifest, policy: &dyn TagPolicy) -> Decision {
    if let Some(refusal) = broken_precondition(state, new).or_else(|| missing_reference(state, new)) {
        return Decision::Refuse(refusal);
    }
    let tags = match movable_tags(state, new, policy) {
        Ok(tags) => tags,
        Err(refusal) => return Decision::Refuse(refusal),
    };
    match state.manifest(&new.repository, &new.digest) {
        Some(entry) if is_same(state, entry, new) => tag_only(state, new, &tags),
        _ if !may_name(state, &new.body) => Decision::Refuse(Refusal::UploadExpired),
        _ => bring_manifest(state, new, &tags),
    }
}

/// The tags to give to the manifest. One that keeps its content is left out when that is the same: the manifest that
/// has it may be another one, because Helm writes the time of a file into its manifests.
fn movable_tags<'a>(
    state: &State,
    new: &'a NewManifest,
    policy: &dyn TagPolicy,
) -> Result<Vec<&'a Tag>, Refusal> {
    let mut movable = Vec::new();
    for tag in &new.tags {
        let held = state.tag(&new.repository, tag).map(|entry| &entry.digest);
        let Some(held) = held.filter(|held| **held != new.digest) else {
            movable.push(tag);
            continue;
        };
        let manifest = state.manifest(&new.repository, held).map(|entry| &entry.manifest);
        let types = [manifest.and_then(|held| held.artifact_type.as_deref()), new.artifact_type.as_deref()];
        let firmness = types.map(|artifact_type| policy.firmness(&new.repository, tag, artifact_type));
        let is_loose = firmness.iter().all(|firmness| *firmness == Firmness::Loose);
        let has_content = || manifest.is_some_and(|manifest| has_content_of(manifest, new));
        let (tag_name, held_digest) = (tag.clone(), held.clone());
        match &new.replace {
            Replace::This(expected) if expected == held => movable.push(tag),
            Replace::This(_) => return Err(Refusal::Precondition(Some(held_digest))),
            Replace::AsPolicySays if is_loose => movable.push(tag),
            _ if has_content() => {}
            Replace::Never => return Err(Refusal::Taken { tag: tag_name, held: held_digest }),
            Replace::AsPolicySays => {
                let (tag, held, sent) = (tag_name, held_digest, new.digest.clone());
                return Err(Refusal::Immutable { tag, held, sent });
            }
        }
    }
    Ok(movable)
}

/// Whether both refer to the same config, layers and children, in the same order.
fn has_content_of(manifest: &Manifest, new: &NewManifest) -> bool {
    manifest.references.iter().eq(new.blobs.iter().chain(&new.children))
        && manifest.artifact_type == new.artifact_type
        && manifest.subject == new.subject
}

/// A tag of `digest` that must stay.
fn fixed_tag(
    state: &State,
    repository: &RepositoryName,
    digest: &Digest,
    tags: impl IntoIterator<Item = Tag>,
    policy: &dyn TagPolicy,
) -> Option<Refusal> {
    let artifact_type = state.manifest(repository, digest)?.manifest.artifact_type.as_deref();
    let fixed = |tag: &Tag| policy.firmness(repository, tag, artifact_type) == Firmness::Fixed;
    let tag = tags.into_iter().find(fixed)?;
    Some(Refusal::Undeletable { tag, held: digest.clone() })
}

fn broken_precondition(state: &State, new: &NewManifest) -> Option<Refusal> {
    let of_tag = |tag: &Tag| state.tag(&new.repository, tag).map(|entry| entry.digest.clone());
    let of_manifest = || state.manifest(&new.repository, &new.digest).map(|_| new.digest.clone());
    let currents: Vec<_> =
        if new.tags.is_empty() { vec![of_manifest()] } else { new.tags.iter().map(of_tag).collect() };
    currents.into_iter().find(|current| !new.condition.holds(current.as_ref())).map(Refusal::Precondition)
}

fn missing_reference(state: &State, new: &NewManifest) -> Option<Refusal> {
    let repository = state.repository(&new.repository);
    let has_blob = |digest: &Digest| repository.is_some_and(|r| r.blobs.contains_key(digest));
    let blob = new.blobs.iter().find(|digest| !has_blob(digest));
    let child = new.children.iter().find(|digest| !state.holds(&new.repository, digest));
    blob.or(child).map(|digest| Refusal::ReferenceUnknown(digest.clone()))
}

/// A manifest is its bytes and its media type: the same bytes under another type replace it.
fn is_same(state: &State, entry: &ManifestEntry, new: &NewManifest) -> bool {
    entry.manifest.media_type == new.media_type && !state.is_damaged(&entry.manifest.extents)
}

fn tag_only(state: &State, new: &NewManifest, tags: &[&Tag]) -> Decision {
    let ops: Vec<Op> = tags.iter().filter_map(|tag| move_tag(state, new, tag)).collect();
    if ops.is_empty() {
        Decision::Unchanged
    } else {
        Decision::Append(Draft { ops, attachments: Vec::new() })
    }
}

/// The op that makes `tag` point to the manifest, unless it does.
fn move_tag(state: &State, new: &NewManifest, tag: &Tag) -> Option<Op> {
    let current = state.tag(&new.repository, tag);
    if current.is_some_and(|entry| entry.digest == new.digest) {
        return None;
    }
    let was = current.map(|entry| Was { digest: entry.digest.clone(), seq: entry.seq });
    Some(Op::Tag { repository: new.repository.clone(), tag: tag.clone(), digest: new.digest.clone(), was })
}

fn bring_manifest(state: &State, new: &NewManifest, tags: &[&Tag]) -> Decision {
    let mut draft = Draft::default();
    let extents = draft.attach(&new.body);
    // A tag that moves gets an op of its own, because its history goes on from `was`.
    let (moved, fresh): (Vec<&Tag>, Vec<&Tag>) =
        tags.iter().partition(|tag| state.tag(&new.repository, tag).is_some());
    draft.ops.push(Op::Manifest(Box::new(ManifestOp {
        repository: new.repository.clone(),
        digest: new.digest.clone(),
        media_type: new.media_type.clone(),
        size: new.body.size,
        extents,
        references: new.blobs.iter().chain(&new.children).cloned().collect(),
        tags: fresh.into_iter().cloned().collect(),
        subject: new.subject.clone(),
        artifact_type: new.artifact_type.clone(),
        annotations: new.annotations.clone(),
        chart: new.chart.clone(),
    })));
    draft.ops.extend(moved.into_iter().filter_map(|tag| move_tag(state, new, tag)));
    Decision::Append(draft)
}

fn decide_untag(
    state: &State,
    repository: &RepositoryName,
    tag: &Tag,
    condition: &Condition,
    policy: &dyn TagPolicy,
) -> Decision {
    let Some(entry) = state.tag(repository, tag) else {
        return Decision::Refuse(Refusal::TagUnknown(tag.clone()));
    };
    if !condition.holds(Some(&entry.digest)) {
        return Decision::Refuse(Refusal::Precondition(Some(entry.digest.clone())));
    }
    if let Some(refusal) = fixed_tag(state, repository, &entry.digest, [tag.clone()], policy) {
        return Decision::Refuse(refusal);
    }
    let was = Was { digest: entry.digest.clone(), seq: entry.seq };
    append(Op::Untag { repository: repository.clone(), tag: tag.clone(), was })
}

fn decide_delete(
    state: &State,
    repository: &RepositoryName,
    digest: &Digest,
    condition: &Condition,
    policy: &dyn TagPolicy,
) -> Decision {
    let Some(found) = state.repository(repository).filter(|found| found.manifests.contains_key(digest))
    else {
        return Decision::Refuse(Refusal::ManifestUnknown(digest.clone()));
    };
    if !condition.holds(Some(digest)) {
        return Decision::Refuse(Refusal::Precondition(Some(digest.clone())));
    }
    if is_referenced(state, repository, digest) {
        return Decision::Refuse(Refusal::Referenced(digest.clone()));
    }
    let tags = found.tags_of(digest).map(|(tag, _)| tag.clone());
    if let Some(refusal) = fixed_tag(state, repository, digest, tags, policy) {
        return Decision::Refuse(refusal);
    }
    append(Op::Delete { repository: repository.clone(), digest: digest.clone() })
}

fn decide_unlink(state: &State, repository: &RepositoryName, digest: &Digest) -> Decision {
    if state.repository(repository).is_none_or(|r| !r.blobs.contains_key(digest)) {
        return Decision::Refuse(Refusal::BlobUnknown(digest.clone()));
    }
    if is_referenced(state, repository, digest) {
        return Decision::Refuse(Refusal::Referenced(digest.clone()));
    }
    append(Op::Unlink { repository: repository.clone(), digest: digest.clone() })
}

fn decide_damaged(state: &State, object: Uuid) -> Decision {
    if !state.objects.contains_key(&object) || state.damaged.contains(&object) {
        return Decision::Unchanged;
    }
    append(Op::Damaged { object })
}

fn is_referenced(state: &State, repository: &RepositoryName, digest: &Digest) -> bool {
    state.repository(repository).is_some_and(|r| r.references.contains_key(digest))
}

fn may_name(state: &State, body: &Body) -> bool {
    body.pieces.iter().all(|piece| match piece {
        Piece::Object { id, .. } => state.may_name(id),
        Piece::Attached(_) => true,
    })
}

fn append(op: Op) -> Decision {
    Decision::Append(Draft { ops: vec![op], attachments: Vec::new() })
}

impl Change {
    /// About how many bytes it adds to a commit.
    pub(super) fn weight(&self) -> usize {
        const OP: usize = 512;
        const EXTENT_OR_REFERENCE: usize = 160;
        match self {
            Change::Blob { content, .. } => OP + content.weight(EXTENT_OR_REFERENCE),
            Change::Manifest(new) => {
                let named = (new.blobs.len() + new.children.len() + new.tags.len()) * EXTENT_OR_REFERENCE;
                let annotations =
                    new.annotations.iter().flatten().map(|(k, v)| k.len() + v.len() + 8).sum::<usize>();
                let chart = new.chart.as_ref().map_or(0, |chart| OP + chart.metadata.len());
                OP + new.body.weight(EXTENT_OR_REFERENCE) + named + annotations + chart
            }
            _ => OP,
        }
    }

    /// Whether it takes content away that a reader by digest may be looking at.
    pub(super) fn removes_content(&self) -> bool {
        matches!(self, Change::Delete { .. } | Change::Unlink { .. })
    }
}

impl Body {
    fn weight(&self, of_extent: usize) -> usize {
        let attached = |piece: &Piece| match piece {
            Piece::Attached(bytes) => bytes.len(),
            Piece::Object { .. } => 0,
        };
        self.pieces.iter().map(|piece| of_extent + attached(piece)).sum()
    }

    /// A body that rides along.
    pub fn attached(bytes: Bytes) -> Self {
        Self { size: bytes.len() as u64, pieces: vec![Piece::Attached(bytes)] }
    }
}

impl Draft {
    /// Takes the bytes of `body` that ride along; offsets count from the first attachment of this draft.
    fn attach(&mut self, body: &Body) -> Vec<OpExtent> {
        let mut at: u64 = self.attachments.iter().map(|bytes| bytes.len() as u64).sum();
        let mut extents = Vec::with_capacity(body.pieces.len());
        for piece in &body.pieces {
            match piece {
                Piece::Attached(bytes) if bytes.is_empty() => {}
                Piece::Attached(bytes) => {
                    let length = bytes.len() as u64;
                    extents.push(OpExtent::Attached { attached: [at, length], crc32c: Crc32c::of(bytes) });
                    self.attachments.push(bytes.clone());
                    at += length;
                }
                Piece::Object { id, offset, length, crc32c } => {
                    let crc32c = Crc32c(*crc32c);
                    extents.push(OpExtent::Object { object: *id, offset: *offset, length: *length, crc32c });
                }
            }
        }
        extents
    }
}
