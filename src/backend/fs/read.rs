//! Read: the whole object or a range of it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{Store, refusal};
use crate::backend::{BackendError, Key};

impl Store {
    pub(super) fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError> {
        let (path, file) = self.open(key)?;
        read(file, range).map_err(|error| refusal(&path, error))
    }

    /// The file of an object, and its path. What is no regular file is no object.
    pub(super) fn open(&self, key: &Key) -> Result<(PathBuf, File), BackendError> {
        let absent = || BackendError::NotFound(key.clone());
        let (folder, name) = self.place(key).ok_or_else(absent)?;
        let path = folder.join(name);
        // Without NONBLOCK a named pipe that somebody put here would hold the thread for ever.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Err(absent()),
            Err(error) => return Err(refusal(&path, error.into())),
        };
        match file.metadata() {
            Ok(found) if found.is_file() => Ok((path, file)),
            Ok(_) => Err(absent()),
            Err(error) => Err(refusal(&path, error)),
        }
    }
}

fn read(mut file: File, range: Option<Range<u64>>) -> io::Result<Bytes> {
    let size = file.metadata()?.len();
    let range = range.unwrap_or(0..size);
    let start = range.start.min(size);
    let length = range.end.min(size).saturating_sub(start);
    let mut bytes = Vec::new();
    let room = usize::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    bytes.try_reserve_exact(room)?;
    file.seek(SeekFrom::Start(start))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}
