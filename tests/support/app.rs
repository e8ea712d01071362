//! The real application inside the test's process, on an ephemeral loopback port, over each backend.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use charthouse::backend::{Backend, Counted, Fs, Memory};
use charthouse::clock::{Clock, SystemClock};
use charthouse::config::{Anonymous, Settings};
use charthouse::journal::{DamageCounts, DamageKind, Journals, Mode, Options};
use charthouse::oci::{NamespacePattern, TagPattern};
use charthouse::registry::{Limits, Policy, Registry};
use charthouse::server::operations::{self, Operations};
use charthouse::server::{RunningServer, Services, StorageCounts, start};
use s3_double::Double;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::http::{self, Request, Response};
use super::s3;

/// What a test server stores its blobs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Fs,
    /// `memory` in shared mode: every read that must be current makes a head check.
    Shared,
    /// A bucket of the S3 double, in shared mode.
    S3,
}

const KINDS: [Kind; 4] = [Kind::Memory, Kind::Fs, Kind::Shared, Kind::S3];

/// Runs `check` against a fresh server on every backend. The last line printed before a failure names it.
pub async fn on_every_backend(check: impl AsyncFn(TestServer)) {
    for kind in KINDS {
        println!("on backend {kind:?}:");
        check(TestServer::start(kind).await).await;
    }
}

/// The same where every tag may be moved and deleted, those of released charts included, and packages need not be any.
pub async fn where_tags_move(check: impl AsyncFn(TestServer)) {
    for kind in KINDS {
        println!("on backend {kind:?}:");
        check(TestServer::start_with(kind, movable()).await).await;
    }
}

/// The same where packages need not be any: for tests that care for bytes and indexes, not for what is packed.
pub async fn where_noise_is_taken(check: impl AsyncFn(TestServer)) {
    for kind in KINDS {
        println!("on backend {kind:?}:");
        check(TestServer::start_with(kind, lenient()).await).await;
    }
}

fn movable() -> Policy {
    let every = TagPattern::parse("**").expect("a pattern");
    Policy { mutable: vec![every], ..lenient() }
}

/// What is wrong with a chart becomes a warning everywhere.
pub fn lenient() -> Policy {
    let every = NamespacePattern::parse("**").expect("a pattern");
    Policy { lenient: vec![every], ..Policy::default() }
}

/// A server with a storage runtime of its own, so that stopping it leaves nothing of it behind.
pub struct TestServer {
    pub addr: SocketAddr,
    running: RunningServer,
    storage: Option<Runtime>,
    folder: Option<TempDir>,
    double: Option<Arc<Double>>,
    policy: Arc<Policy>,
    registry: Arc<Registry>,
    damage: Arc<DamageCounts>,
}

impl TestServer {
    pub async fn start(kind: Kind) -> Self {
        Self::start_with(kind, Policy::default()).await
    }

    /// The same with other rules.
    pub async fn start_with(kind: Kind, policy: Policy) -> Self {
        let policy = Arc::new(policy);
        match kind {
            Kind::Memory => Self::over(Arc::new(Memory::new()), Options::default(), policy).await,
            Kind::Shared => Self::over(Arc::new(Memory::new()), shared(), policy).await,
            Kind::Fs => Self::over_folder(TempDir::new().expect("a folder"), policy).await,
            Kind::S3 => {
                let double = Double::start().await;
                let mut server = Self::over(s3::bucket_of(&double).await, shared(), policy).await;
                server.double = Some(Arc::new(double));
                server
            }
        }
    }

    /// Two replicas over one bucket of the double, where packages need not be any.
    pub async fn replicas() -> (Self, Self) {
        let double = Arc::new(Double::start().await);
        let replica = async || {
            let mut server = Self::replica_over(s3::bucket_of(&double).await, shared()).await;
            server.double = Some(double.clone());
            server
        };
        (replica().await, replica().await)
    }

    /// A replica over a store that others share, where packages need not be any.
    pub async fn replica_over(store: Arc<dyn Backend>, options: Options) -> Self {
        Self::over(store, options, Arc::new(lenient())).await
    }

    /// A server over this store.
    pub async fn over_store(store: Arc<dyn Backend>) -> Self {
        Self::over(store, Options::default(), Arc::new(Policy::default())).await
    }

    /// The same with other rules.
    pub async fn over_store_with(store: Arc<dyn Backend>, policy: Policy) -> Self {
        Self::over(store, Options::default(), Arc::new(policy)).await
    }

    /// A server over memory with these settings, where packages need not be any.
    pub async fn with_settings(settings: Settings) -> Self {
        let (store, policy) = (Arc::new(Memory::new()), Arc::new(lenient()));
        Self::over_with(store, Options::default(), policy, settings).await
    }

    /// Starts the listener that tells about this server.
    pub fn operations(&self) -> Operations {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        operations::start(free, Arc::clone(self.running.services())).expect("a free port")
    }

