//! The decision on a push of a manifest.

use super::{Deciding, Decision, RENEW_IDLE, RENEW_TAG, is_referenced, may_name};
use crate::clock::Timestamp;
use crate::journal::op::{ManifestOp, Op, TagOp, Was};
use crate::journal::policy::{Firmness, TagPolicy};
use crate::journal::proposal::{Draft, NewManifest, Refusal, Replace};
use crate::journal::state::{Manifest, ManifestEntry, State};
use crate::oci::{Digest, Tag};

pub(super) fn manifest(state: &State, new: &NewManifest, deciding: Deciding<'_>) -> Decision {
    let refusal = broken_precondition(state, new)
        .or_else(|| missing_reference(state, new))
        .or_else(|| wrong_size(state, new));
    if let Some(refusal) = refusal {
        return Decision::Refuse(refusal);
    }
    let tags = match movable_tags(state, new, deciding.policy) {
        Ok(tags) => tags,
        Err(refusal) => return Decision::Refuse(refusal),
    };
    match state.manifest(&new.repository, &new.digest) {
        // Its age is renewed by another copy of it, if there is one to name.
        Some(entry) if is_same(state, entry, new) => {
            match is_aging(state, entry, new, deciding.now) && is_nameable(state, new) {
                true => bring_manifest(state, new, &tags, deciding.now),
                false => tags_only(state, new, &tags, deciding.now),
            }
        }
        _ if !new.body.is_whole(&new.digest) => {
            Decision::Refuse(Refusal::ManifestUnknown(new.digest.clone()))
        }
        _ if !may_name(state, &new.body) => Decision::Refuse(Refusal::UploadExpired),
        _ => bring_manifest(state, new, &tags, deciding.now),
    }
}

/// The tags to give to the manifest. One that keeps its content is left out when that is the same: the manifest that
/// has it may be another one, because Helm writes the time of a file into its manifests. If that manifest is damaged,
/// the tag moves to this one, which heals it.
fn movable_tags<'a>(
    state: &State,
    new: &'a NewManifest,
    policy: &dyn TagPolicy,
) -> Result<Vec<&'a Tag>, Refusal> {
    let mut movable = Vec::new();
    for tag in &new.tags {
        let held = state.tag(&new.repository, tag).map(|entry| &entry.digest);
        let Some(held) = held.filter(|held| **held != new.digest) else {
            movable.push(tag);
            continue;
        };
        let manifest = state.manifest(&new.repository, held).map(|entry| &entry.manifest);
        let types = [manifest.and_then(|held| held.artifact_type.as_deref()), new.artifact_type.as_deref()];
        let firmness = types.map(|artifact_type| policy.firmness(&new.repository, tag, artifact_type));
        let is_loose = firmness.iter().all(|firmness| *firmness == Firmness::Loose);
        let has_content = manifest.is_some_and(|manifest| has_content_of(manifest, new));
        let is_lost = manifest.is_some_and(|manifest| state.is_damaged(&manifest.extents));
        let (tag_name, held_digest) = (tag.clone(), held.clone());
        match &new.replace {
            Replace::This(expected) if expected == held => movable.push(tag),
            Replace::This(_) => return Err(Refusal::Precondition(Some(held_digest))),
            Replace::AsPolicySays if is_loose => movable.push(tag),
            _ if has_content && is_lost => movable.push(tag),
            _ if has_content => {}
            Replace::Never => return Err(Refusal::Taken { tag: tag_name, held: held_digest }),
            Replace::AsPolicySays => {
                let (tag, held, sent) = (tag_name, held_digest, new.digest.clone());
                return Err(Refusal::Immutable { tag, held, sent });
            }
        }
    }
    Ok(movable)
}

/// Whether both refer to the same config, layers and children, in the same order.
fn has_content_of(manifest: &Manifest, new: &NewManifest) -> bool {
    manifest.references.iter().eq(new.blobs.iter().chain(&new.children))
        && manifest.artifact_type == new.artifact_type
        && manifest.subject == new.subject
}

fn broken_precondition(state: &State, new: &NewManifest) -> Option<Refusal> {
    let of_tag = |tag: &Tag| state.tag(&new.repository, tag).map(|entry| entry.digest.clone());
    let of_manifest = || state.manifest(&new.repository, &new.digest).map(|_| new.digest.clone());
    let currents: Vec<Option<Digest>> =
        if new.tags.is_empty() { vec![of_manifest()] } else { new.tags.iter().map(of_tag).collect() };
    currents.into_iter().find(|current| !new.condition.holds(current.as_ref())).map(Refusal::Precondition)
}

