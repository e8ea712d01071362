//! Reading answers: bounded, to their end, and checked before anybody trusts them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use reqwest::header::{HeaderMap, RETRY_AFTER, WARNING};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::error::{Answer, ClientError};
use super::transport::Request;

const MAX_ERROR_BODY: u64 = 8 * 1024;
const MAX_MESSAGE: usize = 1_024;
const MAX_MESSAGES: usize = 8;

/// `response` if it is a success, else the error it stands for.
pub async fn success(request: &Request, response: Response) -> Result<Response, ClientError> {
    if response.status().is_success() { Ok(response) } else { Err(refusal(request.what(), response).await) }
}

/// The error that a bad answer stands for.
pub async fn refusal(what: String, response: Response) -> ClientError {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    // A body that cannot be read says as little as an empty one.
    let body = beginning(response, MAX_ERROR_BODY).await;
    ClientError::Answer(Box::new(Answer { what, status, messages: messages(&body), retry_after }))
}

/// The whole body, at most `limit` bytes of it.
pub async fn body(what: &str, response: Response, limit: u64) -> Result<Bytes, ClientError> {
    let too_large = || ClientError::TooLarge { what: what.to_owned(), limit };
    let announced = response.content_length();
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut whole = BytesMut::with_capacity(announced.unwrap_or(0) as usize);
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|why| cut(what, why))?;
        if (whole.len() + piece.len()) as u64 > limit {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

pub fn cut(what: &str, why: reqwest::Error) -> ClientError {
    ClientError::Connection { what: format!("{what}, or only a part"), source: why.without_url() }
}

async fn beginning(response: Response, limit: u64) -> Vec<u8> {
    let mut begun = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        begun.extend_from_slice(&piece);
        if begun.len() as u64 >= limit {
            break;
        }
    }
    begun.truncate(limit as usize);
    begun
}

/// `CODE: message` of each error, as the specification has it; control characters do not reach a terminal.
fn messages(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<OneError>,
    }
    #[derive(Deserialize)]
    struct OneError {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    #[derive(Deserialize)]
    struct Error {
        error: String,
    }
    let texts: Vec<String> = if let Ok(Errors { errors }) = serde_json::from_slice(body) {
        errors.into_iter().map(|error| format!("{}: {}", error.code, error.message)).collect()
    } else if let Ok(Error { error }) = serde_json::from_slice(body) {
        vec![error]
    } else {
        Vec::new()
    };
    texts.iter().take(MAX_MESSAGES).map(|text| harmless(text)).collect()
}

/// One line of a foreign text that steers no terminal.
pub fn harmless(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut harmless: String = text.chars().map(|c| if steers(c) { ' ' } else { c }).collect();
    harmless.truncate(harmless.floor_char_boundary(MAX_MESSAGE));
    harmless.trim_matches([' ', ':']).to_owned()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The texts of `Warning: 299 - "text"` (distribution-spec, "Warnings").
pub fn warnings(headers: &HeaderMap) -> Vec<String> {
    let values =
        headers.get_all(WARNING).iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
    let texts = values.filter_map(|value| {
        let quoted = value.trim().strip_prefix("299 - \"")?.strip_suffix('"')?;
        Some(harmless(&quoted.replace("\\\"", "\"").replace("\\\\", "\\")))
    });
    texts.take(16).collect()
}

/// What a status says that is good but not the one that was waited for.
pub fn unexpected(what: &str, status: StatusCode, expected: &str) -> ClientError {
    ClientError::Refused(format!("{what} was answered with {status} instead of {expected}"))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn errors_of_the_specification_and_of_others_are_told() {
        let body =
            br#"{"errors":[{"code":"DENIED","message":"the tag\u001b[31m is taken"},{"code":"UNKNOWN"}]}"#;
        assert_eq!(messages(body), ["DENIED: the tag [31m is taken", "UNKNOWN"]);
        assert_eq!(messages(br#"{"error":"no"}"#), ["no"]);
        assert!(messages(b"<html>").is_empty());
        let long = format!(r#"{{"error":"{}"}}"#, "\u{e9}".repeat(2_000));
        assert!(messages(long.as_bytes())[0].len() <= MAX_MESSAGE);
    }

    #[test]
    fn warnings_are_unquoted() {
        let mut headers = HeaderMap::new();
        headers.append(WARNING, HeaderValue::from_static(r#"299 - "the chart \"app\" is deprecated""#));
        headers.append(WARNING, HeaderValue::from_static("199 - x"));
        assert_eq!(warnings(&headers), [r#"the chart "app" is deprecated"#]);
    }

    #[test]
    fn a_time_to_wait_is_read_in_seconds() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Wed, 21 Oct 2026 07:28:00 GMT"));
        assert_eq!(retry_after(&headers), None);
    }
}
