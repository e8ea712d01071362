//! The OCI distribution face, with the headers of the specification.

pub(super) mod blobs;
pub(super) mod lists;
pub(super) mod manifests;
pub(super) mod uploads;

use actix_http::StatusCode;

use super::headers::{DOCKER_DISTRIBUTION_API_VERSION, JSON, REGISTRY_2_0};
use super::reply::{Reply, set, whole};

/// "This is a registry", which clients ask first.
pub(super) fn ping() -> Reply {
    let mut reply = whole(StatusCode::OK, JSON, "{}");
    set(&mut reply, DOCKER_DISTRIBUTION_API_VERSION, REGISTRY_2_0);
    reply
}
