//! The arguments of the benchmark.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::workloads;

pub const HELP: &str = "\
Measures charthouse beside distribution and nginx, as far as they are installed (scripts/install-peers).

usage: scripts/bench [OPTIONS] [WORKLOAD...]

Workloads: W1 W2 W3 W4 W5 W6 W7 W10 W14 memory; all of them when none is named.

  --quick            a short run of everything: smaller contents, fewer repetitions
  --repetitions N    interleaved repetitions (5, with --quick 3)
  --json FILE        where all values go (target/bench/<date>.json)
  --folder DIR       where the stores lie (target/bench)
  --peer NAME        only this one, like nginx; may be given more than once
  --unpinned         do not keep the load on core 0 and the servers on core 1
  --server FILE      the charthouse to measure (what `cargo build --release` gives)
  --about NAME=TEXT  a fact about the run for the JSON
  --help             this text
";

#[derive(Debug, Default)]
pub struct Arguments {
    pub help: bool,
    pub quick: bool,
    pub unpinned: bool,
    pub repetitions: Option<usize>,
    pub json: Option<PathBuf>,
    pub folder: Option<PathBuf>,
    pub server: Option<PathBuf>,
    /// Names as they stand in the table.
    pub peers: Vec<String>,
    pub about: Vec<(String, String)>,
    pub workloads: Vec<String>,
}

impl Arguments {
    pub fn read(mut given: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Self::default();
        while let Some(argument) = given.next() {
            let mut value = || given.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--help" | "-h" => arguments.help = true,
                "--quick" => arguments.quick = true,
                "--unpinned" => arguments.unpinned = true,
                "--repetitions" => {
                    let count: usize = value()?.parse().context("--repetitions needs a number")?;
                    ensure!(count > 0, "--repetitions needs at least 1");
                    arguments.repetitions = Some(count);
                }
                "--json" => arguments.json = Some(value()?.into()),
                "--folder" => arguments.folder = Some(value()?.into()),
                "--server" => arguments.server = Some(value()?.into()),
                "--peer" => arguments.peers.push(value()?),
                "--about" => {
                    let fact = value()?;
                    let (name, text) = fact.split_once('=').context("--about needs NAME=TEXT")?;
                    arguments.about.push((name.to_owned(), text.to_owned()));
                }
                // Cargo says so to every benchmark.
                "--bench" => {}
                option if option.starts_with('-') => bail!("there is no option {option}\n\n{HELP}"),
                name if workloads::is_known(name) => arguments.workloads.push(name.to_owned()),
                name => bail!("there is no workload {name}\n\n{HELP}"),
            }
        }
        Ok(arguments)
    }
}
