//! The tokens that have text: scalars, anchors, tags and directives.

use super::Fault;
use super::scan::{Kind, Scanner, is_blank, is_break, is_break_or_end, is_space, is_word};

/// The spaces and line breaks between two parts of a scalar.
#[derive(Default)]
struct Gap {
    blanks: String,
    first_break: String,
    more_breaks: String,
}

impl Gap {
    /// Appends to `text` what the gap stands for: blanks as they are, one line break as a space, more as one less. An
    /// escaped line break leaves nothing of itself, so that `first_break` is empty.
    fn fold_into(&mut self, text: &mut String, has_break: bool) {
        if !has_break {
            text.push_str(&self.blanks);
            self.blanks.clear();
            return;
        }
        match (self.first_break.starts_with('\n'), self.more_breaks.is_empty()) {
            (true, true) => text.push(' '),
            (true, false) => text.push_str(&self.more_breaks),
            (false, _) => {
                text.push_str(&self.first_break);
                text.push_str(&self.more_breaks);
            }
        }
        self.first_break.clear();
        self.more_breaks.clear();
    }
}

impl Scanner<'_> {
    pub(super) fn scan_plain(&mut self) -> Result<Kind, Fault> {
        let mut value = String::new();
        let mut gap = Gap::default();
        let mut has_break = false;
        let indent = self.indent + 1;
        loop {
            if self.is_document_indicator() || self.char(0) == '#' {
                break;
            }
            while !is_space(self.char(0)) && !self.ends_plain() {
                if has_break || !gap.blanks.is_empty() {
                    gap.fold_into(&mut value, has_break);
                    has_break = false;
                }
                value.push(self.read());
            }
            if !is_blank(self.char(0)) && !is_break(self.char(0)) {
                break;
            }
            while is_blank(self.char(0)) || is_break(self.char(0)) {
                if has_break && (self.at.column as isize) < indent && self.char(0) == '\t' {
                    return self.fault("a tab stands where a line is indented: use spaces");
                }
                self.scan_gap(&mut gap, &mut has_break);
            }
            if self.flow_level == 0 && (self.at.column as isize) < indent {
                break;
            }
        }
        if has_break {
            self.key_may_begin = true;
        }
        Ok(Kind::Scalar { value, is_plain: true })
    }

    fn ends_plain(&self) -> bool {
        match self.char(0) {
            ':' => is_space(self.char(1)),
            ',' | '?' | '[' | ']' | '{' | '}' => self.flow_level > 0,
            _ => false,
        }
    }

    /// Takes one blank or line break between parts of a plain or quoted scalar.
    fn scan_gap(&mut self, gap: &mut Gap, has_break: &mut bool) {
        if is_blank(self.char(0)) {
            match *has_break {
                true => self.skip(),
                false => gap.blanks.push(self.read()),
            }
        } else if *has_break {
            gap.more_breaks.extend(self.read_line());
        } else {
            gap.blanks.clear();
            gap.first_break.extend(self.read_line());
            *has_break = true;
        }
    }

    pub(super) fn scan_quoted(&mut self, is_single: bool) -> Result<Kind, Fault> {
        let quote = if is_single { '\'' } else { '"' };
        self.skip();
        let mut value = String::new();
        let mut gap = Gap::default();
        loop {
            if self.is_document_indicator() {
                return self.fault("`---` or `...` stands inside of a text in quotes");
            }
            if self.char(0) == '\0' {
                return self.fault("a quote is not closed");
            }
            let mut has_break = false;
            while !is_space(self.char(0)) {
                match self.char(0) {
                    '\'' if is_single && self.char(1) == '\'' => {
                        value.push('\'');
                        self.skip();
                        self.skip();
                    }
                    '\\' if !is_single && is_break(self.char(1)) => {
                        self.skip();
                        self.read_line();
                        has_break = true;
                        break;
                    }
                    '\\' if !is_single => value.push(self.scan_escape()?),
                    other if other == quote => break,
                    _ => value.push(self.read()),
                }
            }
            if self.char(0) == quote {
                break;
            }
            while is_blank(self.char(0)) || is_break(self.char(0)) {
                self.scan_gap(&mut gap, &mut has_break);
            }
            gap.fold_into(&mut value, has_break);
        }
        self.skip();
        Ok(Kind::Scalar { value, is_plain: false })
    }

    fn scan_escape(&mut self) -> Result<char, Fault> {
        let digits = match self.char(1) {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => {
                let Some(character) = escaped(other) else {
                    return self.fault(
                        "an escape in a text in double quotes is unknown: write `\\\\` for a backslash",
                    );
                };
                self.skip();
                self.skip();
                return Ok(character);
            }
        };
        self.skip();
        self.skip();
        let mut code = 0_u32;
        for _ in 0..digits {
            let Some(digit) = self.char(0).to_digit(16) else {
                return self.fault("an escape in a text in double quotes lacks hexadecimal digits");
            };
            // Eight digits fill the number exactly.
            code = (code << 4) | digit;
            self.skip();
        }
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => self.fault(
                "an escape in a text in double quotes is no Unicode character: write one beyond U+FFFF as it is, or with \\U and 8 digits",
            ),
        }
    }

    pub(super) fn scan_block(&mut self, is_literal: bool) -> Result<Kind, Fault> {
        self.skip();
        let (chomping, increment) = self.scan_block_header()?;
        self.skip_blanks();
        self.skip_comment();
        if !is_break_or_end(self.char(0)) {
            return self.fault("something other than a comment stands behind `|` or `>`");
        }
        self.read_line();
        let mut indent = if increment > 0 { self.indent.max(0) + increment } else { 0 };
        let mut value = String::new();
        // The end of the line before, and of the empty ones behind it.
        let (mut line_end, mut more_ends) = (None, self.scan_margin(&mut indent)?);
        let mut was_blank = false;
        while self.at.column as isize == indent && self.char(0) != '\0' {
            let is_blank = is_blank(self.char(0));
            let folds = !is_literal && !was_blank && !is_blank && line_end == Some('\n');
            match folds {
                true if more_ends.is_empty() => value.push(' '),
                true => {}
                false => value.extend(line_end),
            }
            value.push_str(&more_ends);
            was_blank = is_blank;
            while !is_break_or_end(self.char(0)) {
                value.push(self.read());
            }
            line_end = self.read_line();
            more_ends = self.scan_margin(&mut indent)?;
        }
        value.extend(line_end.filter(|_| chomping != Some('-')));
        if chomping == Some('+') {
            value.push_str(&more_ends);
        }
        Ok(Kind::Scalar { value, is_plain: false })
    }

    /// A sign and a digit, in either order: what becomes of the last line ends, and how deep the text is indented.
    fn scan_block_header(&mut self) -> Result<(Option<char>, isize), Fault> {
        let (mut chomping, mut increment) = (None, 0);
        loop {
            match self.char(0) {
                sign @ ('+' | '-') if chomping.is_none() => chomping = Some(sign),
                '0' if increment == 0 => {
                    return self.fault("the indentation behind `|` or `>` may not be 0");
                }
                digit @ '1'..='9' if increment == 0 => increment = digit as isize - '0' as isize,
                _ => return Ok((chomping, increment)),
            }
            self.skip();
        }
    }

    /// Takes empty lines and the indentation of the next one, which sets `indent` where it is 0. Returns their ends.
    fn scan_margin(&mut self, indent: &mut isize) -> Result<String, Fault> {
        let mut ends = String::new();
        let mut deepest = 0;
        loop {
            let is_inside = |column: usize| *indent == 0 || (column as isize) < *indent;
            while is_inside(self.at.column) && self.char(0) == ' ' {
                self.skip();
            }
            deepest = deepest.max(self.at.column as isize);
            if is_inside(self.at.column) && self.char(0) == '\t' {
                return self.fault("a tab stands where a line is indented: use spaces");
            }
            match self.read_line() {
                Some(read) => ends.push(read),
                None => break,
            }
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(ends)
    }

    pub(super) fn scan_alias(&mut self) -> Result<Kind, Fault> {
        self.scan_name().map(Kind::Alias)
    }

    pub(super) fn scan_anchor(&mut self) -> Result<Kind, Fault> {
        self.scan_name().map(Kind::Anchor)
    }

    fn scan_name(&mut self) -> Result<String, Fault> {
        self.skip();
        let name = self.scan_word();
        if name.is_empty() || !(is_space(self.char(0)) || "?:,]}%@`".contains(self.char(0))) {
            return self
                .fault("a name of an anchor has letters, digits, `-` and `_` only: put the text in quotes");
        }
        Ok(name)
    }

    fn scan_word(&mut self) -> String {
        let mut word = String::new();
        while is_word(self.char(0)) {
            word.push(self.read());
        }
        word
    }

    pub(super) fn scan_tag(&mut self) -> Result<Kind, Fault> {
        let (handle, suffix) = if self.char(1) == '<' {
            self.skip();
            self.skip();
            let suffix = self.scan_uri("")?;
            if self.char(0) != '>' {
                return self.fault("a tag that begins with `!<` ends with `>`");
            }
            self.skip();
            (String::new(), suffix)
        } else {
            let handle = self.scan_handle();
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.scan_uri("")?;
                (handle, suffix)
            } else {
                let suffix = self.scan_uri(&handle)?;
                match suffix.is_empty() {
                    true => (String::new(), "!".to_owned()),
                    false => ("!".to_owned(), suffix),
                }
            }
        };
        if !is_space(self.char(0)) {
            return self.fault("a space is missing behind a tag: put a text that begins with `!` in quotes");
        }
        Ok(Kind::Tag { handle, suffix })
    }

    /// `!`, then a word, then `!` if there is one.
    fn scan_handle(&mut self) -> String {
        let mut handle = String::from(self.read());
        handle.push_str(&self.scan_word());
        if self.char(0) == '!' {
            handle.push(self.read());
        }
        handle
    }

    /// The rest of a tag whose `head` was taken for a handle.
    fn scan_uri(&mut self, head: &str) -> Result<String, Fault> {
        let mut bytes = head.get(1..).unwrap_or_default().as_bytes().to_vec();
        let start = self.at.index;
        while is_word(self.char(0)) || ";/?:@&=+$,.!~*'()[]%".contains(self.char(0)) {
            match self.read() {
                '%' => {
                    let digits = (self.char(0).to_digit(16), self.char(1).to_digit(16));
                    let (Some(high), Some(low)) = digits else {
                        return self.fault("a `%` in a tag is followed by two hexadecimal digits");
                    };
                    bytes.push((high * 16 + low) as u8);
                    self.skip();
                    self.skip();
                }
                other => bytes.push(other as u8),
            }
        }
        if self.at.index == start && head.is_empty() {
            return self.fault("a tag has no name");
        }
        String::from_utf8(bytes).or_else(|_| self.fault("a tag is not UTF-8"))
    }

    pub(super) fn scan_directive(&mut self) -> Result<Kind, Fault> {
        self.skip();
        let name = self.scan_word();
        if !is_space(self.char(0)) {
            return self.fault("a line that begins with `%` is a directive: put the text in quotes");
        }
        let kind = match name.as_str() {
            "YAML" => self.scan_version_directive()?,
            "TAG" => self.scan_tag_directive()?,
            _ => return self.fault("a line that begins with `%` is a directive: Helm knows %YAML and %TAG"),
        };
        self.skip_blanks();
        self.skip_comment();
        if !is_break_or_end(self.char(0)) {
            return self.fault("something other than a comment stands behind a directive");
        }
        self.read_line();
        Ok(kind)
    }

    fn scan_version_directive(&mut self) -> Result<Kind, Fault> {
        self.skip_blanks();
        let major = self.scan_number()?;
        if self.read() != '.' {
            return self.fault("a version of YAML has two numbers, like 1.1");
        }
        let minor = self.scan_number()?;
        Ok(Kind::Version { is_1_1: (major, minor) == (1, 1) })
    }

    fn scan_number(&mut self) -> Result<u32, Fault> {
        let (mut number, mut length) = (0, 0);
        while let Some(digit) = self.char(0).to_digit(10) {
            (number, length) = (number * 10 + digit, length + 1);
            if length > 2 {
                break;
            }
            self.skip();
        }
        if matches!(length, 1 | 2) {
            Ok(number)
        } else {
            self.fault("a version of YAML has two numbers, like 1.1")
        }
    }

    fn scan_tag_directive(&mut self) -> Result<Kind, Fault> {
        const RULE: &str = "a directive %TAG has a handle like `!name!` and a prefix";
        self.skip_blanks();
        if self.char(0) != '!' {
            return self.fault(RULE);
        }
        let handle = self.scan_handle();
        if (handle != "!" && !handle.ends_with('!')) || !is_blank(self.char(0)) {
            return self.fault(RULE);
        }
        self.skip_blanks();
        let prefix = self.scan_uri("")?;
        if !is_space(self.char(0)) {
            return self.fault(RULE);
        }
        Ok(Kind::TagDirective { handle, prefix })
    }
}

fn escaped(character: char) -> Option<char> {
    Some(match character {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' | '"' | '\'' | '\\' => character,
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        _ => return None,
    })
}
