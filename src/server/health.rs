//! The health of the deployment (`service.healthcheck`), for load balancers and `charthouse healthcheck`.

use std::time::Duration;

use actix_http::StatusCode;
use actix_http::header::CACHE_CONTROL;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::Services;
use super::headers::{JSON, NO_STORE};
use super::relay::here;
use super::reply::{Reply, set, whole};

/// A store that takes longer counts as not answering.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was found out about the store last, and when.
#[derive(Default)]
pub(super) struct Probe(Mutex<Option<(Instant, bool)>>);

impl Probe {
    /// Whether the store answers, and how old this news is. Requests that come together share one question.
    pub(super) async fn store_answers(&self, services: &Services) -> (bool, Duration) {
        let mut last = self.0.lock().await;
        let is_fresh = |at: &Instant| at.elapsed() < services.limits.probe;
        if let Some((at, answered)) = last.filter(|(at, _)| is_fresh(at)) {
            return (answered, at.elapsed());
        }
        let probe = timeout(PATIENCE, here(&services.store, services.registry.probe()));
        let answered = matches!(probe.await, Ok(Ok(())));
        *last = Some((Instant::now(), answered));
        (answered, Duration::ZERO)
    }
}

/// 200 `{"healthy":true}`, or 503 with the reason.
pub(super) async fn health(services: &Services) -> Reply {
    let (status, body) = if services.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"healthy":false,"reason":"draining"}"#)
    } else if !services.probe.store_answers(services).await.0 {
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"healthy":false,"reason":"the store does not answer"}"#)
    } else {
        (StatusCode::OK, r#"{"healthy":true}"#)
    };
    let mut reply = whole(status, JSON, body);
    set(&mut reply, CACHE_CONTROL, NO_STORE);
    reply
}
