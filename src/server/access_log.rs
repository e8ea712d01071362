//! One line for each request, when its answer has been sent or given up (`log.access`).
//! Switched off, it costs one comparison; a line is never formatted for nobody.

use std::net::IpAddr;
use std::time::Duration;

use actix_http::{Method, StatusCode};
use tracing::{Level, enabled, info};

use crate::oci::{Action, ApiAction};

/// The target of access lines, for log filters.
pub const TARGET: &str = "charthouse::access";

/// What stands for the status of a request that was never answered; no HTTP status, but read by every log tool.
const CLIENT_GONE: u16 = 499;

/// Characters of a path that has no meaning here: enough to see what was meant.
const MAX_PATH: usize = 128;

/// What a line says beyond the counters; collected while the request is at hand.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) method: Method,
    /// The beginning of a path without a meaning here.
    pub(super) path: String,
    pub(super) repository: String,
    /// Tag or digest.
    pub(super) reference: String,
    pub(super) remote: Option<IpAddr>,
    pub(super) received: u64,
}

/// How a request ended.
#[derive(Debug)]
pub(super) struct End {
    /// The action, or what stands for one.
    pub(super) kind: &'static str,
    /// None when the client was gone before there was an answer.
    pub(super) status: Option<StatusCode>,
    pub(super) sent: u64,
    pub(super) took: Duration,
    /// False when the connection ended before the answer did.
    pub(super) complete: bool,
}

pub(super) fn wanted() -> bool {
    enabled!(target: TARGET, Level::INFO)
}

impl Line {
    /// What the request was after.
    pub(super) fn describe(&mut self, action: &Action) {
        self.repository = match action {
            Action::ChartIndex { namespace }
            | Action::ChartFile { namespace, .. }
            | Action::ArtifactHub { namespace } => namespace.to_string(),
            Action::Api(ApiAction::Charts { namespace, .. }) => namespace.to_string(),
            Action::Api(ApiAction::Search { namespace: Some(namespace), .. }) => namespace.to_string(),
            _ => action.repository().map(ToString::to_string).unwrap_or_default(),
        };
        self.reference = match action {
            Action::ChartFile { file, .. } => file.to_string(),
            Action::Api(ApiAction::Version { version, .. } | ApiAction::View { version, .. }) => {
                version.to_string()
            }
            Action::GetManifest { reference, .. }
            | Action::HeadManifest { reference, .. }
            | Action::PutManifest { reference, .. }
            | Action::DeleteManifest { reference, .. } => reference.to_string(),
            Action::GetBlob { digest, .. }
            | Action::HeadBlob { digest, .. }
            | Action::DeleteBlob { digest, .. }
            | Action::PutUpload { digest, .. }
            | Action::Referrers { subject: digest, .. } => digest.to_string(),
            _ => String::new(),
        };
    }

    /// The request is after nothing that is here.
    pub(super) fn describe_path(&mut self, path: &str) {
        self.path = path.chars().take(MAX_PATH).collect();
    }

    pub(super) fn write(&self, end: &End) {
        info!(
            target: TARGET,
            request = %self.id,
            method = %self.method,
            kind = end.kind,
            repository = %self.repository,
            reference = %self.reference,
            path = (!self.path.is_empty()).then_some(self.path.as_str()),
            status = end.status.map_or(CLIENT_GONE, |status| status.as_u16()),
            bytes_in = self.received,
            bytes_out = end.sent,
            duration_us = end.took.as_micros() as u64,
            remote = self.remote.map(tracing::field::display),
            complete = end.complete,
            "request"
        );
    }
}
