//! The state of a namespace: what folding its journal gives (docs/internals/storage-format.md#state).
//!
//! All maps are persistent: a clone is a snapshot and costs nothing that grows with the namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::actor::PrincipalName;
use super::fold::rules::{FoldRule, holds};
use super::op::{ChartRecord, Was};
use super::undo::Undo;
use crate::clock::Timestamp;
use crate::oci::{Digest, MediaType, RepositoryName, Tag};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The number of the newest folded commit; 0 before the first.
    pub seq: u64,
    /// What the next commit gives as `prev`: the digest of the newest line, or the id that the journals begin with.
    pub link: Arc<str>,
    /// The time of the newest folded commit.
    pub time: Timestamp,
    /// A repository that was dropped stays, without content: its index revision must not go back.
    pub repositories: OrdMap<RepositoryName, Repository>,
    /// The bytes of every blob that a repository holds, or held and may hold again by a restore.
    pub contents: OrdMap<Digest, Content>,
    /// How many entries name each data object: live ones and those that can be restored.
    pub objects: OrdMap<Uuid, u32>,
    /// Data objects that no entry names any more.
    pub condemned: OrdMap<Uuid, Condemned>,
    pub purged: OrdSet<Uuid>,
    pub damaged_objects: OrdSet<Uuid>,
    /// Number of bytes by place.
    pub damaged_bodies: OrdMap<CommitPlace, u64>,
    /// Number of bytes by place.
    pub erased_bodies: OrdMap<CommitPlace, u64>,
    /// No op may name an object older than this.
    pub fence: Timestamp,
    pub swept: Timestamp,
    /// The removal rules that collectors follow.
    pub rules: Option<RulesMark>,
    /// The lowest writer number that may write; 0 if that was never said.
    pub required_writer: u32,
    /// The newest commit that changed the index of any repository; 0 before the first. It follows from the repositories.
    pub index: Revision,
    /// Tags, manifests and blob holdings, live ones and those that can be restored: what memory and checkpoints are
    /// proportional to.
    pub entries: u64,
    /// How many repositories exist.
    pub existing: u64,
    pub totals: Totals,
}

/// Bytes and versions of a namespace. A journal may name more bytes than a number holds: sums wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of distinct blobs that a repository holds, and of the manifests of each repository.
    pub live: u64,
    /// Bytes of blobs and manifests that were deleted and can be restored.
    pub waiting: u64,
    /// Bytes of condemned data objects.
    pub condemned: u64,
    /// Versions of charts that an index can list, yanked ones included.
    pub versions: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repository {
    /// The commit that made it, since it was last dropped: its incarnation. 0 while there is none.
    pub born: u64,
    /// The commit since which it has had content; 0 while it is empty.
    pub populated: u64,
    /// The newest commit that changed what an index lists of it.
    pub index: Revision,
    /// The blobs it holds, each with the time since when no manifest of it has referred to it.
    pub blobs: OrdMap<Digest, Timestamp>,
    pub manifests: OrdMap<Digest, ManifestEntry>,
    pub tags: OrdMap<Tag, TagEntry>,
    /// The tags that stand for a version of the repository's chart: what an index of charts lists, unless it is yanked.
    pub releases: OrdMap<Tag, Release>,
    pub yanks: OrdMap<Tag, Arc<Yank>>,
    /// What was deleted and can be restored.
    pub undo: Undo,
    /// Manifests by the subject they name, present or not.
    pub referrers: OrdMap<Digest, OrdSet<Digest>>,
    /// How many manifests refer to each digest (a subject is no reference).
    pub references: OrdMap<Digest, u32>,
    /// How many manifests that can be restored refer to each digest.
    pub retained: OrdMap<Digest, u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// In bytes.
    pub size: u64,
    pub extents: Arc<[Extent]>,
    /// How many repositories hold it.
    pub holders: u32,
    /// How many repositories held it and may hold it again by a restore.
    pub retained: u32,
}

/// A data object that no entry names any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condemned {
    /// The commit that removed the last entry.
    pub seq: u64,
    /// What that entry named of it.
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ManifestEntry {
    pub manifest: Arc<Manifest>,
    /// How many tags point to it.
    pub tags: u32,
    pub ever_tagged: bool,
    /// Its age for the collector: the last push of it, or the last loss of a tag, of an index that listed it or of its
    /// subject.
    pub since: Timestamp,
}

/// What the journal says of a manifest. Its body is in `extents`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub media_type: MediaType,
    /// In bytes.
    pub size: u64,
    pub extents: Arc<[Extent]>,
    pub references: Arc<[Digest]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Arc<ChartRecord>>,
    /// The commit that brought it, its time, and who pushed it. New bytes that heal it change none of these.
    pub seq: u64,
    pub time: Timestamp,
    pub by: PrincipalName,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagEntry {
    pub digest: Digest,
    /// The commit that last moved or renewed it.
    pub seq: u64,
    /// The time of that commit; a restore keeps the one from before.
    pub time: Timestamp,
    pub by: PrincipalName,
    /// Where it pointed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Box<Was>>,
    /// Whether it stands for the version of the manifest's chart.
    pub listed: bool,
    /// When it was restored, if nothing moved it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Box<Timestamp>>,
}

/// A version of a chart, under the tag that stands for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// What the manifest says of its chart.
    pub chart: Arc<ChartRecord>,
    /// The commit that gave the version this package, and its time.
    pub seq: u64,
    pub since: Timestamp,
    /// It is left out of every list that versions are chosen from.
    pub yanked: bool,
}

/// Why a version is not to be chosen any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Yank {
    /// The yank holds while the tag points to this manifest.
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// The version to take instead.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub instead: Option<Box<str>>,
    pub by: PrincipalName,
    pub seq: u64,
    pub time: Timestamp,
}

