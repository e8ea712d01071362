//! What was deleted in a repository and can be restored (docs/internals/storage-format.md#undo-entries).

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::actor::PrincipalName;
use super::state::{Manifest, Revision, TagEntry, Yank};
use crate::clock::Timestamp;
use crate::oci::{Digest, Tag};

/// At most one entry for each manifest, tag and blob; a newer one replaces an older one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Undo {
    pub manifests: OrdMap<Digest, Arc<UndoManifest>>,
    /// Tags that were removed while their manifest stayed.
    pub tags: OrdMap<Tag, Arc<UndoTag>>,
    pub blobs: OrdMap<Digest, Arc<UndoBlob>>,
    /// The tags of `tags` by their manifest.
    pub tags_by_manifest: OrdMap<Digest, OrdSet<Tag>>,
}

/// The op that removed an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Removal {
    pub seq: u64,
    pub time: Timestamp,
    pub by: PrincipalName,
    pub call: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndoManifest {
    pub manifest: Arc<Manifest>,
    pub ever_tagged: bool,
    /// The tags that went with it.
    pub tags: Vec<(Tag, RemovedTag)>,
    pub removal: Removal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndoTag {
    pub tag: RemovedTag,
    pub removal: Removal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndoBlob {
    /// Since when no manifest of the repository had referred to it.
    pub since: Timestamp,
    pub removal: Removal,
}

/// A tag as it was before it was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RemovedTag {
    pub entry: TagEntry,
    /// Since when its version had its package, if an index listed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Revision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yank: Option<Arc<Yank>>,
}

impl Undo {
    pub fn is_empty(&self) -> bool {
        self.manifests.is_empty() && self.tags.is_empty() && self.blobs.is_empty()
    }

    /// How many entries of the state it is.
    pub fn entries(&self) -> u64 {
        let tags: usize = self.manifests.values().map(|waiting| waiting.tags.len()).sum();
        (self.manifests.len() + tags + self.tags.len() + self.blobs.len()) as u64
    }

    /// Keeps a removed tag, unless a newer removal of it is kept. Returns by how much the number of entries grew.
    pub(super) fn keep_tag(&mut self, tag: Tag, removed: UndoTag) -> u64 {
        if self.tags.get(&tag).is_some_and(|known| known.removal.seq > removed.removal.seq) {
            return 0;
        }
        let replaced = self.take_tag(&tag);
        let digest = removed.tag.entry.digest.clone();
        self.tags_by_manifest.entry(digest).or_default().insert(tag.clone());
        self.tags.insert(tag, Arc::new(removed));
        u64::from(replaced.is_none())
    }

    pub(super) fn take_tag(&mut self, tag: &Tag) -> Option<Arc<UndoTag>> {
        let taken = self.tags.remove(tag)?;
        let digest = &taken.tag.entry.digest;
        if let Some(tags) = self.tags_by_manifest.get_mut(digest) {
            tags.remove(tag);
            if tags.is_empty() {
                self.tags_by_manifest.remove(digest);
            }
        }
        Some(taken)
    }

    /// The tags of `tags` that pointed to `digest`.
    pub(super) fn tags_of(&self, digest: &Digest) -> Vec<Tag> {
        self.tags_by_manifest.get(digest).into_iter().flatten().cloned().collect()
    }
}
