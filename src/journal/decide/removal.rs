//! Decisions on what takes content away, and on what brings it back.

use super::{Decision, append, fixed_tag, is_retained, still_referenced};
use crate::journal::fold::rules::{FoldRule, holds};
use crate::journal::op::{DeleteOp, DropOp, Op, RestoreOp, UntagOp, Was};
use crate::journal::policy::TagPolicy;
use crate::journal::proposal::Refusal;
use crate::journal::state::State;
use crate::oci::{Condition, Digest, RepositoryName, Tag};

pub(super) fn untag(
    state: &State,
    repository: &RepositoryName,
    tag: &Tag,
    condition: &Condition,
    policy: &dyn TagPolicy,
) -> Decision {
    let Some(entry) = state.tag(repository, tag) else {
        return Decision::Refuse(Refusal::TagUnknown(tag.clone()));
    };
    if !condition.holds(Some(&entry.digest)) {
        return Decision::Refuse(Refusal::Precondition(Some(entry.digest.clone())));
    }
    if let Some(refusal) = fixed_tag(state, repository, &entry.digest, [tag.clone()], policy) {
        return Decision::Refuse(refusal);
    }
    let was = Was { digest: entry.digest.clone(), seq: entry.seq };
    append(Op::Untag(UntagOp { repository: repository.clone(), tag: tag.clone(), was, reason: None }))
}

pub(super) fn delete(
    state: &State,
    (repository, digest): (&RepositoryName, &Digest),
    condition: &Condition,
    now: bool,
    policy: &dyn TagPolicy,
) -> Decision {
    let found = state.repositories.get(repository).filter(|found| {
        found.manifests.contains_key(digest) || (now && found.undo.manifests.contains_key(digest))
    });
    let Some(found) = found else { return Decision::Refuse(Refusal::ManifestUnknown(digest.clone())) };
    if !condition.holds(Some(digest)) {
        return Decision::Refuse(Refusal::Precondition(Some(digest.clone())));
    }
    if let Some(refusal) = still_referenced(state, repository, digest) {
        return Decision::Refuse(refusal);
    }
    if now && is_retained(state, repository, digest) {
        return Decision::Refuse(Refusal::Retained(digest.clone()));
    }
    let tags: Vec<(Tag, u64)> = found.tags_of(digest).map(|(tag, entry)| (tag.clone(), entry.seq)).collect();
    let names = tags.iter().map(|(tag, _)| tag.clone());
    if let Some(refusal) = fixed_tag(state, repository, digest, names, policy) {
        return Decision::Refuse(refusal);
    }
    let (repository, digest) = (repository.clone(), digest.clone());
    append(Op::Delete(DeleteOp { repository, digest, tags, now, reason: None }))
}

pub(super) fn restore(state: &State, op: &RestoreOp) -> Decision {
    if op.manifests.is_empty() && op.blobs.is_empty() && op.tags.is_empty() {
        return Decision::Unchanged;
    }
    match state.restorable(op) {
        Ok(_) => append(Op::Restore(op.clone())),
        Err(_) if !holds(FoldRule::RestoreIsCheckedAgain) => append(Op::Restore(op.clone())),
        Err(reason) => Decision::Refuse(Refusal::NotRestorable(reason)),
    }
}

pub(super) fn drop(state: &State, op: &DropOp) -> Decision {
    let has_some = |name: &RepositoryName| {
        let known = state.repositories.get(name);
        known.is_some_and(|known| known.exists() || (op.now && !known.undo.is_empty()))
    };
    let drops = match &op.repository {
        Some(name) => has_some(name),
        None => state.repositories.keys().any(has_some),
    };
    if drops { append(Op::Drop(op.clone())) } else { Decision::Unchanged }
}
