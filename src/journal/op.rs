//! The operations of a commit, as they stand in the journal (docs/internals/storage-format.md#operations).
//!
//! A fold reads the fields that are named here and ignores every other one, in every release. So a field is added only if
//! no fold reads it; what a fold has to read becomes a new operation.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::actor::{Actor, PrincipalName};
use crate::clock::Timestamp;
use crate::oci::{Digest, MediaType, RepositoryName, Tag};

/// One operation of a commit and who asked for it: the journal is the audit trail.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    #[serde(flatten)]
    pub op: Op,
    #[serde(flatten)]
    pub actor: Actor,
}

/// Defines [`Op`] and the names under which a commit has its variants, so that the two cannot differ.
macro_rules! ops {
    ($($(#[doc = $doc:literal])+ $name:literal => $variant:ident($content:ty),)+) => {
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "op")]
        pub enum Op {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant($content),)+
        }

        impl Op {
            /// Every operation that this release folds.
            #[cfg(test)]
            pub const NAMES: &[&str] = &[$($name),+];

            /// Reads the operation `name`; `None` if this release does not know it.
            fn read(name: &str, raw: &str) -> Result<Option<Self>, serde_json::Error> {
                match name {
                    $($name => serde_json::from_str(raw).map(Self::$variant).map(Some),)+
                    _ => Ok(None),
                }
            }
        }
    };
}

