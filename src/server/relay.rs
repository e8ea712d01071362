//! From an actix worker to the runtime of the store: work that must go on when its client hangs up.
//!
//! A worker drops a request's future when the connection breaks; an upload then still has to record what arrived.
//! So writes are tasks of the store's runtime, and their bodies reach them through a short channel.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::body::{BodyError, PIECE, RequestBody};
use crate::registry::{self, BodySource};

/// Pieces that may wait between a worker and the store: every upload that waits for memory holds this much beside it.
const PIECES: usize = 1;

/// A long body among at most this many is handed over in larger pieces: two switches between threads for each piece are a
/// third of what it costs.
const FEW: usize = 4;
const LARGE_PIECE: usize = 256 * 1024;
/// Bytes after which a body is long.
const LONG: u64 = 1024 * 1024;

/// Counts the bodies that are being relayed.
#[derive(Default)]
pub(super) struct Bodies(AtomicUsize);

impl Bodies {
    fn enter(&self) -> Relaying<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Relaying(self)
    }
}

/// One of them.
struct Relaying<'a>(&'a Bodies);

impl Relaying<'_> {
    /// How many bytes to hand over at once, when so many arrived before.
    fn piece(&self, received: u64) -> usize {
        let is_one_of_few = self.0.0.load(Ordering::Relaxed) <= FEW;
        if received >= LONG && is_one_of_few { LARGE_PIECE } else { PIECE }
    }
}

impl Drop for Relaying<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `future` here, on the worker, but with everything it starts on the store's runtime: for reads, which
/// nobody needs any more when the client is gone.
pub(super) async fn here<F: Future>(store: &Handle, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _entered = store.enter();
        future.as_mut().poll(cx)
    })
    .await
}

/// Runs `work` as a task of the store's runtime: it goes on when its client hangs up.
pub(super) async fn task<F>(store: &Handle, work: F) -> Result<F::Output, JoinError>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    store.spawn(work).await
}

/// Runs `work` as a task of the store's runtime and hands it the request body, until it has ended or does not want more.
pub(super) async fn with_body<F>(
    store: &Handle,
    bodies: &Bodies,
    body: &mut RequestBody,
    work: impl FnOnce(RelayedBody) -> F,
) -> Result<F::Output, JoinError>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let (pieces, received) = mpsc::channel(PIECES);
    let mut task = store.spawn(work(RelayedBody { received }));
    tokio::select! {
        biased;
        ended = &mut task => return ended,
        () = feed(body, pieces, bodies.enter()) => {}
    }
    task.await
}

/// Ends early when the task does not want the rest: its answer is on the way.
async fn feed(body: &mut RequestBody, pieces: mpsc::Sender<Piece>, relaying: Relaying<'_>) {
    loop {
        let piece = body.next(relaying.piece(body.received())).await.transpose();
        let is_last = !matches!(piece, Ok(Some(_)));
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// As `BodySource` has it: `None` is the end.
type Piece = Result<Option<Bytes>, BodyError>;

/// A request body on the store's side.
pub(super) struct RelayedBody {
    received: mpsc::Receiver<Piece>,
}

#[async_trait]
impl BodySource for RelayedBody {
    async fn next(&mut self) -> Result<Option<Bytes>, registry::BodyError> {
        // A channel that closes without an end: the worker dropped the request, because its client is gone.
        let piece = self.received.recv().await.unwrap_or(Err(BodyError::Gone));
        piece.map_err(|error| registry::BodyError(Arc::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use std::pin::Pin;

    use actix_http::error::PayloadError;
    use futures_util::{Stream, StreamExt, stream};

    use super::*;
    use crate::server::Limits;
    use crate::server::body::PIECE;

    type Arrivals = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

    /// More than one piece and less than two.
    const BYTES: usize = PIECE * 3 / 2;

    /// A body of [`BYTES`] that goes on as `rest` does.
    fn body(rest: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> RequestBody {
        let arrivals: Arrivals = Box::pin(stream::iter([Ok(Bytes::from_static(&[7; BYTES]))]).chain(rest));
        RequestBody::new(arrivals.into(), None, None, Limits::default())
    }

    /// The bytes that came, and whether the body ended well.
    async fn read(mut body: RelayedBody) -> (usize, bool) {
        let mut bytes = 0;
        loop {
            match body.next().await {
                Ok(Some(piece)) => bytes += piece.len(),
                Ok(None) => return (bytes, true),
                Err(_) => return (bytes, false),
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_taken_for_a_whole_one() {
        let store = Handle::current();
        let whole = with_body(&store, &Bodies::default(), &mut body(stream::empty()), read).await.unwrap();
        assert_eq!(whole, (BYTES, true));

        let broken = stream::iter([Err(PayloadError::Incomplete(None))]);
        let part = with_body(&store, &Bodies::default(), &mut body(broken), read).await.unwrap();
        assert_eq!(part, (BYTES, false));
    }

    #[tokio::test]
    async fn work_that_wants_no_body_is_not_kept_waiting_for_it() {
        let answer = with_body(
            &Handle::current(),
            &Bodies::default(),
            &mut body(stream::pending()),
            async |_| "refused",
        )
        .await;
        assert_eq!(answer.unwrap(), "refused");
    }

    #[tokio::test]
    async fn work_goes_on_with_what_arrived_when_the_client_is_gone() {
        let (seen, mut later) = mpsc::channel(1);
        let store = Handle::current();
        let mut body = body(stream::pending());
        let bodies = Bodies::default();
        let request = with_body(&store, &bodies, &mut body, |relayed| async move {
            seen.send(read(relayed).await).await.ok();
        });
        assert!(tokio::time::timeout(Duration::from_millis(20), request).await.is_err());
        // Less than a piece was still being gathered; the client asks how far it came.
        assert_eq!(later.recv().await, Some((PIECE, false)));
    }

    #[test]
    fn only_long_bodies_of_which_there_are_few_go_in_large_pieces() {
        let bodies = Bodies::default();
        let first = bodies.enter();
        assert_eq!([first.piece(0), first.piece(LONG)], [PIECE, LARGE_PIECE]);
        let others: Vec<Relaying<'_>> = (0..FEW).map(|_| bodies.enter()).collect();
        assert_eq!(first.piece(LONG), PIECE);
        drop(others);
        assert_eq!(first.piece(LONG), LARGE_PIECE);
    }
}
