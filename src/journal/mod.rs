//! The journal: commits, the fold, checkpoints, and the machines that append and read (docs/internals/journal-protocol.md).
//!
//! It knows neither HTTP nor policy by name.

mod actor;
mod checkpoint;
mod commit;
mod damage;
mod decide;
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
mod undo;

pub use actor::{Actor, PrincipalName, Via};
pub use commit::{is_sealed, seal};
pub use damage::{DamageCounts, DamageKind};
pub use error::{JournalError, ProposeError};
pub use fold::NotRestorable;
pub use freshness::noticed;
pub use layout::{Layout, OpenError};
pub use machine::{Mode, Outcome};
pub use op::{
    AttachedBody, BodiesOp, ChartRecord, Crc32c, DropOp, EraseOp, FenceOp, PurgeOp, ReapOp, RestoreOp,
    UndoKey, Was,
};
pub use policy::{AllLoose, Firmness, TagPolicy};
pub use probe::ProbeError;
pub use proposal::{Body, Change, MAX_ATTACHED, NewManifest, Piece, Proposal, Referrer, Refusal, Replace};
pub use state::{
    CommitPlace, Condemned, Content, Extent, Manifest, ManifestEntry, Place, Release, Repository, Revision,
    State, TagEntry, Totals, Yank, created_at,
};
pub use store::{Journals, Options};
pub use undo::{Removal, RemovedTag, Undo, UndoBlob, UndoManifest, UndoTag};

#[cfg(test)]
mod recount;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod tests;
