//! What may be proposed to a namespace, and what can come of it (docs/internals/storage-format.md#operations).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use uuid::Uuid;

use super::actor::Actor;
use super::fold::{NotRestorable, is_of_nothing};
use super::op::{
    BodiesOp, ChartRecord, Crc32c, DropOp, EraseOp, FenceOp, Op, OpExtent, PurgeOp, ReapOp, RestoreOp,
};
use crate::oci::{Condition, Digest, MediaType, RepositoryName, Tag};

/// A change that is asked for.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub change: Change,
    /// For the audit trail.
    pub actor: Actor,
}

#[derive(Clone, Debug)]
pub enum Change {
    /// A blob whose bytes are stored, or are attached to the commit.
    Blob {
        repository: RepositoryName,
        digest: Digest,
        content: Body,
    },
    /// A blob that `from` holds, in the same namespace; `from` may be the repository itself.
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
    /// With `now` it cannot be taken back.
    Delete {
        repository: RepositoryName,
        digest: Digest,
        condition: Condition,
        now: bool,
    },
    /// With `now` it cannot be taken back.
    Unlink {
        repository: RepositoryName,
        digest: Digest,
        now: bool,
    },
    /// What was deleted comes back, all of it or nothing.
    Restore(RestoreOp),
    /// Takes the version that `tag` stands for out of choice.
    Yank {
        repository: RepositoryName,
        tag: Tag,
        reason: Option<Box<str>>,
        instead: Option<Box<str>>,
    },
    Unyank {
        repository: RepositoryName,
        tag: Tag,
    },
    /// A repository, or all of the namespace.
    Drop(DropOp),
    /// A verified read found the bytes missing or wrong.
    Damaged(BodiesOp),
    /// A verified read found the bytes to be right.
    Sound(BodiesOp),
    /// The bodies were blanked.
    Erase(EraseOp),
    /// The collector's look at what can go.
    Reap(ReapOp),
    Purge(PurgeOp),
    Fence(FenceOp),
    /// The hash of the removal rules of this process.
    Rules(Box<str>),
    /// The lowest release that may write from now on.
    Require(u32),
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
    /// The size that the manifest gives for each digest it names, its subject included.
    pub sizes: Vec<(Digest, u64)>,
    pub tags: Vec<Tag>,
    /// The tags that stand for the chart's version, whether they are given now or not.
    pub listed: Vec<Tag>,
    pub subject: Option<Digest>,
    pub artifact_type: Option<Box<str>>,
    pub annotations: Option<BTreeMap<String, String>>,
    /// The chart, if it is one that an index can list.
    pub chart: Option<Arc<ChartRecord>>,
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
    /// Bytes that are attached to the commit: at most [`MAX_ATTACHED`] in one body.
    Attached(Bytes),
}

/// Bodies of at most this many bytes are attached to the commit.
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
    #[error(
        "the manifest gives {digest} a size of {said} bytes, but it has {held}: a descriptor has the size of its content, \
         or every pull fails; correct the size and push the manifest again"
    )]
    SizeMismatch { digest: Digest, said: u64, held: u64 },
    #[error("{digest} is referred to by {by}: delete that manifest first")]
    Referenced { digest: Digest, by: Box<Referrer> },
    #[error("the precondition does not hold: the current digest is {}", .0.as_ref().map_or("none".to_owned(), Digest::to_string))]
    Precondition(Option<Digest>),
    #[error(
        "{tag} is released and keeps its content: it is {held}, you sent {sent}; push it under another version, or name it in policy.mutable"
    )]
    Immutable { tag: Tag, held: Digest, sent: Digest },
    #[error(
        "{tag} is there already, as {held}: `?force` replaces a pre-release, but a released version keeps its content; push \
         it under another version, or name it in policy.mutable"
    )]
    Taken { tag: Tag, held: Digest },
    #[error(
        "{tag} is released and stays, as {held}: set policy.delete_immutable, or name it in policy.mutable, to remove it"
    )]
    Undeletable { tag: Tag, held: Digest },
    #[error("the uploaded data is too old or was collected: upload it again")]
    UploadExpired,
    #[error("the operation exceeds the journal's line of 1 MiB")]
    TooLarge,
    #[error("{0} is needed by what can still be restored: delete that for good first")]
    Retained(Digest),
    #[error("it cannot be restored: {0}")]
    NotRestorable(NotRestorable),
    #[error("the {0} of a yank has at most 512 printable characters, without quotes and backslashes")]
    YankText(&'static str),
    #[error("other removal rules are in force in this namespace")]
    OtherRules,
    /// The namespace is for newer releases.
    #[error("this namespace is written by release {0} or later only: use a newer version of charthouse")]
    NewerRelease(u32),
}

