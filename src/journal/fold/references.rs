//! What the fold counts: references between manifests, names of data objects, and bytes.

use imbl::OrdSet;
use uuid::Uuid;

use super::At;
use crate::journal::state::{Condemned, Content, Extent, Manifest, Repository, State};
use crate::oci::Digest;

impl State {
    pub(in crate::journal) fn count_up(&mut self, extents: &[Extent]) {
        for id in distinct_objects(extents) {
            *self.objects.entry(id).or_default() += 1;
        }
    }

    /// An entry does not name `extents` any more: what no other entry names is condemned, and its marks of damage go.
    pub(super) fn count_down(&mut self, extents: &[Extent], at: &At) {
        for place in extents.iter().filter_map(Extent::attached) {
            self.damaged_bodies.remove(&place);
        }
        for id in distinct_objects(extents) {
            let Some(count) = self.objects.get_mut(&id) else { continue };
            *count -= 1;
            if *count > 0 {
                continue;
            }
            self.objects.remove(&id);
            self.damaged_objects.remove(&id);
            let of_object = extents.iter().filter(|extent| extent.object() == Some(id));
            let bytes = of_object.fold(0u64, |sum, extent| sum.wrapping_add(extent.length));
            self.totals.condemned = self.totals.condemned.wrapping_add(bytes);
            self.condemned.insert(id, Condemned { seq: at.seq, bytes });
        }
    }

    /// Changes who holds the bytes of a blob, or could hold them again. They go with the last of these.
    pub(super) fn change_content(&mut self, digest: &Digest, at: &At, change: impl FnOnce(&mut Content)) {
        let Some(content) = self.contents.get_mut(digest) else { return };
        let before = content.clone();
        change(content);
        let after = content.clone();
        self.uncount_content(&before);
        self.count_content(&after);
        if after.holders == 0 && after.retained == 0 {
            self.contents.remove(digest);
            self.count_down(&after.extents, at);
        }
    }

    pub(in crate::journal) fn count_content(&mut self, content: &Content) {
        if let Some(total) = self.total_of(content) {
            *total = total.wrapping_add(content.size);
        }
    }

    pub(super) fn uncount_content(&mut self, content: &Content) {
        if let Some(total) = self.total_of(content) {
            *total = total.wrapping_sub(content.size);
        }
    }

    fn total_of(&mut self, content: &Content) -> Option<&mut u64> {
        match (content.holders, content.retained) {
            (0, 0) => None,
            (0, _) => Some(&mut self.totals.waiting),
            _ => Some(&mut self.totals.live),
        }
    }
}

impl Repository {
    /// Counts what a visible manifest refers to.
    pub(in crate::journal) fn refer(&mut self, manifest: &Manifest, digest: &Digest) {
        for reference in manifest.references.iter() {
            *self.references.entry(reference.clone()).or_default() += 1;
        }
        if let Some(subject) = &manifest.subject {
            self.referrers.entry(subject.clone()).or_default().insert(digest.clone());
        }
    }

    /// Takes the references of a visible manifest back. The age of what nothing refers to any more begins anew.
    pub(super) fn release(&mut self, manifest: &Manifest, at: &At) {
        for reference in manifest.references.iter() {
            let Some(count) = self.references.get_mut(reference) else { continue };
            *count -= 1;
            if *count > 0 {
                continue;
            }
            self.references.remove(reference);
            if let Some(since) = self.blobs.get_mut(reference) {
                *since = at.time;
            }
            self.renew_age(reference, at);
        }
    }

    /// The manifest `digest` has not `subject` as its subject any more.
    pub(super) fn part_from_subject(&mut self, subject: &Digest, digest: &Digest) {
        let Some(referrers) = self.referrers.get_mut(subject) else { return };
        referrers.remove(digest);
        if referrers.is_empty() {
            self.referrers.remove(subject);
        }
    }

    /// The age of a manifest begins anew, for the collector.
    pub(super) fn renew_age(&mut self, digest: &Digest, at: &At) {
        if let Some(entry) = self.manifests.get_mut(digest) {
            entry.since = at.time;
        }
    }

    /// Counts what a manifest refers to that can be restored.
    pub(in crate::journal) fn retain(&mut self, manifest: &Manifest) {
        for reference in manifest.references.iter() {
            *self.retained.entry(reference.clone()).or_default() += 1;
        }
    }

    /// Takes back what [`Self::retain`] counted.
    pub(super) fn stop_retaining(&mut self, manifest: &Manifest) {
        for reference in manifest.references.iter() {
            let Some(count) = self.retained.get_mut(reference) else { continue };
            *count -= 1;
            if *count == 0 {
                self.retained.remove(reference);
            }
        }
    }
}

fn distinct_objects(extents: &[Extent]) -> OrdSet<Uuid> {
    extents.iter().filter_map(Extent::object).collect()
}
