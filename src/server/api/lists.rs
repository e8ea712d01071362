//! Lists of namespaces, charts and versions, and search, in pages that name the next one.

use super::{by_bytes, json, tag_of, tagged};
use crate::oci::{Namespace, Page, RepositoryName};
use crate::registry;
use crate::server::ask::Ask;
use crate::server::error::Failure;
use crate::server::headers::{JSON, link_next, with_query};
use crate::server::reply::Reply;

/// Entries of a page when the request does not say how many.
const DEFAULT: usize = 100;

pub(super) async fn namespaces(ask: &Ask<'_>, page: &Page) -> Result<Reply, Failure> {
    let part = part(page);
    let found = ask.registry().namespaces(part).await?;
    let names = found.namespaces.iter().map(|name| format!("\"{name}\""));
    let mut reply = by_bytes(ask, json::list("", "namespaces", names));
    if let Some(last) = found.namespaces.last().filter(|_| found.more) {
        link(&mut reply, &[], part.limit, last.as_str());
    }
    Ok(reply)
}

pub(super) async fn charts(ask: &Ask<'_>, namespace: &Namespace, page: &Page) -> Result<Reply, Failure> {
    let part = part(page);
    let found = ask.registry().charts(namespace, part).await?;
    let head = format!("\"namespace\":\"{namespace}\",");
    let mut reply = tagged(ask, tag_of(found.revision), JSON, || {
        json::list(&head, "charts", found.entries.iter().map(json::chart))
    });
    if let Some(last) = found.entries.last().filter(|_| found.more) {
        let query = [("namespace", namespace.as_str())];
        link(&mut reply, &query, part.limit, last.repository.as_str());
    }
    Ok(reply)
}

pub(super) async fn search(
    ask: &Ask<'_>,
    query: &str,
    namespace: Option<&Namespace>,
    page: &Page,
) -> Result<Reply, Failure> {
    let part = part(page);
    let found = ask.registry().search(query, namespace, part).await?;
    let body = || json::list("", "charts", found.charts.iter().map(json::chart));
    let mut reply = match found.revision {
        Some(revision) => tagged(ask, tag_of(revision), JSON, body),
        None => by_bytes(ask, body()),
    };
    if let Some(next) = &found.next {
        let mut own = vec![("q", query)];
        own.extend(namespace.map(|namespace| ("namespace", namespace.as_str())));
        link(&mut reply, &own, part.limit, next);
    }
    Ok(reply)
}

pub(super) async fn versions(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    page: &Page,
) -> Result<Reply, Failure> {
    let part = part(page);
    let found = ask.registry().versions(repository, part).await?;
    let head = format!("\"repository\":\"{repository}\",");
    let mut reply = tagged(ask, tag_of(found.revision), JSON, || {
        json::list(&head, "versions", found.entries.iter().map(json::release))
    });
    if let Some(last) = found.entries.last().filter(|_| found.more) {
        link(&mut reply, &[], part.limit, &last.release.chart.version);
    }
    Ok(reply)
}

pub(super) async fn untagged(
    ask: &Ask<'_>,
    repository: &RepositoryName,
    page: &Page,
) -> Result<Reply, Failure> {
    let part = part(page);
    let found = ask.registry().untagged(repository, part).await?;
    let head = format!("\"repository\":\"{repository}\",");
    let mut reply = by_bytes(ask, json::list(&head, "untagged", found.manifests.iter().map(json::untagged)));
    if let Some(last) = found.manifests.last().filter(|_| found.more) {
        link(&mut reply, &[], part.limit, &last.digest.to_string());
    }
    Ok(reply)
}

fn part(page: &Page) -> registry::Page<'_> {
    registry::Page { limit: page.n.unwrap_or(DEFAULT), last: page.last.as_deref() }
}

/// Names the next page, which has what this one has in `query`. The target is a query alone, relative to the path as the
/// client has it: a proxy may have taken a prefix off (RFC 3986 section 5.2.2).
fn link(reply: &mut Reply, query: &[(&str, &str)], limit: usize, last: &str) {
    let limit = limit.to_string();
    let query = [query, &[("n", &*limit), ("last", last)]].concat();
    link_next(reply, &with_query("", &query));
}