/// A manifest that refers to something, for the message of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    pub digest: Digest,
    /// One of its tags.
    pub tag: Option<Tag>,
}

impl fmt::Display for Referrer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the manifest {} of this repository, ", self.digest)?;
        match &self.tag {
            Some(tag) => write!(f, "which has the tag {tag}"),
            None => f.write_str("which has no tag"),
        }
    }
}

/// The decision on a proposal at one place of the journal.
#[derive(Clone, Debug)]
pub enum Decision {
    Append(Draft),
    /// What was asked for holds already.
    Unchanged,
    Refuse(Refusal),
}

/// Ops that are ready for the journal, but for the places of the bytes that are attached.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub ops: Vec<Op>,
    /// The bytes of the `Attached` extents of `ops`, in their order.
    pub attachments: Vec<Bytes>,
}

impl Change {
    /// About how many bytes it adds to a commit.
    pub(super) fn weight(&self) -> usize {
        const OP: usize = 512;
        /// An extent, a reference or an entry.
        const NAMED: usize = 160;
        match self {
            Change::Blob { content, .. } => OP + content.weight(NAMED),
            Change::Manifest(new) => {
                let named = (new.blobs.len() + new.children.len() + new.tags.len()) * NAMED;
                let annotations =
                    new.annotations.iter().flatten().map(|(k, v)| k.len() + v.len() + 8).sum::<usize>();
                let chart = new.chart.as_ref().map_or(0, |chart| OP + chart.metadata.len());
                OP + new.body.weight(NAMED) + named + annotations + chart
            }
            Change::Restore(op) => OP + (op.manifests.len() + op.blobs.len() + op.tags.len()) * NAMED,
            Change::Reap(op) => OP + (op.manifests.len() + op.blobs.len() + op.undo.len()) * NAMED,
            Change::Purge(op) => OP + op.objects.len() * NAMED,
            Change::Damaged(op) | Change::Sound(op) => OP + (op.objects.len() + op.bodies.len()) * NAMED,
            Change::Erase(op) => OP + op.bodies.len() * NAMED,
            Change::Delete { .. }
            | Change::Unlink { .. }
            | Change::Untag { .. }
            | Change::Mount { .. }
            | Change::Yank { .. }
            | Change::Unyank { .. }
            | Change::Drop(_)
            | Change::Fence(_)
            | Change::Rules(_)
            | Change::Require(_) => OP,
        }
    }

    /// Whether it takes content away that a reader by digest may be looking at.
    pub(super) fn removes_content(&self) -> bool {
        match self {
            Change::Delete { .. } | Change::Unlink { .. } | Change::Drop(_) | Change::Erase(_) => true,
            Change::Blob { .. }
            | Change::Mount { .. }
            | Change::Manifest(_)
            | Change::Untag { .. }
            | Change::Restore(_)
            | Change::Yank { .. }
            | Change::Unyank { .. }
            | Change::Damaged(_)
            | Change::Sound(_)
            | Change::Reap(_)
            | Change::Purge(_)
            | Change::Fence(_)
            | Change::Rules(_)
            | Change::Require(_) => false,
        }
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

    /// Whether it has all bytes of what `digest` names, as far as their number tells.
    pub(super) fn is_whole(&self, digest: &Digest) -> bool {
        let length = |piece: &Piece| match piece {
            Piece::Attached(bytes) => bytes.len() as u64,
            Piece::Object { length, .. } => *length,
        };
        let sum = self.pieces.iter().fold(0u64, |sum, piece| sum.saturating_add(length(piece)));
        sum == self.size && (self.size > 0 || is_of_nothing(digest))
    }

    /// A body that is attached to the commit.
    pub fn attached(bytes: Bytes) -> Self {
        Self { size: bytes.len() as u64, pieces: vec![Piece::Attached(bytes)] }
    }
}

impl Draft {
    /// Takes the bytes of `body` to attach; offsets count from the first attachment of this draft.
    pub(super) fn attach(&mut self, body: &Body) -> Vec<OpExtent> {
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
