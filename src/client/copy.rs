//! Copying from one registry to another: manifests byte for byte, with what they are made of and what refers to them.
//! What is there already is not sent, so a copy that was cut off goes on where it stopped.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::body::Body;
use super::error::ClientError;
use super::progress::Progress;
use super::reference::Repository;
use super::registry::{Registry, RemoteBlob, Stored, fallback_tag};
use crate::oci::{Descriptor, Digest, Manifest, Reference, Tag};

/// Blobs of one manifest on their way at once.
const AT_ONCE: usize = 3;
/// Indexes in indexes, referrers of referrers.
const DEEPEST: usize = 16;

/// A repository at a registry.
#[derive(Clone)]
pub struct Site {
    pub registry: Arc<Registry>,
    pub repository: Repository,
}

/// From where to where, and what was done on the way.
pub struct Copy<'a> {
    from: Site,
    to: Site,
    progress: &'a dyn Progress,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    manifests: BTreeSet<Digest>,
    sent: Sent,
}

/// What one copy moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    pub manifests: u64,
    pub blobs: u64,
    pub bytes: u64,
    /// Manifests and blobs that were there already.
    pub skipped: u64,
}

impl<'a> Copy<'a> {
    pub fn new(from: Site, to: Site, progress: &'a dyn Progress) -> Self {
        Self { from, to, progress, done: Mutex::default() }
    }

    pub fn sent(&self) -> Sent {
        self.locked(|done| done.sent)
    }

    /// Copies what `reference` stands for, and puts it under `tag` if one is given. Answers its digest.
    pub async fn run(&self, reference: &Reference, tag: Option<&Tag>) -> Result<Digest, ClientError> {
        let stored = self.from.registry.manifest(&self.from.repository, reference).await?;
        self.copy(&stored, 0).await?;
        if let Some(tag) = tag {
            self.put_tag(tag, &stored).await?;
        }
        Ok(stored.digest)
    }

    /// A manifest with all below it and all that refers to it, by its digest.
    fn copy<'f>(&'f self, stored: &'f Stored, depth: usize) -> BoxFuture<'f, Result<(), ClientError>> {
        Box::pin(async move {
            if depth > DEEPEST {
                let at = &stored.digest;
                return Err(ClientError::Refused(format!(
                    "manifests refer to one another {DEEPEST} deep, up to {at}"
                )));
            }
            if !self.locked(|done| done.manifests.insert(stored.digest.clone())) {
                return Ok(());
            }
            let manifest = stored.read()?;
            for child in &manifest.manifests {
                self.copy_child(child, depth).await?;
            }
            let reference = Reference::Digest(stored.digest.clone());
            if self.to.registry.head_manifest(&self.to.repository, &reference).await?.is_some() {
                self.locked(|done| done.sent.skipped += 1);
                self.relist(stored, &manifest).await?;
            } else {
                self.copy_blobs(&manifest).await?;
                self.put(&reference, stored, &manifest).await?;
            }
            self.copy_referrers(stored, depth).await
        })
    }

    /// An index may list what was never pushed, such as platforms that nobody needed.
    async fn copy_child(&self, child: &Descriptor, depth: usize) -> Result<(), ClientError> {
        let reference = Reference::Digest(child.digest.clone());
        match self.from.registry.manifest(&self.from.repository, &reference).await {
            Ok(stored) => self.copy(&stored, depth + 1).await,
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn copy_blobs(&self, manifest: &Manifest) -> Result<(), ClientError> {
        let mut seen = BTreeSet::new();
        let layers = manifest.config.iter().chain(&manifest.layers);
        let pushed = layers.filter(|blob| !blob.media_type.is_non_distributable());
        let blobs: Vec<Descriptor> = pushed.filter(|blob| seen.insert(&blob.digest)).cloned().collect();
        let copies = blobs.into_iter().map(|blob| self.copy_blob(blob));
        stream::iter(copies).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn copy_blob(&self, blob: Descriptor) -> Result<(), ClientError> {
        let (digest, size) = (blob.digest.clone(), blob.size);
        let same = self.from.registry.is_same(&self.to.registry);
        let mount = (same && self.from.repository != self.to.repository).then_some(&self.from.repository);
        let bar = self.progress.begin(&digest.to_string(), size);
        let (registry, repository) = (Arc::clone(&self.from.registry), self.from.repository.clone());
        let source = RemoteBlob { registry, repository, blob, bar };
        let to = &self.to;
        let sent =
            to.registry.push_blob(&to.repository, &digest, Body::Source(Arc::new(source)), mount).await?;
        self.locked(|done| match sent {
            true => {
                done.sent.blobs += 1;
                done.sent.bytes += size;
            }
            false => done.sent.skipped += 1,
        });
        Ok(())
    }

    async fn put(
        &self,
        reference: &Reference,
        stored: &Stored,
        manifest: &Manifest,
    ) -> Result<(), ClientError> {
        let to = &self.to;
        let listed = to.registry.put_manifest(&to.repository, reference, stored).await?;
        self.locked(|done| done.sent.manifests += 1);
        match &manifest.subject {
            Some(subject) if !listed => self.add_to_fallback(stored, manifest, &subject.digest).await,
            _ => Ok(()),
        }
    }

    /// A copy may have been cut off between a referrer and the list that names it.
    async fn relist(&self, stored: &Stored, manifest: &Manifest) -> Result<(), ClientError> {
        let Some(subject) = &manifest.subject else { return Ok(()) };
        let listed = self.to.registry.referrers(&self.to.repository, &subject.digest).await?;
        if listed.iter().any(|referrer| referrer.digest == stored.digest) {
            return Ok(());
        }
        self.add_to_fallback(stored, manifest, &subject.digest).await
    }

    async fn add_to_fallback(
        &self,
        stored: &Stored,
        manifest: &Manifest,
        subject: &Digest,
    ) -> Result<(), ClientError> {
        let referrer = Descriptor {
            media_type: stored.media_type.clone(),
            digest: stored.digest.clone(),
            size: stored.bytes.len() as u64,
            artifact_type: manifest.effective_artifact_type().map(str::to_owned),
            annotations: manifest.annotations.clone(),
        };
        self.to.registry.add_to_fallback(&self.to.repository, subject, referrer).await
    }

    /// Through the API or the fallback tag, and the tags by which cosign names signatures, attestations and SBOMs.
    async fn copy_referrers(&self, stored: &Stored, depth: usize) -> Result<(), ClientError> {
        let from = &self.from;
        for referrer in from.registry.referrers(&from.repository, &stored.digest).await? {
            self.copy_child(&referrer, depth).await?;
        }
        let base = fallback_tag(&stored.digest)?;
        for suffix in [".sig", ".att", ".sbom"] {
            let Ok(tag) = Tag::parse(&format!("{base}{suffix}")) else { continue };
            match from.registry.manifest(&from.repository, &Reference::Tag(tag.clone())).await {
                Ok(signature) => {
                    self.copy(&signature, depth + 1).await?;
                    self.put_tag(&tag, &signature).await?;
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Moves a tag only if it stands for something else.
    async fn put_tag(&self, tag: &Tag, stored: &Stored) -> Result<(), ClientError> {
        let (to, reference) = (&self.to, Reference::Tag(tag.clone()));
        let head = to.registry.head_manifest(&to.repository, &reference).await?;
        if head.is_some_and(|head| head.digest == stored.digest) {
            return Ok(());
        }
        to.registry.put_manifest(&to.repository, &reference, stored).await.map(drop)
    }

    fn locked<T>(&self, change: impl FnOnce(&mut Done) -> T) -> T {
        change(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
