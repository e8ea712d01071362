//! Reading a constraint. Helm's library does it with regular expressions; what they let pass, passes here.

use super::{Comparison, Given, Group, InvalidConstraint, Operator};
use crate::chart::version::lax;

pub(super) const MAX_LENGTH: usize = 512;
pub(super) const MAX_ALTERNATIVES: usize = 32;

/// The longest come first.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::Unlike),
    (">=", Operator::AtLeast),
    ("=>", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=<", Operator::AtMost),
    ("~>", Operator::Tilde),
    ("=", Operator::Like),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

pub(super) fn constraint(text: &str) -> Result<Vec<Group>, InvalidConstraint> {
    if text.len() > MAX_LENGTH {
        return Err(InvalidConstraint::TooLong(text.len()));
    }
    // Ranges come before alternatives, in text: `1||2 - 3` is `>=1 || 2 <=3` to Helm.
    let text = spell_out_ranges(text);
    let alternatives = text.split("||").count();
    if alternatives > MAX_ALTERNATIVES {
        return Err(InvalidConstraint::TooManyAlternatives(alternatives));
    }
    text.split("||").map(group).collect()
}

/// Puts `>= a, <= b ` for each `a - b`.
fn spell_out_ranges(text: &str) -> String {
    let mut spelled = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match range(rest) {
            Some((low, high, after)) => {
                spelled.push_str(&format!(">= {low}, <= {high} "));
                rest = after;
            }
            None => {
                spelled.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    spelled
}

/// Both ends of the range that `text` begins with, and what follows it.
fn range(text: &str) -> Option<(&str, &str, &str)> {
    let low = Written::at_start(skip_space(text))?;
    let hyphen = skip_space_or_none(low.after)?;
    let high = Written::at_start(skip_space_or_none(hyphen.strip_prefix('-')?)?)?;
    Some((low.text, high.text, skip_space(high.after)))
}

fn group(text: &str) -> Result<Group, InvalidConstraint> {
    let mut all_of = Vec::new();
    let mut rest = skip_space(text);
    loop {
        let (operator, version) = operator(rest);
        let Some(written) = Written::at_start(skip_space(version)) else {
            return Err(InvalidConstraint::NoComparison(shown(rest)));
        };
        all_of.push(written.compared_by(operator)?);
        let after = skip_space(written.after);
        rest = match after.strip_prefix(',') {
            Some(next) => skip_space(next),
            None if after.is_empty() => return Ok(Group { all_of }),
            None if after.len() < written.after.len() => after,
            None => return Err(InvalidConstraint::NoComparison(shown(after))),
        };
    }
}

/// The operator that `text` begins with, and what follows it.
fn operator(text: &str) -> (Operator, &str) {
    let found = OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)));
    found.unwrap_or((Operator::Like, text))
}

/// A version of a constraint as it is written: numbers may be missing or wildcards.
struct Written<'a> {
    text: &'a str,
    numbers: [Option<&'a str>; 3],
    /// With its hyphen; empty if there is none.
    pre: &'a str,
    after: &'a str,
}

impl<'a> Written<'a> {
    fn at_start(text: &'a str) -> Option<Self> {
        let (major, mut rest) = digits(text.strip_prefix('v').unwrap_or(text))?;
        let mut numbers = [Some(major), None, None];
        for number in &mut numbers[1..] {
            let Some((found, after)) = rest.strip_prefix('.').and_then(digits) else { break };
            (*number, rest) = (Some(found), after);
        }
        let behind_pre = rest.strip_prefix('-').and_then(identifiers).unwrap_or(rest);
        let after = behind_pre.strip_prefix('+').and_then(identifiers).unwrap_or(behind_pre);
        let pre = &rest[..rest.len() - behind_pre.len()];
        Some(Self { text: &text[..text.len() - after.len()], numbers, pre, after })
    }

    fn compared_by(&self, operator: Operator) -> Result<Comparison, InvalidConstraint> {
        let pre = self.pre;
        // What stands behind a wildcard is not looked at.
        let given = self.numbers.map(|number| number.filter(|number| !matches!(*number, "x" | "X" | "*")));
        let (given, base) = match given {
            [None, ..] => (Given::Nothing, lax(&format!("0.0.0{pre}"))),
            [Some(major), None, _] => (Given::Major, lax(&format!("{major}.0.0{pre}"))),
            [Some(major), Some(minor), None] => (Given::Minor, lax(&format!("{major}.{minor}.0{pre}"))),
            [Some(_), Some(_), Some(_)] => (Given::All, lax(self.text)),
        };
        let base = base.ok_or_else(|| InvalidConstraint::NoVersion(shown(self.text)))?;
        Ok(Comparison { operator, given, base, written: self.text.into() })
    }
}

/// A number or wildcard, or a mixture that is refused later, and what follows it. A single `|` is part of it: that is
/// how Helm takes `2||3` for one end of a range.
fn digits(text: &str) -> Option<(&str, &str)> {
    let is_part = |character: char| character.is_ascii_digit() || matches!(character, 'x' | 'X' | '*' | '|');
    let end = text.find(|character| !is_part(character)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// What follows identifiers with dots between them.
fn identifiers(text: &str) -> Option<&str> {
    let one = |text: &'_ str| {
        let end = text.find(|character: char| !(character.is_ascii_alphanumeric() || character == '-'));
        Some(end.unwrap_or(text.len())).filter(|end| *end > 0)
    };
    let mut end = one(text)?;
    while let Some(more) = text[end..].strip_prefix('.').and_then(one) {
        end += 1 + more;
    }
    Some(&text[end..])
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches(['\t', '\n', '\x0c', '\r', ' '])
}

/// What follows space, of which there has to be some.
fn skip_space_or_none(text: &str) -> Option<&str> {
    Some(skip_space(text)).filter(|rest| rest.len() < text.len())
}

/// As much of a text as a message quotes.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}
