//! Chart.yaml as the JSON that Helm makes of it: plain scalars become texts where a text is expected (`version: 1.10`
//! is "1.1"), and a field may be written in any case.

use serde_json::{Map, Number, Value};

use super::helm_yaml::{self, Fault, Yaml, float_text};
use super::metadata::{InvalidMetadata, shortened};

/// What Helm knows of Chart.yaml.
const FIELDS: Fields = &[
    ("apiVersion", Shape::Text),
    ("name", Shape::Text),
    ("version", Shape::Text),
    ("appVersion", Shape::Text),
    ("type", Shape::Text),
    ("description", Shape::Text),
    ("deprecated", Shape::Truth),
    ("kubeVersion", Shape::Text),
    ("home", Shape::Text),
    ("icon", Shape::Text),
    ("sources", Shape::Texts),
    ("keywords", Shape::Texts),
    ("maintainers", Shape::Objects(&[("name", Shape::Text), ("email", Shape::Text), ("url", Shape::Text)])),
    ("condition", Shape::Text),
    ("tags", Shape::Text),
    ("annotations", Shape::NamedTexts),
    ("dependencies", Shape::Objects(DEPENDENCY)),
];

const DEPENDENCY: Fields = &[
    ("name", Shape::Text),
    ("version", Shape::Text),
    ("repository", Shape::Text),
    ("condition", Shape::Text),
    ("tags", Shape::Texts),
    ("enabled", Shape::Truth),
    ("import-values", Shape::List),
    ("alias", Shape::Text),
];

type Fields = &'static [(&'static str, Shape)];

#[derive(Clone, Copy)]
enum Shape {
    Text,
    Texts,
    /// A mapping of names to texts.
    NamedTexts,
    Objects(Fields),
    Truth,
    List,
}

/// The metadata of a chart as JSON. Helm reads the fields of requirements.yaml over those of Chart.yaml, so that it
/// could name another chart: other fields than `dependencies` are refused in it.
pub(super) fn value(chart: &[u8], requirements: Option<&[u8]>) -> Result<Value, InvalidMetadata> {
    let mut fields = mapping(chart)?;
    if let Some(requirements) = requirements {
        let mut requirements = mapping(requirements)?;
        if let Some(dependencies) = requirements.remove("dependencies") {
            let written = fields.remove("dependencies").unwrap_or_default();
            fields.insert("dependencies".to_owned(), over(written, dependencies));
        }
        if let Some((name, _)) = FIELDS.iter().find(|(name, _)| requirements.contains_key(*name)) {
            let rule =
                format!("requirements.yaml has the field `{name}` of Chart.yaml, which would replace it");
            return Err(InvalidMetadata::Field(rule));
        }
    }
    Ok(Value::Object(fields))
}

/// Dependencies of requirements.yaml over those of Chart.yaml: as Go reads a list over another, each item keeps the
/// fields of the one at its place that it does not have itself.
fn over(written: Value, dependencies: Value) -> Value {
    let (Value::Array(mut written), Value::Array(mut dependencies)) = (written, dependencies.clone()) else {
        return dependencies;
    };
    for (under, dependency) in written.iter_mut().zip(&mut dependencies) {
        if let (Value::Object(under), Value::Object(fields)) = (under, dependency) {
            let is_list = |key: &str| matches!(key, "tags" | "import-values");
            fields.retain(|key, value| !value.is_null() || is_list(key));
            under.append(fields);
            std::mem::swap(under, fields);
        }
    }
    Value::Array(dependencies)
}

fn mapping(yaml: &[u8]) -> Result<Map<String, Value>, InvalidMetadata> {
    match helm_yaml::read(yaml).map_err(refused)? {
        Yaml::Map(fields) => object(fields, FIELDS, ""),
        // An empty document has no fields.
        Yaml::Null => Ok(Map::new()),
        _ => Err(InvalidMetadata::Yaml("it is no mapping of fields to values".to_owned())),
    }
}

fn refused(fault: Fault) -> InvalidMetadata {
    InvalidMetadata::Yaml(shortened(fault.to_string()))
}

/// Parses one YAML document that is not a Chart.yaml, such as `values.yaml`.
pub(super) fn parse(yaml: &[u8]) -> Result<Value, InvalidMetadata> {
    json(helm_yaml::read(yaml).map_err(refused)?)
}

