//! `/readyz` and `/version`.

use std::time::Duration;

use actix_http::StatusCode;
use serde_json::{Value, json};

use super::Answer;
use crate::journal::DamageKind;
use crate::server::Services;
use crate::server::headers::JSON;
use crate::server::health::News;
use crate::telemetry::{COMMIT, VERSION};

/// Whether this server should get requests: it is not going away, and it answers reads.
pub(super) async fn is_ready(services: &Services) -> bool {
    !services.is_draining() && services.probe.news(services).await.serves_reads
}

/// 200 or 503, and what was looked at. A store that refuses writes still serves pulls, so it does not decide.
pub(super) async fn ready(services: &Services) -> Answer {
    let uptime = services.started.elapsed();
    let draining = services.draining.get();
    let accepting = match draining {
        None => check(true, uptime, None),
        Some(since) => check(false, since.elapsed(), Some("draining")),
    };
    let News { answers, age, serves_reads } = services.probe.news(services).await;
    let reason = match (answers, serves_reads) {
        (true, _) => None,
        (false, true) => Some("the store does not answer; reads go on for a while (storage.outage_reads)"),
        (false, false) => Some("the store does not answer"),
    };
    let store = check(answers, age, reason);
    let ready = draining.is_none() && serves_reads;
    let body = json!({
        "ready": ready,
        "checks": {
            "started": check(true, uptime, None),
            "accepting": accepting,
            "store": store,
            "writable": writable(services, uptime),
            "namespaces": namespaces(services, uptime),
        },
        "damage": damage(services),
    });
    json(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

/// The others are served, so it does not decide. Their names are in the log only.
fn namespaces(services: &Services, uptime: Duration) -> Value {
    let reason = match services.storage.damage.refused_namespaces() {
        0 => return check(true, uptime, None),
        1 => "1 namespace is refused, because its journal cannot be read: see the log".to_owned(),
        n => format!("{n} namespaces are refused, because their journals cannot be read: see the log"),
    };
    check(false, uptime, Some(&reason))
}

/// What was found damaged since the start, by kind.
fn damage(services: &Services) -> Value {
    let count = |kind: DamageKind| (kind.name().to_owned(), services.storage.damage.count(kind).into());
    Value::Object(DamageKind::ALL.into_iter().map(count).collect())
}

/// As the last write has shown; a store is not written to for the sake of asking.
fn writable(services: &Services, uptime: Duration) -> Value {
    if services.settings.storage.read_only {
        return check(false, uptime, Some("storage.read_only is set"));
    }
    match services.storage.requests.last_write() {
        None => check(true, uptime, None),
        Some((true, age)) => check(true, age, None),
        Some((false, age)) => check(false, age, Some("the store refused the last write: see the log")),
    }
}

fn check(ok: bool, age: Duration, reason: Option<&str>) -> Value {
    let mut check = json!({"ok": ok, "age_seconds": age.as_millis() as f64 / 1e3});
    if let Some(reason) = reason {
        check["reason"] = reason.into();
    }
    check
}

pub(super) fn version(services: &Services) -> Answer {
    let service = &services.settings.service;
    let body = json!({
        "name": service.name.as_str(),
        "environment": service.environment.as_str(),
        "version": VERSION,
        "commit": COMMIT,
    });
    json(StatusCode::OK, &body)
}

fn json(status: StatusCode, body: &Value) -> Answer {
    Answer { status, content_type: JSON, body: format!("{body}\n").into() }
}
