//! Charts pushed over OCI, found and fetched as a classic repository: `helm repo add`, `search repo`, `pull team/app`.

use std::fs;

use serde_json::Value;

use super::helm::Helm;
use super::with_each_helm;
use crate::support::charts::{Packed, pack, root, unfold};
use crate::support::http;
use crate::support::server::Server;

const PROVENANCE: &str = "signed-1.0.0.tgz.prov";

impl Helm {
    /// `helm repo add NAME URL`.
    #[track_caller]
    pub fn add(&self, name: &str, url: &str) {
        self.client().run(&["repo", "add", name, url]).succeeds();
    }

    #[track_caller]
    pub fn update(&self) {
        self.client().run(&["repo", "update"]).succeeds();
    }

    /// What `helm search repo` finds, as `name version`.
    #[track_caller]
    fn search(&self, arguments: &[&str]) -> Vec<String> {
        let command = [&["search", "repo", "--output", "json"], arguments].concat();
        let said = self.client().run(&command).succeeds();
        let found: Vec<Value> =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("not a list: {error}\n{said}"));
        let text = |entry: &Value, key: &str| entry[key].as_str().expect(key).to_owned();
        found.iter().map(|entry| format!("{} {}", text(entry, "name"), text(entry, "version"))).collect()
    }
}

fn url(server: &Server, namespace: &str) -> String {
    format!("http://{}{namespace}", server.host())
}

fn push(helm: &Helm, server: &Server, namespace: &str, folder: &str) -> Packed {
    let chart = pack(folder, &[]);
    helm.push(&chart, &format!("oci://{}{namespace}", server.host()));
    chart
}

with_each_helm![
    a_pushed_chart_is_found_and_pulled_byte_for_byte,
    the_root_and_a_deep_namespace_are_repositories,
    a_push_is_seen_after_an_update,
    provenance_is_pulled_and_verified,
    a_dependency_comes_from_the_repository,
    build_metadata_is_found_and_pulled,
    pre_releases_are_found_when_asked_for,
    lax_versions_are_found,
    a_chart_is_shown_and_rendered,
    a_deprecated_chart_says_so,
    every_fixture_is_listed_and_comes_out_unchanged,
    what_is_no_repository_is_refused_in_plain_words,
    a_repository_without_charts_can_be_added,
    all_is_there_after_a_restart,
];

fn a_pushed_chart_is_found_and_pulled_byte_for_byte(helm: &Helm) {
    let server = Server::in_memory();
    let app = push(helm, &server, "/team", "app-1.2.3");
    helm.add("team", &url(&server, "/team"));
    assert_eq!(helm.search(&["team"]), ["team/app 1.2.3"]);
    assert_eq!(helm.search(&["team/app", "--version", "^1.0"]), ["team/app 1.2.3"]);
    for arguments in [&[] as &[&str], &["--version", "1.2.3"], &["--version", "~1.2"]] {
        let pulled = helm.pull("team/app", arguments);
        pulled.is(&app);
        assert_eq!(pulled.files(), ["app-1.2.3.tgz"]);
    }
    helm.pull("app", &["--repo", &url(&server, "/team")]).is(&app);
    helm.pull(&url(&server, "/team/charts/app-1.2.3.tgz"), &[]).is(&app);
    // A slash behind the namespace is what many people write.
    helm.add("again", &url(&server, "/team/"));
    helm.pull("again/app", &[]).is(&app);
    server.stop();
}

fn the_root_and_a_deep_namespace_are_repositories(helm: &Helm) {
    let server = Server::in_memory();
    let namespaces = [("root", ""), ("charts", "/charts"), ("deep", "/a/deep/name-space/with_many.parts/v1")];
    for (name, namespace) in namespaces {
        let app = push(helm, &server, namespace, "app-1.3.0");
        helm.add(name, &url(&server, namespace));
        assert_eq!(helm.search(&[&format!("{name}/")]), [format!("{name}/app 1.3.0")]);
        helm.pull(&format!("{name}/app"), &["--version", "^1"]).is(&app);
    }
    server.stop();
}

fn a_push_is_seen_after_an_update(helm: &Helm) {
    let server = Server::in_memory();
    let old = push(helm, &server, "/team", "app-1.2.3");
    helm.add("team", &url(&server, "/team"));
    let new = push(helm, &server, "/team", "app-1.3.0");
    push(helm, &server, "/team", "library");
    assert_eq!(helm.search(&["--versions"]), ["team/app 1.2.3"]);
    helm.update();
    assert_eq!(helm.search(&["--versions"]), ["team/app 1.3.0", "team/app 1.2.3", "team/common 0.4.0"]);
    helm.pull("team/app", &[]).is(&new);
    helm.pull("team/app", &["--version", "<1.3"]).is(&old);
    server.stop();
}

