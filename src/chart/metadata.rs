//! What a chart says of itself: the fields of Chart.yaml that clients know
//! (docs/internals/helm.md#the-index), read from the config of a manifest, where Helm keeps them as JSON, or
//! from Chart.yaml itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

use super::printable::cleaned;
use super::{chart_yaml, version, yaml};
use crate::oci::json::{self, Object};
use crate::oci::{InvalidJson, json_fault};

/// Metadata of more bytes than this is not listed; it rides in a line of the journal.
pub const MAX_METADATA: usize = 128 * 1024;

/// YAML readers find the end of a key within 1,024 characters or not at all.
const MAX_KEY: usize = 1_000;

/// Umbrella charts have some hundred values. A list of short ones would take many times its size in memory.
const MAX_VALUES: usize = 4_000;

/// Unknown fields are passed over; a missing field is as good as an empty one, as in Go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    #[serde(deserialize_with = "null_as_empty")]
    pub name: String,
    #[serde(deserialize_with = "null_as_empty")]
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "is_false")]
    pub deprecated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    #[serde(deserialize_with = "objects", skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Of version 1 charts: one text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<String>,
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "objects", skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Maintainer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Dependency {
    #[serde(deserialize_with = "null_as_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(deserialize_with = "null_as_empty")]
    pub repository: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "is_false")]
    pub enabled: bool,
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<ImportValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
}

/// A key of the dependency's exports, or `{child, parent}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ImportValue {
    Export(String),
    Mapped(BTreeMap<String, String>),
    /// Which Helm carries along and passes over.
    Other(serde_json::Value),
}

/// Why a document is not the metadata of a chart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    #[error(transparent)]
    Json(#[from] InvalidJson),
    #[error("the YAML is refused: {0}")]
    Yaml(String),
    #[error("{0}")]
    Field(String),
    #[error("it has more than {MAX_VALUES} values")]
    ManyValues,
    #[error("it has no name")]
    NameMissing,
    #[error(
        "the name {0:?} is no name of a chart: it may not be `.` or `..` or have `/`, `\\` or control characters"
    )]
    Name(String),
    #[error("Helm cannot read its version {0:?}")]
    Version(String),
    #[error("its type is neither application nor library")]
    Type,
    #[error("an alias of a dependency has characters other than letters, digits, `_` and `-`")]
    Alias,
    #[error("two dependencies have the name or alias {0:?}: give one of them an alias")]
    SameDependency(String),
    #[error("a key of its annotations is so long that YAML readers refuse it")]
    LongKey,
    #[error("its metadata has more than {MAX_METADATA} bytes")]
    TooLarge,
}

impl InvalidMetadata {
    /// A message quotes at most 200 bytes of a document.
    pub(super) fn field(error: serde_json::Error) -> Self {
        Self::Field(shortened(json_fault(&error)))
    }
}

pub(super) fn shortened(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(200));
    message
}

impl Metadata {
    /// Reads a config and checks it as Helm checks what it reads in an index.
    ///
    /// # Errors
    /// Why no index can list the chart.
    pub fn read(config: &[u8]) -> Result<Self, InvalidMetadata> {
        // No field is named: Go takes keys in any case, but charts may have keys of their own.
        json::check(config, &[])?;
        if json::values(config) > MAX_VALUES {
            return Err(InvalidMetadata::ManyValues);
        }
        let Object(metadata): Object<Self> =
            serde_json::from_slice(config).map_err(InvalidMetadata::field)?;
        metadata.check()?;
        Ok(metadata)
    }

    /// Reads Chart.yaml, and requirements.yaml if there is one, as Helm does when it makes a config of them, and
    /// checks it as Helm checks a package.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_yaml(chart: &[u8], requirements: Option<&[u8]>) -> Result<Self, InvalidMetadata> {
        let value = chart_yaml::value(chart, requirements)?;
        let Object(mut metadata): Object<Self> =
            serde_json::from_value(value).map_err(InvalidMetadata::field)?;
        metadata.clean();
        let api_version = metadata.api_version.take().filter(|version| !version.is_empty());
        metadata.api_version = api_version.or_else(|| Some("v1".to_owned()));
        metadata.check()?;
        metadata.check_package()?;
        Ok(metadata)
    }

    /// Does with the texts what Helm does when it loads a chart (`sanitizeString`); others it leaves as they are.
    fn clean(&mut self) {
        self.name = cleaned(&self.name);
        let texts = [
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        let lists = self.sources.iter_mut().chain(&mut self.keywords);
        let mut all: Vec<&mut String> = texts.into_iter().flatten().chain(lists).collect();
        for Maintainer { name, email, url } in &mut self.maintainers {
            all.extend([name, email, url].into_iter().flatten());
        }
        for Dependency { name, version, repository, condition, tags, .. } in &mut self.dependencies {
            all.extend([name, repository].into_iter().chain(version).chain(condition).chain(tags));
        }
        for text in all.into_iter().filter(|text| !text.bytes().all(|byte| matches!(byte, b' '..=b'~'))) {
            *text = cleaned(text);
        }
    }

    /// The metadata as an index has it: a JSON object that is YAML, with the known fields in one order.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn render(&self) -> Result<String, InvalidMetadata> {
        let text = yaml::to_string(self).map_err(InvalidMetadata::field)?;
        if text.len() > MAX_METADATA { Err(InvalidMetadata::TooLarge) } else { Ok(text) }
    }

    fn check(&self) -> Result<(), InvalidMetadata> {
        if self.name.is_empty() {
            return Err(InvalidMetadata::NameMissing);
        }
        if version::lax(&self.version).is_none() {
            return Err(InvalidMetadata::Version(self.version.chars().take(128).collect()));
        }
        if !matches!(self.kind.as_deref().unwrap_or_default(), "" | "application" | "library") {
            return Err(InvalidMetadata::Type);
        }
        let aliases = self.dependencies.iter().filter_map(|dependency| dependency.alias.as_deref());
        if !aliases.into_iter().all(is_alias) {
            return Err(InvalidMetadata::Alias);
        }
        let imports = self.dependencies.iter().flat_map(|dependency| &dependency.import_values);
        let mapped = imports.filter_map(|import| match import {
            ImportValue::Export(_) | ImportValue::Other(_) => None,
            ImportValue::Mapped(map) => Some(map),
        });
        let mut keys = mapped.chain([&self.annotations]).flat_map(BTreeMap::keys);
        if keys.any(|key| yaml::to_string(key).is_ok_and(|written| written.len() > MAX_KEY)) {
            return Err(InvalidMetadata::LongKey);
        }
        Ok(())
    }

    /// What Helm asks of a package beyond what it asks of an index.
    fn check_package(&self) -> Result<(), InvalidMetadata> {
        let is_bad = |character: char| matches!(character, '/' | '\\') || character.is_control();
        if matches!(self.name.as_str(), "." | "..") || self.name.contains(is_bad) {
            return Err(InvalidMetadata::Name(shortened(self.name.clone())));
        }
        let mut seen = BTreeSet::new();
        for Dependency { name, alias, .. } in &self.dependencies {
            let name = alias.as_deref().filter(|alias| !alias.is_empty()).unwrap_or(name);
            if !seen.insert(name) {
                return Err(InvalidMetadata::SameDependency(shortened(name.to_owned())));
            }
        }
        Ok(())
    }
}

