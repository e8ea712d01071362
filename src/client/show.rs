//! Looking into a chart: Chart.yaml, values, README, schema, and what differs between two versions.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::error::ClientError;
use super::files::Package;

/// The files of a chart that people ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    pub chart: Option<String>,
    pub values: Option<String>,
    pub readme: Option<String>,
    pub schema: Option<String>,
}

/// Reads a package once, in bounded memory.
pub fn documents(package: &Path) -> Result<Documents, ClientError> {
    let mut documents = Documents::default();
    Package::at(package).walk(&mut |file| {
        let name = file.path.to_ascii_lowercase();
        let document = match file.path.as_str() {
            "Chart.yaml" => &mut documents.chart,
            "values.yaml" => &mut documents.values,
            "values.schema.json" => &mut documents.schema,
            _ if ["readme.md", "readme.txt", "readme"].contains(&name.as_str()) => &mut documents.readme,
            _ => return Ok(()),
        };
        let text = String::from_utf8_lossy(&file.bytes);
        *document = Some(text.trim_start_matches('\u{feff}').to_owned());
        Ok(())
    })?;
    Ok(documents)
}

/// How a file of a chart differs between two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Added,
    Removed,
    Changed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub path: String,
    pub change: Change,
    /// Lines that go with `-` and come with `+`, with some that stay around them.
    pub diff: String,
}

/// Texts of more bytes than this are not compared by line.
const MAX_TEXT: usize = 256 * 1024;

/// What differs, by path.
pub fn differences(from: &Path, to: &Path) -> Result<Vec<Difference>, ClientError> {
    let (from, to) = (texts(from)?, texts(to)?);
    let mut paths: Vec<&String> = from.keys().chain(to.keys()).collect();
    paths.sort();
    paths.dedup();
    let differ = paths.into_iter().filter_map(|path| {
        let change = match (from.get(path), to.get(path)) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(_), Some(_)) => Change::Changed,
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
        };
        let text = |files: &BTreeMap<String, Vec<u8>>| match files.get(path) {
            Some(bytes) if bytes.len() <= MAX_TEXT => String::from_utf8(bytes.clone()).ok(),
            Some(_) => None,
            None => Some(String::new()),
        };
        let diff = match (text(&from), text(&to)) {
            (Some(old), Some(new)) => super::diff::unified(&old, &new),
            _ => "(not compared by line)\n".to_owned(),
        };
        Some(Difference { path: path.clone(), change, diff })
    });
    Ok(differ.collect())
}

/// All files of a package: at most what a chart may unpack to.
fn texts(package: &Path) -> Result<BTreeMap<String, Vec<u8>>, ClientError> {
    let mut files = BTreeMap::new();
    Package::at(package).walk(&mut |file| {
        files.insert(file.path, file.bytes);
        Ok(())
    })?;
    Ok(files)
}
