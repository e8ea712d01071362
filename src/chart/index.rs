//! The index of a chart repository (`index.yaml`), as a rope: each version is rendered once, versions stand in leaves
//! of some 64 KiB, and a change renders anew the leaf it falls in. The bytes depend on what is listed, and not on the
//! order of changes (docs/internals/helm.md#the-index).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;
use semver::Version;

use super::{version, yaml};
use crate::clock::Timestamp;
use crate::oci::{ChartFile, Digest, Tag};

/// Leaves hold about this many bytes, and never more than twice as many unless one version does.
const LEAF: usize = 64 * 1024;

/// The charts of one namespace, with their versions.
#[derive(Clone, Debug, Default)]
pub struct Index {
    charts: BTreeMap<Box<str>, Chart>,
}

/// What an index lists of one version.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// Of the package.
    pub package: &'a Digest,
    /// Rendered by [`super::Metadata::render`].
    pub metadata: &'a str,
    /// Since when the version has had this package.
    pub since: Timestamp,
    /// Another version has a file of the same name, and had it before: the URL names the package by its digest.
    pub shares_file: bool,
}

/// What an index says of its server, as ChartMuseum does: its clients look for the API below the path it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerInfo<'a> {
    Absent,
    Empty,
    /// A path like `/charts`.
    Below(&'a str),
}

/// The place of a version among those of its chart: the highest comes first. Versions that Helm takes for equal
/// (`1.0.0+a` and `1.0.0+b`, `1.0` and `1.0.0`) stand by their tags, the last first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rank {
    version: Version,
    tag: Tag,
}

impl Rank {
    /// The place of the version that `tag` stands for; `None` if it stands for none.
    pub fn of(tag: &Tag) -> Option<Self> {
        let version = version::lax(&version::version_of_tag(tag.as_str()))?;
        Some(Self { version, tag: tag.clone() })
    }

    pub fn version(&self) -> &Version {
        &self.version
    }

    pub fn tag(&self) -> &Tag {
        &self.tag
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        version::precedence(&other.version, &self.version).then_with(|| other.tag.cmp(&self.tag))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Index {
    /// Changes what is listed of the chart `name`: each version with what to list of it, or nothing.
    pub fn change<'a>(&mut self, name: &str, changes: impl IntoIterator<Item = (Rank, Option<Listed<'a>>)>) {
        let changes = changes.into_iter();
        let mut changes: Vec<Change> = changes.map(|(rank, listed)| (rank, listed.map(entry))).collect();
        changes.sort_by(|(a, _), (b, _)| a.cmp(b));
        let chart = self.charts.entry(name.into()).or_insert_with(|| Chart::new(name));
        chart.change(changes);
        if chart.leaves.is_empty() {
            self.charts.remove(name);
        }
    }

