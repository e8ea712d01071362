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

use super::connection::InHand;
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
    #[error("the client is gone")]
    Gone,
}

/// Arrivals are gathered into pieces, by default of this many bytes: less traffic between threads. They are copied, because
/// each holds on to the whole read buffer, which actix then has to replace by a new one and can use again otherwise.
pub(super) const PIECE: usize = 32 * 1024;
/// Bytes after which a client is believed to send what it declared.
const IN_EARNEST: usize = 32 * 1024;

/// The body of one request.
pub(super) struct RequestBody {
    payload: Payload,
    connection: Option<InHand>,
    declared: Option<u64>,
    limits: Limits,
    pace: Pace,
    received: u64,
    /// What arrived and did not fit into the last piece.
    rest: Bytes,
    /// What ended the body, kept until everything before it was handed on.
    failed: Option<BodyError>,
}

impl RequestBody {
    /// `declared` is the `Content-Length`, where there is one.
    pub(super) fn new(
        payload: Payload,
        connection: Option<InHand>,
        declared: Option<u64>,
        limits: Limits,
    ) -> Self {
        let pace = Pace::new(limits.body_window, limits.body_rate);
        Self { payload, connection, declared, limits, pace, received: 0, rest: Bytes::new(), failed: None }
    }

    /// The next piece, of `size` bytes but for the last one; `None` at the end. An error comes after all that arrived
    /// before it.
    pub(super) async fn next(&mut self, size: usize) -> Option<Result<Bytes, BodyError>> {
        let mut piece = Vec::new();
        while self.failed.is_none() && piece.len() < size {
            if self.rest.is_empty() {
                match self.arrival().await {
                    Some(Ok(bytes)) => self.rest = bytes,
                    Some(Err(error)) => self.failed = Some(error),
                    None => break,
                }
            }
            let room = size - piece.len();
            gather(&mut piece, &self.rest.split_to(self.rest.len().min(room)), size);
        }
        if piece.is_empty() { self.failed.take().map(Err) } else { Some(Ok(piece.into())) }
    }

    /// The whole body, of at most `cap` bytes.
    pub(super) async fn whole(&mut self, cap: u64) -> Result<Bytes, BodyError> {
        if self.declared.is_some_and(|length| length > cap) {
            return Err(BodyError::TooLarge(cap));
        }
        match self.declared {
            Some(length) => self.whole_of(length as usize).await,
            None => self.gathered(cap).await,
        }
    }

    async fn whole_of(&mut self, length: usize) -> Result<Bytes, BodyError> {
        let mut whole: Vec<u8> = Vec::new();
        while let Some(bytes) = self.arrival().await {
            // A declared length is believed only of a client that has begun to send in earnest.
            if whole.len() >= IN_EARNEST {
                whole.reserve_exact(length.saturating_sub(whole.len()));
            }
            whole.extend_from_slice(&bytes?);
        }
        Ok(whole.into())
    }

    /// A body without a length: in pieces until its end is seen, because a buffer that grows is held twice.
    async fn gathered(&mut self, cap: u64) -> Result<Bytes, BodyError> {
        let mut pieces = Vec::new();
        while let Some(piece) = self.next(PIECE).await {
            pieces.push(piece?);
            if self.received > cap {
                return Err(BodyError::TooLarge(cap));
            }
        }
        Ok(pieces.concat().into())
    }

    /// What arrives next, under the limits.
    async fn arrival(&mut self) -> Option<Result<Bytes, BodyError>> {
        let mut wait = None;
        let bytes = match poll_fn(|cx| self.poll_payload(cx, &mut wait)).await? {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(error)),
        };
        self.received += bytes.len() as u64;
        let waited = wait.map_or(Duration::ZERO, |(since, _)| since.elapsed());
        if self.pace.on_track(bytes.len() as u64, waited) {
            Some(Ok(bytes))
        } else {
            Some(Err(BodyError::TooSlow(self.limits.body_rate)))
        }
    }

    /// Bytes read so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// A timer runs only while the client is waited for.
    fn poll_payload(
        &mut self,
        cx: &mut Context<'_>,
        wait: &mut Option<(Instant, Pin<Box<Sleep>>)>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Poll::Ready(read) = Pin::new(&mut self.payload).poll_next(cx) {
            return Poll::Ready(read.map(|bytes| bytes.map_err(BodyError::Broken)));
        }
        if let Some(connection) = &self.connection {
            connection.want();
        }
        let idle = self.limits.body_idle;
        let (_, timer) = wait.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(idle))));
        timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Idle(idle))))
    }
}

/// Appends to a piece, whose buffer grows with what arrives and never beyond `size`. That of a large piece is made at
/// once: only bodies in the middle of their way get one.
fn gather(piece: &mut Vec<u8>, bytes: &[u8], size: usize) {
    let needed = piece.len() + bytes.len();
    if needed > piece.capacity() {
        let grown = needed.max(piece.capacity() * 2).min(size);
        piece.reserve_exact(if size > PIECE { size } else { grown } - piece.len());
    }
    piece.extend_from_slice(bytes);
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
    use futures_util::{StreamExt, stream};

    use super::*;

    /// A body that arrives as these, then goes on as `end` says.
    fn body(arrivals: &[&'static [u8]], end: End) -> RequestBody {
        let arrivals: Vec<_> = arrivals.iter().map(|bytes| Ok(Bytes::from_static(bytes))).collect();
        let arrivals = stream::iter(arrivals);
        let payload: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = match end {
            End::Complete => Box::pin(arrivals),
            End::Stalled => Box::pin(arrivals.chain(stream::pending())),
            End::Broken => Box::pin(arrivals.chain(stream::iter([Err(PayloadError::Incomplete(None))]))),
        };
        let limits = Limits { body_idle: Duration::from_millis(20), ..Limits::default() };
        RequestBody::new(payload.into(), None, None, limits)
    }

    enum End {
        Complete,
        Stalled,
        Broken,
    }

    #[tokio::test]
    async fn arrivals_are_gathered_into_pieces() {
        static LONG: [u8; PIECE] = [7; PIECE];
        let mut body = body(&[b"a", b"b", &LONG, b"c"], End::Complete);
        let pieces = [body.next(PIECE).await.unwrap().unwrap(), body.next(PIECE).await.unwrap().unwrap()];
        assert_eq!(pieces.each_ref().map(Bytes::len), [PIECE, 3]);
        assert!(pieces[0].starts_with(b"ab\x07") && pieces[1].ends_with(b"\x07\x07c"));
        assert!(body.next(PIECE).await.is_none());
        assert_eq!(body.received(), PIECE as u64 + 3);
    }

    #[tokio::test]
    async fn what_arrived_comes_before_the_error_that_ended_it() {
        for (end, expected) in [(End::Stalled, "Idle"), (End::Broken, "Broken")] {
            let mut body = body(&[b"ab"], end);
            assert_eq!(body.next(PIECE).await.unwrap().unwrap(), "ab");
            let error = body.next(PIECE).await.unwrap().unwrap_err();
            assert!(format!("{error:?}").starts_with(expected), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_whole_body_has_a_largest_size_declared_or_not() {
        assert_eq!(body(&[b"abc", b"d"], End::Complete).whole(4).await.unwrap(), "abcd");
        assert!(matches!(body(&[b"abc", b"de"], End::Stalled).whole(4).await, Err(BodyError::TooLarge(4))));
        let mut declared = body(&[], End::Stalled);
        declared.declared = Some(5);
        assert!(matches!(declared.whole(4).await, Err(BodyError::TooLarge(4))));
    }

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
