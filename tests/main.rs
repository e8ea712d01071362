//! Every integration test in one binary: it links once and shares `support`.

mod api;
mod bad_input;
mod charts;
mod citations;
mod client;
mod clients;
mod commands;
mod conformance;
mod durability;
mod fixtures;
mod golden;
mod museum;
mod operations;
mod repository;
mod rooms;
mod s3;
mod storage;
mod support;
mod web;

/// Counts the heap, for the tests that watch it.
#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
