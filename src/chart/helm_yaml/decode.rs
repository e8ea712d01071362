//! Values: from nodes to lists and mappings, with aliases and merges replaced by what they stand for. Follows
//! decode.go of go-yaml v2.4.

use std::collections::BTreeMap;
use std::collections::HashSet;

use super::parse::{Content, Document};
use super::{Fault, MAX_DEPTH, MAX_NODES, MAX_TEXT, resolve};

/// A value as Helm's reader has it before it becomes JSON.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::chart) enum Yaml {
    Null,
    Truth(bool),
    Int(i64),
    /// A number beyond those of 64 bits with a sign.
    Large(u64),
    Float(f64),
    Text(String),
    List(Vec<Yaml>),
    Map(Map),
}

/// Keys as the texts that JSON has of them.
pub(in crate::chart) type Map = BTreeMap<String, Yaml>;

const MERGE_TAG: &str = "tag:yaml.org,2002:merge";

pub(super) fn decode(document: &Document) -> Result<Yaml, Fault> {
    // go-yaml counts the document as well.
    let mut decoder =
        Decoder { document, decoded: 1, of_aliases: 0, text: 0, open: HashSet::new(), depth: 0 };
    decoder.value(document.root)
}

struct Decoder<'a> {
    document: &'a Document,
    /// Nodes so far, and those of them that stand in for aliases.
    decoded: usize,
    of_aliases: usize,
    /// Bytes of scalars so far.
    text: usize,
    /// The aliases that are being replaced.
    open: HashSet<usize>,
    depth: usize,
}

/// Mappings take `1` and `"1"` for two keys, JSON has one.
type Key = (String, std::mem::Discriminant<Yaml>);

type Entries = BTreeMap<String, (std::mem::Discriminant<Yaml>, Yaml)>;

impl<'a> Decoder<'a> {
    fn value(&mut self, id: usize) -> Result<Yaml, Fault> {
        self.count(id)?;
        match self.content(id) {
            Content::Scalar { value, tag, is_plain } => {
                self.text += value.len();
                if self.text > MAX_TEXT {
                    return self.fault(
                        id,
                        &format!("it has more than {MAX_TEXT} bytes of text after aliases are replaced"),
                    );
                }
                resolve::scalar(value, tag, *is_plain).or_else(|rule| self.fault(id, &rule))
            }
            Content::Sequence(items) => self.deeper(id, |decoder| {
                items.iter().map(|item| decoder.value(*item)).collect::<Result<_, _>>().map(Yaml::List)
            }),
            Content::Mapping(_) => {
                let mut entries = Entries::new();
                self.fill(id, &mut entries)?;
                Ok(Yaml::Map(entries.into_iter().map(|(key, (_, value))| (key, value)).collect()))
            }
            Content::Alias(target) => self.follow(id, |decoder| decoder.value(*target)),
        }
    }

    /// Reads a mapping over the entries that are there.
    fn fill(&mut self, id: usize, entries: &mut Entries) -> Result<(), Fault> {
        let Content::Mapping(pairs) = self.content(id) else { return Ok(()) };
        self.deeper(id, |decoder| {
            let mut own = HashSet::new();
            for (key, value) in pairs {
                if decoder.is_merge(*key) {
                    decoder.merge(*value, entries)?;
                    continue;
                }
                let (name, kind) = decoder.key(*key)?;
                if !own.insert(name.clone()) || entries.get(&name).is_some_and(|(other, _)| *other != kind) {
                    return decoder
                        .fault(*key, &format!("the key `{name:.100}` is a duplicate of one before it"));
                }
                let value = decoder.value(*value)?;
                entries.insert(name, (kind, value));
            }
            Ok(())
        })
    }

    fn key(&mut self, id: usize) -> Result<Key, Fault> {
        let key = self.value(id)?;
        let kind = std::mem::discriminant(&key);
        let name = match key {
            Yaml::Text(text) => text,
            Yaml::Int(number) => number.to_string(),
            Yaml::Truth(truth) => truth.to_string(),
            Yaml::Float(number) => match float_text(number).as_str() {
                "+Inf" => ".inf".to_owned(),
                "-Inf" => "-.inf".to_owned(),
                "NaN" => ".nan".to_owned(),
                text => text.to_owned(),
            },
            Yaml::Null | Yaml::Large(_) | Yaml::List(_) | Yaml::Map(_) => {
                return self.fault(id, "a key is neither a text nor a number nor true or false");
            }
        };
        Ok((name, kind))
    }

    fn is_merge(&self, id: usize) -> bool {
        match self.content(id) {
            Content::Scalar { value, tag, is_plain } => value == "<<" && (*is_plain || tag == MERGE_TAG),
            _ => false,
        }
    }

    /// Merges a mapping, or the mappings of a list, whose first wins. What stands before the merge loses, as in Helm.
    fn merge(&mut self, id: usize, entries: &mut Entries) -> Result<(), Fault> {
        let sources = match self.content(id) {
            Content::Sequence(items) => items.iter().rev().copied().collect(),
            _ => vec![id],
        };
        for source in sources {
            match self.content(source) {
                Content::Mapping(_) => {
                    self.count(source)?;
                    self.fill(source, entries)?;
                }
                Content::Alias(target) if matches!(self.content(*target), Content::Mapping(_)) => {
                    self.count(source)?;
                    self.follow(source, |decoder| {
                        decoder.count(*target)?;
                        decoder.fill(*target, entries)
                    })?;
                }
                _ => return self.fault(source, "`<<` merges a mapping or a list of mappings"),
            }
        }
        Ok(())
    }

    fn follow<T>(&mut self, id: usize, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if !self.open.insert(id) {
            return self.fault(id, "an anchor contains an alias of itself");
        }
        let read = read(self);
        self.open.remove(&id);
        read
    }

    fn deeper<T>(&mut self, id: usize, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self
                .fault(id, &format!("it has more than {MAX_DEPTH} lists and mappings inside of each other"));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn count(&mut self, id: usize) -> Result<(), Fault> {
        self.decoded += 1;
        self.of_aliases += usize::from(!self.open.is_empty());
        if self.decoded > MAX_NODES {
            return self.fault(
                id,
                &format!("it has more than {MAX_NODES} keys and values after aliases are replaced"),
            );
        }
        // Helm's own limit: no more than 99 of 100 may come from aliases.
        let is_excessive = self.of_aliases * 100 > self.decoded * 99;
        if self.of_aliases > 100 && self.decoded > 1_000 && is_excessive {
            return self.fault(id, "nearly all of it comes from aliases, which Helm refuses");
        }
        Ok(())
    }

    fn content(&self, id: usize) -> &'a Content {
        &self.document.nodes[id].content
    }

    fn fault<T>(&self, id: usize, rule: &str) -> Result<T, Fault> {
        Err(Fault::at(self.document.nodes[id].line, rule))
    }
}

/// A fraction as Helm's reader writes it where a text is expected: of 32 bits (Go's `FormatFloat(number, 'g', -1, 32)`).
pub(in crate::chart) fn float_text(number: f64) -> String {
    let float = number as f32;
    if !float.is_finite() {
        let text = if float.is_nan() {
            "NaN"
        } else if float > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        };
        return text.to_owned();
    }
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
