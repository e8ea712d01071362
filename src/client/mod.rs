//! A client of charthouse and of any other OCI registry: push, pull, copy and what looks at charts.
//!
//! It trusts no registry: bytes are checked against their digest before they appear under their name, credentials go
//! to the registry they are for, and nothing is written outside the folder that was asked for.

mod answer;
mod auth;
mod body;
mod chart;
mod choose;
mod copy;
mod diff;
mod error;
mod files;
mod list;
mod progress;
mod pull;
mod push;
mod reference;
mod registry;
mod show;
pub mod text;
mod transport;
mod untagged;
mod verify;

pub use auth::{Credentials, Source, Stores};
pub use choose::{Chosen, Tagged, Wanted, choose, versions};
pub use copy::{Copy, Sent, Site};
pub use error::{Answer, ClientError};
pub use list::{Listed, list, search};
pub use progress::{Bar, Progress, Silent};
pub use pull::{Aside, PullOptions, Pulled, pull, pull_aside, read_keyring, verify_chart, verify_file};
pub use push::{Prepared, Pushed};
pub use reference::{ChartReference, Host, Place, Repository};
pub use registry::Registry;
pub use show::{Change, Difference, Documents, differences, documents};
pub use transport::{Options, Transport};
pub use untagged::{Untagged, untagged};
pub use verify::Verified;
