//! The fold: how each operation changes the state (docs/internals/storage-format.md#operations).
//!
//! It is a pure function of the lines of the commits: no clock, no configuration, and no look into what a push said of a
//! chart. An operation that was invalid at its place changes nothing, so that every replica and every release agrees on
//! what such a journal means.

mod collection;
mod contents;
mod damage;
mod listing;
mod manifests;
mod references;
mod restore;
pub mod rules;
mod tags;

pub(super) use collection::FENCE_AGE;
pub(super) use contents::is_of_nothing;
pub use restore::NotRestorable;

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use uuid::Uuid;

use super::actor::PrincipalName;
use super::commit::{self, Commit, MalformedCommit};
use super::op::{Op, OpExtent};
use super::state::{Extent, Place, Repository, Revision, State};
use super::undo::Removal;
use crate::clock::Timestamp;
use crate::oci::{Digest, RepositoryName};

#[derive(Debug, Error)]
pub enum FoldError {
    #[error("commit {seq} cannot be read: {source}")]
    Malformed { seq: u64, source: MalformedCommit },
    #[error("commit {seq} calls itself number {says}")]
    WrongNumber { seq: u64, says: u64 },
    #[error("commit {seq} does not follow the commit before it: the history was changed")]
    BrokenChain { seq: u64 },
}

/// Where an op stands: the number and time of its commit, where that commit's attachments begin, and who asked for it.
#[derive(Clone, Debug)]
pub struct At {
    pub seq: u64,
    pub time: Timestamp,
    /// Byte offset of the first attachment in the object of the commit.
    pub attachments: u64,
    pub by: PrincipalName,
    pub call: Uuid,
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
        let (time, attachments) = (commit.time, line.len() as u64 + 1);
        let mut names = Names::default();
        for folded in commit.ops {
            let by = names.shared(folded.by);
            self.apply(&folded.op, &At { seq, time, attachments, by, call: folded.call });
        }
        self.seq = seq;
        self.time = commit.time;
        self.link = Digest::sha256(line).to_string().into();
        Ok(())
    }

    /// Applies one op as if it stood in the commit `at`; speculation uses it for commits that are not written yet.
    pub fn apply(&mut self, op: &Op, at: &At) {
        match op {
            Op::Blob(op) => self.fold_blob(op, at),
            Op::Mount(op) => self.fold_mount(op, at),
            Op::Manifest(op) => self.fold_manifest(op, at),
            Op::Tag(op) => self.move_tag(&op.repository, &op.tag, &op.digest, op.listed, at),
            Op::Untag(op) => self.fold_untag(op, at),
            Op::Delete(op) => self.fold_delete(op, at),
            Op::Unlink(op) => self.fold_unlink(op, at),
            Op::Restore(op) => self.fold_restore(op, at),
            Op::Reap(op) => self.fold_reap(op, at),
            Op::Purge(op) => self.fold_purge(op),
            Op::Fence(op) => self.fold_fence(op, at),
            Op::Damaged(op) => self.fold_damaged(op),
            Op::Sound(op) => self.fold_sound(op),
            Op::Erase(op) => self.fold_erase(op),
            Op::Yank(op) => self.fold_yank(op, at),
            Op::Unyank(op) => self.fold_unyank(op, at),
            Op::Rules(op) => self.fold_rules(op, at),
            Op::Require(op) => self.required_writer = self.required_writer.max(op.writer),
            Op::Drop(op) => self.fold_drop(op, at),
        }
    }

    /// The repository `name`, made if it is not there.
    fn repository_mut(&mut self, name: &RepositoryName) -> &mut Repository {
        self.repositories.entry(name.clone()).or_default()
    }

    /// The repository `name`, in which an op puts content: it exists from then on.
    fn populate(&mut self, name: &RepositoryName, at: &At) -> &mut Repository {
        self.existing += u64::from(self.repository(name).is_none());
        let repository = self.repository_mut(name);
        if !repository.exists() {
            repository.born = at.seq;
        }
        if repository.populated == 0 {
            repository.populated = at.seq;
        }
        repository
    }

    /// Notes that an op has taken the last content of a repository, if it has.
    fn note_if_empty(&mut self, name: &RepositoryName) {
        if let Some(repository) = self.repositories.get_mut(name)
            && repository.is_empty()
        {
            repository.populated = 0;
        }
    }

    /// Notes that what an index lists of a repository is another now.
    fn revise_index(&mut self, name: &RepositoryName, at: &At) {
        self.repository_mut(name).index = at.revision();
        self.index = at.revision();
    }
}

impl At {
    fn revision(&self) -> Revision {
        Revision { seq: self.seq, time: self.time }
    }

    fn removal(&self) -> Removal {
        Removal { seq: self.seq, time: self.time, by: self.by.clone(), call: self.call }
    }

    fn place(&self, extents: &[OpExtent]) -> Arc<[Extent]> {
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

/// Equal names that follow each other share their memory.
#[derive(Default)]
pub(super) struct Names(PrincipalName);

impl Names {
    pub fn shared(&mut self, name: PrincipalName) -> PrincipalName {
        if self.0 != name {
            self.0 = name;
        }
        self.0.clone()
    }
}
