//! What the integration tests share.

pub mod app;
pub mod artifact;
pub mod charts;
pub mod command;
pub mod hostile;
pub mod http;
pub mod index;
pub mod registry;
pub mod release;
pub mod server;
pub mod tools;
