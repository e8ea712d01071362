//! The fold: how each op changes the state (the right column of JOURNAL.md section 2).
//!
//! It is a pure function of the bytes of the commits: no clock, no configuration. An op that was invalid at its
//! place changes nothing, so that every replica and every release agrees on what such a journal means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imbl::OrdSet;
use thiserror::Error;
use uuid::Uuid;

use super::commit::{self, Commit, MalformedCommit};
use super::op::{ManifestOp, Op, OpExtent};
use super::state::{
    Content, Extent, Manifest, ManifestEntry, Place, Release, Repository, Revision, State, TagEntry,
    created_at,
};
use crate::chart;
use crate::clock::Timestamp;
use crate::oci::{Digest, RepositoryName, Tag};

/// A fence stays this far behind the time of its commit.
const FENCE_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[derive(Debug, Error)]
pub enum FoldError {
    #[error("commit {seq} cannot be read: {source}")]
    Malformed { seq: u64, source: MalformedCommit },
    #[error("commit {seq} calls itself number {says}")]
    WrongNumber { seq: u64, says: u64 },
    #[error("commit {seq} does not follow the commit before it: the history was changed")]
    BrokenChain { seq: u64 },
}

impl State {
    /// Folds the commit after the newest one. On an error the state is as it was.
    pub fn fold(&mut self, seq: u64, bytes: &Bytes) -> Result<(), FoldError> {
        let commit = Commit::read(bytes).map_err(|source| FoldError::Malformed { seq, source })?;
        if commit.seq != seq || seq != self.seq + 1 {
            return Err(FoldError::WrongNumber { seq, says: commit.seq });
        }
        if commit.prev != *self.link {
            return Err(FoldError::BrokenChain { seq });
        }
        let line = commit::line(bytes);
        let place = At { seq, time: commit.time, attachments: line.len() as u64 + 1 };
        for op in &commit.ops {
            self.apply(op, place);
        }
        self.seq = seq;
        self.time = commit.time;
        self.link = Digest::sha256(line).to_string().into();
        Ok(())
    }

    /// Applies one op as if it stood in the commit `at`; speculation uses it for commits that are not written yet.
    pub fn apply(&mut self, op: &Op, at: At) {
        match op {
            Op::Blob { repository, digest, size, extents } => {
                self.blob_op(repository, digest, *size, extents, at)
            }
            Op::Mount { repository, digest } => self.mount(repository, digest, at),
            Op::Manifest(manifest) => self.manifest_op(manifest, at),
            Op::Tag { repository, tag, digest, .. } => self.move_tag(repository, tag, digest, at),
            Op::Untag { repository, tag, .. } => self.untag(repository, tag, at),
            Op::Delete { repository, digest } => self.delete(repository, digest, at),
            Op::Unlink { repository, digest } => self.unlink(repository, digest, at),
            Op::Reap { before, blobs, manifests } => self.reap(*before, blobs, manifests, at),
            Op::Purge { objects } => self.purge(objects),
            Op::Fence { before, swept } => self.raise_fence(*before, *swept, at),
            Op::Damaged { object } => self.damage(*object),
            Op::Drop {} => self.drop_all(at),
        }
    }

    fn blob_op(&mut self, name: &RepositoryName, digest: &Digest, size: u64, extents: &[OpExtent], at: At) {
        let extents = at.place(extents);
        let known = self.contents.get(digest);
        let same = known.is_some_and(|content| content.extents == extents);
        if !same && !self.may_name_all(&extents) {
            return;
        }
        if !same {
            // Count first, release then: an object that old and new extents share is never condemned between.
            let released = known.map(|content| content.extents.clone());
            let holders = known.map_or(0, |content| content.holders);
            self.count_up(&extents);
            self.contents.insert(digest.clone(), Content { size, extents, holders });
            self.count_down(released.as_deref().unwrap_or_default(), at);
        }
        self.hold(name, digest, at);
    }

