//! Checkpoints: the folded state at one commit, as zstd-compressed JSON lines (JOURNAL.md section 5).
//!
//! A checkpoint is a cache of the journal. What follows from other parts of the state (counts, referrers) is not
//! written but counted again when it is read.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::keys::FOLD_VERSION;
use super::state::{Content, Extent, Manifest, ManifestEntry, Release, Revision, State, TagEntry};
use crate::chart;
use crate::clock::Timestamp;
use crate::oci::{Digest, MediaType, RepositoryName, Tag};

/// No checkpoint unpacks to more than this many bytes.
const MAX_UNPACKED: u64 = 8 << 30;
/// Fast, and already a fifth of the size.
const LEVEL: i32 = 1;

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

#[derive(Serialize, Deserialize)]
struct Header {
    fold: u32,
    seq: u64,
    /// Of the line of commit `seq`.
    hash: Arc<str>,
    time: Timestamp,
    fence: Timestamp,
    swept: Timestamp,
    index: Revision,
    entries: u64,
    /// Of the bytes after the header's line.
    sha256: Digest,
}

/// One line. A blob, manifest, tag or release belongs to the repository that was named last.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Record {
    Content(Digest, u64, Arc<[Extent]>),
    Repository(RepositoryName),
    Blob(Digest, Timestamp),
    Manifest(Digest, Box<ManifestRecord>),
    Tag(Tag, Digest, u64),
    /// The chart itself follows from the tag.
    Release(Tag, Timestamp),
    Condemned(Uuid, u64),
    Purged(Uuid),
    Damaged(Uuid),
}

#[derive(Serialize, Deserialize)]
struct ManifestRecord {
    media_type: MediaType,
    size: u64,
    extents: Arc<[Extent]>,
    references: Arc<[Digest]>,
    subject: Option<Digest>,
    artifact_type: Option<Box<str>>,
    annotations: Option<BTreeMap<String, String>>,
    chart: Option<Arc<chart::Release>>,
    seq: u64,
    time: Timestamp,
    ever_tagged: bool,
    untagged_since: Timestamp,
}

/// The bytes of a checkpoint of `state`.
pub fn write(state: &State) -> Result<Bytes, MalformedCheckpoint> {
    let mut body = Vec::new();
    for record in records(state) {
        serde_json::to_writer(&mut body, &record)?;
        body.push(b'\n');
    }
    let header = Header {
        fold: FOLD_VERSION,
        seq: state.seq,
        hash: state.link.clone(),
        time: state.time,
        fence: state.fence,
        swept: state.swept,
        index: state.index,
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

/// Reads a checkpoint and proves that it is whole.
pub fn read(bytes: &[u8]) -> Result<Checkpoint, MalformedCheckpoint> {
    let mut unpacked = Vec::new();
    zstd::Decoder::new(bytes)?.take(MAX_UNPACKED).read_to_end(&mut unpacked)?;
    let end = unpacked.iter().position(|byte| *byte == b'\n').ok_or(MalformedCheckpoint::Contradiction)?;
    let (line, body) = (&unpacked[..end], &unpacked[end + 1..]);
    let header: Header = serde_json::from_slice(line)?;
    if header.fold != FOLD_VERSION {
        return Err(MalformedCheckpoint::Version(header.fold));
    }
    if Digest::sha256(body) != header.sha256 {
        return Err(MalformedCheckpoint::Digest);
    }
    let mut state = State {
        seq: header.seq,
        link: header.hash,
        time: header.time,
        fence: header.fence,
        swept: header.swept,
        index: header.index,
        ..State::default()
    };
    let mut repository = None;
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        restore(&mut state, &mut repository, serde_json::from_slice(line)?)?;
    }
    if state.entries != header.entries {
        return Err(MalformedCheckpoint::Contradiction);
    }
    Ok(Checkpoint { state })
}

fn records(state: &State) -> impl Iterator<Item = Record> + '_ {
    let contents =
        state.contents.iter().map(|(digest, c)| Record::Content(digest.clone(), c.size, c.extents.clone()));
    let repositories = state.repositories.iter().flat_map(|(name, repository)| {
        let blobs = repository.blobs.iter().map(|(digest, since)| Record::Blob(digest.clone(), *since));
        let manifests = repository.manifests.iter().map(|(digest, entry)| manifest_record(digest, entry));
        let tags = repository
            .tags
            .iter()
            .map(|(tag, entry)| Record::Tag(tag.clone(), entry.digest.clone(), entry.seq));
        let releases =
            repository.releases.iter().map(|(tag, release)| Record::Release(tag.clone(), release.since));
        std::iter::once(Record::Repository(name.clone()))
            .chain(blobs)
            .chain(manifests)
            .chain(tags)
            .chain(releases)
    });
    let condemned = state.condemned.iter().map(|(id, seq)| Record::Condemned(*id, *seq));
    let purged = state.purged.iter().map(|id| Record::Purged(*id));
    let damaged = state.damaged.iter().map(|id| Record::Damaged(*id));
    contents.chain(repositories).chain(condemned).chain(purged).chain(damaged)
}

