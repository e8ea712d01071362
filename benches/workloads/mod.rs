//! The workloads of docs/performance.md#workloads, each of which starts its servers, fills them and records
//! its rows.

mod chunked;
mod index;
mod large;
mod memory;
mod push;
mod reads;
mod s3;
mod seed;
mod start;
mod tags;

use std::time::Duration;

use anyhow::{Context, Result};

use super::peers::{Kind, Peer, Stage};
use super::report::{Figure, Report};

/// A workload's names, and what runs them.
type Workload = (&'static [&'static str], fn(&mut Bench<'_>) -> Result<()>);

const WORKLOADS: [Workload; 9] = [
    (&["W1", "W2", "W3", "W4"], reads::run),
    (&["W4", "memory"], large::run),
    (&["W5"], push::run),
    (&["S3"], s3::run),
    (&["W6"], chunked::run),
    (&["W7"], tags::run),
    (&["W10"], index::run),
    (&["W14"], start::run),
    (&["memory"], memory::run),
];

const CPU: Figure = Figure::less("CPU of a request", "us");
const RATE: Figure = Figure::more("requests a second", "");
const WALL: Figure = Figure::less("time", "ms");

/// How much is done of everything.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub quick: bool,
    /// Interleaved repetitions; the slow workloads make fewer.
    pub repetitions: usize,
    /// How long a load of reads, and one of pushes, goes on.
    pub read: Duration,
    pub push: Duration,
}

impl Plan {
    pub fn new(quick: bool, repetitions: Option<usize>) -> Self {
        let (usual, read, push) = if quick { (3, 150, 300) } else { (5, 1000, 2500) };
        let [read, push] = [read, push].map(Duration::from_millis);
        Self { quick, repetitions: repetitions.unwrap_or(usual), read, push }
    }
}

/// One run.
pub struct Bench<'a> {
    pub stage: &'a Stage,
    pub plan: Plan,
    pub report: Report,
    /// Names of the workloads that are wanted; none means all.
    pub wanted: Vec<String>,
}

impl Bench<'_> {
    pub fn run(&mut self) -> Result<()> {
        for (names, workload) in WORKLOADS {
            if names.iter().any(|name| self.wants(name)) {
                eprintln!("bench: {}", names.join(", "));
                workload(self).with_context(|| names.join(", "))?;
            }
        }
        Ok(())
    }

    fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    }

    /// The installed ones of `kinds`, started over fresh folders called `name`.
    fn start(&self, kinds: &[Kind], name: &str) -> Result<Vec<Peer>> {
        let installed = kinds.iter().filter(|kind| self.stage.has(**kind));
        installed.map(|kind| self.stage.start(*kind, name)).collect()
    }
}

/// Whether a name is that of a workload.
pub fn is_known(name: &str) -> bool {
    WORKLOADS.iter().any(|(names, _)| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

fn discard(peers: Vec<Peer>) -> Result<()> {
    peers.into_iter().try_for_each(Peer::discard)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
