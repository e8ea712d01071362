//! Packs the chart sources of `charts-fixtures/` the same way every time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde::Deserialize;

/// A text of `Chart.yaml` and what replaces it, for what only a test knows, such as a host and port.
pub type Override<'a> = (&'a str, &'a str);

/// A chart package as `helm package` would name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub name: String,
    pub version: String,
    /// `NAME-VERSION.tgz`.
    pub file_name: String,
    pub bytes: Vec<u8>,
}

impl Packed {
    /// Writes the package into `folder` and returns its path.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(&self.file_name);
        fs::write(&path, &self.bytes).expect("write the package");
        path
    }
}

/// Packs `charts-fixtures/FOLDER`.
///
/// The archive depends on the sources alone: entries in name order, no times, no owners. It is stored, not compressed,
/// because a newer compressor may give other bytes, and the committed signature covers them.
pub fn pack(folder: &str, overrides: &[Override]) -> Packed {
    pack_sources(sources(folder, overrides))
}

/// Packs these sources, by their path inside the chart, in the same way.
pub fn pack_sources(sources: impl IntoIterator<Item = (String, Vec<u8>)>) -> Packed {
    let sources: BTreeMap<String, Vec<u8>> = sources.into_iter().collect();
    let Metadata { name, version } = metadata(&sources);
    let bytes = archive(
        &name,
        Compression::none(),
        sources.iter().map(|(path, content)| (path.as_str(), content.as_slice())),
    );
    Packed { file_name: format!("{name}-{version}.tgz"), name, version, bytes }
}

/// An archive of these files in `folder`, in their order.
pub fn archive<'a>(
    folder: &str,
    compression: Compression,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Vec<u8> {
    let gzip = GzBuilder::new().mtime(0).write(Vec::new(), compression);
    let mut archive = tar::Builder::new(gzip);
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, format!("{folder}/{path}"), content).expect("append to the archive");
    }
    archive.into_inner().and_then(|gzip| gzip.finish()).expect("finish the archive")
}

/// Writes the sources of `charts-fixtures/FOLDER` to `target`, for commands that take a chart folder.
pub fn unfold(folder: &str, overrides: &[Override], target: &Path) {
    for (path, content) in sources(folder, overrides) {
        let path = target.join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("create the folder");
        fs::write(path, content).expect("write the source");
    }
}

/// The folder that holds the chart sources.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts-fixtures")
}

/// The names of all chart folders, in order.
pub fn folders() -> Vec<String> {
    let mut folders: Vec<String> = fs::read_dir(root())
        .expect("list charts-fixtures")
        .map(|entry| entry.expect("list charts-fixtures"))
        .filter(|entry| entry.path().join("Chart.yaml").is_file())
        .map(|entry| entry.file_name().into_string().expect("a readable folder name"))
        .collect();
    folders.sort();
    folders
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

fn metadata(sources: &BTreeMap<String, Vec<u8>>) -> Metadata {
    let text = std::str::from_utf8(&sources["Chart.yaml"]).expect("Chart.yaml is text");
    serde_saphyr::from_str(text.trim_start_matches('\u{feff}')).expect("Chart.yaml has a name and a version")
}

/// Path inside the chart, with `/`, to content.
fn sources(folder: &str, overrides: &[Override]) -> BTreeMap<String, Vec<u8>> {
    let mut sources = BTreeMap::new();
    collect(&root().join(folder), "", &mut sources);
    let chart = sources.get_mut("Chart.yaml").expect("a chart folder has a Chart.yaml");
    let mut text = String::from_utf8(std::mem::take(chart)).expect("Chart.yaml is text");
    for (placeholder, value) in overrides {
        assert!(text.contains(placeholder), "{folder}/Chart.yaml does not mention {placeholder}");
        text = text.replace(placeholder, value);
    }
    *chart = text.into_bytes();
    sources
}

fn collect(folder: &Path, prefix: &str, sources: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("list a chart folder") {
        let entry = entry.expect("list a chart folder");
        let path = format!("{prefix}{}", entry.file_name().to_str().expect("a readable file name"));
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{path}/"), sources);
        } else {
            sources.insert(path, fs::read(entry.path()).expect("read a chart source"));
        }
    }
}
