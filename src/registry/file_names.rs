//! File names that two versions share: `app-1.0.0-2.0.0.tgz` is that of version 2.0.0 of `app-1.0.0`, and of version
//! 1.0.0-2.0.0 of `app` (docs/internals/helm.md#files).
//!
//! Which of them has the plain URL follows from the releases alone, so all replicas tell the same.

use super::standing::standing;
use crate::chart::{tag_of_version, version_of_tag};
use crate::journal::{Release, State};
use crate::oci::{Namespace, RepositoryName, Tag};

/// A release whose file has a given name.
#[derive(Clone, Debug)]
pub(super) struct Named<'a> {
    pub repository: RepositoryName,
    /// The exact name of its version.
    pub exact: Tag,
    pub release: &'a Release,
}

/// Returns the releases whose file is `<stem>.tgz`. Where a name ends and a version begins is for the releases to say: every
/// hyphen before a version may be the place.
pub(super) fn named<'a>(state: &'a State, namespace: &Namespace, stem: &str) -> Vec<Named<'a>> {
    let found = splits(stem).filter_map(|(name, version)| {
        let repository = namespace.repository(name).ok()?;
        let exact = Tag::parse(&tag_of_version(version)).ok()?;
        let (_, release) = standing(&state.repository(&repository)?.releases, &exact)?;
        Some(Named { repository, exact, release })
    });
    found.collect()
}

/// Returns the release that the plain URL of a file stands for: the one that has had its package for the longest.
pub(super) fn first(named: Vec<Named<'_>>) -> Option<Named<'_>> {
    named.into_iter().min_by(|a, b| (a.release.seq, &a.repository).cmp(&(b.release.seq, &b.repository)))
}

/// Returns the other releases whose file has the name of that of the version with this exact name.
pub(super) fn rivals<'a>(state: &'a State, repository: &RepositoryName, exact: &Tag) -> Vec<Named<'a>> {
    let name = repository.base();
    if !(may_split(name) || may_split(exact.as_str())) {
        return Vec::new();
    }
    let (namespace, stem) = (repository.namespace(), format!("{name}-{}", version_of_tag(exact.as_str())));
    let mut others = named(state, &namespace, &stem);
    others.retain(|named| (&named.repository, &named.exact) != (repository, exact));
    others
}

/// Returns the release that the plain URL of this release's file stands for, if that is another one.
pub(super) fn precursor<'a>(
    state: &'a State,
    repository: &RepositoryName,
    exact: &Tag,
    release: &Release,
) -> Option<Named<'a>> {
    let first = first(rivals(state, repository, exact))?;
    ((first.release.seq, &first.repository) < (release.seq, repository)).then_some(first)
}

fn splits(stem: &str) -> impl Iterator<Item = (&str, &str)> {
    let all = stem.match_indices('-').map(|(at, _)| (&stem[..at], &stem[at + 1..]));
    all.filter(|(_, version)| begins_like_a_version(version))
}

/// Whether a version may begin behind a hyphen of `text`: of most names and versions none does.
fn may_split(text: &str) -> bool {
    splits(text).next().is_some()
}

fn begins_like_a_version(text: &str) -> bool {
    text.strip_prefix('v').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit())
}
