//! Registries that fail for a moment, ask for a token, or stop in the middle of a blob.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Charthouse;
use super::hostile::manifest_of;
use crate::support::artifact::{IMAGE_MANIFEST, noise, sha256};
use crate::support::charts::pack;
use crate::support::hostile_registry::{Asked, Hostile, Reply};

const PACKAGE: &[u8] = b"a package of some bytes";

fn chart(asked: &Asked) -> Reply {
    let (manifest, blob) = manifest_of(PACKAGE, PACKAGE.len());
    if asked.target == blob {
        Reply::ok("application/octet-stream", PACKAGE)
    } else {
        Reply::ok(IMAGE_MANIFEST, manifest)
    }
}

#[track_caller]
fn pull(registry: &Hostile, more: &[&str]) -> Charthouse {
    let charthouse = Charthouse::new();
    let reference = format!("oci://{}/team/app:1.0.0", registry.host());
    charthouse.run(&[&["pull", &reference], more].concat()).succeeds();
    assert_eq!(fs::read(charthouse.path("app-1.0.0.tgz")).unwrap(), PACKAGE);
    charthouse
}

#[test]
fn every_status_that_may_pass_is_tried_again() {
    for status in [408, 429, 500, 502, 503, 504] {
        let count = AtomicUsize::new(0);
        let registry = Hostile::start(move |asked, _| match count.fetch_add(1, Ordering::Relaxed) {
            0 | 2 => Reply::new(status),
            _ => chart(asked),
        });
        pull(&registry, &[]);
        assert_eq!(registry.asked().len(), 4, "{status}: {:?}", registry.lines());
    }
}

#[test]
fn a_registry_may_say_how_long_to_wait() {
    let count = AtomicUsize::new(0);
    let registry = Hostile::start(move |asked, _| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::new(429).header("Retry-After", "2"),
        _ => chart(asked),
    });
    let begun = Instant::now();
    pull(&registry, &[]);
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[test]
fn what_is_refused_for_good_is_asked_once() {
    for status in [400, 403, 404, 405, 409, 501, 507] {
        let registry = Hostile::start(move |_, _| Reply::new(status));
        let charthouse = Charthouse::new();
        let said = charthouse.run(&["pull", &format!("oci://{}/team/app:1.0.0", registry.host())]).fails();
        assert!(said.contains(&status.to_string()), "{said}");
        // Of a tag that is not there, the other spelling may be.
        let expected = match status {
            404 => &["GET /v2/team/app/manifests/1.0.0", "HEAD /v2/team/app/manifests/v1.0.0"][..],
            _ => &["GET /v2/team/app/manifests/1.0.0"],
        };
        assert_eq!(registry.lines(), expected, "{status}");
    }
}

#[test]
fn a_download_goes_on_where_it_stopped() {
    let package = noise("large", 300_000);
    let (manifest, blob) = manifest_of(&package, package.len());
    let ranges: &'static Mutex<Vec<String>> = Box::leak(Box::default());
    let served = package.clone();
    let registry = Hostile::start(move |asked, _| {
        if asked.target != blob {
            return Reply::ok(IMAGE_MANIFEST, manifest.clone());
        }
        let range = asked.header("range").unwrap_or("bytes=0-").to_owned();
        let start: usize = range["bytes=".len()..].trim_end_matches('-').parse().unwrap();
        ranges.lock().unwrap().push(range);
        let rest = served.slice(start..);
        let reply = match start {
            0 => Reply::new(200),
            _ => Reply::new(206)
                .header("Content-Range", format!("bytes {start}-{}/{}", served.len() - 1, served.len())),
        };
        let cut = rest.len().min(100_000);
        if cut == rest.len() { reply.body(rest) } else { reply.body(rest).cut_after(cut) }
    });
    let charthouse = Charthouse::new();
    charthouse.run(&["pull", &format!("oci://{}/team/app:1.0.0", registry.host())]).succeeds();
    assert!(fs::read(charthouse.path("app-1.0.0.tgz")).unwrap() == package);
    let ranges = ranges.lock().unwrap();
    assert!(ranges.len() >= 3 && ranges[1] != "bytes=0-", "{ranges:?}");
    assert_eq!(charthouse.files("."), ["app-1.0.0.tgz"]);
}