    fn mount(&mut self, name: &RepositoryName, digest: &Digest, at: At) {
        if self.contents.contains_key(digest) {
            self.hold(name, digest, at);
        }
    }

    fn hold(&mut self, name: &RepositoryName, digest: &Digest, at: At) {
        if self.repository_mut(name).blobs.contains_key(digest) {
            return;
        }
        self.repository_mut(name).blobs.insert(digest.clone(), at.time);
        if let Some(content) = self.contents.get_mut(digest) {
            content.holders += 1;
        }
        self.entries += 1;
    }

    fn manifest_op(&mut self, op: &ManifestOp, at: At) {
        let extents = at.place(&op.extents);
        let replaced = self.manifest(&op.repository, &op.digest).cloned();
        let names_new = replaced.as_ref().is_none_or(|entry| entry.manifest.extents != extents);
        let complete = op.references.iter().all(|digest| self.holds(&op.repository, digest));
        if !complete || (names_new && !self.may_name_all(&extents)) {
            return;
        }
        self.count_up(&extents);
        let manifest = Arc::new(Manifest {
            media_type: op.media_type.clone(),
            size: op.size,
            extents,
            references: op.references.clone().into(),
            subject: op.subject.clone(),
            artifact_type: op.artifact_type.clone(),
            annotations: op.annotations.clone(),
            chart: op.chart.clone(),
            seq: at.seq,
            time: at.time,
        });
        let (tags, ever_tagged) =
            replaced.as_ref().map_or((0, false), |entry| (entry.tags, entry.ever_tagged));
        let entry = ManifestEntry { manifest: manifest.clone(), tags, ever_tagged, untagged_since: at.time };
        let repository = self.repository_mut(&op.repository);
        repository.refer(&manifest, &op.digest);
        repository.manifests.insert(op.digest.clone(), entry);
        match replaced {
            Some(old) => {
                // The same bytes under another media type may have another subject, or none.
                let left = (old.manifest.subject != op.subject).then_some(&op.digest);
                self.repository_mut(&op.repository).release(&old.manifest, left, at);
                self.count_down(&old.manifest.extents, at);
                for chart in [&old.manifest.chart, &op.chart].into_iter().flatten() {
                    // Only under this tag can it be, or have been, a release.
                    if let Some(tag) = chart.tag() {
                        self.list(&op.repository, &tag, at);
                    }
                }
            }
            None => self.entries += 1,
        }
        for tag in &op.tags {
            self.move_tag(&op.repository, tag, &op.digest, at);
        }
    }

    fn move_tag(&mut self, name: &RepositoryName, tag: &Tag, digest: &Digest, at: At) {
        if self.manifest(name, digest).is_none() {
            return;
        }
        let repository = self.repository_mut(name);
        let old = repository.tags.insert(tag.clone(), TagEntry { digest: digest.clone(), seq: at.seq });
        if let Some(entry) = repository.manifests.get_mut(digest) {
            entry.tags += 1;
            entry.ever_tagged = true;
        }
        match old {
            Some(old) => repository.lose_tag(&old.digest, at),
            None => self.entries += 1,
        }
        self.list(name, tag, at);
    }

    fn untag(&mut self, name: &RepositoryName, tag: &Tag, at: At) {
        if self.tag(name, tag).is_none() {
            return;
        }
        let repository = self.repository_mut(name);
        if let Some(old) = repository.tags.remove(tag) {
            repository.lose_tag(&old.digest, at);
        }
        self.entries -= 1;
        self.list(name, tag, at);
    }

    fn delete(&mut self, name: &RepositoryName, digest: &Digest, at: At) {
        if self.repository(name).is_none_or(|r| r.references.contains_key(digest)) {
            return;
        }
        let repository = self.repository_mut(name);
        let tags = repository.take_tags_of(digest);
        let Some(entry) = repository.manifests.remove(digest) else { return };
        repository.release(&entry.manifest, Some(digest), at);
        self.entries -= 1 + tags.len() as u64;
        self.count_down(&entry.manifest.extents, at);
        tags.iter().for_each(|tag| self.list(name, tag, at));
    }

