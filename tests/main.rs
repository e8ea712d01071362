//! Every integration test in one binary: it links once and shares `support`.

mod clients;
mod commands;
mod durability;
mod fixtures;
mod rooms;
mod support;
