//! What went wrong, as a status, a code and a message: the one table (docs/internals/oci-protocol.md#errors).
//!
//! A 4xx says which rule was broken and what to do. A 5xx carries a code and the request id only; what happened
//! is in the log under that id.

use actix_http::header::{ALLOW, CONTENT_RANGE, HeaderValue, RETRY_AFTER};
use actix_http::{ConnectionType, StatusCode};
use serde_json::json;
use thiserror::Error;
use tokio::task::JoinError;

use super::body::BodyError;
use super::headers::{JSON, TEXT};
use super::oci::uploads::point_to;
use super::reply::{Reply, set, set_text, whole};
use crate::journal::{JournalError, Refusal};
use crate::oci::{
    ErrorCode, InvalidDigest, InvalidEntityTag, InvalidUploadRange, Reason, Refusal as Misrouted,
    RepositoryName, below_api, below_v2, error_body,
};
use crate::registry::{Error, Fault};

/// Why a request has no better answer.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("{}", .0.message)]
    Request(Misrouted),
    #[error(transparent)]
    Registry(#[from] Error),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the Range lies behind the end of what has {size} bytes")]
    Range { size: u64 },
    #[error("Content-Type {0}: a manifest is pushed with the media type it will be served with")]
    ContentType(&'static str),
    #[error(transparent)]
    ContentRange(#[from] InvalidUploadRange),
    #[error(transparent)]
    EntityTag(#[from] InvalidEntityTag),
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    #[error("the body {0}")]
    Form(String),
    #[error("{0}")]
    Denied(&'static str),
    #[error(
        "the request has more than one Authorization header, so it is not clear who sends it; send one, and let no \
         proxy add another"
    )]
    SeveralAuthorizations,
    #[error("the server is read-only (storage.read_only): nothing can be pushed or deleted now")]
    ReadOnly,
    #[error(
        "what was known before the store stopped answering does not have it; whether it is there now is not known"
    )]
    Behind,
    #[error("the work on the request failed: {0}")]
    Failed(#[from] JoinError),
    #[error("the answer could not be written: {0}")]
    Answer(#[from] serde_json::Error),
}

/// How a refusal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As the distribution API has it, and the JSON API.
    Json,
    /// `{"error": "..."}`, as ChartMuseum has it.
    Museum,
    /// For people: clients of a chart repository show it as it is.
    Text,
}

impl Form {
    pub(super) fn of(path: &str) -> Self {
        match () {
            () if below_v2(path).or(below_api(path)).is_some() => Self::Json,
            () if path.starts_with("/api/") && !path.ends_with("/index.yaml") => Self::Museum,
            () => Self::Text,
        }
    }
}

impl Failure {
    /// The table. Codes of the client's errors are those of the specification.
    fn row(&self) -> (StatusCode, ErrorCode) {
        match self {
            Self::Request(refusal) => (of_route(refusal.reason), refusal.code),
            Self::Registry(error) => of_registry(error),
            Self::Body(error) => of_body(error),
            Self::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::SizeInvalid),
            Self::ContentType(_) => (StatusCode::BAD_REQUEST, ErrorCode::ManifestInvalid),
            Self::ContentRange(_) => (StatusCode::BAD_REQUEST, ErrorCode::BlobUploadInvalid),
            Self::EntityTag(_) => (StatusCode::BAD_REQUEST, ErrorCode::Unsupported),
            Self::Digest(_) => (StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid),
            Self::Form(_) => (StatusCode::BAD_REQUEST, ErrorCode::Unsupported),
            Self::Denied(_) => (StatusCode::FORBIDDEN, ErrorCode::Denied),
            Self::SeveralAuthorizations => (StatusCode::BAD_REQUEST, ErrorCode::Unsupported),
            Self::ReadOnly => (StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported),
            Self::Behind => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable),
            // The server ends, and with it the runtime that did the work: another one can do it.
            Self::Failed(error) if error.is_cancelled() => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable)
            }
            Self::Failed(_) | Self::Answer(_) => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Unknown),
        }
    }

    /// The methods that the path has, of which this request's was not allowed.
    fn allowed(&self) -> &'static str {
        match self {
            Self::Request(Misrouted { reason: Reason::MethodNotAllowed(methods), .. }) => methods,
            _ => "GET, HEAD",
        }
    }

    /// The answer. What is the server's own trouble is logged here, under the id of the request.
    pub(super) fn reply(&self, form: Form, request: &str, repository: Option<&RepositoryName>) -> Reply {
        let (status, code) = self.row();
        let own = status.is_server_error();
        if own {
            tracing::error!(request, status = status.as_u16(), error = %self, "a request failed");
        }
        let message = match own {
            true if matches!(self, Self::Registry(Error::Store(error)) if error.is_refusal()) => REFUSED,
            true => "the server cannot do this now; its log says why, under the id of the request",
            false => &self.to_string(),
        };
        let mut reply = match (form, own) {
            (Form::Json, _) => whole(status, JSON, error_body(code, message, own.then_some(request))),
            (Form::Museum, true) => {
                whole(status, JSON, json!({"error": message, "request": request}).to_string())
            }
            (Form::Museum, false) => whole(status, JSON, json!({"error": message}).to_string()),
            (Form::Text, true) => whole(status, TEXT, format!("{message} {request}\n")),
            (Form::Text, false) => whole(status, TEXT, format!("{message}\n")),
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            set(&mut reply, RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            set(&mut reply, ALLOW, HeaderValue::from_static(self.allowed()));
        }
        match self {
            Self::Range { size } => set_text(&mut reply, CONTENT_RANGE, &format!("bytes */{size}")),
            Self::Body(_) | Self::Registry(Error::Body(_)) | Self::SeveralAuthorizations => {
                reply.head_mut().set_connection_type(ConnectionType::Close);
            }
            _ => {}
        }
        if let (Self::Registry(Error::RangeNotSatisfiable { have, session }), Some(repository)) =
            (self, repository)
        {
            point_to(&mut reply, repository, session, *have);
        }
        reply
    }
}

