//! Charts: archives, versions and the index. No I/O, no async.

mod version;

pub use version::{is_strict, version_of_tag};
