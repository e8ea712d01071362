//! Conditional requests: create-only tags, compare-and-set, and 304 for who has the current answer
//! (RFC 9110 section 13).

use crate::support::app::{TestServer, on_every_backend};
use crate::support::artifact::{Image, image, referrer};
use crate::support::http::Request;
use crate::support::registry::{
    assert_manifest_served, assert_status, error_code, manifest_path, put_manifest,
};

fn etag(image: &Image) -> String {
    format!("\"{}\"", image.manifest.digest)
}

/// A PUT of `image` under `tag` with one condition; the status.
async fn put_if(server: &TestServer, tag: &str, image: &Image, condition: &str, value: &str) -> u16 {
    let request = put_manifest("team/app", tag, &image.manifest).header(condition, value);
    let reply = server.send(request).await;
    if reply.status == 412 {
        error_code(&reply);
    }
    reply.status
}

async fn two_images(server: &TestServer) -> (Image, Image) {
    let (one, two) = (image("one"), image("two"));
    server.push_blobs("team/app", &one).await;
    server.push_blobs("team/app", &two).await;
    (one, two)
}

#[tokio::test]
async fn the_etag_of_a_manifest_is_its_digest() {
    on_every_backend(async |server| {
        let image = image("etag");
        server.push_image("team/app", "1.0.0", &image).await;
        for reference in ["1.0.0", &image.manifest.digest] {
            let target = manifest_path("team/app", reference);
            assert_eq!(server.get(&target).await.header("etag"), Some(etag(&image).as_str()));
            assert_eq!(server.head(&target).await.header("etag"), Some(etag(&image).as_str()));
        }
    })
    .await;
}

#[tokio::test]
async fn if_none_match_star_creates_a_tag_once() {
    on_every_backend(async |server| {
        let (one, two) = two_images(&server).await;
        assert_eq!(put_if(&server, "1.0.0", &one, "If-None-Match", "*").await, 201);
        assert_eq!(put_if(&server, "1.0.0", &two, "If-None-Match", "*").await, 412);
        assert_manifest_served(&server, "team/app", "1.0.0", &one.manifest).await;
        assert_status(&server.delete(manifest_path("team/app", "1.0.0")).await, 202);
        assert_eq!(put_if(&server, "1.0.0", &two, "If-None-Match", "*").await, 201);
    })
    .await;
}

