//! The YAML file: every key is looked up in the table, so that what is not there is an error with its line.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::{MergeKeyPolicy, Spanned, UserMessageFormatter, with_deserializer_from_str_with_options};

use super::keys::{KEYS, Key, is_section};
use super::suggestion::did_you_mean;

/// A value of the file.
pub(super) struct Entry {
    pub key: &'static Key,
    pub text: String,
    pub line: u64,
}

/// What is wrong with the file, with the line where it is.
pub(super) struct Mistake {
    pub line: u64,
    pub message: String,
}

/// A key without a value counts as not given.
pub(super) fn read(yaml: &str) -> (Vec<Entry>, Vec<Mistake>) {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_events: 10_000,
            max_nodes: 10_000,
            max_aliases: 0,
            max_documents: 1,
        },
        merge_keys: MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let mut found = Found::default();
    let outcome = with_deserializer_from_str_with_options(yaml, options, |document| {
        Section { name: String::new(), found: &mut found }.deserialize(document)
    });
    if let Err(error) = outcome {
        found.mistakes.push(mistake(&error, &found.current));
    }
    (found.entries, found.mistakes)
}

fn mistake(error: &serde_saphyr::Error, name: &str) -> Mistake {
    use serde_saphyr::Error;
    let line = error.location().map_or(0, |at| at.line());
    let rule = match error.without_snippet() {
        Error::Unexpected { .. } => match Key::find(name) {
            Some(key) if key.list => "takes a list, like [a, b]".to_owned(),
            Some(_) => "takes one value".to_owned(),
            None => "settings with their values are expected here".to_owned(),
        },
        Error::Budget { .. } | Error::MultipleDocuments { .. } => {
            "aliases, deep nesting and a second document are not read".to_owned()
        }
        // The place stands before the message already.
        other => {
            let text = other.render_with_formatter(&UserMessageFormatter);
            text.split(" at line ").next().unwrap_or_default().to_owned()
        }
    };
    let message = if name.is_empty() { rule } else { format!("{}: {rule}", name.escape_debug()) };
    Mistake { line, message }
}

#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    mistakes: Vec<Mistake>,
    /// The name that is being read: what an error of the parser is about.
    current: String,
}

/// A mapping whose keys begin with `name`; the whole document has no name.
struct Section<'a> {
    name: String,
    found: &'a mut Found,
}

impl<'de> DeserializeSeed<'de> for Section<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Section<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(component) = map.next_key::<Spanned<String>>()? {
            let name = match self.name.as_str() {
                "" => component.value,
                section => format!("{section}.{}", component.value),
            };
            self.found.current.clone_from(&name);
            if let Some(key) = Key::find(&name) {
                let line = component.referenced.line();
                if let Some(text) = value(key, &mut map)? {
                    self.found.entries.push(Entry { key, text, line });
                }
            } else if is_section(&name) {
                map.next_value_seed(Section { name, found: self.found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
                let line = component.referenced.line();
                self.found.mistakes.push(Mistake { line, message: unknown(&name) });
            }
        }
        Ok(())
    }
}

fn value<'de, A: MapAccess<'de>>(key: &Key, map: &mut A) -> Result<Option<String>, A::Error> {
    if key.list {
        let elements: Option<Vec<String>> = map.next_value()?;
        return Ok(elements.map(|elements| elements.join(",")));
    }
    map.next_value()
}

fn unknown(name: &str) -> String {
    let names = KEYS.iter().map(|key| key.name);
    let last = name.rsplit('.').next().unwrap_or(name);
    let elsewhere = KEYS.iter().map(|key| key.name).find(|key| key.rsplit('.').next() == Some(last));
    let sections = KEYS.iter().filter_map(|key| key.name.rsplit_once('.').map(|(section, _)| section));
    let hint = match elsewhere {
        Some(key) => format!("; did you mean `{key}`?"),
        None => did_you_mean(name, names.chain(sections)),
    };
    format!("`{}` is no setting{hint}", name.escape_debug())
}
