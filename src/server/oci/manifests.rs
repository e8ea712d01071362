//! Manifests: GET, HEAD, PUT and DELETE (OCI distribution, "Pulling manifests", "Pushing Manifests", "Deleting Manifests").

use actix_http::StatusCode;
use actix_http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};

use crate::journal::Replace;
use crate::oci::{Digest, MediaType, Reference, RepositoryName, Tag};
use crate::registry::{PutManifest, deprecation};
use crate::server::ask::Ask;
use crate::server::conditions::{not_modified, precondition};
use crate::server::error::Failure;
use crate::server::headers::{IMMUTABLE, OCI_SUBJECT, OCI_TAG, REVALIDATE, identify, warn};
use crate::server::reply::{Content, Reply, add_text, empty, set, set_text, with};

pub(in crate::server) async fn get(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Reply, Failure> {
    let found = ask.registry().manifest(repository, reference).await?;
    let content = Content::Whole(found.body);
    let mut reply = describe(ask, reference, &found.digest, &found.media_type, content);
    if let Some(warning) = found.chart.as_deref().and_then(deprecation) {
        warn(&mut reply, [&*warning]);
    }
    Ok(reply)
}

pub(in crate::server) async fn head(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Reply, Failure> {
    let found = ask.registry().manifest_stat(repository, reference).await?;
    let content = Content::Announced(found.size);
    Ok(describe(ask, reference, &found.digest, &found.media_type, content))
}

fn describe(
    ask: &Ask<'_>,
    reference: &Reference,
    digest: &Digest,
    media_type: &MediaType,
    content: Content,
) -> Reply {
    let mut reply = match not_modified(&ask.head.headers, digest) {
        true => empty(StatusCode::NOT_MODIFIED),
        false => with(StatusCode::OK, content),
    };
    identify(&mut reply, digest);
    set_text(&mut reply, CONTENT_TYPE, media_type.as_str());
    set(&mut reply, CACHE_CONTROL, caching(reference));
    reply
}

fn caching(reference: &Reference) -> HeaderValue {
    match reference {
        Reference::Digest(_) => IMMUTABLE,
        Reference::Tag(_) => REVALIDATE,
    }
}

pub(in crate::server) async fn put(
    ask: &mut Ask<'_>,
    repository: &RepositoryName,
    reference: &Reference,
    tags: Vec<Tag>,
) -> Result<Reply, Failure> {
    let media_type = media_type(&ask.head.headers)?;
    let condition = precondition(&ask.head.headers)?;
    let body = ask.body.whole(ask.services.limits.manifest).await?;
    let put = PutManifest {
        repository,
        reference,
        tags,
        media_type,
        body,
        condition,
        replace: Replace::AsPolicySays,
    };
    let stored = ask.registry().put_manifest(put, &ask.who()).await?;

    let mut reply = empty(StatusCode::CREATED);
    set_text(&mut reply, LOCATION, &format!("/v2/{repository}/manifests/{}", stored.digest));
    identify(&mut reply, &stored.digest);
    if let Some(subject) = &stored.subject {
        set_text(&mut reply, OCI_SUBJECT, &subject.to_string());
    }
    for tag in &stored.tags {
        add_text(&mut reply, OCI_TAG, tag.as_str());
    }
    warn(&mut reply, stored.warnings.iter().map(String::as_str));
    Ok(reply)
}

/// What the client says the manifest is; without it the manifest's own field would have to be believed.
fn media_type(headers: &HeaderMap) -> Result<MediaType, Failure> {
    let mut values = headers.get_all(CONTENT_TYPE);
    let value = values.next().ok_or(Failure::ContentType("is missing"))?;
    if values.next().is_some() {
        return Err(Failure::ContentType("stands more than once"));
    }
    let text = value.to_str().map_err(|_| Failure::ContentType("is not ASCII"))?;
    MediaType::parse_header(text).map_err(|_| Failure::ContentType("is not a media type"))
}

pub(in crate::server) async fn delete(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Reply, Failure> {
    let condition = precondition(&ask.head.headers)?;
    match reference {
        Reference::Tag(tag) => ask.registry().delete_tag(repository, tag, condition, &ask.who()).await?,
        Reference::Digest(digest) => {
            ask.registry().delete_manifest(repository, digest, condition, &ask.who()).await?
        }
    }
    Ok(empty(StatusCode::ACCEPTED))
}