    /// Brings the releases in line with what `tag` points to now, if anything.
    fn list(&mut self, name: &RepositoryName, tag: &Tag, at: At) {
        let repository = self.repository_mut(name);
        let listed = repository.releases.get(tag).map(|release| &release.chart);
        let chart = repository.chart_of(tag).filter(|chart| chart.is_at(name, tag));
        // The same chart in another manifest is the same release: Helm writes the file's time into its manifests.
        if listed == chart {
            return;
        }
        match chart.cloned() {
            Some(chart) => repository.releases.insert(tag.clone(), Release { chart, since: at.time }),
            None => repository.releases.remove(tag),
        };
        self.index = at.revision();
    }

    fn unlink(&mut self, name: &RepositoryName, digest: &Digest, at: At) {
        let unreferenced =
            |r: &Repository| r.blobs.contains_key(digest) && !r.references.contains_key(digest);
        if !self.repository(name).is_some_and(unreferenced) {
            return;
        }
        self.repository_mut(name).blobs.remove(digest);
        self.entries -= 1;
        let Some(content) = self.contents.get_mut(digest) else { return };
        content.holders -= 1;
        if content.holders == 0 {
            let extents = content.extents.clone();
            self.contents.remove(digest);
            self.count_down(&extents, at);
        }
    }

    /// The collector validated each entry, but ops between its look and this commit may have brought
    /// references: what is in use again is passed over.
    fn reap(
        &mut self,
        before: Timestamp,
        blobs: &[(RepositoryName, Digest)],
        manifests: &[(RepositoryName, Digest)],
        at: At,
    ) {
        for (name, digest) in manifests {
            if self.may_reap_manifest(name, digest, before) {
                self.delete(name, digest, at);
            }
        }
        for (name, digest) in blobs {
            let since = self.repository(name).and_then(|r| r.blobs.get(digest));
            if since.is_some_and(|since| *since < before) {
                self.unlink(name, digest, at);
            }
        }
    }

    /// Whether a manifest was never tagged, nothing visible refers to it, and so since before `before`. A
    /// manifest with a visible subject is in use.
    pub fn may_reap_manifest(&self, name: &RepositoryName, digest: &Digest, before: Timestamp) -> bool {
        let Some(repository) = self.repository(name) else { return false };
        let Some(entry) = repository.manifests.get(digest) else { return false };
        let subject_visible =
            entry.manifest.subject.as_ref().is_some_and(|subject| repository.manifests.contains_key(subject));
        let idle = !entry.ever_tagged && entry.tags == 0 && entry.untagged_since < before;
        idle && !subject_visible && !repository.references.contains_key(digest)
    }

    fn purge(&mut self, objects: &[Uuid]) {
        for id in objects {
            if self.condemned.remove(id).is_some() && created_at(id) >= self.fence {
                // Remembered while an op could still name it; after that the fence refuses it.
                self.purged.insert(*id);
            }
        }
    }

    fn raise_fence(&mut self, before: Timestamp, swept: Timestamp, at: At) {
        // A fence that comes closer would refuse uploads that are under way.
        if before > at.time.minus(FENCE_AGE) {
            return;
        }
        self.fence = self.fence.max(before);
        self.swept = self.swept.max(swept);
        let fence = self.fence;
        self.purged = self.purged.iter().filter(|id| created_at(id) >= fence).copied().collect();
    }

    fn damage(&mut self, object: Uuid) {
        if self.objects.contains_key(&object) {
            self.damaged.insert(object);
        }
    }

    fn drop_all(&mut self, at: At) {
        let objects = std::mem::take(&mut self.objects);
        self.condemned.extend(objects.keys().map(|id| (*id, at.seq)));
        self.repositories.clear();
        self.contents.clear();
        self.damaged.clear();
        self.entries = 0;
        self.index = at.revision();
    }

    fn repository_mut(&mut self, name: &RepositoryName) -> &mut Repository {
        self.repositories.entry(name.clone()).or_default()
    }

