//! What clients in the field send and other registries take: escapes in paths. And what is refused however it is sent:
//! sizes that are wrong, names that are reserved.

use serde_json::{Value, json};

use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact::{
    Document, HELM_CHART, HELM_CONFIG, IMAGE_LAYER, NON_DISTRIBUTABLE_LAYER, image, index, referrer,
};
use crate::support::http::Request;
use crate::support::registry::{
    assert_manifest_served, assert_refused, assert_status, blob_path, manifest_path, warnings,
};
use crate::support::release::Release;

#[tokio::test]
async fn an_escape_of_what_a_component_may_hold_is_undone_once() {
    on_every_backend(async |server| {
        let image = image("escaped");
        server.push_image("team/app", "1.0.0", &image).await;
        let escaped = |digest: &str| digest.replace(':', "%3A");
        let taken = [
            manifest_path("team/app", &escaped(&image.manifest.digest)),
            manifest_path("team/app", &image.manifest.digest.replace(':', "%3a")),
            manifest_path("te%61m/%61pp", "1%2E0%2e0"),
            blob_path("team/app", &escaped(&image.blobs[0].digest)),
            format!("/v2/team/app/referrers/{}", escaped(&image.manifest.digest)),
            "/v2/team/app/t%61gs/list".to_owned(),
        ];
        for target in taken {
            assert_status(&server.get(&*target).await, 200);
            assert_status(&server.head(target).await, 200);
        }
        let digest = escaped(&image.manifest.digest);
        let put = Request::put(manifest_path("team/app", &digest), image.manifest.body.clone());
        let put = put.header("Content-Type", &image.manifest.media_type);
        assert_status(&server.send(put).await, 201);
        assert_status(&server.delete(manifest_path("team/app", &digest)).await, 202);
        let refused = [
            "/v2/team%2Fapp/tags/list",
            "/v2/team/app/manifests/1.0.0%2F",
            "/v2/%2e%2e/app/tags/list",
            "/v2/team/app/manifests/%2E",
            "/v2/team/app/manifests/1%252E0.0",
            "/v2/team/app/manifests/a%00",
            "/v2/team/app/manifests/a%2Bb",
            "/v2/te%41m/app/tags/list",
        ];
        for target in refused {
            assert_refused(&server.get(target).await, 400, &["NAME_INVALID"]);
        }
    })
    .await;
}

/// The descriptors of a document, each with another size.
fn with_wrong_sizes(document: &Document) -> Vec<(String, Document)> {
    let pointers = ["/config", "/layers/0", "/layers/1", "/manifests/0", "/manifests/1", "/subject"];
    let there = pointers.into_iter().filter(|pointer| document.json().pointer(pointer).is_some());
    let mut wrong = Vec::new();
    for pointer in there {
        for change in [-1, 1, 1_000_000] {
            let document = document.with(|value| {
                let size = &mut value.pointer_mut(pointer).expect("a descriptor")["size"];
                *size = (size.as_i64().expect("a size") + change).into();
            });
            wrong.push((format!("{pointer} {change:+}"), document));
        }
    }
    wrong
}

#[tokio::test]
async fn a_descriptor_with_another_size_than_its_content_is_refused() {
    on_every_backend(async |server| {
        let (one, two) = (image("one"), image("two"));
        let chart = Release::named("app", "1.0.0").signed().image();
        for pushed in [&one, &two, &chart] {
            server.push_image("team/app", &pushed.manifest.digest, pushed).await;
        }
        let signature = referrer(&one.manifest, "application/vnd.test", "note");
        server.push_blobs("team/app", &signature).await;
        let index = index(&[&one.manifest, &two.manifest]);
        for right in [&one.manifest, &chart.manifest, &signature.manifest, &index] {
            let wrong = with_wrong_sizes(right);
            assert!(wrong.len() >= 6);
            for (what, wrong) in wrong {
                println!("{what}");
                for reference in ["1.0.0", &wrong.digest] {
                    let refused = server.put_manifest("team/app", reference, &wrong).await;
                    assert_refused(&refused, 400, &["SIZE_INVALID"]);
                    assert!(refused.text().contains("bytes"), "{}", refused.text());
                }
                assert_status(&server.get(manifest_path("team/app", &wrong.digest)).await, 404);
            }
            server.push_manifest("team/app", &right.digest, right).await;
        }
        // The same digest twice, once right.
        let twice = one.manifest.with(|value| {
            let mut layer = value["layers"][0].clone();
            layer["size"] = json!(1);
            value["layers"].as_array_mut().expect("layers").push(layer);
        });
        assert_refused(&server.put_manifest("team/app", "1.0.0", &twice).await, 400, &["SIZE_INVALID"]);
    })
    .await;
}

