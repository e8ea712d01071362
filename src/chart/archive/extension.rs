//! Headers of a tar archive that describe the entry behind them: long names of GNU tar and extended headers of POSIX.

use tar::{Header, PaxExtensions};

use super::TarFault;

/// What they say of the entry behind them.
#[derive(Default)]
pub(super) struct Extension {
    long_name: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    size: Option<u64>,
    records: bool,
}

impl Extension {
    pub(super) fn is_empty(&self) -> bool {
        !self.records && self.long_name.is_none()
    }

    pub(super) fn add_long_name(&mut self, mut name: Vec<u8>) -> Result<(), TarFault> {
        if name.last() == Some(&0) {
            name.pop();
        }
        if name.is_empty() || name.contains(&0) {
            return Err(TarFault::Name);
        }
        if self.long_name.replace(name).is_some() || self.path.is_some() {
            return Err(TarFault::TwoNames);
        }
        Ok(())
    }

    pub(super) fn add_records(&mut self, bytes: &[u8]) -> Result<(), TarFault> {
        if std::mem::replace(&mut self.records, true) {
            return Err(TarFault::LostExtension);
        }
        for record in PaxExtensions::new(bytes) {
            let record = record.map_err(|_| TarFault::Record)?;
            let (key, value) = (record.key().map_err(|_| TarFault::Record)?, record.value_bytes());
            match key {
                "path" if value.is_empty() || value.contains(&0) => return Err(TarFault::Name),
                "path" if self.path.replace(value.to_owned()).is_some() || self.long_name.is_some() => {
                    return Err(TarFault::TwoNames);
                }
                "size" => {
                    let is_digits = value.iter().all(u8::is_ascii_digit);
                    let size = std::str::from_utf8(value).ok().filter(|_| is_digits);
                    let size = size.and_then(|text| text.parse().ok()).ok_or(TarFault::Record)?;
                    if self.size.replace(size).is_some() {
                        return Err(TarFault::Sizes);
                    }
                }
                key if key.starts_with("GNU.sparse.") => return Err(TarFault::Sparse),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn says_other_size(&self, size: u64) -> bool {
        self.size.is_some_and(|other| other != size)
    }

    /// The name of the entry: that of an extension, or that of its header.
    pub(super) fn name(&mut self, header: &Header) -> Result<Vec<u8>, TarFault> {
        if let Some(name) = self.long_name.take().or(self.path.take()) {
            return Ok(name);
        }
        let field =
            |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().take_while(|byte| *byte != 0).collect() };
        let name = field(&header.as_old().name);
        let prefix = header.as_ustar().map(|ustar| field(&ustar.prefix)).unwrap_or_default();
        match (prefix.is_empty(), name.is_empty()) {
            (_, true) => Err(TarFault::Name),
            (true, _) => Ok(name),
            (false, _) => Ok([prefix, name].join(&b'/')),
        }
    }
}

/// `git archive` writes a comment for all entries; what changes them all is refused, for not all readers do.
pub(super) fn check_global(bytes: &[u8]) -> Result<(), TarFault> {
    for record in PaxExtensions::new(bytes) {
        let record = record.map_err(|_| TarFault::Record)?;
        let key = record.key().map_err(|_| TarFault::Record)?;
        if matches!(key, "path" | "size" | "linkpath") || key.starts_with("GNU.sparse.") {
            return Err(TarFault::GlobalRecord);
        }
    }
    Ok(())
}
