//! Bodies that are stored: whole, in part, or not at all because the client has them.

use std::io;
use std::ops::Range;

use actix_http::StatusCode;
use actix_http::header::{ACCEPT_RANGES, CONTENT_RANGE};
use futures_util::{StreamExt, stream};

use super::ask::Ask;
use super::conditions::{not_modified, wanted_part};
use super::error::Failure;
use super::headers::BYTES;
use super::relay::here;
use super::reply::{Content, Pieces, Reply, empty, set, set_text, with};
use crate::registry::Blob;

/// The answer with the bytes of a blob, whose entity tag is its digest. What the blob is, the caller says.
pub(super) async fn blob(ask: &Ask<'_>, blob: Blob) -> Result<Reply, Failure> {
    let (size, digest) = (blob.size(), blob.digest());
    if not_modified(&ask.head.headers, digest) {
        return Ok(ranged(empty(StatusCode::NOT_MODIFIED)));
    }
    if ask.head.method == actix_http::Method::HEAD {
        return Ok(ranged(with(StatusCode::OK, Content::Announced(size))));
    }
    match wanted_part(ask.head, digest, size)? {
        None => Ok(ranged(with(StatusCode::OK, content(ask, blob, 0..size).await?))),
        Some(range) => Ok(part(content(ask, blob, range.clone()).await?, range, size)),
    }
}

/// The answer with the bytes `range` of `size` bytes.
pub(super) fn part(content: Content, range: Range<u64>, size: u64) -> Reply {
    let mut reply = with(StatusCode::PARTIAL_CONTENT, content);
    set_text(&mut reply, CONTENT_RANGE, &format!("bytes {}-{}/{size}", range.start, range.end - 1));
    ranged(reply)
}

/// Says that a part can be had.
pub(super) fn ranged(mut reply: Reply) -> Reply {
    set(&mut reply, ACCEPT_RANGES, BYTES);
    reply
}

/// The bytes `range` of a blob. The first piece is read before the answer begins: until then, what goes wrong
/// has a status.
async fn content(ask: &Ask<'_>, blob: Blob, range: Range<u64>) -> Result<Content, Failure> {
    let size = range.end - range.start;
    let mut reader = ask.registry().read_blob(blob, range);
    let Some(first) = reader.next().await.transpose()? else { return Ok(Content::Empty) };
    if first.len() as u64 == size {
        return Ok(Content::Whole(first));
    }
    let rest = stream::unfold((ask.services.store.clone(), reader), |(store, mut reader)| async {
        let piece = here(&store, reader.next()).await?;
        Some((piece.map_err(io::Error::other), (store, reader)))
    });
    let pieces: Pieces = Box::pin(stream::iter([Ok(first)]).chain(rest));
    Ok(Content::Pieces { size, pieces })
}
