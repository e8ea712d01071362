//! What can go wrong for a client, told so that a person knows what failed and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::StatusCode;

use crate::network::{self, CertificateFault};
use crate::oci::Digest;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),
    /// The registry said no.
    #[error("{0}")]
    Answer(Box<Answer>),
    /// No whole answer came.
    #[error("no answer to {what}: {}", network::failure_reason(.error))]
    Connection { what: String, error: reqwest::Error },
    /// The server's certificate was refused: nothing was sent.
    #[error("no answer to {what}: {}{}", .fault.text, if .fault.is_untrusted { " (--ca-file names certificates to trust)" } else { "" })]
    Certificate { what: String, fault: CertificateFault },
    /// The registry did what no registry may do; nothing was written and no credential was sent.
    #[error("refused: {0}")]
    Refused(String),
    #[error("{what} has other content than was asked for: expected {expected}, got {actual}")]
    Digest { what: String, expected: Digest, actual: Digest },
    #[error("{what} has {actual} bytes, but its manifest says {expected}")]
    Length { what: String, expected: u64, actual: u64 },
    #[error("{what} has more than {limit} bytes")]
    TooLarge { what: String, limit: u64 },
    #[error("cannot {doing} {path}")]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is not a chart package: {why}")]
    Package { path: PathBuf, why: String },
    #[error("{0}")]
    Credentials(String),
    /// What was asked for is not there, or not what it should be.
    #[error("{0}")]
    Unfit(String),
}

/// A status that is no success, with what the registry said about it.
#[derive(Debug)]
pub struct Answer {
    /// `GET https://host/v2/...`
    pub what: String,
    pub status: StatusCode,
    /// `CODE: message`, one for each error of the body.
    pub messages: Vec<String>,
    /// What this client knows about it.
    pub notes: Vec<String>,
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.status)?;
        for message in &self.messages {
            write!(f, ": {message}")?;
        }
        for note in &self.notes {
            write!(f, "; {note}")?;
        }
        match self.status {
            StatusCode::UNAUTHORIZED => f.write_str("; `charthouse login` stores credentials"),
            _ => Ok(()),
        }
    }
}

impl ClientError {
    pub fn file(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { doing, path: path.to_owned(), source }
    }

    /// Adds what this client knows about a refusal.
    pub fn with_note(mut self, note: String) -> Self {
        if let Self::Answer(answer) = &mut self {
            answer.notes.push(note);
        }
        self
    }

    /// The status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Answer(answer) => Some(answer.status),
            _ => None,
        }
    }

    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// Whether the registry knows nothing under the name, and has no other reason.
    pub fn is_unknown_name(&self) -> bool {
        let unknown = ["NAME_UNKNOWN", "MANIFEST_UNKNOWN", "UNKNOWN", "NOT_FOUND", "404"];
        match self {
            Self::Answer(answer) if answer.status == StatusCode::NOT_FOUND => {
                let mut codes = answer.messages.iter().filter_map(|message| message.split_once(':'));
                !codes.any(|(code, _)| is_code(code) && !unknown.contains(&code))
            }
            _ => false,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Answer(answer) => match answer.status {
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => true,
                StatusCode::NOT_IMPLEMENTED
                | StatusCode::HTTP_VERSION_NOT_SUPPORTED
                | StatusCode::INSUFFICIENT_STORAGE => false,
                status => status.is_server_error(),
            },
            // A certificate does not become good by asking again.
            Self::Connection { error, .. } => {
                !error.is_builder() && network::tls_error(error).is_none() && !is_refused_by_proxy(error)
            }
            _ => false,
        }
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answer(answer) => answer.retry_after,
            _ => None,
        }
    }
}

/// Whether a text is a code of the specification, such as `NAME_INVALID`.
fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Whether a proxy asks for a password: it would do so again.
fn is_refused_by_proxy(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.to_string().contains("proxy authorization required") {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> ClientError {
        ClientError::Answer(Box::new(Answer {
            what: "GET http://h/v2/".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            messages: vec!["DENIED: no".to_owned()],
            notes: Vec::new(),
            retry_after: None,
        }))
    }

    #[test]
    fn a_404_with_another_reason_is_told() {
        for (message, expected) in [
            ("NAME_UNKNOWN: no such repository", true),
            ("404 page not found", true),
            ("NAME_INVALID: `api` is reserved", false),
        ] {
            let mut error = answer(404);
            if let ClientError::Answer(answer) = &mut error {
                answer.messages = vec![message.to_owned()];
            }
            assert_eq!(error.is_unknown_name(), expected, "{message}");
        }
        assert!(!answer(403).is_unknown_name());
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, expected) in [
            (408, true),
            (429, true),
            (500, true),
            (503, true),
            (501, false),
            (505, false),
            (507, false),
            (404, false),
            (401, false),
        ] {
            assert_eq!(answer(status).is_transient(), expected, "{status}");
        }
        assert!(!ClientError::Refused(String::new()).is_transient());
    }

    #[test]
    fn a_refusal_names_request_status_and_reason() {
        assert_eq!(answer(403).to_string(), "GET http://h/v2/: 403 Forbidden: DENIED: no");
        assert!(answer(401).to_string().ends_with("`charthouse login` stores credentials"));
    }
}
