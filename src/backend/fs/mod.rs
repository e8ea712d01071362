//! Objects as files of a directory, each under its key as its path
//! (docs/internals/journal-protocol.md#what-the-backend-must-do).
//!
//! ```text
//! lock         held for life by the one process that may write; holds its number
//! tmp/         objects that are still being written; what a crash left of them is removed at start
//! <key>        an object: complete and durable before it gets this name, never changed afterwards
//! ```
//! The calls of the file system block, so they run on tokio's pool of blocking threads. A call that is dropped
//! there runs to its end all the same: the object is whole or absent.

mod copy;
mod create;
mod folders;
mod list;
mod lock;
mod read;
#[cfg(test)]
mod tests;

use std::fs;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use self::create::Drafts;
use self::folders::{Folder, Folders};
use self::lock::Lock;
use super::{Backend, BackendError, Create, Key};

const FOLDER_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;
const LOCK: &str = "lock";
const TMP: &str = "tmp";
/// The object that a store begins with: by it a copy is known, which comes without the lock.
const FIRST: &str = "layout";

/// How files and folders are fsynced; tests look on, or make it fail.
type Fsync = Arc<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// A directory opened for reading and writing, or for reading alone. Dropping it lets the next process in.
pub struct Fs {
    store: Arc<Store>,
}

/// Why a directory could not be opened.
#[derive(Debug, Error)]
pub enum FsOpenError {
    #[error(
        "{} is in use by {holder}: stop it first, or wait for it with `--wait-for-lock 30s`",
        root.display()
    )]
    InUse { root: PathBuf, holder: String },
    #[error(
        "{} holds other files and no charthouse store: name an empty or a new directory",
        root.display()
    )]
    NoStore { root: PathBuf },
    #[error("cannot open the store: {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

struct Store {
    root: PathBuf,
    /// Absent in a directory that was opened for reading.
    writing: Option<Writing>,
}

/// What only the one process that may write has.
struct Writing {
    folders: Folders,
    drafts: Drafts,
    _lock: Lock,
}

impl Fs {
    /// Opens the directory `root`, which is created when it is absent, and keeps every other process out for as
    /// long as the value lives. Blocks for up to `wait_for_lock` while another process holds it. A directory of
    /// something else is refused, and left as it is.
    pub fn open(root: &Path, wait_for_lock: Duration) -> Result<Self, FsOpenError> {
        Self::open_with(root, wait_for_lock, Arc::new(File::sync_all))
    }

    fn open_with(root: &Path, wait_for_lock: Duration, fsync: Fsync) -> Result<Self, FsOpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| FsOpenError::Io { path, source }
        };
        create_root(root).map_err(failed(root))?;
        if !may_be_store(root).map_err(failed(root))? {
            return Err(FsOpenError::NoStore { root: root.to_owned() });
        }
        let lock = Lock::take(root, wait_for_lock)?;
        let tmp = root.join(TMP);
        let drafts = Drafts::open(&tmp, fsync.clone()).map_err(failed(&tmp))?;
        let folders = Folders::new(root.to_owned(), fsync);
        let writing = Some(Writing { folders, drafts, _lock: lock });
        Ok(Self { store: Arc::new(Store { root: root.to_owned(), writing }) })
    }

    /// Opens the directory `root`, which must be there, to read it beside the process that writes it: takes no lock
    /// and changes nothing.
    pub fn open_for_reading(root: &Path) -> Result<Self, FsOpenError> {
        fs::read_dir(root).map_err(|source| FsOpenError::Io { path: root.to_owned(), source })?;
        Ok(Self { store: Arc::new(Store { root: root.to_owned(), writing: None }) })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|interrupted| Err(BackendError::Unavailable(interrupted.into())))
    }
}

#[async_trait]
impl Backend for Fs {
    async fn create(&self, key: &Key, body: Vec<Bytes>) -> Result<Create, BackendError> {
        let key = key.clone();
        self.run(move |store| store.create(&key, &body)).await
    }

    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError> {
        let key = key.clone();
        self.run(move |store| store.read(&key, range)).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.run(move |store| list::list(&store.root, &prefix, &after, limit)).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), BackendError> {
        let keys = keys.to_vec();
        self.run(move |store| store.delete(&keys)).await
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<Create, BackendError> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |store| store.copy(&from, &to)).await
    }
}

impl Store {
    fn writing(&self) -> Result<&Writing, BackendError> {
        let refused = || BackendError::ReadOnly(format!("{} was opened for reading", self.root.display()));
        self.writing.as_ref().ok_or_else(refused)
    }

    /// The folder and the name of `key`. The store's own files are no objects.
    fn place<'k>(&self, key: &'k Key) -> Option<(PathBuf, &'k str)> {
        let text = key.as_str();
        let first = text.split('/').next();
        if first == Some(LOCK) || first == Some(TMP) {
            return None;
        }
        let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
        Some((self.root.join(folder), name))
    }

    /// Makes `put` give `key` its name, in a way that is durable when this returns.
    fn publish(
        &self,
        key: &Key,
        put: impl FnOnce(&Drafts, &Folder, &str) -> Result<Create, BackendError>,
    ) -> Result<Create, BackendError> {
        let Writing { folders, drafts, .. } = self.writing()?;
        let Some((path, name)) = self.place(key) else {
            return Err(BackendError::Denied(format!("`{LOCK}` and `{TMP}/` are the store's own: {key}")));
        };
        // The folder is open before the object is in it: a lack of descriptors then comes too early to do harm.
        let folder = folders.open(&path)?;
        let outcome = if folder.holds(name)? { Create::AlreadyExists } else { put(drafts, &folder, name)? };
        // Also for what already existed: whoever created it may have crashed, or not have come this far yet.
        folders.sync(&folder)?;
        Ok(outcome)
    }

    /// Folders are not fsynced, and stay when they are empty. A deletion that a power cut undoes brings back bytes
    /// that nothing names: no key is used twice, and only what no reader can ask for any more is deleted.
    fn delete(&self, keys: &[Key]) -> Result<(), BackendError> {
        self.writing()?.folders.writable()?;
        for (folder, name) in keys.iter().filter_map(|key| self.place(key)) {
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if !is_absence(&error) && error.kind() != io::ErrorKind::IsADirectory => {
                    return Err(refusal(&path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether the directory is a store already, or nobody's: empty but for hidden files and what `mkfs` leaves.
fn may_be_store(root: &Path) -> io::Result<bool> {
    let is_file = |name| fs::symlink_metadata(root.join(name)).is_ok_and(|found| found.is_file());
    if is_file(LOCK) || is_file(FIRST) {
        return Ok(true);
    }
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        if name != "lost+found" && !name.as_encoded_bytes().starts_with(b".") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Creates the directory and the folders above it that are missing, durably.
fn create_root(root: &Path) -> io::Result<()> {
    if root.exists() && !root.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let absolute = std::path::absolute(root)?;
    let missing: Vec<_> = absolute.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(root)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(|parent| File::open(parent)?.sync_all())
}

/// The object is not there; neither is one below a file, or of a name that no file can have.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What an error at `path` means when the operation certainly had no effect.
fn refusal(path: &Path, error: io::Error) -> BackendError {
    use io::ErrorKind::*;
    match error.kind() {
        StorageFull | QuotaExceeded => BackendError::Full(error),
        ReadOnlyFilesystem => BackendError::ReadOnly(format!("{}: {error}", path.display())),
        PermissionDenied | CrossesDevices | NotADirectory | IsADirectory | AlreadyExists => {
            BackendError::Denied(format!("{}: {error}", path.display()))
        }
        _ => BackendError::Unavailable(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}