fn manifest_record(digest: &Digest, entry: &ManifestEntry) -> Record {
    let manifest = &entry.manifest;
    let record = ManifestRecord {
        media_type: manifest.media_type.clone(),
        size: manifest.size,
        extents: manifest.extents.clone(),
        references: manifest.references.clone(),
        subject: manifest.subject.clone(),
        artifact_type: manifest.artifact_type.clone(),
        annotations: manifest.annotations.clone(),
        chart: manifest.chart.clone(),
        seq: manifest.seq,
        time: manifest.time,
        ever_tagged: entry.ever_tagged,
        untagged_since: entry.untagged_since,
    };
    Record::Manifest(digest.clone(), Box::new(record))
}

fn restore(
    state: &mut State,
    current: &mut Option<RepositoryName>,
    record: Record,
) -> Result<(), MalformedCheckpoint> {
    match record {
        Record::Content(digest, size, extents) => {
            state.count_up(&extents);
            state.contents.insert(digest, Content { size, extents, holders: 0 });
        }
        Record::Repository(name) => {
            state.repositories.insert(name.clone(), Default::default());
            *current = Some(name);
        }
        Record::Condemned(id, seq) => {
            state.condemned.insert(id, seq);
        }
        Record::Purged(id) => {
            state.purged.insert(id);
        }
        Record::Damaged(id) => {
            state.damaged.insert(id);
        }
        Record::Blob(digest, since) => {
            let content = state.contents.get_mut(&digest).ok_or(MalformedCheckpoint::Contradiction)?;
            content.holders += 1;
            repository(state, current)?.blobs.insert(digest, since);
            state.entries += 1;
        }
        Record::Manifest(digest, record) => {
            state.count_up(&record.extents);
            let repository = repository(state, current)?;
            let (ever_tagged, untagged_since) = (record.ever_tagged, record.untagged_since);
            let manifest = Arc::new(restored_manifest(*record));
            repository.refer(&manifest, &digest);
            repository
                .manifests
                .insert(digest, ManifestEntry { manifest, tags: 0, ever_tagged, untagged_since });
            state.entries += 1;
        }
        Record::Tag(tag, digest, seq) => {
            let repository = repository(state, current)?;
            repository.manifests.get_mut(&digest).ok_or(MalformedCheckpoint::Contradiction)?.tags += 1;
            repository.tags.insert(tag, TagEntry { digest, seq });
            state.entries += 1;
        }
        Record::Release(tag, since) => {
            let repository = repository(state, current)?;
            let chart = repository.chart_of(&tag).cloned().ok_or(MalformedCheckpoint::Contradiction)?;
            repository.releases.insert(tag, Release { chart, since });
        }
    }
    Ok(())
}

fn repository<'a>(
    state: &'a mut State,
    current: &Option<RepositoryName>,
) -> Result<&'a mut super::state::Repository, MalformedCheckpoint> {
    let name = current.as_ref().ok_or(MalformedCheckpoint::Contradiction)?;
    state.repositories.get_mut(name).ok_or(MalformedCheckpoint::Contradiction)
}

fn restored_manifest(record: ManifestRecord) -> Manifest {
    Manifest {
        media_type: record.media_type,
        size: record.size,
        extents: record.extents,
        references: record.references,
        subject: record.subject,
        artifact_type: record.artifact_type,
        annotations: record.annotations,
        chart: record.chart,
        seq: record.seq,
        time: record.time,
    }
}
