//! A store that the release of format v1 wrote, and what every later release must answer from it
//! (docs/internals/storage-format.md#golden-stores).

mod answers;
mod content;
mod files;
mod make;
mod requests;
mod serving;
mod writer;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use charthouse::backend::Backend;
use s3_double::Double;
use serde_json::json;

use crate::storage::copy::{copy as copy_command, text};
use crate::support::app::{TestServer, shared};
use crate::support::registry::manifest_path;
use crate::support::release::Release;
use crate::support::s3;
use crate::support::server::Server;
use answers::{assert_all, assert_same, differences};
use serving::{copy, serve, serve_for_reading, stop};

/// Also that git and the file system keep them byte for byte.
#[test]
fn the_files_of_the_golden_store_are_those_that_were_written() {
    let found = files::listing(&files::tree(&files::store()));
    assert!(found == files::expected("files"), "the files of the golden store were changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_golden_store_is_served_without_a_change_to_it() {
    let server = serve_for_reading(&files::store()).await;
    assert_all("for reading", server.addr).await;
    stop(server).await;
    the_files_of_the_golden_store_are_those_that_were_written();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_server_gives_the_golden_answers() {
    let (_root, folder, _) = copy();
    let server = Server::start(&["--storage", text(&folder), "--read-only"]);
    assert_all("read-only", server.address()).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_golden_answers_need_no_checkpoint() {
    let (_root, folder, tree) = copy();
    let checkpoints = tree.keys().filter(|name| files::is_checkpoint(name));
    checkpoints.for_each(|name| fs::remove_file(folder.join(name)).expect("remove a checkpoint"));
    let server = serve(&folder).await;
    assert_all("without checkpoints", server.addr).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_to_the_golden_store_changes_only_what_it_should() {
    let (_root, folder, tree) = copy();
    let server = serve(&folder).await;
    assert_all("before the push", server.addr).await;
    let release = server.push_version("team/newcomer", "1.0.0").await;
    assert_eq!(server.get(manifest_path("team/newcomer", "1.0.0")).await.status, 200);
    let changed: BTreeSet<String> =
        differences(server.addr).await.into_iter().map(|difference| difference.asked.target).collect();
    let unexpected: Vec<_> = changed.iter().filter(|target| !may_change(target)).collect();
    assert!(unexpected.is_empty(), "the push changed {unexpected:?}");
    assert!(changed.contains("/team/index.yaml") && changed.contains("/v2/_catalog"), "{changed:?}");

    // Another package for a released version is refused, a retry of the same push is not.
    let other = Release::new(&json!({
        "apiVersion": "v2", "name": "web", "version": "1.3.0", "description": "another package",
    }));
    assert_eq!(server.put_release("team/web", "1.3.0", &other).await.status, 409);
    server.push_release("team/newcomer", "1.0.0", &release).await;
    stop(server).await;

    let after = files::tree(&folder);
    for (name, content) in &tree {
        assert!(after.get(name) == Some(content), "{name} was changed");
    }
    let is_new = |name: &&String| !tree.contains_key(*name);
    let allowed = ["catalog/team/newcomer!", "ns/team/_journal/", "ns/team/_data/", "lock", "tmp/"];
    for name in after.keys().filter(is_new).filter(|name| !files::is_checkpoint(name)) {
        assert!(allowed.iter().any(|prefix| name.starts_with(prefix)), "{name} was created");
    }
}

/// Whether an answer lists the charts of `team`, or repositories.
fn may_change(target: &str) -> bool {
    let lists = [
        "/team/index.yaml",
        "/v2/_catalog",
        "/-/api/v1/charts?namespace=team",
        "/-/api/v1/charts/team/",
        "/-/api/v1/search?",
        "/api/team/charts",
    ];
    lists.iter().any(|list| target == *list || (!list.ends_with("yaml") && target.starts_with(list)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_golden_store_gives_the_golden_answers() {
    let (root, folder, _) = copy();
    let to = root.path().join("to");
    copied(&folder, &to);
    let server = serve(&to).await;
    assert_all("copied by `storage copy`", server.addr).await;
}

#[track_caller]
fn copied(from: &Path, to: &Path) {
    let output = copy_command(&[text(from), text(to)]).output().expect("run it");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_on_a_bucket_gives_the_golden_answers() {
    let (_double, store) = bucket().await;
    let server = TestServer::over_store(store).await;
    assert_all("a bucket, single mode", server.addr).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_a_bucket_give_the_golden_answers() {
    let (_double, store) = bucket().await;
    let (one, other) = (
        TestServer::replica_over(store.clone(), shared()).await,
        TestServer::replica_over(store, shared()).await,
    );
    assert_all("a bucket, shared mode", one.addr).await;
    assert_same("a bucket, another replica", &differences(other.addr).await);
}

/// Its journals begin with the id of the store that it was restored from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_with_the_journals_of_the_golden_store_gives_the_golden_answers() {
    let (root, folder, _) = copy();
    files::edit_layout(&folder, |layout| {
        let restored = r#""store":"0190aabb-ccdd-7000-8000-000000000001","chain":"#;
        layout.replacen(r#""store":"#, restored, 1)
    });
    let server = serve(&folder).await;
    assert_all("restored", server.addr).await;
    assert_eq!(server.push_version("team/newcomer", "1.0.0").await.digest().len(), 64);
    stop(server).await;
    copied(&folder, &root.path().join("to"));
}

/// A bucket of the S3 double with the objects of the golden store.
async fn bucket() -> (Double, Arc<dyn Backend>) {
    let double = Double::start().await;
    let store: Arc<dyn Backend> = s3::bucket_of(&double).await;
    files::fill(&store, &files::tree(&files::store())).await;
    (double, store)
}

/// Git keeps no folders without files, and no store needs one.
#[test]
fn the_golden_store_is_small_and_ends_where_git_keeps_it() {
    let tree = files::tree(&files::fixture());
    let size: usize = tree.values().map(Vec::len).sum();
    assert!(size < 1 << 20, "{size} bytes");
    let attributes = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".gitattributes"));
    let expected = "tests/fixtures/store-v1/** -text";
    assert!(attributes.expect("read .gitattributes").lines().any(|line| line == expected));
}
