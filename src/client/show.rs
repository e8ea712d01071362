//! Looking into a chart: Chart.yaml, values, README, schema, and what differs between two versions.

use std::path::Path;

use serde::Serialize;

use super::error::ClientError;
use super::files::read_package;

/// The files of a chart that people ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    pub chart: String,
    pub values: Option<String>,
    pub readme: Option<String>,
    pub schema: Option<String>,
}

pub fn documents(package: &Path) -> Result<Documents, ClientError> {
    let package = read_package(package, &|_| false)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Documents {
        chart: text(package.chart_yaml()),
        values: package.values().map(text),
        readme: package.readme().map(text),
        schema: package.schema().map(text),
    })
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
    let (from, to) = (read_package(from, &|_| true)?, read_package(to, &|_| true)?);
    let mut paths: Vec<&str> = from.files.iter().chain(&to.files).map(|file| &*file.path).collect();
    paths.sort();
    paths.dedup();
    let differ = paths.into_iter().filter_map(|path| {
        let (old, new) = (from.content(path), to.content(path));
        let change = match (old, new) {
            _ if old == new => return None,
            (Some(_), Some(_)) => Change::Changed,
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
        };
        let diff = match (text(old), text(new)) {
            (Some(old), Some(new)) => super::diff::unified(old, new),
            _ => "(not compared by line)\n".to_owned(),
        };
        Some(Difference { path: path.to_owned(), change, diff })
    });
    Ok(differ.collect())
}

/// What can be compared by line; a file that is not there is an empty one.
fn text(content: Option<&[u8]>) -> Option<&str> {
    let content = content.unwrap_or_default();
    std::str::from_utf8(content).ok().filter(|text| text.len() <= MAX_TEXT)
}
