//! An operator's commands on whole stores, as the real binary runs them.

mod copy;
mod s3;
