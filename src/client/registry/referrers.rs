//! What refers to a manifest: the referrers API, and the tag that stands for it where there is none
//! (distribution-spec, "Listing Referrers" and "Referrers Tag Schema").

use serde::Deserialize;

use super::{Access, Registry, Stored, scope};
use crate::client::error::ClientError;
use crate::client::reference::Repository;
use crate::oci::{Descriptor, Digest, MediaType, OCI_INDEX, Reference, Tag, referrers_index};

impl Registry {
    /// All referrers of a manifest.
    pub async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, ClientError> {
        #[derive(Deserialize)]
        struct Page {
            manifests: Vec<Descriptor>,
        }
        let mut found = Vec::new();
        let mut readable = true;
        let url = self.below(repository, &format!("referrers/{digest}"))?;
        let read = self
            .pages(url, &scope(repository, Access::Pull), &mut |body| {
                match serde_json::from_slice::<Page>(body) {
                    Ok(page) => found.extend(page.manifests),
                    Err(_) => readable = false,
                }
                Ok(())
            })
            .await;
        match read {
            Ok(()) if readable => Ok(found),
            Err(error) if !error.is_not_found() => Err(error),
            _ => self.fallback_list(repository, digest).await,
        }
    }

    /// Adds a manifest to the list under the fallback tag of its subject, for a registry that keeps no list itself.
    pub async fn add_to_fallback(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrer: Descriptor,
    ) -> Result<(), ClientError> {
        let mut list = self.fallback_list(repository, subject).await?;
        if list.iter().any(|known| known.digest == referrer.digest) {
            return Ok(());
        }
        list.push(referrer);
        let written = referrers_index(&list).map_err(|why| ClientError::Unfit(why.to_string()))?;
        let media_type = MediaType::parse(OCI_INDEX).map_err(|why| ClientError::Unfit(why.to_string()))?;
        let tag = Reference::Tag(fallback_tag(subject)?);
        self.put_manifest(repository, &tag, &Stored::of(written, media_type)).await.map(drop)
    }

    async fn fallback_list(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, ClientError> {
        match self.manifest(repository, &Reference::Tag(fallback_tag(digest)?)).await {
            Ok(index) if index.media_type.is_index() => Ok(index.read()?.manifests),
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// `sha256-<hex>`, of which a registry keeps 64 digits of a longer digest.
pub(in crate::client) fn fallback_tag(digest: &Digest) -> Result<Tag, ClientError> {
    let hex = digest.hex();
    Tag::parse(&format!("{}-{}", digest.algorithm(), &hex[..hex.len().min(64)]))
        .map_err(|why| ClientError::Unfit(why.to_string()))
}
