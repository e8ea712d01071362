//! The keyring: a setting whose file is read with it, so that a mistake in either is told before anything starts.

use std::path::PathBuf;

use super::{Value, named_file};
use crate::chart::provenance::Keyring;

/// In MiB: a key has some KiB.
const MOST: u64 = 16;

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
        let bytes = named_file::read(text, MOST)?;
        let keys = Keyring::read(&bytes).map_err(|error| named_file::told(text, &error))?;
        Ok(Self { path: text.into(), keys })
    }

    fn write(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}
