//! Folders, and the fsync that makes the names in them durable.

use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::{FOLDER_MODE, Fsync, refusal};
use crate::backend::BackendError;

/// A push uses two folders of its namespace. Forgetting is harmless: the chain of parents is fsynced once more.
const REMEMBERED: usize = 4_096;

pub(super) struct Folders {
    root: PathBuf,
    /// Folders whose own names are durable, all the way down from the root.
    durable: Mutex<HashSet<PathBuf>>,
    /// Why nothing may be written any more.
    broken: OnceLock<String>,
    fsync: Fsync,
}

/// An open folder whose own name is durable.
pub(super) struct Folder {
    pub(super) handle: File,
    pub(super) path: PathBuf,
}

impl Folders {
    pub(super) fn new(root: PathBuf, fsync: Fsync) -> Self {
        Self { root, durable: Mutex::default(), broken: OnceLock::new(), fsync }
    }

    /// Refuses when an fsync of a folder has failed since the start. The kernel reports such a failure once and may
    /// then forget it, so nothing that a later fsync says about older names can be trusted.
    pub(super) fn writable(&self) -> Result<(), BackendError> {
        match self.broken.get() {
            Some(reason) => Err(BackendError::ReadOnly(reason.clone())),
            None => Ok(()),
        }
    }

    /// Opens the folder `path`, at or below the root, creating it and its parents durably where they are new.
    pub(super) fn open(&self, path: &Path) -> Result<Folder, BackendError> {
        self.writable()?;
        if !self.durable().contains(path) {
            self.make_durable(path)?;
        }
        let handle = File::open(path).map_err(|error| {
            // A folder that somebody removed is created again by the next attempt.
            self.durable().clear();
            refusal(path, error)
        })?;
        Ok(Folder { handle, path: path.to_owned() })
    }

    fn make_durable(&self, path: &Path) -> Result<(), BackendError> {
        if let Some(parent) = path.parent().filter(|_| path != self.root) {
            let parent = self.open(parent)?;
            match DirBuilder::new().mode(FOLDER_MODE).create(path) {
                // One that is there may be new all the same: made a moment ago, or before a crash.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(refusal(path, error));
                }
                _ => self.sync(&parent)?,
            }
        }
        let mut durable = self.durable();
        if durable.len() >= REMEMBERED {
            durable.clear();
        }
        durable.insert(path.to_owned());
        Ok(())
    }

    /// Makes the names that are in the folder by now durable. After a failure the store is read-only, and what became
    /// of the names is unknown.
    ///
    /// (Sharing one fsync among simultaneous creates was tried: no faster, ext4 groups them by itself.)
    pub(super) fn sync(&self, folder: &Folder) -> Result<(), BackendError> {
        if let Err(error) = (self.fsync)(&folder.handle) {
            let path = folder.path.display();
            let _ =
                self.broken.set(format!("fsync of {path} failed ({error}); check the disk, then restart"));
        }
        match self.broken.get() {
            Some(reason) => Err(BackendError::Unavailable(io::Error::other(reason.clone()))),
            None => Ok(()),
        }
    }

    /// The set is whole after every statement, so a panic of another thread leaves nothing to fear.
    fn durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folder {
    /// Whether an object is there. Anything else of that name is refused: it is neither an object nor room for one.
    pub(super) fn holds(&self, name: &str) -> Result<bool, BackendError> {
        let refuse = |error| refusal(&self.path.join(name), error);
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(refuse(error.into())),
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile => Ok(true),
            Ok(_) => Err(refuse(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no object"))),
        }
    }
}
