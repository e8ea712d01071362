//! The operations of a commit, as they stand in the journal (JOURNAL.md section 2).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::chart::{Release, record};
use crate::clock::Timestamp;
use crate::oci::{Digest, MediaType, RepositoryName, Tag};

/// One operation of a commit, with who asked for it: the journal is the audit trail.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    #[serde(flatten)]
    pub op: Op,
    /// The principal.
    pub by: Box<str>,
    /// The request id.
    pub request: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Op {
    /// `repository` holds the blob, whose bytes are in `extents`.
    Blob {
        repository: RepositoryName,
        digest: Digest,
        size: u64,
        extents: Vec<OpExtent>,
    },
    /// `repository` holds a blob that another repository of the namespace holds.
    Mount {
        repository: RepositoryName,
        digest: Digest,
    },
    Manifest(Box<ManifestOp>),
    Tag {
        repository: RepositoryName,
        tag: Tag,
        digest: Digest,
        was: Option<Was>,
    },
    Untag {
        repository: RepositoryName,
        tag: Tag,
        was: Was,
    },
    /// Removes a manifest and its tags.
    Delete {
        repository: RepositoryName,
        digest: Digest,
    },
    /// Removes a blob from one repository.
    Unlink {
        repository: RepositoryName,
        digest: Digest,
    },
    /// The collector's: what nothing has referred to since before `before`.
    Reap {
        before: Timestamp,
        blobs: Vec<(RepositoryName, Digest)>,
        manifests: Vec<(RepositoryName, Digest)>,
    },
    /// The bytes of these objects were deleted.
    Purge {
        objects: Vec<Uuid>,
    },
    /// Nothing may name an object older than `before` any more; the sweep has looked at all before `swept`.
    Fence {
        before: Timestamp,
        swept: Timestamp,
    },
    /// A verified read found the object missing or wrong.
    Damaged {
        object: Uuid,
    },
    /// The whole namespace is condemned.
    Drop {},
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManifestOp {
    pub repository: RepositoryName,
    pub digest: Digest,
    pub media_type: MediaType,
    pub size: u64,
    pub extents: Vec<OpExtent>,
    /// What must exist for the manifest to be visible: blobs and child manifests of the same repository.
    pub references: Vec<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<Box<str>>,
    /// Present with a subject and up to 16 KiB; otherwise they are read from the body when they are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// What is told of a chart that an index can list.
    #[serde(default, with = "record", skip_serializing_if = "Option::is_none")]
    pub chart: Option<Arc<Release>>,
}

/// Where a tag pointed before, and the commit that had put it there: the history of a tag is a linked list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Was {
    pub digest: Digest,
    pub seq: u64,
}

/// A run of bytes, as an op names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OpExtent {
    Object {
        object: Uuid,
        offset: u64,
        length: u64,
        crc32c: Crc32c,
    },
    /// `[offset, length]` in the bytes that ride behind the line of the same commit.
    Attached {
        attached: [u64; 2],
        crc32c: Crc32c,
    },
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
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        u32::from_str_radix(&text, 16).map(Self).map_err(de::Error::custom)
    }
}

/// What a line of the journal says at one place of `ops`.
pub enum ReadOp {
    Known(Op),
    /// An op of a newer version that says of itself that it may be passed over.
    Skipped,
    /// An op of a newer version that may not.
    Unknown(String),
}

/// Reads one element of `ops`.
pub fn read_op(raw: &RawValue) -> Result<ReadOp, serde_json::Error> {
    #[derive(Deserialize)]
    struct Head {
        op: String,
        #[serde(default)]
        optional: bool,
    }
    let head: Head = serde_json::from_str(raw.get())?;
    let known = [
        "blob", "mount", "manifest", "tag", "untag", "delete", "unlink", "reap", "purge", "fence", "damaged",
        "drop",
    ];
    if known.contains(&head.op.as_str()) {
        return serde_json::from_str(raw.get()).map(ReadOp::Known);
    }
    Ok(if head.optional { ReadOp::Skipped } else { ReadOp::Unknown(head.op) })
}
