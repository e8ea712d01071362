//! One line for each request, when its answer has been sent or given up (`log.access`).
//! Switched off, it costs one comparison; a line is never formatted for nobody.

use std::net::IpAddr;
use std::time::Instant;

use actix_http::{Method, StatusCode};
use tracing::{Level, enabled, info};

/// The target of access lines, for log filters.
pub const TARGET: &str = "charthouse::access";

/// What a line says beyond the counters; collected while the request is at hand.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) method: Method,
    /// The action, or `none` when the path has no meaning here.
    pub(super) kind: &'static str,
    pub(super) repository: String,
    /// Tag, digest or upload.
    pub(super) reference: String,
    pub(super) remote: Option<IpAddr>,
    pub(super) began: Instant,
    pub(super) received: u64,
    pub(super) status: StatusCode,
}

pub(super) fn wanted() -> bool {
    enabled!(target: TARGET, Level::INFO)
}

impl Line {
    /// `complete` is false when the connection ended before the answer did.
    pub(super) fn write(&self, sent: u64, complete: bool) {
        info!(
            target: TARGET,
            request = %self.id,
            method = %self.method,
            kind = self.kind,
            repository = %self.repository,
            reference = %self.reference,
            status = self.status.as_u16(),
            bytes_in = self.received,
            bytes_out = sent,
            duration_us = self.began.elapsed().as_micros() as u64,
            remote = self.remote.map(tracing::field::display),
            complete,
            "request"
        );
    }
}
