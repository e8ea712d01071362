//! Registries that mean no good: nothing is written outside the target, no credential goes elsewhere
//! (docs/internals/threat-model.md#a2-charts-and-clients, T25 to T35).

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::time::Instant;

use serde_json::json;

use super::Charthouse;
use crate::support::artifact::{HELM_CHART, HELM_CONFIG, IMAGE_MANIFEST, sha256};
use crate::support::charts::pack;
use crate::support::hostile_registry::{Asked, Hostile, Reply};

const PACKAGE: &[u8] = b"what the package is said to be";

/// A manifest of `package` with the given length, and where its blob is.
pub fn manifest_of(package: &[u8], length: usize) -> (Vec<u8>, String) {
    let digest = sha256(package);
    let manifest = json!({
        "schemaVersion": 2,
        "config": {"mediaType": HELM_CONFIG, "digest": sha256(b"{}"), "size": 2},
        "layers": [{"mediaType": HELM_CHART, "digest": digest, "size": length}],
    });
    (manifest.to_string().into_bytes(), format!("/v2/team/app/blobs/{digest}"))
}

/// Answers manifests with that of [`PACKAGE`], and its blob with `reply`.
fn with_blob(reply: impl Fn(&Asked, SocketAddr) -> Reply + Send + Sync + 'static) -> Hostile {
    let (manifest, blob) = manifest_of(PACKAGE, PACKAGE.len());
    Hostile::start(move |asked, address| match asked.target.as_str() {
        target if target == blob => reply(asked, address),
        target if target.contains("/manifests/") => Reply::ok(IMAGE_MANIFEST, manifest.clone()),
        _ => Reply::new(404),
    })
}

/// Pulls `team/app:1.0.0` into `out` and gives back what was said; nothing may have appeared.
#[track_caller]
fn refused(registry: &Hostile) -> String {
    let charthouse = Charthouse::new();
    fs::create_dir(charthouse.path("out")).unwrap();
    let reference = format!("oci://{}/team/app:1.0.0", registry.host());
    let credentials = ["--username", "ann", "--password", "secret-word"];
    let said = charthouse.run(&[&["pull", &reference, "-d", "out"], &credentials[..]].concat()).fails();
    assert!(!said.contains("secret-word"), "{said}");
    let visible: Vec<String> =
        charthouse.files("out").into_iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(visible, [] as [&str; 0], "{said}");
    assert_eq!(charthouse.files("."), ["out"], "{said}");
    said
}

fn pull_succeeds(registry: &Hostile) {
    let charthouse = Charthouse::new();
    let reference = format!("oci://{}/team/app:1.0.0", registry.host());
    charthouse.run(&["pull", &reference, "--username", "ann", "--password", "secret-word"]).succeeds();
    assert_eq!(fs::read(charthouse.path("app-1.0.0.tgz")).unwrap(), PACKAGE);
}

fn basic() -> Reply {
    Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\"")
}

#[test]
fn a_blob_with_other_bytes_never_appears() {
    let registry = with_blob(|_, _| Reply::ok("application/octet-stream", vec![b'x'; PACKAGE.len()]));
    let said = refused(&registry);
    assert!(said.contains("other content than was asked for"), "{said}");
}

#[test]
fn a_blob_that_is_cut_off_never_appears() {
    let registry = with_blob(|_, _| Reply::ok("application/octet-stream", PACKAGE).cut_after(5));
    let said = refused(&registry);
    assert!(said.contains("only a part") || said.contains("another range"), "{said}");
}

#[test]
fn a_blob_that_is_longer_than_its_manifest_says_is_refused_at_once() {
    for reply in [Reply::ok("application/octet-stream", vec![b'x'; 1 << 20]), Reply::new(200).endless()] {
        let registry = with_blob(move |_, _| reply.clone());
        let begun = Instant::now();
        let said = refused(&registry);
        assert!(said.contains("more than"), "{said}");
        assert!(begun.elapsed().as_secs() < 20);
    }
}

