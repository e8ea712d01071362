//! `push`: the same manifest as Helm makes, nothing sent twice, and what is refused or warned about.

use std::fs;

use flate2::Compression;

use super::{Any, Charthouse, with_each_registry};
use crate::clients::helm::Helm;
use crate::clients::helm_metadata;
use crate::clients::with_each_helm;
use crate::support::charts::{archive, pack, pack_sources, root};
use crate::support::hostile_registry::{Hostile, Reply};
use crate::support::server::Server;

const FIXTURES: [&str; 10] = [
    "app-1.2.3",
    "app-1.3.0",
    "app-2.0.0-rc.1",
    "bom",
    "build-metadata",
    "deprecated",
    "legacy-v1",
    "library",
    "unicode",
    "signed",
];

with_each_registry![
    several_charts_are_pushed_at_once_and_again,
    a_signature_goes_along,
    what_is_there_may_be_passed_over,
];
with_each_helm![
    a_push_has_the_digest_of_helms_own,
    odd_metadata_becomes_the_same_config,
    helm_pulls_what_was_pushed,
];

fn a_push_has_the_digest_of_helms_own(helm: &Helm) {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    let (ours, theirs) = (format!("oci://{}/ours", server.host()), format!("oci://{}/theirs", server.host()));
    for folder in FIXTURES {
        let chart = pack(folder, &[]);
        let expected = helm.push(&chart, &theirs);
        // The manifest holds the time of the file.
        let written = fs::metadata(helm.client().home().join(&chart.file_name)).unwrap().modified().unwrap();
        let path = chart.write(charthouse.home());
        fs::File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
        let pushed = charthouse.json(&["push", &chart.file_name, &ours]);
        assert_eq!(pushed[0]["digest"], expected.as_str(), "{folder}");
    }
    server.stop();
}

fn odd_metadata_becomes_the_same_config(helm: &Helm) {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    for (n, (chart_yaml, requirements)) in helm_metadata::CHARTS.iter().enumerate() {
        let chart_yaml = format!("name: app\nversion: 1.2.3\n{chart_yaml}");
        let package = helm_metadata::pack(helm, n, &chart_yaml, requirements);
        let package = package.to_str().expect("a readable path");
        let said = helm.run(&["push", package, &format!("oci://{}/theirs-{n}", server.host())]);
        let said = said.all();
        let pushed = charthouse.json(&["push", package, &format!("oci://{}/ours-{n}", server.host())]);
        let digest = pushed[0]["digest"].as_str().expect("a digest");
        assert!(said.contains(digest), "{chart_yaml}\n{said}\n{digest}");
    }
    server.stop();
}

fn helm_pulls_what_was_pushed(helm: &Helm) {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", server.host());
    for folder in FIXTURES {
        let chart = pack(folder, &[]);
        let digest = charthouse.push(&chart, &namespace);
        let reference = format!("{namespace}/{}", chart.name);
        helm.pull(&reference, &["--version", &chart.version]).is(&chart);
        helm.pull(&format!("{reference}@{digest}"), &[]).is(&chart);
    }
    server.stop();
}

fn several_charts_are_pushed_at_once_and_again(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    let charts = FIXTURES.map(|folder| pack(folder, &[]));
    let mut arguments = vec!["push"];
    for chart in &charts {
        chart.write(charthouse.home());
        arguments.push(&chart.file_name);
    }
    arguments.push(&namespace);
    let first = charthouse.json(&arguments);
    assert_eq!(first.as_array().unwrap().len(), charts.len());
    let second = charthouse.json(&arguments);
    assert_eq!(first, second, "the same packages are the same manifests");
    for (chart, pushed) in charts.iter().zip(first.as_array().unwrap()) {
        let tag = chart.version.replace('+', "_");
        assert_eq!(pushed["reference"], format!("{namespace}/{}:{tag}", chart.name));
    }
}