#[tokio::test]
async fn no_tag_is_exempt_from_its_condition_nor_a_push_by_digest() {
    on_every_backend(async |server| {
        let (one, two) = two_images(&server).await;
        for tag in ["latest", "v1", "dev", "0", "_", "1.0.0_build.7", "list", "LATEST"] {
            println!("{tag}");
            assert_eq!(put_if(&server, tag, &one, "If-None-Match", "*").await, 201);
            assert_eq!(put_if(&server, tag, &two, "If-None-Match", "*").await, 412);
            let by_digest = format!("{}?tag=fresh&tag={tag}", two.manifest.digest);
            assert_eq!(put_if(&server, &by_digest, &two, "If-None-Match", "*").await, 412);
            assert_eq!(put_if(&server, &by_digest, &two, "If-Match", &etag(&two)).await, 412);
            assert_manifest_served(&server, "team/app", tag, &one.manifest).await;
            assert_status(&server.get(manifest_path("team/app", "fresh")).await, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn if_match_moves_a_tag_only_from_where_it_was_seen() {
    on_every_backend(async |server| {
        let (one, two) = two_images(&server).await;
        assert_eq!(put_if(&server, "1.0.0", &one, "If-Match", &etag(&one)).await, 412, "no such tag yet");
        assert_eq!(put_if(&server, "1.0.0", &one, "If-Match", "*").await, 412, "no such tag yet");
        server.push_manifest("team/app", "1.0.0", &one.manifest).await;
        assert_eq!(put_if(&server, "1.0.0", &two, "If-Match", &etag(&two)).await, 412);
        assert_manifest_served(&server, "team/app", "1.0.0", &one.manifest).await;
        assert_eq!(put_if(&server, "1.0.0", &two, "If-Match", &etag(&one)).await, 201);
        assert_eq!(put_if(&server, "1.0.0", &one, "If-Match", &etag(&one)).await, 412);
        assert_manifest_served(&server, "team/app", "1.0.0", &two.manifest).await;
        assert_eq!(put_if(&server, "1.0.0", &one, "If-Match", "*").await, 201);
    })
    .await;
}

#[tokio::test]
async fn of_racing_creations_exactly_one_wins() {
    on_every_backend(async |server| {
        for round in 0..5 {
            let images: Vec<_> = (0..8).map(|n| image(&format!("race {round} {n}"))).collect();
            for image in &images {
                server.push_blobs("team/app", image).await;
            }
            let tag = format!("1.0.{round}");
            let puts = images.iter().map(|image| put_if(&server, &tag, image, "If-None-Match", "*"));
            let statuses = futures_util::future::join_all(puts).await;
            assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
            assert!(statuses.iter().all(|status| matches!(status, 201 | 412)), "{statuses:?}");
            let winner = statuses.iter().position(|status| *status == 201).expect("a winner");
            assert_manifest_served(&server, "team/app", &tag, &images[winner].manifest).await;
        }
    })
    .await;
}

#[tokio::test]
async fn of_racing_moves_from_one_state_exactly_one_wins() {
    on_every_backend(async |server| {
        let first = image("first");
        server.push_image("team/app", "1.0.0", &first).await;
        let images: Vec<_> = (0..8).map(|n| image(&format!("move {n}"))).collect();
        for image in &images {
            server.push_blobs("team/app", image).await;
        }
        let seen = etag(&first);
        let puts = images.iter().map(|image| put_if(&server, "1.0.0", image, "If-Match", &seen));
        let statuses = futures_util::future::join_all(puts).await;
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 201 | 412)), "{statuses:?}");
    })
    .await;
}

#[tokio::test]
async fn who_has_the_current_manifest_gets_304() {
    on_every_backend(async |server| {
        let (one, two) = two_images(&server).await;
        server.push_manifest("team/app", "1.0.0", &one.manifest).await;
        let (current, stale) = (etag(&one), etag(&two));
        let cases = [
            (current.clone(), 304),
            (format!("W/{current}"), 304),
            (format!("{stale}, {current}"), 304),
            ("*".into(), 304),
            (stale.clone(), 200),
            ("\"\"".into(), 200),
            (one.manifest.digest.clone(), 200),
        ];
        for method in ["GET", "HEAD"] {
            for (condition, status) in &cases {
                println!("{method} If-None-Match: {condition}");
                let request = Request::new(method, manifest_path("team/app", "1.0.0"));
                let reply = server.send(request.header("If-None-Match", condition)).await;
                assert_status(&reply, *status);
                assert_eq!(reply.header("etag"), Some(current.as_str()));
                assert_eq!(reply.header("docker-content-digest"), Some(one.manifest.digest.as_str()));
            }
        }
        server.push_manifest("team/app", "1.0.0", &two.manifest).await;
        let moved = Request::get(manifest_path("team/app", "1.0.0")).header("If-None-Match", &current);
        assert_status(&server.send(moved).await, 200);
    })
    .await;
}

#[tokio::test]
async fn listings_have_an_etag_that_changes_with_them() {
    on_every_backend(async |server| {
        let image = image("listed");
        server.push_image("team/app", "1.0.0", &image).await;
        let note = referrer(&image.manifest, "application/vnd.test", "new");
        server.push_blobs("team/app", &note).await;
        let listings = [
            "/v2/team/app/tags/list".to_owned(),
            "/v2/team/app/tags/list?n=50".into(),
            format!("/v2/team/app/referrers/{}", image.manifest.digest),
        ];
        let mut before = Vec::new();
        for target in &listings {
            let reply = server.get(target).await;
            let etag = reply.header("etag").unwrap_or_else(|| panic!("no ETag on {target}")).to_owned();
            let again = server.send(Request::get(target).header("If-None-Match", &etag)).await;
            assert_status(&again, 304);
            assert_eq!(again.header("etag"), Some(etag.as_str()), "{target}");
            before.push(etag);
        }
        server.push_manifest("team/app", "new", &note.manifest).await;
        for (target, etag) in listings.iter().zip(before) {
            let changed = server.send(Request::get(target).header("If-None-Match", etag)).await;
            assert_status(&changed, 200);
        }
    })
    .await;
}
