//! From an actix worker to the runtime of the store: work that must go on when its client hangs up.
//!
//! A worker drops a request's future when the connection breaks; an upload then still has to record what arrived.
//! So writes are tasks of the store's runtime, and their bodies reach them through a short channel.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::body::{BodyError, RequestBody};

/// Pieces that may wait between a worker and the store.
const PIECES: usize = 2;

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

/// Runs `work` as a task of the store's runtime and hands it the request body, until it has ended or does not want more.
/// The second value is what was wrong with the body, as far as it was read.
pub(super) async fn with_body<F>(
    store: &Handle,
    body: &mut RequestBody,
    work: impl FnOnce(RelayedBody) -> F,
) -> (Result<F::Output, JoinError>, Option<BodyError>)
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let (pieces, received) = mpsc::channel(PIECES);
    let mut task = store.spawn(work(RelayedBody { received, ended: false }));
    let mut broken = None;
    let ended = tokio::select! {
        biased;
        ended = &mut task => Some(ended),
        error = feed(body, pieces) => { broken = error; None }
    };
    match ended {
        Some(ended) => (ended, broken),
        None => (task.await, broken),
    }
}

async fn feed(body: &mut RequestBody, pieces: mpsc::Sender<Piece>) -> Option<BodyError> {
    while let Some(piece) = body.next().await {
        match piece {
            // The task does not want the rest: its answer is on the way.
            Ok(bytes) => pieces.send(Piece::Bytes(bytes)).await.ok()?,
            // The channel closes without an end, which the task takes for a broken body.
            Err(error) => return Some(error),
        }
    }
    pieces.send(Piece::End).await.ok();
    None
}

enum Piece {
    Bytes(Bytes),
    End,
}

/// A request body on the store's side. It ends well, or with an `UnexpectedEof` after all that did arrive.
pub(super) struct RelayedBody {
    received: mpsc::Receiver<Piece>,
    ended: bool,
}

impl Stream for RelayedBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = ready!(self.received.poll_recv(cx));
        self.ended = !matches!(piece, Some(Piece::Bytes(_)));
        Poll::Ready(match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Piece::End) => None,
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_http::error::PayloadError;
    use futures_util::{StreamExt, stream};

    use super::*;
    use crate::server::Limits;

    type Arrivals = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

    fn body(rest: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> RequestBody {
        let arrivals: Arrivals = Box::pin(stream::iter([Ok(Bytes::from_static(&[7; 40_000]))]).chain(rest));
        RequestBody::new(arrivals.into(), None, Limits::default())
    }

    /// The bytes that came, and whether the body ended well.
    async fn read(mut body: RelayedBody) -> (usize, bool) {
        let mut bytes = 0;
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => bytes += piece.len(),
                Err(_) => return (bytes, false),
            }
        }
        (bytes, true)
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_taken_for_a_whole_one() {
        let store = Handle::current();
        let (whole, fault) = with_body(&store, &mut body(stream::empty()), read).await;
        assert_eq!((whole.unwrap(), fault.is_none()), ((40_000, true), true));

        let broken = stream::iter([Err(PayloadError::Incomplete(None))]);
        let (part, fault) = with_body(&store, &mut body(broken), read).await;
        assert_eq!((part.unwrap(), fault.is_some()), ((40_000, false), true));
    }

    #[tokio::test]
    async fn work_that_wants_no_body_is_not_kept_waiting_for_it() {
        let (answer, _) =
            with_body(&Handle::current(), &mut body(stream::pending()), async |_| "refused").await;
        assert_eq!(answer.unwrap(), "refused");
    }

    #[tokio::test]
    async fn work_goes_on_with_what_arrived_when_the_client_is_gone() {
        let (seen, mut later) = mpsc::channel(1);
        let store = Handle::current();
        let mut body = body(stream::pending());
        let request = with_body(&store, &mut body, |relayed| async move {
            seen.send(read(relayed).await).await.ok();
        });
        assert!(tokio::time::timeout(Duration::from_millis(20), request).await.is_err());
        assert_eq!(later.recv().await, Some((40_000, false)));
    }
}
