//! distribution's `registry` over its file system driver, which fsyncs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::find_program;

/// The version that scripts/install-peers installs.
const INSTALLED: &str = "registry-v3.1.1";

pub fn find() -> Option<PathBuf> {
    let from = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || from("XDG_CACHE_HOME").or_else(|| Some(from("HOME")?.join(".cache")));
    let tools = from("CHARTHOUSE_TOOLS").or_else(|| Some(cache()?.join("charthouse/tools")))?;
    find_program("registry", &[tools.join("bin").join(INSTALLED)])
}

/// As its own example configuration has it (descriptors cached in memory), without a log of requests.
pub fn configure(command: &mut Command, folder: &Path, address: SocketAddr) -> Result<()> {
    let config = format!(
        "version: 0.1
log:
  level: error
  accesslog: {{disabled: true}}
storage:
  filesystem: {{rootdirectory: {store}}}
  cache: {{blobdescriptor: inmemory}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: '{address}'}}
",
        store = folder.join("store").to_str().context("a folder that is not text")?,
    );
    let path = folder.join("config.yml");
    fs::write(&path, config)?;
    command.arg("serve").arg(path).env("OTEL_TRACES_EXPORTER", "none");
    Ok(())
}
