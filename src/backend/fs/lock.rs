//! The lock that makes one process the only writer of a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{FILE_MODE, FsOpenError, LOCK};

const POLL: Duration = Duration::from_millis(50);

/// Held until it is dropped, or until the process ends in whatever way.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `root`, trying for as long as `wait`.
    pub(super) fn take(root: &Path, wait: Duration) -> Result<Self, FsOpenError> {
        let path = root.join(LOCK);
        let failed = |source| FsOpenError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let mut file = options.open(&path).map_err(failed)?;
        let mut left = wait;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if left.is_zero() => {
                    return Err(FsOpenError::InUse { root: root.to_owned(), holder: holder(&mut file) });
                }
                Err(TryLockError::WouldBlock) => {
                    let nap = left.min(POLL);
                    thread::sleep(nap);
                    left -= nap;
                }
            }
        }
        // The number only serves the message above. A full disk must not keep a server from serving reads.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// Who wrote the lock file: a process number, when it holds one.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // A number of at most 10 digits; whatever else stands there is not for a message.
    let read = file.take(16).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(number)) => format!("process {number}"),
        _ => "another process".to_owned(),
    }
}
