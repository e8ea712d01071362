//! The config and the annotations of a chart's manifest, to the letter as Helm makes them, so that the same
//! package has the same digests whoever pushes it (docs/internals/helm.md#media-types-and-annotations; Helm
//! 4.2, pkg/registry/chart.go and pkg/chart/v2/metadata.go).

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::metadata::{Dependency, ImportValue, Maintainer, Metadata};
use super::yaml::write_escaping;

/// Chart.yaml as Helm knows it, in the order in which Go writes the fields; what is empty is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    home: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    maintainers: Vec<Author>,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    api_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    condition: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tags: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    app_version: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deprecated: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    kube_version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Needed>,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Author {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Needed {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    repository: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    condition: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    import_values: Vec<ImportValue>,
    #[serde(skip_serializing_if = "String::is_empty")]
    alias: String,
}

impl Config {
    /// What Helm writes of the metadata of a package.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            name: metadata.name.clone(),
            home: optional(&metadata.home),
            sources: metadata.sources.clone(),
            version: metadata.version.clone(),
            description: optional(&metadata.description),
            keywords: metadata.keywords.clone(),
            maintainers: metadata.maintainers.iter().map(Author::of).collect(),
            icon: optional(&metadata.icon),
            api_version: optional(&metadata.api_version),
            condition: optional(&metadata.condition),
            tags: optional(&metadata.tags),
            app_version: optional(&metadata.app_version),
            deprecated: metadata.deprecated,
            annotations: metadata.annotations.clone(),
            kube_version: optional(&metadata.kube_version),
            dependencies: metadata.dependencies.iter().map(Needed::of).collect(),
            kind: optional(&metadata.kind),
        }
    }

    /// The bytes of the config blob.
    pub fn to_json(&self) -> String {
        as_go_writes(self)
    }

    /// The annotations of the manifest; `created` is RFC 3339.
    pub fn annotations(&self, created: &str) -> BTreeMap<String, String> {
        const TITLE: &str = "org.opencontainers.image.title";
        const VERSION: &str = "org.opencontainers.image.version";
        let authors: Vec<String> = self.maintainers.iter().map(Author::written).collect();
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
}

impl Author {
    fn of(maintainer: &Maintainer) -> Self {
        let Maintainer { name, email, url } = maintainer;
        Self { name: optional(name), email: optional(email), url: optional(url) }
    }

    /// As the annotation for authors has it.
    fn written(&self) -> String {
        match self.email.as_str() {
            "" => self.name.clone(),
            email => format!("{} ({email})", self.name),
        }
    }
}

impl Needed {
    fn of(dependency: &Dependency) -> Self {
        Self {
            name: dependency.name.clone(),
            version: optional(&dependency.version),
            repository: dependency.repository.clone(),
            condition: optional(&dependency.condition),
            tags: dependency.tags.clone(),
            enabled: dependency.enabled,
            import_values: dependency.import_values.clone(),
            alias: optional(&dependency.alias),
        }
    }
}

fn optional(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

/// JSON as Go's encoder writes it: in strings, `<`, `>`, `&`, two line breaks and some control characters are
/// escaped in its own way, and every number is a float.
pub fn as_go_writes<T: Serialize>(value: &T) -> String {
    let mut bytes = Vec::new();
    match value.serialize(&mut Serializer::with_formatter(&mut bytes, GoFormatter)) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_i64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        self.write_f64(writer, value as f64)
    }

    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        self.write_f64(writer, value as f64)
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let scientific = format!("{value:e}");
        let is_plain = value == 0.0 || (1e-6..1e21).contains(&value.abs());
        match scientific.split_once('e') {
            Some((digits, exponent)) if !is_plain => {
                let sign = if exponent.starts_with('-') { "" } else { "+" };
                write!(writer, "{digits}e{sign}{exponent}")
            }
            _ => write!(writer, "{value}"),
        }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_escaping(writer, fragment, is_escaped_by_go)
    }
}

/// Beyond what JSON escapes.
fn is_escaped_by_go(character: char) -> bool {
    matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> Config {
        Config::of(&Metadata::from_yaml(yaml.as_bytes(), None).unwrap())
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
    fn texts_are_cleaned_as_helm_cleans_them() {
        let read = config("name: a\nversion: 1.0.0\ndescription: \"a\\tb\\nc\\u0007\\u200bd \\u00e9\"\n");
        assert_eq!(read.description, "a b cd \u{e9}");
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
}
