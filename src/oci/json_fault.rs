//! What is wrong with a JSON document, in words for users: those of serde name types of Rust.

use serde_json::error::Category;

/// Returns what `error` says of a document, with the place if that is known.
pub fn json_fault(error: &serde_json::Error) -> String {
    let said = match error.classify() {
        Category::Eof => "it ends before it is complete".to_owned(),
        Category::Syntax => of_syntax(&without_place(error)).to_owned(),
        Category::Data | Category::Io => of_data(&without_place(error)),
    };
    match error.line() {
        0 => said,
        line => format!("{said} (line {line}, column {})", error.column()),
    }
}

fn without_place(error: &serde_json::Error) -> String {
    let mut said = error.to_string();
    if error.line() > 0
        && let Some(end) = said.rfind(" at line ")
    {
        said.truncate(end);
    }
    said
}

fn of_syntax(said: &str) -> &str {
    match said {
        "trailing comma" | "invalid number" | "number out of range" => said,
        "trailing characters" => "something follows its end",
        "key must be a string" => "a key is not in double quotes",
        "recursion limit exceeded" => "it is nested too deeply",
        "expected `:`" => "a `:` is missing",
        "expected `,` or `}`" => "a `,` or `}` is missing",
        "expected `,` or `]`" => "a `,` or `]` is missing",
        _ if said.starts_with("control character") => "a text has a control character",
        _ if said.contains("escape") || said.contains("surrogate") => {
            "a text has an escape that is no character"
        }
        _ => "something stands where a value is expected",
    }
}

/// What serde says of a value that is not what a field takes. Other texts are ours.
fn of_data(said: &str) -> String {
    let field = |prefix: &str| said.strip_prefix(prefix)?.strip_suffix('`');
    if let Some(name) = field("missing field `") {
        return format!("the field `{name}` is missing");
    }
    if let Some(name) = field("duplicate field `") {
        return format!("the field `{name}` stands twice");
    }
    let unfit = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "));
    match unfit.and_then(|unfit| unfit.rsplit_once(", expected ")) {
        Some((found, expected)) => format!("{} stands where {} is expected", value(found), kind(expected)),
        None => said.to_owned(),
    }
}

/// A value as serde shows it: `string "a"`, "integer `1`", `map`.
fn value(shown: &str) -> String {
    match shown.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "boolean", text)) => text.to_owned(),
        Some(("floating", text)) => text.trim_start_matches("point ").to_owned(),
        _ => kind(shown),
    }
}

fn kind(shown: &str) -> String {
    let told = match shown {
        "map" | "a map" | "an object" => "an object",
        "sequence" | "a sequence" => "a list",
        "a string" | "a borrowed string" | "string" => "a text",
        "a boolean" => "`true` or `false`",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "unit" | "null" => "`null`",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    told.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read counts")]
    struct Document {
        name: String,
        size: u64,
        list: Vec<bool>,
        map: BTreeMap<String, String>,
    }

    #[test]
    fn faults_are_in_words_of_the_document() {
        let table = [
            ("", "it ends before it is complete (line 1, column 0)"),
            ("{\"name\":", "it ends before it is complete (line 1, column 8)"),
            ("{name}", "a key is not in double quotes (line 1, column 2)"),
            (
                "{\"name\":\"a\",\"size\":1,\"list\":[],\"map\":{}} 1",
                "something follows its end (line 1, column 42)",
            ),
            ("{\"name\" 1}", "a `:` is missing (line 1, column 9)"),
            ("{\"list\":[nul]}", "something stands where a value is expected (line 1, column 13)"),
            ("{}", "the field `name` is missing (line 1, column 2)"),
            ("{\"name\":null}", "`null` stands where a text is expected (line 1, column 12)"),
            ("{\"name\":1}", "`1` stands where a text is expected (line 1, column 9)"),
            (
                "{\"size\":-1}",
                "`-1` stands where a whole number that is not negative is expected (line 1, column 10)",
            ),
            (
                "{\"size\":\"1\"}",
                "the text \"1\" stands where a whole number that is not negative is expected (line 1, column 11)",
            ),
            ("{\"list\":{}}", "an object stands where a list is expected (line 1, column 8)"),
            ("{\"list\":[1.5]}", "`1.5` stands where `true` or `false` is expected (line 1, column 12)"),
            ("{\"map\":[]}", "a list stands where an object is expected (line 1, column 7)"),
            ("{\"name\":\"a\",\"name\":\"a\"}", "the field `name` stands twice (line 1, column 18)"),
            ("3", "`3` stands where an object is expected (line 1, column 1)"),
        ];
        for (text, expected) in table {
            let error = serde_json::from_str::<Document>(text).expect_err(text);
            assert_eq!(json_fault(&error), expected, "{text}");
        }
    }
}