/// What is not there has no size that could be compared: a subject that comes later, a layer that is never pushed.
#[tokio::test]
async fn the_size_of_what_the_repository_does_not_hold_may_be_any() {
    on_every_backend(async |server| {
        let (base, absent) = (image("base"), image("absent"));
        server.push_blobs("team/app", &base).await;
        let foreign = base.manifest.with(|value| {
            let mut layer = image("foreign").blobs[1].descriptor(NON_DISTRIBUTABLE_LAYER);
            layer["urls"] = json!(["https://example.com/layer"]);
            layer["size"] = json!(1);
            value["layers"] = json!([layer, base.blobs[1].descriptor(IMAGE_LAYER)]);
            value["subject"] = absent.manifest.descriptor();
            value["subject"]["size"] = json!(1);
        });
        server.push_manifest("team/app", "1.0.0", &foreign).await;
        assert_manifest_served(&server, "team/app", "1.0.0", &foreign).await;
    })
    .await;
}

#[tokio::test]
async fn a_reserved_name_is_refused_with_the_reason() {
    on_every_backend(async |server| {
        for name in ["api", "v2", "health"] {
            let refused = server.send(Request::post(format!("/v2/{name}/app/blobs/uploads/"))).await;
            assert_refused(&refused, 400, &["NAME_INVALID"]);
            let message = refused.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.contains(name) && message.contains(&format!("charts/{name}")), "{message}");
            assert_status(
                &server.send(Request::post(format!("/v2/charts/{name}/blobs/uploads/"))).await,
                202,
            );
        }
    })
    .await;
}

/// The warnings of GETs of a chart, over OCI by tag and by digest, and out of the chart repository.
async fn told_at_a_pull(server: &TestServer, metadata: &Value) -> Vec<Vec<String>> {
    let release = Release::new(metadata);
    let (name, version) =
        (metadata["name"].as_str().expect("a name"), metadata["version"].as_str().expect("a version"));
    server.push_release(&format!("team/{name}"), version, &release).await;
    let image = release.image();
    let manifest = image.manifest.json();
    assert_eq!(manifest["config"]["mediaType"], HELM_CONFIG);
    assert_eq!(manifest["layers"][0]["mediaType"], HELM_CHART);
    let targets = [
        manifest_path(&format!("team/{name}"), version),
        manifest_path(&format!("team/{name}"), &image.manifest.digest),
        format!("/team/charts/{name}-{version}.tgz"),
    ];
    let mut told = Vec::new();
    for target in targets {
        let reply = server.get(&*target).await;
        assert_status(&reply, 200);
        told.push(warnings(&reply));
    }
    told
}

#[tokio::test]
async fn a_pull_of_a_deprecated_chart_is_warned_about() {
    on_every_backend(async |server| {
        let deprecated = json!({"apiVersion": "v2", "name": "old", "version": "1.0.0", "deprecated": true});
        for told in told_at_a_pull(&server, &deprecated).await {
            assert!(told.len() == 1 && told[0].contains("old is deprecated"), "{told:?}");
        }
        // A text that looks like the member is none.
        let text = r#"","deprecated":true,"x":""#;
        let others = [
            json!({"apiVersion": "v2", "name": "a", "version": "1.0.0", "deprecated": false}),
            json!({"apiVersion": "v2", "name": "b", "version": "1.0.0", "description": text}),
            json!({"apiVersion": "v2", "name": "c", "version": "1.0.0", "annotations": {"deprecated": "true"}}),
        ];
        for metadata in others {
            assert_eq!(told_at_a_pull(&server, &metadata).await, vec![Vec::<String>::new(); 3], "{metadata}");
        }
    })
    .await;
}
