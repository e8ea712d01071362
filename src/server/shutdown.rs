//! The end of a server: drained on the first signal, cut on the second.

use std::io;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use super::listener::RunningServer;

/// The part of `server.shutdown_timeout` that the last checkpoints may take, after the requests.
const CHECKPOINTS_PART: u32 = 4;

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals no longer end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Returns when the registry must not go on, or when a signal has come, requests in flight have ended or their time is over, and the registry has written
/// its last.
pub(super) async fn until_signalled(server: &mut RunningServer, mut signals: Signals) -> anyhow::Result<()> {
    let registry = Arc::clone(server.services().registry());
    tokio::select! {
        name = signals.next() => info!("{name}: draining"),
        reason = registry.stopped() => {
            server.stop(false);
            bail!(reason);
        }
        ended = server.ended() => {
            ended.context("the listener failed")?;
            bail!("the listener ended by itself");
        }
    }
    server.stop(true);
    let checkpoints = server.services().limits.drain / CHECKPOINTS_PART;
    let drained = async {
        server.ended().await.context("the listener failed while draining")?;
        registry.shutdown(checkpoints).await;
        Ok(())
    };
    tokio::select! {
        drained = drained => drained.inspect(|()| info!("stopped")),
        name = signals.next() => {
            server.stop(false);
            bail!("{name} while draining: requests in flight were cut")
        }
    }
}