ops! {
    /// The repository holds the blob, whose bytes are in `extents`.
    "blob" => Blob(BlobOp),
    /// The repository holds a blob whose bytes the namespace has.
    "mount" => Mount(MountOp),
    /// The repository has the manifest, and the tags point to it.
    "manifest" => Manifest(Box<ManifestOp>),
    /// The tag points to the manifest.
    "tag" => Tag(TagOp),
    /// The tag is gone.
    "untag" => Untag(UntagOp),
    /// The manifest and its tags are gone.
    "delete" => Delete(DeleteOp),
    /// The repository does not hold the blob any more.
    "unlink" => Unlink(UnlinkOp),
    /// What was deleted is back, all of it or nothing.
    "restore" => Restore(RestoreOp),
    /// The collector removes what nothing has referred to since before `before`, and what can no longer be restored.
    "reap" => Reap(ReapOp),
    /// The bytes of these objects were deleted.
    "purge" => Purge(PurgeOp),
    /// Nothing may name an object older than `before`; all data before `swept` was looked at.
    "fence" => Fence(FenceOp),
    /// A verified read found the bytes missing or wrong.
    "damaged" => Damaged(BodiesOp),
    /// A verified read found the bytes to be right.
    "sound" => Sound(BodiesOp),
    /// The bodies were blanked in the commits that they are attached to.
    "erase" => Erase(EraseOp),
    /// The version is not to be chosen any more.
    "yank" => Yank(YankOp),
    /// The version may be chosen again.
    "unyank" => Unyank(UnyankOp),
    /// The hash of the removal rules in force.
    "rules" => Rules(RulesOp),
    /// Only releases of this writer number or a higher one may write.
    "require" => Require(RequireOp),
    /// The repository, or every one of the namespace, is deleted with everything in it.
    "drop" => Drop(DropOp),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlobOp {
    pub repository: RepositoryName,
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    pub extents: Vec<OpExtent>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MountOp {
    pub repository: RepositoryName,
    pub digest: Digest,
    /// The repository that it was mounted from; for the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RepositoryName>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestOp {
    pub repository: RepositoryName,
    pub digest: Digest,
    pub media_type: MediaType,
    /// In bytes.
    pub size: u64,
    pub extents: Vec<OpExtent>,
    /// What must exist for the manifest to be visible: blobs and child manifests of the same repository.
    pub references: Vec<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Those of `tags` that stand for the chart's version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<Tag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<Box<str>>,
    /// Present with a subject and up to 16 KiB; otherwise they are read from the body when they are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Arc<ChartRecord>>,
}

/// What an index lists of a chart: rendered once, at the push, and kept as it is from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartRecord {
    pub name: Box<str>,
    pub version: Box<str>,
    /// Of the layer that is the package.
    pub package: Digest,
    /// Of the layer that is its provenance file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Digest>,
    /// A text that the journal never looks into.
    pub metadata: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagOp {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub digest: Digest,
    /// Where the tag pointed before; for readers of the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Was>,
    /// Whether the tag stands for the chart's version.
    pub listed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UntagOp {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub was: Was,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteOp {
    pub repository: RepositoryName,
    pub digest: Digest,
    /// The tags that go with it, each with the commit that last moved it; for readers of the journal.
    #[serde(default)]
    pub tags: Vec<(Tag, u64)>,
    /// It cannot be restored, nor can an earlier deletion of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub now: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnlinkOp {
    pub repository: RepositoryName,
    pub digest: Digest,
    /// It cannot be restored, nor can an earlier deletion of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub now: bool,
}

/// Each entry names the commit whose deletion it takes back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RestoreOp {
    /// An index comes after its children.
    #[serde(default)]
    pub manifests: Vec<(RepositoryName, Digest, u64)>,
    #[serde(default)]
    pub blobs: Vec<(RepositoryName, Digest, u64)>,
    /// The last member says whether the tag stands for the chart's version.
    #[serde(default)]
    pub tags: Vec<(RepositoryName, Tag, Digest, u64, bool)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReapOp {
    pub before: Timestamp,
    #[serde(default)]
    pub blobs: Vec<(RepositoryName, Digest)>,
    #[serde(default)]
    pub manifests: Vec<(RepositoryName, Digest)>,
    /// Deletions that cannot be taken back any more, each with the commit that made it.
    #[serde(default, with = "undo_list")]
    pub undo: Vec<(RepositoryName, UndoKey, u64)>,
    /// The hash of the removal rules that the collector follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Box<str>>,
}

/// What was deleted in a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UndoKey {
    Manifest(Digest),
    Tag(Tag),
    Blob(Digest),
}

/// Undo entries as `[repository, kind, key, seq]`.
mod undo_list {
    use super::*;

    #[derive(Clone, Copy, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Manifest,
        Tag,
        Blob,
    }

    pub fn serialize<S: Serializer>(
        undo: &[(RepositoryName, UndoKey, u64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(undo.iter().map(|(repository, key, seq)| match key {
            UndoKey::Manifest(digest) => (repository, Kind::Manifest, digest.to_string(), seq),
            UndoKey::Tag(tag) => (repository, Kind::Tag, tag.to_string(), seq),
            UndoKey::Blob(digest) => (repository, Kind::Blob, digest.to_string(), seq),
        }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(RepositoryName, UndoKey, u64)>, D::Error> {
        let listed = Vec::<(RepositoryName, Kind, Box<str>, u64)>::deserialize(deserializer)?;
        let read = |(repository, kind, key, seq): (RepositoryName, Kind, Box<str>, u64)| {
            let digest = || Digest::parse(&key).map_err(de::Error::custom);
            let key = match kind {
                Kind::Manifest => UndoKey::Manifest(digest()?),
                Kind::Tag => UndoKey::Tag(Tag::parse(&key).map_err(de::Error::custom)?),
                Kind::Blob => UndoKey::Blob(digest()?),
            };
            Ok((repository, key, seq))
        };
        listed.into_iter().map(read).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PurgeOp {
    pub objects: Vec<Uuid>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FenceOp {
    pub before: Timestamp,
    pub swept: Timestamp,
}

/// Data objects, and bodies that are attached to commits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BodiesOp {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Uuid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bodies: Vec<AttachedBody>,
}

/// Commit, first byte in the object of that commit, and number of bytes.
pub type AttachedBody = (u64, u64, u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EraseOp {
    pub bodies: Vec<AttachedBody>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct YankOp {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// The version to take instead.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub instead: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnyankOp {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RulesOp {
    pub hash: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequireOp {
    pub writer: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DropOp {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryName>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub now: bool,
}

/// Where a tag pointed, and the commit that had put it there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Was {
    pub digest: Digest,
    pub seq: u64,
}

/// A run of bytes, as an operation names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OpExtent {
    Object {
        object: Uuid,
        offset: u64,
        length: u64,
        crc32c: Crc32c,
    },
    /// `[offset, length]` in the bytes after the line of the same commit.
    Attached {
        attached: [u64; 2],
        crc32c: Crc32c,
    },
}

impl OpExtent {
    /// In bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Object { length, .. } | Self::Attached { attached: [_, length], .. } => *length,
        }
    }
}

/// A CRC-32C (RFC 3720 appendix B.4), written as eight hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc32c(pub u32);

impl Crc32c {
    pub fn of(bytes: &[u8]) -> Self {
        Self(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32)
    }
}

impl Serialize for Crc32c {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:08x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Crc32c {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        u32::from_str_radix(&text, 16).map(Self).map_err(de::Error::custom)
    }
}

impl Op {
    /// The extents whose attached bytes are counted from the first attachment of the commit.
    pub fn extents_mut(&mut self) -> &mut [OpExtent] {
        match self {
            Op::Blob(op) => &mut op.extents,
            Op::Manifest(op) => &mut op.extents,
            Op::Mount(_)
            | Op::Tag(_)
            | Op::Untag(_)
            | Op::Delete(_)
            | Op::Unlink(_)
            | Op::Restore(_)
            | Op::Reap(_)
            | Op::Purge(_)
            | Op::Fence(_)
            | Op::Damaged(_)
            | Op::Sound(_)
            | Op::Erase(_)
            | Op::Yank(_)
            | Op::Unyank(_)
            | Op::Rules(_)
            | Op::Require(_)
            | Op::Drop(_) => &mut [],
        }
    }
}

/// An operation as it was read back, with what the fold keeps of who asked for it.
#[derive(Debug)]
pub struct FoldedOp {
    pub op: Op,
    pub by: PrincipalName,
    pub call: Uuid,
}

/// What a line of the journal has at one place of `ops`.
pub enum ReadOp {
    Known(FoldedOp),
    /// An operation that says of itself that it is optional: no fold of any release reads it.
    Skipped,
    /// An operation of a newer release that may not be ignored.
    Unknown(String),
}

/// Reads one element of `ops`.
pub fn read_op(raw: &RawValue) -> Result<ReadOp, serde_json::Error> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        op: Cow<'a, str>,
        #[serde(default)]
        optional: bool,
        #[serde(default)]
        by: PrincipalName,
        #[serde(default)]
        call: Uuid,
    }
    let Head { op: name, optional, by, call } = serde_json::from_str(raw.get())?;
    if optional {
        return Ok(ReadOp::Skipped);
    }
    Ok(match Op::read(&name, raw.get())? {
        Some(op) => ReadOp::Known(FoldedOp { op, by, call }),
        None => ReadOp::Unknown(name.into_owned()),
    })
}

fn is_false(flag: &bool) -> bool {
    !flag
}
