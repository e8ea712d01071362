//! The JSON API, `/-/api/v1/...` (docs/api.md): looking at charts without pulling them.

mod charts;
mod json;
mod lists;
mod views;

use std::fmt::Display;

use actix_http::StatusCode;
use actix_http::header::{CACHE_CONTROL, ETAG, HeaderValue};
use bytes::Bytes;

use super::ask::Ask;
use super::conditions::not_modified;
use super::error::Failure;
use super::headers::{JSON, REVALIDATE, entity_tag};
use super::reply::{Reply, empty, set, set_text, whole};
use crate::journal::Revision;
use crate::oci::{ApiAction, Digest};

const OPENAPI: &str = include_str!("openapi.json");
/// Counts how answers are written: another writer makes other bytes of the same content.
const WRITER: u32 = 1;

pub(super) async fn answer(ask: &Ask<'_>, action: &ApiAction) -> Result<Reply, Failure> {
    match action {
        ApiAction::OpenApi => Ok(by_bytes(ask, OPENAPI)),
        ApiAction::Namespaces { page } => lists::namespaces(ask, page).await,
        ApiAction::Charts { namespace, page } => lists::charts(ask, namespace, page).await,
        ApiAction::Search { query, namespace, page } => {
            lists::search(ask, query, namespace.as_ref(), page).await
        }
        ApiAction::Chart { repository } => charts::chart(ask, repository).await,
        ApiAction::Versions { repository, page } => lists::versions(ask, repository, page).await,
        ApiAction::Version { repository, version } => charts::version(ask, repository, version).await,
        ApiAction::Resolve { repository, constraint, devel, like } => {
            charts::resolve(ask, repository, constraint.as_deref(), *devel, *like).await
        }
        ApiAction::Untagged { repository, page } => lists::untagged(ask, repository, page).await,
        ApiAction::View { repository, version, view } => views::view(ask, repository, version, *view).await,
        ApiAction::Diff { repository, from, to } => views::diff(ask, repository, from, to).await,
    }
}

/// A JSON answer whose entity tag is that of its bytes.
fn by_bytes(ask: &Ask<'_>, body: impl Into<Bytes>) -> Reply {
    let body = body.into();
    tagged(ask, Digest::sha256(&body), JSON, || body)
}

/// An answer with an entity tag; its body is made only for clients that do not have it.
fn tagged<B: Into<Bytes>>(
    ask: &Ask<'_>,
    tag: impl Display,
    content_type: HeaderValue,
    body: impl FnOnce() -> B,
) -> Reply {
    let tag = tag.to_string();
    let mut reply = match not_modified(&ask.head.headers, &tag) {
        true => empty(StatusCode::NOT_MODIFIED),
        false => whole(StatusCode::OK, content_type, body()),
    };
    set(&mut reply, CACHE_CONTROL, REVALIDATE);
    set_text(&mut reply, ETAG, &entity_tag(tag));
    reply
}

/// The entity tag of what follows from the releases at a commit. By number and time: a store that was restored has other
/// commits under the same numbers.
fn tag_of(revision: Revision) -> String {
    format!("{}-{:x}-{WRITER}", revision.seq, revision.time.micros())
}
