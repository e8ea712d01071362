//! Publishing a package that comes as a file: it becomes the artifact that `helm push` would have made of it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join3;
use serde_json::{Map, Value, json};

use super::vetting::{Claim, Fault, Source};
use super::{Actor, Error, PutManifest, Registry, Version};
use crate::chart::provenance::Provenance;
use crate::chart::{Artifact, Config, Named, tag_of_version};
use crate::journal::{Change, Refusal, Replace};
use crate::oci::{
    Condition, Digest, EtagSet, HELM_PROVENANCE, MediaType, Namespace, OCI_MANIFEST, Reference,
    RepositoryName, Tag,
};

/// A package to publish.
#[derive(Clone, Debug)]
pub struct Publish<'a> {
    pub namespace: &'a Namespace,
    pub package: Bytes,
    pub provenance: Option<Bytes>,
    /// Take the version from another package, where the rules on tags allow it.
    pub force: bool,
}

/// A version that is there now.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub warnings: Vec<String>,
}

impl Registry {
    /// Publishes a package as a version of its chart. The same package again is there already.
    ///
    /// # Errors
    /// `Chart`, `ChartName`; `Refused(Taken)` when the version is there with other content, `Refused(Immutable)` when it
    /// must keep that.
    pub async fn publish(self: &Arc<Self>, publish: Publish<'_>, who: &Actor) -> Result<Published, Error> {
        let Publish { namespace, package, provenance, force } = publish;
        let named = Named::of(&package);
        let inspected = Box::pin(self.inspect(&named.digest, Source::Held(&package))).await?;
        let config = match inspected {
            Ok(inspection) => Config::of(&inspection.metadata),
            // Its faults become warnings when the manifest is judged.
            Err(invalid) => {
                let metadata = self.metadata_alone(namespace, &package).await?;
                Config::of(&metadata.ok_or(Fault::Package(invalid))?)
            }
        };
        let repository = namespace
            .repository(&config.name)
            .map_err(|error| Error::ChartName { name: config.name.clone(), error })?;
        let tag = Tag::parse(&tag_of_version(&config.version))
            .map_err(|_| Error::ChartVersion(config.version.clone()))?;
        let signature = provenance.as_ref().map(|bytes| Named::of(bytes));
        // Also with the manifest, but what is refused need not be stored before.
        let claim = Claim { name: &config.name, version: &config.version, package: &named.digest };
        let file = signature.as_ref().map(|named| &named.digest).zip(provenance.as_ref().map(Source::Held));
        Box::pin(self.vet_signature(namespace, claim, file)).await?;
        let created = self.clock.now().to_string();
        let artifact = Artifact::new(&config, named, signature, &created);
        let (config, manifest) = (Bytes::from(artifact.config), Bytes::from(artifact.manifest));
        try_join3(self.store(&repository, config, who), self.store(&repository, package, who), async {
            match provenance {
                Some(provenance) => self.store(&repository, provenance, who).await,
                None => Ok(()),
            }
        })
        .await?;
        let replace = if force { Replace::AsPolicySays } else { Replace::Never };
        let warnings = self.give(&repository, &tag, manifest, replace, who).await?;
        Ok(Published { repository, tag, warnings })
    }

    /// Adds a signature to a version that has none, or with `force` another one.
    ///
    /// # Errors
    /// `Provenance`, also when it is not of the package that is there; `VersionUnknown`; `Refused(Taken)`.
    pub async fn publish_provenance(
        self: &Arc<Self>,
        namespace: &Namespace,
        provenance: Bytes,
        force: bool,
        who: &Actor,
    ) -> Result<Vec<String>, Error> {
        let read = Provenance::read(&provenance)?;
        let (name, version) = (&read.metadata.name, &read.metadata.version);
        let repository =
            namespace.repository(name).map_err(|error| Error::ChartName { name: name.clone(), error })?;
        let tag = Tag::parse(&tag_of_version(version)).map_err(|_| Error::ChartVersion(version.clone()))?;
        let Version { tag, release, manifest: held, .. } = self.version(&repository, &tag).await?;
        read.check(name, version, &release.chart.package)?;
        let named = Named::of(&provenance);
        match &release.chart.provenance {
            Some(signed) if *signed == named.digest => {
                // Its bytes may be damaged: then these heal them.
                self.store(&repository, provenance, who).await?;
                return Ok(Vec::new());
            }
            Some(_) if !force => return Err(Refusal::Taken { tag, held }.into()),
            _ => {}
        }
        let old = self.manifest(&repository, &Reference::Digest(held.clone())).await?;
        let manifest = with_provenance(&old.body, named).ok_or(Error::Panicked)?;
        self.store(&repository, provenance, who).await?;
        self.give(&repository, &tag, manifest, Replace::This(held), who).await
    }