    /// The document, in pieces; `generated` is when what is listed changed last.
    pub fn pieces(&self, generated: Timestamp, server: ServerInfo<'_>) -> Vec<Bytes> {
        let server = match server {
            ServerInfo::Absent => String::new(),
            ServerInfo::Empty => r#""serverInfo":{},"#.to_owned(),
            // Of characters that need no escape in a URL.
            ServerInfo::Below(path) => format!(r#""serverInfo":{{"contextPath":"{path}"}},"#),
        };
        let head = format!("{{\"apiVersion\":\"v1\",\"generated\":\"{generated}\",{server}\"entries\":{{\n");
        let mut pieces = vec![Bytes::from(head)];
        for (at, chart) in self.charts.values().enumerate() {
            if at > 0 {
                pieces.push(BETWEEN);
            }
            pieces.push(chart.head.clone());
            for (at, leaf) in chart.leaves.iter().enumerate() {
                if at > 0 {
                    pieces.push(BETWEEN);
                }
                pieces.push(leaf.text.clone());
            }
            pieces.push(Bytes::from_static(b"]"));
        }
        pieces.push(Bytes::from_static(b"}}\n"));
        pieces
    }
}

const BETWEEN: Bytes = Bytes::from_static(b",\n");

/// One version of the list as JSON, on one line.
pub fn entry(listed: Listed<'_>) -> String {
    let Listed { name, version, package, metadata, since, shares_file } = listed;
    let fields = metadata.strip_suffix('}').unwrap_or(metadata);
    // A name of a repository, a version and a digest have no character to escape.
    let digest = package.hex();
    let folder = match shares_file {
        true => format!("charts/{}", ChartFile::package_prefix(package)),
        false => "charts".to_owned(),
    };
    format!(r#"{fields},"created":"{since}","digest":"{digest}","urls":["{folder}/{name}-{version}.tgz"]}}"#)
}

/// A version to list, as text, or to list no more.
type Change = (Rank, Option<String>);

/// The versions of one chart, in order.
#[derive(Clone, Debug)]
struct Chart {
    /// What stands before the versions.
    head: Bytes,
    /// None is empty.
    leaves: Vec<Leaf>,
}

#[derive(Clone, Debug)]
struct Leaf {
    /// Each version with the place in `text` where it ends.
    ends: Vec<(Rank, usize)>,
    text: Bytes,
}

impl Chart {
    fn new(name: &str) -> Self {
        // The name of a repository as a key: no text that JSON cannot write.
        let key = yaml::to_string(name).unwrap_or_default();
        Self { head: Bytes::from(format!("{key}:[\n")), leaves: Vec::new() }
    }

    /// Makes sorted changes.
    fn change(&mut self, changes: Vec<Change>) {
        let mut changes = changes.into_iter().peekable();
        let mut old = std::mem::take(&mut self.leaves).into_iter().peekable();
        if old.peek().is_none() {
            self.leaves = Leaf::pack(changes.filter_map(|(rank, text)| Some((rank, text?))).collect());
            return;
        }
        while let Some(leaf) = old.next() {
            let next = old.peek().map(Leaf::first);
            let is_here = |change: &Change| next.is_none_or(|next| change.0 < *next);
            let mut here = Vec::new();
            while let Some(change) = changes.next_if(is_here) {
                here.push(change);
            }
            match here.is_empty() {
                true => self.leaves.push(leaf),
                false => self.leaves.extend(leaf.changed(here)),
            }
        }
    }
}

impl Leaf {
    fn first(&self) -> &Rank {
        &self.ends[0].0
    }

    /// The versions with their texts.
    fn entries(&self) -> impl Iterator<Item = (Rank, &str)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| end + BETWEEN.len()));
        starts.zip(&self.ends).map(|(start, (rank, end))| {
            // Cut where it was put together.
            (rank.clone(), std::str::from_utf8(&self.text[start..*end]).unwrap_or_default())
        })
    }

    fn changed(&self, changes: Vec<Change>) -> Vec<Leaf> {
        let mut merged: BTreeMap<Rank, String> =
            self.entries().map(|(rank, text)| (rank, text.to_owned())).collect();
        for (rank, text) in changes {
            match text {
                Some(text) => merged.insert(rank, text),
                None => merged.remove(&rank),
            };
        }
        Self::pack(merged.into_iter().collect())
    }

    /// Sorted versions in leaves of about the same size.
    fn pack(versions: Vec<(Rank, String)>) -> Vec<Leaf> {
        let total: usize = versions.iter().map(|(_, text)| text.len()).sum();
        let most = total.div_ceil((total / LEAF).max(1));
        let mut leaves = Vec::new();
        let (mut ends, mut text) = (Vec::new(), String::new());
        for (rank, entry) in versions {
            if !text.is_empty() && text.len() + entry.len() > most {
                leaves.push(Leaf { ends: std::mem::take(&mut ends), text: std::mem::take(&mut text).into() });
            }
            if !text.is_empty() {
                text.push_str(",\n");
            }
            text.push_str(&entry);
            ends.push((rank, text.len()));
        }
        if !ends.is_empty() {
            leaves.push(Leaf { ends, text: text.into() });
        }
        leaves
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::chart::{Metadata, Release, tag_of_version};

    fn release(version: &str, size: usize) -> Release {
        let config = json!({"name": "app", "version": version, "description": "d".repeat(size)}).to_string();
        let metadata = Metadata::read(config.as_bytes()).unwrap();
        Release::new(&metadata, Digest::sha256(config.as_bytes()), None).unwrap()
    }

    fn rank(version: &str) -> Rank {
        Rank::of(&Tag::parse(&tag_of_version(version)).unwrap()).unwrap()
    }

    fn text(index: &Index) -> String {
        let pieces = index.pieces(Timestamp::from_micros(1), ServerInfo::Absent).concat();
        String::from_utf8(pieces).unwrap()
    }

    fn versions(index: &Index) -> Vec<String> {
        let document: Value = serde_json::from_str(&text(index)).unwrap();
        let entries = document["entries"]["app"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["version"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn an_entry_has_all_that_helm_needs() {
        let mut index = Index::default();
        assert_eq!(
            text(&index),
            "{\"apiVersion\":\"v1\",\"generated\":\"1970-01-01T00:00:00.000001Z\",\"entries\":{\n}}\n"
        );
        let app = release("1.2.3+b", 1);
        let since = Timestamp::parse("2026-01-02T03:04:05Z").unwrap();
        index.change("app", [(rank("1.2.3+b"), Some(app.listed(since)))]);
        let digest = app.package.hex();
        assert!(
            text(&index).ends_with(&format!(
                "\"entries\":{{\n\"app\":[\n{{\"name\":\"app\",\"version\":\"1.2.3+b\",\"description\":\"d\",\
                 \"created\":\"{since}\",\"digest\":\"{digest}\",\"urls\":[\"charts/app-1.2.3+b.tgz\"]}}]}}}}\n"
            )),
            "{}",
            text(&index)
        );
        index.change("app", [(rank("1.2.3+b"), None)]);
        assert_eq!(versions(&index), [] as [&str; 0]);
        assert!(!text(&index).contains("app"));
    }

    #[test]
    fn the_highest_version_comes_first() {
        let sorted = [
            "10.0.0",
            "2.0.0",
            "2.0.0-rc.10",
            "2.0.0-rc.2",
            "2.0.0-alpha",
            "v1.0.0",
            "1.0.0+b",
            "1.0.0+a",
            "1.0.0",
            "1.0",
            "0.9",
        ];
        let mut shuffled = sorted;
        shuffled.sort();
        let mut index = Index::default();
        for version in shuffled {
            index.change("app", [(rank(version), Some(release(version, 1).listed(Timestamp::default())))]);
        }
        assert_eq!(versions(&index), sorted);
    }

    #[test]
    fn a_change_renders_one_leaf() {
        let many: Vec<Release> = (0..1_000).map(|n| release(&format!("1.0.{n}"), 1_000)).collect();
        let mut index = Index::default();
        let changes =
            many.iter().map(|release| (rank(&release.version), Some(release.listed(Timestamp::default()))));
        index.change("app", changes);
        let leaves = |index: &Index| {
            index.charts["app"].leaves.iter().map(|leaf| leaf.text.clone()).collect::<Vec<_>>()
        };
        let before = leaves(&index);
        assert!(before.len() >= 10 && before.iter().all(|leaf| leaf.len() <= 2 * LEAF), "{}", before.len());
        index.change("app", [(rank("1.0.500"), None)]);
        let after = leaves(&index);
        let kept =
            after.iter().filter(|leaf| before.iter().any(|other| other.as_ptr() == leaf.as_ptr())).count();
        assert_eq!(kept, before.len() - 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_bytes_do_not_depend_on_the_order_of_changes(
            steps in proptest::collection::vec((0u8..40, any::<bool>(), 1usize..20_000), 1..60)
        ) {
            let mut step_by_step = Index::default();
            let mut listed = BTreeMap::new();
            for (n, add, size) in steps {
                let version = format!("1.{}.{}", n / 8, n % 8);
                let release = release(&version, size);
                let since = Timestamp::from_micros(size as i64);
                step_by_step.change("app", [(rank(&version), add.then_some(release.listed(since)))]);
                match add {
                    true => listed.insert(version, (release, since)),
                    false => listed.remove(&version),
                };
            }
            let mut at_once = Index::default();
            let all = listed.iter().map(|(version, (release, since))| (rank(version), Some(release.listed(*since))));
            at_once.change("app", all);
            prop_assert_eq!(text(&step_by_step), text(&at_once));
            prop_assert_eq!(versions(&at_once).len(), listed.len());
        }
    }
}
