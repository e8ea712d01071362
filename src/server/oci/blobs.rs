//! Blobs: GET with ranges, HEAD and DELETE (OCI distribution, "Pulling blobs", "Deleting Blobs").

use actix_http::StatusCode;
use actix_http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::oci::{Digest, RepositoryName};
use crate::server::ask::Ask;
use crate::server::download;
use crate::server::error::Failure;
use crate::server::headers::{IMMUTABLE, OCTET_STREAM, identify};
use crate::server::reply::{Reply, empty, set};

/// GET and HEAD.
pub(in crate::server) async fn get(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Reply, Failure> {
    let blob = ask.registry().blob(repository, digest).await?;
    let mut reply = download::blob(ask, blob).await?;
    set(&mut reply, CONTENT_TYPE, OCTET_STREAM);
    set(&mut reply, CACHE_CONTROL, IMMUTABLE);
    identify(&mut reply, digest);
    Ok(reply)
}

pub(in crate::server) async fn delete(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Reply, Failure> {
    ask.registry().delete_blob(repository, digest, &ask.who()).await?;
    Ok(empty(StatusCode::ACCEPTED))
}
