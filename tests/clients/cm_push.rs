//! ChartMuseum's plugin `helm cm-push`, which Helm 3 runs: it reads the index of a repository before each upload.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;

use super::helm::Helm;
use crate::support::charts::{Packed, pack};
use crate::support::command::Ran;
use crate::support::nginx::Nginx;
use crate::support::s3::free_address;
use crate::support::server::Server;
use crate::support::tools::{CM_PUSH, program};

const PLUGIN: &str = "\
name: cm-push
version: 0.10.4
usage: Push a package to ChartMuseum
description: Push a package to ChartMuseum
command: $HELM_PLUGIN_DIR/bin/helm-cm-push
downloaders:
- command: bin/helm-cm-push
  protocols: [cm]
";

/// Helm 3 with the plugin, when both are installed.
#[track_caller]
fn helm_with_plugin() -> Option<Helm> {
    let (helm, plugin) = (Helm::find(3)?, program(CM_PUSH)?);
    let folder = helm.client().home().join(".data/plugins/helm-push");
    fs::create_dir_all(folder.join("bin")).expect("a folder for the plugin");
    fs::write(folder.join("plugin.yaml"), PLUGIN).expect("describe the plugin");
    std::os::unix::fs::symlink(plugin, folder.join("bin/helm-cm-push")).expect("install the plugin");
    Some(helm)
}

fn cm_push(helm: &Helm, chart: &Packed, repository: &str, more: &[&str]) -> Ran {
    chart.write(helm.client().home());
    helm.client().run(&[&["cm-push", &chart.file_name, repository], more].concat())
}

/// Charts go into a namespace that nothing was pushed to, are found in it, and a version is taken once.
fn pushes_to_a_fresh_namespace(helm: &Helm, url: &str, name: &str) {
    let repository = format!("{url}/{name}");
    let (first, second) = (pack("app-1.2.3", &[]), pack("app-2.0.0-rc.1", &[]));
    cm_push(helm, &first, &repository, &[]).succeeds();
    cm_push(helm, &second, &repository, &[]).succeeds();
    helm.client().run(&["repo", "add", name, &repository]).succeeds();
    let found = helm.client().run(&["search", "repo", name, "--versions", "--devel", "--output", "json"]);
    let found: Value = serde_json::from_str(&found.succeeds()).expect("a list");
    let versions: Vec<&str> =
        found.as_array().expect("a list").iter().filter_map(|chart| chart["version"].as_str()).collect();
    assert_eq!(versions, ["2.0.0-rc.1", "1.2.3"]);
    helm.client().run(&["pull", &format!("{name}/app"), "--version", "1.2.3"]).succeeds();
    // The plugin packs a chart anew before it sends it.
    let shown = helm.client().run(&["show", "chart", &first.file_name]).succeeds();
    assert!(shown.contains("version: 1.2.3"), "{shown}");

    let changed = ("A small web application, the plain case of every test", "Something else");
    let (first, second) = (pack("app-1.2.3", &[changed]), pack("app-2.0.0-rc.1", &[changed]));
    let refused = cm_push(helm, &first, &repository, &[]).fails();
    assert!(refused.contains("?force") && refused.contains("keeps its content"), "{refused}");
    let refused = cm_push(helm, &first, &repository, &["--force"]).fails();
    assert!(refused.contains("keeps its content"), "{refused}");
    cm_push(helm, &second, &repository, &[]).fails();
    cm_push(helm, &second, &repository, &["--force"]).succeeds();
}

#[test]
fn the_first_chart_of_a_namespace_is_pushed_with_the_plugin() {
    let Some(helm) = helm_with_plugin() else { return };
    let server = Server::in_memory();
    pushes_to_a_fresh_namespace(&helm, &format!("http://{}", server.host()), "fresh");
    server.stop();
}

#[test]
fn the_plugin_works_below_the_path_of_a_proxy() {
    let Some(helm) = helm_with_plugin() else { return };
    let upstream: SocketAddr = free_address();
    let Some(nginx) = Nginx::start_below("/charts", &[upstream]) else { return };
    let url = format!("http://{}/charts", nginx.host());
    let variables = [
        ("CHARTHOUSE_AUTH_ANONYMOUS", "write"),
        ("CHARTHOUSE_SERVER_TRUSTED_PROXIES", "127.0.0.1"),
        ("CHARTHOUSE_SERVER_EXTERNAL_URL", &url),
    ];
    let server = Server::start_at(&upstream.to_string(), &["--storage", "memory:"], &variables);
    pushes_to_a_fresh_namespace(&helm, &url, "fresh");
    server.stop();
}
