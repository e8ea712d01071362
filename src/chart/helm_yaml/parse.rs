//! The grammar: from tokens to nodes, by recursive descent.

use std::collections::HashMap;

use super::scan::{Kind, Scanner};
use super::{Fault, MAX_DEPTH};

/// The nodes of one document.
pub(super) struct Document {
    pub nodes: Vec<Node>,
    pub root: usize,
}

pub(super) struct Node {
    /// From 0.
    pub line: usize,
    pub content: Content,
}

pub(super) enum Content {
    /// Without a tag, a plain scalar may be a number, a truth or null, and a quoted one is a text.
    Scalar {
        value: String,
        tag: String,
        is_plain: bool,
    },
    Sequence(Vec<usize>),
    /// Keys and their values.
    Mapping(Vec<(usize, usize)>),
    /// The node that has the anchor.
    Alias(usize),
}

/// More would make each tag slow to look up.
const MAX_TAGS: usize = 32;

const DEFAULT_TAGS: [(&str, &str); 2] = [("!", "!"), ("!!", "tag:yaml.org,2002:")];

/// Parses a text of one document; nothing for a text without one.
pub(super) fn document(text: &[char]) -> Result<Option<Document>, Fault> {
    let scanner = Scanner::new(text);
    let mut parser = Parser { scanner, nodes: Vec::new(), anchors: HashMap::new(), tags: Vec::new() };
    let Some(root) = parser.document()? else { return Ok(None) };
    Ok(Some(Document { nodes: parser.nodes, root }))
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    nodes: Vec<Node>,
    anchors: HashMap<String, usize>,
    /// Handles and what they stand for.
    tags: Vec<(String, String)>,
}

/// Where a node is.
#[derive(Clone, Copy)]
struct Context {
    is_block: bool,
    /// In a mapping, where a list need not be indented.
    may_be_list: bool,
    depth: usize,
}

impl Context {
    fn block(depth: usize) -> Self {
        Self { is_block: true, may_be_list: false, depth }
    }

    fn in_mapping(depth: usize) -> Self {
        Self { is_block: true, may_be_list: true, depth }
    }

    fn flow(depth: usize) -> Self {
        Self { is_block: false, may_be_list: false, depth }
    }
}

