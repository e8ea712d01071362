//! The one table of settings: from it come the YAML reader, the environment, the flags, `config print` and the
//! tests of `config/charthouse.yaml` and `docs/configuration.md`.

use super::{Settings, Value};

/// Every variable of ours begins with it.
pub(super) const PREFIX: &str = "CHARTHOUSE_";

/// A setting by its dotted name.
#[derive(Debug)]
pub struct Key {
    /// As in YAML: `server.listen`.
    pub name: &'static str,
    /// Lines of prose.
    pub doc: &'static [&'static str],
    /// The flag of `serve`, if there is one.
    pub flag: Option<&'static str>,
    /// A YAML list; commas elsewhere.
    pub list: bool,
    read: fn(&mut Settings, &str) -> Result<(), String>,
    write: fn(&Settings) -> String,
}

impl Key {
    pub fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// `CHARTHOUSE_SERVER_LISTEN` for `server.listen`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_ascii_uppercase().replace('.', "_"))
    }

    /// Reads `text` into `settings`. The error says what is allowed, without naming the key.
    pub fn read(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        (self.read)(settings, text)
    }

    /// The value as text that `read` takes; empty when it is unset.
    pub fn write(&self, settings: &Settings) -> String {
        (self.write)(settings)
    }
}

const fn is_list<T: Value>(_: fn(&Settings) -> &T) -> bool {
    T::LIST
}

const fn first(flags: &[&'static str]) -> Option<&'static str> {
    match flags {
        [flag, ..] => Some(flag),
        [] => None,
    }
}

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:literal $($field:ident).+ $(, $flag:literal)?;)+) => {
        &[$(Key {
            name: $name,
            doc: &[$($doc),+],
            flag: first(&[$($flag)?]),
            list: is_list(|settings| &settings.$($field).+),
            read: |settings, text| {
                settings.$($field).+ = Value::read(text)?;
                Ok(())
            },
            write: |settings| settings.$($field).+.write(),
        }),+]
    };
}

