//! Stores in S3: two real servers, and a double that fails on demand.

mod backend;
mod costs;
mod large;
mod linearizable;
mod outage;
mod probe;
mod single;
mod soak;
mod start;
