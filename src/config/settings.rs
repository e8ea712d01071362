//! The settings as plain structs with their defaults: what the other rooms are given.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::address::{CorsOrigin, ExternalUrl, HealthPath, Listen, Network};
use super::keyring::KeyringFile;
use super::storage_url::StorageUrl;
use super::value::{ByteSize, Label, LogFilter, words};
use crate::oci::{NamespacePattern, TagPattern};

/// Everything that can be set. `docs/configuration.md` says what each key means.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub server: Server,
    pub storage: Storage,
    pub auth: Auth,
    pub policy: Policy,
    pub metrics: Metrics,
    pub log: Log,
    pub service: Service,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    pub listen: SocketAddr,
    /// Absolute URLs in answers begin with this; `Host` is not trusted.
    pub external_url: Option<ExternalUrl>,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// Threads that serve requests; 0 is one for each core.
    pub workers: usize,
    /// How long requests may go on after SIGTERM or SIGINT.
    pub shutdown_timeout: Duration,
    pub cors: Cors,
    pub limits: Limits,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cors {
    /// Empty: no CORS headers at all.
    pub origins: Vec<CorsOrigin>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Connections open at once, over all workers.
    pub connections: usize,
    /// From the first byte of a request to the end of its head.
    pub head_timeout: Duration,
    /// Between two pieces of a request body.
    pub body_idle_timeout: Duration,
    /// Bytes per second that a request body must reach, averaged over 60 s.
    pub minimum_rate: ByteSize,
    /// Between two requests on one connection.
    pub keep_alive: Duration,
    /// Bytes of uploads held in memory, over all requests.
    pub upload_memory: ByteSize,
    /// The largest package that ChartMuseum's API takes.
    pub package: ByteSize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub url: StorageUrl,
    pub mode: StorageMode,
    pub read_only: bool,
    /// How long `serve` waits for another server to let go of the storage.
    pub wait_for_lock: Duration,
    /// How long after they were last known to be current states are read while the store does not answer.
    pub outage_reads: Duration,
    /// Bytes of loaded namespaces; the least recently used are dropped beyond it.
    pub namespace_memory: ByteSize,
    /// Bytes of manifests and other small content held in memory.
    pub cache_memory: ByteSize,
    /// Bytes of rendered indexes held in memory.
    pub index_memory: ByteSize,
}

/// What may be pushed and moved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Tags that keep their content, beside the released versions of charts.
    pub immutable: Vec<TagPattern>,
    /// Tags that may be moved, although they are released versions or named above.
    pub mutable: Vec<TagPattern>,
    pub delete_immutable: bool,
    /// Where what is wrong with a chart becomes a warning.
    pub lenient: Vec<NamespacePattern>,
    pub artifacts: Artifacts,
    pub provenance: Provenance,
}

/// What may be pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Artifacts {
    #[default]
    Any,
    /// Charts and what belongs to them.
    Charts,
}
words!(Artifacts { Any = "any", Charts = "charts" });

/// What is asked of the signatures of charts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provenance {
    /// Whose signatures count. Unset: it is not asked who signed.
    pub keyring: Option<KeyringFile>,
    /// Where a chart must have a provenance file.
    pub required: Vec<NamespacePattern>,
}

/// How many servers write to the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageMode {
    /// `Single` on a directory and in memory, `Shared` on S3.
    Auto,
    Single,
    Shared,
}
words!(StorageMode { Auto = "auto", Single = "single", Shared = "shared" });

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// What a client without credentials may do. Unset: everything, but only on a loopback address.
    pub anonymous: Option<Anonymous>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    Read,
    /// Read, push and delete.
    Write,
}
words!(Anonymous { Read = "read", Write = "write" });

/// The listener for those who run the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    pub listen: Listen,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    pub level: LogFilter,
    pub format: LogFormat,
    /// One line for each request.
    pub access: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `Pretty` on a terminal, else `Json`.
    Auto,
    Json,
    Pretty,
}
words!(LogFormat { Auto = "auto", Json = "json", Pretty = "pretty" });

/// Who this deployment is.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub name: Label,
    pub environment: Label,
    pub healthcheck: HealthPath,
    pub rollout: Rollout,
}

/// How a change to this deployment goes live. For the tools that deploy it; the server only checks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    pub strategy: RolloutStrategy,
    pub rollback: Rollback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutStrategy {
    Progressive,
    Immediate,
}
words!(RolloutStrategy { Progressive = "progressive", Immediate = "immediate" });

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// Back to the last good one when the health check fails.
    Automatic,
    Manual,
}
words!(Rollback { Automatic = "automatic", Manual = "manual" });

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 5000)),
            external_url: None,
            trusted_proxies: Vec::new(),
            workers: 0,
            shutdown_timeout: Duration::from_secs(30),
            cors: Cors::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head_timeout: Duration::from_secs(5),
            body_idle_timeout: Duration::from_secs(30),
            minimum_rate: ByteSize::kib(1),
            keep_alive: Duration::from_secs(75),
            upload_memory: ByteSize::mib(64),
            package: ByteSize::mib(20),
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            url: StorageUrl::Directory(PathBuf::from("./charthouse-data")),
            mode: StorageMode::Auto,
            read_only: false,
            wait_for_lock: Duration::ZERO,
            outage_reads: Duration::ZERO,
            namespace_memory: ByteSize::mib(256),
            cache_memory: ByteSize::mib(64),
            index_memory: ByteSize::mib(256),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: Listen::At(SocketAddr::from((Ipv4Addr::LOCALHOST, 5001))) }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogFilter::default(), format: LogFormat::Auto, access: true }
    }
}

impl Default for Service {
    fn default() -> Self {
        Self {
            name: Label::from_static("charthouse"),
            environment: Label::from_static("development"),
            healthcheck: HealthPath::default(),
            rollout: Rollout { strategy: RolloutStrategy::Progressive, rollback: Rollback::Automatic },
        }
    }
}

/// A rule that a setting breaks although it is well written.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// The dotted name.
    pub key: &'static str,
    /// What is required and what to do.
    pub rule: &'static str,
}

impl Settings {
    /// Every rule that is broken; nobody may serve with one.
    pub fn violations(&self) -> Vec<Violation> {
        let Self { server, storage, auth, .. } = self;
        let limits = &server.limits;
        let exposed = !server.listen.ip().to_canonical().is_loopback();
        let on_s3 = matches!(storage.url, StorageUrl::S3(_));
        let rules = [
            (
                "server.listen",
                exposed && auth.anonymous.is_none(),
                "other machines can reach this address and no authentication is configured; listen on 127.0.0.1, \
                 or let everybody in by name with auth.anonymous: write (or read)",
            ),
            ("server.workers", server.workers > 1024, "at most 1024"),
            ("server.limits.connections", !(1..=1_000_000).contains(&limits.connections), "1 to 1000000"),
            ("server.limits.head_timeout", limits.head_timeout.is_zero(), "must be longer than 0s"),
            ("server.limits.body_idle_timeout", limits.body_idle_timeout.is_zero(), "must be longer than 0s"),
            ("server.limits.upload_memory", limits.upload_memory < ByteSize::mib(1), "at least 1MiB"),
            (
                "storage.mode",
                storage.mode == StorageMode::Shared && !on_s3,
                "only storage on s3 can be shared; use single",
            ),
        ];
        let broken = rules.into_iter().filter(|(_, broken, _)| *broken);
        broken.map(|(key, _, rule)| Violation { key, rule }).collect()
    }
}
