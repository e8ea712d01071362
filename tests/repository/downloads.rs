//! Packages and provenance files: which names reach them, and what they come with.

use bytes::Bytes;

use super::assert_plain;
use crate::support::app::{TestServer, where_noise_is_taken, where_tags_move};
use crate::support::artifact::{Blob, HELM_CHART, HELM_PROVENANCE, noise};
use crate::support::http::{Request, Response};
use crate::support::index::chart_path;
use crate::support::registry::{assert_status, manifest_path};
use crate::support::release::{LEGACY_CHART, Release, file_name, tag_of};

const PACKAGE: &str = "application/gzip";
const PROVENANCE: &str = "application/pgp-signature";

#[track_caller]
fn assert_file(reply: &Response, media_type: &str, name: &str, blob: &Blob, shown: &str) {
    assert_status(reply, 200);
    let (length, etag) = (blob.bytes.len().to_string(), format!("\"{}\"", blob.digest));
    let disposition = format!("attachment; filename=\"{name}\"");
    for (header, value) in [
        ("content-type", media_type),
        ("content-length", &length),
        ("etag", &etag),
        ("content-disposition", &disposition),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, no-cache"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(reply.header(header), Some(value), "{header} of {shown}");
    }
    for absent in ["content-encoding", "transfer-encoding"] {
        assert_eq!(reply.header(absent), None, "{absent} of {shown}");
    }
}

/// GET and HEAD of `target` give the blob under its proper name.
async fn assert_served(server: &TestServer, target: &str, media_type: &str, name: &str, blob: &Blob) {
    for accepted in ["identity", "gzip", "gzip, deflate, br, zstd", "*"] {
        let accept = |request: Request| request.header("Accept-Encoding", accepted);
        let got = server.send(accept(Request::get(target))).await;
        assert_file(&got, media_type, name, blob, target);
        assert!(got.body == blob.bytes, "{target} has other bytes");
        let head = server.send(accept(Request::head(target))).await;
        assert_file(&head, media_type, name, blob, target);
    }
}

