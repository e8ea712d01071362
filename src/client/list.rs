//! What charts a registry has: asked of charthouse's JSON API, or put together from the catalog, tags and configs.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde_json::Value;

use super::chart::RemoteChart;
use super::choose::sorted;
use super::error::ClientError;
use super::reference::{Place, Repository};
use super::registry::Registry;
use crate::oci::Reference;

/// Repositories asked at once.
const AT_ONCE: usize = 8;
/// Versions of one repository that are looked at in search of a chart.
const MAX_CANDIDATES: usize = 16;

/// A chart by its newest version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub repository: String,
    pub name: String,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub deprecated: bool,
    #[serde(skip)]
    words: String,
}

/// The charts of a namespace or of a whole registry, in the order of their repositories. Where the name is that of a
/// chart, its versions come first, from the highest down.
///
/// # Errors
/// When there is neither.
pub async fn list(registry: &Registry, place: &Place) -> Result<Vec<Listed>, ClientError> {
    if place.namespace.is_empty() {
        return match every_namespace(registry).await? {
            Some(listed) => Ok(listed),
            None => from_catalog(registry, place).await,
        };
    }
    let (mut listed, others) = match charts(registry, &place.namespace).await? {
        Some(charts) => (versions(registry, &place.namespace).await?.unwrap_or_default(), charts),
        None => {
            let versions = versions_of_tags(registry, &place.namespace).await?;
            match from_catalog(registry, place).await {
                Ok(charts) => (versions, charts),
                // The chart is there, so it does not matter that the registry has no catalog.
                Err(_) if !versions.is_empty() => (versions, Vec::new()),
                Err(error) => return Err(error),
            }
        }
    };
    listed.extend(others);
    if listed.is_empty() {
        return Err(ClientError::Unfit(format!("{place} is neither a namespace with charts nor a chart")));
    }
    Ok(listed)
}

/// The charts of a place that have every word of `query` in name, description, keywords, maintainers or annotations.
pub async fn search(registry: &Registry, place: &Place, query: &str) -> Result<Vec<Listed>, ClientError> {
    let parameters = [("q", query), ("namespace", place.namespace.as_str())];
    let parameters = if place.namespace.is_empty() { &parameters[..1] } else { &parameters[..] };
    if let Some(found) = registry.api("search", parameters, "charts").await? {
        return Ok(found.iter().filter_map(read).collect());
    }
    let mut listed = from_catalog(registry, place).await?;
    let words: Vec<String> = query.to_lowercase().split_whitespace().map(str::to_owned).collect();
    listed.retain(|chart| words.iter().all(|word| chart.words.contains(word)));
    Ok(listed)
}

/// From the JSON API; `None` where there is none.
async fn charts(registry: &Registry, namespace: &str) -> Result<Option<Vec<Listed>>, ClientError> {
    let entries = registry.api("charts", &[("namespace", namespace)], "charts").await?;
    Ok(entries.map(|entries| entries.iter().filter_map(read).collect()))
}

/// The versions of a chart, from the JSON API; `None` where there is no such chart.
async fn versions(registry: &Registry, repository: &str) -> Result<Option<Vec<Listed>>, ClientError> {
    let entries = registry.api(&format!("charts/{repository}/-/versions"), &[], "versions").await?;
    let name = repository.rsplit('/').next().unwrap_or(repository);
    let read = |version: &Value| of_version(repository, name, version);
    Ok(entries.map(|entries| entries.iter().filter_map(read).collect()))
}

/// The versions of a chart, from the tags of its repository and what they stand for; none where there is no such chart.
async fn versions_of_tags(registry: &Registry, name: &str) -> Result<Vec<Listed>, ClientError> {
    let Ok(repository) = Repository::parse(name) else { return Ok(Vec::new()) };
    let tags = match registry.tags(&repository).await {
        // Many registries answer so for what is not there.
        Err(error) if error.status().is_some_and(|status| status.is_client_error()) => return Ok(Vec::new()),
        tags => tags?.unwrap_or_default(),
    };
    let looked = stream::iter(sorted(&tags))
        .map(|one| look_at(registry, &repository, Reference::Tag(one.tag)))
        .buffered(AT_ONCE);
    let found: Vec<Option<Listed>> = looked.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn every_namespace(registry: &Registry) -> Result<Option<Vec<Listed>>, ClientError> {
    let Some(namespaces) = registry.api("namespaces", &[], "namespaces").await? else { return Ok(None) };
    let namespaces: Vec<&str> = namespaces.iter().filter_map(Value::as_str).collect();
    let looked = stream::iter(namespaces).map(|namespace| charts(registry, namespace)).buffered(AT_ONCE);
    let found: Vec<Option<Vec<Listed>>> = looked.try_collect().await?;
    let mut listed: Vec<Listed> = found.into_iter().flatten().flatten().collect();
    listed.sort_by(|one, other| one.repository.cmp(&other.repository));
    Ok(Some(listed))
}

/// One entry of the JSON API: a chart and its newest version.
fn read(entry: &Value) -> Option<Listed> {
    of_version(entry.get("repository")?.as_str()?, entry.get("name")?.as_str()?, entry.get("newest")?)
}

/// One version, as the JSON API has it.
fn of_version(repository: &str, name: &str, version: &Value) -> Option<Listed> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let metadata = version.get("metadata").unwrap_or(&Value::Null);
    Some(Listed {
        repository: repository.to_owned(),
        name: name.to_owned(),
        version: text(version, "version")?,
        app_version: text(metadata, "appVersion"),
        description: text(metadata, "description"),
        deprecated: metadata.get("deprecated").and_then(Value::as_bool).unwrap_or_default(),
        words: String::new(),
    })
}

