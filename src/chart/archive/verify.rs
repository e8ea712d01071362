//! Whether a package is the chart that its config, its tag and the annotations of its manifest say it is. No client
//! compares them.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::chart::metadata::{Metadata, shortened};
use crate::chart::printable::is_printable;
use crate::chart::version::tag_of_version;

/// A field in which the package says other than what was pushed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    pub field: &'static str,
    /// Where it is said.
    pub elsewhere: Elsewhere,
    /// As JSON, cut to what a message quotes; `null` if it is not there.
    pub in_package: String,
    pub in_other: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    Config,
    Tag,
    Annotation,
}

impl Disagreement {
    fn of_texts(field: &'static str, elsewhere: Elsewhere, in_package: &str, in_other: &str) -> Self {
        let quoted = |text: &str| shortened(format!("{text:?}"));
        Self { field, elsewhere, in_package: quoted(in_package), in_other: quoted(in_other) }
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, elsewhere, in_package, in_other } = self;
        let elsewhere = match elsewhere {
            Elsewhere::Config => "config",
            Elsewhere::Tag => "tag",
            Elsewhere::Annotation => "annotation of the manifest",
        };
        write!(
            f,
            "`{field}` is {in_package} in the Chart.yaml of the package, but {in_other} in the {elsewhere}"
        )
    }
}

/// Compares all fields of a Chart.yaml and a config that clients know. `tag_version` is the version that the tag stands
/// for, if it stands for one.
///
/// What Helm cleans when it makes a config of a Chart.yaml (spaces, unprintable characters) does not count.
pub fn verify(package: &Metadata, config: &Metadata, tag_version: Option<&str>) -> Vec<Disagreement> {
    let mut found = if package == config { Vec::new() } else { differences(package, config) };
    let version = &package.version;
    if let Some(tag) = tag_version.filter(|tag| tag != version) {
        found.push(Disagreement::of_texts("version", Elsewhere::Tag, version, tag));
    }
    found
}

fn differences(package: &Metadata, config: &Metadata) -> Vec<Disagreement> {
    let (ours, theirs) = (fields(package), fields(config));
    let mut found = Vec::new();
    for field in FIELDS {
        let value = |fields: &BTreeMap<String, Value>| {
            // As Helm takes one that is not there.
            let absent = if field == "apiVersion" { Value::from("v1") } else { Value::Null };
            fields.get(field).filter(|value| !value.is_null() && **value != "").cloned().unwrap_or(absent)
        };
        let (ours, theirs) = (value(&ours), value(&theirs));
        let same = match field {
            "name" | "version" | "apiVersion" | "type" => ours == theirs,
            _ => cleaned(ours.clone(), true) == cleaned(theirs.clone(), true),
        };
        if !same {
            let (in_package, in_other) = (shortened(ours.to_string()), shortened(theirs.to_string()));
            found.push(Disagreement { field, elsewhere: Elsewhere::Config, in_package, in_other });
        }
    }
    found
}

/// Compares a Chart.yaml with those annotations of its manifest that say which chart it is; others may say what they
/// like.
pub fn verify_annotations(
    package: &Metadata,
    annotations: &BTreeMap<String, String>,
) -> Option<Disagreement> {
    const TITLE: &str = "org.opencontainers.image.title";
    const VERSION: &str = "org.opencontainers.image.version";
    let compare = |key, field, ours: &str, as_tag: &str| {
        let theirs = annotations.get(key).filter(|theirs| *theirs != ours && *theirs != as_tag)?;
        Some(Disagreement::of_texts(field, Elsewhere::Annotation, ours, theirs))
    };
    let Metadata { name, version, .. } = package;
    compare(TITLE, "name", name, name)
        .or_else(|| compare(VERSION, "version", version, &tag_of_version(version)))
}

