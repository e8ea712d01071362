//! What Artifact Hub reads of a repository's owners: `artifacthub-repo.yml` of a chart repository, out of the artifact that
//! its convention for OCI repositories has under the tag `artifacthub.io` (docs/clients.md#artifact-hub).

use bytes::Bytes;

use super::policy::ARTIFACT_HUB_TAG;
use super::{Error, Registry};
use crate::oci::{ARTIFACT_HUB_LAYER, Digest, Manifest, Namespace, Reference, RepositoryName, Tag};

/// Such a file names its owners, and what to leave out.
const MAX_FILE: u64 = 256 * 1024;

/// The file, with its digest.
#[derive(Clone, Debug, PartialEq)]
pub struct ArtifactHubFile {
    pub digest: Digest,
    pub content: Bytes,
}

impl Registry {
    /// The file of the chart repository of `namespace`: that of the repository with the namespace's own name, which is
    /// pushed as `oci://HOST/NAMESPACE:artifacthub.io`, else the one that the charts in the namespace agree on.
    ///
    /// # Errors
    /// `ArtifactHubUnknown`.
    pub async fn artifact_hub(&self, namespace: &Namespace) -> Result<ArtifactHubFile, Error> {
        let unknown = |why| Error::ArtifactHubUnknown { namespace: namespace.clone(), why };
        let tag = Tag::parse(ARTIFACT_HUB_TAG).map_err(|_| Error::Panicked)?;
        if let Ok(own) = RepositoryName::parse(namespace.as_str())
            && let Some(digest) = self.artifact_hub_layer(&own, &tag).await?
        {
            return self.artifact_hub_file(&own, digest).await;
        }
        let state = self.journals.current(namespace).await?.unwrap_or_default();
        let tagged = state.repositories.iter().filter(|(_, found)| found.tags.contains_key(&tag));
        let mut found: Option<(RepositoryName, Digest)> = None;
        for (repository, _) in tagged {
            let Some(digest) = self.artifact_hub_layer(repository, &tag).await? else { continue };
            match &found {
                Some((_, known)) if *known != digest => {
                    return Err(unknown("its charts have different ones"));
                }
                Some(_) => {}
                None => found = Some((repository.clone(), digest)),
            }
        }
        let (repository, digest) =
            found.ok_or_else(|| unknown("nothing in it has the tag artifacthub.io"))?;
        self.artifact_hub_file(&repository, digest).await
    }

    /// The layer that is the file, if `repository` has such an artifact.
    async fn artifact_hub_layer(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Digest>, Error> {
        let stored = match self.manifest(repository, &Reference::Tag(tag.clone())).await {
            Err(Error::ManifestUnknown(_) | Error::NameUnknown(_) | Error::Damaged(_)) => return Ok(None),
            stored => stored?,
        };
        let Ok(read) = Manifest::read(&stored.body, &stored.media_type) else { return Ok(None) };
        let is_file = |media_type: &str| media_type == ARTIFACT_HUB_LAYER;
        let mut layers = read.layers.into_iter().filter(|layer| is_file(layer.media_type.as_str()));
        Ok(layers.next().filter(|layer| layer.size <= MAX_FILE).map(|layer| layer.digest))
    }

    async fn artifact_hub_file(
        &self,
        repository: &RepositoryName,
        digest: Digest,
    ) -> Result<ArtifactHubFile, Error> {
        let content = self.small_blob(repository, &digest).await?;
        Ok(ArtifactHubFile { digest, content })
    }
}
