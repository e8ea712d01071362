//! What the integration tests share.

pub mod alone;
pub mod app;
pub mod artifact;
pub mod charts;
pub mod command;
pub mod distribution;
pub mod folder;
pub mod hostile;
pub mod hostile_registry;
pub mod http;
pub mod index;
pub mod messages;
pub mod nginx;
pub mod registry;
pub mod release;
pub mod s3;
pub mod server;
pub mod tools;
