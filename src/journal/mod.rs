//! The journal: commits, the fold, checkpoints, and the machines that append and read (JOURNAL.md).
//!
//! It knows neither HTTP nor policy by name.

mod checkpoint;
mod commit;
mod damage;
mod driver;
mod error;
mod fold;
mod freshness;
pub mod keys;
mod layout;
mod machine;
mod op;
mod policy;
mod probe;
mod proposal;
mod state;
mod store;
pub mod transfer;

pub use damage::{DamageCounts, DamageKind};
pub use error::{JournalError, ProposeError};
pub use freshness::noticed;
pub use layout::{Layout, OpenError};
pub use machine::{Mode, Outcome};
pub use op::Crc32c;
pub use policy::{AllLoose, Firmness, TagPolicy};
pub use probe::ProbeError;
pub use proposal::{Body, Change, MAX_ATTACHED, NewManifest, Piece, Proposal, Refusal, Replace};
pub use state::{
    Content, Extent, Manifest, ManifestEntry, Place, Release, Repository, Revision, State, TagEntry,
    created_at,
};
pub use store::{Journals, Options};

#[cfg(test)]
mod recount;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod tests;
