//! The walk through a package and the packages inside of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{BufReader, Read};

use super::entries::{End, Entries, Entry};
use super::gunzip::{Budget, Gunzip};
use super::paths::{self, Place, Role};
use super::{InvalidPackage, Limits, Metadata, Oddity, Package, PackedFile, Subchart, shown};

/// Headers, padding, extensions: what an entry may take beyond its content.
const PER_ENTRY: u64 = 4 * 1024;

/// Bytes that are decompressed at once.
const BUFFER: usize = 16 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is read of a chart to judge it. Each is a file like any other to the limits.
const NEEDED: [&str; 3] = ["Chart.yaml", "requirements.yaml", SCHEMA];

const SCHEMA: &str = "values.schema.json";

/// What a chart is known by.
const OF_INTEREST: [&str; 3] = ["values.yaml", "Chart.lock", "requirements.lock"];

pub(super) fn is_of_interest(path: &str) -> bool {
    OF_INTEREST.contains(&path) || is_readme(path)
}

pub(super) fn is_readme(path: &str) -> bool {
    ["readme.md", "readme.txt", "readme"].iter().any(|name| path.eq_ignore_ascii_case(name))
}

pub(super) fn package(
    input: &mut dyn Read,
    limits: &Limits,
    keep: &dyn Fn(&str) -> bool,
) -> Result<Package, InvalidPackage> {
    let stream = limits.unpacked.saturating_add(u64::from(limits.entries) * PER_ENTRY);
    let budget = Budget::new(stream, limits.entries);
    let mut files_left = limits.unpacked;
    let mut scan = Scan::new(limits, &budget, 0, &mut files_left);
    scan.read(input, keep)?;
    let metadata = scan.metadata()?;
    let mut oddities: Vec<Oddity> = scan.oddities(&metadata);
    if scan.contents.get(SCHEMA).is_some_and(|schema| !is_json(schema)) {
        oddities.push(Oddity::Schema);
    }
    let Scan { files, subcharts, contents, .. } = scan;
    let subcharts = subcharts.into_values().flatten().collect();
    Ok(Package { metadata, files, subcharts, oddities, contents })
}

/// The metadata of an archive whose other entries may be anything.
pub(super) fn metadata_alone(input: &mut dyn Read, limits: &Limits) -> Option<Metadata> {
    let budget = Budget::new(limits.unpacked, limits.entries);
    let mut archive = tar::Archive::new(Gunzip::new(input, &budget).ok()?);
    let mut found = None;
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        let path = entry.path_bytes().into_owned();
        let components: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|part| *part != b".").collect();
        if !matches!(components[..], [_, b"Chart.yaml"]) {
            continue;
        }
        let mut content = Vec::new();
        if found.is_some() || !entry.header().entry_type().is_file() {
            return None;
        }
        entry.by_ref().take(limits.file).read_to_end(&mut content).ok()?;
        found = Some(without_mark(content));
    }
    Metadata::from_yaml(&found?, None).ok()
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// Reads, and copies what was read.
struct Tee<'a, R> {
    input: R,
    copy: Option<&'a mut Vec<u8>>,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(buffer)?;
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(&buffer[..count]);
        }
        Ok(count)
    }
}

/// One archive as far as it is read.
struct Scan<'a> {
    limits: &'a Limits,
    budget: &'a Budget,
    /// How many packages it is inside of.
    depth: u32,
    /// The bytes that files may still have, here and in other packages.
    files_left: &'a mut u64,
    seen: HashSet<Box<str>>,
    files: Vec<PackedFile>,
    contents: BTreeMap<Box<str>, Vec<u8>>,
    /// By path; nothing for a folder whose Chart.yaml has not come yet.
    subcharts: BTreeMap<String, Option<Subchart>>,
    bases: BTreeSet<String>,
    /// The first path that came twice in a folder of a dependency.
    duplicate: Option<String>,
    backslashes: bool,
    no_end_marker: bool,
    trailing_bytes: bool,
}

