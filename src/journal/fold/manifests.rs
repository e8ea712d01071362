//! How manifests come and go.

use std::sync::Arc;

use super::At;
use super::contents::is_complete;
use super::rules::{FoldRule, holds};
use crate::journal::op::{DeleteOp, ManifestOp};
use crate::journal::state::{Manifest, ManifestEntry, State};
use crate::journal::undo::{RemovedTag, UndoManifest, UndoTag};
use crate::oci::{Digest, RepositoryName, Tag};

impl State {
    pub(super) fn fold_manifest(&mut self, op: &ManifestOp, at: &At) {
        let extents = at.place(&op.extents);
        let visible = self.manifest(&op.repository, &op.digest).cloned();
        let names_new = visible.as_ref().is_none_or(|entry| entry.manifest.extents != extents);
        let has_all = op.references.iter().all(|digest| self.holds(&op.repository, digest));
        let is_whole = op.size > 0 && is_complete(op.size, &op.extents);
        if !has_all || !is_whole || (names_new && !self.may_name_all(&extents)) {
            return;
        }
        self.count_up(&extents);
        self.totals.live = self.totals.live.wrapping_add(op.size);
        match visible {
            Some(entry) if entry.manifest.media_type == op.media_type => {
                let healed = Manifest { extents, size: op.size, ..Manifest::clone(&entry.manifest) };
                self.heal_manifest(op, &entry, healed, at);
            }
            visible => {
                let manifest = Manifest {
                    media_type: op.media_type.clone(),
                    size: op.size,
                    extents,
                    references: op.references.clone().into(),
                    subject: op.subject.clone(),
                    artifact_type: op.artifact_type.clone(),
                    annotations: op.annotations.clone(),
                    chart: op.chart.clone(),
                    seq: at.seq,
                    time: at.time,
                    by: at.by.clone(),
                };
                match visible {
                    Some(entry) => self.replace_manifest(op, &entry, manifest, at),
                    None => self.bring_manifest(op, manifest, at),
                }
            }
        }
        for tag in &op.tags {
            self.move_tag(&op.repository, tag, &op.digest, op.listed.contains(tag), at);
        }
    }

    /// Only the bytes are others now, and the age of the manifest begins anew.
    fn heal_manifest(&mut self, op: &ManifestOp, old: &ManifestEntry, healed: Manifest, at: &At) {
        let entry = ManifestEntry { manifest: Arc::new(healed), since: at.time, ..old.clone() };
        self.repository_mut(&op.repository).manifests.insert(op.digest.clone(), entry);
        self.release_body(&old.manifest, at);
    }

    /// The same bytes under another media type may refer to other content, and be another chart or none.
    fn replace_manifest(&mut self, op: &ManifestOp, old: &ManifestEntry, manifest: Manifest, at: &At) {
        let repository = self.repository_mut(&op.repository);
        repository.refer(&manifest, &op.digest);
        let entry = ManifestEntry { manifest: Arc::new(manifest), since: at.time, ..old.clone() };
        repository.manifests.insert(op.digest.clone(), entry);
        repository.release(&old.manifest, at);
        if let Some(subject) = old.manifest.subject.as_ref().filter(|old| Some(*old) != op.subject.as_ref()) {
            repository.part_from_subject(subject, &op.digest);
        }
        let tags: Vec<Tag> = repository.tags_of(&op.digest).map(|(tag, _)| tag.clone()).collect();
        self.release_body(&old.manifest, at);
        let keeps_content = *old.manifest.references == *op.references;
        tags.iter().for_each(|tag| self.list(&op.repository, tag, keeps_content, at));
    }

    fn bring_manifest(&mut self, op: &ManifestOp, manifest: Manifest, at: &At) {
        let (name, digest) = (&op.repository, &op.digest);
        let repository = self.populate(name, at);
        repository.refer(&manifest, digest);
        let manifest = Arc::new(manifest);
        let entry = ManifestEntry { manifest, tags: 0, ever_tagged: false, since: at.time };
        repository.manifests.insert(digest.clone(), entry);
        self.entries += 1;
        if holds(FoldRule::PushTakesUndoOut)
            && let Some(waiting) = self.take_waiting_manifest(name, digest)
        {
            self.keep_tags_of(name, &waiting, |_| true);
            self.count_down(&waiting.manifest.extents, at);
        }
    }

