//! Why the journal could not answer. What a proposal itself did wrong is a [`Refusal`].

use thiserror::Error;
use uuid::Uuid;

use super::commit::MalformedCommit;
use super::fold::FoldError;
use super::machine::PATIENCE;
use super::proposal::Refusal;
use crate::backend::BackendError;

#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// Nothing was found out; the same request may succeed later.
    #[error("the store is not reachable: {0}")]
    Unavailable(String),
    #[error("the store is full: {0}")]
    Full(String),
    #[error("the store is read-only: {0}")]
    ReadOnly(String),
    #[error("the store denies access: {0}")]
    Denied(String),
    /// The journal is damaged: the namespace is refused until an operator has restored it.
    #[error("the journal is broken: {0}")]
    Broken(String),
    /// The journal is sound, but this release cannot read it: the namespace is refused.
    #[error("the journal needs a newer release: {0}")]
    Newer(String),
    /// The process ends, because what it knows of the store is not all.
    #[error(
        "another server ({0}) writes to this store, but this one was started in single mode: stop one of them, or set \
         `storage.mode: shared` for both"
    )]
    Foreign(Uuid),
    #[error("the namespace's writer failed and starts again")]
    Panicked,
}

#[derive(Clone, Debug, Error)]
pub enum ProposeError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("too many changes of this namespace are waiting: try again later")]
    Busy,
    #[error("the store did not say whether the change took effect: repeat the request")]
    Unknown,
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl JournalError {
    /// Whether the namespace is refused: nothing in it is read or written until an operator has repaired it.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Newer(_))
    }

    /// The store has not answered for as long as a request waits.
    pub(super) fn silent() -> Self {
        Self::Unavailable(format!("it has not answered for {} s", PATIENCE.as_secs()))
    }
}

impl From<FoldError> for JournalError {
    fn from(error: FoldError) -> Self {
        match &error {
            FoldError::Malformed {
                source: MalformedCommit::Version(_) | MalformedCommit::UnknownOp(_),
                ..
            } => Self::Newer(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl From<&BackendError> for JournalError {
    fn from(error: &BackendError) -> Self {
        match error {
            BackendError::NotFound(_) | BackendError::Unavailable(_) => Self::Unavailable(error.to_string()),
            BackendError::Full(source) => Self::Full(source.to_string()),
            BackendError::ReadOnly(reason) => Self::ReadOnly(reason.clone()),
            BackendError::Denied(reason) => Self::Denied(reason.clone()),
        }
    }
}