/// The removal rules in force since a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RulesMark {
    pub hash: Box<str>,
    pub seq: u64,
    pub time: Timestamp,
}

/// A commit, by its number and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// A place in the object of a commit: its number, and the first byte.
pub type CommitPlace = (u64, u64);

impl State {
    /// The state before the first commit of a namespace, in a store whose journals begin with the id `chain`.
    pub fn empty(chain: Uuid) -> Self {
        Self { link: chain.to_string().into(), ..Self::default() }
    }

    /// Whether the namespace holds, or ever held since it was last dropped, anything.
    pub fn exists(&self) -> bool {
        self.existing > 0
    }

    /// A repository that something was pushed to since it was last dropped.
    pub fn repository(&self, name: &RepositoryName) -> Option<&Repository> {
        self.repositories.get(name).filter(|repository| repository.exists())
    }

    /// The bytes of a blob that `repository` holds; `None` also while they are damaged, so that clients
    /// upload them again.
    pub fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Option<&Content> {
        self.repository(repository)?.blobs.get(digest)?;
        self.healthy_content(digest)
    }

    /// The bytes of a blob that the namespace has, unless they are damaged.
    pub fn healthy_content(&self, digest: &Digest) -> Option<&Content> {
        self.contents.get(digest).filter(|content| !self.is_damaged(&content.extents))
    }

    /// A manifest, whether its bytes are damaged or not.
    pub fn manifest(&self, repository: &RepositoryName, digest: &Digest) -> Option<&ManifestEntry> {
        self.repository(repository)?.manifests.get(digest)
    }

    /// A manifest whose bytes are not known to be damaged.
    pub fn healthy_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Option<&ManifestEntry> {
        self.manifest(repository, digest).filter(|entry| !self.is_damaged(&entry.manifest.extents))
    }

    pub fn tag(&self, repository: &RepositoryName, tag: &Tag) -> Option<&TagEntry> {
        self.repository(repository)?.tags.get(tag)
    }

    /// Whether a manifest may refer to `digest`: it is a blob that the repository holds or a manifest of it.
    pub fn holds(&self, repository: &RepositoryName, digest: &Digest) -> bool {
        self.repository(repository)
            .is_some_and(|r| r.blobs.contains_key(digest) || r.manifests.contains_key(digest))
    }

    /// The size in bytes of a blob or manifest that `repository` holds, damaged or not.
    pub fn size_of(&self, repository: &RepositoryName, digest: &Digest) -> Option<u64> {
        let repository = self.repository(repository)?;
        let of_blob = || self.contents.get(digest).map(|content| content.size);
        match repository.blobs.contains_key(digest) {
            true => of_blob(),
            false => repository.manifests.get(digest).map(|entry| entry.manifest.size),
        }
    }

    /// Whether bytes are known to be lost: missing, wrong or erased.
    pub fn is_damaged(&self, extents: &[Extent]) -> bool {
        let marked = |place: &Place| match place {
            Place::Object { id, .. } => self.damaged_objects.contains(id),
            Place::Commit { seq, offset } => {
                let place = (*seq, *offset);
                self.damaged_bodies.contains_key(&place) || self.erased_bodies.contains_key(&place)
            }
        };
        self.has_marks() && extents.iter().any(|extent| marked(&extent.place))
    }

    /// Whether an op may name the object `id` at this place of the journal: it is younger than the fence and
    /// no collector was told that it may be deleted.
    pub fn may_name(&self, id: &Uuid) -> bool {
        let is_fenced = created_at(id) < self.fence && holds(FoldRule::FenceIsKept);
        !is_fenced && !self.condemned.contains_key(id) && !self.purged.contains(id)
    }

    fn has_marks(&self) -> bool {
        !(self.damaged_objects.is_empty() && self.damaged_bodies.is_empty() && self.erased_bodies.is_empty())
    }
}

impl Repository {
    /// Whether something was pushed to it since it was last dropped.
    pub fn exists(&self) -> bool {
        self.born > 0
    }

    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.manifests.is_empty() && self.tags.is_empty()
    }

    /// The tags that point to `digest`. Looks at no tag more than it has to find them all.
    pub fn tags_of(&self, digest: &Digest) -> impl Iterator<Item = (&Tag, &TagEntry)> {
        let count = self.manifests.get(digest).map_or(0, |entry| entry.tags as usize);
        self.tags.iter().filter(move |(_, entry)| entry.digest == *digest).take(count)
    }

    /// What the manifest that `tag` points to says of its chart, if the tag stands for its version.
    pub(super) fn listed_chart(&self, tag: &Tag) -> Option<&Arc<ChartRecord>> {
        let entry = self.tags.get(tag).filter(|entry| entry.listed)?;
        self.manifests.get(&entry.digest)?.manifest.chart.as_ref()
    }
}

impl Extent {
    pub fn object(&self) -> Option<Uuid> {
        match self.place {
            Place::Object { id, .. } => Some(id),
            Place::Commit { .. } => None,
        }
    }

    /// The place of a body that is attached to a commit.
    pub fn attached(&self) -> Option<CommitPlace> {
        match self.place {
            Place::Object { .. } => None,
            Place::Commit { seq, offset } => Some((seq, offset)),
        }
    }
}

/// The time in a v7 uuid, to the millisecond; the beginning of time for any other, so that a fence stops it.
pub fn created_at(id: &Uuid) -> Timestamp {
    let (seconds, nanos) = id.get_timestamp().map(|t| t.to_unix()).unwrap_or_default();
    Timestamp::from_micros(seconds as i64 * 1_000_000 + i64::from(nanos) / 1_000)
}
