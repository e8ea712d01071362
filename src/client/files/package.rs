//! Reading a chart package: gzip around tar, with limits on what it unpacks to (HELM.md section 2).

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::super::error::ClientError;
use super::open;

/// Helm's limits.
pub const MAX_UNPACKED: u64 = 100 * 1024 * 1024;
pub const MAX_FILE: u64 = 5 * 1024 * 1024;
const MAX_ENTRIES: usize = 20_000;

/// A file of a chart, by its path below the chart's own folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// Components joined by `/`: none is empty, `.` or `..`.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// A package on the disk.
pub struct Package {
    path: PathBuf,
}

impl Package {
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Hands each file to `visit`, in the order of the archive; one is in memory at a time.
    ///
    /// # Errors
    /// `Package` for what no package may hold, and those of `visit`.
    pub fn walk(
        &self,
        visit: &mut dyn FnMut(PackageFile) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let file = io::BufReader::with_capacity(64 * 1024, open(&self.path)?);
        walk(file, &|why| ClientError::Package { path: self.path.clone(), why }, visit)
    }
}

fn walk(
    reader: impl Read,
    refused: &dyn Fn(String) -> ClientError,
    visit: &mut dyn FnMut(PackageFile) -> Result<(), ClientError>,
) -> Result<(), ClientError> {
    let broken = |why: io::Error| refused(why.to_string());
    let mut archive = Archive::new(Bounded { inner: MultiGzDecoder::new(reader), left: MAX_UNPACKED });
    let mut entries = 0;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(refused(format!("it has more than {MAX_ENTRIES} entries")));
        }
        let name = name(&entry).map_err(refused)?;
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory => continue,
            EntryType::XGlobalHeader | EntryType::XHeader => continue,
            other => return Err(refused(format!("{name:?} is a link or device ({other:?})"))),
        }
        let path =
            below_chart(&name).ok_or_else(|| refused(format!("{name:?} is no path inside a chart")))?;
        if entry.size() > MAX_FILE {
            return Err(refused(format!("{name:?} has more than {MAX_FILE} bytes")));
        }
        let mut bytes = Vec::with_capacity(entry.size() as usize);
        entry.read_to_end(&mut bytes).map_err(broken)?;
        visit(PackageFile { path, bytes })?;
    }
    if entries == 0 {
        return Err(refused("it is empty".to_owned()));
    }
    Ok(())
}

fn name(entry: &Entry<'_, impl Read>) -> Result<String, String> {
    let bytes = entry.path_bytes();
    String::from_utf8(bytes.into_owned()).map_err(|_| "the name of a file is not UTF-8".to_owned())
}

/// The path without its first component; `None` when it could lead anywhere but into a folder.
fn below_chart(name: &str) -> Option<String> {
    let odd = |c: char| c.is_control() || c == '\\' || c == ':';
    if name.is_empty() || name.len() > 1_024 || name.starts_with('/') || name.contains(odd) {
        return None;
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !["", "."].contains(part)).collect();
    let (_, below) = parts.split_first()?;
    let legal = !parts.contains(&"..") && !below.is_empty();
    legal.then(|| below.join("/"))
}

/// Ends with an error, not with a short read, when there is more.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(format!("it unpacks to more than {MAX_UNPACKED} bytes")))?;
        Ok(read)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// A package with entries whose names are written as they are, which `tar::Builder` would refuse.
    pub(in super::super) fn package(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            if [EntryType::Symlink, EntryType::Link].contains(kind) {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            archive.extend_from_slice(header.as_bytes());
            archive.extend_from_slice(content);
            archive.resize(archive.len().next_multiple_of(512), 0);
        }
        archive.extend_from_slice(&[0; 1_024]);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&archive).unwrap();
        gzip.finish().unwrap()
    }

    fn files(bytes: &[u8]) -> Result<Vec<String>, String> {
        let mut paths = Vec::new();
        let refused = |why| ClientError::Package { path: "x.tgz".into(), why };
        let walked = walk(bytes, &refused, &mut |file| {
            paths.push(file.path);
            Ok(())
        });
        walked.map(|()| paths).map_err(|why| why.to_string())
    }

    #[test]
    fn files_are_named_by_their_path_in_the_chart() {
        let bytes = package(&[
            ("app/", EntryType::Directory, b""),
            ("app/Chart.yaml", EntryType::Regular, b"name: app"),
            ("./app/templates/a.yaml", EntryType::Regular, b""),
        ]);
        assert_eq!(
            files(&bytes).unwrap(),
            ["Chart.yaml", "a.yaml"].map(|name| match name {
                "a.yaml" => "templates/a.yaml".to_owned(),
                name => name.to_owned(),
            })
        );
    }

    #[test]
    fn what_could_lead_out_of_the_chart_is_refused() {
        for name in [
            "/etc/passwd",
            "app/../../x",
            "../x",
            "app/..",
            "app\\..\\x",
            "c:/x/y",
            "Chart.yaml",
            "app/a\u{1b}b",
        ] {
            assert!(files(&package(&[(name, EntryType::Regular, b"x")])).is_err(), "{name:?}");
        }
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Block, EntryType::Fifo]
        {
            let said = files(&package(&[("app/x", kind, b"")])).unwrap_err();
            assert!(said.contains("link or device"), "{said}");
        }
        assert!(files(b"not gzip").is_err());
        assert!(files(&package(&[])).unwrap_err().contains("empty"));
    }

    #[test]
    fn bombs_are_refused() {
        let zeros = vec![0; MAX_FILE as usize];
        let large = vec![0; MAX_FILE as usize + 1];
        assert!(files(&package(&[("a/x", EntryType::Regular, &large)])).unwrap_err().contains("more than"));
        let many: Vec<_> = (0..21).map(|_| ("a/x", EntryType::Regular, zeros.as_slice())).collect();
        assert!(files(&package(&many)).unwrap_err().contains("unpacks to more than"));
    }
}
