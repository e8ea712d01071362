//! Charts: archives, versions and the index. No I/O, no async.

mod release;
mod version;

pub use release::{Release, is_release};
pub use version::{is_strict, version_of_tag};
