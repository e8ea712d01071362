//! How what was deleted comes back: all that an op names, or nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::At;
use super::rules::{FoldRule, holds};
use crate::journal::op::RestoreOp;
use crate::journal::state::{ManifestEntry, State, TagEntry};
use crate::journal::undo::{RemovedTag, UndoManifest};
use crate::oci::{Digest, RepositoryName, Tag};

/// Why a restore is not valid at its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRestorable {
    /// It does not wait, or was deleted again since.
    #[error("{0} was not deleted by that change, or can no longer be restored")]
    Gone(Box<str>),
    /// Something else was pushed to the tag since.
    #[error("the tag {1} of {0} points to {2} now: remove that tag first")]
    Taken(RepositoryName, Tag, Digest),
    /// A manifest would refer to what is not there.
    #[error("a manifest would refer to {0}, which is not in its repository: restore that with it")]
    Incomplete(Digest),
}

impl State {
    pub(super) fn fold_restore(&mut self, op: &RestoreOp, at: &At) {
        let tags = match self.restorable(op) {
            Ok(tags) => tags,
            Err(_) if holds(FoldRule::RestoreIsCheckedAgain) => return,
            Err(_) => Vec::new(),
        };
        for (name, digest, _) in &op.blobs {
            self.restore_blob(name, digest, at);
        }
        let mut back = Vec::new();
        for (name, digest, _) in &op.manifests {
            if let Some(waiting) = self.restore_manifest(name, digest, at) {
                back.push((name, waiting));
            }
        }
        for ((name, tag, _, _, listed), removed) in op.tags.iter().zip(tags) {
            self.restore_tag(name, tag, removed, *listed, at);
        }
        // Tags that were left out can still be restored.
        for (name, waiting) in back {
            let is_restored =
                |tag: &Tag| op.tags.iter().any(|(of, restored, ..)| of == name && restored == tag);
            self.keep_tags_of(name, &waiting, |tag| !is_restored(tag));
        }
    }

    /// What each tag of `op` was, if the whole op is valid here.
    ///
    /// # Errors
    /// The first reason why it is not.
    pub fn restorable(&self, op: &RestoreOp) -> Result<Vec<RemovedTag>, NotRestorable> {
        let mut back: BTreeSet<(&RepositoryName, &Digest)> = BTreeSet::new();
        for (name, digest, seq) in &op.blobs {
            let waits = self.repositories.get(name).and_then(|of| of.undo.blobs.get(digest));
            if waits.is_none_or(|entry| entry.removal.seq != *seq) {
                return Err(NotRestorable::Gone(digest.to_string().into()));
            }
            back.insert((name, digest));
        }
        for (name, digest, seq) in &op.manifests {
            let waits = self.repositories.get(name).and_then(|of| of.undo.manifests.get(digest));
            let Some(entry) = waits.filter(|entry| entry.removal.seq == *seq) else {
                return Err(NotRestorable::Gone(digest.to_string().into()));
            };
            let is_back = |of: &&Digest| self.holds(name, of) || back.contains(&(name, *of));
            let missing = entry.manifest.references.iter().find(|of| !is_back(of));
            if let Some(missing) = missing.filter(|_| holds(FoldRule::RestoreIsComplete)) {
                return Err(NotRestorable::Incomplete(missing.clone()));
            }
            back.insert((name, digest));
        }
        op.tags.iter().map(|of| self.restorable_tag(of, &back)).collect()
    }

    fn restorable_tag(
        &self,
        (name, tag, digest, seq, _): &(RepositoryName, Tag, Digest, u64, bool),
        back: &BTreeSet<(&RepositoryName, &Digest)>,
    ) -> Result<RemovedTag, NotRestorable> {
        let gone = || NotRestorable::Gone(tag.to_string().into());
        let held = self.tag(name, tag).map(|entry| &entry.digest);
        let is_taken = |held: &&Digest| *held != digest && holds(FoldRule::RestoreLeavesTakenTags);
        if let Some(held) = held.filter(is_taken) {
            return Err(NotRestorable::Taken(name.clone(), tag.clone(), held.clone()));
        }
        if self.manifest(name, digest).is_none() && !back.contains(&(name, digest)) {
            return Err(NotRestorable::Incomplete(digest.clone()));
        }
        let undo = &self.repositories.get(name).ok_or_else(gone)?.undo;
        let alone = undo.tags.get(tag).filter(|waiting| waiting.removal.seq == *seq).map(|found| &found.tag);
        let with_manifest = || {
            let waiting = undo.manifests.get(digest).filter(|waiting| waiting.removal.seq == *seq)?;
            waiting.tags.iter().find(|(of, _)| of == tag).map(|(_, removed)| removed)
        };
        let found = alone.filter(|found| found.entry.digest == *digest).or_else(with_manifest);
        found.cloned().ok_or_else(gone)
    }

    fn restore_blob(&mut self, name: &RepositoryName, digest: &Digest, at: &At) {
        let repository = self.populate(name, at);
        if repository.undo.blobs.remove(digest).is_none() {
            return;
        }
        repository.blobs.insert(digest.clone(), at.time);
        self.change_content(digest, at, |content| {
            content.holders += 1;
            content.retained -= 1;
        });
    }

    fn restore_manifest(
        &mut self,
        name: &RepositoryName,
        digest: &Digest,
        at: &At,
    ) -> Option<Arc<UndoManifest>> {
        let waiting = self.take_waiting_manifest(name, digest)?;
        let UndoManifest { manifest, ever_tagged, .. } = &*waiting;
        let entry =
            ManifestEntry { manifest: manifest.clone(), tags: 0, ever_tagged: *ever_tagged, since: at.time };
        let repository = self.populate(name, at);
        repository.refer(manifest, digest);
        repository.manifests.insert(digest.clone(), entry);
        self.entries += 1;
        self.totals.live = self.totals.live.wrapping_add(manifest.size);
        Some(waiting)
    }

    /// The tag is as it was, but for the commit that moved it last. One that points there already keeps what it is.
    fn restore_tag(&mut self, name: &RepositoryName, tag: &Tag, removed: RemovedTag, listed: bool, at: &At) {
        let RemovedTag { entry, release, yank } = removed;
        let repository = self.populate(name, at);
        let forgotten = repository.undo.take_tag(tag).is_some();
        let is_free = !repository.tags.contains_key(tag);
        if is_free || !holds(FoldRule::RestoreLeavesTakenTags) {
            if let Some(manifest) = repository.manifests.get_mut(&entry.digest) {
                manifest.tags += 1;
                manifest.ever_tagged = true;
            }
            let restored = Some(Box::new(at.time));
            repository.tags.insert(tag.clone(), TagEntry { seq: at.seq, listed, restored, ..entry });
            if let Some(yank) = yank {
                repository.yanks.insert(tag.clone(), yank);
            }
        }
        self.entries = self.entries + u64::from(is_free) - u64::from(forgotten);
        if is_free {
            self.list_since(name, tag, release.unwrap_or(at.revision()), at);
        }
    }
}
