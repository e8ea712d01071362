//! `charthouse storage copy`.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::artifact::noise;
use crate::support::folder::files_of;
use crate::support::http::{Request, Response, send};
use crate::support::index::index_path;
use crate::support::messages::assert_plain;
use crate::support::registry::{assert_status, blob_path, location, manifest_path};
use crate::support::release::{Pusher, Release, tag_of};
use crate::support::server::Server;

const REPOSITORIES: [&str; 4] = ["root-app", "team/app", "team/web", "team/sub/app"];

pub fn copy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_charthouse"));
    command.args(["storage", "copy"]).args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn ran(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = copy(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert_plain(&arguments.join(" "), &stderr);
    (status.code().unwrap(), stdout, stderr)
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> (String, String) {
    let (code, stdout, stderr) = ran(arguments);
    assert_eq!(code, 0, "{stdout}{stderr}");
    (stdout, stderr)
}

#[track_caller]
fn fails(arguments: &[&str], code: i32) -> String {
    let (status, stdout, stderr) = ran(arguments);
    assert_eq!(status, code, "{stdout}{stderr}");
    assert_eq!(stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{stderr}");
    stderr
}

fn serve(folder: &Path) -> Server {
    Server::where_noise_is_taken(&["--storage", text(folder)])
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Two folders, the second of which does not exist yet, and what holds them.
pub(super) fn folders() -> (TempDir, std::path::PathBuf, std::path::PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (root.path().join("from"), root.path().join("new/to"));
    (root, from, to)
}

/// What of it a copy must have.
pub(super) fn worth_copying(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = files_of(folder);
    files.retain(|name, _| !name.contains("/_checkpoint/") && !name.contains("/_upload/"));
    files
}

pub(super) async fn push(address: SocketAddr, repository: &str, version: &str, package: Bytes) {
    let name = repository.rsplit('/').next().unwrap();
    let release = Release::named(name, version).package(package);
    let reply = Pusher::open(address).await.push(repository, &tag_of(version), &release).await;
    assert_status(&reply, 201);
}

/// Charts of all sizes, one of which takes two objects.
pub(super) async fn fill(address: SocketAddr) {
    for repository in REPOSITORIES {
        for version in 0..4 {
            let length = [300, 30_000, 400_000, 3_000][version];
            push(
                address,
                repository,
                &format!("1.0.{version}"),
                noise(&format!("{repository} {version}"), length),
            )
            .await;
        }
    }
    push(address, "team/app", "1.1.0", noise("large", 9 << 20)).await;
}

async fn get(server: &Server, target: &str) -> Response {
    let reply = send(server.address(), &Request::get(target)).await.unwrap();
    assert_status(&reply, 200);
    reply
}

/// Everything that one server has can be pulled from the other.
pub(super) async fn serve_the_same(one: &Server, other: &Server) -> usize {
    let mut tags = 0;
    for namespace in ["", "team", "team/sub"] {
        let target = index_path(namespace);
        assert_eq!(get(one, &target).await.text(), get(other, &target).await.text());
    }
    let catalog = get(one, "/v2/_catalog").await.json();
    assert_eq!(catalog, get(other, "/v2/_catalog").await.json());
    for repository in catalog["repositories"].as_array().unwrap() {
        let repository = repository.as_str().unwrap();
        let list = format!("/v2/{repository}/tags/list");
        let listed = get(one, &list).await.json();
        assert_eq!(listed, get(other, &list).await.json());
        for tag in listed["tags"].as_array().unwrap() {
            let target = manifest_path(repository, tag.as_str().unwrap());
            let manifest = get(one, &target).await;
            assert_eq!(manifest.body, get(other, &target).await.body);
            let manifest: Value = manifest.json();
            let layers = manifest["layers"].as_array().unwrap();
            for blob in layers.iter().chain([&manifest["config"]]) {
                let target = blob_path(repository, blob["digest"].as_str().unwrap());
                assert!(get(one, &target).await.body == get(other, &target).await.body, "{target}");
            }
            tags += 1;
        }
    }
    tags
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_copied_while_it_is_served_and_serves_the_same() {
    let (_root, from, to) = folders();
    let server = serve(&from);
    let address = server.address();
    fill(address).await;
    let begun = send(address, &Request::post("/v2/team/app/blobs/uploads/")).await.unwrap();
    let chunk = Request::patch(location(&begun), Bytes::from_static(b"the beginning of an upload"));
    assert_status(&send(address, &chunk).await.unwrap(), 202);

    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let pushes = tokio::spawn(async move {
        let mut version = 0;
        while !*stopped.borrow_and_update() {
            let repository = ["team/app", "root-app", "team/late"][version % 3];
            let package = noise(&format!("late {version}"), 20_000);
            push(address, repository, &format!("2.0.{version}"), package).await;
            version += 1;
        }
        version
    });
    let arguments = [text(&from).to_owned(), text(&to).to_owned()];
    let run = move || succeeds(&arguments.each_ref().map(String::as_str));
    let (stdout, stderr) = tokio::task::spawn_blocking(run.clone()).await.unwrap();
    assert!(
        stdout.contains("NAMESPACE") && stdout.contains("(root)") && stdout.contains("team/sub"),
        "{stdout}"
    );
    assert!(stderr.contains("namespace team "), "{stderr}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.send(true).unwrap();
    let late = pushes.await.unwrap();
    assert!(late > 3, "only {late} charts were pushed meanwhile");
    server.stop();

    let source = files_of(&from);
    run();
    assert_eq!(files_of(&from), source, "the source is untouched");
    assert_eq!(worth_copying(&from), files_of(&to), "the copy has what it must have, and nothing else");
    let (again, _) = succeeds(&[text(&from), text(&to), "-o", "json"]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["complete"], true);
    assert_eq!(again["namespaces"].as_array().unwrap().len(), 3);
    for namespace in again["namespaces"].as_array().unwrap() {
        assert_eq!((&namespace["commits"], &namespace["objects"]), (&0.into(), &0.into()), "{namespace}");
        assert!(namespace["verified"].as_u64().unwrap() > 0, "{namespace}");
    }

    let (one, other) = (serve(&from), serve(&to));
    let tags = serve_the_same(&one, &other).await;
    assert_eq!(tags, REPOSITORIES.len() * 4 + 1 + late);
    push(other.address(), "team/app", "3.0.0", noise("of the copy", 20_000)).await;
    one.stop();
    other.stop();
    let said = fails(&[text(&from), text(&to)], 1);
    assert!(said.contains("TO has a history of its own"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_killed_again_and_again_is_finished_in_the_end() {
    let (_root, from, to) = folders();
    let server = serve(&from);
    fill(server.address()).await;
    server.stop();
    let mut killed = 0;
    for time in (5..).step_by(10) {
        let mut child: Child =
            copy(&[text(&from), text(&to)]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + Duration::from_millis(time);
        let status = loop {
            match child.try_wait().unwrap() {
                None if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
                status => break status,
            }
        };
        if let Some(status) = status {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
    println!("killed {killed} times");
    let left_over = |name: &String| name.starts_with("tmp/");
    let mut there = files_of(&to);
    there.retain(|name, _| !left_over(name));
    assert_eq!(there, worth_copying(&from));
    let (one, other) = (serve(&from), serve(&to));
    assert_eq!(serve_the_same(&one, &other).await, REPOSITORIES.len() * 4 + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lost_data_is_copied_in_part_and_that_part_is_not_served() {
    let (_root, from, to) = folders();
    let server = serve(&from);
    fill(server.address()).await;
    server.stop();
    let lost = files_of(&from).into_keys().find(|name| name.starts_with("ns/team/sub/_data/")).unwrap();
    fs::remove_file(from.join(&lost)).unwrap();

    let said = fails(&[text(&from), text(&to)], 1);
    assert!(said.contains("namespace team/sub was not copied: bytes are missing or wrong"), "{said}");
    assert!(said.contains("team/sub/app@sha256:"), "{said}");
    assert!(said.contains("error: 1 of 3 namespaces were not copied: TO is not complete"), "{said}");
    let output = Command::new(env!("CARGO_BIN_EXE_charthouse"))
        .args(["serve", "--listen", "127.0.0.1:0", "--storage", text(&to)])
        .output()
        .unwrap();
    let refused = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && refused.contains("`charthouse storage copy` has not finished"),
        "{refused}"
    );

    // The advice is followed: the server is asked for what is lost, and says so in its journal.
    let (at, _) = said.split_once(". Pull them once").unwrap();
    let (repository, digest) = at.rsplit_once(' ').unwrap().1.split_once('@').unwrap();
    let server = serve(&from);
    let reply = send(server.address(), &Request::get(blob_path(repository, digest))).await;
    assert!(reply.is_err() || reply.unwrap().status == 404);
    server.stop();
    let (_, said) = succeeds(&[text(&from), text(&to)]);
    assert!(said.contains(&format!("warning: {repository}@{digest} is damaged in FROM")), "{said}");
    serve(&to).stop();
}

#[test]
fn the_target_is_locked_and_the_source_is_not() {
    let (_root, from, to) = folders();
    let (source, target) = (serve(&from), serve(&to));
    let expected = format!("is in use by process {}", target.pid().as_raw_nonzero());
    for more in [&[][..], &["--wait-for-lock", "50ms"]] {
        let said = fails(&[&[text(&from), text(&to)], more].concat(), 1);
        assert!(said.contains(&expected), "{said}");
    }
    target.stop();
    let said = fails(&[text(&from), text(&to)], 1);
    assert!(said.contains("TO is another store"), "{said}");
    fs::remove_dir_all(&to).unwrap();
    let (said, _) = succeeds(&[text(&from), text(&to)]);
    assert!(said.starts_with("0 namespaces: "), "{said}");
    source.stop();
}

#[test]
fn what_cannot_be_copied_is_refused_with_the_reason() {
    let (root, from, to) = folders();
    let inside = from.join("inside");
    let cases: [(&[&str], &str); 7] = [
        (&["memory:", text(&to)], "memory: is of one process alone"),
        (&[text(&to), "memory:"], "memory: is of one process alone"),
        (&["gs://bucket", text(&to)], "`gs://bucket` is no storage this build knows"),
        (&[text(&from), text(&from)], "are one place, or one lies in the other"),
        (&[text(&from), text(&inside)], "are one place, or one lies in the other"),
        (&[text(&from), text(&to), "--wait-for-lock", "soon"], "`soon` is not a duration"),
        (&[text(&from)], "required arguments"),
    ];
    for (arguments, expected) in cases {
        let said = fails(arguments, 2);
        assert!(said.contains(expected), "{said}");
    }
    let said = fails(&[text(&from), text(&to)], 1);
    assert!(said.contains("from: No such file"), "{said}");
    fs::create_dir(&from).unwrap();
    let said = fails(&[text(&from), text(&to)], 1);
    assert!(said.contains("FROM is no charthouse store"), "{said}");
    assert!(fs::read_dir(&from).unwrap().next().is_none(), "nothing is made in the source");

    fs::create_dir(root.path().join("home")).unwrap();
    fs::write(root.path().join("home/letter"), "precious").unwrap();
    let server = serve(&root.path().join("store"));
    server.stop();
    let said = fails(&[text(&root.path().join("store")), text(&root.path().join("home"))], 1);
    assert!(said.contains("holds other files and no charthouse store"), "{said}");
}
