//! The state of a namespace: what folding its journal gives (JOURNAL.md sections 2 and 3).
//!
//! All maps are persistent: a clone is a snapshot and costs nothing that grows with the namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chart;
use crate::clock::Timestamp;
use crate::oci::{Digest, MediaType, RepositoryName, Tag};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The number of the newest folded commit; 0 before the first.
    pub seq: u64,
    /// What the next commit gives as `prev`: the digest of the newest line, or the store's id.
    pub link: Arc<str>,
    /// The time of the newest folded commit.
    pub time: Timestamp,
    pub repositories: OrdMap<RepositoryName, Repository>,
    /// The bytes of every blob, whichever repositories hold it.
    pub contents: OrdMap<Digest, Content>,
    /// How many live entries name each data object.
    pub objects: OrdMap<Uuid, u32>,
    /// Data objects that no live entry names any more, with the commit that removed the last.
    pub condemned: OrdMap<Uuid, u64>,
    pub purged: OrdSet<Uuid>,
    pub damaged: OrdSet<Uuid>,
    /// No op may name an object older than this.
    pub fence: Timestamp,
    pub swept: Timestamp,
    /// The newest commit that changed a release of any repository; 0 before the first.
    pub index: Revision,
    /// Tags, manifests and blob holdings: what memory and checkpoints are proportional to.
    pub entries: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repository {
    /// The blobs it holds, each with the time since when no manifest of it has referred to it.
    pub blobs: OrdMap<Digest, Timestamp>,
    pub manifests: OrdMap<Digest, ManifestEntry>,
    pub tags: OrdMap<Tag, TagEntry>,
    /// The tags that stand for a version of the repository's chart: what an index of charts lists.
    pub releases: OrdMap<Tag, Release>,
    /// Manifests by the subject they name, present or not.
    pub referrers: OrdMap<Digest, OrdSet<Digest>>,
    /// How many visible manifests refer to each digest (a subject is no reference).
    pub references: OrdMap<Digest, u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    pub size: u64,
    pub extents: Arc<[Extent]>,
    /// How many repositories hold it.
    pub holders: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ManifestEntry {
    pub manifest: Arc<Manifest>,
    /// How many tags point to it.
    pub tags: u32,
    pub ever_tagged: bool,
    /// Since when it has had no tag.
    pub untagged_since: Timestamp,
}

/// What the journal says of a manifest. Its body is in `extents`.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    pub media_type: MediaType,
    pub size: u64,
    pub extents: Arc<[Extent]>,
    pub references: Arc<[Digest]>,
    pub subject: Option<Digest>,
    pub artifact_type: Option<Box<str>>,
    pub annotations: Option<BTreeMap<String, String>>,
    pub chart: Option<Arc<chart::Release>>,
    /// The commit that brought it, and its time.
    pub seq: u64,
    pub time: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TagEntry {
    pub digest: Digest,
    /// The commit that last moved it.
    pub seq: u64,
}

/// A version of a chart, under the tag that stands for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// What the manifest says of its chart.
    pub chart: Arc<chart::Release>,
    /// The time of the commit that gave the version this content.
    pub since: Timestamp,
}

/// A commit, by its number and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    pub seq: u64,
    pub time: Timestamp,
}

/// A run of bytes in the store.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extent {
    pub place: Place,
    pub length: u64,
    pub crc32c: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the data object `id`, from byte `offset` on.
    Object { id: Uuid, offset: u64 },
    /// In the object of commit `seq`, from byte `offset` of that object on.
    Commit { seq: u64, offset: u64 },
}

impl State {
    /// The state before the first commit of a namespace of the store `store`.
    pub fn empty(store: Uuid) -> Self {
        Self { link: store.to_string().into(), ..Self::default() }
    }

    /// Whether the namespace holds, or ever held since it was last dropped, anything.
    pub fn exists(&self) -> bool {
        !self.repositories.is_empty()
    }

    pub fn repository(&self, name: &RepositoryName) -> Option<&Repository> {
        self.repositories.get(name)
    }

    /// The bytes of a blob that `repository` holds; `None` also while they are damaged, so that clients
    /// upload them again.
    pub fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Option<&Content> {
        self.repository(repository)?.blobs.get(digest)?;
        self.healthy_content(digest)
    }

    /// The bytes of a blob that any repository of the namespace holds, unless they are damaged.
    pub fn healthy_content(&self, digest: &Digest) -> Option<&Content> {
        self.contents.get(digest).filter(|content| !self.is_damaged(&content.extents))
    }

    pub fn manifest(&self, repository: &RepositoryName, digest: &Digest) -> Option<&ManifestEntry> {
        self.repository(repository)?.manifests.get(digest)
    }

    pub fn tag(&self, repository: &RepositoryName, tag: &Tag) -> Option<&TagEntry> {
        self.repository(repository)?.tags.get(tag)
    }

    /// Whether a manifest may refer to `digest`: it is a blob that the repository holds or a manifest of it.
    pub fn holds(&self, repository: &RepositoryName, digest: &Digest) -> bool {
        self.repository(repository)
            .is_some_and(|r| r.blobs.contains_key(digest) || r.manifests.contains_key(digest))
    }

    pub fn is_damaged(&self, extents: &[Extent]) -> bool {
        !self.damaged.is_empty()
            && extents.iter().any(|e| e.object().is_some_and(|id| self.damaged.contains(&id)))
    }

    /// Whether an op may name the object `id` at this place of the journal: it is younger than the fence and
    /// nobody was told that it may be deleted.
    pub fn may_name(&self, id: &Uuid) -> bool {
        created_at(id) >= self.fence && !self.condemned.contains_key(id) && !self.purged.contains(id)
    }
}

impl Repository {
    /// The tags that point to `digest`. Looks at no tag more than it has to find them all.
    pub fn tags_of(&self, digest: &Digest) -> impl Iterator<Item = (&Tag, &TagEntry)> {
        let count = self.manifests.get(digest).map_or(0, |entry| entry.tags as usize);
        self.tags.iter().filter(move |(_, entry)| entry.digest == *digest).take(count)
    }
}

impl Extent {
    pub fn object(&self) -> Option<Uuid> {
        match self.place {
            Place::Object { id, .. } => Some(id),
            Place::Commit { .. } => None,
        }
    }
}

/// The time in a v7 uuid, to the millisecond; the beginning of time for any other, so that a fence stops it.
pub fn created_at(id: &Uuid) -> Timestamp {
    let (seconds, nanos) = id.get_timestamp().map(|t| t.to_unix()).unwrap_or_default();
    Timestamp::from_micros(seconds as i64 * 1_000_000 + i64::from(nanos) / 1_000)
}
