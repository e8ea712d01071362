//! MinIO, the S3 server that registries store in.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::installed;

pub const ACCESS_KEY: &str = "charthouse-bench";
pub const SECRET_KEY: &str = "not-a-secret-of-anybody";

/// The version that scripts/install-peers installs.
const INSTALLED: &str = "minio-v0.0.0-20260212201848-7aac2a2c5b7c";

pub fn find() -> Option<PathBuf> {
    installed("minio", INSTALLED)
}

pub fn configure(command: &mut Command, folder: &Path, address: SocketAddr) -> Result<()> {
    fs::create_dir_all(folder.join("store")).context("a folder for the buckets")?;
    command.args(["server", "--quiet", "--address", &address.to_string()]).arg(folder.join("store"));
    command.env("MINIO_ROOT_USER", ACCESS_KEY).env("MINIO_ROOT_PASSWORD", SECRET_KEY);
    command.env("MINIO_BROWSER", "off").env("HOME", folder);
    Ok(())
}
