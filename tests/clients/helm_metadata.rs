//! What Helm makes of a Chart.yaml when it pushes a package is what we make of it when we read that package.

use std::fs;
use std::path::Path;

use charthouse::chart::Metadata;
use charthouse::chart::archive::{Limits, Package, verify};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::helm::Helm;
use super::with_each_helm;
use crate::support::app::{Kind, TestServer};

with_each_helm![the_config_that_helm_writes_agrees_with_the_package];

/// What follows `name: app` and `version: 1.2.3`; of version 1 charts, requirements.yaml.
pub const CHARTS: [(&str, &str); 12] = [
    ("apiVersion: v2\nappVersion: 1.10\n", ""),
    (
        "apiVersion: v2\nappVersion: 1e3\ndescription: 0755\nhome: 0x1F\nicon: yes\nkubeVersion: \">= 1.2\"\n",
        "",
    ),
    ("apiVersion: v2\nappVersion: 1234567.5\ndescription: 1e-7\nhome: 123456789012\nicon: .5\n", ""),
    ("apiVersion: v2\nappVersion: 2001-01-01\ndescription: 1:30\nhome: 1_000\nicon: 08\n", ""),
    ("apiVersion: v2\ndescription: |\n  two\n  lines\u{a0}and \u{2014} a dash \u{1f600}\u{200b}\n", ""),
    ("apiVersion: v2\nkeywords: [1.50, no, ~, a]\nsources: [https://example.com]\ntags: 'a,b'\n", ""),
    ("apiVersion: v2\nannotations: {a: 1, b: yes, c: , d: \"x\\ny\"}\ndeprecated: yes\ntype: library\n", ""),
    (
        "apiVersion: v2\nmaintainers: [{name: A, email: 1, Url: https://a.example}]\nHome: https://example.com\n",
        "",
    ),
    ("apiVersion: v2\nx-anchors: &v 3.4\nappVersion: *v\ndescription: !!str 1.10\n", ""),
    (
        "apiVersion: v2\ndependencies: [{name: db, version: 1.20, repository: '', condition: db.on, tags: [1, a],\
         import-values: [data, {child: c, parent: p}], alias: d-b}]\n",
        "",
    ),
    ("apiVersion: v1\nengine: gotpl\n", "dependencies:\n- name: db\n  version: ^1\n  repository: ''\n"),
    ("description: of old\n", ""),
];

fn the_config_that_helm_writes_agrees_with_the_package(helm: &Helm) {
    let runtime = Runtime::new().expect("a runtime");
    let server = runtime.block_on(TestServer::start(Kind::Memory));
    let mut wrong = Vec::new();
    for (n, (chart_yaml, requirements)) in CHARTS.iter().enumerate() {
        let chart_yaml = format!("name: app\nversion: 1.2.3\n{chart_yaml}");
        let packed = pack(helm, n, &chart_yaml, requirements);
        let namespace = format!("{}/c{n}", server.addr);
        let file = packed.to_str().expect("a readable path");
        helm.run(&["push", file, &format!("oci://{namespace}")]).succeeds();
        let config = runtime.block_on(config(&server, &format!("c{n}/app")));

        let package = fs::read(&packed).expect("read the package");
        let package = Package::read(package.as_slice(), &Limits::default()).expect("a good package");
        let config = Metadata::read(&config).expect("a good config");
        wrong.extend(
            verify(&package.metadata, &config, Some("1.2.3"))
                .iter()
                .map(|found| format!("{chart_yaml}{found}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The package of such a chart. Not by `helm package`, which writes Chart.yaml anew.
pub fn pack(helm: &Helm, n: usize, chart_yaml: &str, requirements: &str) -> std::path::PathBuf {
    let path = helm.client().home().join(format!("{n}-app-1.2.3.tgz"));
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    let db = "name: db\nversion: 1.2.0\n";
    for (name, content) in [
        ("app/Chart.yaml", chart_yaml),
        ("app/requirements.yaml", requirements),
        ("app/charts/db/Chart.yaml", db),
    ] {
        if !content.is_empty() {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, Path::new(name), content.as_bytes()).expect("write to memory");
        }
    }
    let bytes = archive.into_inner().and_then(|gzip| gzip.finish()).expect("write to memory");
    fs::write(&path, bytes).expect("write the package");
    path
}

async fn config(server: &TestServer, repository: &str) -> Vec<u8> {
    let manifest: Value = server.get(format!("/v2/{repository}/manifests/1.2.3")).await.json();
    let digest = manifest["config"]["digest"].as_str().expect("the digest of a config");
    server.get(format!("/v2/{repository}/blobs/{digest}")).await.body
}
