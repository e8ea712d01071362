//! Tokens: from characters to indicators and scalars. Follows scannerc.go of go-yaml v2.4.

use std::collections::{HashMap, VecDeque};

use super::Fault;

/// A place in the text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub index: usize,
    pub line: usize,
    pub column: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub mark: Mark,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    StreamEnd,
    Version { is_1_1: bool },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { value: String, is_plain: bool },
}

/// A token that is a key if a `:` follows on its line.
#[derive(Clone, Copy, Debug, Default)]
struct SimpleKey {
    is_possible: bool,
    is_required: bool,
    token: usize,
    mark: Mark,
}

/// A key must end within so many characters.
const MAX_SIMPLE_KEY: usize = 1024;

pub(super) struct Scanner<'a> {
    text: &'a [char],
    pub(super) at: Mark,
    tokens: VecDeque<Token>,
    tokens_taken: usize,
    has_token: bool,
    /// The column of the block; -1 outside of all.
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) flow_level: usize,
    pub(super) may_be_simple_key: bool,
    /// One for each level of flow.
    simple_keys: Vec<SimpleKey>,
    /// Which of them begins with a token.
    simple_keys_by_token: HashMap<usize, usize>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [char]) -> Self {
        Self {
            text,
            at: Mark::default(),
            tokens: VecDeque::new(),
            tokens_taken: 0,
            has_token: false,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            may_be_simple_key: true,
            simple_keys: vec![SimpleKey::default()],
            simple_keys_by_token: HashMap::new(),
        }
    }

    /// Returns the next token without taking it.
    pub(super) fn peek(&mut self) -> Result<&Token, Fault> {
        if !self.has_token {
            self.fetch_more()?;
        }
        self.tokens.front().ok_or_else(|| Fault::new("it ends too early"))
    }

    /// Takes the next token.
    pub(super) fn take(&mut self) -> Result<Token, Fault> {
        self.peek()?;
        self.has_token = false;
        self.tokens_taken += 1;
        self.tokens.pop_front().ok_or_else(|| Fault::new("it ends too early"))
    }

    /// The character `ahead` of the current one; NUL behind the end, which no text has.
    pub(super) fn char(&self, ahead: usize) -> char {
        self.text.get(self.at.index + ahead).copied().unwrap_or('\0')
    }

    pub(super) fn skip(&mut self) {
        self.at.index += 1;
        self.at.column += 1;
    }

    /// Takes a character that ends no line.
    pub(super) fn read(&mut self) -> char {
        let character = self.char(0);
        self.skip();
        character
    }

    /// Takes a line break, and returns what it is in a scalar.
    pub(super) fn read_line(&mut self) -> Option<char> {
        let (length, read) = match (self.char(0), self.char(1)) {
            ('\r', '\n') => (2, '\n'),
            ('\r' | '\n' | '\u{85}', _) => (1, '\n'),
            (other @ ('\u{2028}' | '\u{2029}'), _) => (1, other),
            _ => return None,
        };
        self.at = Mark { index: self.at.index + length, line: self.at.line + 1, column: 0 };
        Some(read)
    }

    pub(super) fn skip_blanks(&mut self) {
        while is_blank(self.char(0)) {
            self.skip();
        }
    }

    pub(super) fn skip_comment(&mut self) {
        if self.char(0) == '#' {
            while !is_break_or_end(self.char(0)) {
                self.skip();
            }
        }
    }

    /// `---` or `...` at the beginning of a line.
    pub(super) fn is_document_indicator(&self) -> bool {
        let three = [self.char(0), self.char(1), self.char(2)];
        self.at.column == 0 && matches!(three, ['-', '-', '-'] | ['.', '.', '.']) && is_space(self.char(3))
    }

    pub(super) fn fault<T>(&self, rule: &str) -> Result<T, Fault> {
        Err(Fault::at(self.at.line, rule))
    }

    fn fetch_more(&mut self) -> Result<(), Fault> {
        loop {
            if !self.tokens.is_empty() {
                let Some(&key) = self.simple_keys_by_token.get(&self.tokens_taken) else { break };
                if !self.is_valid(key)? {
                    break;
                }
            }
            self.fetch()?;
        }
        self.has_token = true;
        Ok(())
    }

    fn fetch(&mut self) -> Result<(), Fault> {
        self.skip_to_token();
        self.unroll_indent(self.at.column as isize);
        if self.at.index >= self.text.len() {
            return self.fetch_end();
        }
        if self.at.column == 0 && self.char(0) == '%' {
            return self.fetch_directive();
        }
        if self.is_document_indicator() {
            let kind = if self.char(0) == '-' { Kind::DocumentStart } else { Kind::DocumentEnd };
            return self.fetch_document_indicator(kind);
        }
        let is_alone = is_space(self.char(1));
        let in_flow = self.flow_level > 0;
        match self.char(0) {
            '[' => self.fetch_flow_start(Kind::FlowSequenceStart),
            '{' => self.fetch_flow_start(Kind::FlowMappingStart),
            ']' => self.fetch_flow_end(Kind::FlowSequenceEnd),
            '}' => self.fetch_flow_end(Kind::FlowMappingEnd),
            ',' => self.fetch_flow_entry(),
            '-' if is_alone => self.fetch_block_entry(),
            '?' if in_flow || is_alone => self.fetch_key(),
            ':' if in_flow || is_alone => self.fetch_value(),
            '*' => self.fetch_simple(Self::scan_alias),
            '&' => self.fetch_simple(Self::scan_anchor),
            '!' => self.fetch_simple(Self::scan_tag),
            '|' if !in_flow => self.fetch_block_scalar(true),
            '>' if !in_flow => self.fetch_block_scalar(false),
            '\'' => self.fetch_simple(|scanner| scanner.scan_quoted(true)),
            '"' => self.fetch_simple(|scanner| scanner.scan_quoted(false)),
            '-' if !is_blank(self.char(1)) => self.fetch_simple(Self::scan_plain),
            '?' | ':' if !in_flow => self.fetch_simple(Self::scan_plain),
            other if !is_space(other) && !"-?:#|>%@`".contains(other) => self.fetch_simple(Self::scan_plain),
            _ => self
                .fault("a character stands where no value, key or comment can begin: put the text in quotes"),
        }
    }

    /// Skips spaces, comments and line breaks. A tab is a space except where a key may begin.
    fn skip_to_token(&mut self) {
        loop {
            while self.char(0) == ' '
                || ((self.flow_level > 0 || !self.may_be_simple_key) && self.char(0) == '\t')
            {
                self.skip();
            }
            self.skip_comment();
            if self.read_line().is_none() {
                return;
            }
            if self.flow_level == 0 {
                self.may_be_simple_key = true;
            }
        }
    }

    fn push(&mut self, kind: Kind, mark: Mark) {
        self.tokens.push_back(Token { kind, mark });
    }

    /// Puts a token before the one with the number `token`, or at the end if that was taken.
    fn insert(&mut self, token: usize, kind: Kind, mark: Mark) {
        let place = token.checked_sub(self.tokens_taken).filter(|place| *place <= self.tokens.len());
        self.tokens.insert(place.unwrap_or(self.tokens.len()), Token { kind, mark });
    }

    /// Pushes a token of `length` characters.
    fn push_indicator(&mut self, kind: Kind, length: usize) {
        let mark = self.at;
        (0..length).for_each(|_| self.skip());
        self.push(kind, mark);
    }

    fn is_valid(&mut self, key: usize) -> Result<bool, Fault> {
        let at = self.at;
        let Some(key) = self.simple_keys.get_mut(key).filter(|key| key.is_possible) else { return Ok(false) };
        if key.mark.line < at.line || key.mark.index + MAX_SIMPLE_KEY < at.index {
            if key.is_required {
                return no_colon(*key);
            }
            key.is_possible = false;
        }
        Ok(key.is_possible)
    }

    fn save_simple_key(&mut self) -> Result<(), Fault> {
        if !self.may_be_simple_key {
            return Ok(());
        }
        let is_required = self.flow_level == 0 && self.indent == self.at.column as isize;
        let token = self.tokens_taken + self.tokens.len();
        self.remove_simple_key()?;
        let level = self.simple_keys.len() - 1;
        self.simple_keys[level] = SimpleKey { is_possible: true, is_required, token, mark: self.at };
        self.simple_keys_by_token.insert(token, level);
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<(), Fault> {
        let Some(key) = self.simple_keys.last_mut().filter(|key| key.is_possible) else { return Ok(()) };
        if key.is_required {
            return no_colon(*key);
        }
        key.is_possible = false;
        let token = key.token;
        self.simple_keys_by_token.remove(&token);
        Ok(())
    }

    /// Begins a block at `column`, with a token of `kind` before the token with the number `before`.
    fn roll_indent(&mut self, column: usize, before: Option<usize>, kind: Kind, mark: Mark) {
        if self.flow_level > 0 || self.indent >= column as isize {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column as isize;
        match before {
            Some(token) => self.insert(token, kind, mark),
            None => self.push(kind, mark),
        }
    }

    fn unroll_indent(&mut self, column: isize) {
        while self.flow_level == 0 && self.indent > column {
            self.push(Kind::BlockEnd, self.at);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_end(&mut self) -> Result<(), Fault> {
        if self.at.column != 0 {
            self.at = Mark { line: self.at.line + 1, column: 0, ..self.at };
        }
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.may_be_simple_key = false;
        self.push(Kind::StreamEnd, self.at);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<(), Fault> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.may_be_simple_key = false;
        let mark = self.at;
        let kind = self.scan_directive()?;
        self.push(kind, mark);
        Ok(())
    }

    fn fetch_document_indicator(&mut self, kind: Kind) -> Result<(), Fault> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.may_be_simple_key = false;
        self.push_indicator(kind, 3);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: Kind) -> Result<(), Fault> {
        self.save_simple_key()?;
        let token = self.tokens_taken + self.tokens.len();
        self.simple_keys.push(SimpleKey { token, mark: self.at, ..SimpleKey::default() });
        self.flow_level += 1;
        self.may_be_simple_key = true;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: Kind) -> Result<(), Fault> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            if let Some(key) = self.simple_keys.pop() {
                self.simple_keys_by_token.remove(&key.token);
            }
        }
        self.may_be_simple_key = false;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<(), Fault> {
        self.remove_simple_key()?;
        self.may_be_simple_key = true;
        self.push_indicator(Kind::FlowEntry, 1);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), Fault> {
        if self.flow_level == 0 {
            if !self.may_be_simple_key {
                return self.fault("an item of a list may not begin here");
            }
            self.roll_indent(self.at.column, None, Kind::BlockSequenceStart, self.at);
        }
        self.remove_simple_key()?;
        self.may_be_simple_key = true;
        self.push_indicator(Kind::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Fault> {
        if self.flow_level == 0 {
            if !self.may_be_simple_key {
                return self.fault("a key may not begin here");
            }
            self.roll_indent(self.at.column, None, Kind::BlockMappingStart, self.at);
        }
        self.remove_simple_key()?;
        self.may_be_simple_key = self.flow_level == 0;
        self.push_indicator(Kind::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Fault> {
        let level = self.simple_keys.len() - 1;
        if self.is_valid(level)? {
            let SimpleKey { token, mark, .. } = self.simple_keys[level];
            self.insert(token, Kind::Key, mark);
            self.roll_indent(mark.column, Some(token), Kind::BlockMappingStart, mark);
            self.simple_keys[level].is_possible = false;
            self.simple_keys_by_token.remove(&token);
            self.may_be_simple_key = false;
        } else {
            if self.flow_level == 0 {
                if !self.may_be_simple_key {
                    return self.fault(
                        "a `:` with a space behind it stands inside of a text: put the text in quotes",
                    );
                }
                self.roll_indent(self.at.column, None, Kind::BlockMappingStart, self.at);
            }
            self.may_be_simple_key = self.flow_level == 0;
        }
        self.push_indicator(Kind::Value, 1);
        Ok(())
    }

    /// Fetches a token that may be a key.
    fn fetch_simple(&mut self, scan: fn(&mut Self) -> Result<Kind, Fault>) -> Result<(), Fault> {
        self.save_simple_key()?;
        self.may_be_simple_key = false;
        let mark = self.at;
        let kind = scan(self)?;
        self.push(kind, mark);
        Ok(())
    }

    fn fetch_block_scalar(&mut self, is_literal: bool) -> Result<(), Fault> {
        self.remove_simple_key()?;
        self.may_be_simple_key = true;
        let mark = self.at;
        let kind = self.scan_block(is_literal)?;
        self.push(kind, mark);
        Ok(())
    }
}

fn no_colon<T>(key: SimpleKey) -> Result<T, Fault> {
    Err(Fault::at(key.mark.line, "a `:` is missing behind a key"))
}

pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_break_or_end(character: char) -> bool {
    is_break(character) || character == '\0'
}

/// Blanks, line breaks and the end.
pub(super) fn is_space(character: char) -> bool {
    is_blank(character) || is_break_or_end(character)
}

/// What names of anchors, handles and directives are made of.
pub(super) fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}
