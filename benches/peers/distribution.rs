//! distribution's `registry` over its file system driver, which fsyncs, or over S3.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::minio::{ACCESS_KEY, SECRET_KEY};
use super::{Bucket, installed};

/// The version that scripts/install-peers installs.
const INSTALLED: &str = "registry-v3.1.1";

pub fn find() -> Option<PathBuf> {
    installed("registry", INSTALLED)
}

/// As its own example configuration has it (descriptors cached in memory), without a log of requests. Over S3 it would send
/// clients to the store for blobs; here it serves them itself.
pub fn configure(
    command: &mut Command,
    folder: &Path,
    address: SocketAddr,
    bucket: Option<&Bucket>,
) -> Result<()> {
    let driver = match bucket {
        None => {
            let store = folder.join("store");
            format!("filesystem: {{rootdirectory: {}}}", store.to_str().context("a folder that is not text")?)
        }
        Some(Bucket { name, endpoint }) => format!(
            "s3: {{bucket: {name}, region: us-east-1, regionendpoint: 'http://{endpoint}', forcepathstyle: true, \
             accesskey: {ACCESS_KEY}, secretkey: {SECRET_KEY}, secure: false}}"
        ),
    };
    let config = format!(
        "version: 0.1
log:
  level: error
  accesslog: {{disabled: true}}
storage:
  {driver}
  cache: {{blobdescriptor: inmemory}}
  redirect: {{disable: true}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: '{address}'}}
"
    );
    let path = folder.join("config.yml");
    fs::write(&path, config)?;
    command.arg("serve").arg(path).env("OTEL_TRACES_EXPORTER", "none");
    Ok(())
}