/// Every setting there is; the keys of a section stand together.
pub const KEYS: &[Key] = keys! {
    /// IP address and port to serve on; :5000 is every IPv4 address. While no authentication is configured, an address that other machines
    /// can reach is refused unless auth.anonymous is set.
    "server.listen" server.listen, "--listen";
    /// How clients reach this server, like https://charts.example.com; unset: as listened on. Absolute URLs in
    /// answers begin with it, because the Host header of a request is not trusted; web pages of its origin may write. Its
    /// path, as in https://example.com/charts, is one that a proxy takes off: an index tells it to `helm cm-push`. OCI
    /// clients need `/v2/` at the root.
    "server.external_url" server.external_url;
    /// Proxies whose X-Forwarded-For is believed: IP addresses, or ranges like 10.0.0.0/8.
    "server.trusted_proxies" server.trusted_proxies;
    /// Threads that serve requests; 0 is one for each core.
    "server.workers" server.workers;
    /// How long requests may go on after SIGTERM or SIGINT before they are cut.
    "server.shutdown_timeout" server.shutdown_timeout;
    /// Origins whose web pages may call this server, like https://ui.example.com; with * every page may read, but only
    /// pages of origins that are named may write. Empty: no CORS headers, and only the registry's own pages write.
    "server.cors.origins" server.cors.origins;
    /// Connections open at once.
    "server.limits.connections" server.limits.connections;
    /// The head of a request must be complete after this time.
    "server.limits.head_timeout" server.limits.head_timeout;
    /// A request body that brings no byte for this time is cut.
    "server.limits.body_idle_timeout" server.limits.body_idle_timeout;
    /// Bytes per second a request body must bring, averaged over 60 s.
    "server.limits.minimum_rate" server.limits.minimum_rate;
    /// A connection without a request is closed after this time.
    "server.limits.keep_alive" server.limits.keep_alive;
    /// Memory for the bodies of all uploads together; uploads wait for each other when it is used up.
    "server.limits.upload_memory" server.limits.upload_memory;
    /// The largest package that ChartMuseum's API takes; over OCI there is no limit.
    "server.limits.package" server.limits.package;

    /// Where all state lives: a directory path (or file:PATH), memory: (gone at the end), or
    /// s3://bucket/prefix?endpoint=URL&region=NAME&path_style=true&ca_file=PATH (no credentials inside).
    "storage.url" storage.url, "--storage";
    /// How many servers write to it: single or shared; auto is single on a directory and in memory, shared on s3.
    "storage.mode" storage.mode;
    /// Refuse every push and deletion.
    "storage.read_only" storage.read_only, "--read-only";
    /// How long to wait at the start for another server to let go of the directory.
    "storage.wait_for_lock" storage.wait_for_lock, "--wait-for-lock";
    /// For how long tags, lists and content are still read as they were last known while the store does not answer;
    /// answers then have a Warning header. 0s: they are refused with 503. Shared stores only.
    "storage.outage_reads" storage.outage_reads;
    /// Memory for loaded namespaces; the least recently used are dropped beyond it.
    "storage.namespace_memory" storage.namespace_memory;
    /// Memory for manifests and other small content.
    "storage.cache_memory" storage.cache_memory;
    /// Memory for the indexes of chart repositories, kept rendered; the least recently read are dropped beyond it.
    "storage.index_memory" storage.index_memory;

    /// What a client without credentials may do: read, or write (push and delete as well). Unset: everything, but then
    /// the server listens on loopback addresses only and answers no request of a proxy or to another host name.
    "auth.anonymous" auth.anonymous;

    /// Tags that keep their content: REPOSITORY or REPOSITORY:TAG with * for any part of a component and ** for any
    /// components. Released versions of charts do so without being named.
    "policy.immutable" policy.immutable;
    /// Tags that may be moved all the same: rules like those above, which come before them.
    "policy.mutable" policy.mutable;
    /// Let tags that keep their content be deleted.
    "policy.delete_immutable" policy.delete_immutable;
    /// Namespaces where what is wrong with a chart becomes a warning instead of a refusal: NAMESPACE with * and ** as
    /// above; dev/** is dev and everything below it, ** is everywhere. Nothing is unpacked beyond the limits there, too.
    "policy.lenient" policy.lenient;
    /// What may be pushed: any artifact, or charts only, with their signatures and other referrers, tags that begin with
    /// sha256- and Artifact Hub's metadata.
    "policy.artifacts" policy.artifacts;
    /// A file of OpenPGP public keys, binary (gpg --export) or armored: a chart with a provenance file that none of
    /// them signed is refused. Unset: it is not asked who signed. Read at the start.
    "policy.provenance.keyring" policy.provenance.keyring;
    /// Namespaces where a chart without a provenance file is refused; ['**'] is everywhere.
    "policy.provenance.required" policy.provenance.required;

    /// IP address and port for metrics and probes, which are asked for without authentication; or off. When the default
    /// address is taken, the server goes on without them.
    "metrics.listen" metrics.listen, "--metrics-listen";

    /// error, warn, info, debug or trace; or levels per target, like info,charthouse::journal=debug.
    "log.level" log.level;
    /// json (a line each) or pretty; auto is pretty on a terminal and json elsewhere.
    "log.format" log.format, "--log-format";
    /// One line for each request.
    "log.access" log.access;

    /// The name of this deployment, in logs and /version.
    "service.name" service.name;
    /// Where it runs, like production or staging, in logs and /version.
    "service.environment" service.environment;
    /// The path where GET answers 200 while the server works. No namespace can have its name.
    "service.healthcheck" service.healthcheck;
    /// How the tools that deploy a change bring it out: progressive or immediate. The server only checks it.
    "service.rollout.strategy" service.rollout.strategy;
    /// Whether they go back to the last good one when the health check fails: automatic or manual.
    "service.rollout.rollback" service.rollout.rollback;
};

/// Whether keys lie below `name`, as in `server.limits`.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}