#[tokio::test]
async fn a_package_and_its_provenance_are_served_byte_for_byte() {
    where_noise_is_taken(async |server| {
        for (repository, namespace) in
            [("app", ""), ("team/app", "team"), ("a/deep/name-space/app", "a/deep/name-space")]
        {
            let provenance = Bytes::from(format!("-----BEGIN PGP SIGNED MESSAGE-----\n{repository}"));
            let release =
                Release::named("app", "1.2.3").package(noise(repository, 70_000)).provenance(provenance);
            server.push_release(repository, "1.2.3", &release).await;
            let package = chart_path(namespace, "app-1.2.3.tgz");
            assert_served(&server, &package, PACKAGE, "app-1.2.3.tgz", release.layer(HELM_CHART)).await;
            let (target, name) = (format!("{package}.prov"), "app-1.2.3.tgz.prov");
            assert_served(&server, &target, PROVENANCE, name, release.layer(HELM_PROVENANCE)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_url_of_every_entry_leads_to_its_package() {
    where_noise_is_taken(async |server| {
        let mut packages = Vec::new();
        for (name, version) in RELEASES {
            let release = server.push_version(&format!("team/{name}"), version).await;
            packages.push((name, version, release.layer(HELM_CHART).clone()));
        }
        let index = server.index("team").await;
        assert_eq!(index.all().count(), RELEASES.len());
        for (name, version, package) in &packages {
            let entry = index.entry(name, version);
            assert_eq!(entry["urls"], serde_json::json!([format!("charts/{}", file_name(name, version))]));
            assert_eq!(format!("sha256:{}", entry["digest"].as_str().expect("a digest")), package.digest);
            let target = format!("/team/{}", entry["urls"][0].as_str().expect("a URL"));
            let got = server.get(&target).await;
            assert_file(&got, PACKAGE, &file_name(name, version), package, &target);
        }
    })
    .await;
}

/// Names and versions with dashes in many places: a file name is read in every way it can be.
const RELEASES: [(&str, &str); 16] = [
    ("app", "1.2.3"),
    ("app", "1.2.3-rc.1"),
    ("app", "1.2.3-rc-1"),
    ("app", "1.2.3+build.7"),
    ("app", "1.2.3-rc.1+build-7.x"),
    ("app", "1.2.3-1-2-3"),
    ("app", "2"),
    ("app", "v2.1"),
    ("app-1.2.3", "1.2.3"),
    ("app-1", "0.2.3"),
    ("my-long-app", "1.0.0"),
    ("my--long---app", "1.0.0--a"),
    ("a.b_c__d-e", "1.0.0"),
    ("9", "9"),
    ("app-2.tgz", "1.0.0"),
    ("x-rc.1", "1.0.0-rc.1"),
];

/// `-` is a character of pre-releases and of build metadata like any other (Semantic Versioning 2.0.0, 9 and 10).
#[tokio::test]
async fn a_version_may_end_with_a_dash() {
    where_noise_is_taken(async |server| {
        for version in ["1.0.0--", "1.0.0-rc-", "1.0.0-rc.-", "1.0.0+build-"] {
            let release = server.push_version("team/app", version).await;
            assert_eq!(server.index("team").await.entry("app", version)["digest"], release.digest());
            let name = file_name("app", version);
            println!("{name}");
            assert_served(&server, &chart_path("team", &name), PACKAGE, &name, release.layer(HELM_CHART))
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn every_spelling_of_a_version_works() {
    where_noise_is_taken(async |server| {
        for version in ["1.2.3+build.7", "1.2.3-rc.1+a-b.c", "v1+x"] {
            let release = Release::named("my-app", version).provenance(format!("signature of {version}"));
            server.push_release("team/my-app", &tag_of(version), &release).await;
            let name = file_name("my-app", version);
            for plus in ["+", "%2B", "%2b", "_"] {
                let target = chart_path("team", &file_name("my-app", &version.replace('+', plus)));
                assert_served(&server, &target, PACKAGE, &name, release.layer(HELM_CHART)).await;
                let (target, name) = (format!("{target}.prov"), format!("{name}.prov"));
                assert_served(&server, &target, PROVENANCE, &name, release.layer(HELM_PROVENANCE)).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_package_is_found_by_its_type_wherever_it_stands() {
    let (chart, provenance, other) =
        (("package", HELM_CHART), ("signature", HELM_PROVENANCE), ("x", "text/plain"));
    let legacy = ("package", LEGACY_CHART);
    let cases: [&[(&str, &str)]; 7] = [
        &[chart],
        &[legacy],
        &[chart, provenance],
        &[provenance, chart],
        &[provenance, legacy],
        &[other, provenance, other, chart],
        &[other, legacy, other],
    ];
    where_noise_is_taken(async |server| {
        for (at, layers) in cases.iter().enumerate() {
            let version = format!("1.0.{at}");
            server.push_release("team/app", &version, &Release::named("app", &version).layers(layers)).await;
            let package = chart_path("team", &file_name("app", &version));
            println!("{layers:?}");
            let got = server.get(&package).await;
            assert_file(&got, PACKAGE, &file_name("app", &version), &Blob::new("package"), &package);
            let signature = server.get(format!("{package}.prov")).await;
            match layers.contains(&provenance) {
                true => assert_eq!((signature.status, signature.text().as_str()), (200, "signature")),
                false => assert_plain(&signature, 404),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_that_could_be_of_two_charts_is_one_of_them_every_time() {
    where_noise_is_taken(async |server| {
        let one = server.push_version("team/x", "1-2").await;
        let other = server.push_version("team/x-1", "2").await;
        let got = server.get(chart_path("team", "x-1-2.tgz")).await;
        assert_status(&got, 200);
        let packages = [one, other].map(|release| release.layer(HELM_CHART).bytes.clone());
        assert!(packages.iter().any(|package| got.body == *package));
        for _ in 0..5 {
            assert!(
                server.get(chart_path("team", "x-1-2.tgz")).await.body == got.body,
                "it is another one now"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_release_is_not_there() {
    let absent = [
        "app-1.2.4.tgz",
        "app-1.2.tgz",
        "app-v1.2.3.tgz",
        "app--1.2.3.tgz",
        "app-1.2.3-rc.1.tgz",
        "app-latest.tgz",
        "APP-1.2.3.tgz",
        "base-1.2.3.tgz",
        "team-app-1.2.3.tgz",
        "app-1.2.3.tgz.tgz",
        "app-1.2.3.prov",
        // There, but without provenance.
        "app-1.2.3.tgz.prov",
    ];
    // No name and version can be read in these, which may be said as well.
    let no_names = [
        "app-1.2.3-.tgz",
        "app.tgz",
        "app-.tgz",
        "-1.2.3.tgz",
        "-.tgz",
        "--.tgz",
        ".tgz",
        "1.2.3.tgz",
        "app1.2.3.tgz",
        "app_1.2.3.tgz",
        "app.1.2.3.tgz",
        "app-1.2.3.tgz.prov.prov",
    ];
    where_noise_is_taken(async |server| {
        server.push_version("team/app", "1.2.3").await;
        server.push_release("team/app", "latest", &Release::named("app", "1.2.3")).await;
        server.push_version("team/sub/base", "1.2.3").await;
        for file in absent {
            println!("{file}");
            assert_plain(&server.get(chart_path("team", file)).await, 404);
            assert_status(&server.head(chart_path("team", file)).await, 404);
        }
        for file in no_names {
            let reply = server.get(chart_path("team", file)).await;
            println!("{file}");
            assert_plain(&reply, if reply.status == 400 { 400 } else { 404 });
        }
        assert_plain(&server.get(chart_path("absent", "app-1.2.3.tgz")).await, 404);
        assert_plain(&server.get(chart_path("", "app-1.2.3.tgz")).await, 404);
    })
    .await;
}

#[tokio::test]
async fn a_version_that_was_deleted_is_not_served() {
    where_tags_move(async |server| {
        server.push_version("team/app", "1.2.3").await;
        let target = chart_path("team", "app-1.2.3.tgz");
        assert_status(&server.get(&target).await, 200);
        assert_status(&server.delete(manifest_path("team/app", "1.2.3")).await, 202);
        assert_plain(&server.get(&target).await, 404);
    })
    .await;
}
