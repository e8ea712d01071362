//! What is known of bytes that are missing, wrong or erased.

use std::collections::BTreeSet;

use crate::journal::op::{AttachedBody, BodiesOp, EraseOp};
use crate::journal::state::{Extent, State};

impl State {
    /// Marks what an entry names: clients push it again.
    pub(super) fn fold_damaged(&mut self, op: &BodiesOp) {
        for object in op.objects.iter().filter(|object| self.objects.contains_key(*object)) {
            self.damaged_objects.insert(*object);
        }
        for (seq, offset, length) in self.named_bodies(&op.bodies) {
            self.damaged_bodies.insert((seq, offset), length);
        }
    }

    pub(super) fn fold_sound(&mut self, op: &BodiesOp) {
        for object in &op.objects {
            self.damaged_objects.remove(object);
        }
        for (seq, offset, _) in &op.bodies {
            self.damaged_bodies.remove(&(*seq, *offset));
        }
    }

    pub(super) fn fold_erase(&mut self, op: &EraseOp) {
        for (seq, offset, length) in &op.bodies {
            self.erased_bodies.insert((*seq, *offset), *length);
        }
    }

    /// Those of `bodies` that an entry names. Nothing is kept to look them up by: this is rare, and goes through all entries.
    pub(in crate::journal) fn named_bodies(&self, bodies: &[AttachedBody]) -> BTreeSet<AttachedBody> {
        let asked: BTreeSet<AttachedBody> = bodies.iter().copied().collect();
        if asked.is_empty() {
            return asked;
        }
        let body_of = |extent: &Extent| extent.attached().map(|(seq, offset)| (seq, offset, extent.length));
        self.all_extents().filter_map(body_of).filter(|body| asked.contains(body)).collect()
    }

    /// What blobs and manifests name, live ones and those that can be restored.
    pub(in crate::journal) fn all_extents(&self) -> impl Iterator<Item = &Extent> {
        let manifests = self.repositories.values().flat_map(|repository| {
            let live = repository.manifests.values().map(|entry| &entry.manifest);
            live.chain(repository.undo.manifests.values().map(|waiting| &waiting.manifest))
        });
        let of_blobs = self.contents.values().flat_map(|content| content.extents.iter());
        of_blobs.chain(manifests.flat_map(|manifest| manifest.extents.iter()))
    }
}
