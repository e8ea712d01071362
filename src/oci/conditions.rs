//! Preconditions on the digest that a tag or a manifest has now (RFC 9110 section 13.1).

use super::digest::Digest;

/// `If-Match` and `If-None-Match`, whose entity tags are digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    pub if_match: Option<EtagSet>,
    pub if_none_match: Option<EtagSet>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtagSet {
    /// `*`: whatever is there.
    Any,
    Digests(Vec<Digest>),
}

impl Condition {
    /// Whether the condition holds for what is there now, if anything.
    pub fn holds(&self, current: Option<&Digest>) -> bool {
        let matches = |set: &EtagSet| current.is_some_and(|digest| set.contains(digest));
        self.if_match.as_ref().is_none_or(matches) && !self.if_none_match.as_ref().is_some_and(matches)
    }
}

impl EtagSet {
    pub fn contains(&self, digest: &Digest) -> bool {
        match self {
            Self::Any => true,
            Self::Digests(digests) => digests.contains(digest),
        }
    }
}
