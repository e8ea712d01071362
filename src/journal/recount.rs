//! Counts from scratch what the fold keeps counts of, for tests: every count must be the same.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::state::{Extent, Manifest, Repository, Revision, State, Totals};
use crate::oci::{Digest, RepositoryName, Tag};

/// What is wrong with a state, if anything.
pub fn contradiction(state: &State) -> Option<String> {
    let counted = objects(state);
    let kept: BTreeMap<Uuid, u32> = state.objects.iter().map(|(id, count)| (*id, *count)).collect();
    let bodies: BTreeSet<_> = state.all_extents().filter_map(Extent::attached).collect();
    let entries: usize =
        state.repositories.values().map(|r| r.blobs.len() + r.manifests.len() + r.tags.len()).sum();
    let waiting: u64 = state.repositories.values().map(|repository| repository.undo.entries()).sum();
    let index = state.repositories.values().map(|repository| repository.index).max();
    let wrong = [
        ("the counts of objects are wrong", kept != counted),
        (
            "an object in use is condemned or purged",
            counted.keys().any(|id| state.condemned.contains_key(id) || state.purged.contains(id)),
        ),
        (
            "an object is damaged that nothing names",
            state.damaged_objects.iter().any(|id| !counted.contains_key(id)),
        ),
        (
            "an attached body is damaged that nothing names",
            state.damaged_bodies.keys().any(|place| !bodies.contains(place)),
        ),
        ("the number of entries is wrong", state.entries != entries as u64 + waiting),
        ("the index revision is wrong", state.index != index.unwrap_or(Revision::default())),
        (
            "the number of repositories is wrong",
            state.existing
                != state.repositories.values().filter(|repository| repository.exists()).count() as u64,
        ),
        ("the totals are wrong", state.totals != totals(state)),
    ];
    let wrong = wrong.into_iter().find(|(_, is_wrong)| *is_wrong).map(|(what, _)| what.to_owned());
    let found = wrong.or_else(|| contents(state)).or_else(|| {
        state.repositories.iter().find_map(|(name, repository)| contradiction_in(state, name, repository))
    });
    found.map(|what| format!("commit {}: {what}", state.seq))
}

fn contents(state: &State) -> Option<String> {
    let wrong = state.contents.iter().find(|(digest, content)| {
        let holders = state.repositories.values().filter(|r| r.blobs.contains_key(*digest)).count();
        let waiting = state.repositories.values().filter(|r| r.undo.blobs.contains_key(*digest)).count();
        holders + waiting == 0
            || (content.holders as usize, content.retained as usize) != (holders, waiting)
            || content.extents.iter().map(|extent| extent.length).try_fold(0u64, u64::checked_add)
                != Some(content.size)
    });
    wrong.map(|(digest, _)| format!("the holders or extents of {digest} are wrong"))
}

fn contradiction_in(state: &State, name: &RepositoryName, repository: &Repository) -> Option<String> {
    let (references, referrers) = references(repository);
    let visible = |digest: &Digest| repository.manifests.contains_key(digest);
    let holds = |digest: &Digest| visible(digest) || repository.blobs.contains_key(digest);
    if let Some(missing) = references.keys().find(|digest| !holds(digest)) {
        return Some(format!("a visible manifest refers to {missing}, which is gone"));
    }
    if !repository.references.iter().map(|(digest, count)| (digest, *count)).eq(references) {
        return Some("the counts of references are wrong".to_owned());
    }
    let kept = repository.referrers.iter().flat_map(|(s, of)| of.iter().map(move |digest| (s, digest)));
    if !kept.eq(referrers) || repository.referrers.values().any(|of| of.is_empty()) {
        return Some("the referrers are wrong".to_owned());
    }
    let listed = repository.tags.keys().filter_map(|tag| Some((tag, repository.listed_chart(tag)?)));
    let releases = listed.map(|(tag, chart)| (tag, chart, repository.yanks.contains_key(tag)));
    if !repository.releases.iter().map(|(tag, of)| (tag, &of.chart, of.yanked)).eq(releases) {
        return Some("the releases are wrong".to_owned());
    }
    if repository.populated == 0 && !repository.is_empty()
        || repository.populated > 0 && repository.is_empty()
    {
        return Some(format!("{name} is empty or not, against what is noted"));
    }
    if repository.born == 0 && !repository.is_empty() || repository.born > state.seq {
        return Some(format!("{name} has content before it was made"));
    }
    contradiction_in_tags(repository).or_else(|| contradiction_in_undo(repository))
}

