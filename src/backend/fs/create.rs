//! Create: write a draft in `tmp/`, fsync it, and give it its name only then.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;

use super::{FILE_MODE, FOLDER_MODE, Folder, Fsync, Store, refusal};
use crate::backend::{BackendError, Create, Key};

/// The folder of what is still being written.
pub(super) struct Drafts {
    folder: PathBuf,
    next: AtomicU64,
    fsync: Fsync,
}

/// A complete and durable file without a name of its own; removed when it is dropped before it got one.
pub(super) struct Draft {
    path: PathBuf,
    published: bool,
}

impl Store {
    pub(super) fn create(&self, key: &Key, body: &[Bytes]) -> Result<Create, BackendError> {
        self.publish(key, |drafts, folder, name| {
            let draft = drafts.write(|file| write_all(file, body))?;
            draft.publish(folder, name)
        })
    }
}

impl Drafts {
    /// Removes the drafts that a crash left in `folder`, and nothing else. (It is not made anew: that could fail on a
    /// full disk.)
    pub(super) fn open(folder: &Path, fsync: Fsync) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let is_number = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
            if is_number && entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { folder: folder.to_owned(), next: AtomicU64::new(0), fsync })
    }

    /// A draft with what `fill` writes, fsynced.
    pub(super) fn write(
        &self,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<Draft, BackendError> {
        let path = self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let opened = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path);
        let mut file = opened.map_err(|error| refusal(&path, error))?;
        let draft = Draft { path, published: false };
        fill(&mut file).and_then(|()| (self.fsync)(&file)).map_err(|error| refusal(&draft.path, error))?;
        Ok(draft)
    }
}

impl Draft {
    /// Gives the draft the name `name` in `folder`, unless that is taken.
    pub(super) fn publish(mut self, folder: &Folder, name: &str) -> Result<Create, BackendError> {
        let handle = &folder.handle;
        match rustix::fs::renameat_with(CWD, &self.path, handle, name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.published = true;
                Ok(Create::Created)
            }
            // The file system cannot rename without replacing (NFS, FUSE): a second name is as atomic.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => link(&self.path, folder, name),
            Err(error) => taken_or_refused(error, folder, name),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Gives the file at `path` a second name, unless that is taken.
pub(super) fn link(path: &Path, folder: &Folder, name: &str) -> Result<Create, BackendError> {
    match rustix::fs::linkat(CWD, path, &folder.handle, name, AtFlags::empty()) {
        Ok(()) => Ok(Create::Created),
        Err(error) => taken_or_refused(error, folder, name),
    }
}

fn taken_or_refused(error: Errno, folder: &Folder, name: &str) -> Result<Create, BackendError> {
    match error {
        Errno::EXIST => Ok(Create::AlreadyExists),
        other => Err(refusal(&folder.path.join(name), other.into())),
    }
}

/// One call writes at most this many slices of this many bytes. Measured on ext4 of Linux 6.18 in a virtual machine, calls
/// that write megabytes cost four times the CPU: presumably for the large folios that the page cache then takes.
const SLICE: usize = 32 * 1024;
const SLICES: usize = 4;

/// Writes the pieces in order without joining them.
fn write_all(file: &mut File, body: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> =
        body.iter().flat_map(|piece| piece.chunks(SLICE)).map(IoSlice::new).collect();
    let mut left = slices.as_mut_slice();
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(&left[..left.len().min(SLICES)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
