//! Two replicas in shared mode over one store: what one acknowledged the other serves at once.

use serde_json::json;

use crate::support::app::TestServer;
use crate::support::artifact::{Blob, image, noise, referrer};
use crate::support::http::Request;
use crate::support::registry::{
    assert_blob_served, assert_manifest_served, assert_status, blob_path, location, manifest_path,
    put_manifest,
};

#[tokio::test]
async fn a_push_is_visible_on_the_other_replica_at_once() {
    let (here, there) = TestServer::replicas().await;
    for n in 0..20 {
        let (pushing, reading) = if n % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let (image, tag) = (image(&format!("push {n}")), format!("1.0.{n}"));
        pushing.push_image("team/app", &tag, &image).await;
        assert_manifest_served(reading, "team/app", &tag, &image.manifest).await;
        assert_manifest_served(reading, "team/app", &image.manifest.digest, &image.manifest).await;
        assert_blob_served(reading, "team/app", &image.blobs[1]).await;
        let tags = reading.get("/v2/team/app/tags/list").await.json();
        assert_eq!(tags["tags"].as_array().map(Vec::len), Some(n + 1));
    }
    assert_eq!(there.get("/v2/_catalog").await.json(), json!({"repositories": ["team/app"]}));
}

#[tokio::test]
async fn a_moved_tag_is_seen_moved_at_once() {
    let (here, there) = TestServer::replicas().await;
    for n in 0..20 {
        let (pushing, reading) = if n % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let image = image(&format!("move {n}"));
        pushing.push_image("team/app", "latest", &image).await;
        assert_manifest_served(reading, "team/app", "latest", &image.manifest).await;
    }
}

#[tokio::test]
async fn a_deletion_is_visible_on_the_other_replica_at_once() {
    let (here, there) = TestServer::replicas().await;
    let (image, blob) = (image("deleted"), Blob::new(noise("deleted", 50_000)));
    here.push_image("team/app", "1.0.0", &image).await;
    here.push_image("team/app", "latest", &image).await;
    here.push_blob("team/app", &blob).await;
    // Both have it in memory before it goes.
    for server in [&here, &there] {
        assert_manifest_served(server, "team/app", "1.0.0", &image.manifest).await;
        assert_blob_served(server, "team/app", &blob).await;
    }
    assert_status(&here.delete(manifest_path("team/app", "latest")).await, 202);
    assert_status(&there.get(manifest_path("team/app", "latest")).await, 404);
    assert_status(&here.delete(blob_path("team/app", &blob.digest)).await, 202);
    assert_status(&there.get(blob_path("team/app", &blob.digest)).await, 404);
    assert_status(&there.head(blob_path("team/app", &blob.digest)).await, 404);
    assert_status(&there.delete(manifest_path("team/app", &image.manifest.digest)).await, 202);
    for reference in ["1.0.0", &image.manifest.digest] {
        assert_status(&here.get(manifest_path("team/app", reference)).await, 404);
        assert_status(&here.head(manifest_path("team/app", reference)).await, 404);
    }
    assert_eq!(here.get("/v2/team/app/tags/list").await.json()["tags"], json!([]));
}

#[tokio::test]
async fn an_upload_may_go_on_and_end_on_another_replica() {
    let (here, there) = TestServer::replicas().await;
    let blob = Blob::new(noise("wandering", 60_000));
    let session = here.start_upload("team/app").await;
    let chunk = |session: String, first: usize, end: usize| {
        Request::patch(session, blob.bytes.slice(first..end))
            .header("Content-Range", format!("{first}-{}", end - 1))
    };
    let accepted = there.send(chunk(session, 0, 20_000)).await;
    assert_status(&accepted, 202);
    let accepted = here.send(chunk(location(&accepted), 20_000, 60_000)).await;
    assert_status(&accepted, 202);
    assert_eq!(there.get(location(&accepted)).await.header("range"), Some("0-59999"));
    assert_status(&there.close_upload(&location(&accepted), &blob.digest, "").await, 201);
    assert_blob_served(&here, "team/app", &blob).await;
}

#[tokio::test]
async fn an_upload_cancelled_on_one_replica_is_unknown_on_the_other() {
    let (here, there) = TestServer::replicas().await;
    let session = here.start_upload("team/app").await;
    let accepted = here.send(Request::patch(session, noise("cancelled", 20_000))).await;
    let session = location(&accepted);
    assert_status(&here.delete(&session).await, 204);
    assert_status(&there.get(&session).await, 404);
    assert_status(&there.send(Request::patch(&session, "more")).await, 404);
    assert_status(&there.delete(&session).await, 404);
}

#[tokio::test]
async fn of_creations_racing_on_two_replicas_exactly_one_wins() {
    let (here, there) = TestServer::replicas().await;
    for round in 0..10 {
        let images: Vec<_> = (0..8).map(|n| image(&format!("race {round} {n}"))).collect();
        for image in &images {
            here.push_blobs("team/app", image).await;
        }
        let tag = format!("1.0.{round}");
        let puts = images.iter().enumerate().map(|(n, image)| {
            let server = if n % 2 == 0 { &here } else { &there };
            server.send(put_manifest("team/app", &tag, &image.manifest).header("If-None-Match", "*"))
        });
        let replies = futures_util::future::join_all(puts).await;
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 201 | 412)), "{statuses:?}");
        let winner = statuses.iter().position(|status| *status == 201).expect("a winner");
        for server in [&here, &there] {
            assert_manifest_served(server, "team/app", &tag, &images[winner].manifest).await;
        }
    }
}

#[tokio::test]
async fn a_push_that_lost_its_blob_to_the_other_replica_is_refused() {
    let (here, there) = TestServer::replicas().await;
    let image = image("lost");
    here.push_blobs("team/app", &image).await;
    assert_status(&there.delete(blob_path("team/app", &image.blobs[1].digest)).await, 202);
    assert_status(&here.put_manifest("team/app", "1.0.0", &image.manifest).await, 404);
}

#[tokio::test]
async fn referrers_pushed_to_one_replica_are_listed_by_the_other() {
    let (here, there) = TestServer::replicas().await;
    let subject = image("subject");
    here.push_image("team/app", "1.0.0", &subject).await;
    for n in 1..=5 {
        let (pushing, reading) = if n % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let note = referrer(&subject.manifest, "application/vnd.test", &n.to_string());
        pushing.push_image("team/app", &note.manifest.digest, &note).await;
        let listed = reading.get(format!("/v2/team/app/referrers/{}", subject.manifest.digest)).await;
        assert_eq!(listed.json()["manifests"].as_array().map(Vec::len), Some(n));
    }
}
