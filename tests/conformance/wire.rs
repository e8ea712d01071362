//! What holds for every endpoint: the support probe, HEAD, error bodies, compression, methods.

use crate::support::app::on_every_backend;
use crate::support::artifact::{Blob, IMAGE_INDEX, IMAGE_MANIFEST, image, index, referrer, sha256};
use crate::support::http::{Connection, Request};
use crate::support::registry::{assert_refused, assert_status, blob_path, error_code, manifest_path};

const ABSENT: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

#[tokio::test]
async fn the_support_probe_answers_200() {
    on_every_backend(async |server| {
        assert_status(&server.get("/v2/").await, 200);
        let head = server.head("/v2/").await;
        assert_status(&head, 200);
        assert!(head.body.is_empty());
    })
    .await;
}

/// The replies to GET, for comparison with HEAD: every kind of resource, present and absent.
fn resources(image: &crate::support::artifact::Image) -> Vec<(&'static str, String)> {
    vec![
        ("the support probe", "/v2/".into()),
        ("a blob", blob_path("team/app", &image.blobs[1].digest)),
        ("an absent blob", blob_path("team/app", ABSENT)),
        ("a manifest by tag", manifest_path("team/app", "1.0.0")),
        ("a manifest by digest", manifest_path("team/app", &image.manifest.digest)),
        ("an absent tag", manifest_path("team/app", "2.0.0")),
        ("an absent manifest", manifest_path("team/app", ABSENT)),
        ("a malformed digest", manifest_path("team/app", "sha256:abc")),
    ]
}

