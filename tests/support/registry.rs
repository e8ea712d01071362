//! The steps that many tests share: pushing, and what every good or refused reply looks like.

use bytes::Bytes;

use super::app::TestServer;
use super::artifact::{Blob, Document, Image, sha256};
use super::http::{Request, Response};

/// The codes of the specification; no other may appear in a reply (distribution-spec, "Error Codes").
pub const ERROR_CODES: [&str; 14] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
];

impl TestServer {
    /// The location of a fresh upload session.
    pub async fn start_upload(&self, repository: &str) -> String {
        let started = self.send(Request::post(format!("/v2/{repository}/blobs/uploads/"))).await;
        assert_status(&started, 202);
        location(&started)
    }

    /// POST, then PUT with the whole body.
    pub async fn put_blob(&self, repository: &str, blob: &Blob) -> Response {
        let session = self.start_upload(repository).await;
        self.close_upload(&session, &blob.digest, blob.bytes.clone()).await
    }

    pub async fn close_upload(&self, session: &str, digest: &str, body: impl Into<Bytes>) -> Response {
        self.send(Request::put(with_digest(session, digest), body)).await
    }

    pub async fn push_blob(&self, repository: &str, blob: &Blob) {
        assert_status(&self.put_blob(repository, blob).await, 201);
    }

    pub async fn put_manifest(&self, repository: &str, reference: &str, document: &Document) -> Response {
        self.send(put_manifest(repository, reference, document)).await
    }

    pub async fn push_manifest(&self, repository: &str, reference: &str, document: &Document) {
        assert_status(&self.put_manifest(repository, reference, document).await, 201);
    }

    pub async fn push_blobs(&self, repository: &str, image: &Image) {
        for blob in &image.blobs {
            self.push_blob(repository, blob).await;
        }
    }

    /// The blobs of `image`, then its manifest under `reference`.
    pub async fn push_image(&self, repository: &str, reference: &str, image: &Image) {
        self.push_blobs(repository, image).await;
        self.push_manifest(repository, reference, &image.manifest).await;
    }

    /// All entries of `field` over all pages that begin at `target`, and the number of pages.
    pub async fn pages(&self, target: &str, field: &str) -> (Vec<serde_json::Value>, usize) {
        let (mut entries, mut pages, mut next) = (Vec::new(), 0, Some(target.to_owned()));
        while let Some(target) = next {
            let page = self.get(&*target).await;
            assert_status(&page, 200);
            assert!(page.body.len() <= 4 << 20, "a page of {} bytes: clients read 4 MiB", page.body.len());
            entries.extend(page.json()[field].as_array().expect(field).iter().cloned());
            next = next_page(&page).map(|next| resolved(&target, &next));
            pages += 1;
            assert!(pages <= 10_000, "the pages of {field} do not end");
        }
        (entries, pages)
    }
}

pub fn blob_path(repository: &str, digest: &str) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

pub fn manifest_path(repository: &str, reference: &str) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}

pub fn put_manifest(repository: &str, reference: &str, document: &Document) -> Request {
    Request::put(manifest_path(repository, reference), document.body.clone())
        .header("Content-Type", &document.media_type)
}

/// `location` with the query key `digest` added, as clients do: the location may carry a query of its own.
pub fn with_digest(location: &str, digest: &str) -> String {
    let join = if location.contains('?') { '&' } else { '?' };
    format!("{location}{join}digest={}", digest.replace(':', "%3A"))
}

/// The path of the `Location`, which must be relative: an absolute one would be built from an untrusted Host.
#[track_caller]
pub fn location(response: &Response) -> String {
    let location = response.header("location").unwrap_or_else(|| panic!("no Location in {response:?}"));
    assert!(location.starts_with("/v2/"), "Location is not a path under /v2/: {location}");
    location.to_owned()
}

