//! What one client may take of the server (docs/internals/threat-model.md#part-b-limits-and-choices,
//! "Head/idle timeouts").

use std::time::Duration;

use crate::config::Server;

/// Times and sizes at which a client is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A request head must be complete this long after its first byte.
    pub head: Duration,
    /// An idle connection is closed after this time.
    pub keep_alive: Duration,
    /// A request body may pause for this long.
    pub body_idle: Duration,
    /// A request body must bring at least `body_rate` bytes a second over any such time spent waiting for it.
    pub body_window: Duration,
    pub body_rate: u64,
    /// A client that takes nothing of its answer for this long is cut off.
    pub write_stall: Duration,
    /// The largest manifest, in bytes. Clients refuse larger ones than the default.
    pub manifest: u64,
    /// The largest package that ChartMuseum's API takes, in bytes: it is held in memory.
    pub package: u64,
    /// For how long what was found out about the store is believed by `/health` and `/readyz`.
    pub probe: Duration,
    /// How long requests in flight may go on after a signal to stop.
    pub drain: Duration,
}

impl Limits {
    pub fn of(settings: &Server) -> Self {
        Self {
            head: settings.limits.head_timeout,
            keep_alive: settings.limits.keep_alive,
            body_idle: settings.limits.body_idle_timeout,
            body_window: Duration::from_secs(60),
            body_rate: settings.limits.minimum_rate.bytes(),
            write_stall: Duration::from_secs(60),
            manifest: 4 * 1024 * 1024,
            package: settings.limits.package.bytes(),
            probe: Duration::from_secs(5),
            drain: settings.shutdown_timeout,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(&Server::default())
    }
}
