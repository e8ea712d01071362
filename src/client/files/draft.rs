//! A file that comes into being under another name, and appears under its own only when its digest is right.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::super::body::PIECE;
use super::super::error::ClientError;
use super::{beside, folder_of, not_a_file, refuse_odd_target, sync_folder};
use crate::oci::{Digest, Hasher};

/// The beginning of `target`, in `.TARGET.<start of the digest>.part` beside it. The digest in the name keeps the
/// beginning of other content from being taken for it, so what is there can always be gone on with. While another
/// process writes that file, the draft is a file of its own, which goes away with it: several may fetch one target at
/// once, and the last rename wins.
pub struct Draft {
    target: PathBuf,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    written: u64,
    expected: Digest,
    length: u64,
    /// Whether nobody goes on with it later.
    is_private: bool,
}

impl Draft {
    /// Opens what an earlier attempt left, or an empty draft.
    pub fn open(target: &Path, expected: &Digest, length: u64) -> Result<Self, ClientError> {
        refuse_odd_target(target)?;
        let shared = beside(target, &format!("{}.part", &expected.hex()[..16]));
        let failed = |why| ClientError::file("write", &shared, why);
        let (path, file, is_private) = match open_shared(&shared).map_err(failed)? {
            Some(file) => (shared.clone(), file, false),
            None => {
                create_private(target, expected).map(|(path, file)| (path, file, true)).map_err(failed)?
            }
        };
        let hasher = Hasher::new(expected.algorithm());
        let mut draft = Self {
            target: target.to_owned(),
            path,
            file,
            hasher,
            written: 0,
            expected: expected.clone(),
            length,
            is_private,
        };
        draft.catch_up().map_err(failed)?;
        Ok(draft)
    }

    /// Hashes what is there already; more than there should be is none of ours.
    fn catch_up(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() > self.length {
            return self.restart_io();
        }
        let mut piece = vec![0; PIECE];
        loop {
            match self.file.read(&mut piece)? {
                0 => return Ok(()),
                read => {
                    self.hasher.update(&piece[..read]);
                    self.written += read as u64;
                }
            }
        }
    }

    fn restart_io(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher = Hasher::new(self.expected.algorithm());
        self.written = 0;
        Ok(())
    }

    /// Bytes that are there.
    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn is_complete(&self) -> bool {
        self.written == self.length
    }

    /// Begins again with nothing.
    pub fn restart(&mut self) -> Result<(), ClientError> {
        self.restart_io().map_err(|why| ClientError::file("write", &self.path, why))
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// `TooLarge` when there are more than there should be: nothing of them is written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        if self.written + bytes.len() as u64 > self.length {
            let what = self.target.display().to_string();
            return Err(ClientError::TooLarge { what, limit: self.length });
        }
        self.file.write_all(bytes).map_err(|why| ClientError::file("write", &self.path, why))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Checks length and digest, makes the bytes durable and gives them their name. Bytes that are wrong are removed.
    pub fn finish(mut self) -> Result<(), ClientError> {
        let what = self.target.display().to_string();
        if self.written != self.length {
            return Err(ClientError::Length { what, expected: self.length, actual: self.written });
        }
        let actual = self.hasher.clone().finish();
        let failed = |why| ClientError::file("write", &self.target, why);
        if actual != self.expected {
            fs::remove_file(&self.path).map_err(failed)?;
            return Err(ClientError::Digest { what, expected: self.expected.clone(), actual });
        }
        refuse_odd_target(&self.target)?;
        self.file.sync_all().map_err(failed)?;
        fs::rename(&self.path, &self.target).map_err(failed)?;
        sync_folder(&folder_of(&self.target)).map_err(failed)?;
        self.is_private = false;
        Ok(())
    }
}

/// Nobody goes on with a private draft that was not finished.
impl Drop for Draft {
    fn drop(&mut self) {
        if self.is_private {
            // It may be removed already, and there is nobody left to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens and locks the draft that all processes share; `None` while another process is writing it.
fn open_shared(path: &Path) -> io::Result<Option<File>> {
    /// Another process may give the file its name between opening and locking: then there is a new one to open.
    const ATTEMPTS: usize = 8;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o644).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    for _ in 0..ATTEMPTS {
        let file = options.open(path)?;
        let opened = file.metadata()?;
        if !opened.is_file() {
            return Err(not_a_file());
        }
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        let is_same = |there: fs::Metadata| there.dev() == opened.dev() && there.ino() == opened.ino();
        if fs::symlink_metadata(path).is_ok_and(is_same) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

fn create_private(target: &Path, expected: &Digest) -> io::Result<(PathBuf, File)> {
    const MOST: usize = 1_000;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    options.mode(0o644).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    for n in 0..MOST {
        let own = format!("{}.{}-{n}.part", &expected.hex()[..16], std::process::id());
        let path = beside(target, &own);
        match options.open(&path) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (path, file)),
        }
    }
    Err(io::Error::other("there are too many unfinished downloads of it; remove them"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_draft_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("app.tgz");
        let digest = Digest::sha256(b"hello world");
        let mut draft = Draft::open(&target, &digest, 11).unwrap();
        draft.write(b"hello").unwrap();
        drop(draft);
        let mut draft = Draft::open(&target, &digest, 11).unwrap();
        assert_eq!(draft.written(), 5);
        draft.write(b" world").unwrap();
        assert!(draft.is_complete() && !target.exists());
        draft.finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"hello world");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn drafts_of_one_target_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("app.tgz");
        let digest = Digest::sha256(b"hello");
        let mut drafts: Vec<Draft> = (0..4).map(|_| Draft::open(&target, &digest, 5).unwrap()).collect();
        drafts[0].write(b"he").unwrap();
        for draft in &mut drafts[1..3] {
            assert_eq!(draft.written(), 0, "what another one writes is not its own");
            draft.write(b"hello").unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
        drops_private(drafts.pop().unwrap(), folder.path(), 3);
        for draft in drafts.drain(1..) {
            draft.finish().unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"hello");
        }
        drafts.pop().map(|mut first| first.write(b"llo").and_then(|()| first.finish())).unwrap().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    fn drops_private(draft: Draft, folder: &Path, left: usize) {
        drop(draft);
        assert_eq!(fs::read_dir(folder).unwrap().count(), left);
    }

    #[test]
    fn wrong_or_too_many_bytes_never_appear() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("app.tgz");
        let digest = Digest::sha256(b"hello");
        let mut draft = Draft::open(&target, &digest, 5).unwrap();
        draft.write(b"jello").unwrap();
        assert!(matches!(draft.write(b"!"), Err(ClientError::TooLarge { .. })));
        assert!(matches!(draft.finish(), Err(ClientError::Digest { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut draft = Draft::open(&target, &digest, 5).unwrap();
        draft.write(b"hell").unwrap();
        assert!(matches!(draft.finish(), Err(ClientError::Length { actual: 4, .. })));
        assert!(!target.exists());
    }

    #[test]
    fn links_are_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, victim) = (folder.path().join("app.tgz"), folder.path().join("victim"));
        fs::write(&victim, "safe").unwrap();
        let digest = Digest::sha256(b"hello");
        symlink(&victim, &target).unwrap();
        assert!(Draft::open(&target, &digest, 5).is_err());
        fs::remove_file(&target).unwrap();
        symlink(&victim, beside(&target, &format!("{}.part", &digest.hex()[..16]))).unwrap();
        assert!(Draft::open(&target, &digest, 5).is_err());
        assert_eq!(fs::read(&victim).unwrap(), b"safe");
    }
}
