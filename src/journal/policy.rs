//! What the writer asks before a tag is moved or removed. Answers come from whoever opened the journal; the fold never
//! asks (docs/internals/storage-format.md#operations).

use std::fmt::Debug;

use crate::oci::{RepositoryName, Tag};

/// How firmly a tag stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Firmness {
    /// It may be moved and removed.
    Loose,
    /// It may be removed, but not given other content.
    Kept,
    /// Neither.
    Fixed,
}

/// The rules on tags.
pub trait TagPolicy: Debug + Send + Sync {
    /// How firmly `tag` stands when what it points to, or is to point to, is an artifact of this type.
    fn firmness(&self, repository: &RepositoryName, tag: &Tag, artifact_type: Option<&str>) -> Firmness;
}

/// Every tag may be moved and removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllLoose;

impl TagPolicy for AllLoose {
    fn firmness(&self, _: &RepositoryName, _: &Tag, _: Option<&str>) -> Firmness {
        Firmness::Loose
    }
}
