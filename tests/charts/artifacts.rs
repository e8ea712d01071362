//! `policy.artifacts: charts`: what else may be in a registry of charts.

use charthouse::registry::Policy;
use serde_json::json;

use crate::support::app::{Kind, TestServer, on_every_backend};
use crate::support::artifact::{Blob, Document, IMAGE_MANIFEST, Image, image, index, referrer};
use crate::support::registry::{assert_refused, assert_status, put_manifest};
use crate::support::release::Release;

const CONFIG: &str = "application/vnd.cncf.artifacthub.config.v1+yaml";
const METADATA: &str = "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml";

/// As Artifact Hub's documentation has it pushed: the config is an empty file.
fn artifact_hub() -> Image {
    let (config, layer) = (Blob::new(""), Blob::new("repositoryID: 1\n"));
    let manifest = json!({
        "schemaVersion": 2,
        "config": config.descriptor(CONFIG),
        "layers": [layer.descriptor(METADATA)],
    });
    Image { blobs: vec![config, layer], manifest: Document::new(IMAGE_MANIFEST, &manifest) }
}

#[tokio::test]
async fn a_registry_of_charts_takes_charts_and_what_belongs_to_them() {
    let server =
        TestServer::start_with(Kind::Memory, Policy { charts_only: true, ..Policy::default() }).await;
    server.push_version("team/app", "1.2.3").await;
    let chart = Release::named("app", "1.2.3").image().manifest;
    let signature = referrer(&chart, "application/vnd.dev.cosign.simplesigning.v1+json", "signature");
    server.push_image("team/app", &signature.manifest.digest, &signature).await;
    server.push_image("team/app", "a-tag", &signature).await;
    let attachment = format!("sha256-{}.sig", &chart.digest[7..]);
    server.push_image("team/app", &attachment, &image("cosign")).await;
    server.push_manifest("team/app", &attachment.replace(".sig", ""), &index(&[])).await;
    server.push_image("team/app", "artifacthub.io", &artifact_hub()).await;
    server.push_image("team/other", &artifact_hub().manifest.digest, &artifact_hub()).await;
}

#[tokio::test]
async fn a_registry_of_charts_refuses_everything_else() {
    let server =
        TestServer::start_with(Kind::Memory, Policy { charts_only: true, ..Policy::default() }).await;
    let (other, hub) = (image("other"), artifact_hub());
    for blobs in [&other, &hub] {
        server.push_blobs("team/app", blobs).await;
    }
    let digest = &other.manifest.digest;
    let two_tags = format!("{digest}?tag=sha256-0.sig&tag=1.0.0");
    let cases = [
        ("1.0.0", &other.manifest),
        (digest, &other.manifest),
        (&two_tags, &other.manifest),
        ("artifacthub.io", &other.manifest),
        ("1.0.0", &hub.manifest),
        ("1.0.0", &index(&[])),
    ];
    for (reference, manifest) in cases {
        println!("{reference}");
        let reply = server.send(put_manifest("team/app", reference, manifest)).await;
        assert_refused(&reply, 403, &["DENIED"]);
        assert!(reply.text().contains("policy.artifacts"), "{}", reply.text());
    }
}

#[tokio::test]
async fn other_artifacts_pass_untouched_by_default() {
    on_every_backend(async |server| {
        for (tag, artifact) in [("1.0.0", image("other")), ("artifacthub.io", artifact_hub())] {
            server.push_blobs("team/app", &artifact).await;
            let reply = server.send(put_manifest("team/app", tag, &artifact.manifest)).await;
            assert_status(&reply, 201);
            assert_eq!(reply.header("warning"), None);
        }
    })
    .await;
}
