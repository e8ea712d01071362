//! The benchmark: what requests cost this server and its peers, on this machine, in one run. Run by scripts/bench.

mod arguments;
mod client;
mod content;
mod counting;
mod http;
mod load;
mod peers;
mod process;
mod report;
mod workloads;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result, ensure};

use arguments::{Arguments, HELP};
use peers::{Kind, Stage};
use report::Report;
use workloads::{Bench, Plan};

/// The cores of the load and of the servers.
const LOAD: usize = 0;
const SERVERS: usize = 1;

fn main() -> Result<()> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let Some(server) = arguments.server.filter(|_| !arguments.help) else {
        // Also when cargo runs all its targets as tests.
        print!("{HELP}");
        return Ok(());
    };
    let folder = arguments.folder.unwrap_or_else(|| "target/bench".into());
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let stores = tempfile::Builder::new().prefix("stores-").tempdir_in(std::path::absolute(&folder)?)?;
    let core = if arguments.unpinned { None } else { pin() };
    let mut stage = Stage::new(absolute(server)?, stores.path().to_owned(), core);
    stage.keep(&arguments.peers);
    let plan = Plan::new(arguments.quick, arguments.repetitions);
    let mut bench = Bench { stage: &stage, plan, report: Report::default(), wanted: arguments.workloads };
    bench.run()?;
    let mut report = bench.report;
    report.sort();
    add_notes(&mut report, &stage);
    if let Some(path) = arguments.json {
        let text = serde_json::to_string_pretty(&report::to_json(&report, &arguments.about))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("bench: every value is in {}", path.display());
    }
    print!("{}", report::to_table(&report));
    Ok(())
}

/// Keeps this process on one core; gives another one for the servers, if there is one and `taskset` can do it.
fn pin() -> Option<usize> {
    if available_parallelism().ok()?.get() <= SERVERS {
        return None;
    }
    let own = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-a", "-p", "-c", &LOAD.to_string(), &own]).output().ok()?;
    pinned.status.success().then_some(SERVERS)
}

fn absolute(server: PathBuf) -> Result<PathBuf> {
    let found = Path::new(&server).is_file();
    ensure!(found, "{} is not there: run scripts/bench, which builds it", server.display());
    Ok(std::path::absolute(server)?)
}

fn add_notes(report: &mut Report, stage: &Stage) {
    report.note(match stage.core {
        Some(core) => format!("The load was kept on core {LOAD} and each server on core {core}."),
        None => "Load and servers shared all cores.".to_owned(),
    });
    for kind in Kind::ALL.into_iter().filter(|kind| !stage.has(*kind)) {
        report.note(format!("{} was not measured: it is not installed, or was not wanted.", kind.name()));
    }
    report.note("zot, angos and ChartMuseum were not measured: this benchmark does not start them.");
}
