//! The operations of a registry in its own terms: blobs and their uploads, manifests, tags, referrers, the
//! catalog. It knows no HTTP status.
//!
//! Bytes go to the backend first, then a proposal to the journal names them; nothing is visible before. All
//! futures run on the runtime of the caller, which must be the one that owns the backend.

mod artifact_hub;
mod blobs;
mod browse;
mod catalog;
mod charts;
mod content;
mod damage;
mod error;
mod file_names;
mod index;
mod manifests;
mod mount;
mod namespaces;
mod objects;
mod overview;
mod packages;
mod policy;
mod publish;
mod reader;
mod referrers;
mod repacked;
mod search;
mod standing;
mod tags;
mod turns;
mod untagged;
mod uploads;
mod vetting;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::backend::Backend;
use crate::clock::Clock;
use crate::journal::{Change, Journals, Outcome, Proposal, State, keys};

pub use crate::journal::Actor;
use crate::oci::{Namespace, RepositoryName};

pub use artifact_hub::ArtifactHubFile;
pub use blobs::Blob;
pub use browse::{ListedChart, Listing, Version};
pub use catalog::CatalogPage;
pub use charts::{IndexEntries, StoredChartFile, deprecation, record_of};
pub use error::{BodyError, Error};
pub use index::Index;
pub use manifests::{ManifestPut, ManifestStat, PutManifest, StoredManifest};
pub use mount::Mounted;
pub use namespaces::NamespacePage;
pub use overview::{Chart, ListedVersion};
pub use policy::Policy;
pub use publish::{Publish, Published};
pub use reader::BlobReader;
pub use referrers::{Referrers, ReferrersPage};
pub use repacked::Repacked;
pub use search::Found;
pub use tags::TagPage;
pub use untagged::{UntaggedManifest, UntaggedPage};
pub use uploads::{BodySource, Progress, Session};
pub use vetting::{Fault, Verdict};

/// Every repository of one store.
pub struct Registry {
    /// For work that goes on when its request has been answered.
    this: Weak<Registry>,
    journals: Arc<Journals>,
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    bodies: content::Cache,
    damage: damage::DamageControl,
    indexes: index::Indexes,
    overviews: overview::Overviews,
    packages: packages::Packages,
    /// Searches through all namespaces that may run at once.
    searches: turns::Turns,
    uploads: uploads::Uploads,
    /// What all readers together may hold of what nobody has asked for yet.
    read_ahead: Arc<Semaphore>,
    policy: Arc<Policy>,
    inspections: vetting::Inspections,
    signatures: vetting::Signatures,
}

/// How much memory may be used, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Uploaded bytes are written as data objects of this size.
    pub extent: usize,
    /// Uploaded bytes that wait to be written, of all uploads together.
    pub upload_memory: usize,
    /// Pieces of a large blob that are read before they are asked for, each of at most 1 MiB.
    pub read_ahead: usize,
    /// Small bodies that are kept for the next reader.
    pub cache: u64,
    /// Indexes of chart repositories that are kept rendered.
    pub indexes: u64,
    /// Charts of namespaces that are kept in order, with what a search looks at.
    pub overviews: u64,
    /// Packages that were looked into.
    pub packages: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            extent: 8 << 20,
            upload_memory: 64 << 20,
            read_ahead: 0,
            cache: 64 << 20,
            indexes: 256 << 20,
            overviews: 128 << 20,
            packages: 32 << 20,
        }
    }
}

/// A part of a listing: at most `limit` entries that come after `last` in byte order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page<'a> {
    pub limit: usize,
    /// Any text; it need not be in the listing.
    pub last: Option<&'a str>,
}

impl Registry {
    pub fn new(
        journals: Arc<Journals>,
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        limits: Limits,
        policy: Arc<Policy>,
    ) -> Arc<Self> {
        let bodies = content::cache(limits.cache);
        let indexes = index::indexes(limits.indexes);
        let overviews = overview::overviews(limits.overviews);
        let packages = packages::Packages::new(limits.packages);
        let searches = search::turns();
        let uploads = uploads::Uploads::new(limits.upload_memory);
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            journals,
            backend,
            clock,
            limits,
            bodies,
            damage: damage::DamageControl::new(),
            indexes,
            overviews,
            packages,
            searches,
            uploads,
            read_ahead: Arc::new(Semaphore::new(reader::MOST_AHEAD)),
            policy,
            inspections: vetting::Inspections::new(),
            signatures: vetting::Signatures::new(),
        })
    }

    /// A fresh id for a call, which all changes of it carry.
    pub fn new_call(&self) -> Uuid {
        self.clock.uuid(self.clock.now())
    }

    /// Whether the store answers: reads one byte of it.
    pub async fn probe(&self) -> Result<(), Error> {
        self.backend.read(&keys::layout(), Some(0..1)).await?;
        Ok(())
    }

    /// How many namespaces are in memory.
    pub fn namespaces_loaded(&self) -> usize {
        self.journals.loaded()
    }

    /// Waits until this process must not go on with its store, and says why.
    pub async fn stopped(&self) -> String {
        self.journals.stopped().await
    }

    /// Writes what makes the next start quick, for at most `within`; the last thing that is done with a registry.
    pub async fn shutdown(&self, within: Duration) {
        self.journals.shutdown(within).await;
    }

    async fn propose(&self, namespace: &Namespace, change: Change, who: &Actor) -> Result<Outcome, Error> {
        let proposal = Proposal { change, actor: who.clone() };
        Ok(self.journals.propose(namespace, proposal).await?)
    }

    /// What `find` finds in the current state.
    async fn currently<T>(
        &self,
        namespace: &Namespace,
        find: impl Fn(&State) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        Ok(self.journals.current(namespace).await?.and_then(|state| find(&state)))
    }

    /// The current state, in which `repository` exists.
    async fn state_of(&self, repository: &RepositoryName) -> Result<Arc<State>, Error> {
        let state = self.journals.current(&repository.namespace()).await?;
        state
            .filter(|state| state.repository(repository).is_some())
            .ok_or_else(|| Error::NameUnknown(repository.clone()))
    }
}