fn contradiction_in_tags(repository: &Repository) -> Option<String> {
    for (digest, entry) in &repository.manifests {
        let tags = repository.tags.values().filter(|tag| tag.digest == *digest).count();
        if entry.tags as usize != tags || (tags > 0 && !entry.ever_tagged) {
            return Some(format!("manifest {digest} has {tags} tags"));
        }
    }
    if repository.tags.values().any(|tag| !repository.manifests.contains_key(&tag.digest)) {
        return Some("a tag points to nothing".to_owned());
    }
    let is_astray =
        |(tag, digest): (&Tag, &Digest)| repository.tags.get(tag).is_none_or(|entry| entry.digest != *digest);
    let mut yanks = repository.yanks.iter().map(|(tag, yank)| (tag, &yank.digest));
    yanks.any(is_astray).then(|| "a yank does not belong to its tag".to_owned())
}

/// What can be restored is not there, and has all it needs.
fn contradiction_in_undo(repository: &Repository) -> Option<String> {
    let undo = &repository.undo;
    if let Some(both) = undo.manifests.keys().find(|digest| repository.manifests.contains_key(*digest)) {
        return Some(format!("manifest {both} is visible and waits"));
    }
    if let Some(both) = undo.blobs.keys().find(|digest| repository.blobs.contains_key(*digest)) {
        return Some(format!("blob {both} is held and waits"));
    }
    let is_there =
        |digest: &Digest| repository.manifests.contains_key(digest) || undo.manifests.contains_key(digest);
    if undo.tags.values().any(|waiting| !is_there(&waiting.tag.entry.digest)) {
        return Some("a tag waits whose manifest is gone".to_owned());
    }
    let mut by_manifest: BTreeSet<(&Digest, &Tag)> = BTreeSet::new();
    by_manifest.extend(undo.tags.iter().map(|(tag, waiting)| (&waiting.tag.entry.digest, tag)));
    let kept = undo.tags_by_manifest.iter().flat_map(|(of, tags)| tags.iter().map(move |tag| (of, tag)));
    if !kept.eq(by_manifest) {
        return Some("the tags that wait are not found by their manifests".to_owned());
    }
    let mut retained: BTreeMap<&Digest, u32> = BTreeMap::new();
    for reference in undo.manifests.values().flat_map(|waiting| waiting.manifest.references.iter()) {
        *retained.entry(reference).or_default() += 1;
    }
    let has = |digest: &Digest| {
        is_there(digest) || repository.blobs.contains_key(digest) || undo.blobs.contains_key(digest)
    };
    if let Some(missing) = retained.keys().find(|digest| !has(digest)) {
        return Some(format!("what can be restored refers to {missing}, which is gone"));
    }
    match repository.retained.iter().map(|(digest, count)| (digest, *count)).eq(retained) {
        true => None,
        false => Some("the counts of retained references are wrong".to_owned()),
    }
}

type References<'a> = (BTreeMap<&'a Digest, u32>, BTreeSet<(&'a Digest, &'a Digest)>);

fn references(repository: &Repository) -> References<'_> {
    let (mut references, mut referrers) = References::default();
    for (digest, entry) in &repository.manifests {
        entry.manifest.references.iter().for_each(|r| *references.entry(r).or_default() += 1);
        referrers.extend(entry.manifest.subject.iter().map(|subject| (subject, digest)));
    }
    (references, referrers)
}

fn manifests(state: &State) -> impl Iterator<Item = (&Manifest, bool)> {
    state.repositories.values().flat_map(|repository| {
        let live = repository.manifests.values().map(|entry| (&*entry.manifest, true));
        live.chain(repository.undo.manifests.values().map(|waiting| (&*waiting.manifest, false)))
    })
}

fn totals(state: &State) -> Totals {
    let mut totals = Totals::default();
    let blobs = state.contents.values().map(|content| (content.size, content.holders > 0));
    let bodies = manifests(state).map(|(manifest, is_live)| (manifest.size, is_live));
    for (size, is_live) in blobs.chain(bodies) {
        let total = if is_live { &mut totals.live } else { &mut totals.waiting };
        *total = total.wrapping_add(size);
    }
    totals.condemned = state.condemned.values().fold(0, |sum, condemned| sum.wrapping_add(condemned.bytes));
    totals.versions = state.repositories.values().map(|repository| repository.releases.len() as u64).sum();
    totals
}

/// How many blobs and manifests name each object, live ones and those that can be restored.
fn objects(state: &State) -> BTreeMap<Uuid, u32> {
    let of_blobs = state.contents.values().map(|content| &content.extents);
    let of_manifests = manifests(state).map(|(manifest, _)| &manifest.extents);
    let mut counts = BTreeMap::new();
    for extents in of_blobs.chain(of_manifests) {
        let distinct: BTreeSet<Uuid> = extents.iter().filter_map(Extent::object).collect();
        distinct.into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
    }
    counts
}
