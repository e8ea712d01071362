//! What collectors and administrators remove.

use std::collections::BTreeMap;
use std::time::Duration;

use super::At;
use super::rules::{FoldRule, holds};
use crate::clock::Timestamp;
use crate::journal::op::{DropOp, FenceOp, PurgeOp, ReapOp, RulesOp, UndoKey};
use crate::journal::state::{Repository, RulesMark, State, created_at};
use crate::journal::undo::Removal;
use crate::oci::{Digest, RepositoryName, Tag};

/// A fence stays this far behind the time of its commit.
pub(in crate::journal) const FENCE_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl State {
    /// The collector validated each entry, but ops between its look and this commit may have brought references or other
    /// deletions: what is in use again, or was deleted again, is passed over.
    pub(super) fn fold_reap(&mut self, op: &ReapOp, at: &At) {
        let is_in_force = op.rules.as_deref() == self.rules.as_ref().map(|mark| &*mark.hash);
        if !is_in_force && holds(FoldRule::OneRuleForAll) {
            return;
        }
        for (name, key, seq) in &op.undo {
            if self.may_reap_undo(name, key, *seq, op.before) {
                self.drop_undo(name, key, at);
            }
        }
        for (name, digest) in &op.manifests {
            if self.may_reap_manifest(name, digest, op.before) {
                // It was never tagged.
                self.lose_manifest(name, digest, Vec::new(), false, at);
                self.note_if_empty(name);
            }
        }
        for (name, digest) in &op.blobs {
            if self.may_reap_blob(name, digest, op.before) {
                self.lose_blob(name, digest, false, at);
                self.note_if_empty(name);
            }
        }
    }

    /// Whether a manifest was never tagged, no manifest refers to it, visible or restorable, and so since before `before`.
    /// A manifest whose subject is visible, or can be restored, is in use.
    pub fn may_reap_manifest(&self, name: &RepositoryName, digest: &Digest, before: Timestamp) -> bool {
        let Some(repository) = self.repository(name) else { return false };
        let Some(entry) = repository.manifests.get(digest) else { return false };
        let is_there = |subject: &Digest| {
            let waits = repository.undo.manifests.contains_key(subject);
            repository.manifests.contains_key(subject) || (waits && holds(FoldRule::SubjectKeepsReferrers))
        };
        let is_idle = !entry.ever_tagged && entry.tags == 0 && entry.since < before;
        let is_needed = repository.needs(digest) || entry.manifest.subject.as_ref().is_some_and(is_there);
        (is_idle && !is_needed) || !holds(FoldRule::ReapIsCheckedAgain)
    }

    /// Whether no manifest refers to a blob, visible or restorable, and so since before `before`.
    pub fn may_reap_blob(&self, name: &RepositoryName, digest: &Digest, before: Timestamp) -> bool {
        let Some(repository) = self.repository(name) else { return false };
        let is_old = repository.blobs.get(digest).is_some_and(|since| *since < before);
        (is_old && !repository.needs(digest)) || !holds(FoldRule::ReapIsCheckedAgain)
    }

    /// Whether a deletion by commit `seq`, and no later one, is from before `before`, and nothing that can be restored
    /// needs what it deleted.
    pub fn may_reap_undo(&self, name: &RepositoryName, key: &UndoKey, seq: u64, before: Timestamp) -> bool {
        let Some(repository) = self.repositories.get(name) else { return false };
        let removal = match key {
            UndoKey::Manifest(digest) => repository.undo.manifests.get(digest).map(|entry| &entry.removal),
            UndoKey::Tag(tag) => repository.undo.tags.get(tag).map(|entry| &entry.removal),
            UndoKey::Blob(digest) => repository.undo.blobs.get(digest).map(|entry| &entry.removal),
        };
        let is_needed = match key {
            UndoKey::Manifest(digest) | UndoKey::Blob(digest) => repository.retains(digest),
            UndoKey::Tag(_) => false,
        };
        let is_meant = |removal: &Removal| removal.seq == seq && removal.time < before;
        let is_meant =
            removal.is_some_and(|removal| is_meant(removal) || !holds(FoldRule::UndoReapNamesItsDeletion));
        is_meant && !is_needed
    }

    fn drop_undo(&mut self, name: &RepositoryName, key: &UndoKey, at: &At) {
        match key {
            UndoKey::Manifest(digest) => self.drop_waiting_manifest(name, digest, at),
            UndoKey::Tag(tag) => self.drop_waiting_tag(name, tag),
            UndoKey::Blob(digest) => self.drop_waiting_blob(name, digest, at),
        }
    }

    fn drop_waiting_tag(&mut self, name: &RepositoryName, tag: &Tag) {
        let dropped = self.repository_mut(name).undo.take_tag(tag);
        self.entries -= u64::from(dropped.is_some());
    }

    pub(super) fn fold_purge(&mut self, op: &PurgeOp) {
        for id in &op.objects {
            let Some(condemned) = self.condemned.remove(id) else { continue };
            self.totals.condemned = self.totals.condemned.wrapping_sub(condemned.bytes);
            if created_at(id) >= self.fence {
                // Remembered while an op could still name it; after that the fence refuses it.
                self.purged.insert(*id);
            }
        }
    }

    pub(super) fn fold_fence(&mut self, op: &FenceOp, at: &At) {
        // A fence that comes closer would refuse uploads that are under way.
        if op.before > at.time.minus(FENCE_AGE) {
            return;
        }
        self.fence = self.fence.max(op.before);
        self.swept = self.swept.max(op.swept);
        let fence = self.fence;
        self.purged = self.purged.iter().filter(|id| created_at(id) >= fence).copied().collect();
    }

    /// The age of a mark begins with the commit that first made it.
    pub(super) fn fold_rules(&mut self, op: &RulesOp, at: &At) {
        if self.rules.as_ref().is_none_or(|mark| mark.hash != op.hash) {
            self.rules = Some(RulesMark { hash: op.hash.clone(), seq: at.seq, time: at.time });
        }
    }

    pub(super) fn fold_drop(&mut self, op: &DropOp, at: &At) {
        let names: Vec<RepositoryName> = match &op.repository {
            Some(name) => vec![name.clone()],
            None => self.repositories.keys().cloned().collect(),
        };
        names.iter().for_each(|name| self.drop_repository(name, op.now, at));
    }

    fn drop_repository(&mut self, name: &RepositoryName, now: bool, at: &At) {
        let Some(repository) = self.repositories.get(name).cloned() else { return };
        let mut tags: BTreeMap<&Digest, Vec<Tag>> = BTreeMap::new();
        for (tag, entry) in &repository.tags {
            tags.entry(&entry.digest).or_default().push(tag.clone());
        }
        for digest in repository.manifests.keys() {
            self.lose_manifest(name, digest, tags.remove(digest).unwrap_or_default(), !now, at);
        }
        for digest in repository.blobs.keys() {
            self.lose_blob(name, digest, !now, at);
        }
        if now {
            self.drop_all_undo(name, at);
        }
        self.existing -= u64::from(repository.exists());
        let repository = self.repository_mut(name);
        (repository.born, repository.populated) = (0, 0);
        self.revise_index(name, at);
    }

    fn drop_all_undo(&mut self, name: &RepositoryName, at: &At) {
        let Some(undo) = self.repositories.get(name).map(|repository| repository.undo.clone()) else {
            return;
        };
        undo.manifests.keys().for_each(|digest| self.drop_waiting_manifest(name, digest, at));
        undo.tags.keys().for_each(|tag| self.drop_waiting_tag(name, tag));
        undo.blobs.keys().for_each(|digest| self.drop_waiting_blob(name, digest, at));
    }
}

impl Repository {
    /// Whether a manifest refers to `digest` that is visible or can be restored.
    fn needs(&self, digest: &Digest) -> bool {
        self.references.contains_key(digest) || self.retains(digest)
    }

    fn retains(&self, digest: &Digest) -> bool {
        self.retained.contains_key(digest) && holds(FoldRule::RetainedIsNotReaped)
    }
}