/// The target of `Link: <target>; rel="next"`, which must be a path as well.
#[track_caller]
pub fn next_page(response: &Response) -> Option<String> {
    let link = response.header("link")?;
    let target = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    let target = target.unwrap_or_else(|| panic!("not a Link to the next page: {link}"));
    // A proxy may serve the JSON API below a path, so its links are queries alone.
    let is_ours = ["/v2/", "?"].iter().any(|start| target.starts_with(start));
    assert!(is_ours, "Link is neither a path of the distribution API nor a query: {link}");
    Some(target.to_owned())
}

/// Where a reference leads that stands in the answer to `target` (RFC 3986 section 5.2.2), if it is a path or a query.
pub fn resolved(target: &str, reference: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    if reference.starts_with('?') { format!("{path}{reference}") } else { reference.to_owned() }
}

#[track_caller]
pub fn assert_status(response: &Response, status: u16) {
    let text: String = response.text().chars().take(1_000).collect();
    assert_eq!(response.status, status, "{:?} {text}", response.headers);
}

/// The reply is a refusal with `status` and one of `codes`, in the error format of the specification.
#[track_caller]
pub fn assert_refused(response: &Response, status: u16, codes: &[&str]) {
    assert_status(response, status);
    let code = error_code(response);
    assert!(codes.contains(&code.as_str()), "{code} is none of {codes:?}: {}", response.text());
}

/// The code of the first error, after checking the form of all of them.
#[track_caller]
pub fn error_code(response: &Response) -> String {
    let media_type = response.header("content-type").unwrap_or_default();
    assert!(media_type.starts_with("application/json"), "an error body of type {media_type:?}");
    let body = response.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no list of errors: {body}"));
    for error in errors {
        let code = error["code"].as_str().unwrap_or_default();
        assert!(ERROR_CODES.contains(&code), "{code:?} is not a code of the specification: {body}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "an error without a message: {body}");
    }
    errors.first().expect("at least one error")["code"].as_str().unwrap_or_default().to_owned()
}

/// The texts of the `Warning` headers, checked for their form (docs/internals/oci-protocol.md#manifests).
#[track_caller]
pub fn warnings(response: &Response) -> Vec<String> {
    let warnings = response.headers_named("warning");
    assert!(warnings.iter().map(|warning| warning.len()).sum::<usize>() <= 4096, "{warnings:?}");
    let text = |warning: &&str| {
        let text = warning.strip_prefix("299 - \"").and_then(|rest| rest.strip_suffix('"'));
        assert!(text.is_some_and(|text| !text.is_empty()), "not `299 - \"text\"`: {warning}");
        let inner = text.unwrap_or_default();
        assert!(inner.is_ascii() && !inner.contains(['"', '\\']), "clients undo no escapes: {warning}");
        text.unwrap_or_default().to_owned()
    };
    warnings.iter().map(text).collect()
}

/// GET and HEAD of `target` give `body` with the same exact headers, the length and digest included.
pub async fn assert_served(server: &TestServer, target: &str, media_type: &str, body: &[u8], digest: &str) {
    let got = server.get(target).await;
    assert_status(&got, 200);
    assert!(got.body == body, "{target}: {} bytes are not the {} pushed", got.body.len(), body.len());
    assert_eq!(sha256(&got.body), sha256(body));
    let head = server.head(target).await;
    assert_status(&head, 200);
    for reply in [&got, &head] {
        assert_eq!(reply.header("content-length"), Some(body.len().to_string().as_str()), "{target}");
        assert_eq!(reply.header("content-type"), Some(media_type), "{target}");
        assert_eq!(reply.header("docker-content-digest"), Some(digest), "{target}");
        assert_eq!(reply.header("content-encoding"), None, "{target}");
        assert_eq!(reply.header("transfer-encoding"), None, "{target}");
    }
}

pub async fn assert_blob_served(server: &TestServer, repository: &str, blob: &Blob) {
    let target = blob_path(repository, &blob.digest);
    assert_served(server, &target, "application/octet-stream", &blob.bytes, &blob.digest).await;
}

pub async fn assert_manifest_served(
    server: &TestServer,
    repository: &str,
    reference: &str,
    document: &Document,
) {
    let target = manifest_path(repository, reference);
    assert_served(server, &target, &document.media_type, &document.body, &document.digest).await;
}
