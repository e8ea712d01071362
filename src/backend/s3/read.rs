//! Reading an object or a range of it.

use std::io;
use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout};

use super::error::{Ended, Failure};
use super::{S3, SILENCE, attempts};
use crate::backend::{BackendError, HttpOperation, Key};

/// How slowly a body may come, in bytes a second: a trickle is never silent.
const LEAST_RATE: u64 = 64 << 10;
/// How much memory is set aside for a body because its head says so.
const MOST_AHEAD: usize = 16 << 20;

impl S3 {
    pub(super) async fn read_range(
        &self,
        key: &Key,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, BackendError> {
        let _turn = self.turn().await?;
        let read = attempts::harmless(&*self.clock, || self.read_once(key, range.as_ref())).await;
        match (read, range) {
            (Err(Ended::PastTheEnd), Some(_)) => Ok(Bytes::new()),
            (Ok(_), Some(range)) if is_nothing(&range) => Ok(Bytes::new()),
            (read, _) => Ok(read?),
        }
    }

    async fn read_once(&self, key: &Key, range: Option<&Range<u64>>) -> Result<Bytes, Failure> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.name(key));
        let sent = request.set_range(range.map(header)).send();
        let answer = self.attempt(HttpOperation::Get, Some(key), SILENCE, sent).await?;
        let bytes = collect(answer.body, answer.content_length).await?;
        Ok(match range {
            // A service that does not know ranges answers with the whole.
            Some(range) if answer.content_range.is_none() => cut(&bytes, range),
            _ => bytes,
        })
    }
}

/// Whether no object can have a byte of it: no service stores more than `i64::MAX`.
fn is_nothing(range: &Range<u64>) -> bool {
    range.is_empty() || range.start > i64::MAX as u64
}

/// The value of a `Range` header (RFC 9110 section 14.1.2). Where nothing is wanted one byte is asked for, because no
/// header can say nothing: it tells whether the object is there.
fn header(range: &Range<u64>) -> String {
    let Range { start, end } = *range;
    if is_nothing(range) {
        "bytes=0-0".to_owned()
    } else if end > i64::MAX as u64 {
        format!("bytes={start}-")
    } else {
        format!("bytes={start}-{}", end - 1)
    }
}

fn cut(whole: &Bytes, range: &Range<u64>) -> Bytes {
    let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
    let start = within(range.start);
    whole.slice(start..within(range.end).max(start))
}

/// The whole body of an answer, which has `length` bytes if the service said so.
async fn collect(mut body: ByteStream, length: Option<i64>) -> Result<Bytes, Failure> {
    let began = Instant::now();
    let ahead = usize::try_from(length.unwrap_or_default()).unwrap_or_default().min(MOST_AHEAD);
    let mut whole = BytesMut::new();
    let mut only = None;
    let mut received = 0;
    while let Some(piece) = timeout(SILENCE, body.next()).await.map_err(|_| Failure::silent())? {
        let piece = piece.map_err(|broken| Failure::Unknown(io::Error::other(broken)))?;
        received += piece.len() as u64;
        if began.elapsed() > SILENCE + Duration::from_secs(received / LEAST_RATE) {
            return Err(Failure::silent());
        }
        // A small body mostly comes as one piece, which need not be copied.
        match only.take() {
            None if whole.is_empty() => only = Some(piece),
            first => {
                whole.reserve(ahead.saturating_sub(whole.len()));
                whole.extend_from_slice(&first.unwrap_or_default());
                whole.extend_from_slice(&piece);
            }
        }
    }
    match length {
        Some(length) if length as u64 != received => {
            Err(Failure::Unknown(io::ErrorKind::UnexpectedEof.into()))
        }
        _ => Ok(only.unwrap_or_else(|| whole.freeze())),
    }
}
