//! W14: from the start of the process to the first manifest, over a store that is not empty.

use anyhow::Result;

use super::{Bench, millis, seed};
use crate::client::Client;
use crate::content::Chart;
use crate::peers::{Kind, Peer};
use crate::report::{Figure, number};

const FIRST: Figure = Figure::less("start to first answer", "ms");
const TAGS: usize = 10_000;
const REPOSITORY: &str = "bench/app";
/// Changes that no checkpoint has when the process is killed.
const TAIL: usize = 20;
const BAR: f64 = 100.0;

pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    many_tags(bench, Kind::OURS)?;
    match (bench.plan.quick, bench.stage.has(Kind::Distribution)) {
        (false, true) => many_tags(bench, Kind::Distribution)?,
        _ => bench
            .report
            .note("W14: distribution is measured in a full run only: to push 10,000 tags takes long"),
    }
    many_namespaces(bench)
}

fn many_tags(bench: &mut Bench<'_>, kind: Kind) -> Result<()> {
    let mut peer = bench.stage.start(kind, "start-tags")?;
    seed::tags(&peer, REPOSITORY, TAGS)?;
    let path = format!("/v2/{REPOSITORY}/manifests/{}", seed::tag(TAGS / 2));
    for at in 0..bench.plan.repetitions {
        peer = restart(bench, peer, "10,000 tags, after a stop", &path, true)?;
        push_tail(&peer, at)?;
        peer = restart(bench, peer, "10,000 tags, after kill -9", &path, false)?;
    }
    peer.discard()
}

fn many_namespaces(bench: &mut Bench<'_>) -> Result<()> {
    let count = if bench.plan.quick { 100 } else { 1_000 };
    let mut peer = bench.stage.start(Kind::OURS, "start-namespaces")?;
    let all: Vec<usize> = (0..count).collect();
    seed::in_parallel(peer.address(), &all, |client, at| {
        client.push(&Chart::new(&format!("team{at}"), "app", "1.0.0", seed::SMALL))
    })?;
    let path = format!("/v2/team{}/app/manifests/1.0.0", count / 2);
    for _ in 0..bench.plan.repetitions {
        peer =
            restart(bench, peer, &format!("{} namespaces, after a stop", number(count as f64)), &path, true)?;
        peer = restart(
            bench,
            peer,
            &format!("{} namespaces, after kill -9", number(count as f64)),
            &path,
            false,
        )?;
    }
    peer.discard()
}

/// Ends a server, starts it again and records when it has answered.
fn restart(bench: &mut Bench<'_>, peer: Peer, case: &str, path: &str, in_peace: bool) -> Result<Peer> {
    let kind = peer.kind;
    let folder = if in_peace { peer.stop()? } else { peer.kill()? };
    let peer = bench.stage.start_over(kind, folder)?;
    Client::open(peer.address())?.ask("GET", path, 200)?;
    bench.report.record(FIRST.of("W14", case), kind, millis(peer.started.elapsed()));
    bench.report.bar(FIRST.of("W14", case), BAR);
    Ok(peer)
}

fn push_tail(peer: &Peer, repetition: usize) -> Result<()> {
    let mut client = Client::open(peer.address())?;
    for at in 0..TAIL {
        client.add(&Chart::new("bench", "app", &format!("2.{repetition}.{at}"), seed::SMALL))?;
    }
    Ok(())
}