    pub(super) fn fold_delete(&mut self, op: &DeleteOp, at: &At) {
        let DeleteOp { repository: name, digest, now, .. } = op;
        let Some(repository) = self.repositories.get(name) else { return };
        let is_retained = repository.retained.contains_key(digest);
        if repository.references.contains_key(digest) || (*now && is_retained) {
            return;
        }
        let tags = repository.tags_of(digest).map(|(tag, _)| tag.clone()).collect();
        self.lose_manifest(name, digest, tags, !now || !holds(FoldRule::NowDropsUndo), at);
        if *now && holds(FoldRule::NowDropsUndo) {
            self.drop_waiting_manifest(name, digest, at);
        }
        self.note_if_empty(name);
    }

    /// The manifest is gone with `tags`, which are all that point to it; with `keep` that can be taken back.
    pub(super) fn lose_manifest(
        &mut self,
        name: &RepositoryName,
        digest: &Digest,
        tags: Vec<Tag>,
        keep: bool,
        at: &At,
    ) {
        let removed = tags.into_iter().filter_map(|tag| {
            let removed = self.take_tag(name, &tag, at)?;
            Some((tag, removed))
        });
        let tags: Vec<(Tag, RemovedTag)> = removed.collect();
        let repository = self.repository_mut(name);
        let Some(ManifestEntry { manifest, ever_tagged, .. }) = repository.manifests.remove(digest) else {
            return;
        };
        repository.release(&manifest, at);
        if let Some(subject) = &manifest.subject {
            repository.part_from_subject(subject, digest);
        }
        // A signature is kept for as long as what it signs was visible a while ago.
        let referrers = repository.referrers.get(digest).cloned().unwrap_or_default();
        if holds(FoldRule::SubjectKeepsReferrers) {
            referrers.iter().for_each(|referrer| repository.renew_age(referrer, at));
        }
        self.totals.live = self.totals.live.wrapping_sub(manifest.size);
        self.entries -= 1;
        if keep {
            self.repository_mut(name).retain(&manifest);
            if !holds(FoldRule::RetainedDataIsCounted) {
                self.count_down(&manifest.extents, at);
            }
            self.entries += 1 + tags.len() as u64;
            self.totals.waiting = self.totals.waiting.wrapping_add(manifest.size);
            let entry = UndoManifest { manifest, ever_tagged, tags, removal: at.removal() };
            self.repository_mut(name).undo.manifests.insert(digest.clone(), Arc::new(entry));
        } else {
            self.drop_tags_of(name, digest);
            self.count_down(&manifest.extents, at);
        }
    }

    /// The manifest cannot be restored any more, nor can the tags that pointed to it.
    pub(super) fn drop_waiting_manifest(&mut self, name: &RepositoryName, digest: &Digest, at: &At) {
        if let Some(waiting) = self.take_waiting_manifest(name, digest) {
            self.drop_tags_of(name, digest);
            self.count_down(&waiting.manifest.extents, at);
        }
    }

    /// Takes an entry out of what can be restored. Its data objects stay counted.
    pub(super) fn take_waiting_manifest(
        &mut self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Option<Arc<UndoManifest>> {
        let repository = self.repositories.get_mut(name)?;
        let waiting = repository.undo.manifests.remove(digest)?;
        repository.stop_retaining(&waiting.manifest);
        self.entries -= 1 + waiting.tags.len() as u64;
        self.totals.waiting = self.totals.waiting.wrapping_sub(waiting.manifest.size);
        Some(waiting)
    }

    /// Those tags of a manifest that is back which `select` takes can still be restored.
    pub(super) fn keep_tags_of(
        &mut self,
        name: &RepositoryName,
        back: &UndoManifest,
        select: impl Fn(&Tag) -> bool,
    ) {
        for (tag, removed) in back.tags.iter().filter(|(tag, _)| select(tag)) {
            let removed = UndoTag { tag: removed.clone(), removal: back.removal.clone() };
            self.entries += self.repository_mut(name).undo.keep_tag(tag.clone(), removed);
        }
    }

    fn drop_tags_of(&mut self, name: &RepositoryName, digest: &Digest) {
        let undo = &mut self.repository_mut(name).undo;
        let tags = undo.tags_of(digest);
        let dropped = tags.iter().filter(|tag| undo.take_tag(tag).is_some()).count();
        self.entries -= dropped as u64;
    }

    fn release_body(&mut self, old: &Manifest, at: &At) {
        self.totals.live = self.totals.live.wrapping_sub(old.size);
        self.count_down(&old.extents, at);
    }
}
