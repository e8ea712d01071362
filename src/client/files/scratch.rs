//! A folder for what is needed for a moment: nobody else may look into it, and it goes away with its guard.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::super::error::ClientError;

pub struct Scratch(PathBuf);

/// A new folder inside `parent`, which is created when it is not there.
pub fn scratch_folder(parent: &Path) -> Result<Scratch, ClientError> {
    let failed = |why| ClientError::file("create", parent, why);
    fs::create_dir_all(parent).map_err(failed)?;
    let mut tried = 0;
    loop {
        let path = parent.join(format!(".charthouse-{}-{tried}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(Scratch(path)),
            Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists && tried < 10_000 => tried += 1,
            Err(why) => return Err(ClientError::file("create", &path, why)),
        }
    }
}

impl Scratch {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in a folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_folder_is_new_and_goes_away() {
        let parent = tempfile::tempdir().unwrap();
        let (one, other) = (scratch_folder(parent.path()).unwrap(), scratch_folder(parent.path()).unwrap());
        assert_ne!(one.path(), other.path());
        fs::write(one.path().join("file"), "x").unwrap();
        drop((one, other));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