impl Parser<'_> {
    fn document(&mut self) -> Result<Option<usize>, Fault> {
        let root = match self.kind()? {
            Kind::StreamEnd => return Ok(None),
            Kind::Version { .. } | Kind::TagDirective { .. } | Kind::DocumentStart => {
                self.directives()?;
                if *self.kind()? != Kind::DocumentStart {
                    return self.fault("`---` is missing behind a directive");
                }
                self.scanner.take()?;
                match self.kind()? {
                    Kind::Version { .. }
                    | Kind::TagDirective { .. }
                    | Kind::DocumentStart
                    | Kind::DocumentEnd
                    | Kind::StreamEnd => self.empty()?,
                    _ => self.node(Context::block(0))?,
                }
            }
            _ => {
                self.directives()?;
                self.node(Context::block(0))?
            }
        };
        while *self.kind()? == Kind::DocumentEnd {
            self.scanner.take()?;
        }
        if *self.kind()? != Kind::StreamEnd {
            return self.fault("it has a second document or more behind its end, which Helm would not read");
        }
        Ok(Some(root))
    }

    fn directives(&mut self) -> Result<(), Fault> {
        let mut has_version = false;
        loop {
            match self.kind()?.clone() {
                Kind::Version { .. } if has_version => return self.fault("it has two directives %YAML"),
                Kind::Version { is_1_1: false } => {
                    return self
                        .fault("it says that it is of another version of YAML than 1.1, which Helm reads");
                }
                Kind::Version { .. } => has_version = true,
                Kind::TagDirective { handle, .. } if self.tags.iter().any(|(known, _)| *known == handle) => {
                    return self.fault("it has two directives %TAG for one handle");
                }
                Kind::TagDirective { .. } if self.tags.len() >= MAX_TAGS => {
                    return self.fault(&format!("it has more than {MAX_TAGS} directives %TAG"));
                }
                Kind::TagDirective { handle, prefix } => self.tags.push((handle, prefix)),
                _ => break,
            }
            self.scanner.take()?;
        }
        for (handle, prefix) in DEFAULT_TAGS {
            if !self.tags.iter().any(|(known, _)| known == handle) {
                self.tags.push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }

    fn node(&mut self, context: Context) -> Result<usize, Fault> {
        if context.depth > MAX_DEPTH {
            return self
                .fault(&format!("it has more than {MAX_DEPTH} lists and mappings inside of each other"));
        }
        if let Kind::Alias(name) = self.kind()? {
            let name = name.clone();
            let Some(&target) = self.anchors.get(&name) else {
                return self.fault(&format!("no anchor `{name:.40}` stands before its alias"));
            };
            self.scanner.take()?;
            return self.push(Content::Alias(target));
        }
        let (anchor, tag) = self.properties()?;
        let id = self.empty()?;
        let has_properties = anchor.is_some() || !tag.is_empty();
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        let inside = context.depth + 1;
        let content = match self.kind()? {
            Kind::BlockEntry if context.may_be_list => self.list_in_mapping(inside)?,
            Kind::Scalar { .. } => self.scalar(tag)?,
            Kind::FlowSequenceStart => self.flow_sequence(inside)?,
            Kind::FlowMappingStart => self.flow_mapping(inside)?,
            Kind::BlockSequenceStart if context.is_block => self.block_sequence(inside)?,
            Kind::BlockMappingStart if context.is_block => self.block_mapping(inside)?,
            _ if has_properties => Content::Scalar { value: String::new(), is_plain: tag.is_empty(), tag },
            _ => return self.fault("a value is missing or not allowed here"),
        };
        self.nodes[id].content = content;
        Ok(id)
    }

    /// The anchor and the tag of a node, in either order.
    fn properties(&mut self) -> Result<(Option<String>, String), Fault> {
        let (mut anchor, mut tag) = (None, None);
        loop {
            match self.kind()?.clone() {
                Kind::Anchor(name) if anchor.is_none() => anchor = Some(name),
                Kind::Tag { handle, suffix } if tag.is_none() => tag = Some(self.resolved(&handle, suffix)?),
                _ => return Ok((anchor, tag.unwrap_or_default())),
            }
            self.scanner.take()?;
        }
    }

    fn resolved(&mut self, handle: &str, suffix: String) -> Result<String, Fault> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        match self.tags.iter().find(|(known, _)| known == handle) {
            Some((_, prefix)) => Ok(format!("{prefix}{suffix}")),
            None => self.fault("a tag has a handle that no directive %TAG explains"),
        }
    }

    fn scalar(&mut self, tag: String) -> Result<Content, Fault> {
        match self.scanner.take()?.kind {
            Kind::Scalar { value, is_plain } => {
                let is_plain = (tag.is_empty() && is_plain) || tag == "!";
                Ok(Content::Scalar { value, tag, is_plain })
            }
            _ => self.fault("a value is missing"),
        }
    }

    fn block_sequence(&mut self, depth: usize) -> Result<Content, Fault> {
        self.scanner.take()?;
        let mut items = Vec::new();
        loop {
            match self.kind()? {
                Kind::BlockEntry => {
                    self.scanner.take()?;
                    items.push(match self.kind()? {
                        Kind::BlockEntry | Kind::BlockEnd => self.empty()?,
                        _ => self.node(Context::block(depth))?,
                    });
                }
                Kind::BlockEnd => {
                    self.scanner.take()?;
                    return Ok(Content::Sequence(items));
                }
                _ => return self.fault("an item of a list begins with `- `, indented like those before it"),
            }
        }
    }

    /// A list whose `-` are not deeper than the key before them.
    fn list_in_mapping(&mut self, depth: usize) -> Result<Content, Fault> {
        let mut items = Vec::new();
        while *self.kind()? == Kind::BlockEntry {
            self.scanner.take()?;
            items.push(match self.kind()? {
                Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd => self.empty()?,
                _ => self.node(Context::block(depth))?,
            });
        }
        Ok(Content::Sequence(items))
    }

    fn block_mapping(&mut self, depth: usize) -> Result<Content, Fault> {
        self.scanner.take()?;
        let mut entries = Vec::new();
        loop {
            match self.kind()? {
                Kind::Key => {
                    let key = self.block_part(depth)?;
                    let value = match self.kind()? {
                        Kind::Value => self.block_part(depth)?,
                        _ => self.empty()?,
                    };
                    entries.push((key, value));
                }
                Kind::BlockEnd => {
                    self.scanner.take()?;
                    return Ok(Content::Mapping(entries));
                }
                _ => return self.fault("a key with `:` is expected, indented like those before it"),
            }
        }
    }

    /// Parses the node after a `?` or `:` indicator.
    fn block_part(&mut self, depth: usize) -> Result<usize, Fault> {
        self.scanner.take()?;
        match self.kind()? {
            Kind::Key | Kind::Value | Kind::BlockEnd => self.empty(),
            _ => self.node(Context::in_mapping(depth)),
        }
    }

    fn flow_sequence(&mut self, depth: usize) -> Result<Content, Fault> {
        self.scanner.take()?;
        let mut items = Vec::new();
        while *self.kind()? != Kind::FlowSequenceEnd {
            if !items.is_empty() {
                self.flow_entry("a `,` or `]` is missing in a list")?;
            }
            match self.kind()? {
                Kind::Key => items.push(self.pair(depth)?),
                Kind::FlowSequenceEnd => break,
                _ => items.push(self.node(Context::flow(depth))?),
            }
        }
        self.scanner.take()?;
        Ok(Content::Sequence(items))
    }

    /// A mapping of one key, without braces, in a list with brackets.
    fn pair(&mut self, depth: usize) -> Result<usize, Fault> {
        let id = self.empty()?;
        self.scanner.take()?;
        let key = match self.kind()? {
            Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd => {
                // As go-yaml does, whatever it is.
                self.scanner.take()?;
                self.empty()?
            }
            _ => self.node(Context::flow(depth + 1))?,
        };
        let value = self.flow_value(depth + 1, &Kind::FlowSequenceEnd)?;
        self.nodes[id].content = Content::Mapping(vec![(key, value)]);
        Ok(id)
    }

    fn flow_mapping(&mut self, depth: usize) -> Result<Content, Fault> {
        self.scanner.take()?;
        let mut entries = Vec::new();
        while *self.kind()? != Kind::FlowMappingEnd {
            if !entries.is_empty() {
                self.flow_entry("a `,` or `}` is missing in a mapping")?;
            }
            match self.kind()? {
                Kind::Key => {
                    self.scanner.take()?;
                    let key = match self.kind()? {
                        Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd => self.empty()?,
                        _ => self.node(Context::flow(depth))?,
                    };
                    entries.push((key, self.flow_value(depth, &Kind::FlowMappingEnd)?));
                }
                Kind::FlowMappingEnd => break,
                _ => entries.push((self.node(Context::flow(depth))?, self.empty()?)),
            }
        }
        self.scanner.take()?;
        Ok(Content::Mapping(entries))
    }

    fn flow_entry(&mut self, rule: &str) -> Result<(), Fault> {
        if *self.kind()? != Kind::FlowEntry {
            return self.fault(rule);
        }
        self.scanner.take().map(|_| ())
    }

    fn flow_value(&mut self, depth: usize, end: &Kind) -> Result<usize, Fault> {
        if *self.kind()? != Kind::Value {
            return self.empty();
        }
        self.scanner.take()?;
        match self.kind()? {
            Kind::FlowEntry => self.empty(),
            kind if kind == end => self.empty(),
            _ => self.node(Context::flow(depth)),
        }
    }

    fn kind(&mut self) -> Result<&Kind, Fault> {
        Ok(&self.scanner.peek()?.kind)
    }

    fn empty(&mut self) -> Result<usize, Fault> {
        self.push(Content::Scalar { value: String::new(), tag: String::new(), is_plain: true })
    }

    fn push(&mut self, content: Content) -> Result<usize, Fault> {
        let line = self.scanner.peek()?.mark.line;
        self.nodes.push(Node { line, content });
        Ok(self.nodes.len() - 1)
    }

    fn fault<T>(&mut self, rule: &str) -> Result<T, Fault> {
        let line = self.scanner.peek()?.mark.line;
        Err(Fault::at(line, rule))
    }
}
