//! Decisions on what collectors and verified reads report.

use super::{Decision, append};
use crate::clock::Timestamp;
use crate::journal::fold::FENCE_AGE;
use crate::journal::fold::rules::{FoldRule, holds};
use crate::journal::op::{BodiesOp, EraseOp, FenceOp, Op, PurgeOp, ReapOp, RequireOp, RulesOp};
use crate::journal::proposal::Refusal;
use crate::journal::state::State;

/// What is named and not marked yet.
pub(super) fn damaged(state: &State, op: &BodiesOp) -> Decision {
    let is_new = |object: &&uuid::Uuid| {
        state.objects.contains_key(*object) && !state.damaged_objects.contains(*object)
    };
    let objects = op.objects.iter().filter(is_new).copied().collect();
    let mut bodies = op.bodies.clone();
    bodies.retain(|(seq, offset, _)| !state.damaged_bodies.contains_key(&(*seq, *offset)));
    reported(BodiesOp { objects, bodies: state.named_bodies(&bodies).into_iter().collect() }, Op::Damaged)
}

/// What is marked.
pub(super) fn sound(state: &State, op: &BodiesOp) -> Decision {
    let objects = op.objects.iter().filter(|object| state.damaged_objects.contains(*object)).copied();
    let is_marked = |(seq, offset, _): &&(u64, u64, u64)| state.damaged_bodies.contains_key(&(*seq, *offset));
    let bodies = op.bodies.iter().filter(is_marked).copied();
    reported(BodiesOp { objects: objects.collect(), bodies: bodies.collect() }, Op::Sound)
}

fn reported(op: BodiesOp, make: fn(BodiesOp) -> Op) -> Decision {
    match op.objects.is_empty() && op.bodies.is_empty() {
        true => Decision::Unchanged,
        false => append(make(op)),
    }
}

/// Only what no entry names any more may be blanked.
pub(super) fn erase(state: &State, op: &EraseOp) -> Decision {
    let named = state.named_bodies(&op.bodies);
    let is_new = |body: &&(u64, u64, u64)| {
        !named.contains(*body) && !state.erased_bodies.contains_key(&(body.0, body.1)) && body.0 <= state.seq
    };
    let bodies: Vec<_> = op.bodies.iter().filter(is_new).copied().collect();
    if bodies.is_empty() { Decision::Unchanged } else { append(Op::Erase(EraseOp { bodies })) }
}

/// What can still go, if the collector follows the rules that the namespace has.
pub(super) fn reap(state: &State, op: &ReapOp) -> Decision {
    let is_in_force = op.rules.as_deref() == state.rules.as_ref().map(|mark| &*mark.hash);
    if !is_in_force && holds(FoldRule::OneRuleForAll) {
        return Decision::Refuse(Refusal::OtherRules);
    }
    let mut op = op.clone();
    op.undo.retain(|(name, key, seq)| state.may_reap_undo(name, key, *seq, op.before));
    op.manifests.retain(|(name, digest)| state.may_reap_manifest(name, digest, op.before));
    op.blobs.retain(|(name, digest)| state.may_reap_blob(name, digest, op.before));
    match op.undo.is_empty() && op.manifests.is_empty() && op.blobs.is_empty() {
        true => Decision::Unchanged,
        false => append(Op::Reap(op)),
    }
}

pub(super) fn purge(state: &State, op: &PurgeOp) -> Decision {
    let condemned = op.objects.iter().filter(|object| state.condemned.contains_key(*object));
    let objects: Vec<_> = condemned.copied().collect();
    if objects.is_empty() { Decision::Unchanged } else { append(Op::Purge(PurgeOp { objects })) }
}

pub(super) fn fence(state: &State, op: &FenceOp, now: Timestamp) -> Decision {
    let rises = op.before > state.fence || op.swept > state.swept;
    match rises && op.before <= now.minus(FENCE_AGE) {
        true => append(Op::Fence(op.clone())),
        false => Decision::Unchanged,
    }
}

pub(super) fn rules(state: &State, hash: &str) -> Decision {
    match state.rules.as_ref().is_some_and(|mark| *mark.hash == *hash) {
        true => Decision::Unchanged,
        false => append(Op::Rules(RulesOp { hash: hash.into() })),
    }
}

pub(super) fn require(state: &State, writer: u32) -> Decision {
    match writer > state.required_writer {
        true => append(Op::Require(RequireOp { writer })),
        false => Decision::Unchanged,
    }
}
