//! Reading answers: bounded, to their end, and checked before anybody trusts them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use reqwest::header::{HeaderMap, RETRY_AFTER, WARNING};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::error::{Answer, ClientError};
use super::transport::{Forwarder, Request};

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
    let notes = match response.extensions().get::<Forwarder>() {
        Some(Forwarder(proxy)) if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            vec![format!("{proxy} asks for a user and a password: write them into its URL")]
        }
        Some(Forwarder(proxy)) => vec![format!("it came through {proxy}")],
        None => Vec::new(),
    };
    // A body that cannot be read says as little as an empty one.
    let body = beginning(response, MAX_ERROR_BODY).await;
    ClientError::Answer(Box::new(Answer { what, status, messages: messages(&body), notes, retry_after }))
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
    ClientError::Connection { what: format!("{what}, or only a part"), error: why.without_url() }
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

/// `CODE: message` of each error, as the specification has it, or what other services write instead; control characters
/// do not reach a terminal.
fn messages(body: &[u8]) -> Vec<String> {
    let texts: Vec<String> = match serde_json::from_slice::<Value>(body) {
        Ok(document) => match document.get("errors").and_then(Value::as_array) {
            Some(errors) => errors.iter().filter_map(message).collect(),
            None => {
                document.get("error").and_then(message).or_else(|| message(&document)).into_iter().collect()
            }
        },
        Err(_) => plain(body).into_iter().collect(),
    };
    let texts = texts.iter().map(|text| harmless(text)).filter(|text| !text.is_empty());
    texts.take(MAX_MESSAGES).collect()
}

/// `CODE: message`, with whatever of the two is there.
fn message(error: &Value) -> Option<String> {
    let text = |name: &str| match error.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    match error {
        Value::String(text) => Some(text.clone()),
        _ => match (text("code"), text("message").or_else(|| text("error"))) {
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (code, message) => message.or(code),
        },
    }
}

/// A short text that is no page.
fn plain(body: &[u8]) -> Option<String> {
    const LONGEST: usize = 300;
    let text = std::str::from_utf8(body).ok()?.trim();
    (text.len() <= LONGEST && !text.starts_with(['<', '{', '['])).then(|| text.to_owned())
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
        for (body, expected) in [
            (r#"{"error":"no"}"#, "no"),
            (r#"{"errors":[{"code":"DENIED","message":null,"detail":{}}]}"#, "DENIED"),
            (r#"{"error":{"code":403,"message":"no"}}"#, "403: no"),
            (r#"{"message":"404 Not Found"}"#, "404 Not Found"),
            (r#"{"errors":["no"]}"#, "no"),
            ("no such host\n", "no such host"),
        ] {
            assert_eq!(messages(body.as_bytes()), [expected], "{body}");
        }
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
