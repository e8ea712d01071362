//! Uploads: POST, PATCH, GET, PUT and DELETE of sessions, and mounts (OCI distribution, "Pushing blobs").
//!
//! Bodies are handed to tasks of the store's runtime, which record what arrived also when the client hangs up.

use std::sync::Arc;

use actix_http::StatusCode;
use actix_http::header::{CONTENT_RANGE, HeaderMap, LOCATION, RANGE};

use crate::oci::{Access, Algorithm, Digest, RepositoryName, UploadRange};
use crate::registry::{Mounted, Progress, Session};
use crate::server::ask::Ask;
use crate::server::error::Failure;
use crate::server::headers::DOCKER_CONTENT_DIGEST;
use crate::server::relay::with_body;
use crate::server::reply::{Reply, empty, set_text};

/// POST without a body to speak of: a session.
pub(in crate::server) fn start(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    algorithm: Option<Algorithm>,
) -> Reply {
    let session = ask.registry().start_upload(repository, algorithm, &ask.who());
    in_progress(StatusCode::ACCEPTED, repository, &session, 0)
}

/// POST with a digest: the whole blob in one request.
pub(in crate::server) async fn single(
    ask: &mut Ask<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Reply, Failure> {
    let (registry, who) = (Arc::clone(ask.registry()), ask.who());
    let (target, expected) = (repository.clone(), digest.clone());
    let stored = with_body(&ask.services.store, &ask.services.bodies, ask.body, |mut body| async move {
        registry.upload(&target, &expected, &mut body, &who).await
    });
    stored.await??;
    Ok(created(repository, digest))
}

/// POST with a mount. What cannot be mounted has to be uploaded: 202, never 404.
pub(in crate::server) async fn mount(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    digest: &Digest,
    from: Option<&RepositoryName>,
) -> Result<Reply, Failure> {
    // Who may not read there is told the same as when nothing is there.
    let from = from.filter(|_| ask.permit(Access::Read).is_ok());
    match ask.registry().mount(repository, digest, from, &ask.who()).await? {
        Mounted::Mounted => Ok(created(repository, digest)),
        Mounted::Unavailable => Ok(start(ask, repository, Some(digest.algorithm()))),
    }
}

pub(in crate::server) async fn append(
    ask: &mut Ask<'_>,
    repository: &RepositoryName,
    session: &str,
) -> Result<Reply, Failure> {
    let span = span(&ask.head.headers)?;
    let (registry, who) = (Arc::clone(ask.registry()), ask.who());
    let (target, upload) = (repository.clone(), session.to_owned());
    let appended = with_body(&ask.services.store, &ask.services.bodies, ask.body, |mut body| async move {
        registry.append_upload(&target, &upload, span, &mut body, &who).await
    });
    let Progress { session, length } = appended.await??;
    Ok(in_progress(StatusCode::ACCEPTED, repository, &session, length))
}

pub(in crate::server) async fn progress(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    session: &str,
) -> Result<Reply, Failure> {
    let Progress { session, length } =
        ask.registry().upload_progress(repository, session, &ask.who()).await?;
    Ok(in_progress(StatusCode::NO_CONTENT, repository, &session, length))
}

/// PUT: the last chunk or the whole blob or nothing more, and the digest of it all.
pub(in crate::server) async fn finish(
    ask: &mut Ask<'_>,
    repository: &RepositoryName,
    session: &str,
    digest: &Digest,
) -> Result<Reply, Failure> {
    let span = span(&ask.head.headers)?;
    let (registry, who) = (Arc::clone(ask.registry()), ask.who());
    let (target, upload, expected) = (repository.clone(), session.to_owned(), digest.clone());
    let finished = with_body(&ask.services.store, &ask.services.bodies, ask.body, |mut body| async move {
        registry.finish_upload(&target, &upload, &expected, span, &mut body, &who).await
    });
    finished.await??;
    Ok(created(repository, digest))
}

pub(in crate::server) async fn cancel(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    session: &str,
) -> Result<Reply, Failure> {
    ask.registry().cancel_upload(repository, session, &ask.who()).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn created(repository: &RepositoryName, digest: &Digest) -> Reply {
    let mut reply = empty(StatusCode::CREATED);
    set_text(&mut reply, LOCATION, &format!("/v2/{repository}/blobs/{digest}"));
    set_text(&mut reply, DOCKER_CONTENT_DIGEST, &digest.to_string());
    reply
}

fn in_progress(status: StatusCode, repository: &RepositoryName, session: &Session, length: u64) -> Reply {
    let mut reply = empty(status);
    point_to(&mut reply, repository, session, length);
    reply
}

/// Where to go on and what is there. Relative, because clients refuse a `Location` on another host
/// (docs/internals/oci-protocol.md#endpoints).
pub(in crate::server) fn point_to(
    reply: &mut Reply,
    repository: &RepositoryName,
    session: &Session,
    length: u64,
) {
    set_text(reply, LOCATION, &format!("/v2/{repository}/blobs/uploads/{session}"));
    // Before any byte there is no last one, and clients want `0-` and a number.
    set_text(reply, RANGE, &format!("0-{}", length.saturating_sub(1)));
}

/// `Content-Range: first-last`, where there is one.
fn span(headers: &HeaderMap) -> Result<Option<UploadRange>, Failure> {
    let mut values = headers.get_all(CONTENT_RANGE);
    let Some(value) = values.next() else { return Ok(None) };
    // Which of two is meant nobody can know.
    let only = value.to_str().ok().filter(|_| values.next().is_none());
    Ok(Some(UploadRange::parse(only.unwrap_or_default())?))
}
