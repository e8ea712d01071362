//! Counts from scratch what the fold keeps counts of, for tests: every count must be the same.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::state::{Extent, Repository, State};
use crate::oci::{Digest, RepositoryName};

/// What is wrong with a state, if anything.
pub fn contradiction(state: &State) -> Option<String> {
    let counted = objects(state);
    let entries: usize =
        state.repositories.values().map(|r| r.blobs.len() + r.manifests.len() + r.tags.len()).sum();
    let kept: BTreeMap<Uuid, u32> = state.objects.iter().map(|(id, count)| (*id, *count)).collect();
    let wrong = |what: &str| Some(format!("{what} of the state at commit {} are wrong", state.seq));
    if kept != counted {
        return wrong("the counts of objects");
    }
    if counted.keys().any(|id| state.condemned.contains_key(id) || state.purged.contains(id)) {
        return Some(format!("commit {}: an object in use is condemned or purged", state.seq));
    }
    if state.damaged.iter().any(|id| !counted.contains_key(id)) {
        return Some(format!("commit {}: an object is damaged that nothing names", state.seq));
    }
    if state.entries != entries as u64 {
        return wrong("the entries");
    }
    for (digest, content) in &state.contents {
        let holders = state.repositories.values().filter(|r| r.blobs.contains_key(digest)).count();
        if holders == 0 || content.holders as usize != holders {
            return wrong("the holders");
        }
    }
    state.repositories.iter().find_map(|(name, repository)| contradiction_in(state, name, repository))
}

fn contradiction_in(state: &State, name: &RepositoryName, repository: &Repository) -> Option<String> {
    let mut references: BTreeMap<&Digest, u32> = BTreeMap::new();
    let mut referrers: BTreeSet<(&Digest, &Digest)> = BTreeSet::new();
    for (digest, entry) in &repository.manifests {
        entry.manifest.references.iter().for_each(|r| *references.entry(r).or_default() += 1);
        referrers.extend(entry.manifest.subject.iter().map(|subject| (subject, digest)));
        let tags = repository.tags.values().filter(|tag| tag.digest == *digest).count();
        if entry.tags as usize != tags || (tags > 0 && !entry.ever_tagged) {
            return Some(format!("commit {}: manifest {digest} has {tags} tags", state.seq));
        }
    }
    let holds = |digest: &Digest| {
        repository.manifests.contains_key(digest)
            || repository.blobs.contains_key(digest) && state.contents.contains_key(digest)
    };
    if let Some(missing) = references.keys().find(|digest| !holds(digest)) {
        return Some(format!("commit {}: a visible manifest refers to {missing}, which is gone", state.seq));
    }
    if !repository.references.iter().map(|(digest, count)| (digest, *count)).eq(references) {
        return Some(format!("commit {}: the counts of references are wrong", state.seq));
    }
    let kept = repository.referrers.iter().flat_map(|(s, of)| of.iter().map(move |digest| (s, digest)));
    if !kept.eq(referrers) || repository.referrers.values().any(|of| of.is_empty()) {
        return Some(format!("commit {}: the referrers are wrong", state.seq));
    }
    let releases = repository.tags.keys().filter_map(|tag| {
        let chart = repository.chart_of(tag).filter(|chart| chart.is_at(name, tag))?;
        Some((tag, chart))
    });
    if !repository.releases.iter().map(|(tag, release)| (tag, &release.chart)).eq(releases) {
        return Some(format!("commit {}: the releases are wrong", state.seq));
    }
    if repository.tags.values().any(|tag| !repository.manifests.contains_key(&tag.digest)) {
        return Some(format!("commit {}: a tag points to nothing", state.seq));
    }
    None
}

/// How many blobs and manifests name each object.
fn objects(state: &State) -> BTreeMap<Uuid, u32> {
    let of_blobs = state.contents.values().map(|content| &content.extents);
    let of_manifests =
        state.repositories.values().flat_map(|r| r.manifests.values()).map(|entry| &entry.manifest.extents);
    let mut counts = BTreeMap::new();
    for extents in of_blobs.chain(of_manifests) {
        let distinct: BTreeSet<Uuid> = extents.iter().filter_map(Extent::object).collect();
        distinct.into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
    }
    counts
}
