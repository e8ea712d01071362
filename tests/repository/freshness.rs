//! The very next read shows what was acknowledged: pushes, moved and deleted tags, deleted manifests.

use charthouse::clock::Timestamp;
use serde_json::json;

use super::assert_plain;
use crate::support::app::{TestServer, where_noise_is_taken, where_tags_move};
use crate::support::artifact::{HELM_CHART, image, noise};
use crate::support::index::{chart_path, text_of};
use crate::support::registry::{assert_status, manifest_path};
use crate::support::release::{Pusher, Release};

/// What an index tells of a version, and the tag of the index.
async fn told(server: &TestServer, version: &str) -> (String, Timestamp, String) {
    let index = server.index("team").await;
    let entry = index.entry("app", version);
    let created = Timestamp::parse(text_of(entry, "created")).expect("a time");
    let etag = server.head("/team/index.yaml").await.header("etag").expect("an ETag").to_owned();
    (text_of(entry, "digest").to_owned(), created, etag)
}

async fn generated(server: &TestServer) -> Timestamp {
    Timestamp::parse(&server.index("team").await.generated).expect("a time")
}

/// A chart `app` 1.0.0 that differs from others by its package only.
fn built(seed: &str) -> Release {
    Release::named("app", "1.0.0").package(noise(seed, 3_000))
}

#[tokio::test]
async fn every_push_is_listed_and_served_at_once() {
    where_noise_is_taken(async |server| {
        for n in 0..20 {
            let (repository, version) = (format!("team/app-{}", n % 3), format!("1.0.{n}"));
            let release = server.push_version(&repository, &version).await;
            let index = server.index("team").await;
            assert_eq!(index.all().count(), n + 1);
            let name = repository.trim_start_matches("team/");
            assert_eq!(text_of(index.entry(name, &version), "digest"), release.digest());
            let file = server.get(chart_path("team", &format!("{name}-{version}.tgz"))).await;
            assert!(file.body == release.layer(HELM_CHART).bytes, "{name} {version}");
        }
    })
    .await;
}

#[tokio::test]
async fn pushes_at_the_same_time_are_all_listed() {
    where_noise_is_taken(async |server| {
        let pushes = (0..24).map(async |n| {
            let (repository, version) = (format!("team/app-{}", n % 4), format!("1.0.{n}"));
            server.push_version(&repository, &version).await;
            // Each sees its own at least.
            let index = server.index("team").await;
            assert_eq!(index.entry(repository.trim_start_matches("team/"), &version)["version"], version);
        });
        futures_util::future::join_all(pushes).await;
        assert_eq!(server.index("team").await.all().count(), 24);
    })
    .await;
}

#[tokio::test]
async fn a_tag_that_moves_to_another_package_is_another_release() {
    where_tags_move(async |server| {
        let (one, two) = (built("one"), built("two"));
        server.push_release("team/app", "1.0.0", &one).await;
        let first = told(&server, "1.0.0").await;
        server.push_release("team/app", "1.0.0", &two).await;
        let second = told(&server, "1.0.0").await;
        assert_eq!((first.0, second.0.clone()), (one.digest(), two.digest()));
        assert!(second.1 > first.1 && second.2 != first.2, "it is of another time and in another index");
        assert_eq!(generated(&server).await, second.1);
        let file = server.get(chart_path("team", "app-1.0.0.tgz")).await;
        assert!(file.body == two.layer(HELM_CHART).bytes);
        server.push_release("team/app", "1.0.0", &one).await;
        let third = told(&server, "1.0.0").await;
        assert_eq!(third.0, one.digest());
        assert!(third.1 > second.1, "it came back now");
    })
    .await;
}

#[tokio::test]
async fn the_same_chart_in_another_manifest_keeps_its_time() {
    where_noise_is_taken(async |server| {
        let release = built("same").provenance("signed");
        server.push_release("team/app", "1.0.0", &release.clone().created("2026-01-01T00:00:00Z")).await;
        let first = (told(&server, "1.0.0").await, server.get_index("team").await.body);
        for time in ["2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z", "2026-01-01T00:00:00Z"] {
            let again = release.clone().created(time);
            assert_ne!(again.image().manifest.digest, release.image().manifest.digest);
            server.push_release("team/app", "1.0.0", &again).await;
            assert!((told(&server, "1.0.0").await, server.get_index("team").await.body) == first, "{time}");
        }
    })
    .await;
}

