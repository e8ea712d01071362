//! One commit: a line of JSON, then the small bodies that are attached to it (docs/internals/storage-format.md#commits).

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use uuid::Uuid;

use super::actor::Actor;
use super::op::{Crc32c, Entry, FoldedOp, Op, OpExtent, ReadOp, read_op};
use super::proposal::Draft;
use crate::clock::Timestamp;
use crate::oci::Digest;

/// The version of the line's format.
const VERSION: u32 = 1;
/// The last member of a line: the CRC-32C of all bytes of the line before the comma that it begins with.
const CHECKSUM: &str = ",\"crc32c\":\"";
/// The whole of it in bytes: [`CHECKSUM`], eight hex digits, and the end of the object.
const CHECKSUM_LENGTH: usize = CHECKSUM.len() + 10;

/// A commit as it is read back.
#[derive(Debug)]
pub struct Commit {
    pub seq: u64,
    pub prev: String,
    pub time: Timestamp,
    /// The process that wrote it.
    pub writer: Uuid,
    /// 128 random bits, fresh for each (number, bytes) that is sent: whose commit this is.
    pub nonce: String,
    pub ops: Vec<FoldedOp>,
}

/// What a commit says before its ops.
#[derive(Clone, Debug)]
pub struct Head {
    pub seq: u64,
    pub prev: String,
    pub time: Timestamp,
    pub writer: Uuid,
    pub nonce: String,
}

#[derive(Debug, Error)]
pub enum MalformedCommit {
    #[error("its line has no end")]
    NoLine,
    #[error("its line does not have the checksum that it ends with")]
    Checksum,
    #[error("its line is not the JSON of a commit: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it has format version {0}: it was written by a newer version of charthouse")]
    Version(u32),
    #[error("it has the operation {0:?}: it was written by a newer version of charthouse")]
    UnknownOp(String),
}

#[derive(Serialize)]
struct LineOut<'a> {
    v: u32,
    seq: u64,
    prev: &'a str,
    time: Timestamp,
    writer: Uuid,
    nonce: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attached: Option<Attached>,
    ops: &'a [Entry],
}

#[derive(Deserialize)]
struct LineIn<'a> {
    v: u32,
    seq: u64,
    prev: String,
    time: Timestamp,
    writer: Uuid,
    nonce: String,
    #[serde(borrow)]
    ops: Vec<&'a RawValue>,
}

#[derive(Serialize)]
struct Attached {
    length: u64,
    sha256: Digest,
}

/// Lays out a commit: the pieces of its object, in order.
pub fn encode(head: &Head, members: Vec<Member>) -> Result<Vec<Bytes>, serde_json::Error> {
    let mut entries = Vec::new();
    let mut attachments = Vec::new();
    let mut at = 0;
    for member in members {
        for mut op in member.draft.ops {
            shift_attachments(&mut op, at);
            entries.push(Entry { op, actor: member.actor.clone() });
        }
        at += member.draft.attachments.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        attachments.extend(member.draft.attachments);
    }
    let line = LineOut {
        v: VERSION,
        seq: head.seq,
        prev: &head.prev,
        time: head.time,
        writer: head.writer,
        nonce: &head.nonce,
        attached: (!attachments.is_empty()).then(|| Attached { length: at, sha256: digest_of(&attachments) }),
        ops: &entries,
    };
    let mut bytes = serde_json::to_vec(&line)?;
    seal(&mut bytes);
    bytes.push(b'\n');
    let mut pieces = vec![Bytes::from(bytes)];
    pieces.append(&mut attachments);
    Ok(pieces)
}

/// One accepted proposal of a batch.
#[derive(Clone, Debug)]
pub struct Member {
    pub draft: Draft,
    pub actor: Actor,
}

impl Commit {
    /// Reads the line. What is attached to it is not looked at: damage there is that of the bodies, not of the commit.
    ///
    /// # Errors
    /// The line is not whole, or was written by a newer release.
    pub fn read(bytes: &Bytes) -> Result<Self, MalformedCommit> {
        let line = line(bytes);
        if line.len() == bytes.len() {
            return Err(MalformedCommit::NoLine);
        }
        if !is_sealed(line) {
            return Err(MalformedCommit::Checksum);
        }
        let line_in: LineIn<'_> = serde_json::from_slice(line)?;
        if line_in.v != VERSION {
            return Err(MalformedCommit::Version(line_in.v));
        }
        let mut ops = Vec::with_capacity(line_in.ops.len());
        for raw in line_in.ops {
            match read_op(raw)? {
                ReadOp::Known(op) => ops.push(op),
                ReadOp::Skipped => {}
                ReadOp::Unknown(name) => return Err(MalformedCommit::UnknownOp(name)),
            }
        }
        let LineIn { seq, prev, time, writer, nonce, .. } = line_in;
        Ok(Self { seq, prev, time, writer, nonce, ops })
    }
}

/// Ends a JSON object with its checksum.
pub fn seal(line: &mut Vec<u8>) {
    line.pop();
    let end = checksum_of(line);
    line.extend_from_slice(end.as_bytes());
}

/// A commit whose line was changed, with the checksum that fits it.
#[cfg(test)]
pub(super) fn resealed(bytes: &[u8]) -> Vec<u8> {
    let (old, attached) = bytes.split_at(line(bytes).len());
    let mut new = old[..old.len() - CHECKSUM_LENGTH].to_vec();
    new.push(b'}');
    seal(&mut new);
    [&new, attached].concat()
}

fn checksum_of(content: &[u8]) -> String {
    format!("{CHECKSUM}{:08x}\"}}", Crc32c::of(content).0)
}

/// Whether a line ends with the checksum of what comes before. The newest line has no other proof: no hash chain covers it.
pub fn is_sealed(line: &[u8]) -> bool {
    let Some(length) = line.len().checked_sub(CHECKSUM_LENGTH) else { return false };
    let (content, end) = line.split_at(length);
    end == checksum_of(content).as_bytes()
}

/// The line of a commit, without its line feed; everything if there is none.
pub fn line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    &bytes[..end]
}

fn digest_of(pieces: &[Bytes]) -> Digest {
    let mut hasher = crate::oci::Hasher::new(crate::oci::Algorithm::Sha256);
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher.finish()
}

/// A draft counts attachments from its own first one; a commit from the first one of the batch.
fn shift_attachments(op: &mut Op, by: u64) {
    for extent in op.extents_mut() {
        if let OpExtent::Attached { attached, .. } = extent {
            attached[0] += by;
        }
    }
}
