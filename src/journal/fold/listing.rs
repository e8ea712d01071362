//! What an index of charts lists, and what is yanked from it.

use std::sync::Arc;

use super::At;
use crate::journal::op::{UnyankOp, YankOp};
use crate::journal::state::{Release, Revision, State, Yank};
use crate::oci::{Digest, RepositoryName, Tag};

impl State {
    /// Brings the release of `tag` in line with what it points to now, if anything. A version keeps its time for as long
    /// as it `keeps_content`, in whichever manifest.
    pub(super) fn list(&mut self, name: &RepositoryName, tag: &Tag, keeps_content: bool, at: &At) {
        let repository = self.repository_mut(name);
        let known = repository.releases.get(tag);
        if repository.listed_chart(tag).is_none() {
            if repository.releases.remove(tag).is_some() {
                self.totals.versions -= 1;
                self.revise_index(name, at);
            }
            return;
        }
        let known = known.filter(|_| keeps_content);
        let since = known.map(|known| Revision { seq: known.seq, time: known.since });
        self.list_since(name, tag, since.unwrap_or(at.revision()), at);
    }

    /// Lists `tag` as a version that has had its package since a commit.
    pub(super) fn list_since(&mut self, name: &RepositoryName, tag: &Tag, since: Revision, at: &At) {
        let repository = self.repository_mut(name);
        let Some(chart) = repository.listed_chart(tag).cloned() else { return };
        let yanked = repository.yanks.contains_key(tag);
        let release = Release { chart, seq: since.seq, since: since.time, yanked };
        let known = repository.releases.insert(tag.clone(), release);
        self.totals.versions += u64::from(known.is_none());
        self.revise_index(name, at);
    }

    pub(super) fn fold_yank(&mut self, op: &YankOp, at: &At) {
        if !self.points_to(&op.repository, &op.tag, &op.digest) {
            return;
        }
        let yank = Yank {
            digest: op.digest.clone(),
            reason: op.reason.clone(),
            instead: op.instead.clone(),
            by: at.by.clone(),
            seq: at.seq,
            time: at.time,
        };
        self.repository_mut(&op.repository).yanks.insert(op.tag.clone(), Arc::new(yank));
        self.note_yank(&op.repository, &op.tag, true, at);
    }

    pub(super) fn fold_unyank(&mut self, op: &UnyankOp, at: &At) {
        if self.points_to(&op.repository, &op.tag, &op.digest)
            && self.repository_mut(&op.repository).yanks.remove(&op.tag).is_some()
        {
            self.note_yank(&op.repository, &op.tag, false, at);
        }
    }

    fn points_to(&self, name: &RepositoryName, tag: &Tag, digest: &Digest) -> bool {
        self.tag(name, tag).is_some_and(|entry| entry.digest == *digest)
    }

    fn note_yank(&mut self, name: &RepositoryName, tag: &Tag, yanked: bool, at: &At) {
        if let Some(release) = self.repository_mut(name).releases.get_mut(tag) {
            release.yanked = yanked;
            self.revise_index(name, at);
        }
    }
}
