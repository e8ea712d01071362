//! The config and the annotations of a chart's manifest, to the letter as Helm makes them, so that the same package
//! has the same digests whoever pushes it (HELM.md section 1.1; Helm 4.2, pkg/registry/chart.go and
//! pkg/chart/v2/metadata.go).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Chart.yaml as Helm knows it, in the order in which Go writes the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub home: String,
    #[serde(deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub icon: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub condition: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub tags: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    #[serde(deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub deprecated: bool,
    #[serde(deserialize_with = "annotations", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    #[serde(rename = "type", deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Maintainer {
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub email: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub url: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Dependency {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(deserialize_with = "text")]
    pub repository: String,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub condition: String,
    #[serde(deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(deserialize_with = "flag", skip_serializing_if = "is_false")]
    pub enabled: bool,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Value>,
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

impl Config {
    /// Reads Chart.yaml, and requirements.yaml of a version 1 chart, as Helm loads them.
    ///
    /// # Errors
    /// A text that says what is wrong.
    pub fn read(chart: &[u8], requirements: Option<&[u8]>) -> Result<Self, String> {
        let wrong = |file: &str, why: &dyn std::fmt::Display| {
            let mut why = why.to_string();
            why.truncate(why.floor_char_boundary(300));
            format!("{file}: {}", super::answer::harmless(&why))
        };
        let mut config: Self = yaml(chart).map_err(|why| wrong("Chart.yaml", &why))?;
        if config.api_version.is_empty() {
            config.api_version = "v1".to_owned();
        }
        if let Some(requirements) = requirements {
            #[derive(Deserialize, Default)]
            #[serde(default)]
            struct Requirements {
                #[serde(deserialize_with = "list")]
                dependencies: Vec<Dependency>,
            }
            let read: Requirements = yaml(requirements).map_err(|why| wrong("requirements.yaml", &why))?;
            if !read.dependencies.is_empty() {
                config.dependencies = read.dependencies;
            }
        }
        config.sanitize();
        if config.name.is_empty() || config.version.is_empty() {
            return Err("Chart.yaml: name and version are required".to_owned());
        }
        if crate::chart::lax(&config.version).is_none() {
            return Err(format!("Chart.yaml: the version {:?} is no semantic version", config.version));
        }
        Ok(config)
    }

    /// The bytes of the config blob.
    pub fn to_json(&self) -> String {
        as_go_writes(self)
    }

    /// The annotations of the manifest; `created` is RFC 3339.
    pub fn annotations(&self, created: &str) -> BTreeMap<String, String> {
        const TITLE: &str = "org.opencontainers.image.title";
        const VERSION: &str = "org.opencontainers.image.version";
        let authors: Vec<String> = self.maintainers.iter().map(Maintainer::author).collect();
        let own = [
            ("org.opencontainers.image.description", self.description.as_str()),
            (TITLE, &self.name),
            (VERSION, &self.version),
            ("org.opencontainers.image.url", &self.home),
            ("org.opencontainers.image.created", created),
            ("org.opencontainers.image.source", self.sources.first().map_or("", String::as_str)),
            ("org.opencontainers.image.authors", &authors.join(", ")),
        ];
        let own = own.into_iter().filter(|(_, value)| !value.trim().is_empty());
        let mut all: BTreeMap<_, _> = own.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let copied = self.annotations.iter().filter(|(key, _)| ![TITLE, VERSION].contains(&key.as_str()));
        all.extend(copied.map(|(key, value)| (key.clone(), value.clone())));
        all
    }

    fn sanitize(&mut self) {
        let texts = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        let maintainers =
            self.maintainers.iter_mut().flat_map(|one| [&mut one.name, &mut one.email, &mut one.url]);
        let dependencies = self.dependencies.iter_mut().flat_map(|one| {
            [&mut one.name, &mut one.version, &mut one.repository, &mut one.condition]
                .into_iter()
                .chain(&mut one.tags)
        });
        let lists = self.sources.iter_mut().chain(&mut self.keywords);
        for text in texts.into_iter().chain(maintainers).chain(dependencies).chain(lists) {
            *text = sanitized(text);
        }
    }
}

impl Maintainer {
    fn author(&self) -> String {
        match self.email.as_str() {
            "" => self.name.clone(),
            email => format!("{} ({email})", self.name),
        }
    }
}

/// JSON as Go's encoder writes it: `<`, `>`, `&` and two line breaks are escaped in strings, where alone they occur.
pub fn as_go_writes<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                written.push_str(&format!("\\u{:04x}", u32::from(character)))
            }
            other => written.push(other),
        }
    }
    written
}

/// Spaces of every kind become plain ones, what does not print goes (Go's `unicode.IsSpace` and `IsPrint`).
fn sanitized(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    spaced.filter(|c| !does_not_print(*c)).collect()
}

/// Control and format characters, private use, what is no character. Unassigned code points are kept: Go and Rust
/// know different versions of Unicode anyway.
fn does_not_print(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

fn yaml<T: for<'de> Deserialize<'de> + Default>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let value: Value =
        serde_saphyr::from_str(text.trim_start_matches('\u{feff}')).map_err(|why| why.to_string())?;
    match value {
        Value::Null => Ok(T::default()),
        value => T::deserialize(value).map_err(|why| why.to_string()),
    }
}