/// All that [`Metadata`] writes.
const FIELDS: [&str; 17] = [
    "apiVersion",
    "name",
    "version",
    "appVersion",
    "type",
    "description",
    "deprecated",
    "kubeVersion",
    "home",
    "icon",
    "sources",
    "keywords",
    "maintainers",
    "condition",
    "tags",
    "annotations",
    "dependencies",
];

fn fields(metadata: &Metadata) -> BTreeMap<String, Value> {
    match serde_json::to_value(metadata) {
        Ok(Value::Object(fields)) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

/// Without what Helm or JSON may change: unprintable characters, the kind of spaces, and fields that are empty.
fn cleaned(value: Value, outermost: bool) -> Value {
    match value {
        Value::String(text) if text.is_empty() && outermost => Value::Null,
        Value::String(text) => Value::String(text.chars().filter_map(clean).collect()),
        Value::Array(values) => values.into_iter().map(|value| cleaned(value, false)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, cleaned(value, true)));
            Value::Object(fields.filter(|(_, value)| !value.is_null()).collect())
        }
        other => other,
    }
}

/// Which characters Helm drops depends on the edition of Unicode that it was built with, but for letters and digits
/// that all editions have.
fn clean(character: char) -> Option<char> {
    let is_kept = character.is_ascii_graphic() || (character.is_alphanumeric() && is_printable(character));
    if character.is_whitespace() { Some(' ') } else { is_kept.then_some(character) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::archive::writer::{file, package};
    use crate::chart::archive::{Limits, Package};

    fn disagreements(chart_yaml: &str, config: &str, tag: Option<&str>) -> Vec<String> {
        let package = package(&[file("app/Chart.yaml", chart_yaml)]);
        let package = Package::read(package.as_slice(), &Limits::default()).unwrap();
        let config = Metadata::read(config.as_bytes()).unwrap();
        verify(&package.metadata, &config, tag).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_helm_makes_of_a_chart_agrees_with_it() {
        let yaml = "name: app\nversion: 1.2\nappVersion: 1.10\ndescription: |\n  a\n  \u{2014} b\n\
                    maintainers: [{name: A, email: ''}]\nicon: ''\nx: y\nannotations: {a: yes}\n\
                    dependencies: [{name: db, version: 1, repository: ''}]\n";
        let config = r#"{"name":"app","version":"1.2","description":"a \u2014 b ","apiVersion":"v1","appVersion":"1.1",
            "maintainers":[{"name":"A"}],"annotations":{"a":"true"},
            "dependencies":[{"name":"db","version":"1","repository":""}]}"#;
        assert_eq!(disagreements(yaml, config, Some("1.2")), [] as [&str; 0]);
    }

    #[test]
    fn each_field_is_compared() {
        let yaml = "apiVersion: v2\nname: app\nversion: 1.0.0\n";
        let config = |more: &str| format!(r#"{{"apiVersion":"v2","name":"app","version":"1.0.0"{more}}}"#);
        assert_eq!(disagreements(yaml, &config(""), None), [] as [&str; 0]);
        for field in FIELDS.iter().filter(|field| !matches!(**field, "apiVersion" | "name" | "version")) {
            let value = match *field {
                "deprecated" => "true",
                "sources" | "keywords" => r#"["x"]"#,
                "maintainers" | "dependencies" => r#"[{"name":"x"}]"#,
                "annotations" => r#"{"a":"x"}"#,
                "type" => r#""library""#,
                _ => r#""x""#,
            };
            let found = disagreements(yaml, &config(&format!(r#","{field}":{value}"#)), None);
            assert!(
                found.len() == 1 && found[0].starts_with(&format!("`{field}` is null")),
                "{field}: {found:?}"
            );
        }
        let other = r#"{"apiVersion":"v1","name":"b","version":"1.0.0+x"}"#;
        let found = disagreements(yaml, other, Some("2.0.0"));
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(
            found[3],
            "`version` is \"1.0.0\" in the Chart.yaml of the package, but \"2.0.0\" in the tag"
        );
    }
}
