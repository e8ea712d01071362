//! The body of a create: pieces that are lent, sent without joining them, under a signature that covers their hash.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sha2::{Digest, Sha256};

/// The pieces one after the other.
pub fn lent(pieces: &[Bytes]) -> ByteStream {
    match pieces {
        [] => ByteStream::from_static(b""),
        [whole] => ByteStream::from(whole.clone()),
        pieces => {
            let left = pieces.iter().map(Bytes::len).sum::<usize>() as u64;
            let pieces = Vec::from(pieces).into_iter();
            ByteStream::new(SdkBody::from_body_1_x(Pieces { pieces, left }))
        }
    }
}

struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = self.pieces.by_ref().find(|piece| !piece.is_empty());
        self.left -= next.as_ref().map_or(0, Bytes::len) as u64;
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Puts the hash of the body into the signature: a service must not keep half an object when a connection
/// breaks (docs/internals/journal-protocol.md#what-the-backend-must-do). The SDK would do it by itself for a
/// body that is one piece only.
pub struct Signed(String);

impl Signed {
    pub fn of(pieces: &[Bytes]) -> Self {
        let hash = pieces.iter().fold(Sha256::new(), |hash, piece| hash.chain_update(piece));
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({})", self.0)
    }
}

impl Intercept for Signed {
    fn name(&self) -> &'static str {
        "hash of the body"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(PayloadSigningOverride::Precomputed(self.0.clone()));
        Ok(())
    }
}