/// An object whose known fields have their own case and shape. `within` says where it is.
fn object(map: helm_yaml::Map, fields: Fields, within: &str) -> Result<Map<String, Value>, InvalidMetadata> {
    let mut object = Map::new();
    for (key, value) in map {
        let known = fields.iter().find(|(field, _)| same_but_for_case(&key, field));
        let Some((field, shape)) = known else {
            object.insert(key, json(value)?);
            continue;
        };
        let place = format!("{within}{field}");
        let value = shape.value(value, &place)?;
        if object.insert((*field).to_owned(), value).is_some() {
            return Err(InvalidMetadata::Yaml(format!("`{place}` occurs twice but for its case")));
        }
    }
    Ok(object)
}

/// As Go folds the letters of fields: `\u{17f}` is an `s` and the Kelvin sign a `k`.
fn same_but_for_case(key: &str, field: &str) -> bool {
    let folded = key.chars().map(|character| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(field.chars().map(|character| character.to_ascii_lowercase()))
}

impl Shape {
    fn value(self, value: Yaml, place: &str) -> Result<Value, InvalidMetadata> {
        match (self, value) {
            (_, Yaml::Null) => Ok(Value::Null),
            (Self::Text, value) => text(value, place).map(Value::String),
            (Self::Texts, Yaml::List(values)) => values.into_iter().map(|value| item(value, place)).collect(),
            (Self::NamedTexts, Yaml::Map(values)) => {
                values.into_iter().map(|(key, value)| Ok((key, item(value, place)?))).collect()
            }
            (Self::Objects(fields), Yaml::List(values)) => {
                let within = format!("{place}.");
                let objects = values.into_iter().map(|value| match value {
                    Yaml::Map(map) => object(map, fields, &within).map(Value::Object),
                    _ => Err(InvalidMetadata::Field(format!("an item of `{place}` is no mapping"))),
                });
                objects.collect()
            }
            (Self::Truth, Yaml::Truth(truth)) => Ok(Value::Bool(truth)),
            (Self::List, value @ Yaml::List(_)) => json(value),
            (shape, _) => Err(InvalidMetadata::Field(format!("`{place}` is not {}", shape.named()))),
        }
    }

    fn named(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Texts => "a list of texts",
            Self::NamedTexts => "a mapping of names to texts",
            Self::Objects(_) => "a list of mappings",
            Self::Truth => "true or false",
            Self::List => "a list",
        }
    }
}

/// A null in a list of texts is an empty one.
fn item(value: Yaml, place: &str) -> Result<Value, InvalidMetadata> {
    match value {
        Yaml::Null => Ok(Value::String(String::new())),
        value => text(value, place).map(Value::String),
    }
}

fn text(value: Yaml, place: &str) -> Result<String, InvalidMetadata> {
    Ok(match value {
        Yaml::Text(text) => text,
        Yaml::Truth(truth) => truth.to_string(),
        Yaml::Int(number) => number.to_string(),
        Yaml::Large(number) => number.to_string(),
        Yaml::Float(number) => float_text(number),
        Yaml::Null | Yaml::List(_) | Yaml::Map(_) => {
            return Err(InvalidMetadata::Field(format!("`{place}` has something other than a text")));
        }
    })
}

