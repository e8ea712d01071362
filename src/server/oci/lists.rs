//! Listings: tags, referrers and the catalog, in pages that name the next one (`Link`, RFC 8288).

use actix_http::StatusCode;
use actix_http::header::{CACHE_CONTROL, ETAG, HeaderValue};
use serde::Serialize;

use crate::oci::{Digest, MAX_PAGE, MAX_TAGS_PAGE, Page, RepositoryName, Tag, referrers_index};
use crate::registry::{self, ReferrersPage};
use crate::server::ask::Ask;
use crate::server::conditions::not_modified;
use crate::server::error::Failure;
use crate::server::headers::{
    JSON, OCI_FILTERS_APPLIED, OCI_INDEX, REVALIDATE, entity_tag, link_next, with_query,
};
use crate::server::reply::{Reply, empty, set, set_text, whole};

/// What a request wants of a listing, of whose pages none has more than `most` entries.
fn part(page: &Page, most: usize) -> registry::Page<'_> {
    registry::Page { limit: page.n.unwrap_or(most), last: page.last.as_deref() }
}

#[derive(Serialize)]
struct Tags<'a> {
    name: &'a str,
    tags: &'a [Tag],
}

pub(in crate::server) async fn tags(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    page: &Page,
) -> Result<Reply, Failure> {
    let part = part(page, MAX_TAGS_PAGE);
    let page = ask.registry().tags(repository, part).await?;
    let mut reply =
        listing(ask, JSON, serde_json::to_vec(&Tags { name: repository.as_str(), tags: &page.tags })?);
    if let Some(last) = page.tags.last().filter(|_| page.more) {
        let path = format!("/v2/{repository}/tags/list");
        link_next(&mut reply, &with_query(&path, &[("n", &part.limit.to_string()), ("last", last.as_str())]));
    }
    Ok(reply)
}

#[derive(Serialize)]
struct Catalog<'a> {
    repositories: &'a [RepositoryName],
}

pub(in crate::server) async fn catalog(ask: &Ask<'_>, page: &Page) -> Result<Reply, Failure> {
    let part = part(page, MAX_PAGE);
    let page = ask.registry().catalog(part).await?;
    let mut reply = listing(ask, JSON, serde_json::to_vec(&Catalog { repositories: &page.repositories })?);
    if let Some(last) = page.repositories.last().filter(|_| page.more) {
        let query = [("n", &*part.limit.to_string()), ("last", last.as_str())];
        link_next(&mut reply, &with_query("/v2/_catalog", &query));
    }
    Ok(reply)
}

pub(in crate::server) async fn referrers(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    page: &Page,
) -> Result<Reply, Failure> {
    let limit = page.n.unwrap_or(MAX_PAGE);
    let last = page.last.as_deref().map(Digest::parse).transpose()?;
    let part = ReferrersPage { limit, last: last.as_ref() };
    let found = ask.registry().referrers(repository, subject, artifact_type, part).await?;
    let mut reply = listing(ask, OCI_INDEX, referrers_index(&found.descriptors)?);
    if artifact_type.is_some() {
        set(&mut reply, OCI_FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(next) = &found.next {
        let path = format!("/v2/{repository}/referrers/{subject}");
        let (limit, next) = (limit.to_string(), next.to_string());
        let mut query = vec![("n", limit.as_str()), ("last", next.as_str())];
        query.extend(artifact_type.map(|artifact_type| ("artifactType", artifact_type)));
        link_next(&mut reply, &with_query(&path, &query));
    }
    Ok(reply)
}

/// A listing has no digest of its own to be its entity tag, so it gets that of its bytes.
fn listing(ask: &Ask<'_>, content_type: HeaderValue, body: Vec<u8>) -> Reply {
    let tag = Digest::sha256(&body);
    let mut reply = match not_modified(&ask.head.headers, &tag) {
        true => empty(StatusCode::NOT_MODIFIED),
        false => whole(StatusCode::OK, content_type, body),
    };
    set(&mut reply, CACHE_CONTROL, REVALIDATE);
    set_text(&mut reply, ETAG, &entity_tag(&tag));
    reply
}
