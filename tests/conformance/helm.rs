//! What real Helm sends (docs/internals/helm.md#request-sequences), byte for byte, and what it needs to read
//! back.

use serde_json::{Value, json};

use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact::{Blob, Image};
use crate::support::http::{Connection, Response};
use crate::support::registry::{assert_status, location, warnings};
use crate::support::release::Release;

/// The manifest types oras-go asks for, in its order.
const ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.artifact.manifest.v1+json";

fn app(version: &str) -> Image {
    let metadata = json!({"apiVersion": "v2", "name": "app", "version": version, "description": "An app"});
    Release::new(&metadata).signed().image()
}

/// One connection that Go's HTTP client would keep open, and its habits.
struct Helm {
    connection: Connection,
}

impl Helm {
    async fn open(server: &TestServer) -> Self {
        Self { connection: Connection::open(server.addr).await.expect("a connection") }
    }

    /// Go writes Host, User-Agent and the length first, then the rest in alphabetical order.
    async fn request(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Response {
        let length = if matches!(method, "PUT" | "POST") {
            format!("Content-Length: {}\r\n", body.len())
        } else {
            String::new()
        };
        let mut bytes = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:5000\r\nUser-Agent: Helm/4.2\r\n{length}{headers}\
             Accept-Encoding: gzip\r\n\r\n"
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        let reply = self.connection.exchange(&bytes, method).await.expect("a reply");
        assert_eq!(reply.header("content-encoding"), None, "{method} {target}");
        reply
    }

    async fn get(&mut self, target: &str, accept: &str) -> Response {
        self.request("GET", target, &format!("Accept: {accept}\r\n"), b"").await
    }

    /// The whole of `helm push`: probe, blobs, manifest by digest, read back, tag.
    async fn push(&mut self, repository: &str, tag: &str, chart: &Image) {
        let by_digest = format!("/v2/{repository}/manifests/{}", chart.manifest.digest);
        let type_header = format!("Content-Type: {}\r\n", chart.manifest.media_type);
        let probe = self.request("HEAD", &by_digest, &format!("Accept: {ACCEPT}\r\n"), b"").await;
        if probe.status == 404 {
            for blob in &chart.blobs {
                self.push_blob(repository, blob).await;
            }
            let put = self.request("PUT", &by_digest, &type_header, &chart.manifest.body).await;
            assert_status(&put, 201);
            assert_eq!(put.header("docker-content-digest"), Some(chart.manifest.digest.as_str()));
        } else {
            assert_status(&probe, 200);
        }
        let back = self.get(&by_digest, &chart.manifest.media_type).await;
        assert_eq!((back.status, &back.body[..]), (200, &chart.manifest.body[..]));
        let by_tag = format!("/v2/{repository}/manifests/{tag}");
        assert_status(&self.request("PUT", &by_tag, &type_header, &chart.manifest.body).await, 201);
    }

    async fn push_blob(&mut self, repository: &str, blob: &Blob) {
        let probe = self.request("HEAD", &format!("/v2/{repository}/blobs/{}", blob.digest), "", b"").await;
        if probe.status == 200 {
            return;
        }
        assert_status(&probe, 404);
        let uploads = format!("/v2/{repository}/blobs/uploads/");
        let started = self.request("POST", &uploads, "", b"").await;
        assert_status(&started, 202);
        let session = location(&started);
        let join = if session.contains('?') { '&' } else { '?' };
        let target = format!("{session}{join}digest={}", blob.digest.replace(':', "%3A"));
        let type_header = "Content-Type: application/octet-stream\r\n";
        assert_status(&self.request("PUT", &target, type_header, &blob.bytes).await, 201);
    }

    /// The whole of `helm pull` of an exact version.
    async fn pull(&mut self, repository: &str, tag: &str) -> Response {
        let manifest = self.get(&format!("/v2/{repository}/manifests/{tag}"), ACCEPT).await;
        assert_status(&manifest, 200);
        let document = manifest.json();
        let layers = document["layers"].as_array().expect("layers").iter();
        for descriptor in layers.chain([&document["config"]]) {
            let digest = descriptor["digest"].as_str().expect("a digest");
            let blob = self.request("GET", &format!("/v2/{repository}/blobs/{digest}"), "", b"").await;
            assert_status(&blob, 200);
            assert_eq!(json!(blob.body.len()), descriptor["size"]);
            assert_eq!(Blob::new(blob.body).digest, digest);
        }
        manifest
    }
}

#[tokio::test]
async fn helm_pushes_and_pulls_a_chart_with_provenance() {
    on_every_backend(async |server| {
        let (chart, mut helm) = (app("1.2.3"), Helm::open(&server).await);
        assert!(chart.manifest.json().get("mediaType").is_none(), "Helm writes no mediaType");
        helm.push("team/app", "1.2.3", &chart).await;
        let manifest = helm.pull("team/app", "1.2.3").await;
        assert_eq!(manifest.body, chart.manifest.body);
        assert_eq!(manifest.header("content-type"), Some(chart.manifest.media_type.as_str()));
        assert_eq!(manifest.header("docker-content-digest"), Some(chart.manifest.digest.as_str()));
    })
    .await;
}

#[tokio::test]
async fn helm_pushes_the_same_chart_again() {
    on_every_backend(async |server| {
        let (chart, mut helm) = (app("1.2.3"), Helm::open(&server).await);
        for _ in 0..2 {
            helm.push("team/app", "1.2.3", &chart).await;
        }
        helm.pull("team/app", "1.2.3").await;
    })
    .await;
}

#[tokio::test]
async fn helm_finds_a_version_range_over_the_tags() {
    on_every_backend(async |server| {
        let mut helm = Helm::open(&server).await;
        for version in ["1.0.0", "1.1.0", "2.0.0+build.7"] {
            helm.push("team/app", &version.replace('+', "_"), &app(version)).await;
        }
        let tags = helm.request("GET", "/v2/team/app/tags/list", "", b"").await;
        assert_status(&tags, 200);
        assert_eq!(tags.json(), json!({"name": "team/app", "tags": ["1.0.0", "1.1.0", "2.0.0_build.7"]}));
        helm.pull("team/app", "2.0.0_build.7").await;
    })
    .await;
}

#[tokio::test]
async fn helm_resolves_a_tag_that_is_pinned_to_a_digest() {
    on_every_backend(async |server| {
        let (chart, mut helm) = (app("1.2.3"), Helm::open(&server).await);
        helm.push("team/app", "1.2.3", &chart).await;
        let accept = format!("Accept: {ACCEPT}\r\n");
        let head = helm.request("HEAD", "/v2/team/app/manifests/1.2.3", &accept, b"").await;
        assert_status(&head, 200);
        let length = chart.manifest.body.len().to_string();
        assert_eq!(head.header("docker-content-digest"), Some(chart.manifest.digest.as_str()));
        assert_eq!(head.header("content-length"), Some(length.as_str()));
        assert_eq!(head.header("content-type"), Some(chart.manifest.media_type.as_str()));
        let gone = helm.request("HEAD", "/v2/team/app/manifests/9.9.9", &accept, b"").await;
        assert_status(&gone, 404);
        helm.pull("team/app", &chart.manifest.digest).await;
    })
    .await;
}

#[tokio::test]
async fn a_login_without_authentication_succeeds() {
    on_every_backend(async |server| {
        let mut helm = Helm::open(&server).await;
        assert_status(&helm.request("GET", "/v2/", "Authorization: Basic dTpw\r\n", b"").await, 200);
    })
    .await;
}

/// The warnings of a push of `metadata` under `tag`.
async fn warned(server: &TestServer, tag: &str, metadata: Value) -> Vec<String> {
    let stored = server.put_release("team/app", tag, &Release::new(&metadata)).await;
    assert_status(&stored, 201);
    warnings(&stored)
}

#[tokio::test]
async fn a_version_that_helm_accepts_but_never_finds_is_warned_about() {
    on_every_backend(async |server| {
        for version in ["v1.2.3", "1.2"] {
            let metadata = json!({"apiVersion": "v2", "name": "app", "version": version});
            assert!(!warned(&server, version, metadata).await.is_empty(), "{version}");
        }
        let strict = json!({"apiVersion": "v2", "name": "app", "version": "1.2.3"});
        assert!(warned(&server, "1.2.3", strict).await.is_empty());
    })
    .await;
}