fn is_alias(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Clients written in Go send `null` for what is empty.
fn null_as_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A list of objects, none of them null: Helm passes over a chart with one that is.
fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list: Option<Vec<Object<T>>> = Option::deserialize(deserializer)?;
    Ok(list.unwrap_or_default().into_iter().map(Object::into_inner).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_fields_are_kept_and_rendered_in_one_order() {
        let config = json!({
            "type": "application", "version": "1.2.3+b", "name": "app", "apiVersion": "v2", "x-unknown": {"a": [1]},
            "keywords": ["no", "1.10"], "deprecated": false, "sources": null, "appVersion": "1e5",
            "maintainers": [{"name": "A", "url": null, "title": "unknown"}],
            "annotations": {"b": "2", "a": "1"},
            "dependencies": [{"name": "db", "repository": "", "version": "^1", "alias": "d-b_1",
                "import-values": ["data", {"child": "c", "parent": "p"}], "enabled": true}],
        });
        let metadata = Metadata::read(config.to_string().as_bytes()).unwrap();
        let rendered = metadata.render().unwrap();
        assert_eq!(
            rendered,
            concat!(
                r#"{"apiVersion":"v2","name":"app","version":"1.2.3+b","appVersion":"1e5","type":"application","#,
                r#""keywords":["no","1.10"],"maintainers":[{"name":"A"}],"annotations":{"a":"1","b":"2"},"#,
                r#""dependencies":[{"name":"db","version":"^1","repository":"","enabled":true,"#,
                r#""import-values":["data",{"child":"c","parent":"p"}],"alias":"d-b_1"}]}"#
            )
        );
        assert_eq!(Metadata::read(rendered.as_bytes()).unwrap(), metadata, "and read again");
    }

    #[test]
    fn what_an_index_cannot_list_is_refused_by_name() {
        let with = |key: &str, value: serde_json::Value| {
            let mut config = json!({"name": "app", "version": "1.0.0"});
            config[key] = value;
            config.to_string()
        };
        let long = "k".repeat(1_000);
        let cases = [
            (String::new(), "JSON"),
            ("[]".to_owned(), "where an object is expected"),
            (r#"["app"]"#.to_owned(), "where an object is expected"),
            (r#"{"name":"app","version":"1.0.0","name":"b"}"#.to_owned(), "twice"),
            (json!({"version": "1.0.0"}).to_string(), "name"),
            (with("name", json!(null)), "name"),
            (with("version", json!(null)), "version"),
            (with("version", json!(1.1)), "where a text is expected"),
            (with("version", json!("latest")), "\"latest\""),
            (with("type", json!("plugin")), "type"),
            (with("deprecated", json!("yes")), "where `true` or `false` is expected"),
            (with("maintainers", json!([null])), "where an object is expected"),
            (with("maintainers", json!([["A"]])), "where an object is expected"),
            (with("dependencies", json!([null])), "where an object is expected"),
            (with("dependencies", json!([{"alias": "a.b"}])), "alias"),
            (with("annotations", json!({"a": 1})), "where a text is expected"),
            (with("annotations", json!({long: "v"})), "key"),
            (with("sources", json!("one")), "where a list is expected"),
        ];
        for (config, expected) in cases {
            let refusal = Metadata::read(config.as_bytes()).expect_err(&config).to_string();
            assert!(refusal.contains(expected), "{config}: {refusal}");
        }
        let many = with("keywords", json!(vec![""; MAX_VALUES]));
        let refusal = Metadata::read(many.as_bytes()).unwrap_err();
        assert!(matches!(refusal, InvalidMetadata::ManyValues), "{refusal}");
        let large = with("description", json!("d".repeat(MAX_METADATA)));
        let refusal = Metadata::read(large.as_bytes()).unwrap().render().unwrap_err();
        assert!(matches!(refusal, InvalidMetadata::TooLarge), "{refusal}");
    }
}
