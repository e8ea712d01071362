//! A client of charthouse and of any other OCI registry: push, pull, copy and what looks at charts.
//!
//! It trusts no registry: bytes are checked against their digest before they appear under their name, credentials go
//! to the registry they are for, and nothing is written outside the folder that was asked for.

mod answer;
mod auth;
mod body;
mod chart;
mod choose;
mod config;
mod error;
mod files;
mod progress;
mod pull;
mod push;
mod reference;
mod registry;
mod transport;

pub use auth::{Credentials, Stores};
pub use choose::{Chosen, Tagged, Wanted, choose, versions};
pub use error::{Answer, ClientError};
pub use progress::{Bar, Progress, Silent};
pub use pull::{PullOptions, Pulled, pull};
pub use push::{Prepared, Pushed};
pub use reference::{ChartReference, Host, Place, Repository};
pub use registry::Registry;
pub use transport::{Options, Transport};
