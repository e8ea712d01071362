//! `helm push`, `pull`, `show`, `template`, `dependency update`: what a person does with a chart.

use std::fs;
use std::path::PathBuf;

use super::with_each_helm;
use crate::support::charts::{Packed, pack, unfold};
use crate::support::command::Ran;
use crate::support::server::Server;
use crate::support::tools::{Client, HELM_3, HELM_4};

/// Helm with a home of its own, speaking plain HTTP.
pub struct Helm {
    client: Client,
}

impl Helm {
    /// Helm of that generation, 3 or 4, when it is installed.
    #[track_caller]
    pub fn find(generation: u8) -> Option<Helm> {
        let name = if generation == 4 { HELM_4 } else { HELM_3 };
        Client::find(name).map(|client| Helm { client })
    }

    /// `helm push`; answers the digest of the manifest that Helm prints.
    #[track_caller]
    pub fn push(&self, chart: &Packed, namespace: &str) -> String {
        chart.write(self.client.home());
        let ran = self.client.run(&["push", &chart.file_name, namespace, "--plain-http"]);
        let said = ran.all();
        ran.succeeds();
        let digest = said.split_whitespace().find(|word| word.starts_with("sha256:"));
        digest.unwrap_or_else(|| panic!("helm push names no digest:\n{said}")).to_owned()
    }

    /// `helm pull REFERENCE ARGUMENTS` into a new folder.
    #[track_caller]
    pub fn pull(&self, reference: &str, arguments: &[&str]) -> Pulled {
        let folder = tempfile::tempdir_in(self.client.home()).expect("a folder for the pull").keep();
        let into = folder.to_str().expect("a readable path");
        let command = [&["pull", reference, "--plain-http", "--destination", into], arguments].concat();
        self.client.run(&command).succeeds();
        Pulled { folder }
    }

    /// Runs any other command, with `--plain-http`.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.client.run(&[arguments, &["--plain-http"]].concat())
    }

    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// The folder that `helm pull` wrote to.
pub struct Pulled {
    folder: PathBuf,
}

impl Pulled {
    /// The one package of the folder.
    #[track_caller]
    pub fn package(&self) -> Vec<u8> {
        let packages: Vec<String> = self.files().into_iter().filter(|name| name.ends_with(".tgz")).collect();
        let [name] = packages.as_slice() else { panic!("not one package: {:?}", self.files()) };
        self.file(name)
    }

    #[track_caller]
    pub fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).unwrap_or_else(|_| panic!("no {name}, only {:?}", self.files()))
    }

    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).expect("list what was pulled");
        entries
            .map(|entry| entry.expect("list what was pulled").file_name().to_string_lossy().into_owned())
            .collect()
    }

    #[track_caller]
    pub fn is(&self, chart: &Packed) {
        assert!(
            self.package() == chart.bytes,
            "{} was pulled with other bytes than were pushed",
            chart.file_name
        );
    }
}

with_each_helm![
    a_pushed_chart_is_pulled_byte_for_byte_in_every_way,
    a_chart_is_shown_and_rendered,
    a_dependency_comes_from_the_registry,
    the_same_package_may_be_pushed_again,
    the_root_and_a_deep_namespace_hold_charts,
    every_fixture_goes_in_and_out_unchanged,
    all_is_there_after_a_restart,
    what_is_not_there_is_refused,
];

fn a_pushed_chart_is_pulled_byte_for_byte_in_every_way(helm: &Helm) {
    let server = Server::in_memory();
    let namespace = format!("oci://{}/team", server.host());
    let app = pack("app-1.2.3", &[]);
    let digest = helm.push(&app, &namespace);

    let reference = format!("{namespace}/app");
    helm.pull(&reference, &[]).is(&app);
    helm.pull(&reference, &["--version", ">=1.0"]).is(&app);
    helm.pull(&reference, &["--version", "1.2.3"]).is(&app);
    helm.pull(&format!("{reference}:1.2.3"), &[]).is(&app);
    helm.pull(&format!("{reference}@{digest}"), &[]).is(&app);
    helm.pull(&format!("{reference}:1.2.3@{digest}"), &[]).is(&app);
    server.stop();
}

fn a_chart_is_shown_and_rendered(helm: &Helm) {
    let server = Server::in_memory();
    let namespace = format!("oci://{}/team", server.host());
    helm.push(&pack("app-1.2.3", &[]), &namespace);

    let app = format!("{namespace}/app");
    let shown = |what| helm.run(&["show", what, &app, "--version", "1.2.3"]).succeeds();
    assert!(shown("values").contains("replicas: 1"));
    assert!(shown("chart").contains("version: 1.2.3"));
    assert!(shown("readme").contains("A small web application"));
    assert!(shown("all").contains("port: 8080"));
    let rendered =
        helm.run(&["template", "demo", &app, "--version", "~1.2", "--set", "replicas=5"]).succeeds();
    assert!(rendered.contains("replicas: 5") && rendered.contains("name: demo-app"), "{rendered}");
    server.stop();
}

