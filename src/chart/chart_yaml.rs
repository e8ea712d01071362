//! Chart.yaml as the JSON that Helm makes of it: plain scalars become texts where a text is expected (`version: 1.10`
//! is "1.1"), and a field may be written in any case.

use serde_json::{Map, Number, Value};
use serde_saphyr::UserMessageFormatter;
use serde_saphyr::budget::BudgetBreach;

use super::metadata::{InvalidMetadata, shortened};

/// Longer than any Chart.yaml whose metadata an index lists, with room for comments.
const MAX_YAML: usize = 256 * 1024;

/// What Helm knows of Chart.yaml.
const FIELDS: Fields = &[
    ("apiVersion", Shape::Text),
    ("name", Shape::Text),
    ("version", Shape::Text),
    ("appVersion", Shape::Text),
    ("type", Shape::Text),
    ("description", Shape::Text),
    ("deprecated", Shape::AsItIs),
    ("kubeVersion", Shape::Text),
    ("home", Shape::Text),
    ("icon", Shape::Text),
    ("sources", Shape::Texts),
    ("keywords", Shape::Texts),
    ("maintainers", Shape::Objects(&[("name", Shape::Text), ("email", Shape::Text), ("url", Shape::Text)])),
    ("condition", Shape::Text),
    ("tags", Shape::Text),
    ("annotations", Shape::Texts),
    ("dependencies", Shape::Objects(DEPENDENCY)),
];

const DEPENDENCY: Fields = &[
    ("name", Shape::Text),
    ("version", Shape::Text),
    ("repository", Shape::Text),
    ("condition", Shape::Text),
    ("tags", Shape::Texts),
    ("enabled", Shape::AsItIs),
    ("import-values", Shape::AsItIs),
    ("alias", Shape::Text),
];

type Fields = &'static [(&'static str, Shape)];

#[derive(Clone, Copy)]
enum Shape {
    Text,
    /// A list of them, or a mapping to them.
    Texts,
    Objects(Fields),
    AsItIs,
}

/// The metadata of a chart as JSON. Helm reads the fields of requirements.yaml over those of Chart.yaml, so that it
/// could name another chart: other fields than `dependencies` are refused in it.
pub(super) fn value(chart: &[u8], requirements: Option<&[u8]>) -> Result<Value, InvalidMetadata> {
    let mut fields = mapping(chart)?;
    if let Some(requirements) = requirements {
        let mut requirements = mapping(requirements)?;
        if let Some(dependencies) = requirements.remove("dependencies") {
            fields.insert("dependencies".to_owned(), dependencies);
        }
        if let Some((name, _)) = FIELDS.iter().find(|(name, _)| requirements.contains_key(*name)) {
            let rule =
                format!("requirements.yaml has the field `{name}` of Chart.yaml, which would replace it");
            return Err(InvalidMetadata::Field(rule));
        }
    }
    Ok(Value::Object(fields))
}

fn mapping(yaml: &[u8]) -> Result<Map<String, Value>, InvalidMetadata> {
    match parse(yaml)? {
        Value::Object(mut fields) => {
            conform(&mut fields, FIELDS)?;
            Ok(fields)
        }
        // An empty document has no fields.
        Value::Null => Ok(Map::new()),
        _ => Err(refused("it is no mapping of fields to values")),
    }
}

fn refused(rule: &str) -> InvalidMetadata {
    InvalidMetadata::Yaml(rule.to_owned())
}

/// Reads one document. Keys that occur twice are refused, and what takes more memory than its size suggests.
pub(super) fn parse(yaml: &[u8]) -> Result<Value, InvalidMetadata> {
    if yaml.len() > MAX_YAML {
        return Err(refused(&format!("it has more than {MAX_YAML} bytes")));
    }
    let text = std::str::from_utf8(yaml).map_err(|_| refused("it is not UTF-8"))?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_events: 50_000,
            max_nodes: 20_000,
            max_aliases: 32,
            max_anchors: 32,
            max_merge_keys: 32,
            max_documents: 1,
        },
        // As Helm's reader takes numbers with a zero before them.
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        use serde_saphyr::Error;
        match error.without_snippet() {
            Error::MultipleDocuments { .. }
            | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
                refused("it has a second document, which Helm would not read")
            }
            // The name of a limit is English.
            Error::Budget { breach, .. } => InvalidMetadata::Yaml(shortened(format!(
                "it is deeper or larger than any Chart.yaml: {breach:?}"
            ))),
            other => InvalidMetadata::Yaml(shortened(other.render_with_formatter(&UserMessageFormatter))),
        }
    })
}

/// Gives the fields their own case, and their values the shape.
fn conform(object: &mut Map<String, Value>, fields: Fields) -> Result<(), InvalidMetadata> {
    for (field, shape) in fields {
        let written: Vec<String> =
            object.keys().filter(|key| same_but_for_case(key, field)).cloned().collect();
        let value = match written.as_slice() {
            [] => continue,
            [key] => object.remove(key),
            _ => return Err(refused(&format!("`{field}` occurs twice but for its case"))),
        };
        let mut value = value.unwrap_or_default();
        shape.conform(&mut value)?;
        object.insert((*field).to_owned(), value);
    }
    Ok(())
}

/// As Go folds keys: through upper case, so that `ſ` is an `s` and the Kelvin sign a `k`.
fn same_but_for_case(a: &str, b: &str) -> bool {
    let fold = |text: &str| text.to_uppercase().to_lowercase();
    a == b || (a.len() <= 2 * b.len() && fold(a) == fold(b))
}

impl Shape {
    fn conform(self, value: &mut Value) -> Result<(), InvalidMetadata> {
        match (self, value) {
            (Self::Text, value) => make_text(value),
            (Self::Texts, Value::Array(values)) => values.iter_mut().for_each(make_item),
            (Self::Texts, Value::Object(values)) => values.values_mut().for_each(make_item),
            (Self::Objects(fields), Value::Array(values)) => {
                for value in values {
                    if let Value::Object(object) = value {
                        conform(object, fields)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A null in a list of texts is an empty one.
fn make_item(value: &mut Value) {
    match value {
        Value::Null => *value = Value::String(String::new()),
        value => make_text(value),
    }
}

fn make_text(value: &mut Value) {
    *value = match value {
        Value::Bool(truth) => Value::String(truth.to_string()),
        Value::Number(number) => Value::String(number_text(number)),
        _ => return,
    };
}

/// A number as Helm's reader writes it: 32 bits of a fraction, with an exponent from 10^6 on.
fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float as f32),
        _ => number.to_string(),
    }
}

/// Go's `FormatFloat(float, 'g', -1, 32)`.
fn float_text(float: f32) -> String {
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
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
            (bomb, "deeper or larger"),
            (string, "deeper or larger"),
            (format!("a: {}", "[".repeat(100_000)), "refused"),
            (format!("x: {}{}", "[".repeat(40), "]".repeat(40)), "deeper or larger"),
            ((0..30_000).map(|n| format!("k{n}: \n")).collect(), "deeper or larger"),
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
        assert_eq!(read("# only a comment"), Ok(json!({})));
    }

    #[test]
    fn dependencies_come_from_requirements_alone() {
        let read = |requirements: &str| value(b"name: a\ndependencies: [1]", Some(requirements.as_bytes()));
        assert_eq!(read("dependencies: [2]\nx: 1").unwrap(), json!({"name": "a", "dependencies": [2]}));
        assert_eq!(read("").unwrap(), json!({"name": "a", "dependencies": [1]}));
        assert!(read("Version: 6.6.6").unwrap_err().to_string().contains("`version`"));
    }
}
