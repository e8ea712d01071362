//! From settings to what requests are answered from: the storage, its journals, the registry.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "s3")]
use anyhow::anyhow;
use anyhow::{Context, bail};
use tokio::runtime::Handle;

use super::{Services, StorageCounts};
#[cfg(feature = "s3")]
use crate::backend::s3::{self, S3};
use crate::backend::{Backend, Counted, Fs, HttpRequests, Memory};
use crate::clock::{Clock, SystemClock};
use crate::config::{
    self, Artifacts, ExternalUrl, S3Location, Settings, Storage, StorageMode, StorageUrl, Value,
};
use crate::journal::{self, Journals, Mode, OpenError};
#[cfg(feature = "s3")]
use crate::network::ProxyVariables;
use crate::registry::{self, Registry};

/// Pieces of 1 MiB of a large blob that are read before they are asked for.
const READ_AHEAD: usize = 3;

/// How long a server waits at its start for a store that does not answer.
const STORE_STARTS: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

/// Opens everything, on the runtime that will own the storage and its writers.
///
/// # Errors
/// A storage that is in use, unreadable, of a newer format or of a kind that this build lacks.
pub async fn open(settings: Settings) -> anyhow::Result<Services> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let storage = &settings.storage;
    let (backend, counts) = open_counted(storage, Arc::clone(&clock)).await?;
    let policy = Arc::new(policy(&settings));
    let options = journal::Options {
        mode: mode(storage)?,
        endpoint: endpoint(&storage.url),
        outage_reads: storage.outage_reads,
        memory_budget: storage.namespace_memory.bytes(),
        policy: Arc::clone(&policy) as _,
    };
    let journals = open_journals(&backend, &clock, options)
        .await
        .with_context(|| format!("cannot open the storage {}", storage.url.write()))?;
    let limits = registry::Limits {
        upload_memory: settings.server.limits.upload_memory.bytes() as usize,
        cache: storage.cache_memory.bytes(),
        indexes: storage.index_memory.bytes(),
        read_ahead: if is_remote(&storage.url) { READ_AHEAD } else { 0 },
        ..registry::Limits::default()
    };
    let counts = StorageCounts { damage: Arc::clone(journals.damage()), ..counts };
    let registry = Registry::new(journals, backend, Arc::clone(&clock), limits, policy);
    let mut services = Services::new(settings, registry, Handle::current(), &*clock);
    services.storage = counts;
    Ok(services)
}

/// A store that does not answer yet may have been started together with this server.
async fn open_journals(
    backend: &Arc<dyn Backend>,
    clock: &Arc<dyn Clock>,
    options: journal::Options,
) -> Result<Arc<Journals>, OpenError> {
    let (started, mut told) = (clock.monotonic(), String::new());
    loop {
        match Journals::open(Arc::clone(backend), Arc::clone(clock), options.clone()).await {
            Err(OpenError::Backend(error))
                if error.may_pass() && clock.monotonic() < started + STORE_STARTS =>
            {
                let error = error.to_string();
                if error != told {
                    tracing::warn!(error, "the store does not answer yet");
                    told = error;
                }
                tokio::time::sleep(PAUSE).await;
            }
            opened => return opened,
        }
    }
}

/// The backend, and what is counted of it.
async fn open_counted(
    storage: &Storage,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<(Arc<dyn Backend>, StorageCounts)> {
    let (backend, http) = open_backend(&storage.url, storage.wait_for_lock, clock).await?;
    let backend = Counted::new(backend);
    let counts = StorageCounts { requests: backend.requests(), http, ..StorageCounts::default() };
    Ok((Arc::new(backend), counts))
}

/// A backend, and where it counts the HTTP requests that it makes, if it makes any.
type Opened = (Arc<dyn Backend>, Option<Arc<HttpRequests>>);

/// Opens a storage to read and write it; a directory is locked, for which `wait` may pass.
///
/// # Errors
/// A directory that is in use or cannot be one; settings of a service that cannot work.
pub async fn open_backend(url: &StorageUrl, wait: Duration, clock: Arc<dyn Clock>) -> anyhow::Result<Opened> {
    match url {
        StorageUrl::Memory => Ok((Arc::new(Memory::new()), None)),
        StorageUrl::Directory(root) => {
            let root = root.clone();
            let opened = tokio::task::spawn_blocking(move || Fs::open(&root, wait)).await?;
            Ok((Arc::new(opened?), None))
        }
        StorageUrl::S3(location) => open_bucket(location, clock).await,
    }
}

/// Opens a storage to read it beside the server that may be using it; nothing in it is changed.
///
/// # Errors
/// One that is absent or unreadable; settings of a service that cannot work.
pub async fn open_for_reading(url: &StorageUrl, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Backend>> {
    match url {
        StorageUrl::Directory(root) => Ok(Arc::new(Fs::open_for_reading(root)?)),
        StorageUrl::Memory | StorageUrl::S3(_) => Ok(open_backend(url, Duration::ZERO, clock).await?.0),
    }
}

#[cfg(feature = "s3")]
async fn open_bucket(location: &S3Location, clock: Arc<dyn Clock>) -> anyhow::Result<Opened> {
    let location = location.clone();
    let options = s3::Options {
        bucket: location.bucket,
        prefix: location.prefix,
        endpoint: location.endpoint,
        region: location.region,
        path_style: location.path_style,
        credentials: None,
        ca: location.ca_file.map(|file| file.pem),
        proxies: ProxyVariables::read(|name| std::env::var(name).ok()),
    };
    let bucket = S3::open(options, clock).await.map_err(|why| anyhow!("storage.url: {why}"))?;
    let requests = bucket.requests();
    Ok((Arc::new(bucket), Some(requests)))
}

#[cfg(not(feature = "s3"))]
async fn open_bucket(_: &S3Location, _: Arc<dyn Clock>) -> anyhow::Result<Opened> {
    bail!("storage.url: this build cannot store in S3; use one with the feature `s3`, a directory or memory:")
}

/// What the probe of a service is remembered under; a directory and memory need no proof.
fn endpoint(url: &StorageUrl) -> Option<String> {
    let StorageUrl::S3(location) = url else { return None };
    let aws = || format!("aws {}", location.region.as_deref().unwrap_or_default()).trim_end().to_owned();
    Some(location.endpoint.clone().unwrap_or_else(aws))
}

/// Whether what is read takes its time to come, so that reading ahead pays.
fn is_remote(url: &StorageUrl) -> bool {
    matches!(url, StorageUrl::S3(_))
}

fn policy(settings: &Settings) -> registry::Policy {
    let config::Policy { immutable, mutable, delete_immutable, lenient, artifacts, provenance } =
        settings.policy.clone();
    registry::Policy {
        immutable,
        mutable,
        delete_immutable,
        lenient,
        charts_only: artifacts == Artifacts::Charts,
        signed: provenance.required,
        keyring: provenance.keyring.map(|file| file.keys),
        context_path: settings.server.external_url.as_ref().map_or("", ExternalUrl::path).into(),
    }
}

fn mode(storage: &Storage) -> anyhow::Result<Mode> {
    match (storage.mode, &storage.url) {
        (StorageMode::Auto | StorageMode::Shared, StorageUrl::S3(_)) => Ok(Mode::Shared),
        (StorageMode::Auto | StorageMode::Single, _) => Ok(Mode::Single),
        (StorageMode::Shared, _) => bail!(
            "storage.mode: a directory and memory belong to one server, so `shared` cannot be had there; \
             leave it out or write `single`"
        ),
    }
}
