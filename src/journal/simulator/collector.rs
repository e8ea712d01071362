//! A collector and an administrator, as a replica has them: they act on what they saw, which may be long ago.

use std::time::Duration;

use uuid::Uuid;

use super::random::Random;
use crate::clock::Timestamp;
use crate::journal::fold::rules::{FoldRule, holds};
use crate::journal::op::{DropOp, ReapOp, RestoreOp, UndoKey};
use crate::journal::proposal::Change;
use crate::journal::state::{Repository, State, created_at};
use crate::oci::{Digest, RepositoryName};

/// How long a blob stays that nothing refers to, a manifest that never had a tag, and what was deleted.
pub const UNREFERENCED: Duration = Duration::from_secs(4 * 3_600);
pub const UNTAGGED: Duration = Duration::from_secs(5 * 3_600);
pub const UNDO: Duration = Duration::from_secs(6 * 3_600);
/// How long what was deleted stays by the other rules.
pub const SHORT_UNDO: Duration = Duration::from_secs(60);
/// Other rules than the default hold when the namespace has had them for this long.
pub const NEW_RULES: Duration = Duration::from_secs(24 * 3_600);
/// Condemned data stays for this long.
pub const LINGER: u64 = 30_000_000;
/// What no commit names is deleted when it is older.
const SWEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// The removal rules in a replica's configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Configured {
    Default,
    ShortUndo,
}

impl Configured {
    pub fn hash(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::ShortUndo => "short undo",
        }
    }

    fn undo(self) -> Duration {
        match self {
            Self::Default => UNDO,
            Self::ShortUndo => SHORT_UNDO,
        }
    }
}

/// For how long what was deleted stays at least by the rules of `state`, for a reap at `time`.
pub fn undo_time(state: &State, time: Timestamp) -> Duration {
    let is_short = |mark: &&crate::journal::state::RulesMark| {
        *mark.hash == *Configured::ShortUndo.hash() && mark.time.plus(NEW_RULES) <= time
    };
    state.rules.as_ref().filter(is_short).map_or(UNDO, |_| SHORT_UNDO)
}

/// What a collector proposes that sees `state`, if anything.
pub fn collect(state: &State, configured: Configured, random: &mut Random) -> Option<Change> {
    let mark = state.rules.as_ref();
    let is_default = mark.is_none() && configured == Configured::Default;
    let has_held =
        mark.is_some_and(|mark| *mark.hash == *configured.hash() && mark.time.plus(NEW_RULES) <= state.time);
    if !is_default && !has_held && holds(FoldRule::OneRuleForAll) {
        let is_marked = mark.is_some_and(|mark| *mark.hash == *configured.hash());
        return (!is_marked).then(|| Change::Rules(configured.hash().into()));
    }
    let rules = mark.map(|mark| mark.hash.clone());
    let mut op = ReapOp { before: state.time, blobs: vec![], manifests: vec![], undo: vec![], rules };
    match random.below(3) {
        0 => op.before = state.time.minus(UNREFERENCED),
        1 => op.before = state.time.minus(UNTAGGED),
        _ => op.before = state.time.minus(configured.undo()),
    }
    let by_undo = op.before == state.time.minus(configured.undo());
    for (name, repository) in &state.repositories {
        if by_undo {
            let undo =
                undo_of(repository).filter(|(key, seq)| state.may_reap_undo(name, key, *seq, op.before));
            op.undo.extend(undo.map(|(key, seq)| (name.clone(), key, seq)));
        } else if op.before == state.time.minus(UNTAGGED) {
            let idle = repository.manifests.keys();
            let idle = idle.filter(|digest| state.may_reap_manifest(name, digest, op.before));
            op.manifests.extend(idle.map(|digest| (name.clone(), digest.clone())));
        } else {
            let idle = repository.blobs.keys().filter(|digest| state.may_reap_blob(name, digest, op.before));
            op.blobs.extend(idle.map(|digest| (name.clone(), digest.clone())));
        }
    }
    let is_empty = op.undo.is_empty() && op.manifests.is_empty() && op.blobs.is_empty();
    (!is_empty).then_some(Change::Reap(op))
}

