//! Why a connection brought no answer, in words for users: what libraries say of it names their own parts.

use std::error::Error;
use std::io::{self, ErrorKind};

use super::tls::{certificate_fault, tls_error};

/// Returns why a request had no answer, as the end of a sentence.
pub fn failure_reason(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = tls_error(error) {
        return match (certificate_fault(error), error) {
            (Some(fault), _) => fault.text.to_owned(),
            (None, rustls::Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
            _ => "TLS could not be agreed on".to_owned(),
        };
    }
    let said = causes(error).map(ToString::to_string).last().unwrap_or_default();
    if said.contains("failed to lookup address") {
        return "its host name cannot be resolved".to_owned();
    }
    match causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => "the connection was refused".to_owned(),
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
            "no network leads to it".to_owned()
        }
        Some(ErrorKind::TimedOut) => "it did not answer in time".to_owned(),
        Some(
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof,
        ) => "the connection was closed".to_owned(),
        _ if said.contains("before message completed") => {
            "the connection was closed before the answer was complete".to_owned()
        }
        _ => without_number(&said).to_owned(),
    }
}

/// A text of an I/O error without the number that the operating system has for it.
pub fn without_number(text: &str) -> &str {
    match text.rsplit_once(" (os error ") {
        Some((said, number)) if number.trim_end_matches(')').bytes().all(|byte| byte.is_ascii_digit()) => {
            said
        }
        _ => text,
    }
}

/// An error, what it came from, and so on. An I/O error names as its source not what it wraps, but the source of that.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_in_words() {
        let of = |error: io::Error| failure_reason(&error);
        let table = [
            (of(ErrorKind::ConnectionRefused.into()), "the connection was refused"),
            (of(io::Error::from_raw_os_error(104)), "the connection was closed"),
            (of(io::Error::from_raw_os_error(113)), "no network leads to it"),
            (of(ErrorKind::TimedOut.into()), "it did not answer in time"),
            (
                of(io::Error::other("failed to lookup address information: x")),
                "its host name cannot be resolved",
            ),
            (
                of(io::Error::other(rustls::Error::InvalidMessage(
                    rustls::InvalidMessage::InvalidContentType,
                ))),
                "it does not speak TLS",
            ),
            (of(io::Error::other("something else (os error 5)")), "something else"),
        ];
        for (reason, expected) in table {
            assert_eq!(reason, expected);
        }
    }
}
