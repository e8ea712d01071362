//! Reads YAML to the letter as Helm does: by the rules of go-yaml v2 (YAML 1.1), which Helm 3 and 4 use through
//! sigs.k8s.io/yaml. Readers of YAML 1.2 differ from it in numbers, truths, line breaks, tabs and merges, so a reader
//! of another family would list other values than Helm has in its configs.
//!
//! Taken as facts from go-yaml v2.4, whose scanner and parser are a port of libyaml (Copyright (c) 2006-2010 Kirill
//! Simonov, 2011-2019 Canonical Ltd; MIT license, LICENSE.libyaml): which characters begin and end a token, when a token
//! may be a key (on one line, within 1,024 characters) and at which place its tokens come, how lines fold, what the
//! grammar takes, and how a plain scalar resolves. Where Helm's outcome hangs on
//! the order of a Go map or on the place of a buffer, and where other readers of YAML take another value, the
//! document is refused. The differential test (tests/clients/differential) compares this reader with the real one.

mod decode;
mod input;
mod parse;
mod resolve;
mod scalars;
mod scan;

use std::fmt;

pub(super) use decode::{Map, Yaml, float_text};

/// Longer than any Chart.yaml whose metadata an index lists, with room for comments.
pub const MAX_YAML: usize = 256 * 1024;

/// Lists and mappings inside of each other.
pub const MAX_DEPTH: usize = 64;

/// Keys and values after aliases are replaced by what they stand for.
pub const MAX_NODES: usize = 20_000;

/// Bytes of all keys and values after aliases are replaced.
pub const MAX_TEXT: usize = 1024 * 1024;

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1; nothing where the fault is that of the whole document.
    line: Option<usize>,
    rule: String,
}

impl Fault {
    fn new(rule: impl Into<String>) -> Self {
        Self { line: None, rule: rule.into() }
    }

    fn at(line: usize, rule: impl Into<String>) -> Self {
        Self { line: Some(line + 1), rule: rule.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.rule),
            None => f.write_str(&self.rule),
        }
    }
}

/// Reads the one document of `bytes`; an empty one is null.
///
/// # Errors
/// The rule that is broken.
pub(super) fn read(bytes: &[u8]) -> Result<Yaml, Fault> {
    if bytes.len() > MAX_YAML {
        return Err(Fault::new(format!("it has more than {MAX_YAML} bytes")));
    }
    let text = input::text(bytes)?;
    match parse::document(&text)? {
        Some(document) => decode::decode(&document),
        None => Ok(Yaml::Null),
    }
}
