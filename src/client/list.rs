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
const PAGE: &str = "100";

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

/// The charts of a place, in the order of their repositories.
pub async fn list(registry: &Registry, place: &Place) -> Result<Vec<Listed>, ClientError> {
    let query = [("namespace", place.namespace.as_str())];
    let query = if place.namespace.is_empty() { &[][..] } else { &query[..] };
    match from_api(registry, "charts", query).await? {
        Some(listed) => Ok(listed),
        None => from_catalog(registry, place).await,
    }
}

/// The charts of a place that have every word of `query` in name, description, keywords, maintainers or annotations.
pub async fn search(registry: &Registry, place: &Place, query: &str) -> Result<Vec<Listed>, ClientError> {
    let parameters = [("q", query), ("namespace", place.namespace.as_str())];
    let parameters = if place.namespace.is_empty() { &parameters[..1] } else { &parameters[..] };
    if let Some(found) = from_api(registry, "search", parameters).await? {
        return Ok(found);
    }
    let mut listed = list(registry, place).await?;
    let words: Vec<String> = query.to_lowercase().split_whitespace().map(str::to_owned).collect();
    listed.retain(|chart| words.iter().all(|word| chart.words.contains(word)));
    Ok(listed)
}

/// All pages of a list of the JSON API; `None` where there is none.
async fn from_api(
    registry: &Registry,
    path: &str,
    query: &[(&str, &str)],
) -> Result<Option<Vec<Listed>>, ClientError> {
    let (mut listed, mut last): (Vec<Listed>, Option<String>) = (Vec::new(), None);
    loop {
        let mut query = query.to_vec();
        query.push(("n", PAGE));
        if let Some(last) = &last {
            query.push(("last", last));
        }
        let page = registry.api(path, &query).await?;
        let entries = page.as_ref().and_then(|page| list_in(page, &["charts", "results"]));
        let Some(entries) = entries else { return Ok(None) };
        let before = listed.len();
        listed.extend(entries.iter().filter_map(read));
        let next = listed.last().map(|one| one.repository.clone());
        // A page that does not lead on is the last.
        if listed.len() == before || entries.len() < 100 || next == last {
            return Ok(Some(listed));
        }
        last = next;
    }
}

fn list_in<'a>(page: &'a Value, names: &[&str]) -> Option<&'a Vec<Value>> {
    names.iter().find_map(|name| page.get(name)?.as_array())
}

/// One entry of the JSON API.
fn read(entry: &Value) -> Option<Listed> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let repository = text("repository")?;
    let name = text("name").unwrap_or_else(|| repository.rsplit('/').next().unwrap_or_default().to_owned());
    Some(Listed {
        name,
        repository,
        version: text("version").or_else(|| text("latest")).unwrap_or_default(),
        app_version: text("appVersion"),
        description: text("description"),
        deprecated: entry.get("deprecated").and_then(Value::as_bool).unwrap_or_default(),
        words: String::new(),
    })
}

async fn from_catalog(registry: &Registry, place: &Place) -> Result<Vec<Listed>, ClientError> {
    let prefix = if place.namespace.is_empty() { String::new() } else { format!("{}/", place.namespace) };
    let missing =
        || ClientError::Unfit(format!("{} lists its repositories in no way that is known", registry.host()));
    let repositories = registry.catalog(&prefix).await?.ok_or_else(missing)?;
    let looked = stream::iter(repositories).map(|repository| look(registry, repository)).buffered(AT_ONCE);
    let found: Vec<Option<Listed>> = looked.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// The newest version of a repository; `None` when what it has is no chart.
async fn look(registry: &Registry, repository: Repository) -> Result<Option<Listed>, ClientError> {
    let tags = registry.tags(&repository).await?.unwrap_or_default();
    let versions = sorted(&tags);
    let stable = versions.iter().find(|one| one.version.pre.is_empty());
    let Some(newest) = stable.or(versions.first()) else { return Ok(None) };
    let read = async {
        let chart = RemoteChart::open(registry, &repository, &Reference::Tag(newest.tag.clone())).await?;
        chart.read_config(registry, &repository).await
    };
    let config = match read.await {
        Ok(config) => config,
        // An image, or a chart that came and went: it is not listed.
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
        let full = json!({"repository": "team/app", "name": "app", "version": "1.2.3", "appVersion": "1", "description": "d", "deprecated": true, "more": 1});
        let read_full = read(&full).unwrap();
        assert_eq!((read_full.version.as_str(), read_full.deprecated), ("1.2.3", true));
        let bare = read(&json!({"repository": "team/app"})).unwrap();
        assert_eq!((bare.name.as_str(), bare.version.as_str()), ("app", ""));
        assert!(read(&json!({"name": "app"})).is_none() && read(&json!(1)).is_none());
    }
}