    /// The server says that it is going away, as after a signal.
    pub fn drain(&self) {
        self.running.services().drain();
    }

    /// Stops this server and starts another one over the same folder.
    pub async fn restart(mut self) -> Self {
        let folder = self.folder.take().expect("only a server over a folder can be restarted");
        self.running.stop(false);
        self.running.ended().await.expect("the listener ends");
        let storage = self.storage.take().expect("it runs until it is stopped");
        let policy = Arc::clone(&self.policy);
        drop(self);
        // Its last tasks let go of the folder's lock; a runtime must not be waited for on another one.
        let ended = tokio::task::spawn_blocking(move || storage.shutdown_timeout(Duration::from_secs(10)));
        ended.await.expect("the storage's runtime ends");
        Self::over_folder(folder, policy).await
    }

    /// Whether damaged data objects or attached bodies were found.
    pub fn has_found_damage(&self) -> bool {
        [DamageKind::Object, DamageKind::Body].iter().any(|kind| self.damage.count(*kind) > 0)
    }

    /// Writes what a clean stop writes.
    pub async fn write_checkpoints(&self) {
        let registry = Arc::clone(&self.registry);
        let storage = self.storage.as_ref().expect("it runs until it is stopped");
        storage.spawn(async move { registry.checkpoint_all().await }).await.expect("no panic");
    }

    /// The folder of a server over one.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a server over a folder").path()
    }

    /// A server over a folder, where packages need not be any.
    pub async fn over_directory(folder: TempDir) -> Self {
        Self::over_folder(folder, Arc::new(lenient())).await
    }

    async fn over_folder(folder: TempDir, policy: Arc<Policy>) -> Self {
        let mut server = Self::over(open_folder(folder.path()).await, Options::default(), policy).await;
        server.folder = Some(folder);
        server
    }

    async fn over(store: Arc<dyn Backend>, options: Options, policy: Arc<Policy>) -> Self {
        Self::over_with(store, options, policy, settings()).await
    }

    async fn over_with(
        store: Arc<dyn Backend>,
        options: Options,
        policy: Arc<Policy>,
        settings: Settings,
    ) -> Self {
        let store = Counted::new(store);
        let requests = store.requests();
        let store: Arc<dyn Backend> = Arc::new(store);
        let (rules, of_registry) = (Arc::clone(&policy), Arc::clone(&policy));
        let storage = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let handle = storage.handle().clone();
        let opening = storage.spawn(async move {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
            let options = Options { policy: rules, ..options };
            let journals = Journals::open(Arc::clone(&store), Arc::clone(&clock), options).await;
            let journals = journals.expect("an empty or a good store");
            let damage = Arc::clone(journals.damage());
            let registry = Registry::new(journals, store, Arc::clone(&clock), Limits::default(), of_registry);
            let mut services = Services::new(settings, Arc::clone(&registry), handle, &*clock);
            services.storage = StorageCounts { requests, http: None, damage: Arc::clone(&damage) };
            // News of the store is old after a time that a test can wait for.
            services.limits.probe = Duration::from_millis(100);
            (services, registry, damage)
        });
        let (services, registry, damage) = opening.await.expect("the store opens");
        let running = start(Arc::new(services)).expect("a free port");
        let (addr, storage) = (running.addr(), Some(storage));
        Self { addr, running, storage, folder: None, double: None, policy, registry, damage }
    }

    /// The reply to `request`; panics when the server gives none.
    #[track_caller]
    pub fn send(&self, request: Request) -> impl Future<Output = Response> {
        let (addr, caller) = (self.addr, std::panic::Location::caller());
        async move {
            match http::send(addr, &request).await {
                Ok(response) => response,
                Err(error) => {
                    panic!("{caller}: no reply to {} {}: {error}", request.method, request.target())
                }
            }
        }
    }

    pub async fn get(&self, target: impl Into<String>) -> Response {
        self.send(Request::get(target)).await
    }

    pub async fn head(&self, target: impl Into<String>) -> Response {
        self.send(Request::head(target)).await
    }

    pub async fn delete(&self, target: impl Into<String>) -> Response {
        self.send(Request::delete(target)).await
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.running.stop(false);
        if let Some(storage) = self.storage.take() {
            storage.shutdown_background();
        }
    }
}

/// Options of a replica.
pub fn shared() -> Options {
    Options { mode: Mode::Shared, ..Options::default() }
}

/// Those of a server that answers under any name, and behind a proxy.
pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.server.listen.set_port(0);
    settings.server.workers = 2;
    settings.auth.anonymous = Some(Anonymous::Write);
    settings
}

async fn open_folder(root: &Path) -> Arc<dyn Backend> {
    let root = root.to_owned();
    let opened = tokio::task::spawn_blocking(move || Fs::open(&root, Duration::from_secs(10)));
    Arc::new(opened.await.expect("no panic").expect("a folder that can be opened"))
}
