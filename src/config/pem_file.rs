//! A file of certificates that is read with the setting which names it.

use std::path::PathBuf;

use super::{Value, named_file};

/// In MiB: all certificates of a system have some 300 KiB.
const MOST: u64 = 4;
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Certificates in PEM.
#[derive(Clone, Debug)]
pub struct PemFile {
    pub path: PathBuf,
    /// As they were when the settings were read.
    pub pem: Vec<u8>,
}

/// Settings are the same when they are written the same.
impl PartialEq for PemFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for PemFile {}

impl Value for PemFile {
    fn read(text: &str) -> Result<Self, String> {
        let pem = named_file::read(text, MOST)?;
        if !pem.windows(BEGIN.len()).any(|part| part == BEGIN) {
            return Err(named_file::told(text, &"no certificate in PEM stands in it"));
        }
        Ok(Self { path: text.into(), pem })
    }

    fn write(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}