fn of_route(reason: Reason) -> StatusCode {
    match reason {
        Reason::BadRequest => StatusCode::BAD_REQUEST,
        Reason::NotFound => StatusCode::NOT_FOUND,
        Reason::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
        Reason::UriTooLong => StatusCode::URI_TOO_LONG,
    }
}

fn of_registry(error: &Error) -> (StatusCode, ErrorCode) {
    match error {
        Error::NameUnknown(_) | Error::NamespaceUnknown(_) | Error::ChartUnknown(_) => {
            (StatusCode::NOT_FOUND, ErrorCode::NameUnknown)
        }
        Error::VersionUnknown { .. } | Error::NoVersion { .. } | Error::NotAVersion { .. } => {
            (StatusCode::NOT_FOUND, ErrorCode::ManifestUnknown)
        }
        Error::VersionInvalid | Error::ConstraintInvalid(_) | Error::SearchInvalid(_) => {
            (StatusCode::BAD_REQUEST, ErrorCode::Unsupported)
        }
        Error::ChartFileUnknown(_)
        | Error::FileUnknown(_)
        | Error::PackageUnreadable(_)
        | Error::ArtifactHubUnknown { .. } => (StatusCode::NOT_FOUND, ErrorCode::BlobUnknown),
        Error::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Unknown),
        Error::NotAChart(_) | Error::Chart(Fault::Unsigned) => (StatusCode::FORBIDDEN, ErrorCode::Denied),
        Error::Chart(_) | Error::ChartVersion(_) | Error::Provenance(_) => {
            (StatusCode::BAD_REQUEST, ErrorCode::ManifestInvalid)
        }
        Error::ChartName { .. } => (StatusCode::BAD_REQUEST, ErrorCode::NameInvalid),
        Error::BlobUnknown(_) | Error::Damaged(_) => (StatusCode::NOT_FOUND, ErrorCode::BlobUnknown),
        Error::ManifestUnknown(_) => (StatusCode::NOT_FOUND, ErrorCode::ManifestUnknown),
        Error::UploadUnknown => (StatusCode::NOT_FOUND, ErrorCode::BlobUploadUnknown),
        Error::DigestMismatch { .. } => (StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid),
        Error::SizeMismatch { .. } => (StatusCode::BAD_REQUEST, ErrorCode::SizeInvalid),
        Error::RangeNotSatisfiable { .. } => {
            (StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::BlobUploadInvalid)
        }
        Error::ManifestInvalid(_) => (StatusCode::BAD_REQUEST, ErrorCode::ManifestInvalid),
        Error::Refused(refusal) => of_journal(refusal),
        Error::Occupied { refusal, .. } => of_journal(refusal),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid),
        Error::Body(error) => error.0.downcast_ref().map_or(BROKEN, of_body),
        Error::Busy | Error::OutcomeUnknown | Error::Unreadable(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable)
        }
        Error::Store(error) => of_store(error),
    }
}