#[test]
fn what_an_earlier_pull_left_is_used_and_what_is_wrong_with_it_is_found() {
    let package = noise("kept", 200_000);
    let digest = sha256(&package);
    let part = format!(".app-1.0.0.tgz.{}.part", &digest["sha256:".len()..][..16]);
    let (manifest, blob) = manifest_of(&package, package.len());
    let served = package.clone();
    let registry = Hostile::start(move |asked, _| {
        if asked.target != blob {
            return Reply::ok(IMAGE_MANIFEST, manifest.clone());
        }
        match asked.header("range") {
            Some(range) => {
                let start: usize = range["bytes=".len()..].trim_end_matches('-').parse().unwrap();
                let range = format!("bytes {start}-{}/{}", served.len() - 1, served.len());
                Reply::new(206).header("Content-Range", range).body(served.slice(start..))
            }
            None => Reply::ok("application/octet-stream", served.clone()),
        }
    });
    let reference = format!("oci://{}/team/app:1.0.0", registry.host());
    let charthouse = Charthouse::new();
    fs::write(charthouse.path(&part), &package[..150_000]).unwrap();
    charthouse.run(&["pull", &reference]).succeeds();
    assert!(fs::read(charthouse.path("app-1.0.0.tgz")).unwrap() == package);
    let last = registry.asked().pop().unwrap();
    assert_eq!(last.header("range"), Some("bytes=150000-"));

    fs::write(charthouse.path(&part), vec![b'x'; 150_000]).unwrap();
    let said = charthouse.run(&["pull", &reference]).fails();
    assert!(said.contains("other content"), "{said}");
    assert!(!charthouse.path(&part).exists(), "a second attempt begins anew");
    charthouse.run(&["pull", &reference]).succeeds();
}

#[test]
fn a_token_is_fetched_when_one_is_asked_for_and_kept() {
    let registry = Hostile::start(|asked, address| {
        if asked.target.starts_with("/token") {
            return Reply::ok("application/json", r#"{"token":"good","expires_in":300}"#);
        }
        if asked.header("authorization") == Some("Bearer good") {
            return chart(asked);
        }
        let challenge = format!(
            "Bearer realm=\"http://{address}/token\",service=\"test\",scope=\"repository:team/app:pull\""
        );
        Reply::new(401).header("WWW-Authenticate", challenge)
    });
    pull(&registry, &["--username", "ann", "--password", "abc"]);
    let lines = registry.lines();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[1], "GET /token?service=test&scope=repository%3Ateam%2Fapp%3Apull&account=ann");
    let asked = registry.asked();
    assert_eq!(asked[1].header("authorization"), Some("Basic YW5uOmFiYw=="));
    assert!(
        asked.iter().all(|one| one.target.starts_with("/token")
            || one.header("authorization") != Some("Basic YW5uOmFiYw=="))
    );
}

