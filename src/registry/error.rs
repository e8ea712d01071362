//! Why an operation of the registry was not carried out. Which status a client sees is decided in `server/`.
//!
//! Each message names the rule that was broken and what to do about it. `Store`, `Busy`, `OutcomeUnknown`,
//! `Damaged` and `Unreadable` are the registry's own troubles; all others are the client's.

use std::sync::Arc;

use thiserror::Error;

use super::repacked::Repacked;
use super::uploads::Session;
use super::vetting::Fault;
use crate::backend::BackendError;
use crate::chart::InvalidConstraint;
use crate::chart::provenance::InvalidProvenance;
use crate::journal::{JournalError, ProposeError, Refusal};
use crate::oci::{ChartFile, Digest, InvalidName, ManifestError, Namespace, Reference, RepositoryName, Tag};

#[derive(Clone, Debug, Error)]
pub enum Error {
    #[error("repository {0} is not known: push to it first")]
    NameUnknown(RepositoryName),
    #[error("there is no chart repository at /{0}: nothing was ever pushed to that namespace")]
    NamespaceUnknown(Namespace),
    #[error("there is no {0} here: index.yaml lists what there is")]
    ChartFileUnknown(ChartFile),
    #[error("there is no chart {0}: nothing that an index lists was pushed to it")]
    ChartUnknown(RepositoryName),
    #[error("there is no version {version} of the chart {repository}")]
    VersionUnknown { repository: RepositoryName, version: String },
    #[error("`last` is no version: it is the last one of the page before")]
    VersionInvalid,
    #[error("no version of the chart {repository} satisfies `{constraint}`")]
    NoVersion { repository: RepositoryName, constraint: String },
    #[error(transparent)]
    ConstraintInvalid(#[from] InvalidConstraint),
    #[error("{0}")]
    SearchInvalid(String),
    #[error(
        "helm pull takes the tag {tag} of {repository} for this, which stands for no version of its chart: name a version"
    )]
    NotAVersion { repository: RepositoryName, tag: Tag },
    #[error(
        "there is no artifacthub-repo.yml for the namespace `{namespace}`: {why}; push one to the repository with the \
         namespace's name, as Artifact Hub describes it for OCI repositories, under the tag artifacthub.io"
    )]
    ArtifactHubUnknown { namespace: Namespace, why: &'static str },
    #[error("this version of the chart has no {0}")]
    FileUnknown(&'static str),
    #[error("the package of this version cannot be looked into: {0}")]
    PackageUnreadable(String),
    #[error("what was asked for could not be made")]
    Panicked,
    #[error(transparent)]
    Chart(#[from] Fault),
    #[error(
        "{0} is refused, because this registry takes charts only (policy.artifacts): beside them what has a `subject`, tags that begin with sha256- and Artifact Hub's metadata"
    )]
    NotAChart(String),
    #[error(transparent)]
    Provenance(#[from] InvalidProvenance),
    #[error("the chart's name {name:?} cannot be that of a repository: {error}")]
    ChartName { name: String, error: InvalidName },
    #[error("the chart's version {0:?} cannot be a tag: it has more than 128 characters")]
    ChartVersion(String),
    #[error("blob {0} is not in this repository")]
    BlobUnknown(Digest),
    #[error("manifest {0} is not in this repository")]
    ManifestUnknown(Reference),
    #[error("the upload session is not known, was cancelled or is older than 24 hours: start a new upload")]
    UploadUnknown,
    #[error(
        "the content has digest {actual} instead of {expected}: it was changed on the way, upload it again"
    )]
    DigestMismatch { expected: Digest, actual: Digest },
    #[error("the body has {actual} bytes where its Content-Range says {expected}")]
    SizeMismatch { expected: u64, actual: u64 },
    /// The session survives: `session` is its current name.
    #[error("chunks are taken in order and the upload has {have} bytes: continue from byte {have}")]
    RangeNotSatisfiable { have: u64, session: Session },
    #[error(transparent)]
    ManifestInvalid(#[from] ManifestError),
    #[error(transparent)]
    Refused(Refusal),
    /// Another package has the version.
    #[error("{refusal}. {how}")]
    Occupied { refusal: Box<Refusal>, how: Repacked },
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge { what: &'static str, limit: u64 },
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("too much is waiting to be written: try again later")]
    Busy,
    #[error("the store did not say whether the change took effect: repeat the request")]
    OutcomeUnknown,
    /// The journal says so; content heals when it is pushed again.
    #[error("the stored bytes of {0} are lost or damaged: push it again")]
    Damaged(Digest),
    /// Nothing is recorded of it: whether the bytes are lost is not known.
    #[error("the stored bytes of {0} could not be read without fault: try again later")]
    Unreadable(Digest),
    #[error(transparent)]
    Store(#[from] JournalError),
}

/// Why the body of a request was not read to its end; the cause is the server's own.
#[derive(Clone, Debug, Error)]
#[error("the request body was not read to its end: {0}")]
pub struct BodyError(#[source] pub Arc<dyn std::error::Error + Send + Sync>);

impl From<BackendError> for Error {
    fn from(error: BackendError) -> Self {
        Self::Store(JournalError::from(&error))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        ProposeError::Refused(refusal).into()
    }
}

impl From<ProposeError> for Error {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::Refused(Refusal::BlobUnknown(digest)) => Self::BlobUnknown(digest),
            ProposeError::Refused(Refusal::ManifestUnknown(digest)) => {
                Self::ManifestUnknown(Reference::Digest(digest))
            }
            ProposeError::Refused(Refusal::TagUnknown(tag)) => Self::ManifestUnknown(Reference::Tag(tag)),
            ProposeError::Refused(refusal) => Self::Refused(refusal),
            ProposeError::Busy => Self::Busy,
            ProposeError::Unknown => Self::OutcomeUnknown,
            ProposeError::Journal(error) => Self::Store(error),
        }
    }
}