fn of_journal(refusal: &Refusal) -> (StatusCode, ErrorCode) {
    match refusal {
        Refusal::BlobUnknown(_) => (StatusCode::NOT_FOUND, ErrorCode::BlobUnknown),
        Refusal::ManifestUnknown(_) | Refusal::TagUnknown(_) => {
            (StatusCode::NOT_FOUND, ErrorCode::ManifestUnknown)
        }
        Refusal::ReferenceUnknown(_) => (StatusCode::NOT_FOUND, ErrorCode::ManifestBlobUnknown),
        Refusal::SizeMismatch { .. } => (StatusCode::BAD_REQUEST, ErrorCode::SizeInvalid),
        Refusal::Referenced { .. } | Refusal::Retained(_) => {
            (StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Denied)
        }
        Refusal::Immutable { .. }
        | Refusal::Undeletable { .. }
        | Refusal::Taken { .. }
        | Refusal::NotRestorable(_)
        | Refusal::OtherRules => (StatusCode::CONFLICT, ErrorCode::Denied),
        Refusal::YankText(_) => (StatusCode::BAD_REQUEST, ErrorCode::Unsupported),
        Refusal::NewerRelease(_) => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable),
        Refusal::Precondition(_) => (StatusCode::PRECONDITION_FAILED, ErrorCode::Denied),
        Refusal::UploadExpired => (StatusCode::NOT_FOUND, ErrorCode::BlobUploadUnknown),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ManifestInvalid),
    }
}

/// No trouble of the store is a 404: the content may well be there.
fn of_store(error: &JournalError) -> (StatusCode, ErrorCode) {
    match error {
        JournalError::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, ErrorCode::Unavailable),
        JournalError::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Unknown),
        _ => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable),
    }
}

/// What is told of a namespace whose journal cannot be read.
const REFUSED: &str = "the journal of this namespace is damaged or needs a newer release, so nothing in it is read or \
    written: ask the operator of this registry, whose log says why, under the id of the request";

const BROKEN: (StatusCode, ErrorCode) = (StatusCode::BAD_REQUEST, ErrorCode::SizeInvalid);

fn of_body(error: &BodyError) -> (StatusCode, ErrorCode) {
    match error {
        BodyError::Idle(_) | BodyError::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, ErrorCode::SizeInvalid),
        BodyError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid),
        BodyError::Broken(_) | BodyError::Gone => BROKEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_ends_with_its_server_may_be_asked_for_again() {
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        let cancelled = Failure::Failed(task.await.unwrap_err()).reply(Form::Json, "id", None);
        assert_eq!(cancelled.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(cancelled.headers().contains_key(RETRY_AFTER));
        let panicked = tokio::spawn(async { panic!("a test wants this panic") }).await.unwrap_err();
        let panicked = Failure::Failed(panicked).reply(Form::Json, "id", None);
        assert_eq!(panicked.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
