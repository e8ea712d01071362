//! Unpacks a chart into a folder of its own, which appears whole or not at all.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::super::error::ClientError;
use super::package::read_package;

/// Unpacks `package` as `folder/name` and answers that path. `name` is one component of a repository name, never what
/// the package says of itself.
///
/// # Errors
/// When something of that name is there already, and for whatever no package may hold: all of it is looked at before
/// anything is written.
pub fn untar(package: &Path, folder: &Path, name: &str) -> Result<PathBuf, ClientError> {
    let target = folder.join(name);
    let failed = |why| ClientError::file("unpack into", &target, why);
    if fs::symlink_metadata(&target).is_ok() {
        return Err(failed(io::Error::other("it exists already; remove it first")));
    }
    let package = read_package(package, &|_| true)?;
    fs::create_dir_all(folder).map_err(failed)?;
    // Created here and now, so nobody else's link is in it; files and folders alone go into it.
    let draft = folder.join(format!(".{name}.{}.untar", std::process::id()));
    fs::create_dir(&draft).map_err(failed)?;
    let unpack = || {
        for file in &package.files {
            write(&draft, &file.path, package.content(&file.path).unwrap_or_default())?;
        }
        fs::rename(&draft, &target).map_err(failed)
    };
    unpack().inspect_err(|_| {
        // The error that matters is the one at hand.
        let _ = fs::remove_dir_all(&draft);
    })?;
    Ok(target)
}

fn write(root: &Path, path: &str, bytes: &[u8]) -> Result<(), ClientError> {
    let target = root.join(path);
    let failed = |why| ClientError::file("unpack", Path::new(path), why);
    if let Some(folder) = target.parent() {
        DirBuilder::new().recursive(true).create(folder).map_err(failed)?;
    }
    // `create_new`: a name that comes twice is refused, whichever of the two is meant.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o644).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    options.open(&target).and_then(|mut file| file.write_all(bytes)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::EntryType::{Regular, Symlink};

    use super::*;

    /// A package with entries whose names are written as they are, which `tar::Builder` would refuse.
    fn package(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            if *kind == Symlink {
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

    const CHART: &[u8] = b"name: app\nversion: 1.2.3\n";

    fn unpack(
        entries: &[(&str, tar::EntryType, &[u8])],
    ) -> (tempfile::TempDir, Result<PathBuf, ClientError>) {
        let folder = tempfile::tempdir().unwrap();
        let tgz = folder.path().join("app.tgz");
        fs::write(&tgz, package(entries)).unwrap();
        let unpacked = untar(&tgz, &folder.path().join("out"), "app");
        (folder, unpacked)
    }

    #[test]
    fn a_chart_is_unpacked_under_the_given_name() {
        let (folder, target) = unpack(&[
            ("evil/Chart.yaml", Regular, CHART),
            ("evil/templates/a", Regular, b"a"),
            ("evil/charts/db/Chart.yaml", Regular, b"name: db\nversion: 1.0.0\n"),
            ("evil/charts/in.tgz", Regular, &package(&[("in/Chart.yaml", Regular, CHART)])),
        ]);
        assert_eq!(target.unwrap(), folder.path().join("out/app"));
        assert_eq!(fs::read(folder.path().join("out/app/templates/a")).unwrap(), b"a");
        let db = fs::read(folder.path().join("out/app/charts/db/Chart.yaml")).unwrap();
        assert_eq!(db, b"name: db\nversion: 1.0.0\n");
        let inner = fs::read(folder.path().join("out/app/charts/in.tgz")).unwrap();
        assert_eq!(inner, package(&[("in/Chart.yaml", Regular, CHART)]));
        let again = untar(&folder.path().join("app.tgz"), &folder.path().join("out"), "app");
        assert!(format!("{:?}", again.unwrap_err()).contains("exists already"));
    }

    #[test]
    fn nothing_is_left_of_a_package_that_is_refused() {
        let hostile: [&[(&str, tar::EntryType, &[u8])]; 4] = [
            &[("app/Chart.yaml", Regular, CHART), ("app/../../escaped", Regular, b"x")],
            &[("app/Chart.yaml", Regular, CHART), ("app/link", Symlink, b"")],
            &[("app/Chart.yaml", Regular, CHART), ("app/Chart.yaml", Regular, CHART)],
            &[("app/a", Regular, b"x"), ("app/a/b", Regular, b"y")],
        ];
        for entries in hostile {
            let (folder, refused) = unpack(entries);
            refused.unwrap_err();
            let left = fs::read_dir(folder.path().join("out")).map_or(0, Iterator::count);
            assert_eq!((left, folder.path().join("escaped").exists()), (0, false));
        }
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let tgz = folder.path().join("app.tgz");
        fs::write(&tgz, package(&[("app/Chart.yaml", Regular, CHART)])).unwrap();
        fs::create_dir(folder.path().join("elsewhere")).unwrap();
        symlink(folder.path().join("elsewhere"), folder.path().join("app")).unwrap();
        untar(&tgz, folder.path(), "app").unwrap_err();
        assert_eq!(fs::read_dir(folder.path().join("elsewhere")).unwrap().count(), 0);
    }
}