fn undo_of(repository: &Repository) -> impl Iterator<Item = (UndoKey, u64)> {
    let undo = &repository.undo;
    let manifests =
        undo.manifests.iter().map(|(of, entry)| (UndoKey::Manifest(of.clone()), entry.removal.seq));
    let tags = undo.tags.iter().map(|(of, entry)| (UndoKey::Tag(of.clone()), entry.removal.seq));
    let blobs = undo.blobs.iter().map(|(of, entry)| (UndoKey::Blob(of.clone()), entry.removal.seq));
    manifests.chain(tags).chain(blobs)
}

/// A restore of something that waits in `state`, with all it needs; sometimes something is left out.
pub fn restore(state: &State, random: &mut Random) -> Option<Change> {
    let waiting: Vec<(&RepositoryName, &Repository)> =
        state.repositories.iter().filter(|(_, repository)| !repository.undo.is_empty()).collect();
    let (name, repository) = *waiting.get(random.below(waiting.len()))?;
    let mut op = RestoreOp::default();
    let manifests: Vec<&Digest> = repository.undo.manifests.keys().collect();
    match manifests.get(random.below(manifests.len() + 1)) {
        Some(digest) => with_manifest(&mut op, name, repository, digest),
        None => {
            op.tags.extend(repository.undo.tags.iter().map(|(tag, waiting)| {
                (name.clone(), tag.clone(), waiting.tag.entry.digest.clone(), waiting.removal.seq, false)
            }));
        }
    }
    match random.below(5) {
        0 => op.blobs.clear(),
        1 => op.manifests.truncate(1),
        _ => {}
    }
    Some(Change::Restore(op))
}

/// The manifest, before it what it refers to, and its tags.
fn with_manifest(op: &mut RestoreOp, name: &RepositoryName, repository: &Repository, digest: &Digest) {
    let Some(waiting) = repository.undo.manifests.get(digest) else { return };
    for reference in waiting.manifest.references.iter() {
        with_manifest(op, name, repository, reference);
        if let Some(blob) = repository.undo.blobs.get(reference) {
            op.blobs.push((name.clone(), reference.clone(), blob.removal.seq));
        }
    }
    let seq = waiting.removal.seq;
    let tags = waiting.tags.iter().map(|(tag, _)| (name.clone(), tag.clone(), digest.clone(), seq, true));
    op.tags.extend(tags);
    op.manifests.push((name.clone(), digest.clone(), seq));
}

/// A repository, or all, is dropped.
pub fn drop_some(state: &State, random: &mut Random) -> Change {
    let names: Vec<&RepositoryName> = state.repositories.keys().collect();
    let repository = names.get(random.below(names.len() + 1)).map(|name| (*name).clone());
    Change::Drop(DropOp { repository, now: random.chance(200) })
}

/// How far the deletion of data that no commit names has come.
#[derive(Default)]
pub enum Sweep {
    #[default]
    Idle,
    /// The fence that was asked for.
    Fencing(Timestamp),
    /// Data older than the fence, as it was listed.
    Listed(Vec<Uuid>),
}

/// Up to when data may be swept at `time`.
pub fn sweepable(time: Timestamp) -> Timestamp {
    time.minus(SWEPT)
}

/// What a sweep deletes of what it listed.
pub fn unnamed(listed: &[Uuid], state: &State) -> Vec<Uuid> {
    let is_unnamed = |id: &&Uuid| !state.objects.contains_key(*id) && !state.condemned.contains_key(*id);
    listed.iter().filter(is_unnamed).copied().collect()
}

/// Those of `objects` that are older than `fence`.
pub fn older(objects: impl Iterator<Item = Uuid>, fence: Timestamp) -> Vec<Uuid> {
    objects.filter(|id| created_at(id) < fence).collect()
}