#[test]
fn a_token_is_asked_for_without_credentials_too() {
    let registry = Hostile::start(|asked, address| {
        if asked.target.starts_with("/token") {
            return Reply::ok("application/json", r#"{"access_token":"good"}"#);
        }
        match asked.header("authorization") {
            Some("Bearer good") => chart(asked),
            _ => {
                Reply::new(401).header("WWW-Authenticate", format!("Bearer realm=\"http://{address}/token\""))
            }
        }
    });
    pull(&registry, &[]);
    assert!(registry.asked().iter().any(|asked| asked.line().starts_with("GET /token")));
}

#[test]
fn a_push_asks_for_both_rights_at_once_and_uses_one_request_for_a_blob() {
    let registry = Hostile::start(|asked, address| {
        if asked.target.starts_with("/token") {
            return Reply::ok("application/json", r#"{"token":"good"}"#);
        }
        if asked.header("authorization").is_none() {
            return Reply::new(401)
                .header("WWW-Authenticate", format!("Bearer realm=\"http://{address}/token\""));
        }
        match asked.method.as_str() {
            "HEAD" => Reply::new(404),
            _ => Reply::new(201).header("Warning", "299 - \"this chart is \\\"odd\\\"\""),
        }
    });
    let charthouse = Charthouse::new();
    let chart = pack("app-1.2.3", &[]);
    chart.write(charthouse.home());
    let ran = charthouse.run(&["push", &chart.file_name, &format!("oci://{}/team", registry.host())]);
    assert_eq!(ran.all().matches("warning: this chart is \"odd\"").count(), 1, "{ran}");
    ran.succeeds();
    let lines = registry.lines();
    let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("POST /v2/team/app/blobs/uploads/?digest=sha256%3A"), 2, "{lines:?}");
    assert_eq!(count("PUT /v2/team/app/manifests/1.2.3"), 1, "{lines:?}");
    assert_eq!(count("PUT"), 1, "{lines:?}");
    assert!(
        lines.contains(&"GET /token?scope=repository%3Ateam%2Fapp%3Apull%2Cpush".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn an_upload_that_fails_begins_again() {
    let count = AtomicUsize::new(0);
    let registry = Hostile::start(move |asked, _| match asked.method.as_str() {
        "HEAD" => Reply::new(404),
        "POST" => Reply::new(202).header("Location", "/upload/1?state=a%2Fb"),
        "PUT" if asked.target.starts_with("/upload") && count.fetch_add(1, Ordering::Relaxed) < 2 => {
            Reply::new(503)
        }
        _ => Reply::new(201),
    });
    let charthouse = Charthouse::new();
    let chart = pack("app-1.2.3", &[]);
    chart.write(charthouse.home());
    charthouse.run(&["push", &chart.file_name, &format!("oci://{}/team", registry.host())]).succeeds();
    let whole: Vec<Asked> = registry
        .asked()
        .into_iter()
        .filter(|asked| {
            asked.target.starts_with("/upload/1?state=a%2Fb&digest=sha256%3A") && asked.body == chart.bytes
        })
        .collect();
    assert!(!whole.is_empty());
}

/// What registries answer where the standards leave a choice, or are not kept: Helm reads all of it.
#[test]
fn answers_are_read_as_liberally_as_helm_reads_them() {
    let challenges = [
        r#"Bearer realm="REALM",service="test""#,
        r#"BEARER realm = "REALM" , service = test"#,
        r#"Negotiate, Bearer realm="REALM""#,
        r#"Negotiate YIIabc==, Basic realm="x", Bearer realm="REALM",service=test"#,
        "bearer Realm=REALM",
    ];
    let tokens = [
        r#"{"token":"good","expires_in":"300"}"#,
        r#"{"access_token":"good","expires_in":299.5}"#,
        r#"{"token":"good","expires_in":null,"issued_at":"yesterday"}"#,
        r#"{"token":"good","expires_in":"soon"}"#,
    ];
    let types = [
        "Application/vnd.OCI.image.manifest.v1+JSON",
        "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
        " APPLICATION/VND.OCI.IMAGE.MANIFEST.V1+JSON ;a=b",
    ];
    let most = challenges.len().max(tokens.len());
    for n in 0..most {
        let (challenge, token) = (challenges[n % challenges.len()], tokens[n % tokens.len()]);
        let content_type = types[n % types.len()];
        let registry = Hostile::start(move |asked, address| {
            if asked.target.starts_with("/token") {
                return Reply::ok("text/plain", token);
            }
            if asked.header("authorization") != Some("Bearer good") {
                let challenge = challenge.replace("REALM", &format!("http://{address}/token"));
                return Reply::new(401).header("WWW-Authenticate", challenge);
            }
            let (manifest, blob) = manifest_of(PACKAGE, PACKAGE.len());
            match asked.target == blob {
                true => Reply::ok("Application/Octet-Stream", PACKAGE),
                false => Reply::ok(content_type, manifest),
            }
        });
        pull(&registry, &[]);
    }
}

#[test]
fn what_a_registry_says_of_a_refusal_is_told() {
    for (body, expected) in [
        (
            r#"{"errors":[{"code":"NAME_INVALID","message":"`api` is reserved"}]}"#,
            "NAME_INVALID: `api` is reserved",
        ),
        (r#"{"errors":[{"code":"DENIED","message":null}]}"#, "DENIED"),
        (r#"{"error":{"code":403,"message":"no such project"}}"#, "403: no such project"),
        (r#"{"message":"read only"}"#, "read only"),
        ("the disk is full", "the disk is full"),
    ] {
        // An answer to HEAD has no body, so the reason is that of the upload.
        let registry = Hostile::start(move |asked, _| {
            Reply::new(if asked.method == "HEAD" { 400 } else { 403 }).body(body)
        });
        let charthouse = Charthouse::new();
        let chart = pack("app-1.2.3", &[]);
        chart.write(charthouse.home());
        let said =
            charthouse.run(&["push", &chart.file_name, &format!("oci://{}/api", registry.host())]).fails();
        assert!(said.contains(expected), "{body}: {said}");
    }
    let registry = Hostile::start(|_, _| {
        Reply::new(404).body(r#"{"errors":[{"code":"NAME_INVALID","message":"`api` is reserved"}]}"#)
    });
    let said = Charthouse::new().run(&["pull", &format!("oci://{}/api/app", registry.host())]).fails();
    assert!(said.contains("`api` is reserved"), "{said}");
}

#[test]
fn a_registry_without_head_and_one_that_does_not_know_its_port_will_do() {
    let registry = Hostile::start(|asked, address| match (asked.method.as_str(), asked.target.as_str()) {
        ("HEAD", target) if target.contains("/manifests/") => Reply::new(405),
        ("HEAD", _) => Reply::new(404),
        // As a registry says that is reached through a mapped port.
        ("POST", _) => Reply::new(202).header("Location", format!("http://{}/v2/upload?x=1", address.ip())),
        ("PUT", _) => Reply::new(201),
        _ => chart(asked),
    });
    let charthouse = Charthouse::new();
    let host = registry.host();
    let resolved = charthouse.json(&["resolve", &format!("oci://{host}/team/app:1.0.0")]);
    assert!(resolved["digest"].as_str().unwrap().starts_with("sha256:"), "{resolved}");
    let packed = pack("app-1.2.3", &[]);
    charthouse.push(&packed, &format!("oci://{host}/team"));
    let uploads =
        registry.lines().iter().filter(|line| line.starts_with("PUT /v2/upload?x=1&digest=")).count();
    assert_eq!(uploads, 2, "{:?}", registry.lines());
}
