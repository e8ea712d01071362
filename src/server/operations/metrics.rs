//! `/metrics`: what is counted elsewhere, in the text format of Prometheus. docs/metrics.md describes each.

use actix_http::StatusCode;
use actix_http::header::HeaderValue;
use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::{Answer, probes};
use crate::backend::{HttpOperation, HttpOutcome, HttpRequests, Outcome, Requests, Verb};
use crate::journal::{DamageCounts, DamageKind};
use crate::server::Services;
use crate::server::counts::{BOUNDS, Counts, Times};
use crate::telemetry::{COMMIT, VERSION, process};

const TEXT_FORMAT: HeaderValue = HeaderValue::from_static(prometheus::TEXT_FORMAT);

pub(super) async fn metrics(services: &Services) -> Answer {
    let mut families = about(services, probes::is_ready(services).await);
    families.extend(of_http(&services.counts));
    families.extend(of_backend(&services.storage.requests));
    families.extend(services.storage.http.as_deref().map(of_s3));
    families.extend(of_damage(&services.storage.damage));
    families.extend(of_process(services));
    // A family without a sample is an error to the encoder.
    families.retain(|family| !family.get_metric().is_empty());
    match TextEncoder::new().encode_to_string(&families) {
        Ok(text) => Answer { status: StatusCode::OK, content_type: TEXT_FORMAT, body: text.into() },
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written: see the log\n")
        }
    }
}

fn about(services: &Services, ready: bool) -> Vec<MetricFamily> {
    vec![
        gauges(
            "charthouse_build_info",
            "What runs; always 1.",
            [gauge(&[("version", VERSION), ("commit", COMMIT)], 1.0)],
        ),
        gauges(
            "charthouse_ready",
            "Whether /readyz answers 200.",
            [gauge(&[], if ready { 1.0 } else { 0.0 })],
        ),
        gauges(
            "charthouse_namespaces_loaded",
            "Namespaces in memory.",
            [gauge(&[], services.registry.namespaces_loaded() as f64)],
        ),
        gauges(
            "charthouse_damage_marking_stopped",
            "Whether unreadable content is not marked as damaged, because there is too much of it.",
            [gauge(&[], if services.registry.is_marking_stopped() { 1.0 } else { 0.0 })],
        ),
    ]
}

fn of_http(counts: &Counts) -> [MetricFamily; 2] {
    let requests = counts
        .requests()
        .map(|(action, status, count)| counter(&[("action", action), ("status", status)], count as f64));
    let times = counts.times().map(|(access, times)| histogram(&[("access", access)], times));
    [
        counters("charthouse_http_requests_total", "Requests answered.", requests),
        family(
            "charthouse_http_request_seconds",
            "Time from a request's head to the last byte of its answer.",
            MetricType::HISTOGRAM,
            times,
        ),
    ]
}

fn of_backend(requests: &Requests) -> [MetricFamily; 2] {
    let calls = Verb::ALL.into_iter().flat_map(|verb| {
        Outcome::ALL.map(|outcome| {
            let labels = [("verb", verb.name()), ("outcome", outcome.name())];
            counter(&labels, requests.count(verb, outcome) as f64)
        })
    });
    let times = Verb::ALL.map(|verb| counter(&[("verb", verb.name())], requests.time(verb).as_secs_f64()));
    [
        counters("charthouse_backend_requests_total", "Calls of the store.", calls),
        counters("charthouse_backend_seconds_total", "Time that calls of the store took.", times),
    ]
}

fn of_s3(requests: &HttpRequests) -> MetricFamily {
    let all = HttpOperation::ALL.into_iter().flat_map(|operation| {
        HttpOutcome::ALL.map(|outcome| {
            let labels = [("operation", operation.name()), ("outcome", outcome.name())];
            counter(&labels, requests.count(operation, outcome) as f64)
        })
    });
    counters("charthouse_s3_requests_total", "HTTP requests to the store, repeated ones included.", all)
}

