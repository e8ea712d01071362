//! Which version Helm gets: ranges, pre-releases, build metadata, lax versions
//! (docs/internals/helm.md#tags-and-versions).

use super::helm::Helm;
use super::with_each_helm;
use crate::support::charts::pack;
use crate::support::server::Server;

with_each_helm![
    a_range_gets_the_newest_release_in_it,
    a_pre_release_is_got_when_asked_for,
    build_metadata_survives_the_tag,
    lax_versions_are_pulled_by_their_exact_name,
];

fn a_range_gets_the_newest_release_in_it(helm: &Helm) {
    let server = Server::in_memory();
    let namespace = format!("oci://{}/team", server.host());
    let [old, new, next] = ["app-1.2.3", "app-1.3.0", "app-2.0.0-rc.1"].map(|folder| pack(folder, &[]));
    // Not in the order of versions: the registry's order of tags must not matter.
    for chart in [&new, &next, &old] {
        helm.push(chart, &namespace);
    }
    let app = format!("{namespace}/app");
    for (constraint, expected) in [
        (">=1.0", &new),
        ("*", &new),
        ("^1.2", &new),
        ("~1.2.0", &old),
        ("<1.3.0", &old),
        ("1.2.x", &old),
        (">=1.0.0 <1.3.0 || >=3", &old),
        ("1.0.0 - 1.2.9", &old),
    ] {
        helm.pull(&app, &["--version", constraint]).is(expected);
    }
    server.stop();
}

fn a_pre_release_is_got_when_asked_for(helm: &Helm) {
    let server = Server::in_memory();
    let namespace = format!("oci://{}/team", server.host());
    let (release, candidate) = (pack("app-1.3.0", &[]), pack("app-2.0.0-rc.1", &[]));
    helm.push(&release, &namespace);
    helm.push(&candidate, &namespace);
    let app = format!("{namespace}/app");
    helm.pull(&app, &[]).is(&release);
    helm.pull(&app, &["--devel"]).is(&candidate);
    helm.pull(&app, &["--version", "2.0.0-rc.1"]).is(&candidate);
    helm.pull(&app, &["--version", ">=2.0.0-0"]).is(&candidate);
    server.stop();
}

fn build_metadata_survives_the_tag(helm: &Helm) {
    let server = Server::in_memory();
    let namespace = format!("oci://{}/team", server.host());
    let chart = pack("build-metadata", &[]);
    let digest = helm.push(&chart, &namespace);
    let reference = format!("{namespace}/metadata");
    let pulled = helm.pull(&reference, &["--version", "1.2.3+build.7"]);
    pulled.is(&chart);
    assert_eq!(pulled.files(), ["metadata-1.2.3+build.7.tgz"]);
    helm.pull(&reference, &["--version", ">=1.0"]).is(&chart);
    helm.pull(&reference, &[]).is(&chart);
    helm.pull(&format!("{reference}@{digest}"), &[]).is(&chart);
    let shown = helm.run(&["show", "chart", &reference, "--version", "1.2.3+build.7"]).succeeds();
    assert!(shown.contains("version: 1.2.3+build.7"), "{shown}");
    server.stop();
}

fn lax_versions_are_pulled_by_their_exact_name(helm: &Helm) {
    let server = Server::in_memory();
    let namespace = format!("oci://{}/team", server.host());
    for folder in ["v-prefix", "lax-version"] {
        let chart = pack(folder, &[]);
        let digest = helm.push(&chart, &namespace);
        let reference = format!("{namespace}/{}", chart.name);
        helm.pull(&format!("{reference}:{}", chart.version), &[]).is(&chart);
        helm.pull(&format!("{reference}@{digest}"), &[]).is(&chart);
        // Helm looks for strict versions only when it chooses from a list.
        helm.run(&["pull", &reference, "--version", ">=1.0"]).fails();
    }
    server.stop();
}