impl<'a> Scan<'a> {
    fn new(limits: &'a Limits, budget: &'a Budget, depth: u32, files_left: &'a mut u64) -> Self {
        Self {
            limits,
            budget,
            depth,
            files_left,
            seen: HashSet::new(),
            files: Vec::new(),
            contents: BTreeMap::new(),
            subcharts: BTreeMap::new(),
            bases: BTreeSet::new(),
            duplicate: None,
            backslashes: false,
            no_end_marker: false,
            trailing_bytes: false,
        }
    }

    fn read(&mut self, input: &mut dyn Read, keep: &dyn Fn(&str) -> bool) -> Result<(), InvalidPackage> {
        // Headers are read alone, and to decompress a little costs nearly as much as to decompress much.
        let gunzip = BufReader::with_capacity(BUFFER, Gunzip::new(input, self.budget)?);
        let mut entries = Entries::new(gunzip, self.budget);
        while let Some(entry) = entries.next()? {
            let path = self.enter(&entry)?;
            self.take(&path, &mut entries, keep)?;
            self.files.push(PackedFile { path: path.into(), size: entry.size });
        }
        if self.duplicate.is_some() {
            self.keep_last();
        }
        let end = entries.end();
        self.no_end_marker = end == Some(End::Missing);
        self.trailing_bytes =
            end == Some(End::Followed) || entries.into_inner().into_inner().has_trailing_bytes();
        if self.files.is_empty() {
            return Err(InvalidPackage::Empty);
        }
        let incomplete = self.subcharts.iter().find(|(_, subchart)| subchart.is_none());
        if let Some((path, _)) = incomplete {
            return Err(inside(path, InvalidPackage::NoChartYaml));
        }
        Ok(())
    }

    /// Drops the files that a later one of the same path replaces.
    fn keep_last(&mut self) {
        let mut later = HashSet::new();
        let kept = std::mem::take(&mut self.files).into_iter().rev();
        self.files = kept.filter(|file| later.insert(file.path.clone())).collect();
        self.files.reverse();
    }

    /// The path of a file in the chart, if it may be there and so large.
    fn enter(&mut self, entry: &Entry) -> Result<String, InvalidPackage> {
        let Place { base, path, backslashes } = paths::place(&entry.name)
            .map_err(|fault| InvalidPackage::Path { name: shown(&entry.name), fault })?;
        self.backslashes |= backslashes;
        if self.bases.len() < 2 {
            self.bases.insert(base);
        }
        let size = entry.size;
        if size > self.limits.file {
            return Err(InvalidPackage::FileTooLarge { path, size, limit: self.limits.file });
        }
        *self.files_left = self.files_left.checked_sub(size).ok_or(InvalidPackage::TooLarge)?;
        if !self.seen.insert(path.as_str().into()) {
            // `helm package` writes two dependencies of one name into one folder; all readers take the last entry.
            if !matches!(paths::role(&path), Role::OfSubchart { .. }) {
                return Err(InvalidPackage::Duplicate(path));
            }
            self.duplicate.get_or_insert_with(|| path.clone());
        }
        Ok(path)
    }

    /// Reads the content of a file, and what it is to the chart.
    fn take<R: Read>(
        &mut self,
        path: &str,
        entries: &mut Entries<'_, R>,
        keep: &dyn Fn(&str) -> bool,
    ) -> Result<(), InvalidPackage> {
        let role = paths::role(path);
        let depth = match &role {
            Role::OfSubchart { depth, .. } | Role::Package { depth } => self.depth + depth,
            Role::Own | Role::Stray => self.depth,
        };
        if depth > self.limits.depth {
            return Err(InvalidPackage::TooDeep(self.limits.depth));
        }
        match role {
            Role::Stray => Err(InvalidPackage::Stray(path.to_owned())),
            Role::Package { .. } => self.take_package(path, depth, entries, keep(path)),
            Role::OfSubchart { chart, path: "Chart.yaml", .. } => {
                let content = without_mark(entries.content(true)?);
                let metadata =
                    Metadata::from_yaml(&content, None).map_err(|error| inside(chart, error.into()))?;
                self.subcharts.insert(chart.to_owned(), Some(subchart(chart, metadata)));
                if keep(path) {
                    self.contents.insert(path.into(), content);
                }
                Ok(())
            }
            Role::OfSubchart { chart, .. } => {
                self.subcharts.entry(chart.to_owned()).or_default();
                self.take_content(path, entries, keep(path))
            }
            Role::Own => self.take_content(path, entries, NEEDED.contains(&path) || keep(path)),
        }
    }

