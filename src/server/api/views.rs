//! Looking into packages: their files, and what changed between two of them. What is in a package never changes, so its
//! digest is the entity tag.

use std::fmt::Display;

use actix_http::header::HeaderValue;
use serde::Serialize;

use super::{WRITER, tagged};
use crate::chart::archive::Package;
use crate::chart::{Difference, Metadata};
use crate::oci::{RepositoryName, Tag, View};
use crate::registry::Error;
use crate::server::ask::Ask;
use crate::server::conditions::not_modified;
use crate::server::error::Failure;
use crate::server::headers::{JSON, TEXT};
use crate::server::reply::Reply;

pub(super) async fn view(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    version: &Tag,
    view: View,
) -> Result<Reply, Failure> {
    let release = ask.registry().version(repository, version).await?.release;
    let tag = format!("{}-{WRITER}", release.chart.package);
    if let Some(reply) = known(ask, &tag) {
        return Ok(reply);
    }
    let package = ask.registry().package(repository, &release).await?;
    let (content_type, body) = content(&package, view)?;
    Ok(tagged(ask, tag, content_type, || body))
}

pub(super) async fn diff(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    from: &Tag,
    to: &Tag,
) -> Result<Reply, Failure> {
    #[derive(Serialize)]
    struct Document<'a> {
        repository: &'a RepositoryName,
        from: &'a str,
        to: &'a str,
        #[serde(flatten)]
        difference: Difference,
    }
    let from = ask.registry().version(repository, from).await?.release;
    let to = ask.registry().version(repository, to).await?.release;
    let tag = format!("{}-{}-{WRITER}", from.chart.package, to.chart.package);
    if let Some(reply) = known(ask, &tag) {
        return Ok(reply);
    }
    let difference = ask.registry().difference(repository, &from, &to).await?;
    let (from, to) = (&from.chart.version, &to.chart.version);
    let body = serde_json::to_vec(&Document { repository, from, to, difference })?;
    Ok(tagged(ask, tag, JSON, || body))
}

/// The answer to who has it already; no package is read for that.
fn known(ask: &Ask<'_>, tag: impl Display) -> Option<Reply> {
    not_modified(&ask.head.headers, &tag).then(|| tagged(ask, tag, JSON, Vec::new))
}

fn content(package: &Package, view: View) -> Result<(HeaderValue, Vec<u8>), Failure> {
    let there = |content: Option<&[u8]>, what| {
        content.map(<[u8]>::to_vec).ok_or(Failure::Registry(Error::FileUnknown(what)))
    };
    Ok(match view {
        View::Readme => (TEXT, there(package.readme(), "README.md")?),
        View::Values => (TEXT, there(package.values(), "values.yaml")?),
        View::Schema => (JSON, there(package.schema(), "values.schema.json")?),
        View::Chart => (TEXT, package.chart_yaml().to_vec()),
        View::Files => (JSON, files(package)?),
        View::Dependencies => (JSON, dependencies(package)?),
    })
}

fn files(package: &Package) -> Result<Vec<u8>, Failure> {
    #[derive(Serialize)]
    struct Files<'a> {
        files: Vec<File<'a>>,
    }
    #[derive(Serialize)]
    struct File<'a> {
        path: &'a str,
        size: u64,
    }
    let files = package.files.iter().map(|file| File { path: &file.path, size: file.size });
    Ok(serde_json::to_vec(&Files { files: files.collect() })?)
}

fn dependencies(package: &Package) -> Result<Vec<u8>, Failure> {
    #[derive(Serialize)]
    struct Dependencies<'a, T> {
        dependencies: T,
        /// The charts in `charts/`.
        bundled: Vec<Bundled<'a>>,
    }
    #[derive(Serialize)]
    struct Bundled<'a> {
        path: &'a str,
        name: &'a str,
        version: &'a str,
    }
    let Metadata { dependencies, .. } = &package.metadata;
    let bundled = package.subcharts.iter().map(|chart| Bundled {
        path: &chart.path,
        name: &chart.name,
        version: &chart.version,
    });
    Ok(serde_json::to_vec(&Dependencies { dependencies, bundled: bundled.collect() })?)
}
