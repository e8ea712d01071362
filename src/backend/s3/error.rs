//! What an answer of the service, or its silence, says about the object and about what was asked.

use std::error::Error;
use std::io;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::http::NoAnswer;
use crate::backend::{BackendError, Key};
use crate::network::{causes, failure_reason};

/// The error of an operation, as the SDK has one for each.
pub trait Refusal: ProvideErrorMetadata + Error + Send + Sync + 'static {}

impl<E: ProvideErrorMetadata + Error + Send + Sync + 'static> Refusal for E {}

pub enum Failure {
    /// 412: the key exists.
    Taken,
    /// The object does not exist.
    Absent(Key),
    /// 416: the object is there, but the range is not.
    PastTheEnd,
    /// No effect, and it may be asked again: too much at once, or another create of the same key is under way.
    Refused(io::Error),
    /// It may have had an effect.
    Unknown(io::Error),
    /// No effect, and asking again will not help.
    Final(BackendError),
}

impl Failure {
    pub fn silent() -> Self {
        Self::Unknown(io::ErrorKind::TimedOut.into())
    }

    /// `about` is the object that the request was about, if there is one.
    pub fn of<E: Refusal>(
        error: &SdkError<E, HttpResponse>,
        status: Option<u16>,
        about: Option<&Key>,
    ) -> Self {
        let code = error.code().unwrap_or_default();
        match status {
            // A success that broke off or makes no sense is none, and no refusal either.
            None | Some(200..=299) => Self::Unknown(unanswered(error)),
            Some(status) => Self::of_answer(status, code, answered(error, status, code), about),
        }
    }

    /// `status` and `code` of an answer that is no success. A code is missing when it was not an S3 service that
    /// answered, but something on the way to it.
    fn of_answer(status: u16, code: &str, told: String, about: Option<&Key>) -> Self {
        let error = || io::Error::other(told.clone());
        match (status, code) {
            (412, _) => Self::Taken,
            (404, "NoSuchKey") => match about {
                Some(key) => Self::Absent(key.clone()),
                None => Self::Unknown(error()),
            },
            (416, _) => Self::PastTheEnd,
            (409, _) | (429, _) | (503, "SlowDown" | "SlowDownRead" | "SlowDownWrite") => {
                Self::Refused(error())
            }
            // The body was damaged on its way: nothing was kept.
            (400, "BadDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody") => Self::Refused(error()),
            (507, _) | (_, "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded") => {
                Self::Final(BackendError::Full(error()))
            }
            // A service has a code for everything; the SDK has one for an empty 404.
            (404, "" | "NotFound") => Self::Unknown(misplaced(format!(
                "{told} (no S3 service answers there: look at the endpoint in storage.url)"
            ))),
            (300..=399, "") => Self::Final(BackendError::Denied(format!(
                "{told} (the endpoint in storage.url sends elsewhere: name that address, with https if it wants it)"
            ))),
            (501, _) => Self::Final(BackendError::Denied(advised(code, told))),
            (400, "RequestTimeout" | "ExpiredToken") | (408 | 500.., "") | (500.., _) => {
                Self::Unknown(error())
            }
            _ => Self::Final(BackendError::Denied(advised(code, told))),
        }
    }

    pub fn ended(self) -> Ended {
        Ended::Error(match self {
            Self::PastTheEnd => return Ended::PastTheEnd,
            Self::Absent(key) => BackendError::NotFound(key),
            Self::Refused(error) | Self::Unknown(error) => BackendError::Unavailable(error),
            Self::Final(error) => error,
            Self::Taken => BackendError::Denied("a condition that nobody set does not hold".to_owned()),
        })
    }
}

/// Why there is no result in the end.
pub enum Ended {
    /// The object is there, but the range is not.
    PastTheEnd,
    Error(BackendError),
}

impl From<Ended> for BackendError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Error(error) => error,
            Ended::PastTheEnd => Self::Denied("it refuses a range that nobody asked for".to_owned()),
        }
    }
}

/// One line for the log.
fn answered<E: Refusal>(error: &SdkError<E, HttpResponse>, status: u16, code: &str) -> String {
    let answer = format!("{status} {code}");
    match error.message() {
        Some(message) => format!("{}: {message}", answer.trim_end()),
        None => answer.trim_end().to_owned(),
    }
}

/// Why nothing was answered: what is above the cause are the SDK's own words.
fn unanswered<E: Refusal>(error: &SdkError<E, HttpResponse>) -> io::Error {
    let known = causes(error).find_map(|cause| cause.downcast_ref::<NoAnswer>());
    match known {
        Some(known) if known.may_pass => io::Error::other(known.to_string()),
        Some(known) => misplaced(known.to_string()),
        None => io::Error::other(failure_reason(error)),
    }
}

/// An error of what cannot be an S3 service: waiting does not mend it.
fn misplaced(told: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, told)
}

/// What the operator can do about a refusal.
fn advised(code: &str, told: String) -> String {
    let advice = match code {
        "NoSuchBucket" => "create the bucket, or name another one in storage.url",
        "AccessDenied" => {
            "the credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket"
        }
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" => {
            "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
        "RequestTimeTooSkewed" => "set the clock of this machine",
        "PermanentRedirect" | "AuthorizationHeaderMalformed" => "name the bucket's region in storage.url",
        "NotImplemented" => "this service has no conditional writes",
        _ => return told,
    };
    format!("{told} ({advice})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let key = Key::new("a/b").unwrap();
        let class = |status, code: &str, key: Option<&Key>| match Failure::of_answer(
            status,
            code,
            String::new(),
            key,
        ) {
            Failure::Taken => "taken",
            Failure::Absent(_) => "absent",
            Failure::PastTheEnd => "past the end",
            Failure::Refused(_) => "refused",
            Failure::Unknown(_) => "unknown",
            Failure::Final(BackendError::Full(_)) => "full",
            Failure::Final(_) => "denied",
        };
        #[rustfmt::skip]
        let table = [
            (412, "PreconditionFailed", "taken"), (412, "", "taken"),
            (409, "ConditionalRequestConflict", "refused"), (409, "OperationAborted", "refused"),
            (404, "NoSuchKey", "absent"), (404, "NoSuchBucket", "denied"), (404, "", "unknown"), (404, "NotFound", "unknown"), (302, "", "denied"),
            (416, "InvalidRange", "past the end"), (429, "", "refused"),
            (503, "SlowDown", "refused"), (503, "SlowDownWrite", "refused"), (503, "ServiceUnavailable", "unknown"),
            (503, "", "unknown"), (500, "InternalError", "unknown"), (502, "", "unknown"), (504, "", "unknown"),
            (400, "BadDigest", "refused"), (400, "XAmzContentSHA256Mismatch", "refused"), (400, "RequestTimeout", "unknown"),
            (400, "ExpiredToken", "unknown"), (400, "InvalidArgument", "denied"),
            (403, "AccessDenied", "denied"), (403, "", "denied"), (401, "", "denied"), (403, "QuotaExceeded", "full"),
            (507, "XMinioStorageFull", "full"), (507, "", "full"), (301, "PermanentRedirect", "denied"),
            (501, "NotImplemented", "denied"),
        ];
        for (status, code, expected) in table {
            assert_eq!(class(status, code, Some(&key)), expected, "{status} {code}");
        }
        assert_eq!(class(404, "NoSuchKey", None), "unknown", "of a listing");
    }
}
