//! The distribution specification as this project means to keep it, one file for each group of endpoints.
//!
//! Every test speaks to the real application over a socket and runs on every backend. Facts and their sources:
//! distribution-spec 1.1.1 and what was merged after it.

mod blobs;
mod catalog;
mod chunked;
mod conditional;
mod delete;
mod helm;
mod leniency;
mod manifests;
mod mount;
mod policy;
mod push;
mod referrers;
mod replicas;
mod restart;
mod sha512;
mod tags;
mod wire;
