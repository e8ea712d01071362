//! Counts the HTTP requests of a backend that makes some: one call of a verb can be several, and several attempts.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpOperation {
    Put,
    Get,
    Head,
    List,
    Delete,
    Copy,
}

/// The class of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpOutcome {
    Success,
    /// 3xx as well: no redirect is followed.
    ClientError,
    ServerError,
    None,
}

/// The backend adds to it each attempt that it makes; whoever opened the backend reads it.
#[derive(Default)]
pub struct HttpRequests([[AtomicU64; HttpOutcome::ALL.len()]; HttpOperation::ALL.len()]);

impl HttpRequests {
    /// Counts an attempt, with the status of its answer if there was one.
    pub fn add(&self, operation: HttpOperation, status: Option<u16>) {
        self.counter(operation, HttpOutcome::of(status)).fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self, operation: HttpOperation, outcome: HttpOutcome) -> u64 {
        self.counter(operation, outcome).load(Ordering::Relaxed)
    }

    fn counter(&self, operation: HttpOperation, outcome: HttpOutcome) -> &AtomicU64 {
        &self.0[operation as usize][outcome as usize]
    }
}

impl HttpOperation {
    pub const ALL: [Self; 6] = [Self::Put, Self::Get, Self::Head, Self::List, Self::Delete, Self::Copy];

    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Copy => "copy",
        }
    }
}

impl HttpOutcome {
    pub const ALL: [Self; 4] = [Self::Success, Self::ClientError, Self::ServerError, Self::None];

    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::None => "none",
        }
    }

    fn of(status: Option<u16>) -> Self {
        match status {
            None => Self::None,
            Some(200..=299) => Self::Success,
            Some(500..) => Self::ServerError,
            Some(_) => Self::ClientError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_by_the_class_of_their_answer() {
        let requests = HttpRequests::default();
        for status in [Some(200), Some(206), Some(301), Some(404), Some(412), Some(500), Some(503), None] {
            requests.add(HttpOperation::Get, status);
        }
        requests.add(HttpOperation::Copy, None);
        let of = |operation| HttpOutcome::ALL.map(|outcome| requests.count(operation, outcome));
        assert_eq!(of(HttpOperation::Get), [2, 3, 2, 1]);
        assert_eq!(of(HttpOperation::Copy), [0, 0, 0, 1]);
        assert_eq!(of(HttpOperation::Put), [0; 4]);
    }
}
