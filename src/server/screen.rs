//! What a request is refused for by its head alone: before it is routed, before anybody is asked who sends it, and before
//! its body is read.

use actix_http::header::AUTHORIZATION;
use actix_http::{Method, RequestHead};

use super::error::Failure;
use super::{Services, cross_site, local_only};

/// The rules for every path, in the order in which they are applied.
///
/// # Errors
/// The rule that the request breaks.
pub(super) fn screen(services: &Services, head: &RequestHead) -> Result<(), Failure> {
    if head.headers.get_all(AUTHORIZATION).nth(1).is_some() {
        return Err(Failure::SeveralAuthorizations);
    }
    if services.policy.is_local_only() && !is_about_health(services, head) && !local_only::is_local(head) {
        return Err(Failure::Denied(local_only::RULE));
    }
    match cross_site::is_foreign_change(&services.settings.server, head) {
        true => Err(Failure::Denied(cross_site::RULE)),
        false => Ok(()),
    }
}

/// Supervisors ask for the health under whatever name they have, and learn nothing of the registry.
fn is_about_health(services: &Services, head: &RequestHead) -> bool {
    matches!(head.method, Method::GET | Method::HEAD)
        && head.uri.path() == services.settings.service.healthcheck.as_str()
}
