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

/// What was found out about the store last.
#[derive(Default)]
pub(super) struct Probe(Mutex<Found>);

#[derive(Clone, Copy, Default)]
struct Found {
    last: Option<(Instant, bool)>,
    last_answer: Option<Instant>,
}

/// How the store is.
#[derive(Clone, Copy)]
pub(super) struct News {
    pub answers: bool,
    pub age: Duration,
    /// Whether reads are answered: from the store, or for a while from what was known last (`storage.outage_reads`).
    pub serves_reads: bool,
}

impl Probe {
    /// Requests that come together share one question to the store.
    pub(super) async fn news(&self, services: &Services) -> News {
        let mut found = self.0.lock().await;
        let is_fresh = |at: &Instant| at.elapsed() < services.limits.probe;
        let (at, answers) = match found.last.filter(|(at, _)| is_fresh(at)) {
            Some(last) => last,
            None => {
                let probe = timeout(PATIENCE, here(&services.store, services.registry.probe()));
                let last = (Instant::now(), matches!(probe.await, Ok(Ok(()))));
                found.last = Some(last);
                last
            }
        };
        if answers {
            found.last_answer = Some(at);
        }
        let outage_reads = services.settings.storage.outage_reads;
        let goes_on = found.last_answer.is_some_and(|at| at.elapsed() < outage_reads);
        News { answers, age: at.elapsed(), serves_reads: answers || goes_on }
    }
}

/// 200 `{"healthy":true}`, or 503 with the reason.
pub(super) async fn health(services: &Services) -> Reply {
    let (status, body) = if services.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"healthy":false,"reason":"draining"}"#)
    } else if !services.probe.news(services).await.serves_reads {
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"healthy":false,"reason":"the store does not answer"}"#)
    } else {
        (StatusCode::OK, r#"{"healthy":true}"#)
    };
    let mut reply = whole(status, JSON, body);
    set(&mut reply, CACHE_CONTROL, NO_STORE);
    reply
}
