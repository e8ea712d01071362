//! The client's files: the only place of this room that reads and writes them.

mod draft;
mod package;
mod scratch;
mod source;
mod untar;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

pub use draft::Draft;
pub use package::{read_metadata, read_package};
pub use scratch::{Scratch, scratch_folder};
pub use source::FileSource;
pub use untar::untar;

use super::error::ClientError;

/// Opens a regular file for reading.
pub fn open(path: &Path) -> Result<File, ClientError> {
    let file = File::open(path).map_err(|why| ClientError::file("read", path, why))?;
    let metadata = file.metadata().map_err(|why| ClientError::file("read", path, why))?;
    if metadata.is_file() { Ok(file) } else { Err(ClientError::file("read", path, not_a_file())) }
}

/// The whole of a small file, `None` when there is none.
pub fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ClientError> {
    let file = match open(path) {
        Err(ClientError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|why| ClientError::file("read", path, why))?;
    if bytes.len() as u64 > limit {
        return Err(ClientError::TooLarge { what: path.display().to_string(), limit });
    }
    Ok(Some(bytes))
}

/// Whether there is anything at `path`.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Waits until no other process holds the lock for `path`, and holds it until the returned file is dropped. The lock
/// is a file of its own, because `path` is replaced. The folders before it are created.
pub fn lock_beside(path: &Path) -> Result<File, ClientError> {
    refuse_odd_target(path)?;
    let failed = |why| ClientError::file("lock", path, why);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path)).map_err(failed)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(OFlags::NOFOLLOW.bits() as i32);
    let file = options.open(beside(path, "lock")).map_err(failed)?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            // Some network file systems have no locks: one writer at a time works there as well.
            Ok(()) | Err(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS) => return Ok(file),
            Err(why) => return Err(failed(why.into())),
        }
    }
}

/// Replaces a file that only its owner may read, at once and durably. The caller holds the lock of [`lock_beside`].
pub fn replace_secret(path: &Path, bytes: &[u8]) -> Result<(), ClientError> {
    refuse_odd_target(path)?;
    let folder = folder_of(path);
    let failed = |why| ClientError::file("write", path, why);
    let draft = beside(path, &format!("{}.new", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    let write = || {
        // One that a process of the same number left, perhaps in another container.
        match fs::remove_file(&draft) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let mut file = options.open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        sync_folder(&folder)
    };
    write().map_err(|why| {
        // What is left of the draft is of no use; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&draft);
        failed(why)
    })
}

/// A target may be absent or a regular file: never a symbolic link, behind which the bytes would go elsewhere.
fn refuse_odd_target(path: &Path) -> Result<(), ClientError> {
    match fs::symlink_metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(why) => Err(ClientError::file("write", path, why)),
        Ok(metadata) if metadata.file_type().is_symlink() => {
            let why = io::Error::other(
                "it is a symbolic link, and nothing is written through one; remove it first",
            );
            Err(ClientError::file("write", path, why))
        }
        Ok(metadata) if !metadata.is_file() => Err(ClientError::file("write", path, not_a_file())),
        Ok(_) => Ok(()),
    }
}

fn not_a_file() -> io::Error {
    io::Error::other("it is not a regular file")
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// `.NAME.EXTENSION` in the folder of `path`.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    folder_of(path).join(format!(".{name}.{extension}"))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_secret_is_replaced_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/config.json");
        for text in ["first", "second"] {
            let _lock = lock_beside(&path).unwrap();
            fs::write(beside(&path, &format!("{}.new", std::process::id())), "left over").unwrap();
            replace_secret(&path, text.as_bytes()).unwrap();
            assert_eq!(read(&path, 100).unwrap().unwrap(), text.as_bytes());
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            2,
            "the file and its lock are left"
        );
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "safe").unwrap();
        let link = folder.path().join("config.json");
        symlink(&victim, &link).unwrap();
        let said = replace_secret(&link, b"secret").unwrap_err();
        assert!(format!("{said:?}").contains("symbolic link"), "{said:?}");
        assert_eq!(fs::read(&victim).unwrap(), b"safe");
    }

    #[test]
    fn reading_is_bounded_and_absence_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(read(&path, 10).unwrap().is_none());
        fs::write(&path, [0; 11]).unwrap();
        assert!(matches!(read(&path, 10), Err(ClientError::TooLarge { limit: 10, .. })));
        assert_eq!(read(&path, 11).unwrap().unwrap().len(), 11);
        assert!(read(folder.path(), 10).is_err(), "a folder is no file");
    }
}
