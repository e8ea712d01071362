//! Response headers that keep browsers from running what the registry serves: everything in it was pushed by somebody,
//! and will have the origin of the registry's own web pages.

use actix_http::header::{
    CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};

const POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const ATTACHMENT: HeaderValue = HeaderValue::from_static("attachment");

/// Adds the headers to those of an answer that is not one of the registry's own pages.
pub(super) fn sandbox(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    let may_run = headers.get(CONTENT_TYPE).is_some_and(|value| !is_inert(value.as_bytes()));
    if may_run && !headers.contains_key(CONTENT_DISPOSITION) {
        headers.insert(CONTENT_DISPOSITION, ATTACHMENT);
    }
}

/// Media types that browsers show or save and never run, beside `application/...+json`. A list of those that they run
/// would have to name what browsers learn tomorrow.
const INERT: [&str; 6] = [
    "application/json",
    "application/octet-stream",
    "text/plain",
    "application/yaml",
    "application/gzip",
    "application/pgp-signature",
];

fn is_inert(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let has_json_suffix = || {
        let (prefix, suffix) = (b"application/", b"+json");
        essence.len() > prefix.len() + suffix.len()
            && essence[..prefix.len()].eq_ignore_ascii_case(prefix)
            && essence[essence.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
            && !essence.contains(&b',')
    };
    INERT.iter().any(|inert| essence.eq_ignore_ascii_case(inert.as_bytes())) || has_json_suffix()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disposition(content_type: &str, before: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        if let Some(before) = before {
            headers.insert(CONTENT_DISPOSITION, HeaderValue::from_str(before).unwrap());
        }
        sandbox(&mut headers);
        assert_eq!(headers.get(CONTENT_TYPE).unwrap(), content_type, "stays as it was");
        headers.get(CONTENT_DISPOSITION).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn content_that_browsers_may_run_is_sent_as_an_attachment() {
        for content_type in [
            "",
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xml",
            "application/atom+xml",
            "application/vnd.example.manifest.v1+xml",
            "text/javascript",
            "application/javascript",
            "application/ecmascript",
            "text/css",
            "text/vtt",
            "text/x-component",
            "multipart/x-mixed-replace; boundary=a",
            "multipart/related",
            "application/pdf",
            "application/wasm",
            "application/x-shockwave-flash",
            "image/png",
            "text/html+json",
            "application/json, text/html",
            "text/html,application/x+json",
            "application/x,text/html+json",
            "application/+json",
            "*/*",
        ] {
            assert_eq!(disposition(content_type, None).as_deref(), Some("attachment"), "{content_type}");
            let named = "attachment; filename=\"a.tgz\"";
            assert_eq!(disposition(content_type, Some(named)).as_deref(), Some(named), "{content_type}");
        }
    }

    #[test]
    fn content_that_browsers_never_run_is_sent_as_it_is() {
        for content_type in [
            "application/json",
            "Application/JSON ; charset=utf-8",
            "application/octet-stream",
            "text/plain; charset=utf-8",
            "application/yaml",
            "application/gzip",
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
        ] {
            assert_eq!(disposition(content_type, None), None, "{content_type}");
        }
    }

    #[test]
    fn an_answer_without_a_body_has_the_policy_too() {
        let mut headers = HeaderMap::new();
        sandbox(&mut headers);
        assert_eq!(headers.get(CONTENT_SECURITY_POLICY).unwrap(), "sandbox; default-src 'none'");
        assert_eq!(headers.get(X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
        assert_eq!(headers.len(), 2);
    }
}
