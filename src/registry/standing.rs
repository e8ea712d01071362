//! Which tag stands for a version: the one with its exact name, or else the one that differs by a `v` before it, as mirrors
//! write tags (docs/clients.md). So no version stands twice in a list.

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::chart::respelled;
use crate::journal::Release;
use crate::oci::Tag;

pub(super) type Releases = OrdMap<Tag, Release>;

/// Returns the exact name of the version whose release `tag` is.
pub(super) fn exact_name(tag: &Tag, release: &Release) -> Option<Tag> {
    match is_exact(tag, release) {
        true => Some(tag.clone()),
        false => Tag::parse(&respelled(tag.as_str())).ok(),
    }
}

/// Returns what stands for the version whose exact name is `exact`.
pub(super) fn standing<'a>(releases: &'a Releases, exact: &Tag) -> Option<(&'a Tag, &'a Release)> {
    let own = releases.get_key_value(exact).filter(|(tag, release)| is_exact(tag, release));
    own.or_else(|| {
        let other = releases.get_key_value(respelled(exact.as_str()).as_str());
        other.filter(|(tag, release)| !is_exact(tag, release))
    })
}

/// Returns what stands for the version whose exact name is `name`, or else has the tag `name`.
pub(super) fn named<'a>(releases: &'a Releases, name: &Tag) -> Option<(&'a Tag, &'a Release)> {
    standing(releases, name).or_else(|| tagged(releases, name))
}

/// Returns the release under `tag`, whatever its version.
pub(super) fn tagged<'a>(releases: &'a Releases, tag: &Tag) -> Option<(&'a Tag, &'a Release)> {
    releases.get_key_value(tag)
}

/// Returns the exact names of all versions for which something else may stand in `to` than in `from`, in order.
pub(super) fn changed(from: &Releases, to: &Releases) -> Vec<Tag> {
    let mut names = Vec::new();
    for change in from.diff(to) {
        let (tag, old, new) = match change {
            DiffItem::Add(tag, release) => (tag, None, Some(release)),
            DiffItem::Update { old: (_, old), new: (tag, new) } => (tag, Some(old), Some(new)),
            DiffItem::Remove(tag, release) => (tag, Some(release), None),
        };
        names.extend([old, new].into_iter().flatten().filter_map(|release| exact_name(tag, release)));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// A tag has a character for each of its version's: a `v` more or less is another length.
fn is_exact(tag: &Tag, release: &Release) -> bool {
    tag.as_str().len() == release.chart.version.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chart::{self, Metadata};
    use crate::clock::Timestamp;
    use crate::oci::Digest;

    fn tag(text: &str) -> Tag {
        Tag::parse(text).unwrap()
    }

    fn releases(of: &[(&str, &str)]) -> Releases {
        let release = |version: &str| {
            let config = serde_json::json!({"name": "app", "version": version}).to_string();
            let metadata = Metadata::read(config.as_bytes()).unwrap();
            let release = chart::Release::new(&metadata, Digest::sha256(b""), None).unwrap();
            let chart = Arc::new(crate::registry::record_of(release));
            Release { chart, seq: 1, since: Timestamp::default(), yanked: false }
        };
        of.iter().map(|(name, version)| (tag(name), release(version))).collect()
    }

    /// Tags with the version of the chart under each; the version that is looked for; the tag that is found.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, Option<&'a str>);

    #[test]
    fn the_exact_tag_goes_before_the_other_spelling() {
        let cases: [Case<'_>; 11] = [
            (&[("1.0.0", "1.0.0")], "1.0.0", Some("1.0.0")),
            (&[("1.0.0", "1.0.0")], "v1.0.0", None),
            (&[("1.0.0", "v1.0.0")], "v1.0.0", Some("1.0.0")),
            (&[("1.0.0", "v1.0.0")], "1.0.0", None),
            (&[("v1.0.0_b", "1.0.0+b")], "1.0.0_b", Some("v1.0.0_b")),
            (&[("1.0.0", "v1.0.0"), ("v1.0.0", "v1.0.0")], "v1.0.0", Some("v1.0.0")),
            (&[("1.0.0", "v1.0.0"), ("v1.0.0", "v1.0.0")], "1.0.0", None),
            // Two versions, each under the name of the other.
            (&[("1.0.0", "v1.0.0"), ("v1.0.0", "1.0.0")], "1.0.0", Some("v1.0.0")),
            (&[("1.0.0", "v1.0.0"), ("v1.0.0", "1.0.0")], "v1.0.0", Some("1.0.0")),
            (&[("1.0.0", "1.0.0"), ("v1.0.0", "v1.0.0")], "1.0.0", Some("1.0.0")),
            (&[("1.0.0", "1.0.0"), ("v1.0.0", "v1.0.0")], "v1.0.0", Some("v1.0.0")),
        ];
        for (held, version, expected) in cases {
            let releases = releases(held);
            let found = standing(&releases, &tag(version)).map(|(tag, _)| tag.as_str());
            assert_eq!(found, expected, "{held:?} {version}");
        }
    }

    #[test]
    fn a_change_of_either_spelling_is_a_change_of_the_version() {
        let (none, variant) = (releases(&[]), releases(&[("1.0.0", "v1.0.0")]));
        let both = releases(&[("1.0.0", "v1.0.0"), ("v1.0.0", "v1.0.0")]);
        let moved = releases(&[("1.0.0", "1.0.0")]);
        assert_eq!(changed(&none, &both), [tag("v1.0.0")]);
        assert_eq!(changed(&both, &variant), [tag("v1.0.0")]);
        assert_eq!(changed(&variant, &moved), [tag("1.0.0"), tag("v1.0.0")]);
        assert_eq!(changed(&both, &both), []);
    }
}
