//! `copy` and `delete`: between our own server and the reference registry, with all that belongs to a chart.

use std::fs;

use serde_json::Value;

use super::{Any, Charthouse, with_each_registry};
use crate::support::charts::{pack, root};
use crate::support::distribution::Distribution;
use crate::support::server::Server;
use crate::support::tools::{Client, ORAS};

with_each_registry![a_copy_within_a_registry_mounts_what_is_there];

/// A chart in two versions, one signed, with referrers and a signature as cosign tags it.
fn fill(charthouse: &Charthouse, oras: &Client, host: &str) -> Vec<String> {
    let namespace = format!("oci://{host}/team");
    let old = charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    let new = charthouse.push(&pack("app-1.3.0", &[]), &namespace);
    fs::write(oras.home().join("sbom.json"), "{}").unwrap();
    let attach = |to: &str, kind: &str| {
        let said = oras
            .run(&["attach", to, "--artifact-type", kind, "sbom.json", "--plain-http", "--format", "json"])
            .succeeds();
        let said: Value = serde_json::from_str(&said).unwrap();
        said["digest"].as_str().unwrap().to_owned()
    };
    let sbom = attach(&format!("{host}/team/app@{old}"), "application/spdx+json");
    let signature = attach(&format!("{host}/team/app@{sbom}"), "application/vnd.example.signature");
    let cosign = format!("{host}/team/app:{}.sig", old.replace(':', "-"));
    oras.run(&["push", &cosign, "sbom.json", "--plain-http"]).succeeds();
    vec![old, new, sbom, signature]
}

fn everything_is_there(
    charthouse: &Charthouse,
    oras: &Client,
    host: &str,
    namespace: &str,
    digests: &[String],
) {
    let [old, new, sbom, signature] = digests else { panic!("four digests") };
    let app = format!("{host}/{namespace}/app");
    for digest in digests {
        oras.run(&["manifest", "fetch", &format!("{app}@{digest}"), "--plain-http"]).succeeds();
    }
    let resolved = charthouse.json(&["resolve", &format!("oci://{app}"), "--version", "*"]);
    assert_eq!(resolved["digest"], new.as_str());
    let referrers = |of: &str| {
        oras.run(&["discover", &format!("{app}@{of}"), "--plain-http", "--format", "json"]).succeeds()
    };
    assert!(referrers(old).contains(sbom) && referrers(sbom).contains(signature));
    let cosign = format!("{app}:{}.sig", old.replace(':', "-"));
    oras.run(&["manifest", "fetch", &cosign, "--plain-http"]).succeeds();
}

#[test]
fn a_chart_goes_there_and_back_with_all_that_refers_to_it() {
    let (Some(reference), Some(oras)) = (Distribution::start(), Client::find(ORAS)) else { return };
    let own = Server::in_memory();
    let charthouse = Charthouse::new();
    let digests = fill(&charthouse, &oras, &own.host());
    let chart = |host: &str, namespace: &str| format!("oci://{host}/{namespace}/app");

    // From a registry with the referrers API to one without, into another namespace, and back.
    let there = format!("oci://{}/mirror", reference.host());
    let copied = charthouse.json(&["copy", &chart(&own.host(), "team"), &there, "--all-versions"]);
    assert_eq!(copied["copied"].as_array().unwrap().len(), 2, "{copied}");
    everything_is_there(&charthouse, &oras, reference.host(), "mirror", &digests);
    let back = format!("oci://{}/back", own.host());
    charthouse.run(&["copy", &chart(reference.host(), "mirror"), &back, "--all-versions"]).succeeds();
    everything_is_there(&charthouse, &oras, &own.host(), "back", &digests);

    // Again: nothing is sent.
    let again = charthouse.json(&["copy", &chart(&own.host(), "team"), &there, "--all-versions"]);
    assert_eq!(
        (again["sent"]["blobs"].as_u64(), again["sent"]["manifests"].as_u64()),
        (Some(0), Some(0)),
        "{again}"
    );
    let pulled = charthouse.run(&["pull", &format!("{}:1.2.3", chart(&own.host(), "back"))]);
    pulled.succeeds();
    assert!(fs::read(charthouse.path("app-1.2.3.tgz")).unwrap() == pack("app-1.2.3", &[]).bytes);
    own.stop();
}

fn a_copy_within_a_registry_mounts_what_is_there(registry: &Any) {
    let charthouse = Charthouse::new();
    let host = registry.host();
    fs::copy(root().join("signed-1.0.0.tgz.prov"), charthouse.path("signed-1.0.0.tgz.prov")).unwrap();
    let digest = charthouse.push(&pack("signed", &[]), &format!("oci://{host}/team"));
    let copied = charthouse.json(&[
        "copy",
        &format!("oci://{host}/team/signed"),
        &format!("oci://{host}/prod"),
        "--version",
        "^1",
    ]);
    assert_eq!(copied["copied"][0], format!("oci://{host}/prod/signed:1.0.0@{digest}"));
    assert_eq!(copied["sent"]["bytes"], 0, "{copied}");
    charthouse.run(&["pull", &format!("oci://{host}/prod/signed"), "--prov"]).succeeds();
}

#[test]
fn a_tag_and_a_digest_are_deleted_where_policy_allows_it() {
    let (_folder, server) = lenient();
    deletes(&Any::Own(server));
}

#[test]
fn a_tag_and_a_digest_are_deleted_at_the_reference_registry() {
    if let Some(registry) = Distribution::start() {
        deletes(&Any::Reference(registry));
    }
}

#[test]
fn a_refusal_to_delete_is_told_with_its_reason() {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", server.host());
    charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    let said = charthouse.run(&["delete", &format!("{namespace}/app:1.2.3"), "--yes"]).fails();
    assert!(said.contains("409 Conflict: DENIED: 1.2.3 is released and stays"), "{said}");
    server.stop();
}

/// A server that lets released versions be deleted.
pub fn lenient() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("charthouse.yaml");
    fs::write(&settings, "policy:\n  delete_immutable: true\n").unwrap();
    let server = Server::start(&["--storage", "memory:", "--config", settings.to_str().unwrap()]);
    (folder, server)
}

fn deletes(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    let digest = charthouse.push(&pack("app-1.3.0", &[]), &namespace);
    let (old, new) = (format!("{namespace}/app:1.2.3"), format!("{namespace}/app@{digest}"));
    let refused = charthouse.command(&["delete", &old, "--plain-http"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "without a terminal and --yes nothing is deleted");
    charthouse.run(&["pull", &old]).succeeds();
    let deleted = charthouse.json(&["delete", &old, &new, "--yes"]);
    assert_eq!(deleted.as_array().unwrap().len(), 2);
    for gone in [&old, &new, &format!("{namespace}/app:1.3.0")] {
        charthouse.run(&["pull", gone]).fails();
    }
    let said = charthouse.run(&["delete", &old, "--yes"]).fails();
    assert!(said.contains("is not there"), "{said}");
    charthouse.run(&["delete", &format!("{namespace}/app"), "--yes"]).fails();
}