fn of_damage(damage: &DamageCounts) -> [MetricFamily; 2] {
    let found = DamageKind::ALL.map(|kind| counter(&[("kind", kind.name())], damage.count(kind) as f64));
    [
        counters("charthouse_storage_damage_total", "Damage found in the store.", found),
        gauges(
            "charthouse_namespaces_refused",
            "Namespaces that are refused because their journal cannot be read.",
            [gauge(&[], damage.refused_namespaces() as f64)],
        ),
    ]
}

fn of_process(services: &Services) -> [MetricFamily; 4] {
    let known = |value: Option<u64>| value.map(|value| gauge(&[], value as f64));
    let started_at = services.started_at.micros() as f64 / 1e6;
    [
        counters("process_cpu_seconds_total", "CPU time used.", [counter(&[], process::cpu().as_secs_f64())]),
        gauges(
            "process_resident_memory_bytes",
            "Memory that is resident.",
            known(process::resident_memory()),
        ),
        gauges("process_open_fds", "Open files and sockets.", known(process::open_fds())),
        gauges(
            "process_start_time_seconds",
            "When the server started, since 1970.",
            [gauge(&[], started_at)],
        ),
    ]
}

fn counters(name: &str, help: &str, samples: impl IntoIterator<Item = Metric>) -> MetricFamily {
    family(name, help, MetricType::COUNTER, samples)
}

fn gauges(name: &str, help: &str, samples: impl IntoIterator<Item = Metric>) -> MetricFamily {
    family(name, help, MetricType::GAUGE, samples)
}

fn family(
    name: &str,
    help: &str,
    kind: MetricType,
    samples: impl IntoIterator<Item = Metric>,
) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(samples.into_iter().collect());
    family
}

fn counter(labels: &[(&str, &str)], value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

fn gauge(labels: &[(&str, &str)], value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

fn histogram(labels: &[(&str, &str)], times: &Times) -> Metric {
    let mut total = 0;
    let cumulative: Vec<u64> = times
        .buckets()
        .map(|count| {
            total += count;
            total
        })
        .collect();
    let bucket = |(bound, count): (&std::time::Duration, &u64)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound.as_secs_f64());
        bucket.set_cumulative_count(*count);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(BOUNDS.iter().zip(&cumulative).map(bucket).collect());
    histogram.set_sample_count(total);
    histogram.set_sample_sum(times.sum().as_secs_f64());
    let mut metric = labelled(labels);
    metric.set_histogram(histogram);
    metric
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oci::KINDS;
    use crate::server::counts::{HEALTH, NONE};

    #[test]
    fn there_are_at_most_500_series_and_all_can_be_written() {
        let (counts, http) = (Counts::default(), HttpRequests::default());
        for kind in KINDS.into_iter().chain([HEALTH, NONE]) {
            for status in [200, 304, 404, 503] {
                counts.add(kind, None, StatusCode::from_u16(status).ok(), Duration::from_secs(1));
            }
            counts.add(kind, None, None, Duration::from_secs(100));
        }
        let mut families = vec![of_s3(&http)];
        families.extend(of_http(&counts));
        families.extend(of_backend(&Requests::default()));
        families.extend(of_damage(&DamageCounts::default()));
        let text = TextEncoder::new().encode_to_string(&families).unwrap();
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        // Beside these there are one of each process and few about the server.
        assert!((300..490).contains(&series), "{series}");
        assert!(
            text.contains("charthouse_http_request_seconds_bucket{access=\"none\",le=\"60\"} 188\n"),
            "{text}"
        );
        assert!(
            text.contains("charthouse_http_request_seconds_bucket{access=\"none\",le=\"+Inf\"} 235\n"),
            "{text}"
        );
        assert!(text.contains("charthouse_http_request_seconds_sum{access=\"none\"} 4888\n"), "{text}");
    }
}
