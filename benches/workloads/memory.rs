//! What is resident: idle and empty, with many tags, and at the peak of many uploads at once.

use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::{Bench, mib, seed};
use crate::client::Client;
use crate::content::Blob;
use crate::peers::{Kind, Peer};
use crate::report::{Figure, number};

const RESIDENT: Figure = Figure::less("RSS", "MiB");
const PEAK: Figure = Figure::less("peak, above the RSS before", "MiB");
const UPLOADS: usize = 100;
const SETTLE: Duration = Duration::from_millis(500);

pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    for kind in [Kind::OURS, Kind::Distribution] {
        if bench.stage.has(kind) {
            let peer = bench.stage.start(kind, "memory")?;
            idle(bench, &peer)?;
            uploads(bench, &peer)?;
            peer.discard()?;
        }
    }
    let peer = bench.stage.start(Kind::OURS, "memory-tags")?;
    tags(bench, &peer)?;
    peer.discard()
}

fn idle(bench: &mut Bench<'_>, peer: &Peer) -> Result<()> {
    Client::open(peer.address())?.ask("GET", "/v2/", 200)?;
    sleep(SETTLE);
    bench.report.record(RESIDENT.of("memory", "idle and empty"), peer.kind, mib(peer.memory()?.resident));
    bench.report.bar(RESIDENT.of("memory", "idle and empty"), 20.0);
    Ok(())
}

fn uploads(bench: &mut Bench<'_>, peer: &Peer) -> Result<()> {
    let size = if bench.plan.quick { 4 } else { 64 };
    let case = format!("{UPLOADS} pushes of {size} MiB at once");
    let blob = Blob::random(size << 20, 3);
    let resident = peer.memory()?.resident;
    peer.reset_peak()?;
    let push = |at: usize| {
        let mut client = Client::open(peer.address())?;
        client.upload(&format!("bench/upload{at}"), &blob)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..UPLOADS).map(|at| scope.spawn(move || push(at))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?)
    })?;
    let peak = peer.memory()?.peak.saturating_sub(resident);
    bench.report.record(PEAK.of("memory", &case), peer.kind, mib(peak));
    bench.report.bar(PEAK.of("memory", &case), 80.0);
    Ok(())
}

fn tags(bench: &mut Bench<'_>, peer: &Peer) -> Result<()> {
    let count = if bench.plan.quick { 10_000 } else { 100_000 };
    let case = format!("{} tags in one repository", number(count as f64));
    seed::tags(peer, "bench/many", count)?;
    sleep(SETTLE);
    bench.report.record(RESIDENT.of("memory", &case), peer.kind, mib(peer.memory()?.resident));
    bench.report.bar(RESIDENT.of("memory", &case), 256.0);
    Ok(())
}
