//! W10: `index.yaml` of a classic chart repository with many versions.

use std::fs;

use anyhow::{Context, Result, ensure};
use charthouse::oci::Digest;

use super::{Bench, CPU, WALL, discard, millis, seed};
use crate::client::Client;
use crate::content::Chart;
use crate::load::{Shape, Target, measure};
use crate::peers::{Kind, Peer};
use crate::report::{Figure, number};

const INDEX: &str = "/bench/index.yaml";
const VERSIONS_OF_ONE: usize = 100;
/// Pushes after each of which the index is read, in one repetition.
const PUSHES: usize = 5;
/// Milliseconds that the first read after a push may take longer.
const AFTER_PUSH: f64 = 2.0;
const SIZE: Figure = Figure::less("size", "MB");
const LATER: Figure = Figure::less("first read after a push, longer than a warm one", "ms");

pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    let counts: &[usize] = if bench.plan.quick { &[1_000, 10_000] } else { &[1_000, 10_000, 100_000] };
    for count in counts {
        let peer = bench.stage.start(Kind::OURS, &format!("index{count}"))?;
        let (status, ..) = seed_one(&peer)?.get(INDEX, "")?;
        if status != 200 {
            bench.report.note(format!("W10 is not available: {status} for {INDEX}"));
            return peer.discard();
        }
        seed_all(&peer, *count)?;
        measure_all(bench, peer, *count)?;
    }
    bench.report.note("W10: ChartMuseum is not measured");
    Ok(())
}

fn name(at: usize) -> String {
    format!("chart-{:04}", at / VERSIONS_OF_ONE)
}

fn version(at: usize) -> String {
    format!("1.{}.0", at % VERSIONS_OF_ONE)
}

fn seed_one(peer: &Peer) -> Result<Client> {
    let mut client = Client::open(peer.address())?;
    client.push(&Chart::new("bench", &name(0), &version(0), seed::SMALL))?;
    Ok(client)
}

fn seed_all(peer: &Peer, count: usize) -> Result<()> {
    let all: Vec<usize> = (0..count).collect();
    seed::in_parallel(peer.address(), &all, |client, at| {
        client.add(&Chart::new("bench", &name(*at), &version(*at), seed::SMALL))
    })
}

fn measure_all(bench: &mut Bench<'_>, ours: Peer, count: usize) -> Result<()> {
    let mut client = Client::open(ours.address())?;
    let (_, index, tag) = client.get(INDEX, "")?;
    let tag = tag.context("an index without an ETag")?;
    let text = String::from_utf8_lossy(&index);
    for at in [0, count - 1] {
        ensure!(text.contains(&format!("{}-{}.tgz", name(at), version(at))), "an index without {}", name(at));
    }
    bench.report.record(SIZE.of("W10", case(count)), Kind::OURS, index.len() as f64 / 1e6);
    let mut peers = vec![ours];
    peers.extend(bench.start(&[Kind::Nginx], &format!("index{count}"))?);
    for nginx in &peers[1..] {
        let path = nginx.store().join(INDEX.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(path, &index)?;
    }
    let whole = Target::get_known(INDEX, Digest::sha256(&index), index.len() as u64);
    let unchanged = Target::with_headers(INDEX, &format!("If-None-Match: {tag}\r\n"), 304);
    let gzip = Target::with_headers(INDEX, "Accept-Encoding: gzip\r\n", 200);
    for _ in 0..bench.plan.repetitions {
        for (what, target) in [("whole", &whole), ("304", &unchanged), ("gzip", &gzip)] {
            let asked = if what == "whole" { &peers[..] } else { &peers[..1] };
            for peer in asked {
                load(bench, peer, &format!("{}, {what}", case(count)), target)?;
            }
        }
    }
    for at in 0..bench.plan.repetitions * PUSHES {
        read_after_push(bench, &mut client, count, at)?;
    }
    bench.report.bar(LATER.of("W10", case(count)), AFTER_PUSH);
    discard(peers)
}

fn case(count: usize) -> String {
    format!("index of {} versions", number(count as f64))
}

fn load(bench: &mut Bench<'_>, peer: &Peer, case: &str, target: &Target) -> Result<()> {
    let shape = Shape { connections: 4, duration: bench.plan.read, unverified: 99 };
    let cost = measure(peer, std::slice::from_ref(target), shape)?;
    bench.report.record(CPU.of("W10", case), peer.kind, cost.cpu_us);
    bench.report.record(WALL.of("W10", case), peer.kind, 1e3 / cost.rate);
    Ok(())
}

fn read_after_push(bench: &mut Bench<'_>, client: &mut Client, count: usize, at: usize) -> Result<()> {
    let warm = client.time(INDEX)?;
    let chart = Chart::new("bench", &name(at * VERSIONS_OF_ONE % count), &format!("2.{at}.0"), seed::SMALL);
    client.add(&chart)?;
    let first = client.time(INDEX)?;
    if at == 0 {
        let (_, index, _) = client.get(INDEX, "")?;
        ensure!(String::from_utf8_lossy(&index).contains("-2.0.0.tgz"), "an index without what was pushed");
    }
    bench.report.record(LATER.of("W10", case(count)), Kind::OURS, millis(first) - millis(warm));
    Ok(())
}
