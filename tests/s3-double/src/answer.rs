//! Answers, whole or spoilt: a body that comes slowly, is cut or is wrong.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::time::Sleep;

/// Long enough for half a body to leave before the connection is closed.
const BEFORE_CUT: Duration = Duration::from_millis(10);

/// An answer, or the end of the connection without one.
pub(crate) type Answer = Result<Response<Pieces>, io::Error>;

/// A body in pieces with pauses between them, which may break off.
pub(crate) struct Pieces {
    left: VecDeque<Bytes>,
    pause: Duration,
    breaks_off: bool,
    pausing: Option<Pin<Box<Sleep>>>,
}

/// The connection is closed without an answer.
pub(crate) fn closed() -> Answer {
    Err(io::ErrorKind::ConnectionAborted.into())
}

pub(crate) fn whole(response: Response<Bytes>) -> Answer {
    Ok(response.map(|body| Pieces::new([body], Duration::ZERO)))
}

/// Half of the body; then the connection is closed.
pub(crate) fn truncated(mut response: Response<Bytes>) -> Answer {
    let length = response.body().len();
    if length == 0 {
        return closed();
    }
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    let half =
        |body: Bytes| Pieces { breaks_off: true, ..Pieces::new([body.slice(..length / 2)], BEFORE_CUT) };
    Ok(response.map(half))
}

pub(crate) fn dripping(response: Response<Bytes>, piece: usize, pause: Duration) -> Answer {
    let pieces = |body: Bytes| {
        let starts = (0..body.len()).step_by(piece.max(1));
        let pieces: Vec<_> =
            starts.map(|start| body.slice(start..body.len().min(start + piece.max(1)))).collect();
        Pieces::new(pieces, pause)
    };
    Ok(response.map(pieces))
}

/// One bit in the middle of the body is flipped.
pub(crate) fn corrupted(response: Response<Bytes>) -> Answer {
    whole(response.map(|body| {
        let mut body = Vec::from(body);
        let middle = body.len() / 2;
        if let Some(byte) = body.get_mut(middle) {
            *byte ^= 1;
        }
        body.into()
    }))
}

/// An error of S3.
pub(crate) fn error(status: u16, code: &str) -> Answer {
    let text = format!("<Error><Code>{code}</Code><Message>an injected fault</Message></Error>");
    failure(status, "application/xml", text)
}

/// An error as a proxy gives it.
pub(crate) fn plain(status: u16) -> Answer {
    failure(status, "text/html", format!("<html><body><h1>{status}</h1></body></html>"))
}

fn failure(status: u16, content_type: &'static str, body: String) -> Answer {
    let mut response = Response::new(Bytes::from(body));
    // A status that is none is the mistake of a test, and shows in its client.
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_IMPLEMENTED);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    whole(response)
}

impl Pieces {
    fn new(pieces: impl IntoIterator<Item = Bytes>, pause: Duration) -> Self {
        let left = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        Self { left, pause, breaks_off: false, pausing: None }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pausing) = &mut self.pausing {
            ready!(pausing.as_mut().poll(context));
            self.pausing = None;
        }
        if let Some(piece) = self.left.pop_front() {
            if !self.is_end_stream() {
                self.pausing = Some(Box::pin(tokio::time::sleep(self.pause)));
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let broken = self.breaks_off.then(|| Err(io::ErrorKind::ConnectionAborted.into()));
        Poll::Ready(broken)
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && !self.breaks_off
    }

    fn size_hint(&self) -> SizeHint {
        if self.breaks_off {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.left.iter().map(|piece| piece.len() as u64).sum())
    }
}
