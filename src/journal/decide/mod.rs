//! The decision on a proposal: a pure function of the proposal, the state at its place in the journal, the rules on tags
//! and the time (docs/internals/storage-format.md#operations).

mod collection;
mod contents;
mod manifests;
mod removal;
mod yank;

use std::time::Duration;

use super::keys::WRITER;
use super::op::Op;
use super::policy::{Firmness, TagPolicy};
use super::proposal::{Body, Change, Decision, Draft, Piece, Referrer, Refusal};
use super::state::State;
use crate::clock::Timestamp;
use crate::oci::{Digest, RepositoryName, Tag};

/// What nothing refers to is renewed by another push of it when it is older than this: it was acknowledged just now, so
/// no collector may take it for old.
const RENEW_IDLE: Duration = Duration::from_secs(60 * 60);
/// A push that changes nothing renews the time of a tag that is older than this: retention counts ages from it.
const RENEW_TAG: Duration = Duration::from_secs(24 * 60 * 60);

/// What a decision hangs on beside the state.
#[derive(Clone, Copy, Debug)]
pub struct Deciding<'a> {
    pub policy: &'a dyn TagPolicy,
    /// The time of the commit that the change would be in.
    pub now: Timestamp,
}

/// Decides on `change` against `state`.
pub fn decide(state: &State, change: &Change, deciding: Deciding<'_>) -> Decision {
    if state.required_writer > WRITER {
        return Decision::Refuse(Refusal::NewerRelease(state.required_writer));
    }
    let now = deciding.now;
    match change {
        Change::Blob { repository, digest, content } => {
            contents::blob(state, repository, digest, content, now)
        }
        Change::Mount { repository, digest, from } => contents::mount(state, repository, digest, from, now),
        Change::Unlink { repository, digest, now } => contents::unlink(state, repository, digest, *now),
        Change::Manifest(new) => manifests::manifest(state, new, deciding),
        Change::Untag { repository, tag, condition } => {
            removal::untag(state, repository, tag, condition, deciding.policy)
        }
        Change::Delete { repository, digest, condition, now } => {
            removal::delete(state, (repository, digest), condition, *now, deciding.policy)
        }
        Change::Restore(op) => removal::restore(state, op),
        Change::Drop(op) => removal::drop(state, op),
        Change::Yank { repository, tag, reason, instead } => {
            yank::yank(state, (repository, tag), reason.as_deref(), instead.as_deref())
        }
        Change::Unyank { repository, tag } => yank::unyank(state, repository, tag),
        Change::Damaged(op) => collection::damaged(state, op),
        Change::Sound(op) => collection::sound(state, op),
        Change::Erase(op) => collection::erase(state, op),
        Change::Reap(op) => collection::reap(state, op),
        Change::Purge(op) => collection::purge(state, op),
        Change::Fence(op) => collection::fence(state, op, now),
        Change::Rules(hash) => collection::rules(state, hash),
        Change::Require(writer) => collection::require(state, *writer),
    }
}

fn append(op: Op) -> Decision {
    Decision::Append(Draft { ops: vec![op], attachments: Vec::new() })
}

fn may_name(state: &State, body: &Body) -> bool {
    body.pieces.iter().all(|piece| match piece {
        Piece::Object { id, .. } => state.may_name(id),
        Piece::Attached(_) => true,
    })
}

fn is_referenced(state: &State, repository: &RepositoryName, digest: &Digest) -> bool {
    state.repository(repository).is_some_and(|r| r.references.contains_key(digest))
}

/// The refusal to remove what a manifest of the repository refers to, if one does. Which one is looked up for the message
/// alone, so only refusals pay for it.
fn still_referenced(state: &State, repository: &RepositoryName, digest: &Digest) -> Option<Refusal> {
    let found = state.repository(repository).filter(|r| r.references.contains_key(digest))?;
    let mut referrers =
        found.manifests.iter().filter(|(_, entry)| entry.manifest.references.contains(digest));
    let (by, _) = referrers.next()?;
    let tag = found.tags_of(by).next().map(|(tag, _)| tag.clone());
    let by = Box::new(Referrer { digest: by.clone(), tag });
    Some(Refusal::Referenced { digest: digest.clone(), by })
}

fn is_retained(state: &State, repository: &RepositoryName, digest: &Digest) -> bool {
    state.repositories.get(repository).is_some_and(|r| r.retained.contains_key(digest))
}

/// A tag of `digest` that must stay.
fn fixed_tag(
    state: &State,
    repository: &RepositoryName,
    digest: &Digest,
    tags: impl IntoIterator<Item = Tag>,
    policy: &dyn TagPolicy,
) -> Option<Refusal> {
    let artifact_type = state.manifest(repository, digest)?.manifest.artifact_type.as_deref();
    let fixed = |tag: &Tag| policy.firmness(repository, tag, artifact_type) == Firmness::Fixed;
    let tag = tags.into_iter().find(fixed)?;
    Some(Refusal::Undeletable { tag, held: digest.clone() })
}
