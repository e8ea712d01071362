//! What the registry's listener has answered, by action and status, and how long that took: plain atomics, so that a
//! request pays some tens of nanoseconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_http::StatusCode;

use crate::oci::{Access, KINDS};

/// What stands for the action of a request that has none.
pub(super) const NONE: &str = "none";
pub(super) const HEALTH: &str = "health";

/// Classes of status; the last is that of clients who were gone before there was an answer.
pub(super) const STATUSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "gone"];
/// What requests do, by which their times are told apart.
pub(super) const ACCESSES: [&str; 4] = ["none", "read", "write", "delete"];
/// Upper bounds of the buckets of times.
pub(super) const BOUNDS: [Duration; 9] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(10),
    Duration::from_secs(60),
];

const ACTIONS: usize = KINDS.len() + 2;

pub(super) struct Counts {
    requests: [[AtomicU64; STATUSES.len()]; ACTIONS],
    times: [Times; ACCESSES.len()],
}

/// A histogram.
#[derive(Default)]
pub(super) struct Times {
    /// Not cumulative; the last holds what is beyond all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        let requests = [const { [const { AtomicU64::new(0) }; STATUSES.len()] }; ACTIONS];
        Self { requests, times: Default::default() }
    }
}

impl Counts {
    pub(super) fn add(&self, kind: &str, access: Option<Access>, status: Option<StatusCode>, took: Duration) {
        let action = match KINDS.binary_search(&kind) {
            Ok(at) => at,
            Err(_) if kind == HEALTH => KINDS.len(),
            Err(_) => KINDS.len() + 1,
        };
        let status = match status.map(|status| status.as_u16()) {
            Some(..300) => 0,
            Some(300..400) => 1,
            Some(400..500) => 2,
            Some(500..) => 3,
            None => 4,
        };
        let access = match access {
            None => 0,
            Some(Access::Ping | Access::Catalog | Access::Read) => 1,
            Some(Access::Write) => 2,
            Some(Access::Delete) => 3,
        };
        self.requests[action][status].fetch_add(1, Ordering::Relaxed);
        self.times[access].add(took);
    }

    /// Action, class of status, and how many there were: those that there were.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let actions = KINDS.into_iter().chain([HEALTH, NONE]).zip(&self.requests);
        let all = actions.flat_map(|(action, by_status)| {
            let counts = STATUSES.into_iter().zip(by_status);
            counts.map(move |(status, count)| (action, status, count.load(Ordering::Relaxed)))
        });
        all.filter(|(_, _, count)| *count > 0)
    }

    pub(super) fn times(&self) -> impl Iterator<Item = (&'static str, &Times)> {
        ACCESSES.into_iter().zip(&self.times)
    }
}

impl Times {
    fn add(&self, took: Duration) {
        let bucket = BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// How many were in each bucket, that beyond all bounds included.
    pub(super) fn buckets(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().map(|count| count.load(Ordering::Relaxed))
    }

    pub(super) fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_action_and_status() {
        let counts = Counts::default();
        for status in [200, 206, 304, 404, 404, 503] {
            let status = StatusCode::from_u16(status).ok();
            counts.add("blob.get", Some(Access::Read), status, Duration::from_millis(1));
        }
        counts.add("manifest.put", Some(Access::Write), None, Duration::from_secs(61));
        counts.add(HEALTH, None, Some(StatusCode::OK), Duration::ZERO);
        counts.add(NONE, None, Some(StatusCode::NOT_FOUND), Duration::ZERO);
        let expected = [
            ("blob.get", "2xx", 2),
            ("blob.get", "3xx", 1),
            ("blob.get", "4xx", 2),
            ("blob.get", "5xx", 1),
            ("manifest.put", "gone", 1),
            ("health", "2xx", 1),
            ("none", "4xx", 1),
        ];
        assert_eq!(counts.requests().collect::<Vec<_>>(), expected);
        let times: Vec<(&str, Vec<u64>, Duration)> =
            counts.times().map(|(access, times)| (access, times.buckets().collect(), times.sum())).collect();
        assert_eq!(times[0], ("none", vec![2, 0, 0, 0, 0, 0, 0, 0, 0, 0], Duration::ZERO));
        assert_eq!(times[1], ("read", vec![6, 0, 0, 0, 0, 0, 0, 0, 0, 0], Duration::from_millis(6)));
        assert_eq!(times[2], ("write", vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 1], Duration::from_secs(61)));
    }

    #[test]
    fn every_kind_has_a_row_of_its_own() {
        let counts = Counts::default();
        for kind in KINDS {
            counts.add(kind, None, None, Duration::ZERO);
        }
        assert_eq!(
            counts.requests().map(|(kind, _, count)| (kind, count)).collect::<Vec<_>>(),
            KINDS.map(|kind| (kind, 1))
        );
    }
}
