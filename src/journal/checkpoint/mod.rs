//! Checkpoints: the folded state at one commit, as zstd-compressed JSON lines
//! (docs/internals/storage-format.md#checkpoints).
//!
//! A checkpoint is a cache of the journal. What follows from other parts of the state (counts, referrers) is not
//! written but counted again when it is read.

mod reading;

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::keys::FOLD_VERSION;
use super::state::{
    Condemned, Content, Extent, Manifest, Repository, Revision, RulesMark, State, TagEntry, Yank,
};
use super::undo::{UndoBlob, UndoManifest, UndoTag};
use crate::clock::Timestamp;
use crate::oci::{Digest, RepositoryName, Tag};

pub use reading::read;

/// No checkpoint unpacks to more than this many bytes.
const MAX_UNPACKED: u64 = 8 << 30;
/// Fast, and already a fifth of the size.
const LEVEL: i32 = 1;

/// The bytes of a record of most states, about: a buffer that grows is copied.
const TYPICAL_RECORD: usize = 400;

#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub state: State,
}

#[derive(Debug, Error)]
pub enum MalformedCheckpoint {
    #[error("it cannot be unpacked: {0}")]
    Unpack(#[from] std::io::Error),
    #[error("it is not the JSON of a checkpoint: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it has fold version {0}")]
    Version(u32),
    #[error("its content does not have the digest in its header")]
    Digest,
    #[error("its records contradict each other")]
    Contradiction,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    fold: u32,
    seq: u64,
    /// Of the line of commit `seq`.
    hash: Arc<str>,
    time: Timestamp,
    fence: Timestamp,
    swept: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<RulesMark>,
    required_writer: u32,
    entries: u64,
    /// Of the bytes after the header's line.
    sha256: Digest,
}

/// One line. What belongs to a repository belongs to the one that was named last.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Content(Digest, u64, Arc<[Extent]>),
    Repository(RepositoryRecord),
    Blob(Digest, Timestamp),
    /// Its digest; whether it ever had a tag; its age for the collector.
    Manifest(Digest, Arc<Manifest>, bool, Timestamp),
    Tag(Tag, TagEntry),
    /// The chart itself follows from the tag.
    Release(Tag, Revision),
    Yank(Tag, Arc<Yank>),
    UndoManifest(Digest, Arc<UndoManifest>),
    UndoTag(Tag, Arc<UndoTag>),
    UndoBlob(Digest, Arc<UndoBlob>),
    Condemned(Uuid, Condemned),
    Purged(Uuid),
    DamagedObject(Uuid),
    /// Commit, first byte in its object, number of bytes.
    DamagedBody(u64, u64, u64),
    ErasedBody(u64, u64, u64),
}

#[derive(Serialize, Deserialize)]
struct RepositoryRecord {
    name: RepositoryName,
    born: u64,
    populated: u64,
    index: Revision,
}

/// The bytes of a checkpoint of `state`.
pub fn write(state: &State) -> Result<Bytes, MalformedCheckpoint> {
    let body = body(state)?;
    let header = Header {
        fold: FOLD_VERSION,
        seq: state.seq,
        hash: state.link.clone(),
        time: state.time,
        fence: state.fence,
        swept: state.swept,
        rules: state.rules.clone(),
        required_writer: state.required_writer,
        entries: state.entries,
        sha256: Digest::sha256(&body),
    };
    let mut packed = zstd::Encoder::new(Vec::new(), LEVEL)?;
    // The digest in the header is of what follows it; this one covers the header too.
    packed.include_checksum(true)?;
    serde_json::to_writer(&mut packed, &header)?;
    packed.write_all(b"\n")?;
    packed.write_all(&body)?;
    Ok(packed.finish()?.into())
}

/// The records of a state, a line each.
fn body(state: &State) -> Result<Vec<u8>, MalformedCheckpoint> {
    let mut body = Vec::with_capacity(state.entries as usize * TYPICAL_RECORD);
    for record in records(state) {
        serde_json::to_writer(&mut body, &record)?;
        body.push(b'\n');
    }
    Ok(body)
}

fn records(state: &State) -> impl Iterator<Item = Record> + '_ {
    let contents = state.contents.iter().map(|(digest, content)| {
        let Content { size, extents, .. } = content;
        Record::Content(digest.clone(), *size, extents.clone())
    });
    let repositories = state.repositories.iter().flat_map(|(name, of)| repository_records(name, of));
    let condemned = state.condemned.iter().map(|(id, condemned)| Record::Condemned(*id, *condemned));
    let purged = state.purged.iter().map(|id| Record::Purged(*id));
    let objects = state.damaged_objects.iter().map(|id| Record::DamagedObject(*id));
    let bodies =
        state.damaged_bodies.iter().map(|((seq, at), length)| Record::DamagedBody(*seq, *at, *length));
    let erased = state.erased_bodies.iter().map(|((seq, at), length)| Record::ErasedBody(*seq, *at, *length));
    contents.chain(repositories).chain(condemned).chain(purged).chain(objects).chain(bodies).chain(erased)
}

fn repository_records<'a>(
    name: &'a RepositoryName,
    repository: &'a Repository,
) -> impl Iterator<Item = Record> + 'a {
    let Repository { born, populated, index, undo, .. } = repository;
    let head = RepositoryRecord { name: name.clone(), born: *born, populated: *populated, index: *index };
    let blobs = repository.blobs.iter().map(|(digest, since)| Record::Blob(digest.clone(), *since));
    let manifests = repository.manifests.iter().map(|(digest, entry)| {
        Record::Manifest(digest.clone(), entry.manifest.clone(), entry.ever_tagged, entry.since)
    });
    let tags = repository.tags.iter().map(|(tag, entry)| Record::Tag(tag.clone(), entry.clone()));
    let yanks = repository.yanks.iter().map(|(tag, yank)| Record::Yank(tag.clone(), yank.clone()));
    let releases = repository.releases.iter().map(|(tag, release)| {
        Record::Release(tag.clone(), Revision { seq: release.seq, time: release.since })
    });
    let undo_manifests =
        undo.manifests.iter().map(|(of, entry)| Record::UndoManifest(of.clone(), entry.clone()));
    let undo_tags = undo.tags.iter().map(|(of, entry)| Record::UndoTag(of.clone(), entry.clone()));
    let undo_blobs = undo.blobs.iter().map(|(of, entry)| Record::UndoBlob(of.clone(), entry.clone()));
    std::iter::once(Record::Repository(head))
        .chain(blobs)
        .chain(manifests)
        .chain(tags)
        .chain(yanks)
        .chain(releases)
        .chain(undo_manifests)
        .chain(undo_tags)
        .chain(undo_blobs)
}

/// The state as text, a line for the header and one for each record, for comparison.
#[cfg(test)]
pub fn text(state: &State) -> String {
    let bytes = write(state).expect("a state that can be written");
    String::from_utf8(zstd::decode_all(&bytes[..]).expect("a frame")).expect("JSON")
}
