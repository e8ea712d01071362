//! One blob of 1 GB: its pull (W4), and what memory and CPU its push and its pull take.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use charthouse::oci::{Algorithm, Hasher};

use super::{Bench, discard, mib};
use crate::client::Client;
use crate::content::Blob;
use crate::http::Connection;
use crate::load::request;
use crate::peers::{Kind, Peer};
use crate::report::Figure;

const REPOSITORY: &str = "bench/large";
const GB: f64 = 1e9;
const PER_CPU: Figure = Figure::more("GB for a second of CPU", "");
const WALL: Figure = Figure::more("GB a second", "");
const PUSH_CPU: Figure = Figure::less("CPU of a push", "s/GB");
const PUSH_PEAK: Figure = Figure::less("peak over a push, above the RSS before", "MiB");
const PULL_PEAK: Figure = Figure::less("peak over a pull, above the RSS before", "MiB");
/// Pushes write it to the disk each time.
const PUSHES: usize = 3;

pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    let (size, case) =
        if bench.plan.quick { (128 << 20, "blob of 128 MB") } else { (1 << 30, "blob of 1 GB") };
    let blob = Blob::random(size, 1);
    let peers = bench.start(&[Kind::OURS, Kind::Distribution, Kind::Nginx], "large")?;
    for at in 0..bench.plan.repetitions.min(PUSHES) {
        for peer in peers.iter().filter(|peer| peer.kind.is_registry()) {
            let (cpu, peak) = push(peer, &format!("{REPOSITORY}{at}"), &blob)?;
            bench.report.record(
                PUSH_CPU.of("memory", case),
                peer.kind,
                cpu.as_secs_f64() / (size as f64 / GB),
            );
            bench.report.record(PUSH_PEAK.of("memory", case), peer.kind, mib(peak));
        }
    }
    for peer in &peers {
        prepare_pull(peer, &blob)?;
    }
    for _ in 0..bench.plan.repetitions {
        for peer in &peers {
            let (cpu, wall, peak) = pull(peer, &blob)?;
            bench.report.record(PER_CPU.of("W4", case), peer.kind, size as f64 / GB / cpu.as_secs_f64());
            bench.report.record(WALL.of("W4", case), peer.kind, size as f64 / GB / wall.as_secs_f64());
            bench.report.record(PULL_PEAK.of("memory", case), peer.kind, mib(peak));
        }
    }
    bench.report.bar(PER_CPU.of("W4", case), 2.0);
    bench.report.bar(PUSH_CPU.of("memory", case), 1.0);
    bench.report.bar(PUSH_PEAK.of("memory", case), 16.0);
    bench.report.bar(PULL_PEAK.of("memory", case), 16.0);
    discard(peers)
}

/// CPU, and the peak of memory above what was resident before.
fn push(peer: &Peer, repository: &str, blob: &Blob) -> Result<(Duration, u64)> {
    let mut client = Client::open(peer.address())?;
    let (cpu, resident) = before(peer)?;
    client.upload(repository, blob)?;
    Ok((peer.cpu()?.since(&cpu), peer.memory()?.peak.saturating_sub(resident)))
}

fn before(peer: &Peer) -> Result<(crate::process::Cpu, u64)> {
    let resident = peer.memory()?.resident;
    peer.reset_peak()?;
    Ok((peer.cpu()?, resident))
}

/// Puts the file in nginx's place, and checks once that what is pulled is what was pushed.
fn prepare_pull(peer: &Peer, blob: &Blob) -> Result<()> {
    if peer.kind == Kind::Nginx {
        let path = peer.store().join(path(blob).trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(path, &blob.bytes)?;
    }
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut connection = Connection::open(peer.address())?;
    connection.send(&request("GET", &path(blob), ""))?;
    let status = connection.receive(false, |part| hasher.update(part))?;
    ensure!(status == 200 && hasher.finish() == blob.digest, "{} damaged a blob", peer.kind.name());
    Ok(())
}

fn pull(peer: &Peer, blob: &Blob) -> Result<(Duration, Duration, u64)> {
    let mut connection = Connection::open(peer.address())?;
    let (cpu, resident) = before(peer)?;
    let (started, mut length) = (Instant::now(), 0);
    connection.send(&request("GET", &path(blob), ""))?;
    let status = connection.receive(false, |part| length += part.len())?;
    ensure!(status == 200 && length == blob.bytes.len(), "{} cut a blob", peer.kind.name());
    let wall = started.elapsed();
    Ok((peer.cpu()?.since(&cpu), wall, peer.memory()?.peak.saturating_sub(resident)))
}

fn path(blob: &Blob) -> String {
    format!("/v2/{REPOSITORY}0/blobs/{}", blob.digest)
}
