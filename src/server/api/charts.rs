//! One chart, one version of it, and the version that satisfies a constraint.

use super::{json, tag_of, tagged};
use crate::oci::{Like, RepositoryName, Tag};
use crate::registry::Version;
use crate::server::ask::Ask;
use crate::server::error::Failure;
use crate::server::headers::JSON;
use crate::server::reply::Reply;

pub(super) async fn chart(ask: &Ask<'_>, repository: &RepositoryName) -> Result<Reply, Failure> {
    let (listed, revision) = ask.registry().chart(repository).await?;
    Ok(tagged(ask, tag_of(revision), JSON, || json::chart(&listed)))
}

pub(super) async fn version(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    version: &Tag,
) -> Result<Reply, Failure> {
    let version = ask.registry().version(repository, version).await?;
    answer(ask, repository, &version).await
}

pub(super) async fn resolve(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    constraint: Option<&str>,
    devel: bool,
    like: Like,
) -> Result<Reply, Failure> {
    let version = match like {
        Like::Repository => ask.registry().resolve(repository, constraint, devel).await?,
        Like::Oci => ask.registry().resolve_like_oci(repository, constraint, devel).await?,
    };
    answer(ask, repository, &version).await
}

/// Its tag may come to name another manifest of the same package, which changes no release; and keys expire, which
/// changes a verdict.
async fn answer(ask: &Ask<'_>, repository: &RepositoryName, version: &Version) -> Result<Reply, Failure> {
    let verdict = Box::pin(ask.registry().verdict(repository, &version.release)).await?;
    let status = json::status(&verdict);
    let tag = format!("{}-{}-{status}", tag_of(version.revision), version.manifest);
    Ok(tagged(ask, tag, JSON, || json::version(version, &verdict)))
}
