//! Manifests: reading, pushing and deleting them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::charts::shared_files;
use super::content::{Kind, Stored, Wanted, first_object};
use super::{Actor, Error, Registry};
use crate::journal::{Change, ChartRecord, ManifestEntry, NewManifest, Replace, State};
use crate::oci::{Condition, Digest, Manifest, MediaType, Reference, RepositoryName, Tag};

/// Annotations of a manifest with a subject travel in the journal up to this many bytes.
const MAX_ANNOTATIONS: usize = 16 * 1024;

/// What a HEAD of a manifest tells.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestStat {
    pub digest: Digest,
    pub media_type: MediaType,
    /// In bytes.
    pub size: u64,
    pub subject: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StoredManifest {
    pub digest: Digest,
    /// As it was pushed.
    pub media_type: MediaType,
    pub body: Bytes,
    pub subject: Option<Digest>,
    /// The chart, if it is one that an index can list.
    pub chart: Option<Arc<ChartRecord>>,
}

/// A manifest to store.
#[derive(Clone, Debug)]
pub struct PutManifest<'a> {
    pub repository: &'a RepositoryName,
    /// A tag is given to the manifest; a digest has to be that of the body.
    pub reference: &'a Reference,
    /// Further tags to give it.
    pub tags: Vec<Tag>,
    pub media_type: MediaType,
    pub body: Bytes,
    /// On what each of the tags points to; without tags, on the manifest.
    pub condition: Condition,
    pub replace: Replace,
}

/// A manifest that was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestPut {
    pub digest: Digest,
    pub subject: Option<Digest>,
    /// All tags it was given, whether they pointed to it before or not, but for those that stay with the same content
    /// in another manifest.
    pub tags: Vec<Tag>,
    /// What was taken although it will surprise somebody.
    pub warnings: Vec<String>,
}

impl Registry {
    /// A manifest with its body, byte for byte as it was pushed.
    ///
    /// # Errors
    /// `NameUnknown`, `ManifestUnknown`; `Damaged` when its bytes are lost.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest, Error> {
        let (digest, entry) = self.find_manifest(repository, reference).await?;
        let manifest = &entry.manifest;
        let body = self.manifest_body(repository, &digest, &entry).await?;
        let (media_type, subject) = (manifest.media_type.clone(), manifest.subject.clone());
        Ok(StoredManifest { digest, media_type, body, subject, chart: manifest.chart.clone() })
    }

    /// What there is to say about a manifest without its body.
    ///
    /// # Errors
    /// `NameUnknown`, `ManifestUnknown`.
    pub async fn manifest_stat(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<ManifestStat, Error> {
        let (digest, entry) = self.find_manifest(repository, reference).await?;
        let manifest = &entry.manifest;
        let (media_type, subject) = (manifest.media_type.clone(), manifest.subject.clone());
        Ok(ManifestStat { digest, media_type, size: manifest.size, subject })
    }

    /// Stores a manifest and gives it its tags, all or nothing.
    ///
    /// # Errors
    /// `ManifestInvalid`, `DigestMismatch`; `NotAChart` and `Chart`; `Refused` with a reference that the repository lacks
    /// or a precondition that does not hold.
    pub async fn put_manifest(
        self: &Arc<Self>,
        put: PutManifest<'_>,
        who: &Actor,
    ) -> Result<ManifestPut, Error> {
        let read = Manifest::read(&put.body, &put.media_type)?;
        let digest = digest_of(put.reference, &put.body)?;
        let tags = all_tags(put.reference, put.tags);
        let chart = self.read_chart(put.repository, &read, &tags).await?;
        // On the heap: every request has room for the largest future of all.
        let odd = Box::pin(self.vet(put.repository, &read, chart.as_ref(), &tags)).await?;
        let (chart, listed, mut warnings) =
            chart.map(|chart| (chart.record, chart.listed, chart.warnings)).unwrap_or_default();
        warnings.extend(odd);
        let namespace = put.repository.namespace();
        let subject = read.subject.as_ref().map(|subject| subject.digest.clone());
        let wanted = Wanted::new(Kind::Manifest, put.repository, &digest);
        // If the stored bytes are wrong, they are marked now, and the proposal brings its own.
        self.has_sound(&wanted).await?;
        let body = self.stage(&namespace, put.body.clone()).await?;
        let staged = first_object(&body);
        let new = NewManifest {
            repository: put.repository.clone(),
            digest: digest.clone(),
            media_type: put.media_type,
            body,
            blobs: read.blobs(),
            children: read.children(),
            sizes: read.sizes(),
            tags: tags.clone(),
            listed,
            artifact_type: read.effective_artifact_type().map(Into::into),
            annotations: Some(read.annotations).filter(|found| subject.is_some() && is_light(found)),
            subject: subject.clone(),
            chart: chart.clone(),
            condition: put.condition,
            replace: put.replace,
        };
        let outcome = match self.propose(&namespace, Change::Manifest(Box::new(new)), who).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let sent = chart.as_ref().map(|chart| &chart.package);
                // On the heap: it is rare, and every request has room for the largest future of all.
                return Err(Box::pin(self.explain(put.repository, sent, error)).await);
            }
        };
        // Clients read a manifest back before they tag it.
        self.keep_if_stored(&wanted, staged, &outcome, put.body).await;
        let (given, kept) = settled(&outcome.state, put.repository, tags, &digest);
        warnings.extend(kept);
        warnings.extend(shared_files(&outcome.state, put.repository, &given));
        Ok(ManifestPut { digest, subject, tags: given, warnings })
    }

    /// Deletes a manifest and the tags that point to it.
    ///
    /// # Errors
    /// `ManifestUnknown`; `Refused(Referenced)` while an index of the repository lists it, `Refused(Precondition)`.
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        condition: Condition,
        who: &Actor,
    ) -> Result<(), Error> {
        let (repository, digest) = (repository.clone(), digest.clone());
        let namespace = repository.namespace();
        let change = Change::Delete { repository, digest, condition, now: false };
        self.propose(&namespace, change, who).await.map(drop)
    }

    async fn find_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(Digest, ManifestEntry), Error> {
        if let Some(found) = self.look_up_manifest(repository, reference).await? {
            return Ok(found);
        }
        // On the heap: it is rare, and every request has room for the largest future of all.
        Box::pin(self.find_after_recheck(repository, reference)).await
    }

    /// A manifest that is marked as damaged, if that is no longer true.
    async fn find_after_recheck(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(Digest, ManifestEntry), Error> {
        let state = self.state_of(repository).await?;
        let digest = match reference {
            Reference::Digest(digest) => Some(digest),
            Reference::Tag(tag) => state.tag(repository, tag).map(|entry| &entry.digest),
        };
        if let Some(digest) = digest
            && self.recheck(&Wanted::new(Kind::Manifest, repository, digest)).await?
            && let Some(found) = self.look_up_manifest(repository, reference).await?
        {
            return Ok(found);
        }
        Err(Error::ManifestUnknown(reference.clone()))
    }

    /// A manifest whose bytes are not known to be damaged.
    async fn look_up_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<(Digest, ManifestEntry)>, Error> {
        let namespace = repository.namespace();
        match reference {
            Reference::Digest(digest) => {
                let find = |state: &State| state.healthy_manifest(repository, digest).cloned();
                let found = self.journals.by_digest(&namespace, find).await?;
                Ok(found.map(|entry| (digest.clone(), entry)))
            }
            Reference::Tag(tag) => self.currently(&namespace, |state| tagged(state, repository, tag)).await,
        }
    }

    /// The verified bytes of a manifest.
    pub(super) async fn manifest_body(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        entry: &ManifestEntry,
    ) -> Result<Bytes, Error> {
        let wanted = Wanted::new(Kind::Manifest, repository, digest);
        self.body(&wanted, &Stored::of_manifest(entry)).await
    }
}

