//! W1 manifest by tag, W2 by digest, W3 HEAD of a blob, W4 blobs up to 1 MB: all warm, in a closed loop.

use std::fs;

use anyhow::Result;

use super::{Bench, CPU, RATE, discard, seed};
use crate::client::Client;
use crate::content::{Blob, Chart};
use crate::load::{Shape, Target, measure};
use crate::peers::{Kind, Peer};
use crate::report::{Figure, Key};

const REPOSITORY: &str = "bench/app";
/// Different manifests, and different blobs of each size, that are asked for in turn.
const VARIETY: u64 = 16;
/// What access lines may cost, in microseconds.
const ACCESS_LINE: f64 = 12.0;
const WITH_LINES: Figure = Figure::less("CPU of a request, more than without access lines", "us");

struct Case {
    workload: &'static str,
    name: &'static str,
    /// Microseconds of CPU.
    bar: Option<f64>,
    at_least_nginx: bool,
    targets: Vec<Target>,
    connections: usize,
    unverified: u64,
}

pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    let charts: Vec<Chart> =
        (0..VARIETY).map(|at| Chart::new("bench", "app", &format!("1.{at}.0"), seed::SMALL)).collect();
    let blobs = [8 << 10, 100 << 10, 1 << 20].map(|size| blobs(size, VARIETY));
    let peers = bench.start(&Kind::ALL, "reads")?;
    for peer in &peers {
        fill(peer, &charts, &blobs.concat())?;
    }
    let cases: Vec<Case> =
        cases(&charts, &blobs).into_iter().filter(|case| bench.wants(case.workload)).collect();
    for _ in 0..bench.plan.repetitions {
        for case in &cases {
            repeat(bench, case, &peers)?;
        }
    }
    cases.iter().for_each(|case| set_bars(bench, case));
    discard(peers)
}

fn repeat(bench: &mut Bench<'_>, case: &Case, peers: &[Peer]) -> Result<()> {
    let shape =
        Shape { connections: case.connections, duration: bench.plan.read, unverified: case.unverified };
    for peer in peers {
        let cost = measure(peer, &case.targets, shape)?;
        bench.report.record(key(CPU, case), peer.kind, cost.cpu_us);
        bench.report.record(key(RATE, case), peer.kind, cost.rate);
    }
    Ok(())
}

fn set_bars(bench: &mut Bench<'_>, case: &Case) {
    let report = &mut bench.report;
    if let Some(bar) = case.bar {
        report.bar(key(CPU, case), bar);
    }
    if case.at_least_nginx
        && let Some(rate) = report.median(&key(RATE, case), Kind::Nginx)
    {
        report.bar(key(RATE, case), rate);
    }
    let [without, with] =
        [false, true].map(|access| report.median(&key(CPU, case), Kind::Charthouse { access }));
    if let (Some(without), Some(with), Some(_)) = (without, with, case.bar) {
        report.record(key(WITH_LINES, case), Kind::OURS, with - without);
        report.bar(key(WITH_LINES, case), ACCESS_LINE);
    }
}

fn key(figure: Figure, case: &Case) -> Key {
    figure.of(case.workload, case.name)
}

fn cases(charts: &[Chart], [small, medium, large]: &[Vec<Blob>; 3]) -> Vec<Case> {
    let manifests = |reference: fn(&Chart) -> String| {
        let target = |chart: &Chart| {
            Target::get(&format!("/v2/{REPOSITORY}/manifests/{}", reference(chart)), &chart.manifest.bytes)
        };
        charts.iter().map(target).collect()
    };
    let path = |blob: &Blob| format!("/v2/{REPOSITORY}/blobs/{}", blob.digest);
    let get = |blobs: &[Blob]| blobs.iter().map(|blob| Target::get(&path(blob), &blob.bytes)).collect();
    let case = |workload, name, bar, targets| Case {
        workload,
        name,
        bar,
        at_least_nginx: false,
        targets,
        connections: 16,
        unverified: 499,
    };
    let absent = blobs(16, VARIETY);
    let hits = small.iter().map(|blob| Target::head(&path(blob), 200)).collect();
    let misses = absent.iter().map(|blob| Target::head(&path(blob), 404)).collect();
    vec![
        case("W1", "manifest by tag", Some(12.0), manifests(|chart| chart.tag.clone())),
        case("W2", "manifest by digest", Some(12.0), manifests(|chart| chart.manifest.digest.to_string())),
        case("W3", "HEAD blob, there", Some(10.0), hits),
        case("W3", "HEAD blob, not there", Some(10.0), misses),
        case("W4", "blob of 8 KB", None, get(small)),
        Case { at_least_nginx: true, ..case("W4", "blob of 100 KB", Some(25.0), get(medium)) },
        Case { connections: 4, unverified: 49, ..case("W4", "blob of 1 MB", None, get(large)) },
    ]
}

fn blobs(size: usize, count: u64) -> Vec<Blob> {
    (0..count).map(|at| Blob::random(size, size as u64 + at)).collect()
}

/// nginx gets files at the paths of the API.
fn fill(peer: &Peer, charts: &[Chart], blobs: &[Blob]) -> Result<()> {
    if peer.kind == Kind::Nginx {
        let root = peer.store().join("v2").join(REPOSITORY);
        fs::create_dir_all(root.join("manifests"))?;
        fs::create_dir_all(root.join("blobs"))?;
        for chart in charts {
            for name in [chart.tag.clone(), chart.manifest.digest.to_string()] {
                fs::write(root.join("manifests").join(name), &chart.manifest.bytes)?;
            }
        }
        for blob in blobs {
            fs::write(root.join("blobs").join(blob.digest.to_string()), &blob.bytes)?;
        }
        return Ok(());
    }
    let mut client = Client::open(peer.address())?;
    charts.iter().try_for_each(|chart| client.push(chart))?;
    blobs.iter().try_for_each(|blob| client.upload(REPOSITORY, blob))
}
