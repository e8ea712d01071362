//! The blob backend: five verbs on immutable objects
//! (docs/internals/journal-protocol.md#what-the-backend-must-do).
//!
//! Every object is written once, under a key that nothing else ever gets; the only conditional primitive is
//! *create if absent*. A backend knows neither repositories nor HTTP.

mod counted;
pub mod faulty;
mod fs;
mod http_requests;
mod memory;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(test)]
mod suite;

use std::borrow::Borrow;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

pub use counted::{Counted, Outcome, Requests};
pub use fs::{Fs, FsOpenError};
pub use http_requests::{HttpOperation, HttpOutcome, HttpRequests};
pub use memory::Memory;

/// Five verbs on immutable objects. Cancelling a call leaves the object whole or absent.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Creates `key` with the concatenation of `body`. When it returns, in either way, the object that is
    /// there is durable. Of any number of simultaneous creates of one key exactly one is `Created`.
    /// (So creating what is already there again makes sure that it is durable.) No key may be a folder of another.
    /// `body` is lent: its buffers are free when this returns.
    async fn create(&self, key: &Key, body: Vec<Bytes>) -> Result<Create, BackendError>;

    /// The bytes of `key`, or those of `range` (byte offsets). A range that reaches past the end is cut
    /// at the end; one that starts at or past the end gives no bytes.
    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError>;

    /// The keys that begin with `prefix` and are greater than `after`, in byte order, at most `limit` of them.
    /// Fewer than `limit` means that there are no more. An empty `after` starts at the beginning.
    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError>;

    /// Deletes the keys; those that are absent already count as deleted.
    async fn delete(&self, keys: &[Key]) -> Result<(), BackendError>;

    /// Creates `to` with the bytes of `from`, without moving them through this process where that is possible.
    async fn copy(&self, from: &Key, to: &Key) -> Result<Create, BackendError>;
}

/// A shared backend is a backend: several wrappers can stand around one.
#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    async fn create(&self, key: &Key, body: Vec<Bytes>) -> Result<Create, BackendError> {
        (**self).create(key, body).await
    }

    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError> {
        (**self).read(key, range).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError> {
        (**self).list(prefix, after, limit).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), BackendError> {
        (**self).delete(keys).await
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<Create, BackendError> {
        (**self).copy(from, to).await
    }
}

/// The methods of [`Backend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Create,
    Read,
    List,
    Delete,
    Copy,
}

impl Verb {
    pub const ALL: [Self; 5] = [Self::Create, Self::Read, Self::List, Self::Delete, Self::Copy];

    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Copy => "copy",
        }
    }
}

/// The outcome of a create that has an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    Created,
    AlreadyExists,
}

/// Why a backend did not do what it was asked.
#[derive(Debug, Error)]
pub enum BackendError {
    #[error("object {0} does not exist")]
    NotFound(Key),
    /// The store did not answer, or not usefully. Whether the operation took effect is **unknown**.
    #[error("the store did not answer: {0}")]
    Unavailable(#[source] io::Error),
    /// No effect: the disk or the quota is full.
    #[error("the store is full: {0}")]
    Full(#[source] io::Error),
    /// No effect: the store may only be read.
    #[error("the store is read-only: {0}")]
    ReadOnly(String),
    /// No effect: the credentials do not allow it.
    #[error("the store denied access: {0}")]
    Denied(String),
}

impl BackendError {
    /// Whether this call certainly had no effect. Of an earlier call, whose outcome was unknown, it says nothing.
    pub fn is_definite(&self) -> bool {
        !matches!(self, Self::Unavailable(_))
    }

    /// Whether waiting may help: silence and refused connections pass, what no store is does not become one.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(error) if error.kind() != io::ErrorKind::InvalidData)
    }
}

/// The name of an object: `/`-separated components of `A-Z a-z 0-9 . _ - !`, none of them empty, `.` or `..`,
/// at most 255 bytes each and 1,024 in all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("not an object key: {0:?}")]
pub struct InvalidKey(pub String);

impl Key {
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let legal = text.len() <= 1024 && text.split('/').all(is_component);
        if legal { Ok(Self(text)) } else { Err(InvalidKey(text.to_string())) }
    }

    /// For keys put together from names that were parsed: they are legal by construction.
    pub(crate) fn from_names(text: String) -> Self {
        debug_assert!(Self::new(text.as_str()).is_ok(), "{text}");
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Keys order as their text does, so a sorted map of keys can be searched by text.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn is_component(part: &str) -> bool {
    let legal_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'!');
    !matches!(part, "" | "." | "..") && part.len() <= 255 && part.bytes().all(legal_byte)
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
