//! What users were promised of deletions and uploads, told from the states before and after each operation: the fold is
//! not asked, because it may be the one that is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use super::collector::{UNREFERENCED, UNTAGGED, undo_time};
use super::observer::Violation;
use crate::clock::Timestamp;
use crate::journal::op::{Op, ReapOp, UndoKey};
use crate::journal::state::State;
use crate::journal::undo::Removal;
use crate::oci::{Digest, RepositoryName, Tag};

/// An upload that changed nothing renews the age of a blob only when it is older than this.
const RENEWED: Duration = Duration::from_secs(3_600);

type Place = (RepositoryName, Digest);

#[derive(Default)]
pub struct Promises {
    /// When an upload of a blob was acknowledged last.
    uploaded: BTreeMap<Place, Timestamp>,
    /// When a manifest left that others may have as their subject.
    left: BTreeMap<Place, Timestamp>,
}

impl Promises {
    pub fn acknowledged(&mut self, repository: &RepositoryName, digest: &Digest, time: Timestamp) {
        let last = self.uploaded.entry((repository.clone(), digest.clone())).or_default();
        *last = time.max(*last);
    }

    /// Compares the states around an operation of a commit of `time`.
    pub fn check(
        &mut self,
        before: &State,
        op: &Op,
        after: &State,
        time: Timestamp,
    ) -> Result<(), Violation> {
        match op {
            Op::Reap(reap) => self.check_reap(before, reap, after, time)?,
            Op::Restore(restore) => {
                for (name, tag, ..) in &restore.tags {
                    check_tag_stays(before, name, tag, after)?;
                }
            }
            Op::Delete(delete) if delete.now => {
                let undo = after.repositories.get(&delete.repository).map(|repository| &repository.undo);
                let waits = undo.is_some_and(|undo| {
                    let tags = undo.tags.values().any(|tag| tag.tag.entry.digest == delete.digest);
                    undo.manifests.contains_key(&delete.digest) || tags
                });
                let visible = after.manifest(&delete.repository, &delete.digest).is_some();
                if waits && !visible && !is_retained(before, &delete.repository, &delete.digest) {
                    return Err(format!("{} was deleted for good and can be restored", delete.digest));
                }
            }
            Op::Unlink(unlink) if unlink.now => {
                let undo = after.repositories.get(&unlink.repository).map(|repository| &repository.undo);
                let waits = undo.is_some_and(|undo| undo.blobs.contains_key(&unlink.digest));
                if waits && !is_retained(before, &unlink.repository, &unlink.digest) {
                    return Err(format!("{} was unlinked for good and can be restored", unlink.digest));
                }
            }
            _ => {}
        }
        self.note_departures(before, after, time);
        Ok(())
    }

    fn check_reap(
        &self,
        before: &State,
        reap: &ReapOp,
        after: &State,
        time: Timestamp,
    ) -> Result<(), Violation> {
        for (name, digest) in &reap.blobs {
            let held = |state: &State| state.repository(name).is_some_and(|r| r.blobs.contains_key(digest));
            let uploaded = self.uploaded.get(&(name.clone(), digest.clone()));
            let is_young = uploaded.is_some_and(|at| at.plus(UNREFERENCED - RENEWED) > time);
            if held(before) && !held(after) && is_young {
                return Err(format!("blob {digest} was reaped soon after its upload was acknowledged"));
            }
        }
        for (name, digest) in &reap.manifests {
            let subject = before.manifest(name, digest).and_then(|entry| entry.manifest.subject.clone());
            let (Some(subject), None) = (subject, after.manifest(name, digest)) else { continue };
            let left = self.left.get(&(name.clone(), subject.clone()));
            if left.is_some_and(|at| at.plus(UNTAGGED) > time) {
                return Err(format!("{digest} was reaped soon after its subject went"));
            }
            if before.repositories[name].undo.manifests.contains_key(&subject) {
                return Err(format!("{digest} was reaped while its subject can be restored"));
            }
        }
        for (name, key, _) in &reap.undo {
            let (Some(removal), None) = (removal(before, name, key), removal(after, name, key)) else {
                continue;
            };
            if removal.time.plus(undo_time(before, time)) > time {
                return Err(format!("{key:?} cannot be restored any more, soon after it was deleted"));
            }
        }
        Ok(())
    }

    fn note_departures(&mut self, before: &State, after: &State, time: Timestamp) {
        for (name, repository) in &before.repositories {
            for digest in repository.manifests.keys().filter(|of| after.manifest(name, of).is_none()) {
                self.left.insert((name.clone(), digest.clone()), time);
            }
        }
    }
}

fn check_tag_stays(before: &State, name: &RepositoryName, tag: &Tag, after: &State) -> Result<(), Violation> {
    let Some(held) = before.tag(name, tag) else { return Ok(()) };
    match after.tag(name, tag) {
        Some(entry) if entry.digest == held.digest => Ok(()),
        _ => Err(format!("a restore moved the tag {tag}")),
    }
}

fn is_retained(state: &State, name: &RepositoryName, digest: &Digest) -> bool {
    state.repositories.get(name).is_some_and(|repository| {
        repository.retained.contains_key(digest) || repository.references.contains_key(digest)
    })
}

fn removal(state: &State, name: &RepositoryName, key: &UndoKey) -> Option<Removal> {
    let undo = &state.repositories.get(name)?.undo;
    match key {
        UndoKey::Manifest(digest) => undo.manifests.get(digest).map(|entry| entry.removal.clone()),
        UndoKey::Tag(tag) => undo.tags.get(tag).map(|entry| entry.removal.clone()),
        UndoKey::Blob(digest) => undo.blobs.get(digest).map(|entry| entry.removal.clone()),
    }
}
