//! W5: charts pushed as Helm does it, by one client and by 16, over a directory with fsync on.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::{Bench, discard, millis};
use crate::client::Client;
use crate::content::Chart;
use crate::peers::{Kind, Peer};
use crate::process::Cpu;
use crate::report::{Column, Figure, Key};

const SIZES: [(usize, &str); 2] = [(8 << 10, "8 KB"), (100 << 10, "100 KB")];
const CLIENTS: [usize; 2] = [1, 16];
/// The bodies of a chart that are neither its layer nor large: config, manifest, tag.
const SMALL: [usize; 3] = [900, 700, 300];

const CPU: Figure = Figure::less("CPU of a push", "ms");
const P50: Figure = Figure::less("p50 of a push", "ms");
const RATE: Figure = Figure::more("pushes a second", "");
const GAIN: Figure = Figure::more("pushes a second, times those of 1 client", "");
const FILES: Figure = Figure::less("files created by a push", "");

/// Versions of the chart, so that no two packages are the same.
static NEXT: AtomicU64 = AtomicU64::new(1);

pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    let kinds = [Kind::OURS, Kind::Charthouse { access: true }, Kind::Distribution];
    let peers = bench.start(&kinds, "push")?;
    for peer in &peers {
        Client::open(peer.address())?.push(&chart(1024))?;
    }
    for _ in 0..bench.plan.repetitions {
        for (size, name) in SIZES {
            let (time, cpu) = bare_files(&bench.stage.folder, size, bench.plan.push / 4)?;
            bench.report.record(case(P50, name, 1), Column::Baseline, millis(time));
            bench.report.record(case(CPU, name, 1), Column::Baseline, millis(cpu));
            for clients in CLIENTS {
                for peer in &peers {
                    measure(bench, peer, (size, name), clients)?;
                }
            }
        }
    }
    SIZES.iter().for_each(|(size, name)| set_bars(bench, *size, name));
    discard(peers)
}

fn case(figure: Figure, size: &str, clients: usize) -> Key {
    let clients = if clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") };
    figure.of("W5", format!("{size}, {clients}"))
}

fn measure(bench: &mut Bench<'_>, peer: &Peer, (size, name): (usize, &str), clients: usize) -> Result<()> {
    let (files, cpu, started) = (count_files(&peer.store())?, peer.cpu()?, Instant::now());
    let mut times = push_for(bench.plan.push, peer, size, clients)?;
    let (wall, cpu) = (started.elapsed(), peer.cpu()?.since(&cpu));
    let pushes = times.len() as f64;
    times.sort();
    let report = &mut bench.report;
    report.record(case(CPU, name, clients), peer.kind, millis(cpu) / pushes);
    report.record(case(P50, name, clients), peer.kind, millis(times[times.len() / 2]));
    report.record(case(RATE, name, clients), peer.kind, pushes / wall.as_secs_f64());
    let created = count_files(&peer.store())?.saturating_sub(files);
    report.record(case(FILES, name, clients), peer.kind, created as f64 / pushes);
    Ok(())
}

fn set_bars(bench: &mut Bench<'_>, size: usize, name: &str) {
    let report = &mut bench.report;
    // Hashing goes at about 2 GB a second.
    let hashing = size as f64 / 2e9 * 1e3;
    for clients in CLIENTS {
        report.bar(case(CPU, name, clients), 0.6 + hashing);
    }
    if let Some(bare) = report.median(&case(P50, name, 1), Column::Baseline) {
        report.bar(case(P50, name, 1), 1.2 * bare);
    }
    for kind in [Kind::OURS, Kind::Distribution] {
        let rate = |clients| report.median(&case(RATE, name, clients), kind);
        if let (Some(one), Some(many)) = (rate(1), rate(16)) {
            report.record(case(GAIN, name, 16), kind, many / one);
        }
    }
    report.bar(case(GAIN, name, 16), 3.0);
}

/// How long each push took, of `clients` that push for `duration`.
fn push_for(duration: Duration, peer: &Peer, size: usize, clients: usize) -> Result<Vec<Duration>> {
    let started = Instant::now();
    let client = || {
        let mut client = Client::open(peer.address())?;
        let mut times = Vec::new();
        while started.elapsed() < duration {
            let chart = chart(size);
            let began = Instant::now();
            client.push(&chart)?;
            times.push(began.elapsed());
        }
        anyhow::Ok(times)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        Ok(all)
    })
}

fn chart(size: usize) -> Chart {
    let at = NEXT.fetch_add(1, Ordering::Relaxed);
    Chart::new("bench", "app", &format!("1.0.{at}"), size)
}

/// What four durable steps cost at least (four times a file written and fsynced, and its folder fsynced): the median
/// time, and the mean CPU.
fn bare_files(folder: &Path, layer: usize, duration: Duration) -> Result<(Duration, Duration)> {
    let folder = folder.join("bare");
    fs::create_dir_all(&folder)?;
    let handle = File::open(&folder)?;
    let bytes = vec![7; layer];
    let own = std::process::id();
    let (cpu, started, mut times, mut next) = (Cpu::of(own)?, Instant::now(), Vec::new(), 0_u64);
    while started.elapsed() < duration || times.is_empty() {
        let began = Instant::now();
        for size in [layer, SMALL[0], SMALL[1], SMALL[2]] {
            let mut file = File::create(folder.join(next.to_string()))?;
            file.write_all(&bytes[..size.min(layer)])?;
            file.sync_all()?;
            handle.sync_all()?;
            next += 1;
        }
        times.push(began.elapsed());
    }
    let cpu = Cpu::of(own)?.since(&cpu) / times.len() as u32;
    times.sort();
    fs::remove_dir_all(folder)?;
    Ok((times[times.len() / 2], cpu))
}

fn count_files(folder: &Path) -> Result<u64> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // What vanishes meanwhile was no file that a push leaves behind.
        let Ok(kind) = entry.file_type() else { continue };
        files += if kind.is_dir() { count_files(&entry.path()).unwrap_or(0) } else { 1 };
    }
    Ok(files)
}
