//! `show`, `resolve` and `diff`, each over any registry.

use super::{Any, Charthouse, with_each_registry};
use crate::clients::helm::Helm;
use crate::clients::with_each_helm;
use crate::support::charts::pack;
use crate::support::server::Server;

with_each_registry![documents_are_shown, a_constraint_is_resolved_to_a_digest, two_versions_are_compared];
with_each_helm![show_says_what_helm_says];

fn documents_are_shown(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    charthouse.push(&pack("library", &[]), &namespace);
    let app = format!("{namespace}/app");
    for (what, expected) in [
        ("chart", "version: 1.2.3"),
        ("values", "replicas: 1"),
        ("readme", "A small web application"),
        ("schema", "\"properties\""),
    ] {
        let said = charthouse.run(&["show", what, &app]).succeeds();
        assert!(said.contains(expected), "{what}: {said}");
        let document = charthouse.json(&["show", what, &app, "--version", "^1"]);
        assert_eq!(document[what].as_str().unwrap(), said, "{what}");
    }
    let all = charthouse.run(&["show", "all", &app]).succeeds();
    assert!(
        all.contains("version: 1.2.3") && all.contains("replicas: 1") && all.contains("A small web"),
        "{all}"
    );
    let said = charthouse.run(&["show", "schema", &format!("{namespace}/common")]).fails();
    assert!(said.contains("has no values.schema.json"), "{said}");
}

fn a_constraint_is_resolved_to_a_digest(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    let old = charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    let new = charthouse.push(&pack("app-1.3.0", &[]), &namespace);
    let app = format!("{namespace}/app");
    let said = charthouse.run(&["resolve", &app]).succeeds();
    assert_eq!(said, format!("{app}:1.3.0@{new}\n"));
    let resolved = charthouse.json(&["resolve", &app, "--version", "~1.2"]);
    assert_eq!(
        (resolved["version"].as_str(), resolved["digest"].as_str()),
        (Some("1.2.3"), Some(old.as_str()))
    );
    // What was resolved is a reference again.
    charthouse.run(&["pull", resolved["reference"].as_str().unwrap()]).succeeds();
}

fn two_versions_are_compared(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    charthouse.push(&pack("app-1.3.0", &[]), &namespace);
    let app = format!("{namespace}/app");
    let said = charthouse.run(&["diff", &app, "--from", "1.2.3", "--to", "1.3.0"]).succeeds();
    assert!(said.contains("--- a/Chart.yaml\n+++ b/Chart.yaml\n@@"), "{said}");
    assert!(said.contains("\n-version: 1.2.3\n") && said.contains("\n+version: 1.3.0\n"), "{said}");
    let by_tags = charthouse.run(&["diff", &format!("{app}:1.2.3"), &format!("{app}:1.3.0")]).succeeds();
    assert_eq!(said, by_tags);
    let document = charthouse.json(&["diff", &format!("{app}:1.2.3")]);
    assert_eq!(document["to"]["version"], "1.3.0");
    assert_eq!(document["files"][0]["path"], "Chart.yaml");
    assert_eq!(charthouse.run(&["diff", &format!("{app}:1.3.0")]).succeeds(), "");
}

fn show_says_what_helm_says(helm: &Helm) {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", server.host());
    for folder in ["app-1.2.3", "unicode", "bom"] {
        let chart = pack(folder, &[]);
        charthouse.push(&chart, &namespace);
        let reference = format!("{namespace}/{}", chart.name);
        let arguments = ["show", "values", &reference, "--version", &chart.version];
        let ours = charthouse.run(&arguments).succeeds();
        // Helm 4 says first what it pulled.
        let theirs = helm.run(&arguments).succeeds();
        assert!(theirs.trim_end().ends_with(ours.trim_end()), "{folder}: {theirs}");
    }
    server.stop();
}
