//! Holds our reading of version constraints against Helm's: each constraint of one table is put to real Helm, which
//! chooses among the versions of an index.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use charthouse::chart::{Constraint, lax, precedence};
use semver::Version;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::helm::Helm;
use crate::support::app::{Kind, TestServer};

const CASES: &str = "src/chart/constraint/cases.txt";

#[test]
fn helm_4_and_we_choose_the_same_versions() {
    if let Some(helm) = Helm::find(4) {
        compare(&helm);
    }
}

#[test]
fn helm_3_and_we_choose_the_same_versions() {
    if let Some(helm) = Helm::find(3) {
        compare(&helm);
    }
}

fn compare(helm: &Helm) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(CASES);
    let text = fs::read_to_string(&path).expect("read the cases");
    let listed = lines(&text).find_map(|(what, versions)| (what == "versions").then_some(versions));
    let versions: Vec<&str> = listed.expect("the versions of the chart").split(' ').collect();
    let update = env::var_os("UPDATE_CASES").is_some();
    let runtime = Runtime::new().expect("a runtime");
    let _server = runtime.block_on(serve(helm, &versions));

    let mut answered = String::new();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let Some((constraint, expected)) = lines(line).next().filter(|(what, _)| *what != "versions") else {
            answered.push_str(&format!("{line}\n"));
            continue;
        };
        let constraint = constraint.trim_matches('`');
        let found = search(helm, constraint);
        wrong.extend(disagreement(constraint, &found, &versions));
        let found = match &found {
            Some(found) => {
                let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
                versions
                    .iter()
                    .copied()
                    .filter(|version| found.contains(version))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            None => "refused".to_owned(),
        };
        if found != expected && !update {
            wrong.push(format!("{constraint:?}: Helm allows {found:?}, the table has {expected:?}"));
        }
        answered.push_str(&format!("`{constraint}`\t{found}\n"));
    }
    if update {
        fs::write(path, answered).expect("write the cases");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The lines that are no comment: a constraint or the word `versions`, and what stands behind it.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

/// A server with these versions of one chart, known to Helm as the repository `test`.
async fn serve(helm: &Helm, versions: &[&str]) -> TestServer {
    let server = TestServer::start(Kind::Memory).await;
    for version in versions {
        server.push_version("team/app", version).await;
    }
    let url = format!("http://{}/team", server.addr);
    helm.client().run(&["repo", "add", "test", &url]).succeeds();
    server
}

/// The versions that Helm lists for a constraint, the highest first; nothing when it refuses it.
fn search(helm: &Helm, constraint: &str) -> Option<Vec<String>> {
    let version = format!("--version={constraint}");
    let ran = helm.client().run(&["search", "repo", "test/app", "--versions", &version, "--output", "json"]);
    let said = ran.all();
    if said.contains("improper constraint") || said.contains("constraint parser error") {
        ran.fails();
        return None;
    }
    let found: Value = serde_json::from_str(&ran.succeeds()).expect("a list in JSON");
    let found = found.as_array().expect("a list in JSON").iter();
    Some(found.map(|chart| chart["version"].as_str().expect("a version").to_owned()).collect())
}

/// Where we do not choose what Helm does.
fn disagreement(constraint: &str, helm: &Option<Vec<String>>, versions: &[&str]) -> Option<String> {
    let read = |version: &str| lax(version).expect("Helm reads it, too");
    let (helm, ours) = match (helm, Constraint::parse(constraint)) {
        (Some(helm), Ok(ours)) => (helm, ours),
        (None, Err(_)) => return None,
        (helm, ours) => return Some(format!("{constraint:?}: Helm says {helm:?}, we say {ours:?}")),
    };
    let highest = ours.highest(versions.iter().map(|version| read(version)), |version: &Version| version);
    let same_highest = match (&highest, helm.first()) {
        (Some(ours), Some(helms)) => precedence(ours, &read(helms)).is_eq(),
        (ours, helms) => ours.is_none() && helms.is_none(),
    };
    let allowed: BTreeSet<&str> =
        versions.iter().copied().filter(|version| ours.allows(&read(version))).collect();
    let helm: BTreeSet<&str> = helm.iter().map(String::as_str).collect();
    (allowed != helm || !same_highest).then(|| {
        format!("{constraint:?}: Helm chooses {helm:?}, we {allowed:?}, with {highest:?} as the highest")
    })
}
