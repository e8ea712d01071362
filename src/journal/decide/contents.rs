//! Decisions on blobs.

use super::{Decision, RENEW_IDLE, append, is_referenced, is_retained, may_name, still_referenced};
use crate::clock::Timestamp;
use crate::journal::fold::rules::{FoldRule, holds};
use crate::journal::op::{BlobOp, MountOp, Op, UnlinkOp};
use crate::journal::proposal::{Body, Draft, Refusal};
use crate::journal::state::State;
use crate::oci::{Digest, RepositoryName};

pub(super) fn blob(
    state: &State,
    repository: &RepositoryName,
    digest: &Digest,
    content: &Body,
    now: Timestamp,
) -> Decision {
    if state.blob(repository, digest).is_some() {
        return held(state, repository, digest, now);
    }
    if state.healthy_content(digest).is_some() {
        // The namespace has the bytes: the repository gets the name, the upload is forgotten.
        return append(Op::Mount(MountOp {
            repository: repository.clone(),
            digest: digest.clone(),
            from: None,
        }));
    }
    if !content.is_whole(digest) {
        return Decision::Refuse(Refusal::BlobUnknown(digest.clone()));
    }
    if !may_name(state, content) {
        return Decision::Refuse(Refusal::UploadExpired);
    }
    let mut draft = Draft::default();
    let extents = draft.attach(content);
    let (repository, digest) = (repository.clone(), digest.clone());
    draft.ops.push(Op::Blob(BlobOp { repository, digest, size: content.size, extents }));
    Decision::Append(draft)
}

pub(super) fn mount(
    state: &State,
    repository: &RepositoryName,
    digest: &Digest,
    from: &RepositoryName,
    now: Timestamp,
) -> Decision {
    if state.blob(from, digest).is_none() {
        return Decision::Refuse(Refusal::BlobUnknown(digest.clone()));
    }
    if state.blob(repository, digest).is_some() {
        return held(state, repository, digest, now);
    }
    append(mount_op(repository, digest, from))
}

/// A push of what the repository holds. If a collector could take it for old, its age begins anew.
fn held(state: &State, repository: &RepositoryName, digest: &Digest, now: Timestamp) -> Decision {
    let since = state.repository(repository).and_then(|r| r.blobs.get(digest)).copied().unwrap_or_default();
    let is_young = since.plus(RENEW_IDLE) >= now || !holds(FoldRule::UploadRenews);
    if is_referenced(state, repository, digest) || is_young {
        return Decision::Unchanged;
    }
    append(mount_op(repository, digest, repository))
}

fn mount_op(repository: &RepositoryName, digest: &Digest, from: &RepositoryName) -> Op {
    Op::Mount(MountOp { repository: repository.clone(), digest: digest.clone(), from: Some(from.clone()) })
}

pub(super) fn unlink(state: &State, repository: &RepositoryName, digest: &Digest, now: bool) -> Decision {
    let known = state
        .repositories
        .get(repository)
        .is_some_and(|r| r.blobs.contains_key(digest) || (now && r.undo.blobs.contains_key(digest)));
    if !known {
        return Decision::Refuse(Refusal::BlobUnknown(digest.clone()));
    }
    if let Some(refusal) = still_referenced(state, repository, digest) {
        return Decision::Refuse(refusal);
    }
    if now && is_retained(state, repository, digest) {
        return Decision::Refuse(Refusal::Retained(digest.clone()));
    }
    append(Op::Unlink(UnlinkOp { repository: repository.clone(), digest: digest.clone(), now }))
}
