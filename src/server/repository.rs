//! The classic chart repository: `index.yaml` and the files it names
//! (docs/internals/helm.md#classic-repository).

use std::ops::Range;
use std::sync::Arc;

use actix_http::StatusCode;
use actix_http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, VARY,
};
use bytes::Bytes;
use futures_util::stream;

use super::ask::Ask;
use super::conditions::{not_modified, wanted_part};
use super::download::{self, part, ranged};
use super::error::Failure;
use super::headers::{GZIP, PGP_SIGNATURE, REVALIDATE, TGZ, YAML, entity_tag, warn};
use super::reply::{Content, Pieces, Reply, empty, set, set_text, with};
use crate::oci::{ChartFile, Namespace};
use crate::registry::{Error, Index, deprecation};

/// Counts how an index is written: another writer makes other bytes of the same commit.
const WRITER: u32 = 1;

pub(super) async fn index(ask: &Ask<'_>, namespace: &Namespace) -> Result<Reply, Failure> {
    let index = match ask.registry().index(namespace).await {
        // `helm cm-push` reads the index before its first upload.
        Err(Error::NamespaceUnknown(_)) if ask.may_change() => Arc::new(ask.registry().empty_index()),
        index => index?,
    };
    let gzip = accepts_gzip(&ask.head.headers);
    let tag = tag(&index, ask.registry().context_path(), gzip);
    let mut reply = match not_modified(&ask.head.headers, &tag) {
        true => ranged(empty(StatusCode::NOT_MODIFIED)),
        false => answer(ask, &index, gzip, &tag).await?,
    };
    set(&mut reply, CONTENT_TYPE, YAML);
    set(&mut reply, CACHE_CONTROL, REVALIDATE);
    set(&mut reply, VARY, HeaderValue::from_static("Accept-Encoding"));
    set_text(&mut reply, ETAG, &entity_tag(&tag));
    if gzip {
        set(&mut reply, CONTENT_ENCODING, GZIP);
    }
    Ok(reply)
}

/// The commit by number and time: a store that was restored has other commits under the same numbers.
fn tag(index: &Index, context_path: &str, gzip: bool) -> String {
    let (seq, time) = (index.revision.seq, index.revision.time.micros());
    // The path of an operator has no character that an entity tag may not have.
    let below = if context_path.is_empty() { "" } else { "-" };
    format!("{seq}-{time:x}-{WRITER}{below}{context_path}{}", if gzip { "-gz" } else { "" })
}

async fn answer(ask: &Ask<'_>, index: &Index, gzip: bool, tag: &str) -> Result<Reply, Failure> {
    let compressed = if gzip { Some([index.gzip().await]) } else { None };
    let pieces = compressed.as_ref().map_or(&*index.pieces, |whole| whole);
    let size = pieces.iter().map(|piece| piece.len() as u64).sum();
    Ok(match wanted_part(ask.head, tag, size)? {
        None => ranged(with(StatusCode::OK, content(pieces, 0..size))),
        Some(range) => part(content(pieces, range.clone()), range, size),
    })
}

/// The bytes `range` of pieces that stand one after the other.
fn content(pieces: &[Bytes], range: Range<u64>) -> Content {
    let size = range.end - range.start;
    let mut at = 0;
    let mut inside = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let length = piece.len() as u64;
        let (from, to) = (range.start.clamp(at, at + length), range.end.clamp(at, at + length));
        if from < to {
            inside.push(Ok(piece.slice((from - at) as usize..(to - at) as usize)));
        }
        at += length;
    }
    let pieces: Pieces = Box::pin(stream::iter(inside));
    Content::Pieces { size, pieces }
}

pub(super) async fn file(ask: &Ask<'_>, namespace: &Namespace, file: &ChartFile) -> Result<Reply, Failure> {
    let found = ask.registry().chart_file(namespace, file).await?;
    let tag = entity_tag(found.blob.digest());
    let deprecated = deprecation(&found.chart).filter(|_| !file.provenance);
    let mut reply = download::blob(ask, found.blob).await?;
    set(&mut reply, CONTENT_TYPE, if file.provenance { PGP_SIGNATURE } else { TGZ });
    set(&mut reply, CACHE_CONTROL, REVALIDATE);
    set_text(&mut reply, ETAG, &tag);
    // A name and a version have no character to quote.
    set_text(&mut reply, CONTENT_DISPOSITION, &format!("attachment; filename=\"{}\"", found.name));
    warn(&mut reply, deprecated.as_deref());
    Ok(reply)
}

/// What Artifact Hub looks for beside an index.
pub(super) async fn artifact_hub(ask: &Ask<'_>, namespace: &Namespace) -> Result<Reply, Failure> {
    let found = ask.registry().artifact_hub(namespace).await?;
    let mut reply = match not_modified(&ask.head.headers, &found.digest) {
        true => empty(StatusCode::NOT_MODIFIED),
        false => with(StatusCode::OK, Content::Whole(found.content)),
    };
    set(&mut reply, CONTENT_TYPE, YAML);
    set(&mut reply, CACHE_CONTROL, REVALIDATE);
    set_text(&mut reply, ETAG, &entity_tag(&found.digest));
    Ok(reply)
}

/// Whether the client names gzip (RFC 9110 section 12.5.3). `*` does not: whoever wants it small can say so.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_who_asks_for_it() {
        let cases = [
            (None, false),
            (Some(""), false),
            (Some("gzip"), true),
            (Some("GZip"), true),
            (Some("deflate, gzip;q=0.5, br"), true),
            (Some("gzip ; q=1.0"), true),
            (Some("gzip;q=0"), false),
            (Some("gzip;q=0.000"), false),
            (Some("gzip;level=9"), false),
            (Some("*"), false),
            (Some("identity"), false),
            (Some("xgzip"), false),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(accepts_gzip(&headers), expected, "{value:?}");
        }
    }
}