    /// Removes a version: its manifest, unless that has other tags.
    ///
    /// # Errors
    /// `VersionUnknown`; `Refused(Undeletable)`.
    pub async fn unpublish(
        &self,
        repository: &RepositoryName,
        version: &str,
        who: &Actor,
    ) -> Result<(), Error> {
        let unknown =
            || Error::VersionUnknown { repository: repository.clone(), version: version.to_owned() };
        let tag = Tag::parse(&tag_of_version(version)).map_err(|_| unknown())?;
        let Version { tag, manifest: held, .. } = self.version(repository, &tag).await?;
        let only_if = Condition { if_match: Some(EtagSet::Digests(vec![held.clone()])), if_none_match: None };
        let state = self.state_of(repository).await?;
        let tags = state.manifest(repository, &held).map_or(0, |entry| entry.tags);
        match tags {
            1 => self.delete_manifest(repository, &held, only_if, who).await,
            _ => self.delete_tag(repository, &tag, only_if, who).await,
        }
    }

    /// Stores bytes as a blob of `repository`.
    async fn store(&self, repository: &RepositoryName, bytes: Bytes, who: &Actor) -> Result<(), Error> {
        let digest = Digest::sha256(&bytes);
        let namespace = repository.namespace();
        if self.holds_sound(repository, &digest).await? {
            let (from, digest) = (repository.clone(), digest.clone());
            let change = Change::Mount { repository: repository.clone(), digest, from };
            match self.propose(&namespace, change, who).await {
                // It was removed meanwhile: the bytes are needed after all.
                Err(Error::BlobUnknown(_)) => {}
                settled => return settled.map(drop),
            }
        }
        let content = self.stage(&namespace, bytes).await?;
        let change = Change::Blob { repository: repository.clone(), digest, content };
        self.propose(&namespace, change, who).await.map(drop)
    }

    /// Puts a manifest under `tag`.
    async fn give(
        self: &Arc<Self>,
        repository: &RepositoryName,
        tag: &Tag,
        manifest: Bytes,
        replace: Replace,
        who: &Actor,
    ) -> Result<Vec<String>, Error> {
        let put = PutManifest {
            repository,
            reference: &Reference::Tag(tag.clone()),
            tags: Vec::new(),
            media_type: MediaType::parse(OCI_MANIFEST).map_err(|_| Error::Panicked)?,
            body: manifest,
            condition: Condition::default(),
            replace,
        };
        Ok(self.put_manifest(put, who).await?.warnings)
    }
}

/// A manifest of Helm with another signature, or with a first one. Layers stand in the order of their digests.
fn with_provenance(manifest: &[u8], provenance: Named) -> Option<Bytes> {
    let mut document: Map<String, Value> = serde_json::from_slice(manifest).ok()?;
    let layers = document.get_mut("layers")?.as_array_mut()?;
    layers.retain(|layer| layer["mediaType"] != HELM_PROVENANCE);
    layers.push(json!({"mediaType": HELM_PROVENANCE, "digest": provenance.digest, "size": provenance.size}));
    layers.sort_by_key(|layer| layer["digest"].as_str().unwrap_or_default().to_owned());
    Some(serde_json::to_vec(&document).ok()?.into())
}
