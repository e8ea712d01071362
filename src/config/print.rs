//! Settings as YAML that can be loaded again.

use super::load::Loaded;
use super::{KEYS, Key, Origin};

/// Each value with its origin as a comment: all of them, or only those that are not defaults.
pub fn print(loaded: &Loaded, effective: bool) -> String {
    let mut yaml = Yaml::default();
    for key in KEYS {
        let origin = loaded.origin(key);
        if effective || *origin != Origin::Default {
            let value = scalar(key, &key.write(&loaded.settings));
            yaml.line(key, &[], &format!("{value}  # {origin}"));
        }
    }
    if yaml.text.is_empty() {
        return "# Every setting has its default; --effective shows them.\n".to_owned();
    }
    yaml.text
}

/// Writes dotted names as nested mappings. The keys of a section must come together.
#[derive(Default)]
pub(super) struct Yaml {
    pub text: String,
    /// The sections that are open.
    open: Vec<&'static str>,
}

impl Yaml {
    /// `comment` lines, then the key with `value` behind its colon.
    pub fn line(&mut self, key: &'static Key, comment: &[&str], value: &str) {
        let mut sections: Vec<&str> = key.name.split('.').collect();
        let name = sections.pop().unwrap_or_default();
        let common = sections.iter().zip(&self.open).take_while(|(a, b)| a == b).count();
        for (depth, section) in sections.iter().enumerate().skip(common) {
            self.indented(depth, &format!("{section}:"));
        }
        for line in comment {
            self.indented(sections.len(), &format!("#{line}"));
        }
        self.indented(sections.len(), format!("{name}: {value}").trim_end());
        self.open = sections;
    }

    fn indented(&mut self, depth: usize, line: &str) {
        self.text.extend(["  ".repeat(depth).as_str(), line, "\n"]);
    }
}

/// A value as YAML: plain where that is safe, else quoted as in JSON; a list in brackets; nothing when unset.
pub(super) fn scalar(key: &Key, text: &str) -> String {
    if !key.list {
        return if text.is_empty() { String::new() } else { quoted(text) };
    }
    let elements: Vec<String> = text.split(',').filter(|element| !element.is_empty()).map(quoted).collect();
    format!("[{}]", elements.join(", "))
}

fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'-' | b'_' | b':' | b'=');
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '.');
    if begins_well && !text.ends_with(':') && text.bytes().all(plain) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}
