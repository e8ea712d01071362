//! Settings: YAML, environment and flags, merged into plain structs with the origin of each value.
//!
//! `keys` is the one table of settings; `load` merges the sources over it. `value`, `address`, `storage_url` and the files read and write single values, `settings` is the tree that the other rooms are given.

mod address;
mod environment;
mod file;
mod keyring;
mod keys;
mod load;
mod named_file;
mod pem_file;
mod print;
mod settings;
mod storage_url;
mod suggestion;
mod value;

#[cfg(test)]
mod tests;

pub use address::{CorsOrigin, ExternalUrl, HealthPath, Listen, Network};
pub use keyring::KeyringFile;
pub use keys::{KEYS, Key};
pub use load::{ConfigError, Loaded, Origin, load};
pub use pem_file::PemFile;
pub use print::print;
pub use settings::{
    Anonymous, Artifacts, Auth, Cors, Limits, Log, LogFormat, Metrics, Policy, Provenance, Rollback, Rollout,
    RolloutStrategy, Server, Service, Settings, Storage, StorageMode, Violation,
};
pub use storage_url::{S3Location, StorageUrl};
pub use value::{ByteSize, Label, LogFilter, Value};
