//! Arguments and commands.
//!
//! Exit codes: 0 it worked, 1 it failed, 2 the arguments or the configuration are wrong.

mod client;
mod healthcheck;
mod storage;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use tracing::info;

use crate::config::{self, ConfigError, Loaded, Value as _};
use crate::network::without_number;
use crate::telemetry::{COMMIT, VERSION};
use crate::{server, telemetry};

/// A registry for Helm charts: one binary, no database.
#[derive(Parser)]
#[command(name = "charthouse", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the registry until SIGTERM or SIGINT
    Serve(Sources),
    /// Ask a running server whether it works: exit code 0 if it does, 1 if not
    Healthcheck {
        /// What to ask [default: server.listen and service.healthcheck of the configuration]
        #[arg(long, value_name = "URL")]
        url: Option<healthcheck::Url>,
        #[command(flatten)]
        sources: Sources,
    },
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Work on stores, beside or instead of a server
    #[command(subcommand)]
    Storage(storage::StorageCommand),
    #[command(flatten)]
    Client(client::ClientCommand),
    /// Print a completion script for a shell
    Completions { shell: Shell },
    /// Print version, commit and target
    Version,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say what is wrong, with exit code 2 if anything is
    Check(Sources),
    /// Print the settings that are not defaults, as YAML, and where each came from
    Print {
        /// Print all settings
        #[arg(long)]
        effective: bool,
        #[command(flatten)]
        sources: Sources,
    },
}

/// Flags of settings are texts here: `config` reads them as it reads files and variables.
#[derive(Args)]
struct Sources {
    /// A YAML file of settings [env: CHARTHOUSE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// IP address and port to serve on [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// A directory path, memory: or s3://bucket/prefix [default: ./charthouse-data]
    #[arg(long, value_name = "URL")]
    storage: Option<String>,
    /// Refuse every push and deletion
    #[arg(long)]
    read_only: bool,
    /// Wait for another server to let go of the storage, like 30s [default: 0s]
    #[arg(long, value_name = "DURATION")]
    wait_for_lock: Option<String>,
    /// IP address and port for metrics and probes, or off [default: 127.0.0.1:5001]
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<String>,
    /// auto, json or pretty [default: auto]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Sources {
    fn load(self) -> Result<Loaded, ConfigError> {
        let flags = [
            ("server.listen", self.listen),
            ("storage.url", self.storage),
            ("storage.read_only", self.read_only.then(|| "true".to_owned())),
            ("storage.wait_for_lock", self.wait_for_lock),
            ("metrics.listen", self.metrics_listen),
            ("log.format", self.log_format),
        ];
        let given: Vec<_> = flags.into_iter().filter_map(|(key, text)| Some((key, text?))).collect();
        config::load(self.config.as_deref(), std::env::vars_os(), &given)
    }
}

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in told(&error).lines() {
                // With standard error gone there is nobody left to tell.
                let _ = writeln!(io::stderr(), "error: {line}");
            }
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

/// Whether the arguments or the configuration were wrong, rather than the work.
fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<ConfigError>() || error.is::<storage::Unfit>() || client::is_usage(error)
}

/// The error and its causes, without the numbers of the operating system, but those whose words stand in it already.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text.extend([": ", &cause]);
        }
    }
    // An I/O error has a number for the program.
    text.lines().map(without_number).collect::<Vec<_>>().join("\n")
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(sources) => serve(sources.load()?),
        Command::Healthcheck { url: Some(url), .. } => healthcheck::ask(&url),
        Command::Healthcheck { url: None, sources } => {
            // Containers know 0 and 1 only, so settings that are wrong are a failure like others.
            let loaded = sources.load().map_err(|error| anyhow!(told(&error.into())))?;
            healthcheck::ask(&healthcheck::Url::of(&loaded.settings))
        }
        Command::Config(ConfigCommand::Check(sources)) => {
            sources.load()?;
            print("The configuration is good.\n")
        }
        Command::Config(ConfigCommand::Print { effective, sources }) => {
            print(&config::print(&sources.load()?, effective))
        }
        Command::Storage(command) => command.run(),
        Command::Client(command) => command.run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "charthouse", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Command::Version => print(&version()),
    }
}

fn serve(loaded: Loaded) -> anyhow::Result<()> {
    let settings = &loaded.settings;
    telemetry::start(&settings.log, &settings.service)?;
    info!(version = VERSION, commit = COMMIT, storage = settings.storage.url.write(), "starting");
    server::run(loaded)
}

/// `charthouse 0.1.0`, the commit and the target.
fn version() -> String {
    let libc = if cfg!(target_env = "musl") { "-musl" } else { "" };
    format!(
        "charthouse {VERSION}\ncommit {COMMIT}\ntarget {}-{}{libc}\n",
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

/// A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_defined() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_of_the_table_is_a_flag_and_arrives() {
        for key in config::KEYS {
            let Some(flag) = key.flag else { continue };
            let given = match flag {
                "--read-only" => vec!["charthouse", "serve", flag],
                _ => vec!["charthouse", "serve", flag, "wrong"],
            };
            let arguments = Arguments::try_parse_from(given).unwrap_or_else(|why| panic!("{flag}: {why}"));
            let Command::Serve(sources) = arguments.command else { panic!("{flag}: not serve") };
            match sources.load() {
                Ok(loaded) => assert_eq!(*loaded.origin(key), config::Origin::Flag(flag)),
                // A directory may have any name.
                Err(why) => {
                    assert!(why.to_string().contains(&format!("flag {flag}: {}: ", key.name)), "{why}")
                }
            }
        }
    }
}