    fn take_content<R: Read>(
        &mut self,
        path: &str,
        entries: &mut Entries<'_, R>,
        keep: bool,
    ) -> Result<(), InvalidPackage> {
        let content = entries.content(keep)?;
        if keep {
            self.contents.insert(path.into(), without_mark(content));
        }
        Ok(())
    }

    /// Reads a package inside of this one, as it comes.
    fn take_package<R: Read>(
        &mut self,
        path: &str,
        depth: u32,
        entries: &mut Entries<'_, R>,
        keep: bool,
    ) -> Result<(), InvalidPackage> {
        let mut within = Scan::new(self.limits, self.budget, depth, self.files_left);
        let mut kept = Vec::new();
        let mut input = Tee { input: &mut *entries, copy: keep.then_some(&mut kept) };
        let read = within.read(&mut input, &|_| false).and_then(|()| within.metadata());
        let metadata = read.map_err(|error| inside(path, error))?;
        for (inner, found) in within.subcharts {
            let inner = format!("{path}/{inner}");
            let found = found.map(|found| Subchart { path: inner.clone(), ..found });
            self.subcharts.insert(inner, found);
        }
        self.subcharts.insert(path.to_owned(), Some(subchart(path, metadata)));
        kept.extend(entries.content(keep)?);
        if keep {
            self.contents.insert(path.into(), kept);
        }
        Ok(())
    }

    fn metadata(&self) -> Result<Metadata, InvalidPackage> {
        let chart_yaml = self.contents.get("Chart.yaml").ok_or(InvalidPackage::NoChartYaml)?;
        let requirements = self.contents.get("requirements.yaml").map(Vec::as_slice);
        Ok(Metadata::from_yaml(chart_yaml, requirements)?)
    }

    fn oddities(&self, metadata: &Metadata) -> Vec<Oddity> {
        let api_version = metadata.api_version.as_deref().unwrap_or_default();
        let mut bases = self.bases.iter();
        let folder = match (bases.next(), bases.next()) {
            (Some(base), None) if *base != metadata.name => Some(Oddity::Folder(shown(base.as_bytes()))),
            (_, Some(_)) => Some(Oddity::SeveralFolders),
            _ => None,
        };
        let is_odd = !matches!(api_version, "v1" | "v2");
        let found = [
            folder,
            self.duplicate.as_deref().map(|path| Oddity::Duplicate(shown(path.as_bytes()))),
            self.backslashes.then_some(Oddity::Backslashes),
            self.no_end_marker.then_some(Oddity::NoEndMarker),
            self.trailing_bytes.then_some(Oddity::TrailingBytes),
            is_odd.then(|| Oddity::ApiVersion(shown(api_version.as_bytes()))),
        ];
        found.into_iter().flatten().collect()
    }
}

fn subchart(path: &str, metadata: Metadata) -> Subchart {
    Subchart { path: path.to_owned(), name: metadata.name, version: metadata.version }
}

/// An error of a chart inside of another. Those of the whole stay what they are.
fn inside(path: &str, reason: InvalidPackage) -> InvalidPackage {
    match reason {
        InvalidPackage::TooLarge
        | InvalidPackage::TooManyEntries
        | InvalidPackage::TooDeep(_)
        | InvalidPackage::Unreadable(_) => reason,
        InvalidPackage::Subchart { path: inner, reason } => {
            InvalidPackage::Subchart { path: format!("{path}/{inner}"), reason }
        }
        reason => InvalidPackage::Subchart { path: path.to_owned(), reason: Box::new(reason) },
    }
}

fn without_mark(mut content: Vec<u8>) -> Vec<u8> {
    if content.starts_with(BYTE_ORDER_MARK) {
        content.drain(..BYTE_ORDER_MARK.len());
    }
    content
}
