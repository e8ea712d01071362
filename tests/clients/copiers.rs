//! regctl and skopeo: charts copied between repositories, byte for byte, with their referrers.

use serde_json::Value;

use super::helm::Helm;
use crate::support::charts::{Packed, pack};
use crate::support::server::Server;
use crate::support::tools::{Client, ORAS, REGCTL, SKOPEO};

/// A server with `team/app:1.2.3`.
fn with_a_chart(helm: &Helm) -> (Server, Packed) {
    let server = Server::in_memory();
    let chart = pack("app-1.2.3", &[]);
    helm.push(&chart, &format!("oci://{}/team", server.host()));
    (server, chart)
}

/// Pulls `team/app` of another namespace and compares it.
#[track_caller]
fn comes_out_of(helm: &Helm, server: &Server, namespace: &str, chart: &Packed) {
    helm.pull(&format!("oci://{}/{namespace}/app", server.host()), &["--version", "1.2.3"]).is(chart);
}

#[test]
fn regctl_lists_copies_and_deletes() {
    let (Some(regctl), Some(oras), Some(helm)) = (Client::find(REGCTL), Client::find(ORAS), Helm::find(4))
    else {
        return;
    };
    let (server, chart) = with_a_chart(&helm);
    let host = server.host();
    regctl.run(&["registry", "set", &host, "--tls", "disabled", "--skip-check"]).succeeds();
    let at = |namespace: &str| format!("{host}/{namespace}/app:1.2.3");
    std::fs::write(oras.home().join("notes"), b"a signature").expect("write a file");
    oras.run(&["attach", "--plain-http", "--artifact-type", "example/signature", &at("team"), "notes"])
        .succeeds();

    assert_eq!(regctl.run(&["tag", "ls", &format!("{host}/team/app")]).succeeds(), "1.2.3\n");
    regctl.run(&["image", "copy", "--referrers", &at("team"), &at("mirror")]).succeeds();
    let digest = |namespace| regctl.run(&["image", "digest", &at(namespace)]).succeeds();
    assert_eq!(digest("mirror"), digest("team"));
    let referrers =
        regctl.run(&["artifact", "list", "--format", "{{json .Descriptors}}", &at("mirror")]).succeeds();
    let referrers: Value = serde_json::from_str(&referrers).expect("JSON");
    assert_eq!(referrers[0]["artifactType"], "example/signature", "{referrers}");
    comes_out_of(&helm, &server, "mirror", &chart);

    let mut repositories: Vec<_> =
        regctl.run(&["repo", "ls", &host]).succeeds().lines().map(str::to_owned).collect();
    repositories.sort();
    assert_eq!(repositories, ["mirror/app", "team/app"]);
    // A channel is a tag that moves; a release keeps its tag.
    let stable = format!("{host}/mirror/app:stable");
    regctl.run(&["image", "copy", &at("team"), &stable]).succeeds();
    regctl.run(&["tag", "delete", &stable]).succeeds();
    assert_eq!(regctl.run(&["tag", "ls", &format!("{host}/mirror/app")]).succeeds(), "1.2.3\n");
    let refused = regctl.run(&["tag", "delete", &at("mirror")]).fails();
    assert!(refused.contains("is released and keeps its content"), "{refused}");
    server.stop();
}

#[test]
fn skopeo_inspects_copies_and_syncs() {
    let (Some(skopeo), Some(helm)) = (Client::find(SKOPEO), Helm::find(4)) else { return };
    let (server, chart) = with_a_chart(&helm);
    let at = |namespace: &str| format!("docker://{}/{namespace}/app:1.2.3", server.host());
    let (from, to) = ("--src-tls-verify=false", "--dest-tls-verify=false");

    let inspect = ["inspect", "--raw", "--tls-verify=false", &at("team")];
    let manifest: Value = serde_json::from_str(&skopeo.run(&inspect).succeeds()).expect("a manifest");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.cncf.helm.config.v1+json");
    let tags = ["list-tags", "--tls-verify=false", &format!("docker://{}/team/app", server.host())];
    let tags: Value = serde_json::from_str(&skopeo.run(&tags).succeeds()).expect("tags");
    assert_eq!(tags["Tags"], serde_json::json!(["1.2.3"]));

    skopeo.run(&["--insecure-policy", "copy", from, to, &at("team"), &at("mirror")]).succeeds();
    comes_out_of(&helm, &server, "mirror", &chart);
    // Out of the registry and back, as into a place without a network.
    skopeo.run(&["--insecure-policy", "copy", from, &at("team"), "oci:layout:1.2.3"]).succeeds();
    skopeo.run(&["--insecure-policy", "copy", to, "oci:layout:1.2.3", &at("far")]).succeeds();
    comes_out_of(&helm, &server, "far", &chart);
    server.stop();
}
