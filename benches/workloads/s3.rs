//! W5 over S3: how many requests to the store a push and a pull cost, counted by a proxy before MinIO, and how long they
//! take without it.

use std::fs;
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};

use super::{Bench, millis};
use crate::client::Client;
use crate::content::Chart;
use crate::counting::{CountingProxy, Counts};
use crate::peers::{Bucket, Kind, Peer};
use crate::report::Figure;

const SIZES: [(usize, &str); 2] = [(8 << 10, "8 KB"), (100 << 10, "100 KB")];
const CLIENTS: usize = 16;
/// Pushes of each client in the case of several.
const EACH: usize = 10;

const REQUESTS: Figure = Figure::less("requests to S3", "");
const CREATES: Figure = Figure::less("PUT requests to S3", "");
const TIME: Figure = Figure::less("time", "ms");

pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    if !bench.stage.has(Kind::Minio) {
        bench.report.note("S3 was not measured: there is no MinIO (scripts/install-peers).");
        return Ok(());
    }
    let minio = bench.stage.start(Kind::Minio, "s3")?;
    for kind in [Kind::OURS, Kind::Distribution].into_iter().filter(|kind| bench.stage.has(*kind)) {
        let proxy = CountingProxy::start(minio.address())?;
        for (counted, endpoint) in [(Some(&proxy), proxy.address()), (None, minio.address())] {
            let name = format!("{}-{}", kind.name(), if counted.is_some() { "counted" } else { "timed" });
            fs::create_dir(minio.store().join(&name))?;
            let peer =
                bench.stage.start_over_bucket(kind, &name, &Bucket { name: name.clone(), endpoint })?;
            measure(bench, &peer, counted)?;
            peer.discard()?;
        }
    }
    minio.discard()
}

fn measure(bench: &mut Bench<'_>, peer: &Peer, proxy: Option<&CountingProxy>) -> Result<()> {
    let mut client = Client::open(peer.address())?;
    for (size, name) in SIZES {
        let namespace = format!("size-{size}");
        for n in 0..=bench.plan.repetitions.max(3) {
            let chart = Chart::new(&namespace, "app", &format!("1.0.{n}"), size);
            let case = if n == 0 { format!("first push, {name}") } else { format!("push, {name}") };
            record(bench, peer, proxy, &case, || client.push(&chart))?;
        }
        let newest = Chart::new(&namespace, "app", "1.0.1", size);
        for _ in 0..bench.plan.repetitions.max(3) {
            record(bench, peer, proxy, &format!("pull by tag, {name}"), || pull(&mut client, &newest))?;
        }
        several(bench, peer, proxy, size, name)?;
        set_bars(bench, size, name);
    }
    if peer.kind == Kind::OURS {
        let path = format!("/size-{}/index.yaml", SIZES[0].0);
        for _ in 0..bench.plan.repetitions.max(3) {
            record(bench, peer, proxy, "index", || client.ask("GET", &path, 200))?;
        }
        bench.report.bar(REQUESTS.of("S3", "index"), 1.0);
    }
    Ok(())
}

/// What `helm pull` asks for.
fn pull(client: &mut Client, chart: &Chart) -> Result<()> {
    let Chart { repository, tag, config, layer, .. } = chart;
    client.ask("GET", &format!("/v2/{repository}/manifests/{tag}"), 200)?;
    for blob in [config, layer] {
        client.ask("GET", &format!("/v2/{repository}/blobs/{}", blob.digest), 200)?;
    }
    Ok(())
}

fn record(
    bench: &mut Bench<'_>,
    peer: &Peer,
    proxy: Option<&CountingProxy>,
    case: &str,
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    proxy.map(CountingProxy::take);
    let began = Instant::now();
    work()?;
    let time = began.elapsed();
    match proxy {
        Some(proxy) => count(bench, peer.kind, case, proxy.take(), 1),
        None => bench.report.record(TIME.of("S3", case), peer.kind, millis(time)),
    }
    Ok(())
}

fn count(bench: &mut Bench<'_>, kind: Kind, case: &str, counts: Counts, pushes: usize) {
    let each = |count: u64| count as f64 / pushes as f64;
    bench.report.record(REQUESTS.of("S3", case), kind, each(counts.total()));
    bench.report.record(CREATES.of("S3", case), kind, each(counts.put));
}

fn several(
    bench: &mut Bench<'_>,
    peer: &Peer,
    proxy: Option<&CountingProxy>,
    size: usize,
    name: &str,
) -> Result<()> {
    proxy.map(CountingProxy::take);
    let began = Instant::now();
    thread::scope(|scope| {
        let push = |client_number: usize| {
            let mut client = Client::open(peer.address())?;
            (0..EACH).try_for_each(|n| {
                let version = format!("2.{client_number}.{n}");
                client.push(&Chart::new(&format!("size-{size}"), "app", &version, size))
            })
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || push(number))).collect();
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| anyhow!("a client panicked"))?)
    })?;
    let case = format!("push, {name}, {CLIENTS} clients");
    let pushes = CLIENTS * EACH;
    let each = millis(began.elapsed()) / pushes as f64;
    match proxy {
        Some(proxy) => count(bench, peer.kind, &case, proxy.take(), pushes),
        None => bench.report.record(TIME.of("S3", &case), peer.kind, each),
    }
    Ok(())
}

/// At most 4 head checks, and a create for each of config, manifest, tag and package, and one more for a package that does
/// not ride along; two for the first push.
fn set_bars(bench: &mut Bench<'_>, size: usize, name: &str) {
    let creates = if size <= 16 << 10 { 4.0 } else { 5.0 };
    let report = &mut bench.report;
    report.bar(CREATES.of("S3", format!("first push, {name}")), creates + 2.0);
    report.bar(CREATES.of("S3", format!("push, {name}")), creates);
    report.bar(REQUESTS.of("S3", format!("push, {name}")), creates + 4.0);
    report.bar(CREATES.of("S3", format!("push, {name}, {CLIENTS} clients")), creates);
    report.bar(REQUESTS.of("S3", format!("pull by tag, {name}")), 1.0);
}
