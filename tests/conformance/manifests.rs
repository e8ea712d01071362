//! `PUT`, `GET` and `HEAD` of manifests (distribution-spec "Pushing manifests", "Pulling manifests", end-7).

use bytes::Bytes;
use serde_json::json;

use crate::support::app::on_every_backend;
use crate::support::artifact::{
    Blob, Document, IMAGE_CONFIG, IMAGE_INDEX, IMAGE_LAYER, IMAGE_MANIFEST, NON_DISTRIBUTABLE_LAYER, image,
    index, referrer,
};
use crate::support::http::Request;
use crate::support::registry::{
    assert_manifest_served, assert_refused, assert_status, error_code, location, manifest_path, put_manifest,
};

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

#[tokio::test]
async fn a_manifest_is_served_back_byte_for_byte_by_tag_and_by_digest() {
    on_every_backend(async |server| {
        let image = image("served");
        server.push_blobs("team/app", &image).await;
        let stored = server.put_manifest("team/app", "1.0.0", &image.manifest).await;
        assert_status(&stored, 201);
        assert_eq!(stored.header("docker-content-digest"), Some(image.manifest.digest.as_str()));
        let served = server.get(location(&stored)).await;
        assert_eq!((served.status, served.body), (200, image.manifest.body.to_vec()));
        for reference in ["1.0.0", &image.manifest.digest] {
            assert_manifest_served(&server, "team/app", reference, &image.manifest).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_manifest_pushed_by_digest_has_no_tag() {
    on_every_backend(async |server| {
        let image = image("untagged");
        server.push_image("team/app", &image.manifest.digest, &image).await;
        assert_manifest_served(&server, "team/app", &image.manifest.digest, &image.manifest).await;
        assert_eq!(server.get("/v2/team/app/tags/list").await.json()["tags"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn the_bytes_of_a_manifest_are_never_touched() {
    on_every_backend(async |server| {
        let image = image("odd");
        server.push_blobs("team/app", &image).await;
        let compact = image.manifest.json();
        let layers = compact["layers"].clone();
        let odd: [(&str, Vec<u8>); 5] = [
            ("pretty", serde_json::to_vec_pretty(&compact).expect("JSON")),
            ("space around", format!("\n\t {compact}\r\n  ").into_bytes()),
            (
                "escapes and unknown fields",
                format!(
                    r#"{{"x":"\u00e9\/","schemaVersion":2,"config":{},"layers":{layers},"y":[1.50,1e2,null]}}"#,
                    compact["config"]
                )
                .into_bytes(),
            ),
            (
                "no mediaType, text that is not ASCII",
                format!(
                    r#"{{"schemaVersion":2,"config":{},"layers":{layers},"annotations":{{"a":"größe 🚢"}}}}"#,
                    compact["config"]
                )
                .into_bytes(),
            ),
            (
                "no layers at all",
                format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, compact["config"]).into_bytes(),
            ),
        ];
        for (name, body) in odd {
            println!("{name}");
            let document = Document::from_bytes(IMAGE_MANIFEST, body);
            server.push_manifest("team/app", "odd", &document).await;
            for reference in ["odd", &document.digest] {
                assert_manifest_served(&server, "team/app", reference, &document).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_content_type_is_the_one_pushed_without_parameters() {
    on_every_backend(async |server| {
        let image = image("types");
        server.push_blobs("team/app", &image).await;
        let untyped = image.manifest.with(|value| {
            value.as_object_mut().expect("an object").remove("mediaType");
        });
        for pushed in [
            "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
            "application/vnd.oci.image.manifest.v1+json;charset=utf-8",
            "application/vnd.oci.image.manifest.v1+json",
        ] {
            let put = Request::put(manifest_path("team/app", "typed"), untyped.body.clone());
            assert_status(&server.send(put.header("Content-Type", pushed)).await, 201);
            assert_manifest_served(&server, "team/app", "typed", &untyped).await;
        }
    })
    .await;
}

#[tokio::test]
async fn docker_manifests_and_lists_are_stored_as_well() {
    on_every_backend(async |server| {
        let image = image("docker");
        server.push_blobs("team/app", &image).await;
        let manifest = image.manifest.with(|value| value["mediaType"] = DOCKER_MANIFEST.into());
        let manifest = Document { media_type: DOCKER_MANIFEST.into(), ..manifest };
        server.push_manifest("team/app", "docker", &manifest).await;
        assert_manifest_served(&server, "team/app", "docker", &manifest).await;
        let list = index(&[&manifest]).with(|value| value["mediaType"] = DOCKER_LIST.into());
        let list = Document { media_type: DOCKER_LIST.into(), ..list };
        server.push_manifest("team/app", "list", &list).await;
        assert_manifest_served(&server, "team/app", "list", &list).await;
    })
    .await;
}

#[tokio::test]
async fn accept_never_changes_what_is_served() {
    on_every_backend(async |server| {
        let image = image("accept");
        server.push_image("team/app", "1.0.0", &image).await;
        for accept in ["*/*", IMAGE_INDEX, DOCKER_MANIFEST, "text/html", "nonsense", ""] {
            let get = Request::get(manifest_path("team/app", "1.0.0")).header("Accept", accept);
            let got = server.send(get).await;
            assert_status(&got, 200);
            assert_eq!(got.header("content-type"), Some(IMAGE_MANIFEST), "Accept: {accept}");
            assert_eq!(got.body, image.manifest.body, "Accept: {accept}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_tag_moves_to_the_last_manifest_and_the_old_one_stays_by_digest() {
    on_every_backend(async |server| {
        let (old, new) = (image("old"), image("new"));
        server.push_image("team/app", "latest", &old).await;
        server.push_image("team/app", "latest", &new).await;
        assert_manifest_served(&server, "team/app", "latest", &new.manifest).await;
        assert_manifest_served(&server, "team/app", &old.manifest.digest, &old.manifest).await;
    })
    .await;
}

#[tokio::test]
async fn pushing_the_same_manifest_again_is_201() {
    on_every_backend(async |server| {
        let image = image("again");
        server.push_image("team/app", "1.0.0", &image).await;
        for reference in ["1.0.0", &image.manifest.digest, "1.0.0"] {
            server.push_manifest("team/app", reference, &image.manifest).await;
        }
        assert_eq!(server.get("/v2/team/app/tags/list").await.json()["tags"], json!(["1.0.0"]));
    })
    .await;
}

#[tokio::test]
async fn tags_of_every_legal_shape_can_be_pushed() {
    let longest = "t".repeat(128);
    on_every_backend(async |server| {
        let image = image("tags");
        server.push_blobs("team/app", &image).await;
        for tag in
            ["a", "Z", "0", "_", "_.-", "v1.2.3", "1.2.3_build.7", "A-b_C.d", "list", "latest", &longest]
        {
            println!("{tag}");
            server.push_manifest("team/app", tag, &image.manifest).await;
            assert_manifest_served(&server, "team/app", tag, &image.manifest).await;
        }
    })
    .await;
}

#[tokio::test]
async fn every_referenced_blob_must_exist_in_the_repository() {
    on_every_backend(async |server| {
        let image = image("incomplete");
        let put = || server.put_manifest("team/app", "1.0.0", &image.manifest);
        assert_refused(&put().await, 404, &["MANIFEST_BLOB_UNKNOWN"]);
        server.push_blob("team/app", &image.blobs[0]).await;
        assert_refused(&put().await, 404, &["MANIFEST_BLOB_UNKNOWN"]);
        server.push_blob("team/other", &image.blobs[1]).await;
        assert_refused(&put().await, 404, &["MANIFEST_BLOB_UNKNOWN"]);
        assert_status(&server.head(manifest_path("team/app", "1.0.0")).await, 404);
        assert_status(&server.head(manifest_path("team/app", &image.manifest.digest)).await, 404);
        server.push_blob("team/app", &image.blobs[1]).await;
        assert_status(&put().await, 201);
    })
    .await;
}

#[tokio::test]
async fn the_refusal_names_what_is_missing() {
    on_every_backend(async |server| {
        let image = image("missing");
        let refused = server.put_manifest("team/app", "1.0.0", &image.manifest).await;
        assert_refused(&refused, 404, &["MANIFEST_BLOB_UNKNOWN"]);
        let named = image.blobs.iter().any(|blob| refused.text().contains(&blob.digest));
        assert!(named, "none of the digests is in {}", refused.text());
    })
    .await;
}

#[tokio::test]
async fn every_child_of_an_index_must_exist_in_the_repository() {
    on_every_backend(async |server| {
        let (one, two) = (image("one"), image("two"));
        server.push_image("team/app", "one", &one).await;
        let all = index(&[&one.manifest, &two.manifest]);
        let refused = server.put_manifest("team/app", "all", &all).await;
        assert_refused(&refused, 404, &["MANIFEST_BLOB_UNKNOWN"]);
        assert!(refused.text().contains(&two.manifest.digest), "{}", refused.text());
        server.push_image("team/app", &two.manifest.digest, &two).await;
        server.push_manifest("team/app", "all", &all).await;
        assert_manifest_served(&server, "team/app", "all", &all).await;
    })
    .await;
}

#[tokio::test]
async fn indexes_may_be_empty_and_nested() {
    on_every_backend(async |server| {
        let empty = index(&[]);
        server.push_manifest("team/app", "empty", &empty).await;
        assert_manifest_served(&server, "team/app", "empty", &empty).await;
        let nested = index(&[&empty]);
        server.push_manifest("team/app", "nested", &nested).await;
        assert_manifest_served(&server, "team/app", "nested", &nested).await;
    })
    .await;
}

#[tokio::test]
async fn a_missing_subject_is_accepted_and_confirmed() {
    on_every_backend(async |server| {
        let absent = image("absent subject");
        let note = referrer(&absent.manifest, "application/vnd.test", "early");
        server.push_blobs("team/app", &note).await;
        for reference in ["signed", &note.manifest.digest] {
            let stored = server.put_manifest("team/app", reference, &note.manifest).await;
            assert_status(&stored, 201);
            assert_eq!(stored.header("oci-subject"), Some(absent.manifest.digest.as_str()));
        }
        let about = index(&[]).about(&absent.manifest);
        let stored = server.put_manifest("team/app", "index", &about).await;
        assert_status(&stored, 201);
        assert_eq!(stored.header("oci-subject"), Some(absent.manifest.digest.as_str()));
    })
    .await;
}

#[tokio::test]
async fn without_a_subject_there_is_no_oci_subject() {
    on_every_backend(async |server| {
        let image = image("no subject");
        server.push_blobs("team/app", &image).await;
        let stored = server.put_manifest("team/app", "1.0.0", &image.manifest).await;
        assert_eq!((stored.status, stored.header("oci-subject")), (201, None));
    })
    .await;
}

#[tokio::test]
async fn layers_that_may_not_be_distributed_need_not_exist() {
    let types = [
        NON_DISTRIBUTABLE_LAYER,
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ];
    on_every_backend(async |server| {
        for media_type in types {
            let (config, never_pushed) = (Blob::new("{}"), Blob::new(media_type));
            let mut layer = never_pushed.descriptor(media_type);
            layer["urls"] = json!(["https://example.com/layer"]);
            server.push_blob("team/app", &config).await;
            let value = json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST,
                               "config": config.descriptor(IMAGE_CONFIG), "layers": [layer]});
            let document = Document::new(IMAGE_MANIFEST, &value);
            server.push_manifest("team/app", "foreign", &document).await;
            assert_manifest_served(&server, "team/app", "foreign", &document).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_digest_of_the_path_must_be_that_of_the_body() {
    on_every_backend(async |server| {
        let (image, other) = (image("digest"), image("other digest"));
        server.push_blobs("team/app", &image).await;
        let refused = server.put_manifest("team/app", &other.manifest.digest, &image.manifest).await;
        assert_refused(&refused, 400, &["DIGEST_INVALID"]);
        for digest in [&image.manifest.digest, &other.manifest.digest] {
            assert_status(&server.head(manifest_path("team/app", digest)).await, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn a_malformed_digest_is_never_read_as_a_tag() {
    let hex = "a".repeat(64);
    let malformed = [
        "sha256:".to_owned(),
        "sha256:abc".into(),
        format!("sha256:{hex}0"),
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha256:{}", "z".repeat(64)),
        format!("SHA256:{hex}"),
        format!("sha257:{hex}"),
        format!("sha512:{hex}"),
        format!(":{hex}"),
        format!("sha256:sha256:{hex}"),
        format!("latest@sha256:{hex}"),
        "a:b".into(),
        ":".into(),
    ];
    on_every_backend(async |server| {
        let image = image("malformed");
        server.push_image("team/app", "1.0.0", &image).await;
        for reference in &malformed {
            println!("{reference}");
            let put = put_manifest("team/app", reference, &image.manifest);
            assert_status(&server.send(put).await, 400);
            let target = manifest_path("team/app", reference);
            for request in [Request::get(&target), Request::delete(&target)] {
                let refused = server.send(request).await;
                assert!(matches!(refused.status, 400 | 404), "{reference}: {}", refused.status);
                error_code(&refused);
            }
            assert!(matches!(server.head(&target).await.status, 400 | 404), "HEAD {reference}");
        }
        assert_eq!(server.get("/v2/team/app/tags/list").await.json()["tags"], json!(["1.0.0"]));
    })
    .await;
}

#[tokio::test]
async fn a_manifest_of_almost_4_mib_is_stored_and_a_larger_one_is_413() {
    on_every_backend(async |server| {
        let image = image("big");
        server.push_blobs("team/app", &image).await;
        let padded = |size: usize| {
            let bare = image.manifest.body.len() + r#""annotations":{"pad":""},"#.len();
            let value =
                image.manifest.with(|value| value["annotations"] = json!({"pad": "x".repeat(size - bare)}));
            assert_eq!(value.body.len(), size);
            value
        };
        for size in [1 << 20, 3_900_000, 4 << 20] {
            println!("{size} bytes");
            let document = padded(size);
            server.push_manifest("team/app", "big", &document).await;
            assert_manifest_served(&server, "team/app", "big", &document).await;
        }
        let too_big = padded((4 << 20) + 1);
        let refused = server.put_manifest("team/app", "bigger", &too_big).await;
        assert_refused(&refused, 413, &["MANIFEST_INVALID", "SIZE_INVALID"]);
        // The same without a length to refuse it by.
        let pieces = too_big.body.chunks(65_536).map(Bytes::copy_from_slice);
        let streamed = Request::new("PUT", manifest_path("team/app", "bigger"))
            .header("Content-Type", IMAGE_MANIFEST)
            .chunks(pieces);
        assert_status(&server.send(streamed).await, 413);
        assert_status(&server.head(manifest_path("team/app", "bigger")).await, 404);
    })
    .await;
}

#[tokio::test]
async fn a_manifest_without_a_length_is_stored() {
    on_every_backend(async |server| {
        let image = image("streamed");
        server.push_blobs("team/app", &image).await;
        let put = Request::new("PUT", manifest_path("team/app", "1.0.0"))
            .header("Content-Type", IMAGE_MANIFEST)
            .chunks(image.manifest.body.chunks(100).map(Bytes::copy_from_slice));
        assert_status(&server.send(put).await, 201);
        assert_manifest_served(&server, "team/app", "1.0.0", &image.manifest).await;
    })
    .await;
}

#[tokio::test]
async fn a_put_by_digest_may_set_several_tags_at_once() {
    on_every_backend(async |server| {
        let image = image("many tags");
        server.push_blobs("team/app", &image).await;
        let tags: Vec<_> = (0..10).map(|n| format!("1.0.{n}")).collect();
        let query: Vec<_> = tags.iter().map(|tag| format!("tag={tag}")).collect();
        let reference = format!("{}?{}", image.manifest.digest, query.join("&"));
        let stored = server.put_manifest("team/app", &reference, &image.manifest).await;
        assert_status(&stored, 201);
        let mut confirmed = stored.headers_named("oci-tag");
        confirmed.sort_unstable();
        assert_eq!(confirmed, tags);
        for tag in &tags {
            assert_manifest_served(&server, "team/app", tag, &image.manifest).await;
        }
        assert_eq!(server.get("/v2/team/app/tags/list").await.json()["tags"], json!(tags));
    })
    .await;
}

#[tokio::test]
async fn several_tags_move_together_or_not_at_all() {
    on_every_backend(async |server| {
        let (old, new) = (image("old"), image("new"));
        server.push_image("team/app", "latest", &old).await;
        server.push_blobs("team/app", &new).await;
        let put = |tags: &str| format!("{}?{tags}", new.manifest.digest);
        let refused = server.put_manifest("team/app", &put("tag=latest&tag=.bad"), &new.manifest).await;
        assert_status(&refused, 400);
        assert_manifest_served(&server, "team/app", "latest", &old.manifest).await;
        let stored = server.put_manifest("team/app", &put("tag=latest&tag=new&tag=new"), &new.manifest).await;
        assert_status(&stored, 201);
        for tag in ["latest", "new"] {
            assert_manifest_served(&server, "team/app", tag, &new.manifest).await;
        }
    })
    .await;
}

#[tokio::test]
async fn too_many_tags_are_414() {
    on_every_backend(async |server| {
        let image = image("too many tags");
        server.push_blobs("team/app", &image).await;
        let query: Vec<_> = (0..2_000).map(|n| format!("tag=t{n}")).collect();
        let reference = format!("{}?{}", image.manifest.digest, query.join("&"));
        let refused = server.put_manifest("team/app", &reference, &image.manifest).await;
        assert_status(&refused, 414);
        assert_status(&server.head(manifest_path("team/app", "t0")).await, 404);
    })
    .await;
}

#[tokio::test]
async fn the_last_media_type_pushed_for_the_same_bytes_is_served() {
    on_every_backend(async |server| {
        let image = image("retyped");
        server.push_blobs("team/app", &image).await;
        let untyped = image.manifest.with(|value| {
            value.as_object_mut().expect("an object").remove("mediaType");
        });
        server.push_manifest("team/app", "1.0.0", &untyped).await;
        let docker = Document { media_type: DOCKER_MANIFEST.into(), ..untyped };
        server.push_manifest("team/app", "1.0.0", &docker).await;
        assert_manifest_served(&server, "team/app", "1.0.0", &docker).await;
    })
    .await;
}

#[tokio::test]
async fn one_layer_may_stand_twice_and_be_the_config_as_well() {
    on_every_backend(async |server| {
        let only = Blob::new("{}");
        server.push_blob("team/app", &only).await;
        let layer = only.descriptor(IMAGE_LAYER);
        let value = json!({"schemaVersion": 2, "mediaType": IMAGE_MANIFEST,
                           "config": only.descriptor(IMAGE_CONFIG), "layers": [layer, layer]});
        let document = Document::new(IMAGE_MANIFEST, &value);
        server.push_manifest("team/app", "1.0.0", &document).await;
        assert_manifest_served(&server, "team/app", "1.0.0", &document).await;
    })
    .await;
}