/// A change of any of the three is another content: metadata, package, provenance.
#[tokio::test]
async fn whatever_changes_in_a_chart_gives_it_a_new_time() {
    let described = |text| {
        Release::new(&json!({"apiVersion": "v2", "name": "app", "version": "1.0.0", "description": text}))
    };
    let steps = [
        ("at first", described("a").package("p").provenance("s")),
        ("other metadata", described("b").package("p").provenance("s")),
        ("another package", described("b").package("q").provenance("s")),
        ("another provenance", described("b").package("q").provenance("t")),
        ("no provenance", described("b").package("q")),
    ];
    where_tags_move(async |server| {
        let mut before = None;
        for (why, release) in &steps {
            server.push_release("team/app", "1.0.0", release).await;
            let now = told(&server, "1.0.0").await;
            if let Some((_, created, etag)) = before.replace(now.clone()) {
                assert!(now.1 > created && now.2 != etag, "{why}");
            }
            let signature = server.get(chart_path("team", "app-1.0.0.tgz.prov")).await;
            assert_eq!(signature.status == 200, *why != "no provenance", "{why}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_tag_or_manifest_is_gone_at_once() {
    where_tags_move(async |server| {
        for by_digest in [false, true] {
            let repository = if by_digest { "team/two" } else { "team/one" };
            let name = repository.trim_start_matches("team/");
            server.push_version(repository, "1.0.0").await;
            let doomed = server.push_version(repository, "2.0.0").await;
            server.push_release(repository, "latest", &doomed).await;
            let before = generated(&server).await;
            let digest = doomed.image().manifest.digest;
            let reference = if by_digest { digest.as_str() } else { "2.0.0" };
            assert_status(&server.delete(manifest_path(repository, reference)).await, 202);
            assert_eq!(server.index("team").await.versions(name), ["1.0.0"], "{reference}");
            assert!(generated(&server).await > before, "{reference}");
            assert_plain(&server.get(chart_path("team", &format!("{name}-2.0.0.tgz"))).await, 404);
            assert_status(&server.get(chart_path("team", &format!("{name}-1.0.0.tgz"))).await, 200);
            // The last version takes its chart along.
            assert_status(&server.delete(manifest_path(repository, "1.0.0")).await, 202);
            assert!(!server.index("team").await.names().contains(&name));
            // And what comes back is new.
            server.push_release(repository, "2.0.0", &doomed).await;
            assert_eq!(server.index("team").await.versions(name), ["2.0.0"]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_version_that_is_pushed_again_has_a_new_time() {
    where_tags_move(async |server| {
        server.push_release("team/app", "1.0.0", &built("again")).await;
        let first = told(&server, "1.0.0").await;
        assert_status(&server.delete(manifest_path("team/app", "1.0.0")).await, 202);
        server.push_release("team/app", "1.0.0", &built("again")).await;
        let second = told(&server, "1.0.0").await;
        assert!(second.1 > first.1 && second.2 != first.2);
    })
    .await;
}

#[tokio::test]
async fn a_version_tag_that_moves_to_something_else_is_no_release_any_more() {
    where_tags_move(async |server| {
        let other_name = Release::named("base", "1.0.0");
        let other_version = Release::named("app", "1.0.1");
        for (why, elsewhere) in [
            ("another name", other_name.image()),
            ("another version", other_version.image()),
            ("an image", image("x")),
        ] {
            server.push_version("team/app", "1.0.0").await;
            assert_eq!(server.index("team").await.versions("app"), ["1.0.0"], "{why}");
            server.push_image("team/app", "1.0.0", &elsewhere).await;
            assert!(server.index("team").await.entries.is_empty(), "{why}");
            assert_plain(&server.get(chart_path("team", "app-1.0.0.tgz")).await, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn a_refused_push_changes_nothing() {
    where_noise_is_taken(async |server| {
        server.push_version("team/app", "1.0.0").await;
        let before = server.get_index("team").await.body;
        let next = Release::named("app", "1.0.0").package("another").image();
        server.push_blobs("team/app", &next).await;
        let put = crate::support::registry::put_manifest("team/app", "1.0.0", &next.manifest);
        assert_status(&server.send(put.header("If-None-Match", "*")).await, 412);
        assert_eq!(server.get_index("team").await.body, before);
    })
    .await;
}

#[tokio::test]
async fn readers_never_see_half_a_change() {
    where_tags_move(async |server| {
        let (one, two) = (built("one"), built("two"));
        server.push_release("team/app", "1.0.0", &one).await;
        let moving = async {
            let mut pusher = Pusher::open(server.addr).await;
            for n in 0..30 {
                let release = if n % 2 == 0 { &two } else { &one };
                assert_status(&pusher.push("team/app", "1.0.0", release).await, 201);
            }
        };
        let reading = async {
            for _ in 0..30 {
                let index = server.index("team").await;
                let digest = text_of(index.entry("app", "1.0.0"), "digest").to_owned();
                assert!(digest == one.digest() || digest == two.digest());
                let file = server.get(chart_path("team", "app-1.0.0.tgz")).await;
                let packages = [&one, &two].map(|release| release.layer(HELM_CHART));
                let whole =
                    packages.iter().find(|package| package.bytes == file.body).expect("a whole package");
                assert_eq!(file.header("etag"), Some(format!("\"{}\"", whole.digest).as_str()));
            }
        };
        futures_util::join!(moving, reading);
    })
    .await;
}
