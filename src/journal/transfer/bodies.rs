//! The blobs and manifests that a state names, those that can be restored included, and what one state names beyond
//! another.

use std::sync::Arc;

use crate::journal::state::{Extent, State};
use crate::oci::{Digest, RepositoryName};

/// A blob or a manifest, and where its bytes are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Body {
    /// Of a manifest.
    pub repository: Option<RepositoryName>,
    pub digest: Digest,
    pub size: u64,
    pub extents: Arc<[Extent]>,
    /// The journal knows that bytes of it are lost.
    pub is_damaged: bool,
}

/// What `state` names and `before` does not.
pub(super) fn newly_named(state: &State, before: &State) -> Vec<Body> {
    let blobs = state.contents.iter().map(|(digest, content)| Body {
        repository: None,
        digest: digest.clone(),
        size: content.size,
        extents: content.extents.clone(),
        is_damaged: state.is_damaged(&content.extents),
    });
    let manifests = state.repositories.iter().flat_map(|(name, repository)| {
        let live = repository.manifests.iter().map(|(digest, entry)| (digest, &entry.manifest));
        let waiting = repository.undo.manifests.iter().map(|(digest, entry)| (digest, &entry.manifest));
        live.chain(waiting).map(|(digest, manifest)| Body {
            repository: Some(name.clone()),
            digest: digest.clone(),
            size: manifest.size,
            extents: manifest.extents.clone(),
            is_damaged: state.is_damaged(&manifest.extents),
        })
    });
    blobs.chain(manifests).filter(|body| !body.is_named_by(before)).collect()
}

impl Body {
    /// Whether the state has these very bytes for it.
    pub fn is_named_by(&self, state: &State) -> bool {
        let named = match &self.repository {
            None => state.contents.get(&self.digest).map(|content| &content.extents),
            Some(name) => state.repositories.get(name).and_then(|repository| {
                let live = repository.manifests.get(&self.digest).map(|entry| &entry.manifest);
                let waiting = repository.undo.manifests.get(&self.digest).map(|entry| &entry.manifest);
                live.or(waiting).map(|manifest| &manifest.extents)
            }),
        };
        named == Some(&self.extents)
    }

    /// `repository@digest`, with a repository that holds it in `state`.
    pub fn name(&self, state: &State) -> String {
        let holds = || state.repositories.iter().find(|(_, of)| of.blobs.contains_key(&self.digest));
        match self.repository.as_ref().or_else(|| holds().map(|(name, _)| name)) {
            Some(repository) => format!("{repository}@{}", self.digest),
            None => self.digest.to_string(),
        }
    }
}
