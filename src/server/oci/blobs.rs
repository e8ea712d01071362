//! Blobs: GET with ranges, HEAD and DELETE (OCI distribution, "Pulling blobs", "Deleting Blobs").

use std::io;
use std::ops::Range;

use actix_http::StatusCode;
use actix_http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, IF_RANGE, RANGE,
};
use futures_util::{StreamExt, stream};

use super::Ask;
use super::conditions::not_modified;
use crate::oci::{Digest, RangeRequest, RepositoryName};
use crate::registry::Blob;
use crate::server::error::Failure;
use crate::server::headers::{BYTES, IMMUTABLE, OCTET_STREAM, entity_tag, identify};
use crate::server::relay::here;
use crate::server::reply::{Content, Pieces, Reply, empty, set, set_text, with};

pub(super) async fn get(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Reply, Failure> {
    let blob = ask.registry().blob(repository, digest).await?;
    let size = blob.size();
    if not_modified(&ask.head.headers, digest) {
        return Ok(describe(empty(StatusCode::NOT_MODIFIED), digest));
    }
    let range = match wanted(&ask.head.headers, digest, size) {
        RangeRequest::Whole => {
            return Ok(describe(with(StatusCode::OK, content(ask, blob, 0..size).await?), digest));
        }
        RangeRequest::Satisfiable(range) => range,
        RangeRequest::Unsatisfiable => return Err(Failure::Range { size }),
    };
    let span = format!("bytes {}-{}/{size}", range.start, range.end - 1);
    let mut reply = with(StatusCode::PARTIAL_CONTENT, content(ask, blob, range).await?);
    set_text(&mut reply, CONTENT_RANGE, &span);
    Ok(describe(reply, digest))
}

pub(super) async fn head(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Reply, Failure> {
    let blob = ask.registry().blob(repository, digest).await?;
    let reply = match not_modified(&ask.head.headers, digest) {
        true => empty(StatusCode::NOT_MODIFIED),
        false => with(StatusCode::OK, Content::Announced(blob.size())),
    };
    Ok(describe(reply, digest))
}

pub(super) async fn delete(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Reply, Failure> {
    ask.registry().delete_blob(repository, digest, &ask.who()).await?;
    Ok(empty(StatusCode::ACCEPTED))
}

fn describe(mut reply: Reply, digest: &Digest) -> Reply {
    set(&mut reply, CONTENT_TYPE, OCTET_STREAM);
    set(&mut reply, ACCEPT_RANGES, BYTES);
    set(&mut reply, CACHE_CONTROL, IMMUTABLE);
    identify(&mut reply, digest);
    reply
}

/// A range that is bound to another entity tag asks for the whole (RFC 9110 section 13.1.5).
fn wanted(headers: &HeaderMap, digest: &Digest, size: u64) -> RangeRequest {
    let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return RangeRequest::Whole;
    };
    let bound = headers.get(IF_RANGE).is_none_or(|tag| tag.as_bytes() == entity_tag(digest).as_bytes());
    if bound { RangeRequest::parse(range, size) } else { RangeRequest::Whole }
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
