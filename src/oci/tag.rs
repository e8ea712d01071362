//! Tags of manifests.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A tag by the grammar of the distribution specification: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

/// Why a text is not a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the tag is malformed: at most 128 letters, digits, '_', '.' and '-', of which the first is not '.' or '-'"
)]
pub struct InvalidTag;

impl Tag {
    pub const MAX_BYTES: usize = 128;

    pub fn parse(text: &str) -> Result<Self, InvalidTag> {
        let (first, rest) = text.as_bytes().split_first().ok_or(InvalidTag)?;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let legal = text.len() <= Self::MAX_BYTES
            && is_word(first)
            && rest.iter().all(|byte| is_word(byte) || b".-".contains(byte));
        if legal { Ok(Self(text.into())) } else { Err(InvalidTag) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tags are in the byte order of their text, so a listing can go on after any text.
impl Borrow<str> for Tag {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(Tag, InvalidTag);

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex_lite::Regex;

    use super::*;

    static SPECIFIED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\z").unwrap());

    #[test]
    fn a_tag_has_at_most_128_bytes() {
        assert!(Tag::parse(&"a".repeat(128)).is_ok());
        assert_eq!(Tag::parse(&"a".repeat(129)), Err(InvalidTag));
        assert_eq!(Tag::parse(""), Err(InvalidTag));
    }

    proptest! {
        #[test]
        fn the_parser_equals_the_regex_of_the_specification(text in "[aZ0._:+/-]{0,6}|[a-z.]{120,132}|\\PC{0,6}") {
            let parsed = Tag::parse(&text);
            prop_assert_eq!(parsed.is_ok(), SPECIFIED.is_match(&text));
            if let Ok(tag) = parsed {
                prop_assert_eq!(tag.to_string(), text);
            }
        }
    }
}