fn a_signature_goes_along(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    let provenance = fs::read(root().join("signed-1.0.0.tgz.prov")).unwrap();
    fs::write(charthouse.path("signed-1.0.0.tgz.prov"), &provenance).unwrap();
    let signed = pack("signed", &[]);
    charthouse.push(&signed, &namespace);
    let reference = format!("{namespace}/signed");
    charthouse.run(&["pull", &reference, "--prov", "-d", "out", "--version", "1.0.0"]).fails();
    fs::create_dir(charthouse.path("out")).unwrap();
    charthouse.run(&["pull", &reference, "--prov", "-d", "out"]).succeeds();
    assert_eq!(charthouse.files("out"), ["signed-1.0.0.tgz", "signed-1.0.0.tgz.prov"]);
    assert!(fs::read(charthouse.path("out/signed-1.0.0.tgz")).unwrap() == signed.bytes);
    assert!(fs::read(charthouse.path("out/signed-1.0.0.tgz.prov")).unwrap() == provenance);
}

#[test]
fn the_digest_is_printed_for_people() {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", server.host());
    let chart = pack("app-1.2.3", &[]);
    let digest = charthouse.push(&chart, &namespace);
    let said = charthouse.run(&["push", &chart.file_name, &namespace]).succeeds();
    assert_eq!(said, format!("Pushed: {}/team/app:1.2.3\nDigest: {digest}\n", server.host()));
}

#[test]
fn the_good_ones_of_several_packages_are_pushed_and_each_bad_one_is_named() {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", server.host());
    let (good, other) = (pack("app-1.2.3", &[]), pack("unicode", &[]));
    good.write(charthouse.home());
    other.write(charthouse.home());
    fs::write(charthouse.path("broken.tgz"), "not a package").unwrap();
    fs::create_dir(charthouse.path("folder")).unwrap();
    let arguments =
        ["push", "broken.tgz", &good.file_name, "missing.tgz", &other.file_name, "folder", &namespace];
    let ran = charthouse.command(&[&arguments[..], &["--plain-http"]].concat()).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ran.stderr);
    for expected in ["broken.tgz is not a chart package", "cannot read missing.tgz", "not a regular file"] {
        assert!(said.contains(expected), "{said}");
    }
    assert!(said.contains("3 of 5 packages were not pushed"), "{said}");
    assert_eq!(String::from_utf8_lossy(&ran.stdout).matches("Pushed: ").count(), 2);
    for chart in [&good, &other] {
        charthouse.run(&["pull", &format!("{namespace}/{}", chart.name)]).succeeds();
    }
    let said = charthouse.run(&["push", "broken.tgz", &namespace]).fails();
    assert!(said.contains("is not a chart package") && !said.contains("of 1"), "{said}");
    server.stop();
}

/// As with `helm push`: the registry has the rules, and may be lenient.
#[test]
fn what_breaks_a_rule_is_pushed_with_a_warning_and_the_registry_decides() {
    let charthouse = Charthouse::new();
    let chart_yaml = &b"apiVersion: v2\nname: app\nversion: 1.0.0\n"[..];
    let files = [("Chart.yaml", chart_yaml), ("x", b"1"), ("x", b"2")];
    fs::write(charthouse.path("app-1.0.0.tgz"), archive("app", Compression::fast(), files)).unwrap();
    let lenient = Server::start_with(&["--storage", "memory:"], &[("CHARTHOUSE_POLICY_LENIENT", "**")]);
    for (server, is_taken) in [(Server::in_memory(), false), (lenient, true)] {
        let namespace = format!("oci://{}/team", server.host());
        let ran = charthouse.bare(&["push", "app-1.0.0.tgz", &namespace, "--plain-http"]);
        let said = ran.all();
        assert!(said.contains("twice; the registry decides"), "{said}");
        assert_eq!(ran.succeeded(), is_taken, "{said}");
        assert_eq!(said.contains("MANIFEST_INVALID"), !is_taken, "{said}");
        server.stop();
    }
}

