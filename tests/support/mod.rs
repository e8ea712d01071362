//! What the integration tests share.

pub mod charts;
pub mod command;
pub mod server;
pub mod tools;
