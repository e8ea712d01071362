//! The error codes of the OCI distribution specification, and the body that carries them.

use serde::Serialize;

/// The codes that a client may meet (section "Error Codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    #[serde(rename = "TOOMANYREQUESTS")]
    TooManyRequests,
    /// Of a 5xx, which the specification leaves open: the store does not answer, or is full.
    Unavailable,
    /// Of a 5xx: a fault of the server.
    Unknown,
}

/// A message has at most this many bytes: clients read 8 KiB of an error body.
const MAX_MESSAGE: usize = 1_024;

/// `{"errors":[{"code","message","detail"}]}`
pub fn error_body(code: ErrorCode, message: &str, detail: Option<&str>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        errors: [OneError<'a>; 1],
    }
    #[derive(Serialize)]
    struct OneError<'a> {
        code: ErrorCode,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
    }
    let message = &message[..message.floor_char_boundary(MAX_MESSAGE)];
    let body = Body { errors: [OneError { code, message, detail }] };
    // A struct of strings has no way not to be JSON.
    serde_json::to_vec(&body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_form_of_the_specification() {
        let body = error_body(ErrorCode::TooManyRequests, "come again\u{7}", Some("later"));
        let expected =
            r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"come again\u0007","detail":"later"}]}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        let body = error_body(ErrorCode::ManifestBlobUnknown, "", None);
        assert_eq!(body, br#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":""}]}"#);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let body = error_body(ErrorCode::Denied, &"ü".repeat(2_000), None);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"][0]["message"].as_str().unwrap().len(), MAX_MESSAGE);
    }
}
