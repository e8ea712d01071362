//! W7: pages of 100 tags out of many. A page must cost the same however many tags there are, and wherever it is.

use anyhow::{Result, ensure};

use super::{Bench, CPU, RATE, discard, seed};
use crate::client::Client;
use crate::load::{Shape, Target, measure};
use crate::peers::{Kind, Peer};
use crate::report::{Figure, Key, number};

const PAGE: usize = 100;
/// More than this is not pushed into a registry that takes one tag with each request.
const ONE_BY_ONE: usize = 10_000;
/// What counts as flat.
const FLAT: f64 = 1.5;

pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    let counts: &[usize] = if bench.plan.quick { &[100, 10_000] } else { &[100, 10_000, 100_000] };
    let kinds = [Kind::OURS, Kind::Charthouse { access: true }, Kind::Distribution];
    let peers = bench.start(&kinds, "tags")?;
    let mut filled = Vec::new();
    for peer in &peers {
        for count in counts.iter().filter(|count| is_seeded(bench, peer, **count)) {
            seed::tags(peer, &repository(*count), *count)?;
            filled.push((peer, *count));
        }
    }
    for at in 0..bench.plan.repetitions {
        for (peer, count) in &filled {
            for (place, last) in pages(*count) {
                let path = format!("/v2/{}/tags/list?n={PAGE}{last}", repository(*count));
                if at == 0 {
                    check(peer, &path)?;
                }
                let shape =
                    Shape { connections: 16, duration: bench.plan.read / 2, unverified: u64::MAX - 1 };
                let cost = measure(peer, &[Target::with_headers(&path, "", 200)], shape)?;
                bench.report.record(key(CPU, *count, place), peer.kind, cost.cpu_us);
                bench.report.record(key(RATE, *count, place), peer.kind, cost.rate);
            }
        }
    }
    let first = bench.report.median(&key(CPU, PAGE, "first"), Kind::OURS);
    for count in &counts[1..] {
        for (place, _) in pages(*count) {
            first.iter().for_each(|cpu| bench.report.bar(key(CPU, *count, place), FLAT * cpu));
        }
    }
    drop(filled);
    discard(peers)
}

fn is_seeded(bench: &mut Bench<'_>, peer: &Peer, count: usize) -> bool {
    let most = if bench.plan.quick { PAGE } else { ONE_BY_ONE };
    let seeded = peer.kind != Kind::Distribution || count <= most;
    if !seeded {
        bench.report.note(format!(
            "W7: distribution is not measured with {} tags: to push them takes too long",
            number(count as f64)
        ));
    }
    seeded
}

fn key(figure: Figure, count: usize, place: &str) -> Key {
    figure.of("W7", format!("{place} page of {PAGE} of {} tags", number(count as f64)))
}

fn repository(count: usize) -> String {
    format!("bench/tags{count}")
}

/// Where a page is, and the part of the query that asks for it.
fn pages(count: usize) -> Vec<(&'static str, String)> {
    let after = |at: usize| format!("&last={}", seed::tag(at));
    match count {
        PAGE => vec![("first", String::new())],
        _ => vec![("first", String::new()), ("middle", after(count / 2)), ("last", after(count - PAGE - 1))],
    }
}

fn check(peer: &Peer, path: &str) -> Result<()> {
    let (status, body, _) = Client::open(peer.address())?.get(path, "")?;
    ensure!(status == 200, "{status} for {path}");
    let listing: serde_json::Value = serde_json::from_slice(&body)?;
    let listed = listing["tags"].as_array().map_or(0, Vec::len);
    ensure!(listed == PAGE, "{listed} tags in {path} of {}", peer.kind.name());
    Ok(())
}
