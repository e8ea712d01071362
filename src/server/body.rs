//! Request bodies, read under the limits: a client may be slow, but not idle, endless or broken.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Payload;
use actix_http::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep};

use super::limits::Limits;

/// Why a request body was not read to its end. The connection is of no further use.
#[derive(Debug, Error)]
pub(super) enum BodyError {
    #[error("no byte of the request body arrived for {} seconds", .0.as_secs())]
    Idle(Duration),
    #[error("the request body arrives more slowly than {0} bytes a second")]
    TooSlow(u64),
    #[error("the request body is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the request body broke off or is not framed as HTTP demands")]
    Broken(#[source] PayloadError),
}

/// Bytes after which room is made for the whole declared length.
const IN_EARNEST: usize = 32 * 1024;

/// The body of one request.
pub(super) struct RequestBody {
    payload: Payload,
    limits: Limits,
    pace: Pace,
    received: u64,
}

impl RequestBody {
    pub(super) fn new(payload: Payload, limits: Limits) -> Self {
        let pace = Pace::new(limits.body_window, limits.body_rate);
        Self { payload, limits, pace, received: 0 }
    }

    /// The next piece, at most some tens of KiB; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        let mut wait: Option<(Instant, Pin<Box<Sleep>>)> = None;
        let piece = poll_fn(|cx| self.poll_piece(cx, &mut wait)).await?;
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => return Some(Err(error)),
        };
        self.received += piece.len() as u64;
        let waited = wait.map_or(Duration::ZERO, |(since, _)| since.elapsed());
        match self.pace.on_track(piece.len() as u64, waited) {
            true => Some(Ok(piece)),
            false => Some(Err(BodyError::TooSlow(self.limits.body_rate))),
        }
    }

    /// The whole body, of at most `cap` bytes.
    pub(super) async fn whole(&mut self, declared: Option<u64>, cap: u64) -> Result<Bytes, BodyError> {
        if declared.is_some_and(|length| length > cap) {
            return Err(BodyError::TooLarge(cap));
        }
        let mut whole: Vec<u8> = Vec::new();
        while let Some(piece) = self.next().await {
            let piece = piece?;
            if self.received > cap {
                return Err(BodyError::TooLarge(cap));
            }
            // A declared length is believed only of a client that has begun to send in earnest.
            if let Some(declared) = declared.filter(|_| whole.len() >= IN_EARNEST) {
                whole.reserve_exact((declared as usize).saturating_sub(whole.len()));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// Bytes read so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// A timer runs only while the client is waited for.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        wait: &mut Option<(Instant, Pin<Box<Sleep>>)>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Poll::Ready(piece) = Pin::new(&mut self.payload).poll_next(cx) {
            return Poll::Ready(piece.map(|read| read.map_err(BodyError::Broken)));
        }
        let idle = self.limits.body_idle;
        let (_, timer) = wait.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(idle))));
        timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Idle(idle))))
    }
}

/// The minimum rate: bytes over the time spent waiting for the client. Time in which the server does not read
/// is its own affair.
struct Pace {
    window: Duration,
    rate: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    fn new(window: Duration, rate: u64) -> Self {
        Self { window, rate, waited: Duration::ZERO, bytes: 0 }
    }

    /// Counts a piece; false at the end of a window that brought too little.
    fn on_track(&mut self, bytes: u64, waited: Duration) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited += waited;
        if self.waited < self.window {
            return true;
        }
        let enough = (self.rate as f64 * self.waited.as_secs_f64()) as u64;
        let on_track = self.bytes >= enough;
        (self.bytes, self.waited) = (0, Duration::ZERO);
        on_track
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_client_below_the_rate_over_a_whole_window_is_off_track() {
        let mut pace = Pace::new(60 * SECOND, 1024);
        let verdicts: Vec<bool> = (0..60).map(|_| pace.on_track(1, SECOND)).collect();
        assert_eq!(verdicts.iter().position(|on_track| !on_track), Some(59));
    }

    #[test]
    fn a_client_at_the_rate_stays_on_track() {
        let mut pace = Pace::new(60 * SECOND, 1024);
        assert!((0..600).all(|_| pace.on_track(1024, SECOND)));
    }

    #[test]
    fn a_burst_does_not_pay_for_later_windows() {
        let mut pace = Pace::new(60 * SECOND, 1024);
        assert!(pace.on_track(1 << 30, 60 * SECOND));
        assert!(!pace.on_track(1, 60 * SECOND));
    }

    #[test]
    fn time_in_which_the_server_does_not_read_is_not_held_against_the_client() {
        let mut pace = Pace::new(60 * SECOND, 1024);
        assert!((0..10_000).all(|_| pace.on_track(1, Duration::ZERO)));
    }
}
