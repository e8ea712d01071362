//! Settings: YAML, environment and flags, merged into plain structs with the origin of each value.
//!
//! `value` and `address` read and write single values, `settings` is the tree that the other rooms are given.

mod address;
mod settings;
mod value;

pub use address::{CorsOrigin, ExternalUrl, HealthPath, Network, S3Location, StorageUrl};
pub use settings::{
    Anonymous, Auth, Cors, Limits, Log, LogFormat, Rollback, Rollout, RolloutStrategy, Server, Service,
    Settings, Storage, StorageMode,
};
pub use value::{ByteSize, Label, LogFilter, Value};