fn json(value: Yaml) -> Result<Value, InvalidMetadata> {
    Ok(match value {
        Yaml::Null => Value::Null,
        Yaml::Truth(truth) => Value::Bool(truth),
        Yaml::Int(number) => number.into(),
        Yaml::Large(number) => number.into(),
        // Helm fails on it wherever it stands.
        Yaml::Float(number) => match Number::from_f64(number) {
            Some(number) => Value::Number(number),
            None => {
                let rule = "an infinite number or one that is none stands where no text is expected";
                return Err(InvalidMetadata::Field(rule.to_owned()));
            }
        },
        Yaml::Text(text) => Value::String(text),
        Yaml::List(values) => values.into_iter().map(json).collect::<Result<_, _>>()?,
        Yaml::Map(values) => {
            let values = values.into_iter().map(|(key, value)| Ok((key, json(value)?)));
            Value::Object(values.collect::<Result<_, InvalidMetadata>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(yaml: &str) -> Result<Value, String> {
        value(yaml.as_bytes(), None).map_err(|error| error.to_string())
    }

    #[test]
    fn plain_scalars_are_texts_where_a_text_is_expected() {
        let cases = [
            ("1.10", "1.1"),
            ("'1.10'", "1.10"),
            ("1.0", "1"),
            ("7", "7"),
            ("1.2.3", "1.2.3"),
            ("0755", "493"),
            ("0x1F", "31"),
            ("1e3", "1000"),
            ("1234567.5", "1.2345675e+06"),
            ("1e-7", "1e-07"),
            ("yes", "true"),
            ("off", "false"),
            ("2001-01-01", "2001-01-01"),
            ("!!str 1.10", "1.10"),
            ("12e4567", "12e4567"),
            ("1e39", "+Inf"),
            (".inf", "+Inf"),
            ("0x_1f", "31"),
            ("tRue", "tRue"),
            ("a\u{85}  b", "a b"),
            ("a\u{2028} b", "a\u{2028}b"),
            ("a\t# b", "a"),
            ("|\n  a\n  b\n", "a\nb\n"),
        ];
        for (yaml, text) in cases {
            assert_eq!(read(&format!("appVersion: {yaml}")), Ok(json!({"appVersion": text})), "{yaml}");
        }
        let read = read("annotations: {a: 1, b: yes, c: }\nsources: [1.50, ~]\ndeprecated: yes\nx: 1.10");
        let expected = json!({
            "annotations": {"a": "1", "b": "true", "c": ""}, "sources": ["1.5", ""], "deprecated": true, "x": 1.1
        });
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn fields_may_be_written_in_any_case() {
        let yaml = "NAME: app\nMaintainers: [{Name: A, uRL: 1}]\nX-Own: 1";
        let expected = json!({"name": "app", "maintainers": [{"name": "A", "url": "1"}], "X-Own": 1});
        assert_eq!(read(yaml), Ok(expected));
        assert!(read("name: a\nName: b").unwrap_err().contains("`name` occurs twice"));
    }

    #[test]
    fn hostile_yaml_is_refused_with_the_rule() {
        let level = |n: u32| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","));
        let bomb = format!("a0: &a0 [x]\n{}", (1..12).map(level).collect::<String>());
        let string = format!(
            "a: &a {}\n{}",
            "x".repeat(200_000),
            (0..40).map(|n| format!("k{n}: *a\n")).collect::<String>()
        );
        let cases = [
            ("name: a\nname: b".to_owned(), "duplicate"),
            ("x: {a: 1, a: 2}".to_owned(), "duplicate"),
            (bomb, "aliases"),
            (string, "after aliases are replaced"),
            (format!("a: {}", "[".repeat(100_000)), "inside of each other"),
            (format!("x: {}{}", "[".repeat(70), "]".repeat(70)), "inside of each other"),
            ((0..30_000).map(|n| format!("k{n}: \n")).collect(), "more than 20000 keys and values"),
            ("x: .inf".to_owned(), "infinite number"),
            ("x: \"\\uD83D\\uDD25\"".to_owned(), "no Unicode character"),
            ("keywords: a".to_owned(), "`keywords` is not a list of texts"),
            ("maintainers: [{name: [a]}]".to_owned(), "`maintainers.name` has something other than a text"),
            ("a: b\u{feff}".to_owned(), "byte order mark"),
            ("a: b\u{7}".to_owned(), "U+0007"),
            ("%YAML 1.2\n---\na: b".to_owned(), "another version of YAML"),
            ("a: 1\n---\nb: 2".to_owned(), "second document"),
            ("- a".to_owned(), "no mapping"),
            ("app".to_owned(), "no mapping"),
            ("a: 'b".to_owned(), "refused"),
            ("a: *b".to_owned(), "refused"),
            ("a".repeat(300_000), "more than 262144 bytes"),
        ];
        for (yaml, rule) in cases {
            let message = read(&yaml).expect_err(&yaml[..yaml.len().min(40)]);
            assert!(message.contains(rule) && message.len() < 400, "{yaml:.40}: {message}");
        }
        assert!(value(b"name: \xff", None).is_err());
        assert_eq!(read("a: &x 1\nb: *x"), Ok(json!({"a": 1, "b": 1})));
        let shared: String = (0..500).map(|n| format!("- {{<<: *a, alias: a{n}}}\n")).collect();
        let shared = read(&format!("x: &a {{name: db}}\ndependencies:\n{shared}")).unwrap();
        assert_eq!(shared["dependencies"][499], json!({"name": "db", "alias": "a499"}));
        assert_eq!(read("# only a comment"), Ok(json!({})));
    }

    #[test]
    fn dependencies_of_requirements_are_read_over_those_of_the_chart() {
        let chart = b"name: a\ndependencies: [{name: b, alias: c}]";
        let read = |requirements: &str| value(chart, Some(requirements.as_bytes()));
        let expected = json!({"name": "a", "dependencies": [{"name": "d", "alias": "c"}, {"name": "e"}]});
        assert_eq!(read("dependencies: [{name: d, alias: }, {name: e}]\nx: 1").unwrap(), expected);
        let own = json!({"name": "a", "dependencies": [{"name": "b", "alias": "c"}]});
        assert_eq!(read("").unwrap(), own);
        assert!(read("Version: 6.6.6").unwrap_err().to_string().contains("`version`"));
    }
}
