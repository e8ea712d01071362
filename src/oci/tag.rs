//! Tags, and references that are a tag or a digest.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::digest::{Digest, InvalidDigest};
use super::name::text_type;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a tag has 1 to 128 letters, digits, `_`, `.` and `-`, and does not begin with `.` or `-`")]
pub struct InvalidTag;

/// What names a manifest in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    Tag(Tag),
    Digest(Digest),
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidReference {
    #[error(transparent)]
    Tag(#[from] InvalidTag),
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

impl Tag {
    /// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
    pub fn parse(text: &str) -> Result<Self, InvalidTag> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let mut bytes = text.bytes();
        let legal =
            bytes.next().is_some_and(is_word) && bytes.all(|b| is_word(b) || matches!(b, b'.' | b'-'));
        if legal && text.len() <= 128 { Ok(Self(text.into())) } else { Err(InvalidTag) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Reference {
    /// What has a colon is a digest or an error, never a tag.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        if text.contains(':') {
            Ok(Self::Digest(Digest::parse(text)?))
        } else {
            Ok(Self::Tag(Tag::parse(text)?))
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

text_type!(Tag);
