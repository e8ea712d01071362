//! The body of a request: made anew for each attempt, so that a request can be repeated.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::error::ClientError;

/// Bytes travel in pieces of this size.
pub const PIECE: usize = 128 * 1024;

pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// Bytes of known length that can be read more than once.
pub trait Source: Send + Sync {
    fn length(&self) -> u64;
    /// From the first byte on.
    fn open(&self) -> BoxFuture<'_, Result<ByteStream, ClientError>>;
}

#[derive(Clone, Default)]
pub enum Body {
    #[default]
    Empty,
    Bytes(Bytes),
    Source(Arc<dyn Source>),
}

impl Body {
    pub fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source(source) => source.length(),
        }
    }

    pub(super) async fn open(&self) -> Result<reqwest::Body, ClientError> {
        Ok(match self {
            Self::Empty => reqwest::Body::default(),
            Self::Bytes(bytes) => bytes.clone().into(),
            Self::Source(source) => reqwest::Body::wrap_stream(source.open().await?),
        })
    }
}
