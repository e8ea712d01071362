//! An operator's commands on whole stores, as the real binary runs them.

pub(crate) mod copy;
mod s3;
