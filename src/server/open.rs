//! From settings to what requests are answered from: the storage, its journals, the registry.

use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::runtime::Handle;

use super::{Services, StorageCounts};
use crate::backend::{Backend, Counted, Fs, Memory};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Artifacts, Settings, Storage, StorageMode, StorageUrl, Value};
use crate::journal::{self, Journals, Mode};
use crate::registry::{self, Registry};

const NO_S3: &str = "storage.url: this build cannot store in S3; use a directory or memory:";

/// Opens everything, on the runtime that will own the storage and its writers.
///
/// # Errors
/// A storage that is in use, unreadable, of a newer format or of a kind that this build lacks.
pub async fn open(settings: Settings) -> anyhow::Result<Services> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let (backend, counts) = open_counted(&settings.storage).await?;
    let policy = Arc::new(policy(&settings.policy));
    let options = journal::Options {
        mode: mode(&settings.storage)?,
        memory_budget: settings.storage.namespace_memory.bytes(),
        policy: Arc::clone(&policy) as _,
    };
    let journals = Journals::open(Arc::clone(&backend), Arc::clone(&clock), options)
        .await
        .with_context(|| format!("cannot open the storage {}", settings.storage.url.write()))?;
    let limits = registry::Limits {
        upload_memory: settings.server.limits.upload_memory.bytes() as usize,
        cache: settings.storage.cache_memory.bytes(),
        indexes: settings.storage.index_memory.bytes(),
        ..registry::Limits::default()
    };
    let registry = Registry::new(journals, backend, Arc::clone(&clock), limits, policy);
    let mut services = Services::new(settings, registry, Handle::current(), &*clock);
    services.storage = counts;
    Ok(services)
}

/// The backend, and what is counted of it. One that makes HTTP requests is handed an `HttpRequests` to count them in.
async fn open_counted(storage: &Storage) -> anyhow::Result<(Arc<dyn Backend>, StorageCounts)> {
    let backend = Counted::new(open_backend(storage).await?);
    let counts = StorageCounts { requests: backend.requests(), http: None };
    Ok((Arc::new(backend), counts))
}

/// Opens a storage to read and write it, and keeps others from writing it where it can.
///
/// # Errors
/// One that is in use or unreadable, or of a kind that this build lacks.
pub async fn open_backend(storage: &Storage) -> anyhow::Result<Arc<dyn Backend>> {
    match &storage.url {
        StorageUrl::Memory => Ok(Arc::new(Memory::new())),
        StorageUrl::Directory(root) => {
            let (root, wait) = (root.clone(), storage.wait_for_lock);
            let opened = tokio::task::spawn_blocking(move || Fs::open(&root, wait)).await?;
            Ok(Arc::new(opened?))
        }
        StorageUrl::S3(_) => bail!(NO_S3),
    }
}

/// Opens a storage to read it beside the server that may be using it; nothing in it is changed.
///
/// # Errors
/// One that is absent or unreadable, or of a kind that this build lacks.
pub async fn open_for_reading(storage: &Storage) -> anyhow::Result<Arc<dyn Backend>> {
    match &storage.url {
        StorageUrl::Memory => Ok(Arc::new(Memory::new())),
        StorageUrl::Directory(root) => Ok(Arc::new(Fs::open_for_reading(root)?)),
        StorageUrl::S3(_) => bail!(NO_S3),
    }
}

fn policy(rules: &config::Policy) -> registry::Policy {
    let config::Policy { immutable, mutable, delete_immutable, lenient, artifacts, provenance } =
        rules.clone();
    registry::Policy {
        immutable,
        mutable,
        delete_immutable,
        lenient,
        charts_only: artifacts == Artifacts::Charts,
        signed: provenance.required,
        keyring: provenance.keyring.map(|file| file.keys),
    }
}

fn mode(storage: &Storage) -> anyhow::Result<Mode> {
    match (storage.mode, &storage.url) {
        (StorageMode::Auto | StorageMode::Single, _) => Ok(Mode::Single),
        (StorageMode::Shared, _) => bail!(
            "storage.mode: a directory and memory belong to one server, so `shared` cannot be had there; \
             leave it out or write `single`"
        ),
    }
}
