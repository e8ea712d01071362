//! Charts: metadata, versions, releases and the index of a repository. No I/O, no async.

pub mod archive;
mod artifact;
mod chart_yaml;
mod config;
mod constraint;
mod diff;
mod helm_yaml;
mod index;
mod metadata;
mod printable;
pub mod provenance;
mod release;
mod search;
mod version;
mod yaml;

pub use artifact::{Artifact, Named};
pub use config::Config;
pub use constraint::{Constraint, InvalidConstraint};
pub use diff::{Change, Difference, FieldChange, FileChange, difference};
pub use index::{Index, Listed, Rank, ServerInfo, entry};
pub use metadata::{Dependency, ImportValue, InvalidMetadata, MAX_METADATA, Maintainer, Metadata};
pub use release::{MAX_CONFIG, Release, Unlisted, package_of, provenances_of};
pub use search::{InvalidTerms, Relevance, Searchable, Terms};
pub use version::{is_strict, lax, precedence, respelled, tag_of_version, version_of_tag};
pub use yaml::to_string as to_harmless_json;
