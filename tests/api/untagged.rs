//! Manifests without tags, and what they keep from being deleted.

use serde_json::{Value, json};

use super::{API, json_of};
use crate::support::app::where_tags_move;
use crate::support::artifact::{Blob, image, index, referrer};
use crate::support::registry::{assert_refused, assert_status, blob_path, manifest_path};

fn digests(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["digest"].as_str().expect("a digest")).collect()
}

#[tokio::test]
async fn an_overwritten_index_is_listed_and_named_by_what_it_holds() {
    where_tags_move(async |server| {
        let (one, two) = (image("one"), image("two"));
        for image in [&one, &two] {
            server.push_image("team/app", &image.manifest.digest, image).await;
        }
        let (old, new) = (index(&[&one.manifest]), index(&[&two.manifest]));
        server.push_manifest("team/app", "1.0.0", &old).await;
        server.push_manifest("team/app", "1.0.0", &new).await;

        // The child of the index that lost its tag cannot go, and the answer says why.
        let child = manifest_path("team/app", &one.manifest.digest);
        let refused = server.delete(&*child).await;
        assert_refused(&refused, 405, &["DENIED"]);
        let told = refused.text();
        assert!(told.contains(&old.digest) && told.contains("has no tag"), "{told}");
        let refused = server.delete(blob_path("team/app", &one.blobs[0].digest)).await;
        assert!(refused.text().contains(&one.manifest.digest), "{}", refused.text());
        let refused = server.delete(manifest_path("team/app", &two.manifest.digest)).await;
        assert!(refused.text().contains("has the tag 1.0.0"), "{}", refused.text());

        let listed = json_of(&server, "/repositories/team/app/-/untagged").await;
        let listed = listed["untagged"].as_array().expect("a list").clone();
        let mut expected = [&old.digest, &one.manifest.digest, &two.manifest.digest].map(String::as_str);
        expected.sort_unstable();
        assert_eq!(digests(&listed), expected);
        let of = |digest: &str| listed.iter().find(|entry| entry["digest"] == digest).expect("it is listed");
        let overwritten = of(&old.digest);
        assert_eq!((&overwritten["everTagged"], &overwritten["listedBy"]), (&json!(true), &json!([])));
        let held = of(&one.manifest.digest);
        assert_eq!((&held["everTagged"], &held["listedBy"]), (&json!(false), &json!([old.digest])));
        assert_eq!(held["size"], json!(one.manifest.body.len()));

        // What the list leads to: without the index its child can go.
        assert_status(&server.delete(manifest_path("team/app", &old.digest)).await, 202);
        assert_status(&server.delete(child).await, 202);
        let left = json_of(&server, "/repositories/team/app/-/untagged").await;
        assert_eq!(digests(left["untagged"].as_array().expect("a list")), [two.manifest.digest.as_str()]);
    })
    .await;
}

#[tokio::test]
async fn pages_give_every_untagged_manifest_once() {
    where_tags_move(async |server| {
        let subject = image("subject");
        server.push_image("team/app", "1.0.0", &subject).await;
        for n in 0..5 {
            let signature = referrer(&subject.manifest, "application/vnd.test.signature", &n.to_string());
            server.push_image("team/app", &signature.manifest.digest, &signature).await;
        }
        let target = format!("{API}/repositories/team/app/-/untagged");
        let (all, _) = server.pages(&target, "untagged").await;
        assert!(all.len() == 5 && all.iter().all(|entry| entry["subject"] == *subject.manifest.digest));
        assert!(all.iter().all(|entry| entry["artifactType"] == "application/vnd.test.signature"));
        for n in 1..=6 {
            let (found, pages) = server.pages(&format!("{target}?n={n}"), "untagged").await;
            assert_eq!((found, pages), (all.clone(), 5usize.div_ceil(n)));
        }
        assert_eq!(server.get(format!("{target}?n=0")).await.json()["untagged"], json!([]));
        assert_refused(&server.get(format!("{target}?last=x")).await, 400, &["UNSUPPORTED"]);
        let unknown = server.get(format!("{API}/repositories/team/other/-/untagged")).await;
        assert_refused(&unknown, 404, &["NAME_UNKNOWN"]);
        // A repository that has no manifest has none without a tag.
        server.push_blob("team/blobs", &Blob::new("a blob")).await;
        let none = json_of(&server, "/repositories/team/blobs/-/untagged").await;
        assert_eq!(none, json!({"repository": "team/blobs", "untagged": []}));
    })
    .await;
}
