//! A file of certificates that is read with the setting which names it.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::Value;

/// More bytes are not read: all certificates of a system have some 300 KiB.
const MAX_BYTES: u64 = 4 << 20;
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
        let told = |why: &dyn std::fmt::Display| format!("`{}`: {why}", text.escape_debug());
        let mut pem = Vec::new();
        let read = File::open(text).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut pem));
        read.map_err(|error| told(&error))?;
        if pem.len() as u64 > MAX_BYTES {
            return Err(told(&"a file of more than 4 MiB is not read"));
        }
        if !pem.windows(BEGIN.len()).any(|part| part == BEGIN) {
            return Err(told(&"no certificate in PEM stands in it"));
        }
        Ok(Self { path: text.into(), pem })
    }

    fn write(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}
