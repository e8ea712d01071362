//! What is there, as ChartMuseum shows it: versions are entries of the index.

use actix_http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::chart::{Rank, tag_of_version};
use crate::journal::Release;
use crate::oci::{Namespace, RepositoryName, Tag};
use crate::registry::{Chart, Error, IndexEntries, Page};
use crate::server::ask::Ask;
use crate::server::error::Failure;
use crate::server::headers::{JSON, REVALIDATE, YAML};
use crate::server::reply::{Reply, set, whole};

/// `{name: [version, ...], ...}`, from the `offset`th chart on, `limit` of them.
pub(super) async fn list(
    ask: &Ask<'_>,
    namespace: &Namespace,
    offset: usize,
    limit: Option<usize>,
) -> Result<Reply, Failure> {
    let index = ask.registry().index_entries(namespace).await?;
    let mut charts = Vec::new();
    let (mut last, mut skip) = (None::<RepositoryName>, offset);
    let limit = limit.unwrap_or(usize::MAX);
    loop {
        let after = last.as_ref().map(RepositoryName::as_str);
        let page = match ask.registry().charts(namespace, Page { limit: usize::MAX, last: after }).await {
            // There, but nothing is in it: ChartMuseum knows no other namespace.
            Err(Error::NamespaceUnknown(_)) => break,
            page => page?,
        };
        last = page.entries.last().map(|listed| listed.repository.clone());
        for listed in page.entries {
            if skip > 0 {
                skip -= 1;
            } else if charts.len() < limit {
                let entries = entries(&index, &listed.repository, &listed.chart);
                charts.push(format!("{}:{entries}", json!(listed.repository.base())));
            }
        }
        if !page.more || charts.len() >= limit {
            break;
        }
    }
    Ok(document(format!("{{{}}}", charts.join(","))))
}

/// `[version, ...]`
pub(super) async fn versions(ask: &Ask<'_>, repository: &RepositoryName) -> Result<Reply, Failure> {
    let (listed, _) = ask.registry().chart(repository).await?;
    let index = ask.registry().index_entries(&repository.namespace()).await?;
    Ok(document(entries(&index, repository, &listed.chart)))
}

/// One version.
pub(super) async fn version(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    version: &str,
) -> Result<Reply, Failure> {
    let release = resolve(ask, repository, version).await?;
    let index = ask.registry().index_entries(&repository.namespace()).await?;
    Ok(document(index.entry(repository, &release)))
}

/// `{"templates": [{"name", "data"}], "values": {...}}`, the data in base 64.
pub(super) async fn templates(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    version: &str,
) -> Result<Reply, Failure> {
    let release = resolve(ask, repository, version).await?;
    let package = ask.registry().package(repository, &release).await?;
    let template = |file: &crate::chart::archive::PackedFile| {
        let content = package.content(&file.path).unwrap_or_default();
        json!({"name": file.path, "data": STANDARD.encode(content)})
    };
    let templates: Vec<Value> = package.templates().map(template).collect();
    let values = package.values_as_json().unwrap_or_else(|| json!({}));
    Ok(document(json!({"templates": templates, "values": values}).to_string()))
}

/// `values.yaml` as it is.
pub(super) async fn values(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    version: &str,
) -> Result<Reply, Failure> {
    let release = resolve(ask, repository, version).await?;
    let package = ask.registry().package(repository, &release).await?;
    let values = package.values().unwrap_or_default().to_vec();
    Ok(revalidated(whole(StatusCode::OK, YAML, values)))
}

/// A version by its name, the highest that satisfies a constraint, or `latest`.
pub(super) async fn resolve(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    version: &str,
) -> Result<Release, Failure> {
    if let Some(tag) = Tag::parse(&tag_of_version(version)).ok().filter(|tag| Rank::of(tag).is_some()) {
        match ask.registry().version(repository, &tag).await {
            Err(Error::VersionUnknown { .. }) => {}
            found => return Ok(found?.release),
        }
    }
    if version == "latest" {
        return Ok(ask.registry().chart(repository).await?.0.chart.newest.release.clone());
    }
    Ok(ask.registry().resolve(repository, Some(version), false).await?.release)
}

fn entries(index: &IndexEntries, repository: &RepositoryName, chart: &Chart) -> String {
    let all: Vec<String> =
        chart.versions.values().map(|version| index.entry(repository, &version.release)).collect();
    format!("[{}]", all.join(","))
}

fn document(json: String) -> Reply {
    revalidated(whole(StatusCode::OK, JSON, json))
}

fn revalidated(mut reply: Reply) -> Reply {
    set(&mut reply, actix_http::header::CACHE_CONTROL, REVALIDATE);
    reply
}