fn provenance_is_pulled_and_verified(helm: &Helm) {
    let server = Server::in_memory();
    let chart = pack("signed", &[]);
    let provenance = fs::read(root().join(PROVENANCE)).expect("read the provenance");
    // Helm takes the provenance along when it lies beside the package.
    fs::write(helm.client().home().join(PROVENANCE), &provenance).expect("write the provenance");
    helm.push(&chart, &format!("oci://{}/team", server.host()));
    push(helm, &server, "/team", "app-1.2.3");
    helm.add("team", &url(&server, "/team"));
    let keyring = root().join("keys/public.gpg");
    let keyring = keyring.to_str().expect("a readable path");
    for arguments in [&["--prov"] as &[&str], &["--verify", "--keyring", keyring]] {
        let pulled = helm.pull("team/signed", arguments);
        pulled.is(&chart);
        assert!(pulled.file(PROVENANCE) == provenance, "the provenance has other bytes");
    }
    let unsigned = helm.run(&["pull", "team/app", "--verify", "--keyring", keyring]).fails();
    assert!(unsigned.contains("404") || unsigned.contains("provenance"), "{unsigned}");
    server.stop();
}

fn a_dependency_comes_from_the_repository(helm: &Helm) {
    let server = Server::in_memory();
    let app = push(helm, &server, "/team", "app-1.2.3");
    push(helm, &server, "/team", "app-1.3.0");
    let parent = helm.client().home().join("parent");
    unfold("with-dependency", &[("oci://REGISTRY_HOST/team", &url(&server, "/team"))], &parent);
    let path = parent.to_str().expect("a readable path");
    helm.client().run(&["dependency", "update", path]).succeeds();
    let fetched = parent.join("charts").join(&app.file_name);
    assert!(fs::read(&fetched).expect("the dependency is fetched") == app.bytes, "it has other bytes");
    let lock = fs::read_to_string(parent.join("Chart.lock")).expect("a lock is written");
    assert!(lock.contains("version: 1.2.3"), "the range excludes 1.3.0:\n{lock}");

    fs::remove_dir_all(parent.join("charts")).expect("remove the dependency");
    helm.add("team", &url(&server, "/team"));
    helm.client().run(&["dependency", "build", path]).succeeds();
    assert!(fs::read(&fetched).expect("the locked dependency is fetched") == app.bytes);
    server.stop();
}

fn build_metadata_is_found_and_pulled(helm: &Helm) {
    let server = Server::in_memory();
    let chart = push(helm, &server, "/team", "build-metadata");
    helm.add("team", &url(&server, "/team"));
    assert_eq!(helm.search(&[]), ["team/metadata 1.2.3+build.7"]);
    for arguments in [&[] as &[&str], &["--version", "1.2.3+build.7"], &["--version", ">=1.0"]] {
        let pulled = helm.pull("team/metadata", arguments);
        pulled.is(&chart);
        assert_eq!(pulled.files(), ["metadata-1.2.3+build.7.tgz"]);
    }
    let shown = helm.run(&["show", "chart", "team/metadata"]).succeeds();
    assert!(shown.contains("version: 1.2.3+build.7"), "{shown}");
    server.stop();
}

fn pre_releases_are_found_when_asked_for(helm: &Helm) {
    let server = Server::in_memory();
    let candidate = push(helm, &server, "/team", "app-2.0.0-rc.1");
    let release = push(helm, &server, "/team", "app-1.3.0");
    helm.add("team", &url(&server, "/team"));
    assert_eq!(helm.search(&["--versions"]), ["team/app 1.3.0"]);
    assert_eq!(helm.search(&["--versions", "--devel"]), ["team/app 2.0.0-rc.1", "team/app 1.3.0"]);
    helm.pull("team/app", &[]).is(&release);
    helm.pull("team/app", &["--devel"]).is(&candidate);
    helm.pull("team/app", &["--version", "2.0.0-rc.1"]).is(&candidate);
    server.stop();
}

/// Ranges over OCI do not see them (`helm_versions`); an index shows them as they are.
fn lax_versions_are_found(helm: &Helm) {
    let server = Server::in_memory();
    let (prefixed, lax) =
        (push(helm, &server, "/team", "v-prefix"), push(helm, &server, "/team", "lax-version"));
    helm.add("team", &url(&server, "/team"));
    assert_eq!(helm.search(&[]), ["team/lax 1.2", "team/prefixed v1.2.3"]);
    helm.pull("team/lax", &["--version", ">=1.0"]).is(&lax);
    helm.pull("team/prefixed", &["--version", "v1.2.3"]).is(&prefixed);
    server.stop();
}

fn a_chart_is_shown_and_rendered(helm: &Helm) {
    let server = Server::in_memory();
    push(helm, &server, "/team", "app-1.2.3");
    helm.add("team", &url(&server, "/team"));
    let shown = |what| helm.run(&["show", what, "team/app", "--version", "1.2.3"]).succeeds();
    assert!(shown("values").contains("replicas: 1"));
    assert!(shown("chart").contains("version: 1.2.3"));
    assert!(shown("readme").contains("A small web application"));
    let rendered = helm.run(&["template", "demo", "team/app", "--set", "replicas=5"]).succeeds();
    assert!(rendered.contains("replicas: 5") && rendered.contains("name: demo-app"), "{rendered}");
    server.stop();
}

