//! What clients have been told: of a write that was acknowledged its outcome, of one that failed both.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use charthouse::oci::Digest;

/// What a registry gives a meaning to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Blob(String, Digest),
    Manifest(String, Digest),
    Tag(String, String),
}

impl Name {
    fn repository(&self) -> &str {
        match self {
            Self::Blob(of, _) | Self::Manifest(of, _) | Self::Tag(of, _) => of,
        }
    }
}

/// A body and, of a manifest, its media type.
pub type Content = (Bytes, String);

/// An upload in chunks that was begun and not closed.
pub struct Upload {
    pub repository: String,
    pub bytes: Bytes,
    /// Its current name.
    pub session: String,
    /// How many of the bytes were acknowledged.
    pub taken: usize,
}

#[derive(Default)]
pub struct Ledger {
    pub upload: Option<Upload>,
    /// For each name the digests it may stand for; `None` is that it is not there. One of them: it is known.
    names: BTreeMap<Name, BTreeSet<Option<Digest>>>,
    contents: BTreeMap<Digest, Content>,
}

impl Ledger {
    /// Bytes that are about to be pushed.
    pub fn will_push(&mut self, digest: &Digest, bytes: &Bytes, media_type: &str) {
        self.contents.insert(digest.clone(), (bytes.clone(), media_type.to_owned()));
    }

    /// A request is sent that makes `name` stand for `to`: from now on it may.
    pub fn begins(&mut self, name: &Name, to: Option<&Digest>) {
        let unknown_before = || BTreeSet::from([None]);
        self.names.entry(name.clone()).or_insert_with(unknown_before).insert(to.cloned());
    }

    /// The request was acknowledged: `name` stands for `to` and nothing else.
    pub fn acknowledged(&mut self, name: &Name, to: Option<&Digest>) {
        self.names.insert(name.clone(), BTreeSet::from([to.cloned()]));
    }

    /// The tags of `repository` that may stand for `digest`.
    pub fn tags_of(&self, repository: &str, digest: &Digest) -> Vec<Name> {
        let may_stand = |possible: &BTreeSet<_>| possible.contains(&Some(digest.clone()));
        let in_repository = |name: &Name| matches!(name, Name::Tag(of, _) if of == repository);
        let tags = self.names.iter().filter(|(name, possible)| in_repository(name) && may_stand(possible));
        tags.map(|(name, _)| name.clone()).collect()
    }

    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.keys()
    }

    pub fn repositories(&self) -> BTreeSet<&str> {
        self.names.keys().map(Name::repository).collect()
    }

    /// The repositories that are known to hold something.
    pub fn repositories_in_use(&self) -> BTreeSet<&str> {
        let there = self.names.iter().filter(|(_, possible)| !possible.contains(&None));
        there.map(|(name, _)| name.repository()).collect()
    }

    pub fn content(&self, digest: &Digest) -> &Content {
        &self.contents[digest]
    }

    /// Takes what another client was told of other names.
    pub fn merge(&mut self, other: Self) {
        self.names.extend(other.names);
        self.contents.extend(other.contents);
    }

    /// Holds what `name` stands for in the registry against what its clients know.
    #[track_caller]
    pub fn expect(&self, name: &Name, found: Option<&Digest>) {
        let possible = &self.names[name];
        assert!(possible.contains(&found.cloned()), "{name:?} is {found:?}, but may only be {possible:?}");
    }
}
