//! Reading a checkpoint: the records put together, and counted.

use std::io::Read;
use std::sync::Arc;

use super::{Checkpoint, Header, MAX_UNPACKED, MalformedCheckpoint, Record, RepositoryRecord};
use crate::clock::Timestamp;
use crate::journal::fold::Names;
use crate::journal::keys::FOLD_VERSION;
use crate::journal::state::{
    Content, Manifest, ManifestEntry, Release, Repository, Revision, State, TagEntry,
};
use crate::journal::undo::{UndoBlob, UndoManifest, UndoTag};
use crate::oci::{Digest, RepositoryName, Tag};

/// Reads a checkpoint and proves that it is whole.
///
/// # Errors
/// It is damaged, or was written by another fold.
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
    let state = State {
        seq: header.seq,
        link: header.hash,
        time: header.time,
        fence: header.fence,
        swept: header.swept,
        rules: header.rules,
        required_writer: header.required_writer,
        ..State::default()
    };
    let mut reading = Reading { state, current: None, names: Names::default() };
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        reading.take(serde_json::from_slice(line)?).ok_or(MalformedCheckpoint::Contradiction)?;
    }
    let state = reading.finished().ok_or(MalformedCheckpoint::Contradiction)?;
    match state.entries == header.entries {
        true => Ok(Checkpoint { state }),
        false => Err(MalformedCheckpoint::Contradiction),
    }
}

/// A state in the making. Its methods give `None` where a record contradicts those before it.
struct Reading {
    state: State,
    current: Option<RepositoryName>,
    names: Names,
}

impl Reading {
    fn take(&mut self, record: Record) -> Option<()> {
        match record {
            Record::Content(digest, size, extents) => {
                self.state.count_up(&extents);
                let content = Content { size, extents, holders: 0, retained: 0 };
                self.state.contents.insert(digest, content);
            }
            Record::Repository(record) => self.begin(record),
            Record::Blob(digest, since) => {
                self.state.contents.get_mut(&digest)?.holders += 1;
                self.repository()?.blobs.insert(digest, since);
                self.state.entries += 1;
            }
            Record::Manifest(digest, manifest, ever_tagged, since) => {
                self.manifest(digest, manifest, ever_tagged, since)?;
            }
            Record::Tag(tag, entry) => self.tag(tag, entry)?,
            Record::Yank(tag, yank) => {
                self.repository()?.yanks.insert(tag, yank);
            }
            Record::Release(tag, since) => self.release(tag, since)?,
            Record::UndoManifest(digest, entry) => self.undo_manifest(digest, entry)?,
            Record::UndoTag(tag, entry) => self.undo_tag(tag, &entry)?,
            Record::UndoBlob(digest, entry) => self.undo_blob(digest, entry)?,
            Record::Condemned(id, condemned) => {
                self.state.totals.condemned = self.state.totals.condemned.wrapping_add(condemned.bytes);
                self.state.condemned.insert(id, condemned);
            }
            Record::Purged(id) => {
                self.state.purged.insert(id);
            }
            Record::DamagedObject(id) => {
                self.state.damaged_objects.insert(id);
            }
            Record::DamagedBody(seq, offset, length) => {
                self.state.damaged_bodies.insert((seq, offset), length);
            }
            Record::ErasedBody(seq, offset, length) => {
                self.state.erased_bodies.insert((seq, offset), length);
            }
        }
        Some(())
    }

    fn begin(&mut self, record: RepositoryRecord) {
        let RepositoryRecord { name, born, populated, index } = record;
        self.state.index = self.state.index.max(index);
        self.state.existing += u64::from(born > 0);
        let repository = Repository { born, populated, index, ..Repository::default() };
        self.state.repositories.insert(name.clone(), repository);
        self.current = Some(name);
    }

    fn repository(&mut self) -> Option<&mut Repository> {
        self.state.repositories.get_mut(self.current.as_ref()?)
    }

    fn manifest(
        &mut self,
        digest: Digest,
        mut manifest: Arc<Manifest>,
        ever_tagged: bool,
        since: Timestamp,
    ) -> Option<()> {
        let read = Arc::make_mut(&mut manifest);
        read.by = self.names.shared(read.by.clone());
        self.state.count_up(&manifest.extents);
        self.state.totals.live = self.state.totals.live.wrapping_add(manifest.size);
        let repository = self.repository()?;
        repository.refer(&manifest, &digest);
        repository.manifests.insert(digest, ManifestEntry { manifest, tags: 0, ever_tagged, since });
        self.state.entries += 1;
        Some(())
    }

    fn tag(&mut self, tag: Tag, mut entry: TagEntry) -> Option<()> {
        entry.by = self.names.shared(entry.by);
        let repository = self.repository()?;
        repository.manifests.get_mut(&entry.digest)?.tags += 1;
        repository.tags.insert(tag, entry);
        self.state.entries += 1;
        Some(())
    }

    fn release(&mut self, tag: Tag, since: Revision) -> Option<()> {
        let repository = self.repository()?;
        let chart = repository.listed_chart(&tag)?.clone();
        let yanked = repository.yanks.contains_key(&tag);
        repository.releases.insert(tag, Release { chart, seq: since.seq, since: since.time, yanked });
        self.state.totals.versions += 1;
        Some(())
    }

    fn undo_manifest(&mut self, digest: Digest, entry: Arc<UndoManifest>) -> Option<()> {
        self.state.count_up(&entry.manifest.extents);
        self.state.totals.waiting = self.state.totals.waiting.wrapping_add(entry.manifest.size);
        self.state.entries += 1 + entry.tags.len() as u64;
        let repository = self.repository()?;
        repository.retain(&entry.manifest);
        repository.undo.manifests.insert(digest, entry);
        Some(())
    }

    fn undo_tag(&mut self, tag: Tag, entry: &UndoTag) -> Option<()> {
        let grown = self.repository()?.undo.keep_tag(tag, entry.clone());
        self.state.entries += grown;
        Some(())
    }

    fn undo_blob(&mut self, digest: Digest, entry: Arc<UndoBlob>) -> Option<()> {
        self.state.contents.get_mut(&digest)?.retained += 1;
        self.repository()?.undo.blobs.insert(digest, entry);
        self.state.entries += 1;
        Some(())
    }

    /// The state, with the bytes of all blobs counted. Each has a repository that holds it, or held it.
    fn finished(mut self) -> Option<State> {
        let contents = self.state.contents.clone();
        for content in contents.values() {
            if content.holders == 0 && content.retained == 0 {
                return None;
            }
            self.state.count_content(content);
        }
        Some(self.state)
    }
}