/// The tags that point to the manifest now; of those that stayed with another one of the same content a warning.
fn settled(
    state: &State,
    repository: &RepositoryName,
    tags: Vec<Tag>,
    digest: &Digest,
) -> (Vec<Tag>, Vec<String>) {
    let other = |tag: &Tag| {
        let held = &state.tag(repository, tag)?.digest;
        (held != digest).then(|| format!("{tag} has this content already and stays with manifest {held}"))
    };
    let kept: Vec<String> = tags.iter().filter_map(other).collect();
    (tags.into_iter().filter(|tag| other(tag).is_none()).collect(), kept)
}

fn tagged(state: &State, repository: &RepositoryName, tag: &Tag) -> Option<(Digest, ManifestEntry)> {
    let digest = &state.tag(repository, tag)?.digest;
    state.healthy_manifest(repository, digest).map(|entry| (digest.clone(), entry.clone()))
}

/// The digest of a body: of the algorithm that the reference names, if it names one, and then the same.
fn digest_of(reference: &Reference, body: &[u8]) -> Result<Digest, Error> {
    let Reference::Digest(expected) = reference else { return Ok(Digest::sha256(body)) };
    let actual = Digest::of(expected.algorithm(), body);
    match actual == *expected {
        true => Ok(actual),
        false => Err(Error::DigestMismatch { expected: expected.clone(), actual }),
    }
}

fn all_tags(reference: &Reference, mut tags: Vec<Tag>) -> Vec<Tag> {
    if let Reference::Tag(tag) = reference {
        tags.insert(0, tag.clone());
    }
    let mut seen = BTreeSet::new();
    tags.retain(|tag| seen.insert(tag.clone()));
    tags
}

fn is_light(annotations: &BTreeMap<String, String>) -> bool {
    annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() <= MAX_ANNOTATIONS
}