fn a_deprecated_chart_says_so(helm: &Helm) {
    let server = Server::in_memory();
    push(helm, &server, "/team", "deprecated");
    helm.add("team", &url(&server, "/team"));
    assert_eq!(helm.search(&[]), ["team/deprecated 0.9.0"]);
    let shown = helm.run(&["show", "chart", "team/deprecated"]).succeeds();
    assert!(shown.contains("deprecated: true"), "{shown}");
    let rendered = helm.run(&["template", "demo", "team/deprecated"]);
    let said = rendered.all();
    rendered.succeeds();
    assert!(said.to_lowercase().contains("this chart is deprecated"), "{said}");
    // And the index says it to clients that ask before they pull.
    let cache = helm.client().home().join(".cache/repository/team-index.yaml");
    let index = fs::read_to_string(cache).expect("Helm keeps the index");
    assert!(index.contains("\"deprecated\":true"), "{index}");
    server.stop();
}

fn every_fixture_is_listed_and_comes_out_unchanged(helm: &Helm) {
    let server = Server::in_memory();
    let folders = ["deprecated", "library", "bom", "unicode", "legacy-v1", "signed", "build-metadata"];
    let charts = folders.map(|folder| push(helm, &server, "/fixtures", folder));
    helm.add("fixtures", &url(&server, "/fixtures"));
    let mut expected: Vec<_> =
        charts.iter().map(|chart| format!("fixtures/{} {}", chart.name, chart.version)).collect();
    expected.sort();
    assert_eq!(helm.search(&["--versions"]), expected);
    for chart in &charts {
        helm.pull(&format!("fixtures/{}", chart.name), &[]).is(chart);
    }
    let unicode = helm.client().run(&["search", "repo", "fixtures/unicode", "-o", "json"]).succeeds();
    assert!(unicode.contains("مخطط") && unicode.contains("图表"), "{unicode}");
    server.stop();
}

fn what_is_no_repository_is_refused_in_plain_words(helm: &Helm) {
    // Who may push to a namespace gets an empty index of it: here nobody may any more.
    let storage = tempfile::tempdir().expect("a folder");
    let server = Server::over(storage.path());
    push(helm, &server, "/team", "app-1.2.3");
    server.stop();
    let storage = storage.path().to_str().expect("a readable path");
    let server = Server::start_with(&["--storage", storage], &[("CHARTHOUSE_AUTH_ANONYMOUS", "read")]);
    for (namespace, status) in [("/absent", "404"), ("", "404"), ("/team/app", "404"), ("/Team", "400")] {
        let said = helm.client().run(&["repo", "add", "wrong", &url(&server, namespace)]).fails();
        assert!(said.contains("not a valid chart repository") && said.contains(status), "{said}");
        assert!(!said.contains('<'), "Helm shows a page: {said}");
    }
    helm.add("team", &url(&server, "/team"));
    let said = helm.run(&["pull", "team/app", "--version", "9.9.9"]).fails();
    assert!(said.contains("9.9.9"), "{said}");
    let said = helm.run(&["pull", "team/absent"]).fails();
    assert!(said.contains("absent"), "{said}");
    let said = helm.run(&["pull", &url(&server, "/team/charts/app-9.9.9.tgz")]).fails();
    assert!(said.contains("404"), "{said}");
    server.stop();
}

fn a_repository_without_charts_can_be_added(helm: &Helm) {
    let server = Server::in_memory();
    // Released versions stay; this one is a candidate.
    push(helm, &server, "/team", "app-2.0.0-rc.1");
    let delete = http::Request::delete("/v2/team/app/manifests/2.0.0-rc.1");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let deleted = runtime.block_on(http::send(server.address(), &delete));
    assert_eq!(deleted.expect("a reply").status, 202);
    helm.add("team", &url(&server, "/team"));
    assert_eq!(helm.search(&[]), [] as [&str; 0]);
    server.stop();
}

fn all_is_there_after_a_restart(helm: &Helm) {
    let storage = tempfile::tempdir().expect("a folder for the store");
    let server = Server::over(storage.path());
    let app = push(helm, &server, "/team", "app-1.2.3");
    let candidate = push(helm, &server, "/team", "app-2.0.0-rc.1");
    server.interrupt();

    let server = Server::over(storage.path());
    helm.add("team", &url(&server, "/team"));
    assert_eq!(helm.search(&["--versions", "--devel"]), ["team/app 2.0.0-rc.1", "team/app 1.2.3"]);
    helm.pull("team/app", &[]).is(&app);
    helm.pull("team/app", &["--devel"]).is(&candidate);
    server.stop();
}
