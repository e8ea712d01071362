//! The health of the deployment (`service.healthcheck`), for load balancers and `charthouse healthcheck`.

use actix_http::StatusCode;
use actix_http::header::{CACHE_CONTROL, HeaderValue};

use super::Services;
use super::reply::{Reply, set, whole};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// 200 `{"healthy":true}`, or 503 with the reason.
pub(super) async fn health(services: &Services) -> Reply {
    let (status, body) = if services.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"healthy":false,"reason":"draining"}"#)
    } else {
        (StatusCode::OK, r#"{"healthy":true}"#)
    };
    let mut reply = whole(status, JSON, body);
    set(&mut reply, CACHE_CONTROL, NO_STORE);
    reply
}
