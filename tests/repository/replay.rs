//! The same bytes wherever and whenever a namespace is loaded: on two replicas, after a restart, with and without
//! checkpoints.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::app::{Kind, TestServer, lenient};
use crate::support::artifact::image;
use crate::support::http::{self, Request, Response};
use crate::support::index::{Index, chart_path};
use crate::support::registry::{assert_status, manifest_path, put_manifest};
use crate::support::release::{Pusher, Release, tag_of};
use crate::support::server::Server;

#[tokio::test]
async fn two_replicas_give_the_same_bytes_after_every_push() {
    let (here, there) = TestServer::replicas().await;
    for n in 0..20 {
        let (pushing, reading) = if n % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let version = format!("1.{}.{n}", n % 3);
        pushing.push_version(&format!("team/app-{}", n % 4), &version).await;
        let (other, own) = (reading.get_index("team").await, pushing.get_index("team").await);
        assert_eq!(Index::read(&other.body).all().count(), n + 1);
        assert_eq!(other.text(), own.text());
        assert_eq!(other.header("etag"), own.header("etag"));
        let file = reading.get(chart_path("team", &format!("app-{}-{version}.tgz", n % 4))).await;
        assert_status(&file, 200);
    }
}

#[tokio::test]
async fn a_move_or_deletion_on_one_replica_is_seen_on_the_other() {
    let (here, there) = TestServer::replicas().await;
    // A pre-release may move.
    let built = |seed: &str| Release::named("app", "1.0.0-rc.1").package(seed.to_owned());
    for n in 0..10 {
        let (pushing, reading) = if n % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let release = built(&n.to_string());
        pushing.push_release("team/app", "1.0.0-rc.1", &release).await;
        assert_eq!(reading.index("team").await.entry("app", "1.0.0-rc.1")["digest"], release.digest());
        assert_eq!(reading.get(chart_path("team", "app-1.0.0-rc.1.tgz")).await.text(), n.to_string());
        assert_status(&pushing.delete(manifest_path("team/app", "1.0.0-rc.1")).await, 202);
        assert!(reading.index("team").await.entries.is_empty());
        assert_status(&reading.get(chart_path("team", "app-1.0.0-rc.1.tgz")).await, 404);
    }
}

#[tokio::test]
async fn a_namespace_made_on_one_replica_is_there_on_the_other() {
    let (here, there) = TestServer::replicas().await;
    // Both have seen that there is nothing.
    for server in [&here, &there] {
        assert!(server.index("team").await.entries.is_empty());
    }
    here.push_version("team/app", "1.0.0").await;
    assert_eq!(there.index("team").await.versions("app"), ["1.0.0"]);
    here.push_version("app", "1.0.0").await;
    assert_eq!(there.index("").await.versions("app"), ["1.0.0"]);
}

#[tokio::test]
async fn a_replica_that_comes_later_gives_the_same_bytes() {
    let (here, there) = TestServer::replicas().await;
    let history = history(here.addr, "team").await;
    let (own, other) = (here.get_index("team").await, there.get_index("team").await);
    assert_eq!(own.text(), other.text());
    assert_eq!(own.header("etag"), other.header("etag"));
    assert_eq!(Index::read(&own.body).all().count(), history);
}

