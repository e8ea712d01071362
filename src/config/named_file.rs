//! Files that settings name: read with the setting, so that a mistake in either is told before anything starts.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;

/// The bytes of the file called `path`, which may be `most` MiB. The errors name it.
pub(super) fn read(path: &str, most: u64) -> Result<Vec<u8>, String> {
    let (limit, mut bytes) = (most << 20, Vec::new());
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.map_err(|error| told(path, &error))?;
    if bytes.len() as u64 > limit {
        return Err(told(path, &format!("a file of more than {most} MiB is not read")));
    }
    Ok(bytes)
}

/// A complaint about the file.
pub(super) fn told(path: &str, why: &dyn Display) -> String {
    format!("`{}`: {why}", path.escape_debug())
}
