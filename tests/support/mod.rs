//! What the integration tests share.

pub mod app;
pub mod artifact;
pub mod charts;
pub mod command;
pub mod http;
pub mod registry;
pub mod server;
pub mod tools;
