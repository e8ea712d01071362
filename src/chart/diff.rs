//! What changed from one package of a chart to another: metadata, dependencies, values, schema and templates.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use similar::TextDiff;

use super::archive::Package;

/// Longer texts are told to differ, but not where.
const MAX_TEXT: usize = 1 << 20;
/// The bytes of all text differences together.
const MAX_BYTES: usize = 2 << 20;
/// What comparing may cost: for each text, the square of the lines between the first and the last that differ.
const MAX_WORK: u64 = 500_000_000;
/// Unchanged lines that are shown around a change.
const CONTEXT: usize = 3;

#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// The fields of Chart.yaml but its dependencies.
    pub metadata: Vec<FieldChange>,
    /// By name or alias.
    pub dependencies: Vec<FieldChange>,
    pub values: Option<FileChange>,
    pub schema: Option<FileChange>,
    pub templates: Vec<FileChange>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct FieldChange {
    pub name: String,
    pub change: Change,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct FileChange {
    pub path: String,
    pub change: Change,
    /// In the unified format; none for what is not text, and for what is too much to compare.
    pub diff: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Added,
    Removed,
    Changed,
}

/// Compares two packages. Templates count as far as the packages were read with them.
pub fn difference(from: &Package, to: &Package) -> Difference {
    let (mut from_fields, mut to_fields) = (fields(from), fields(to));
    let dependencies =
        (by_name(from_fields.remove("dependencies")), by_name(to_fields.remove("dependencies")));
    let mut compare = Compare { bytes: MAX_BYTES, work: MAX_WORK };
    Difference {
        metadata: field_changes(from_fields, to_fields),
        dependencies: field_changes(dependencies.0, dependencies.1),
        values: compare.file("values.yaml", from.values(), to.values()),
        schema: compare.file("values.schema.json", from.schema(), to.schema()),
        templates: compare.templates(from, to),
    }
}

impl Change {
    fn of<T: PartialEq>(from: Option<T>, to: Option<T>) -> Option<Self> {
        match (from, to) {
            (None, None) => None,
            (None, Some(_)) => Some(Self::Added),
            (Some(_), None) => Some(Self::Removed),
            (Some(from), Some(to)) => (from != to).then_some(Self::Changed),
        }
    }
}

fn fields(package: &Package) -> Map<String, Value> {
    match serde_json::to_value(&package.metadata) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Dependencies by alias, which tells two of one name apart, or by name.
fn by_name(dependencies: Option<Value>) -> Map<String, Value> {
    let Some(Value::Array(dependencies)) = dependencies else { return Map::new() };
    let named = dependencies.into_iter().map(|dependency| {
        let text = |key| dependency.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        (text("alias").or(text("name")).unwrap_or_default().to_owned(), dependency)
    });
    named.collect()
}

fn field_changes(mut from: Map<String, Value>, to: Map<String, Value>) -> Vec<FieldChange> {
    let mut both: BTreeMap<String, (Option<Value>, Option<Value>)> = BTreeMap::new();
    for (name, new) in to {
        let old = from.remove(&name);
        both.insert(name, (old, Some(new)));
    }
    both.extend(from.into_iter().map(|(name, old)| (name, (Some(old), None))));
    let changes = both.into_iter().filter_map(|(name, (from, to))| {
        let change = Change::of(from.as_ref(), to.as_ref())?;
        Some(FieldChange { name, change, from, to })
    });
    changes.collect()
}

/// A file of the one package and of the other.
type Sides<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// What may still be spent on comparing texts.
struct Compare {
    bytes: usize,
    work: u64,
}

impl Compare {
    fn templates(&mut self, from: &Package, to: &Package) -> Vec<FileChange> {
        let mut both: BTreeMap<&str, Sides<'_>> = BTreeMap::new();
        for file in from.templates() {
            both.entry(&file.path).or_default().0 = from.content(&file.path);
        }
        for file in to.templates() {
            both.entry(&file.path).or_default().1 = to.content(&file.path);
        }
        both.into_iter().filter_map(|(path, (from, to))| self.file(path, from, to)).collect()
    }

    fn file(&mut self, path: &str, from: Option<&[u8]>, to: Option<&[u8]>) -> Option<FileChange> {
        let change = Change::of(from, to)?;
        let diff = self.text(path, from, to);
        Some(FileChange { path: path.to_owned(), change, diff })
    }

    fn text(&mut self, path: &str, from: Option<&[u8]>, to: Option<&[u8]>) -> Option<String> {
        let text = |bytes: Option<&[u8]>| match bytes {
            None => Some(String::new()),
            Some(bytes) => String::from_utf8(bytes.to_owned()).ok().filter(|text| !text.contains('\0')),
        };
        if from.map_or(0, <[u8]>::len).max(to.map_or(0, <[u8]>::len)) > MAX_TEXT {
            return None;
        }
        let (old, new) = (text(from)?, text(to)?);
        self.work = self.work.checked_sub(work(&old, &new))?;
        let side =
            |side, is_there: bool| if is_there { format!("{side}/{path}") } else { "/dev/null".to_owned() };
        let diff = TextDiff::from_lines(old.as_str(), new.as_str());
        let diff = diff
            .unified_diff()
            .context_radius(CONTEXT)
            .header(&side("a", from.is_some()), &side("b", to.is_some()))
            .to_string();
        self.bytes = self.bytes.checked_sub(diff.len())?;
        Some(diff)
    }
}

/// The most steps that comparing takes.
fn work(old: &str, new: &str) -> u64 {
    let (mut old, mut new) = (old.lines(), new.lines());
    let (mut left, mut right) = (old.clone(), new.clone());
    while let (Some(a), Some(b)) = (left.next(), right.next()) {
        if a != b {
            break;
        }
        (old, new) = (left.clone(), right.clone());
    }
    let (mut left, mut right) = (old.clone(), new.clone());
    while let (Some(a), Some(b)) = (left.next_back(), right.next_back()) {
        if a != b {
            break;
        }
        (old, new) = (left.clone(), right.clone());
    }
    let (old, new) = (old.count() as u64, new.count() as u64);
    // All of one side alone is no comparison.
    if old == 0 || new == 0 { old + new } else { (old + new).saturating_pow(2) }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::chart::archive::Limits;

    fn package(files: &[(&str, &[u8])]) -> Package {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, format!("app/{path}"), *content).unwrap();
        }
        let bytes = archive.into_inner().unwrap().finish().unwrap();
        Package::read_keeping(&bytes[..], &Limits::default(), &|path| path.starts_with("templates/")).unwrap()
    }

    const OLD: &[u8] = b"name: app\nversion: 1.0.0\nhome: https://a\nkeywords: [a]\n\
        dependencies: [{name: db, version: 1.0.0}, {name: web, alias: w, version: 1.0.0}]\n";
    const NEW: &[u8] = b"name: app\nversion: 1.1.0\nicon: https://i\nkeywords: [a]\n\
        dependencies: [{name: db, version: 1.1.0}, {name: web, version: 1.0.0}]\n";

    #[test]
    fn fields_and_dependencies_that_differ_are_told() {
        let found = difference(&package(&[("Chart.yaml", OLD)]), &package(&[("Chart.yaml", NEW)]));
        let found = serde_json::to_value(found).unwrap();
        let expected = json!([
            {"name": "home", "change": "removed", "from": "https://a"},
            {"name": "icon", "change": "added", "to": "https://i"},
            {"name": "version", "change": "changed", "from": "1.0.0", "to": "1.1.0"},
        ]);
        assert_eq!(found["metadata"], expected);
        let dependencies = found["dependencies"].as_array().unwrap().iter();
        let told: Vec<_> = dependencies.map(|one| format!("{} {}", one["name"], one["change"])).collect();
        assert_eq!(told, [r#""db" "changed""#, r#""w" "removed""#, r#""web" "added""#]);
        assert_eq!((&found["values"], &found["templates"]), (&json!(null), &json!([])));
    }

    #[test]
    fn files_that_differ_are_compared_line_by_line() {
        let from = package(&[
            ("Chart.yaml", OLD),
            ("values.yaml", b"a: 1\nb: 2\nc: 3\n"),
            ("templates/gone.yaml", b"x\n"),
            ("templates/same.yaml", b"same"),
            ("templates/bytes", b"\xff"),
        ]);
        let to = package(&[
            ("Chart.yaml", OLD),
            ("values.yaml", b"a: 1\nb: 3\nc: 3\n"),
            ("values.schema.json", b"{}"),
            ("templates/same.yaml", b"same"),
            ("templates/bytes", b"\xfe"),
        ]);
        let found = difference(&from, &to);
        let values = "--- a/values.yaml\n+++ b/values.yaml\n@@ -1,3 +1,3 @@\n a: 1\n-b: 2\n+b: 3\n c: 3\n";
        assert_eq!(found.values.unwrap().diff.as_deref(), Some(values));
        let schema = found.schema.unwrap();
        assert_eq!(schema.change, Change::Added);
        assert!(schema.diff.unwrap().starts_with("--- /dev/null\n+++ b/values.schema.json\n@@"));
        let templates: Vec<_> = found.templates.iter().map(|file| (&*file.path, file.change)).collect();
        assert_eq!(
            templates,
            [("templates/bytes", Change::Changed), ("templates/gone.yaml", Change::Removed)]
        );
        assert_eq!(found.templates[0].diff, None, "no text");
        assert_eq!(found.metadata, []);
    }

    #[test]
    fn what_is_too_much_to_compare_is_told_to_differ() {
        let lines = |step: u32, count: u32| (0..count).map(|n| format!("{}\n", n * step)).collect::<String>();
        let (old, new) = (lines(3, 12_000), lines(5, 12_000));
        assert!(work(&old, &new) > MAX_WORK && work(&old, &old) == 0 && work(&old, "") == 12_000);
        assert!(work(&old, &old.replace("\n300\n", "\n301\n")) < 10);
        let mut compare = Compare { bytes: MAX_BYTES, work: MAX_WORK };
        let mut changed = |old: &str, new: &str| {
            compare.file("a", Some(old.as_bytes()), Some(new.as_bytes())).unwrap().diff.is_some()
        };
        assert!(!changed(&old, &new) && changed("a", "b"));
        assert!(!changed("a", &"x".repeat(MAX_TEXT + 1)));
        assert!(changed("a", &"x".repeat(MAX_TEXT)) && !changed("a", &"x".repeat(MAX_TEXT)));
    }

    proptest! {
        #[test]
        fn work_counts_the_lines_between_the_ends(
            before in "(a\n){0,4}", old in "(b\n){0,4}", new in "(c\n){0,4}", after in "(a\n){0,4}"
        ) {
            let lines = |text: &str| text.lines().count() as u64;
            let (o, n) = (lines(&old), lines(&new));
            let expected = if o == 0 || n == 0 { o + n } else { (o + n).pow(2) };
            prop_assert_eq!(work(&format!("{before}{old}{after}"), &format!("{before}{new}{after}")), expected);
        }
    }
}