fn missing_reference(state: &State, new: &NewManifest) -> Option<Refusal> {
    let repository = state.repository(&new.repository);
    let has_blob = |digest: &Digest| repository.is_some_and(|r| r.blobs.contains_key(digest));
    let blob = new.blobs.iter().find(|digest| !has_blob(digest));
    let child = new.children.iter().find(|digest| !state.holds(&new.repository, digest));
    blob.or(child).map(|digest| Refusal::ReferenceUnknown(digest.clone()))
}

/// The first size that is not that of the content. What the repository does not hold (an absent subject, a layer that is
/// never pushed) has no size to compare with.
fn wrong_size(state: &State, new: &NewManifest) -> Option<Refusal> {
    new.sizes.iter().find_map(|(digest, said)| {
        let held = state.size_of(&new.repository, digest)?;
        (held != *said).then(|| Refusal::SizeMismatch { digest: digest.clone(), said: *said, held })
    })
}

/// A manifest is its bytes and its media type: the same bytes under another type replace it.
fn is_same(state: &State, entry: &ManifestEntry, new: &NewManifest) -> bool {
    entry.manifest.media_type == new.media_type && !state.is_damaged(&entry.manifest.extents)
}

fn is_nameable(state: &State, new: &NewManifest) -> bool {
    new.body.is_whole(&new.digest) && may_name(state, &new.body)
}

/// Whether a collector could take a manifest for old that is pushed again without a tag.
fn is_aging(state: &State, entry: &ManifestEntry, new: &NewManifest, now: Timestamp) -> bool {
    !entry.ever_tagged
        && new.tags.is_empty()
        && entry.since.plus(RENEW_IDLE) < now
        && !is_referenced(state, &new.repository, &new.digest)
}

fn tags_only(state: &State, new: &NewManifest, tags: &[&Tag], now: Timestamp) -> Decision {
    let ops: Vec<Op> = tags.iter().filter_map(|tag| move_tag(state, new, tag, now)).collect();
    match ops.is_empty() {
        true => Decision::Unchanged,
        false => Decision::Append(Draft { ops, attachments: Vec::new() }),
    }
}

/// The op that makes `tag` point to the manifest, unless it does and its time is recent.
fn move_tag(state: &State, new: &NewManifest, tag: &Tag, now: Timestamp) -> Option<Op> {
    let current = state.tag(&new.repository, tag);
    let listed = new.listed.contains(tag);
    let is_there = current.filter(|entry| entry.digest == new.digest);
    if is_there.is_some_and(|entry| entry.listed == listed && entry.time.plus(RENEW_TAG) >= now) {
        return None;
    }
    let was = current.filter(|_| is_there.is_none());
    let was = was.map(|entry| Was { digest: entry.digest.clone(), seq: entry.seq });
    let (repository, tag, digest) = (new.repository.clone(), tag.clone(), new.digest.clone());
    Some(Op::Tag(TagOp { repository, tag, digest, was, listed }))
}

fn bring_manifest(state: &State, new: &NewManifest, tags: &[&Tag], now: Timestamp) -> Decision {
    let mut draft = Draft::default();
    let extents = draft.attach(&new.body);
    // A tag that moves gets an op of its own, because its history goes on from `was`.
    let (there, fresh): (Vec<&Tag>, Vec<&Tag>) =
        tags.iter().partition(|tag| state.tag(&new.repository, tag).is_some());
    let fresh: Vec<Tag> = fresh.into_iter().cloned().collect();
    draft.ops.push(Op::Manifest(Box::new(ManifestOp {
        repository: new.repository.clone(),
        digest: new.digest.clone(),
        media_type: new.media_type.clone(),
        size: new.body.size,
        extents,
        references: new.blobs.iter().chain(&new.children).cloned().collect(),
        listed: fresh.iter().filter(|tag| new.listed.contains(tag)).cloned().collect(),
        tags: fresh,
        subject: new.subject.clone(),
        artifact_type: new.artifact_type.clone(),
        annotations: new.annotations.clone(),
        chart: new.chart.clone(),
    })));
    let changed = relisted_tags(state, new);
    let moved = there.into_iter().chain(changed.iter().filter(|tag| !tags.contains(tag)));
    draft.ops.extend(moved.filter_map(|tag| move_tag(state, new, tag, now)));
    Decision::Append(draft)
}

/// Tags of the manifest for which another media type changes whether they stand for a version.
fn relisted_tags(state: &State, new: &NewManifest) -> Vec<Tag> {
    let Some(repository) = state.repository(&new.repository) else { return Vec::new() };
    let of_digest = repository.tags_of(&new.digest);
    let changed = of_digest.filter(|(tag, entry)| entry.listed != new.listed.contains(tag));
    changed.map(|(tag, _)| tag.clone()).collect()
}