#[test]
fn documents_without_end_are_refused() {
    type Answer = fn(&Asked, SocketAddr) -> Reply;
    let cases: [(Answer, &str); 4] = [
        (|_, _| Reply::new(200).header("Content-Type", IMAGE_MANIFEST).endless(), "more than 4194304 bytes"),
        (|_, _| Reply::new(400).endless(), "400"),
        (|_, _| Reply::ok(IMAGE_MANIFEST, vec![b' '; 5 << 20]), "more than 4194304 bytes"),
        (
            |asked, address| match asked.target.starts_with("/token") {
                true => Reply::new(200).endless(),
                false => {
                    let challenge = format!("Bearer realm=\"http://{address}/token\"");
                    Reply::new(401).header("WWW-Authenticate", challenge)
                }
            },
            "more than 131072 bytes",
        ),
    ];
    for (answer, expected) in cases {
        let said = refused(&Hostile::start(answer));
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn tags_without_end_are_refused() {
    let endless = Hostile::start(|_, _| Reply::new(200).endless());
    let elsewhere = Hostile::start(|_, _| {
        Reply::ok("application/json", r#"{"tags":["1.0.0"]}"#)
            .header("Link", "<http://evil.example/x>; rel=\"next\"")
    });
    for (registry, expected) in [(endless, "more than"), (elsewhere, "another place")] {
        let charthouse = Charthouse::new();
        let said = charthouse.run(&["pull", &format!("oci://{}/team/app", registry.host())]).fails();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_manifest_that_is_not_what_was_asked_for_is_refused() {
    let (manifest, _) = manifest_of(PACKAGE, PACKAGE.len());
    let registry = Hostile::start(move |_, _| Reply::ok(IMAGE_MANIFEST, manifest.clone()));
    let charthouse = Charthouse::new();
    let reference = format!("oci://{}/team/app@{}", registry.host(), sha256(b"something else"));
    let said = charthouse.run(&["pull", &reference]).fails();
    assert!(said.contains("other content than was asked for"), "{said}");
}

#[test]
fn a_redirect_of_a_download_takes_no_credentials_along() {
    let store = Hostile::start(|_, _| Reply::ok("application/octet-stream", PACKAGE));
    let target = format!("http://{}/presigned?signature=x", store.host());
    let (manifest, blob) = manifest_of(PACKAGE, PACKAGE.len());
    let registry = Hostile::start(move |asked, _| match asked.header("authorization") {
        None => basic(),
        Some(_) if asked.target == blob => Reply::new(307).header("Location", target.clone()),
        Some(_) => Reply::ok(IMAGE_MANIFEST, manifest.clone()),
    });
    pull_succeeds(&registry);
    let asked = store.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), None);
    assert!(registry.asked().iter().any(|asked| asked.header("authorization").is_some()));
}

#[test]
fn a_host_that_content_comes_from_cannot_ask_for_credentials() {
    let store = Hostile::start(|_, _| basic());
    let target = format!("http://{}/presigned", store.host());
    let registry = with_blob(move |_, _| Reply::new(307).header("Location", target.clone()));
    let said = refused(&registry);
    assert!(said.contains("401"), "{said}");
    assert!(store.asked().iter().all(|asked| asked.header("authorization").is_none()));
    assert!(registry.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[test]
fn redirects_in_a_circle_end() {
    let registry = with_blob(|asked, _| Reply::new(302).header("Location", asked.target.clone()));
    assert!(refused(&registry).contains("redirected more than"));
}

#[test]
fn a_realm_at_another_host_gets_no_credentials() {
    let thief = Hostile::start(|_, _| Reply::ok("application/json", r#"{"token":"t"}"#));
    // Another name of the same machine is another host.
    let port = thief.host().split(':').next_back().unwrap().to_owned();
    for realm in [format!("http://localhost:{port}/token"), format!("https://127.0.0.2:{port}/token")] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
        let registry =
            Hostile::start(move |_, _| Reply::new(401).header("WWW-Authenticate", challenge.clone()));
        let said = refused(&registry);
        assert!(said.contains("wants a token to be fetched from"), "{said}");
    }
    assert!(thief.asked().is_empty(), "{:?}", thief.lines());
}

#[test]
fn an_upload_location_elsewhere_gets_nothing() {
    let thief = Hostile::start(|_, _| Reply::new(201));
    for target in [format!("http://{}/upload", thief.host()), "//evil.example/upload".to_owned()] {
        let registry = Hostile::start(move |asked, _| match asked.method.as_str() {
            "POST" if asked.header("authorization").is_none() => basic(),
            "POST" => Reply::new(202).header("Location", target.clone()),
            _ => Reply::new(404),
        });
        let charthouse = Charthouse::new();
        let chart = pack("app-1.2.3", &[]);
        chart.write(charthouse.home());
        let place = format!("oci://{}/team", registry.host());
        let push = ["push", &chart.file_name, &place, "--username", "ann", "--password", "secret-word"];
        let said = charthouse.run(&push).fails();
        assert!(said.contains("names a Location for an upload at another place"), "{said}");
        assert!(registry.asked().iter().any(|asked| asked.header("authorization").is_some()));
    }
    assert!(thief.asked().is_empty(), "{:?}", thief.lines());
}

#[test]
fn an_upload_is_not_redirected_elsewhere() {
    let thief = Hostile::start(|_, _| Reply::new(201));
    let target = format!("http://{}/upload", thief.host());
    let registry = Hostile::start(move |asked, _| match asked.method.as_str() {
        "POST" | "PUT" => Reply::new(307).header("Location", target.clone()),
        _ => Reply::new(404),
    });
    let charthouse = Charthouse::new();
    let chart = pack("app-1.2.3", &[]);
    chart.write(charthouse.home());
    let said =
        charthouse.run(&["push", &chart.file_name, &format!("oci://{}/team", registry.host())]).fails();
    assert!(said.contains("nothing is sent to another host"), "{said}");
    assert!(thief.asked().is_empty(), "{:?}", thief.lines());
}

/// An archive whose entry is called `name`, written as it is.
fn package(name: &str, kind: tar::EntryType) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, kind) in [("app/Chart.yaml", tar::EntryType::Regular), (name, kind)] {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        if kind != tar::EntryType::Regular {
            header.set_link_name("../../../escaped").unwrap();
        }
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
    }
    archive.extend_from_slice(&[0; 1_024]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &archive).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn nothing_is_unpacked_outside_its_folder() {
    use tar::EntryType::{Link, Regular, Symlink};
    for (name, kind) in [
        ("app/../../escaped", Regular),
        ("/escaped", Regular),
        ("app/..\\..\\escaped", Regular),
        ("app/link", Symlink),
        ("app/link", Link),
        ("app/Chart.yaml", Regular),
    ] {
        let bytes = package(name, kind);
        let (manifest, blob) = manifest_of(&bytes, bytes.len());
        let registry = Hostile::start(move |asked, _| match asked.target == blob {
            true => Reply::ok("application/octet-stream", bytes.clone()),
            false => Reply::ok(IMAGE_MANIFEST, manifest.clone()),
        });
        let charthouse = Charthouse::new();
        let reference = format!("oci://{}/team/app:1.0.0", registry.host());
        let said = charthouse.run(&["pull", &reference, "--untar", "-d", "out"]).fails();
        assert_eq!(charthouse.files("out"), [] as [&str; 0], "{name}: {said}");
        assert_eq!(charthouse.files("."), ["out"], "{name}: {said}");
    }
}

#[test]
fn a_link_at_the_destination_is_not_followed() {
    let registry = with_blob(|_, _| Reply::ok("application/octet-stream", PACKAGE));
    let charthouse = Charthouse::new();
    fs::write(charthouse.path("victim"), "safe").unwrap();
    symlink("victim", charthouse.path("app-1.0.0.tgz")).unwrap();
    let reference = format!("oci://{}/team/app:1.0.0", registry.host());
    let said = charthouse.run(&["pull", &reference]).fails();
    assert!(said.contains("symbolic link"), "{said}");
    assert_eq!(fs::read(charthouse.path("victim")).unwrap(), b"safe");
}

#[test]
fn what_a_registry_says_steers_no_terminal() {
    let registry = Hostile::start(|_, _| {
        Reply::new(403).body(r#"{"errors":[{"code":"DENIED","message":"\u001b]0;owned\u0007\u202e no"}]}"#)
    });
    let said = refused(&registry);
    assert!(said.contains("DENIED") && !said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
}