#[test]
fn a_registry_that_does_not_answer_is_asked_for_one_package_only() {
    let charthouse = Charthouse::new();
    let charts =
        ["app-1.2.3", "app-1.3.0", "unicode", "library", "bom", "signed"].map(|folder| pack(folder, &[]));
    let mut arguments = vec!["push"];
    for chart in &charts {
        chart.write(charthouse.home());
        arguments.push(&chart.file_name);
    }
    arguments.push("oci://127.0.0.1:1/team");
    let said = charthouse.run(&arguments).fails();
    assert!(said.contains("6 of 6 packages were not pushed"), "{said}");
    assert_eq!(said.matches("no answer to").count(), 1, "{said}");
    let registry = Hostile::start(|_, _| Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""));
    let namespace = format!("oci://{}/team", registry.host());
    let last = arguments.len() - 1;
    arguments[last] = &namespace;
    let said = charthouse.run(&arguments).fails();
    assert!(said.contains("6 of 6 packages were not pushed"), "{said}");
    assert_eq!(said.matches("401").count(), 1, "{said}");
}

fn what_is_there_may_be_passed_over(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    let chart = pack("app-1.2.3", &[]);
    let digest = charthouse.push(&chart, &namespace);
    let other = pack("app-1.3.0", &[]);
    other.write(charthouse.home());
    let push = ["push", &chart.file_name, &other.file_name, &namespace, "--skip-existing"];
    let pushed = charthouse.json(&push);
    assert_eq!((&pushed[0]["skipped"], &pushed[0]["digest"]), (&true.into(), &digest.into()), "{pushed}");
    assert_eq!(pushed[1].get("skipped"), None, "{pushed}");
    let said = charthouse.run(&push).succeeds();
    assert_eq!(said.matches("Exists already: ").count(), 2, "{said}");
}

#[test]
fn a_released_version_that_was_packed_again_is_told_from_one_that_differs() {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", server.host());
    let source = |content: &str| {
        [
            ("Chart.yaml".to_owned(), b"apiVersion: v2\nname: app\nversion: 1.0.0\n".to_vec()),
            ("values.yaml".to_owned(), content.as_bytes().to_vec()),
        ]
    };
    let chart = pack_sources(source("a: 1\n"));
    charthouse.push(&chart, &namespace);
    // The same files, compressed otherwise.
    let mut again = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut flate2::read::GzDecoder::new(&chart.bytes[..]), &mut again).unwrap();
    fs::write(charthouse.path("again.tgz"), again.finish().unwrap()).unwrap();
    let said = charthouse.run(&["push", "again.tgz", &namespace]).fails();
    assert!(said.contains("409") && said.contains("the same files: only file times"), "{said}");
    assert!(said.contains("--skip-existing"), "{said}");
    pack_sources(source("a: 2\n")).write(charthouse.home());
    let said = charthouse.run(&["push", &chart.file_name, &namespace]).fails();
    assert!(said.contains("differs in values.yaml") && said.contains("--skip-existing"), "{said}");
    server.stop();
}

#[test]
fn wrong_arguments_end_with_2() {
    let charthouse = Charthouse::new();
    for arguments in [
        &["push", "app.tgz"][..],
        &["push", "app.tgz", "127.0.0.1:1/team"],
        &["push", "app.tgz", "oci://127.0.0.1:1/Team"],
        &["push", "app.tgz", "oci://127.0.0.1:1/team", "--username", "ann"],
        &["pull", "oci://127.0.0.1:1"],
        &["pull", "oci://127.0.0.1:1/team/app", "--version", ">>1"],
        &["pull", "oci://127.0.0.1:1/team/app", "--ca-file", "nowhere.pem"],
        &["pull", "oci://127.0.0.1:1/team/app", "--cert-file", "nowhere.pem"],
    ] {
        let status = charthouse.command(arguments).output().unwrap();
        assert_eq!(status.status.code(), Some(2), "{arguments:?} {status:?}");
    }
}