/// A string, or what Helm's YAML library makes a string of where one is wanted.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Value::deserialize(deserializer).and_then(as_text)
}

fn as_text<E: serde::de::Error>(value: Value) -> Result<String, E> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Number(number) => Ok(match number.as_f64() {
            Some(float) if number.is_f64() => as_go_prints(float),
            _ => number.to_string(),
        }),
        Value::Array(_) | Value::Object(_) => Err(E::custom("a text is wanted where a list or map is")),
    }
}

/// Go's `strconv.FormatFloat(float, 'g', -1, 32)`: single precision, and an exponent from a million on.
fn as_go_prints(float: f64) -> String {
    let float = float as f32;
    let scientific = format!("{float:e}");
    let exponent =
        scientific.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse().ok()?)));
    match exponent {
        Some((digits, exponent @ (..-4 | 6..))) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", i32::abs(exponent))
        }
        _ => format!("{float}"),
    }
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values: Vec<Value> = list(deserializer)?;
    values.into_iter().map(as_text).collect()
}

/// A list without nulls; null for an empty one.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values: Option<BTreeMap<String, Value>> = Option::deserialize(deserializer)?;
    values.unwrap_or_default().into_iter().map(|(key, value)| Ok((key, as_text(value)?))).collect()
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> Config {
        Config::read(yaml.as_bytes(), None).unwrap()
    }

    #[test]
    fn fields_are_written_in_the_order_of_helm() {
        let config = config(
            "version: 1.2.3\nname: app\napiVersion: v2\ntype: application\nunknown: x\nkeywords: [a, b]\n\
             maintainers: [{email: e@x, name: E}]\ndependencies: [{name: base}]\n\
             annotations: {z: '1', a: true}\ndescription: 'a <b> & c'\n",
        );
        assert_eq!(
            config.to_json(),
            r#"{"name":"app","version":"1.2.3","description":"a \u003cb\u003e \u0026 c","keywords":["a","b"],"maintainers":[{"name":"E","email":"e@x"}],"apiVersion":"v2","annotations":{"a":"true","z":"1"},"dependencies":[{"name":"base","repository":""}],"type":"application"}"#
        );
    }

    #[test]
    fn scalars_become_the_texts_that_helm_makes_of_them() {
        for (yaml, expected) in [
            ("1.10", "1.1"),
            ("'1.10'", "1.10"),
            ("1", "1"),
            ("1e5", "100000"),
            ("1e6", "1e+06"),
            ("0.00001", "1e-05"),
            ("1234567.5", "1.2345675e+06"),
            ("true", "true"),
            ("null", ""),
            ("1.16.0", "1.16.0"),
        ] {
            let read = config(&format!("name: a\nversion: 1.0.0\nappVersion: {yaml}\n"));
            assert_eq!(read.app_version, expected, "{yaml}");
        }
    }

    #[test]
    fn texts_are_cleaned_as_helm_cleans_them() {
        let read = config("name: a\nversion: 1.0.0\ndescription: \"a\\tb\\nc\\u0007\\u200bd \\u00e9\"\n");
        assert_eq!(read.description, "a b cd \u{e9}");
    }

    #[test]
    fn dependencies_of_old_charts_come_from_their_own_file() {
        let read = Config::read(
            b"name: a\nversion: 1.0.0\n",
            Some(b"dependencies:\n- name: b\n  version: 1.x\n  repository: oci://h\n"),
        );
        let read = read.unwrap();
        assert_eq!((read.api_version.as_str(), read.dependencies[0].name.as_str()), ("v1", "b"));
    }

    #[test]
    fn annotations_cannot_change_title_and_version() {
        let read = config(
            "name: app\nversion: 1.0.0\nsources: [s1, s2]\nhome: h\nmaintainers: [{name: A, email: a@x}, {name: B}]\n\
             annotations:\n  org.opencontainers.image.title: other\n  org.opencontainers.image.url: mine\n  x: why\n",
        );
        let annotations = read.annotations("2026-01-02T03:04:05Z");
        let expected = [
            ("org.opencontainers.image.authors", "A (a@x), B"),
            ("org.opencontainers.image.created", "2026-01-02T03:04:05Z"),
            ("org.opencontainers.image.source", "s1"),
            ("org.opencontainers.image.title", "app"),
            ("org.opencontainers.image.url", "mine"),
            ("org.opencontainers.image.version", "1.0.0"),
            ("x", "why"),
        ];
        assert!(
            annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected),
            "{annotations:?}"
        );
    }

    #[test]
    fn what_is_no_chart_is_named() {
        for (yaml, expected) in [
            ("name: a\n", "required"),
            ("name: a\nversion: x\n", "no semantic version"),
            ("name: a\nversion: [1]\n", "a text is wanted"),
            ("name: a\nname: b\nversion: 1.0.0\n", "duplicate"),
            ("- a\n", "Chart.yaml"),
        ] {
            let said = Config::read(yaml.as_bytes(), None).unwrap_err();
            assert!(said.contains(expected), "{yaml}: {said}");
        }
    }
}
