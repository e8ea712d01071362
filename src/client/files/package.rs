//! Reading a package from the disk, under Helm's limits.

use std::io::BufReader;
use std::path::Path;

use super::super::error::ClientError;
use super::open;
use crate::chart::archive::{Limits, Package};

/// Reads and checks all of the package; keeps the files that a chart is known by, and those that `keep` names.
pub fn read_package(path: &Path, keep: &dyn Fn(&str) -> bool) -> Result<Package, ClientError> {
    let file = BufReader::with_capacity(64 * 1024, open(path)?);
    Package::read_keeping(file, &Limits::default(), keep)
        .map_err(|why| ClientError::Package { path: path.to_owned(), why: why.to_string() })
}
