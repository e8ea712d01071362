//! charthouse: a registry for Helm charts.
//!
//! Each module is a room of ARCHITECTURE.md; a room may use only what stands to its right:
//! `cli -> {server -> {registry, auth} -> journal -> backend, client}`, with the pure `oci`, `chart` and
//! `clock` open to all, and `network` to those who connect to others.
#![forbid(unsafe_code)]

pub mod auth;
pub mod backend;
pub mod chart;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod journal;
pub mod network;
pub mod oci;
pub mod registry;
pub mod server;
pub mod telemetry;