async fn from_catalog(registry: &Registry, place: &Place) -> Result<Vec<Listed>, ClientError> {
    let prefix = if place.namespace.is_empty() { String::new() } else { format!("{}/", place.namespace) };
    let missing =
        || ClientError::Unfit(format!("{} lists its repositories in no way that is known", registry.host()));
    let mut repositories = registry.catalog(&prefix).await?.ok_or_else(missing)?;
    // As in charthouse, a namespace is what stands before the last `/`.
    repositories.retain(|repository| prefix.is_empty() || !repository.as_str()[prefix.len()..].contains('/'));
    let looked = stream::iter(repositories).map(|repository| look(registry, repository)).buffered(AT_ONCE);
    let found: Vec<Option<Listed>> = looked.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// The newest chart of a repository: the highest that is no pre-release, else the highest. Tags on something else are
/// passed over; `None` when none of [`MAX_CANDIDATES`] is a chart.
async fn look(registry: &Registry, repository: Repository) -> Result<Option<Listed>, ClientError> {
    let tags = registry.tags(&repository).await?.unwrap_or_default();
    let (stable, others): (Vec<_>, Vec<_>) =
        sorted(&tags).into_iter().partition(|one| one.version.pre.is_empty());
    for one in stable.into_iter().chain(others).take(MAX_CANDIDATES) {
        if let Some(listed) = look_at(registry, &repository, Reference::Tag(one.tag)).await? {
            return Ok(Some(listed));
        }
    }
    Ok(None)
}

/// A chart by what its config says; `None` for an image, and for a chart that came and went.
async fn look_at(
    registry: &Registry,
    repository: &Repository,
    reference: Reference,
) -> Result<Option<Listed>, ClientError> {
    let Some(chart) = RemoteChart::open_if_chart(registry, repository, &reference).await? else {
        return Ok(None);
    };
    let config = match chart.read_config(registry, repository).await {
        Ok(config) => config,
        Err(ClientError::Unfit(_)) => return Ok(None),
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let maintainers = config.maintainers.iter().flat_map(|one| [one.name.clone(), one.email.clone()]);
    let annotations = config.annotations.iter().map(|(key, value)| format!("{key} {value}"));
    let words: Vec<String> = [repository.to_string(), config.name.clone()]
        .into_iter()
        .chain(config.description.clone())
        .chain(config.keywords)
        .chain(maintainers.flatten())
        .chain(annotations)
        .collect();
    Ok(Some(Listed {
        repository: repository.to_string(),
        name: config.name,
        version: config.version,
        app_version: config.app_version,
        description: config.description,
        deprecated: config.deprecated,
        words: words.join("\n").to_lowercase(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_of_the_api_are_read_with_what_they_have() {
        let metadata = json!({"appVersion": "1", "description": "d", "deprecated": true});
        let newest = json!({"version": "1.2.3", "tag": "1.2.3", "metadata": metadata});
        let entry = json!({"repository": "team/app", "namespace": "team", "name": "app", "versions": 2, "newest": newest});
        let full = read(&entry).unwrap();
        assert_eq!((full.name.as_str(), full.version.as_str(), full.deprecated), ("app", "1.2.3", true));
        let bare =
            read(&json!({"repository": "team/app", "name": "app", "newest": {"version": "1.0.0"}})).unwrap();
        assert_eq!((bare.version.as_str(), bare.description), ("1.0.0", None));
        assert!(read(&json!({"name": "app"})).is_none() && read(&json!(1)).is_none());
    }
}
