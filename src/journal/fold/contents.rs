//! How blobs come and go.

use std::sync::Arc;

use super::At;
use super::rules::{FoldRule, holds};
use crate::journal::op::{BlobOp, MountOp, OpExtent, UnlinkOp};
use crate::journal::state::{Content, Extent, State};
use crate::journal::undo::UndoBlob;
use crate::oci::{Digest, RepositoryName};

impl State {
    /// An op whose extents do not add up would be served as another number of bytes: it is passed over.
    pub(super) fn fold_blob(&mut self, op: &BlobOp, at: &At) {
        if !is_complete(op.size, &op.extents) || (op.size == 0 && !is_of_nothing(&op.digest)) {
            return;
        }
        let extents = at.place(&op.extents);
        let known = self.contents.get(&op.digest).cloned();
        if known.as_ref().is_none_or(|content| content.extents != extents) {
            if !self.may_name_all(&extents) {
                return;
            }
            // Count first, release then: an object that old and new extents share is never condemned between.
            self.count_up(&extents);
            let (holders, retained) = known.as_ref().map_or((0, 0), |known| (known.holders, known.retained));
            let content = Content { size: op.size, extents, holders, retained };
            self.count_content(&content);
            self.contents.insert(op.digest.clone(), content);
            if let Some(known) = known {
                self.uncount_content(&known);
                self.count_down(&known.extents, at);
            }
        }
        self.hold(&op.repository, &op.digest, at);
    }

    pub(super) fn fold_mount(&mut self, op: &MountOp, at: &At) {
        if self.contents.contains_key(&op.digest) {
            self.hold(&op.repository, &op.digest, at);
        }
    }

    /// The repository holds the blob. The age of one that it holds already and nothing refers to begins anew.
    fn hold(&mut self, name: &RepositoryName, digest: &Digest, at: &At) {
        let repository = self.populate(name, at);
        if let Some(since) = repository.blobs.get_mut(digest) {
            if !repository.references.contains_key(digest) && holds(FoldRule::UploadRenews) {
                *since = at.time;
            }
            return;
        }
        repository.blobs.insert(digest.clone(), at.time);
        let was_waiting = holds(FoldRule::PushTakesUndoOut) && repository.undo.blobs.remove(digest).is_some();
        self.entries += u64::from(!was_waiting);
        self.change_content(digest, at, |content| {
            content.holders += 1;
            content.retained -= u32::from(was_waiting);
        });
    }

    pub(super) fn fold_unlink(&mut self, op: &UnlinkOp, at: &At) {
        let UnlinkOp { repository: name, digest, now } = op;
        let Some(repository) = self.repositories.get(name) else { return };
        if *now && repository.retained.contains_key(digest) {
            // What can be restored needs it: that has to go for good first.
            return;
        }
        let keep = !now || !holds(FoldRule::NowDropsUndo);
        if repository.blobs.contains_key(digest) && !repository.references.contains_key(digest) {
            self.lose_blob(name, digest, keep, at);
        } else if *now && repository.undo.blobs.contains_key(digest) {
            self.drop_waiting_blob(name, digest, at);
        }
        self.note_if_empty(name);
    }

    /// The repository holds the blob no more; with `keep` that can be taken back.
    pub(super) fn lose_blob(&mut self, name: &RepositoryName, digest: &Digest, keep: bool, at: &At) {
        let repository = self.repository_mut(name);
        let Some(since) = repository.blobs.remove(digest) else { return };
        if keep {
            let entry = Arc::new(UndoBlob { since, removal: at.removal() });
            repository.undo.blobs.insert(digest.clone(), entry);
        }
        self.entries -= u64::from(!keep);
        self.change_content(digest, at, |content| {
            content.holders -= 1;
            content.retained += u32::from(keep);
        });
    }

    /// The holding of a blob cannot be restored any more.
    pub(super) fn drop_waiting_blob(&mut self, name: &RepositoryName, digest: &Digest, at: &At) {
        if self.repository_mut(name).undo.blobs.remove(digest).is_some() {
            self.entries -= 1;
            self.change_content(digest, at, |content| content.retained -= 1);
        }
    }

    pub(super) fn may_name_all(&self, extents: &[Extent]) -> bool {
        extents.iter().all(|extent| extent.object().is_none_or(|id| self.may_name(&id)))
    }
}

/// Whether the lengths of `extents`, none of which is empty, add up to `size`.
pub(in crate::journal) fn is_complete(size: u64, extents: &[OpExtent]) -> bool {
    let add = |sum: u64, extent: &OpExtent| sum.checked_add(extent.length()).filter(|_| extent.length() > 0);
    extents.iter().try_fold(0, add) == Some(size)
}

/// Whether a digest is that of no bytes.
pub(in crate::journal) fn is_of_nothing(digest: &Digest) -> bool {
    *digest == Digest::of(digest.algorithm(), b"")
}
