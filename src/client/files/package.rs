//! Reading a package from the disk, under Helm's limits.

use std::io::BufReader;
use std::path::Path;

use super::super::error::ClientError;
use super::open;
use crate::chart::Metadata;
use crate::chart::archive::{Limits, Package};

/// Reads and checks all of the package; keeps the files that a chart is known by, and those that `keep` names.
pub fn read_package(path: &Path, keep: &dyn Fn(&str) -> bool) -> Result<Package, ClientError> {
    let file = BufReader::with_capacity(64 * 1024, open(path)?);
    Package::read_keeping(file, &Limits::default(), keep)
        .map_err(|why| ClientError::Package { path: path.to_owned(), why: why.to_string() })
}

/// Reads the metadata of a package, and the rule that the package breaks, if it breaks one: as far as the metadata can be
/// read, it is the registry that decides about the rest.
pub fn read_metadata(path: &Path) -> Result<(Metadata, Option<String>), ClientError> {
    let fault = match read_package(path, &|_| false) {
        Ok(package) => return Ok((package.metadata, None)),
        Err(fault) => fault,
    };
    let ClientError::Package { why, .. } = &fault else { return Err(fault) };
    let file = BufReader::with_capacity(64 * 1024, open(path)?);
    match Package::metadata_alone(file, &Limits::default()) {
        Some(metadata) => Ok((metadata, Some(why.clone()))),
        None => Err(fault),
    }
}
