//! The keyring: a setting whose file is read with it, so that a mistake in either is told before anything starts.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::Value;
use crate::chart::provenance::Keyring;

/// A keyring of more bytes is not read: a key has some KiB.
const MAX_BYTES: u64 = 16 << 20;

/// A file of OpenPGP public keys.
#[derive(Clone, Debug)]
pub struct KeyringFile {
    pub path: PathBuf,
    /// As they were when the settings were read.
    pub keys: Keyring,
}

/// Settings are the same when they are written the same.
impl PartialEq for KeyringFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Value for KeyringFile {
    fn read(text: &str) -> Result<Self, String> {
        let told = |why: &dyn std::fmt::Display| format!("`{}`: {why}", text.escape_debug());
        let mut bytes = Vec::new();
        let read = File::open(text).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
        read.map_err(|error| told(&error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(told(&"a keyring of more than 16 MiB is not read"));
        }
        let keys = Keyring::read(&bytes).map_err(|error| told(&error))?;
        Ok(Self { path: text.into(), keys })
    }

    fn write(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}
