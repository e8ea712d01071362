//! Tokens: from characters to indicators and scalars. A token that may turn out to be a key waits in the queue until
//! its `:` is found or cannot come any more.

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
struct Candidate {
    is_possible: bool,
    is_required: bool,
    token: usize,
    mark: Mark,
}

/// A key must end within so many characters.
const MAX_KEY: usize = 1024;

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
    pub(super) key_may_begin: bool,
    /// One for each level of flow.
    candidates: Vec<Candidate>,
    /// Which of them begins with a token.
    candidates_by_token: HashMap<usize, usize>,
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
            key_may_begin: true,
            candidates: vec![Candidate::default()],
            candidates_by_token: HashMap::new(),
        }
    }

    /// Returns the next token without taking it.
    pub(super) fn peek(&mut self) -> Result<&Token, Fault> {
        if !self.has_token {
            self.look_ahead()?;
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

    fn look_ahead(&mut self) -> Result<(), Fault> {
        loop {
            if !self.tokens.is_empty() {
                let Some(&key) = self.candidates_by_token.get(&self.tokens_taken) else { break };
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
        self.close_blocks(self.at.column as isize);
        let is_directive = self.at.column == 0 && self.char(0) == '%';
        if is_directive || self.is_document_indicator() || self.at.index >= self.text.len() {
            return self.fetch_outermost();
        }
        let is_alone = is_space(self.char(1));
        let in_flow = self.flow_level > 0;
        match self.char(0) {
            '[' => self.fetch_flow(Kind::FlowSequenceStart),
            '{' => self.fetch_flow(Kind::FlowMappingStart),
            ']' => self.fetch_flow(Kind::FlowSequenceEnd),
            '}' => self.fetch_flow(Kind::FlowMappingEnd),
            ',' => self.fetch_flow(Kind::FlowEntry),
            '-' if is_alone => self.fetch_block(Kind::BlockEntry),
            '?' if in_flow || is_alone => self.fetch_block(Kind::Key),
            ':' if in_flow || is_alone => self.fetch_value(),
            '*' => self.fetch_text(true, Self::scan_alias),
            '&' => self.fetch_text(true, Self::scan_anchor),
            '!' => self.fetch_text(true, Self::scan_tag),
            '|' if !in_flow => self.fetch_text(false, |scanner| scanner.scan_block(true)),
            '>' if !in_flow => self.fetch_text(false, |scanner| scanner.scan_block(false)),
            '\'' => self.fetch_text(true, |scanner| scanner.scan_quoted(true)),
            '"' => self.fetch_text(true, |scanner| scanner.scan_quoted(false)),
            '-' if !is_blank(self.char(1)) => self.fetch_text(true, Self::scan_plain),
            '?' | ':' if !in_flow => self.fetch_text(true, Self::scan_plain),
            other if !is_space(other) && !"-?:#|>%@`".contains(other) => {
                self.fetch_text(true, Self::scan_plain)
            }
            _ => self
                .fault("a character stands where no value, key or comment can begin: put the text in quotes"),
        }
    }

    /// Skips spaces, comments and line breaks. A tab is a space except where a key may begin.
    fn skip_to_token(&mut self) {
        loop {
            while self.char(0) == ' '
                || ((self.flow_level > 0 || !self.key_may_begin) && self.char(0) == '\t')
            {
                self.skip();
            }
            self.skip_comment();
            if self.read_line().is_none() {
                return;
            }
            if self.flow_level == 0 {
                self.key_may_begin = true;
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
        let Some(key) = self.candidates.get_mut(key).filter(|key| key.is_possible) else { return Ok(false) };
        if key.mark.line < at.line || key.mark.index + MAX_KEY < at.index {
            if key.is_required {
                return no_colon(*key);
            }
            key.is_possible = false;
        }
        Ok(key.is_possible)
    }

    fn offer_key(&mut self) -> Result<(), Fault> {
        if !self.key_may_begin {
            return Ok(());
        }
        let is_required = self.flow_level == 0 && self.indent == self.at.column as isize;
        let token = self.tokens_taken + self.tokens.len();
        self.drop_key()?;
        let level = self.candidates.len() - 1;
        self.candidates[level] = Candidate { is_possible: true, is_required, token, mark: self.at };
        self.candidates_by_token.insert(token, level);
        Ok(())
    }

    fn drop_key(&mut self) -> Result<(), Fault> {
        let Some(key) = self.candidates.last_mut().filter(|key| key.is_possible) else { return Ok(()) };
        if key.is_required {
            return no_colon(*key);
        }
        key.is_possible = false;
        let token = key.token;
        self.candidates_by_token.remove(&token);
        Ok(())
    }

    /// Begins a block at `column`, with a token of `kind` before the token with the number `before`.
    fn open_block(&mut self, column: usize, before: Option<usize>, kind: Kind, mark: Mark) {
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

    fn close_blocks(&mut self, column: isize) {
        while self.flow_level == 0 && self.indent > column {
            self.push(Kind::BlockEnd, self.at);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// Moves on over a token: whether it may be a key itself, and whether one may begin behind it.
    fn pass(&mut self, may_be_key: bool, key_may_follow: bool) -> Result<(), Fault> {
        if may_be_key {
            self.offer_key()?;
        } else {
            self.drop_key()?;
        }
        self.key_may_begin = key_may_follow;
        Ok(())
    }

    /// What ends all blocks: a directive, `---`, `...` and the end.
    fn fetch_outermost(&mut self) -> Result<(), Fault> {
        let is_end = self.at.index >= self.text.len();
        if is_end && self.at.column != 0 {
            self.at = Mark { line: self.at.line + 1, column: 0, ..self.at };
        }
        self.close_blocks(-1);
        self.pass(false, false)?;
        match self.char(0) {
            _ if is_end => self.push(Kind::StreamEnd, self.at),
            '-' => self.push_indicator(Kind::DocumentStart, 3),
            '.' => self.push_indicator(Kind::DocumentEnd, 3),
            _ => {
                let mark = self.at;
                let kind = self.scan_directive()?;
                self.push(kind, mark);
            }
        }
        Ok(())
    }

    /// A bracket or brace that opens or closes, or a comma.
    fn fetch_flow(&mut self, kind: Kind) -> Result<(), Fault> {
        match kind {
            Kind::FlowSequenceStart | Kind::FlowMappingStart => {
                self.pass(true, true)?;
                let token = self.tokens_taken + self.tokens.len();
                self.candidates.push(Candidate { token, mark: self.at, ..Candidate::default() });
                self.flow_level += 1;
            }
            Kind::FlowSequenceEnd | Kind::FlowMappingEnd => {
                self.pass(false, false)?;
                if let Some(level) = self.flow_level.checked_sub(1) {
                    self.flow_level = level;
                    let inner = self.candidates.pop();
                    inner.and_then(|inner| self.candidates_by_token.remove(&inner.token));
                }
            }
            _ => self.pass(false, true)?,
        }
        self.push_indicator(kind, 1);
        Ok(())
    }

    /// `-` of an item or `?` of a key, each of which opens a block where it is deeper than the one around it.
    fn fetch_block(&mut self, kind: Kind) -> Result<(), Fault> {
        let in_flow = self.flow_level > 0;
        let (block, key_may_follow, rule) = match kind {
            Kind::Key => (Kind::BlockMappingStart, !in_flow, "a key may not begin here"),
            _ => (Kind::BlockSequenceStart, true, "an item of a list may not begin here"),
        };
        if !in_flow && !self.key_may_begin {
            return self.fault(rule);
        }
        self.open_block(self.at.column, None, block, self.at);
        self.pass(false, key_may_follow)?;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Fault> {
        let level = self.candidates.len() - 1;
        if self.is_valid(level)? {
            let Candidate { token, mark, .. } = self.candidates[level];
            self.insert(token, Kind::Key, mark);
            self.open_block(mark.column, Some(token), Kind::BlockMappingStart, mark);
            self.candidates[level].is_possible = false;
            self.candidates_by_token.remove(&token);
            self.key_may_begin = false;
        } else {
            if self.flow_level == 0 {
                if !self.key_may_begin {
                    return self.fault(
                        "a `:` with a space behind it stands inside of a text: put the text in quotes",
                    );
                }
                self.open_block(self.at.column, None, Kind::BlockMappingStart, self.at);
            }
            self.key_may_begin = self.flow_level == 0;
        }
        self.push_indicator(Kind::Value, 1);
        Ok(())
    }

    /// Fetches a token that has text. What may be a key is not followed by one; a block scalar is.
    fn fetch_text(
        &mut self,
        may_be_key: bool,
        scan: fn(&mut Self) -> Result<Kind, Fault>,
    ) -> Result<(), Fault> {
        self.pass(may_be_key, !may_be_key)?;
        let mark = self.at;
        let kind = scan(self)?;
        self.push(kind, mark);
        Ok(())
    }
}

fn no_colon<T>(key: Candidate) -> Result<T, Fault> {
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
