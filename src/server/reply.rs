//! Answers: what a handler returns, and the body that actix sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_http::body::{BodySize, MessageBody};
use actix_http::header::{CACHE_CONTROL, HeaderName, HeaderValue, LOCATION};
use actix_http::{Response, StatusCode};
use bytes::Bytes;
use futures_util::Stream;

use super::exchange::Exchange;
use super::headers::{NO_STORE, TEXT};

/// An answer before it belongs to a request.
pub(super) type Reply = Response<Content>;

/// The pieces of a long body, in order. An error cuts the connection: the client must not take what it has
/// for the whole.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>;

pub(super) enum Content {
    Empty,
    Whole(Bytes),
    /// `size` bytes, produced as fast as the client takes them.
    Pieces {
        size: u64,
        pieces: Pieces,
    },
    /// The answer to HEAD: the length of a body that is not sent.
    Announced(u64),
}

impl Content {
    /// Its length alone, without its bytes.
    pub(super) fn announced(self) -> Self {
        Self::Announced(self.size())
    }

    fn size(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Pieces { size, .. } | Self::Announced(size) => *size,
        }
    }
}

pub(super) fn with(status: StatusCode, content: Content) -> Reply {
    Response::with_body(status, content)
}

pub(super) fn empty(status: StatusCode) -> Reply {
    with(status, Content::Empty)
}

pub(super) fn whole(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::with_body(status, Content::Whole(body.into()));
    set(&mut reply, actix_http::header::CONTENT_TYPE, content_type);
    reply
}

/// A redirect that keeps the method and the body (RFC 9110 section 15.4.9).
pub(super) fn moved(target: &str) -> Reply {
    let body = format!("the path has slashes too many: {target} is meant\n");
    let mut reply = whole(StatusCode::PERMANENT_REDIRECT, TEXT, body);
    set_text(&mut reply, LOCATION, target);
    set(&mut reply, CACHE_CONTROL, NO_STORE);
    reply
}

pub(super) fn set(reply: &mut Reply, name: HeaderName, value: HeaderValue) {
    reply.headers_mut().insert(name, value);
}

/// A header value of text that is legal there by construction; anything else is left out.
pub(super) fn set_text(reply: &mut Reply, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        reply.headers_mut().insert(name, value);
    }
}

/// Adds a further value of a header that may stand more than once.
pub(super) fn add_text(reply: &mut Reply, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        reply.headers_mut().append(name, value);
    }
}

/// The body as actix sends it. The exchange ends when this is dropped.
pub(super) struct Body {
    content: Content,
    /// What has arrived from the producer and was not handed on yet.
    piece: Bytes,
    exchange: Exchange,
}

/// Long pieces go to the socket's buffer in parts, so that the buffer stays small.
const PART: usize = 64 * 1024;

impl Body {
    pub(super) fn new(content: Content, mut exchange: Exchange) -> Self {
        exchange.expect(match content {
            Content::Announced(_) => 0,
            ref other => other.size(),
        });
        Self { content, piece: Bytes::new(), exchange }
    }
}

impl MessageBody for Body {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.content.size())
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = &mut *self;
        while this.piece.is_empty() {
            this.piece = match &mut this.content {
                Content::Empty | Content::Announced(_) => return Poll::Ready(None),
                Content::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
                Content::Whole(bytes) => std::mem::take(bytes),
                Content::Pieces { pieces, .. } => match ready!(pieces.as_mut().poll_next(cx)) {
                    Some(Ok(piece)) => piece,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                },
            };
        }
        let part = this.piece.split_to(this.piece.len().min(PART));
        this.exchange.sent(part.len() as u64);
        Poll::Ready(Some(Ok(part)))
    }
}
