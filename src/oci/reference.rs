//! What a manifest is asked by: a tag or a digest.

use std::fmt;

use super::digest::{Digest, InvalidDigest};
use super::tag::{InvalidTag, Tag};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    Tag(Tag),
    Digest(Digest),
}

/// Why a text is neither a tag nor a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    #[error(transparent)]
    Tag(#[from] InvalidTag),
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

impl Reference {
    /// A text with a `:` must be a digest: no tag holds one, so a malformed digest is never read as a tag.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        if text.contains(':') {
            Ok(Self::Digest(Digest::parse(text)?))
        } else {
            Ok(Self::Tag(Tag::parse(text)?))
        }
    }

    pub fn as_tag(&self) -> Option<&Tag> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Digest(_) => None,
        }
    }

    pub fn as_digest(&self) -> Option<&Digest> {
        match self {
            Self::Tag(_) => None,
            Self::Digest(digest) => Some(digest),
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
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

text_type!(Reference, InvalidReference);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_digest_is_never_a_tag() {
        let digest = Digest::sha256(b"x");
        assert_eq!(Reference::parse(&digest.to_string()), Ok(Reference::Digest(digest)));
        assert!(matches!(Reference::parse("1.2.3_build"), Ok(Reference::Tag(_))));
        assert_eq!(Reference::parse("sha256:abc"), Err(InvalidDigest::Malformed.into()));
        assert_eq!(Reference::parse("md5:abc"), Err(InvalidDigest::UnsupportedAlgorithm.into()));
        assert_eq!(Reference::parse("a:b:c"), Err(InvalidDigest::Malformed.into()));
        assert_eq!(Reference::parse("-x"), Err(InvalidTag.into()));
    }
}