#[tokio::test]
async fn head_has_the_status_and_headers_of_get_and_no_body() {
    on_every_backend(async |server| {
        let image = image("head");
        server.push_image("team/app", "1.0.0", &image).await;
        for (name, target) in resources(&image) {
            let (get, head) = (server.get(&target).await, server.head(&target).await);
            assert_eq!(head.status, get.status, "{name}");
            for header in ["content-length", "content-type", "docker-content-digest", "etag"] {
                assert_eq!(head.header(header), get.header(header), "{header} of {name}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_follows_a_head_reply_on_its_connection() {
    on_every_backend(async |server| {
        let image = image("pipelined");
        server.push_image("team/app", "1.0.0", &image).await;
        let mut connection = Connection::open(server.addr).await.expect("a connection");
        for (name, target) in resources(&image) {
            connection.send(&Request::head(&target).bytes()).await.expect(name);
            connection.receive("HEAD").await.expect(name);
            // A stray body would be read as the head of this reply.
            connection.send(&Request::get("/v2/").bytes()).await.expect(name);
            assert_eq!(connection.receive("GET").await.expect(name).status, 200, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    on_every_backend(async |server| {
        let image = image("order");
        server.push_image("team/app", "1.0.0", &image).await;
        let targets = [
            (manifest_path("team/app", "1.0.0"), 200),
            (manifest_path("team/app", "9.9.9"), 404),
            (blob_path("team/app", &image.blobs[0].digest), 200),
            (blob_path("team/app", ABSENT), 404),
        ];
        let all: Vec<u8> = targets.iter().flat_map(|(target, _)| Request::get(target).bytes()).collect();
        let mut connection = Connection::open(server.addr).await.expect("a connection");
        connection.send(&all).await.expect("four requests");
        for (target, status) in targets {
            assert_eq!(connection.receive("GET").await.expect("a reply").status, status, "{target}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_json_with_a_code_of_the_specification_and_a_message() {
    let cases = [
        ("unknown blob", Request::get(blob_path("team/app", ABSENT)), 404, "BLOB_UNKNOWN"),
        ("unknown tag", Request::get(manifest_path("team/app", "2.0.0")), 404, "MANIFEST_UNKNOWN"),
        ("unknown manifest", Request::get(manifest_path("team/app", ABSENT)), 404, "MANIFEST_UNKNOWN"),
        ("unknown repository", Request::get("/v2/team/absent/tags/list"), 404, "NAME_UNKNOWN"),
        ("malformed name", Request::get("/v2/Team/app/tags/list"), 400, "NAME_INVALID"),
        ("malformed digest", Request::get(blob_path("team/app", "sha256:abc")), 400, "DIGEST_INVALID"),
        ("unknown session", Request::get("/v2/team/app/blobs/uploads/none"), 404, "BLOB_UPLOAD_UNKNOWN"),
        ("deletion of an unknown blob", Request::delete(blob_path("team/app", ABSENT)), 404, "BLOB_UNKNOWN"),
        (
            "deletion of an unknown tag",
            Request::delete(manifest_path("team/app", "2.0.0")),
            404,
            "MANIFEST_UNKNOWN",
        ),
        (
            "not a manifest",
            Request::put(manifest_path("team/app", "1.0.1"), "{").header("Content-Type", IMAGE_MANIFEST),
            400,
            "MANIFEST_INVALID",
        ),
    ];
    on_every_backend(async |server| {
        server.push_image("team/app", "1.0.0", &image("refusals")).await;
        for (name, request, status, code) in cases.clone() {
            println!("{name}");
            assert_refused(&server.send(request).await, status, &[code]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_repository_that_was_never_pushed_to_answers_404_for_all_its_content() {
    on_every_backend(async |server| {
        for target in [
            blob_path("no/such", ABSENT),
            manifest_path("no/such", "1.0.0"),
            manifest_path("no/such", ABSENT),
        ] {
            let unknown = ["BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "NAME_UNKNOWN"];
            assert_refused(&server.get(target).await, 404, &unknown);
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_compressed_even_when_the_client_accepts_it() {
    on_every_backend(async |server| {
        let image = image("plain");
        server.push_image("team/app", "1.0.0", &image).await;
        let note = referrer(&image.manifest, "application/vnd.test", "plain");
        server.push_image("team/app", &note.manifest.digest, &note).await;
        let zipped = Blob::new(&b"\x1f\x8b\x08\0\0\0\0\0\0\x03looks like gzip"[..]);
        server.push_blob("team/app", &zipped).await;
        for target in [
            "/v2/".into(),
            "/v2/_catalog".into(),
            "/v2/team/app/tags/list".into(),
            format!("/v2/team/app/referrers/{}", image.manifest.digest),
            manifest_path("team/app", "1.0.0"),
            blob_path("team/app", &image.blobs[1].digest),
            blob_path("team/app", &zipped.digest),
            blob_path("team/app", ABSENT),
        ] {
            let plain = server.get(&target).await;
            for accepted in ["gzip", "gzip, deflate, br, zstd", "identity;q=0, gzip", "*"] {
                let reply = server.send(Request::get(&target).header("Accept-Encoding", accepted)).await;
                assert_eq!(reply.header("content-encoding"), None, "{target} with {accepted}");
                assert_eq!(
                    (reply.status, &reply.body),
                    (plain.status, &plain.body),
                    "{target} with {accepted}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_method_that_an_endpoint_does_not_have_is_refused() {
    let (blob, manifest) = (blob_path("team/app", ABSENT), manifest_path("team/app", "1.0.0"));
    let cases = [
        ("POST", "/v2/"),
        ("PUT", "/v2/_catalog"),
        ("DELETE", "/v2/team/app/tags/list"),
        ("PUT", "/v2/team/app/tags/list"),
        ("POST", manifest.as_str()),
        ("PATCH", manifest.as_str()),
        ("PUT", blob.as_str()),
        ("PATCH", blob.as_str()),
        ("PUT", "/v2/team/app/blobs/uploads/"),
        ("OPTIONS", "/v2/team/app/tags/list"),
        ("TRACE", "/v2/"),
        ("BREW", manifest.as_str()),
    ];
    on_every_backend(async |server| {
        for (method, target) in cases {
            let reply = server.send(Request::new(method, target)).await;
            assert!(matches!(reply.status, 404 | 405), "{method} {target}: {}", reply.status);
            assert_eq!(error_code(&reply), "UNSUPPORTED", "{method} {target}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_path_that_is_no_endpoint_is_404() {
    on_every_backend(async |server| {
        for target in
            ["/v2/team", "/v2/team/app", "/v2/team/app/", "/v2/team/app/tags", "/v2/team/app/blobs/"]
        {
            let reply = server.get(target).await;
            assert!(matches!(reply.status, 400 | 404), "{target}: {}", reply.status);
            error_code(&reply);
        }
    })
    .await;
}

#[tokio::test]
async fn repository_names_of_every_shape_work() {
    let longest = format!("{}/{}", "a".repeat(114), "b".repeat(114));
    let names = [
        "app",
        "team/app",
        "a/b/c/d/e/f",
        "a.b/c_d/e__f/g-h/i---j",
        "0/1",
        "a1.b2_c3__d4-e5",
        "tags/list",
        "manifests/latest",
        "blobs/uploads",
        "referrers",
        "charts/app",
        "team/blobs/app",
        &longest,
    ];
    on_every_backend(async |server| {
        for name in names {
            println!("{name}");
            let image = image(name);
            server.push_image(name, "1.0.0", &image).await;
            let got = server.get(manifest_path(name, "1.0.0")).await;
            assert_eq!(got.header("docker-content-digest"), Some(image.manifest.digest.as_str()));
            let tags = server.get(format!("/v2/{name}/tags/list")).await.json();
            assert_eq!(tags, serde_json::json!({"name": name, "tags": ["1.0.0"]}));
        }
    })
    .await;
}

#[tokio::test]
async fn unknown_query_keys_and_the_mirror_key_ns_are_ignored() {
    on_every_backend(async |server| {
        let image = image("query");
        server.push_image("team/app", "1.0.0", &image).await;
        let child = index(&[&image.manifest]);
        server.push_manifest("team/app", "all", &child).await;
        for target in [manifest_path("team/app", "1.0.0"), blob_path("team/app", &image.blobs[0].digest)] {
            let plain = server.get(&target).await;
            let queried = server.get(format!("{target}?ns=docker.io&unknown=1")).await;
            assert_eq!((queried.status, queried.body), (200, plain.body), "{target}");
        }
        let got = server.get(format!("{}?ns=docker.io", manifest_path("team/app", "all"))).await;
        assert_eq!(got.header("content-type"), Some(IMAGE_INDEX));
        assert_eq!(sha256(&got.body), child.digest);
    })
    .await;
}

#[tokio::test]
async fn digests_may_be_percent_encoded_in_a_query() {
    on_every_backend(async |server| {
        let blob = Blob::new("encoded");
        for colon in [":", "%3A", "%3a"] {
            let session = server.start_upload("team/app").await;
            let join = if session.contains('?') { '&' } else { '?' };
            let target = format!("{session}{join}digest={}", blob.digest.replace(':', colon));
            assert_status(&server.send(Request::put(target, blob.bytes.clone())).await, 201);
        }
    })
    .await;
}
