//! ChartMuseum's API: what it takes is a chart like any other, and what was pushed over OCI is in it
//! (docs/internals/helm.md#chartmuseum-api).

mod docs;
mod lenient;
mod read;
mod upload;

use serde_json::json;

use crate::support::app::TestServer;
use crate::support::charts::Packed;
use crate::support::http::{Request, Response};

pub fn upload(namespace: &str, package: &[u8]) -> Request {
    Request::post(api(namespace, "charts")).body(package.to_vec())
}

/// `/api/<namespace>/<rest>`
pub fn api(namespace: &str, rest: &str) -> String {
    match namespace {
        "" => format!("/api/{rest}"),
        _ => format!("/api/{namespace}/{rest}"),
    }
}

/// A form with these files, as `helm cm-push` and `curl -F` send it.
pub fn form(target: String, fields: &[(&str, &[u8])]) -> Request {
    let mut body = Vec::new();
    for (name, bytes) in fields {
        let head = format!(
            "--BOUNDARY\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--BOUNDARY--\r\n");
    Request::post(target).header("Content-Type", "multipart/form-data; boundary=BOUNDARY").body(body)
}

impl TestServer {
    pub async fn upload(&self, namespace: &str, chart: &Packed) {
        let reply = self.send(upload(namespace, &chart.bytes)).await;
        assert_eq!((reply.status, reply.json()), (201, json!({"saved": true})), "{}", chart.file_name);
    }
}

/// A refusal in ChartMuseum's form, which says this.
#[track_caller]
pub fn assert_error(reply: &Response, status: u16, says: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    let message = reply.json()["error"].as_str().map(str::to_owned).unwrap_or_default();
    assert!(message.contains(says), "{message:?} does not say {says:?}");
}