fn a_dependency_comes_from_the_registry(helm: &Helm) {
    let server = Server::in_memory();
    let host = server.host();
    let namespace = format!("oci://{host}/team");
    let app = pack("app-1.2.3", &[]);
    helm.push(&app, &namespace);
    helm.push(&pack("app-1.3.0", &[]), &namespace);

    let parent = helm.client().home().join("parent");
    unfold("with-dependency", &[("REGISTRY_HOST", &host)], &parent);
    let parent_path = parent.to_str().expect("a readable path");
    helm.run(&["dependency", "update", parent_path]).succeeds();
    let fetched = parent.join("charts").join(&app.file_name);
    assert!(
        fs::read(&fetched).expect("the dependency is fetched") == app.bytes,
        "the dependency has other bytes"
    );
    let lock = fs::read_to_string(parent.join("Chart.lock")).expect("a lock is written");
    assert!(lock.contains("version: 1.2.3"), "the range excludes 1.3.0:\n{lock}");

    fs::remove_dir_all(parent.join("charts")).expect("remove the dependency");
    helm.run(&["dependency", "build", parent_path]).succeeds();
    assert!(fs::read(&fetched).expect("the locked dependency is fetched") == app.bytes);
    server.stop();
}

fn the_same_package_may_be_pushed_again(helm: &Helm) {
    let server = Server::in_memory();
    let namespace = format!("oci://{}/team", server.host());
    let app = pack("app-1.2.3", &[]);
    let first = helm.push(&app, &namespace);
    // The manifest holds the time of the file, in seconds: the file is written anew, so its digest may differ.
    let second = helm.push(&app, &namespace);
    helm.pull(&format!("{namespace}/app@{first}"), &[]).is(&app);
    helm.pull(&format!("{namespace}/app@{second}"), &[]).is(&app);
    server.stop();
}

fn the_root_and_a_deep_namespace_hold_charts(helm: &Helm) {
    let server = Server::in_memory();
    for namespace in ["", "/charts", "/a/deep/name-space/with_many.parts/v1"] {
        let namespace = format!("oci://{}{namespace}", server.host());
        let app = pack("app-1.3.0", &[]);
        helm.push(&app, &namespace);
        helm.pull(&format!("{namespace}/app"), &["--version", "^1"]).is(&app);
    }
    server.stop();
}

fn every_fixture_goes_in_and_out_unchanged(helm: &Helm) {
    let server = Server::in_memory();
    let namespace = format!("oci://{}/fixtures", server.host());
    for folder in ["deprecated", "library", "bom", "unicode", "legacy-v1", "signed"] {
        let chart = pack(folder, &[]);
        helm.push(&chart, &namespace);
        let reference = format!("{namespace}/{}", chart.name);
        helm.pull(&reference, &[]).is(&chart);
        let shown = helm.run(&["show", "chart", &reference]).succeeds();
        assert!(shown.contains(&format!("version: {}", chart.version)), "{shown}");
    }
    let unicode = helm.run(&["show", "all", &format!("{namespace}/unicode")]).succeeds();
    assert!(unicode.contains("مخطط") && unicode.contains("👋🏽"), "{unicode}");
    server.stop();
}

fn all_is_there_after_a_restart(helm: &Helm) {
    let storage = tempfile::tempdir().expect("a folder for the store");
    let charts = ["app-1.2.3", "app-1.3.0", "app-2.0.0-rc.1", "build-metadata", "unicode"]
        .map(|folder| pack(folder, &[]));

    let server = Server::over(storage.path());
    let namespace = format!("oci://{}/team", server.host());
    let digests = charts.each_ref().map(|chart| helm.push(chart, &namespace));
    server.interrupt();

    let server = Server::over(storage.path());
    let namespace = format!("oci://{}/team", server.host());
    for (chart, digest) in charts.iter().zip(&digests) {
        let reference = format!("{namespace}/{}", chart.name);
        helm.pull(&reference, &["--version", &chart.version]).is(chart);
        helm.pull(&format!("{reference}@{digest}"), &[]).is(chart);
    }
    // And it goes on from there.
    let library = pack("library", &[]);
    helm.push(&library, &namespace);
    server.stop();

    let server = Server::over(storage.path());
    helm.pull(&format!("oci://{}/team/common", server.host()), &[]).is(&library);
    server.stop();
}

fn what_is_not_there_is_refused(helm: &Helm) {
    let server = Server::in_memory();
    let namespace = format!("oci://{}/team", server.host());
    helm.push(&pack("app-1.2.3", &[]), &namespace);
    let refused = |reference: &str, version: &str| {
        helm.run(&["pull", &format!("{namespace}/{reference}"), "--version", version]).fails()
    };
    let said = refused("app", "9.9.9");
    assert!(said.contains("not found"), "{said}");
    refused("app", ">=9");
    refused("nothing", "1.2.3");
    let zeros = "0".repeat(64);
    helm.run(&["pull", &format!("{namespace}/app@sha256:{zeros}")]).fails();
    server.stop();
}
