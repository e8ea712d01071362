//! W6: the PUT that closes an upload in chunks. It must not cost more when more was uploaded.

use std::time::Instant;

use anyhow::Result;

use super::{Bench, WALL, discard, millis};
use crate::client::Client;
use crate::content::Blob;
use crate::peers::{Kind, Peer};
use crate::report::Figure;

const CHUNK: usize = 8 << 20;
const MOVED: Figure = Figure::less("bytes read and written", "KiB");
/// What the record of the chunks may take: nothing of the content.
const RECORDS: f64 = 256.0;

pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    let large = if bench.plan.quick { 64 } else { 256 };
    let peers = bench.start(&[Kind::OURS, Kind::Distribution], "chunked")?;
    for mib in [1, large] {
        let case = format!("close an upload of {mib} MiB");
        let blob = Blob::random(mib << 20, mib as u64);
        for at in 0..bench.plan.repetitions.min(5) {
            for peer in &peers {
                let (time, moved) = close(peer, &format!("bench/chunked{mib}-{at}"), &blob)?;
                bench.report.record(WALL.of("W6", &case), peer.kind, time);
                bench.report.record(MOVED.of("W6", &case), peer.kind, moved);
            }
        }
        bench.report.bar(MOVED.of("W6", &case), RECORDS);
    }
    discard(peers)
}

/// Milliseconds and KiB of the closing PUT.
fn close(peer: &Peer, repository: &str, blob: &Blob) -> Result<(f64, f64)> {
    let mut client = Client::open(peer.address())?;
    let closing = client.upload_chunks(repository, blob, CHUNK)?;
    let (moved, began) = (peer.moved()?, Instant::now());
    client.close(&closing)?;
    let time = began.elapsed();
    Ok((millis(time), (peer.moved()? - moved) as f64 / 1024.0))
}