    fn may_name_all(&self, extents: &[Extent]) -> bool {
        extents.iter().all(|extent| extent.object().is_none_or(|id| self.may_name(&id)))
    }

    pub(super) fn count_up(&mut self, extents: &[Extent]) {
        for id in distinct_objects(extents) {
            *self.objects.entry(id).or_default() += 1;
        }
    }

    fn count_down(&mut self, extents: &[Extent], at: At) {
        for id in distinct_objects(extents) {
            let Some(count) = self.objects.get_mut(&id) else { continue };
            *count -= 1;
            if *count == 0 {
                self.objects.remove(&id);
                self.damaged.remove(&id);
                self.condemned.insert(id, at.seq);
            }
        }
    }
}

impl Repository {
    /// What the manifest that `tag` points to says of its chart.
    pub(super) fn chart_of(&self, tag: &Tag) -> Option<&Arc<chart::Release>> {
        let digest = &self.tags.get(tag)?.digest;
        self.manifests.get(digest)?.manifest.chart.as_ref()
    }

    /// Counts what `manifest` refers to.
    pub(super) fn refer(&mut self, manifest: &Manifest, digest: &Digest) {
        for reference in manifest.references.iter() {
            *self.references.entry(reference.clone()).or_default() += 1;
        }
        if let Some(subject) = &manifest.subject {
            self.referrers.entry(subject.clone()).or_default().insert(digest.clone());
        }
    }

    /// Takes the references of `manifest` back; `left` is its digest when it refers to its subject no more either.
    fn release(&mut self, manifest: &Manifest, left: Option<&Digest>, at: At) {
        for reference in manifest.references.iter() {
            let Some(count) = self.references.get_mut(reference) else { continue };
            *count -= 1;
            if *count > 0 {
                continue;
            }
            self.references.remove(reference);
            if let Some(since) = self.blobs.get_mut(reference) {
                *since = at.time;
            }
            if let Some(entry) = self.manifests.get_mut(reference) {
                entry.untagged_since = at.time;
            }
        }
        let (Some(subject), Some(digest)) = (&manifest.subject, left) else { return };
        let Some(referrers) = self.referrers.get_mut(subject) else { return };
        referrers.remove(digest);
        if referrers.is_empty() {
            self.referrers.remove(subject);
        }
    }

    fn lose_tag(&mut self, digest: &Digest, at: At) {
        if let Some(entry) = self.manifests.get_mut(digest) {
            entry.tags -= 1;
            entry.untagged_since = at.time;
        }
    }

    /// Removes the tags that point to `digest`, and gives them.
    fn take_tags_of(&mut self, digest: &Digest) -> Vec<Tag> {
        let names: Vec<Tag> = self.tags_of(digest).map(|(tag, _)| tag.clone()).collect();
        for name in &names {
            self.tags.remove(name);
        }
        names
    }
}

/// Where an op stands: the number and time of its commit, and where that commit's attachments begin.
#[derive(Clone, Copy, Debug)]
pub struct At {
    pub seq: u64,
    pub time: Timestamp,
    /// Byte offset of the first attachment in the object of the commit.
    pub attachments: u64,
}

impl At {
    fn revision(self) -> Revision {
        Revision { seq: self.seq, time: self.time }
    }

    fn place(self, extents: &[OpExtent]) -> Arc<[Extent]> {
        let place = |extent: &OpExtent| match *extent {
            OpExtent::Object { object, offset, length, crc32c } => {
                Extent { place: Place::Object { id: object, offset }, length, crc32c: crc32c.0 }
            }
            OpExtent::Attached { attached: [offset, length], crc32c } => {
                let offset = self.attachments.saturating_add(offset);
                Extent { place: Place::Commit { seq: self.seq, offset }, length, crc32c: crc32c.0 }
            }
        };
        extents.iter().map(place).collect()
    }
}

fn distinct_objects(extents: &[Extent]) -> OrdSet<Uuid> {
    extents.iter().filter_map(Extent::object).collect()
}
