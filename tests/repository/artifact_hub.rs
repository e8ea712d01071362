//! `artifacthub-repo.yml` of a chart repository, out of the artifact that Artifact Hub's convention for OCI has.

use serde_json::json;

use super::assert_plain;
use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact::{Blob, Document, IMAGE_MANIFEST};
use crate::support::http::Request;
use crate::support::registry::assert_status;

const CONFIG: &str = "application/vnd.cncf.artifacthub.config.v1+yaml";
const LAYER: &str = "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml";

/// Pushes a file as `oras push HOST/REPOSITORY:artifacthub.io --config /dev/null:CONFIG FILE:LAYER` does.
async fn push(server: &TestServer, repository: &str, file: &str) {
    let (config, file) = (Blob::new(""), Blob::new(file.to_owned()));
    for blob in [&config, &file] {
        server.push_blob(repository, blob).await;
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE_MANIFEST,
        "config": config.descriptor(CONFIG), "layers": [file.descriptor(LAYER)],
    });
    server.push_manifest(repository, "artifacthub.io", &Document::new(IMAGE_MANIFEST, &manifest)).await;
}

async fn assert_served(server: &TestServer, namespace: &str, file: &str) {
    for ending in ["yml", "yaml"] {
        let reply = server.get(format!("{namespace}/artifacthub-repo.{ending}")).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, file), "{namespace}");
        assert_eq!(reply.header("content-type"), Some("application/yaml"));
        let tag = reply.header("etag").expect("an entity tag").to_owned();
        let again =
            Request::get(format!("{namespace}/artifacthub-repo.{ending}")).header("If-None-Match", &tag);
        assert_status(&server.send(again).await, 304);
    }
}

#[tokio::test]
async fn the_owners_of_a_namespace_are_those_of_the_repository_of_its_name_or_of_its_charts() {
    on_every_backend(async |server| {
        let absent = server.get("/team/artifacthub-repo.yml").await;
        assert_plain(&absent, 404);
        assert!(absent.text().contains("artifacthub.io"), "{}", absent.text());

        push(&server, "team/app", "repositoryID: of-charts\n").await;
        assert_served(&server, "/team", "repositoryID: of-charts\n").await;
        push(&server, "team/web", "repositoryID: of-charts\n").await;
        assert_served(&server, "/team", "repositoryID: of-charts\n").await;
        push(&server, "team/db", "repositoryID: of-another\n").await;
        let torn = server.get("/team/artifacthub-repo.yml").await;
        assert_plain(&torn, 404);
        assert!(torn.text().contains("different"), "{}", torn.text());

        push(&server, "team", "repositoryID: of-the-team\n").await;
        assert_served(&server, "/team", "repositoryID: of-the-team\n").await;
        // The root has no name of its own: what `team` says counts there as what a chart says.
        assert_served(&server, "", "repositoryID: of-the-team\n").await;
    })
    .await;
}