/// Pushes, pushes again, moves and deletes; how many versions there are at the end.
async fn history(addr: std::net::SocketAddr, namespace: &str) -> usize {
    let mut pusher = Pusher::open(addr).await;
    let repository = |name: &str| format!("{namespace}/{name}");
    for (name, version) in [
        ("zeta", "1.0.0"),
        ("alpha", "2.0.0"),
        ("alpha", "10.0.0-rc.1+b"),
        ("alpha", "v2"),
        ("alpha", "2.0.0+x"),
        ("beta", "0.1.0-rc.1"),
        ("beta", "0.2.0-rc.1"),
        ("gone", "1.0.0-rc.1"),
    ] {
        let metadata = json!({
            "apiVersion": "v2", "name": name, "version": version, "description": "tab\t, quote\", \u{202e} and é",
            "annotations": {"b": "2", "a": "1", "<<": "*x"}, "keywords": ["z", "a"],
        });
        let release = Release::new(&metadata).provenance(format!("signature of {name} {version}"));
        for time in ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"] {
            let reply =
                pusher.push(&repository(name), &tag_of(version), &release.clone().created(time)).await;
            assert_status(&reply, 201);
        }
        assert_status(&pusher.push(&repository(name), "latest", &release).await, 201);
    }
    let moved = Release::named("beta", "0.1.0-rc.1").package("rebuilt");
    assert_status(&pusher.push(&repository("beta"), "0.1.0-rc.1", &moved).await, 201);
    assert_status(
        &pusher.push(&repository("beta"), "0.2.0-rc.1", &Release::named("alpha", "0.2.0-rc.1")).await,
        201,
    );
    assert_status(&pusher.send(Request::delete(manifest_path(&repository("gone"), "1.0.0-rc.1"))).await, 202);
    let image = image("beside");
    for blob in &image.blobs {
        let target = format!("/v2/{}/blobs/uploads/?digest={}", repository("image"), blob.digest);
        assert_status(&pusher.send(Request::post(target).body(blob.bytes.clone())).await, 201);
    }
    assert_status(&pusher.send(put_manifest(&repository("image"), "1.0.0", &image.manifest)).await, 201);
    6
}

#[tokio::test]
async fn an_index_is_the_same_after_a_restart() {
    let mut server = TestServer::start_with(Kind::Fs, lenient()).await;
    let history = history(server.addr, "team").await;
    let before = server.get_index("team").await;
    assert_eq!(Index::read(&before.body).all().count(), history);
    for _ in 0..2 {
        server = server.restart().await;
        let after = server.get_index("team").await;
        assert_eq!(after.text(), before.text());
        assert_eq!(after.header("etag"), before.header("etag"));
    }
    // It goes on from there.
    server.push_version("team/zeta", "1.1.0").await;
    assert_eq!(server.index("team").await.versions("zeta"), ["1.1.0", "1.0.0"]);
}

async fn read(server: &Server, target: &str) -> Response {
    let reply = http::send(server.address(), &Request::get(target)).await.expect("a reply");
    assert_status(&reply, 200);
    reply
}

/// The folders of checkpoints below `folder`.
fn checkpoints(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("list the store") {
        let path = entry.expect("list the store").path();
        match path.file_name().is_some_and(|name| name == "_checkpoint") {
            true => found.push(path),
            false if path.is_dir() => found.extend(checkpoints(&path)),
            false => {}
        }
    }
    found
}

fn start(storage: &Path) -> Server {
    Server::where_noise_is_taken(&["--storage", storage.to_str().expect("a readable path")])
}

#[tokio::test]
async fn an_index_folded_from_the_first_commit_is_that_of_a_checkpoint() {
    let storage = tempfile::tempdir().expect("a folder for the store");
    let server = start(storage.path());
    history(server.address(), "team").await;
    let targets = ["/team/index.yaml", "/team/charts/alpha-2.0.0+x.tgz", "/team/charts/alpha-v2.tgz.prov"];
    let mut before = Vec::new();
    for target in targets {
        before.push(read(&server, target).await);
    }
    server.stop();
    assert!(!checkpoints(storage.path()).is_empty(), "a server that is stopped writes checkpoints");
    for with_checkpoints in [true, false] {
        if !with_checkpoints {
            for folder in checkpoints(storage.path()) {
                fs::remove_dir_all(folder).expect("remove the checkpoints");
            }
        }
        let server = start(storage.path());
        for (target, before) in targets.iter().zip(&before) {
            let after = read(&server, target).await;
            assert!(after.body == before.body, "{target}, with checkpoints: {with_checkpoints}");
            assert_eq!(after.header("etag"), before.header("etag"), "{target}");
        }
        server.kill();
    }
}
