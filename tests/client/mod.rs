//! The client's commands, as the real binary runs them: against our own server, the reference registry, real Helm,
//! and registries that mean no good.

mod copy;
mod credentials;
#[cfg(feature = "openpgp")]
mod docs;
mod go_rules;
mod hostile;
mod list;
mod memory;
mod proxies;
mod pull;
mod push;
mod retries;
mod show;
mod speed;
mod tls;
#[cfg(feature = "openpgp")]
mod verify;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::charts::Packed;
use crate::support::command::{Ran, run};
use crate::support::distribution::Distribution;
use crate::support::server::Server;

/// `charthouse` with a home of its own.
pub struct Charthouse {
    home: TempDir,
}

impl Charthouse {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The folder in which it runs.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// Runs it with `--plain-http`.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.bare(&[arguments, &["--plain-http"]].concat())
    }

    #[track_caller]
    pub fn bare(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_charthouse"));
        let home = self.home();
        command
            .args(arguments)
            .current_dir(home)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("TMPDIR", env::temp_dir())
            .env("HELM_CONFIG_HOME", home.join(".config"));
        command
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[arguments, &["-o", "json"]].concat()).succeeds();
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("not JSON: {error}\n{said}"))
    }

    /// Writes `chart` into the home and pushes it; answers the digest of its manifest.
    #[track_caller]
    pub fn push(&self, chart: &Packed, namespace: &str) -> String {
        chart.write(self.home());
        let pushed = self.json(&["push", &chart.file_name, namespace]);
        pushed[0]["digest"].as_str().expect("a digest").to_owned()
    }

    /// The names in a folder of the home.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).expect("list a folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// Our own server or the reference registry: both must do.
pub enum Any {
    Own(Server),
    Reference(Distribution),
}

impl Any {
    pub fn host(&self) -> String {
        match self {
            Self::Own(server) => server.host(),
            Self::Reference(registry) => registry.host().to_owned(),
        }
    }
}

/// Runs each case against our own server and against the reference registry, as tests of their own.
macro_rules! with_each_registry {
    ($($case:ident),+ $(,)?) => {
        mod own {
            $(#[test] fn $case() {
                super::$case(&$crate::client::Any::Own($crate::support::server::Server::in_memory()))
            })+
        }
        mod reference {
            $(#[test] fn $case() {
                let registry = $crate::support::distribution::Distribution::start();
                if let Some(registry) = registry { super::$case(&$crate::client::Any::Reference(registry)) }
            })+
        }
    };
}
pub(crate) use with_each_registry;
