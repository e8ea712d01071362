//! Filling servers through their public API, many requests at a time.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, anyhow};

use crate::client::Client;
use crate::content::Chart;
use crate::peers::{Kind, Peer};

/// Clients that seed at the same time: their changes share commits.
const CLIENTS: usize = 32;
/// Tags that one PUT gives.
const TAGS_OF_ONE: usize = 50;

/// Does `work` with each of `items`, in no order.
pub fn in_parallel<T: Sync>(
    address: SocketAddr,
    items: &[T],
    work: impl Fn(&mut Client, &T) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let client = || {
        let mut client = Client::open(address)?;
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(&mut client, item)?;
        }
        anyhow::Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS.min(items.len())).map(|_| scope.spawn(client)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?)
    })
}

/// The name of the tag `at`: in this order they are listed.
pub fn tag(at: usize) -> String {
    format!("1.0.{at:06}")
}

/// Bytes of the package of a small chart.
pub const SMALL: usize = 1024;

/// One small chart in `repository` with `count` tags.
pub fn tags(peer: &Peer, repository: &str, count: usize) -> Result<()> {
    let (namespace, name) = repository.rsplit_once('/').unwrap_or(("bench", repository));
    let chart = Chart::new(namespace, name, &tag(0), SMALL);
    let mut client = Client::open(peer.address())?;
    client.push(&chart)?;
    let names: Vec<String> = (0..count).map(tag).collect();
    let digest = chart.manifest.digest.to_string();
    let references: Vec<String> = match peer.kind {
        Kind::Charthouse { .. } => {
            names.chunks(TAGS_OF_ONE).map(|part| format!("{digest}?tag={}", part.join("&tag="))).collect()
        }
        _ => names,
    };
    in_parallel(peer.address(), &references, |client, reference| {
        client.put_manifest(repository, reference, &chart.manifest.bytes)
    })
}
