//! `resolve` of the JSON API against the real Helms, in each of Helm's two ways.

use std::fs;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::runtime::Runtime;

use super::helm::Helm;
use super::with_each_helm;
use crate::support::app::{Kind, TestServer, lenient};
use crate::support::charts::pack_sources;
use crate::support::http::Request;

/// Versions that differ in build metadata only, in a leading `v` and in numbers that are left out.
const VERSIONS: [&str; 9] =
    ["1.0.0", "1.1.0", "1.1.0+build.5", "1.1.0+a", "1.2.0-rc.1", "v1.3.0", "1.4", "2.0.0", "2.0.0+b"];

const CONSTRAINTS: [&str; 20] = [
    "^1",
    "1",
    "1.1",
    "1.x",
    "v1.0.0",
    "1.0.0",
    "v1.3.0",
    "1.3.0",
    "1.4",
    "1.4.0",
    "1.1.0",
    "1.1.0+a",
    "1.1.0+build.5",
    ">=1.1.0 <2",
    ">=1.2.0-0 <1.3",
    "2",
    ">1.1.0",
    "*",
    "~1.0 || ^9",
    "9",
];

with_each_helm![resolve_answers_as_helm_chooses];

fn resolve_answers_as_helm_chooses(helm: &Helm) {
    let runtime = Runtime::new().expect("a runtime");
    let server = runtime.block_on(TestServer::start_with(Kind::Memory, lenient()));
    let host = server.addr.to_string();
    for version in VERSIONS {
        let chart_yaml = format!("apiVersion: v2\nname: app\nversion: {version:?}\n");
        helm.push(
            &pack_sources([("Chart.yaml".to_owned(), chart_yaml.into_bytes())]),
            &format!("oci://{host}/team"),
        );
    }
    helm.client().run(&["repo", "add", "team", &format!("http://{host}/team")]).succeeds();
    let resolved = |constraint: &str, like: &str| {
        let version = utf8_percent_encode(constraint, NON_ALPHANUMERIC);
        let target = format!("/-/api/v1/charts/team/app/-/resolve?version={version}&like={like}");
        let answer = runtime.block_on(server.send(Request::get(target)));
        assert!(matches!(answer.status, 200 | 404), "{constraint}: {}", answer.text());
        let version = answer.json()["version"].clone();
        version.as_str().map(str::to_owned)
    };
    let mut wrong = Vec::new();
    for constraint in CONSTRAINTS {
        let over_oci = chosen(helm, &[&format!("oci://{host}/team/app"), "--plain-http"], constraint);
        let in_repository = chosen(helm, &["team/app"], constraint);
        for (like, helms) in [("oci", over_oci), ("repository", in_repository)] {
            let ours = resolved(constraint, like);
            if ours != helms {
                wrong.push(format!("{constraint} like {like}: Helm takes {helms:?}, we {ours:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The version that Helm takes for a constraint, by the name of the file that it saves; nothing when it finds none.
fn chosen(helm: &Helm, chart: &[&str], constraint: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder for the pull");
    let into = folder.path().to_str().expect("a readable path");
    let pull = [&["pull"], chart, &["--version", constraint, "--destination", into]].concat();
    if !helm.client().run(&pull).succeeded() {
        return None;
    }
    let mut files = fs::read_dir(folder.path()).expect("what was pulled");
    let file = files.next().expect("a file").expect("a file").file_name().into_string().expect("a name");
    let version = file.strip_prefix("app-").and_then(|rest| rest.strip_suffix(".tgz"));
    Some(version.unwrap_or_else(|| panic!("no package of app: {file}")).to_owned())
}
