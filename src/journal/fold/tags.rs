//! How tags move and go.

use super::At;
use crate::journal::op::{UntagOp, Was};
use crate::journal::state::{Revision, State, TagEntry};
use crate::journal::undo::{RemovedTag, UndoTag};
use crate::oci::{Digest, RepositoryName, Tag};

impl State {
    /// Points a tag to a manifest, or renews the time of one that points to it already.
    pub(super) fn move_tag(
        &mut self,
        name: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
        listed: bool,
        at: &At,
    ) {
        if self.manifest(name, digest).is_none() {
            return;
        }
        let repository = self.repository_mut(name);
        let old = repository.tags.get(tag).cloned();
        let moves = old.as_ref().is_none_or(|old| old.digest != *digest);
        let was = match &old {
            Some(old) if moves => Some(Box::new(Was { digest: old.digest.clone(), seq: old.seq })),
            Some(old) => old.was.clone(),
            None => None,
        };
        let (digest, by) = (digest.clone(), at.by.clone());
        let entry =
            TagEntry { digest: digest.clone(), seq: at.seq, time: at.time, by, was, listed, restored: None };
        repository.tags.insert(tag.clone(), entry);
        let forgotten = repository.undo.take_tag(tag).is_some();
        // Helm writes the time of a file into its manifests: config and layers tell whether the content is the same.
        let references = |digest| repository.manifests.get(digest).map(|entry| &entry.manifest.references);
        let keeps_content = old.as_ref().is_some_and(|old| references(&old.digest) == references(&digest));
        if moves {
            if let Some(entry) = repository.manifests.get_mut(&digest) {
                entry.tags += 1;
                entry.ever_tagged = true;
            }
            if let Some(old) = &old {
                repository.lose_tag(&old.digest, at);
            }
            repository.yanks.remove(tag);
        }
        let relists = moves || old.as_ref().is_some_and(|old| old.listed != listed);
        self.entries = self.entries + u64::from(old.is_none()) - u64::from(forgotten);
        if relists {
            self.list(name, tag, keeps_content, at);
        }
    }

    /// Removes a tag that is still where the op says; the manifest stays.
    pub(super) fn fold_untag(&mut self, op: &UntagOp, at: &At) {
        let UntagOp { repository: name, tag, was, .. } = op;
        let is_there = |entry: &&TagEntry| entry.digest == was.digest && entry.seq == was.seq;
        if self.tag(name, tag).filter(is_there).is_none() {
            return;
        }
        let Some(removed) = self.take_tag(name, tag, at) else { return };
        let removed = UndoTag { tag: removed, removal: at.removal() };
        self.entries += self.repository_mut(name).undo.keep_tag(tag.clone(), removed);
        self.note_if_empty(name);
    }

    /// Removes a tag, and gives it as it was.
    pub(super) fn take_tag(&mut self, name: &RepositoryName, tag: &Tag, at: &At) -> Option<RemovedTag> {
        let repository = self.repositories.get_mut(name)?;
        let entry = repository.tags.remove(tag)?;
        repository.lose_tag(&entry.digest, at);
        let yank = repository.yanks.remove(tag);
        let release = repository.releases.get(tag);
        let release = release.map(|release| Revision { seq: release.seq, time: release.since });
        self.entries -= 1;
        self.list(name, tag, false, at);
        Some(RemovedTag { entry, release, yank })
    }
}

impl crate::journal::state::Repository {
    fn lose_tag(&mut self, digest: &Digest, at: &At) {
        if let Some(entry) = self.manifests.get_mut(digest) {
            entry.tags -= 1;
            entry.since = at.time;
        }
    }
}
