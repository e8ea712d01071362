//! `list` and `search`, over charthouse's API or the catalog of any registry.

use super::{Any, Charthouse, with_each_registry};
use crate::support::app::{Kind, TestServer};
use crate::support::artifact::{image, index};
use crate::support::charts::pack;
use crate::support::distribution::Distribution;

with_each_registry![
    charts_are_listed_by_namespace_and_found_by_their_words,
    an_image_is_not_listed,
    the_versions_of_a_chart_are_listed_and_what_is_not_there_is_an_error,
];

fn charts_are_listed_by_namespace_and_found_by_their_words(registry: &Any) {
    let charthouse = Charthouse::new();
    let host = registry.host();
    for (folder, namespace) in [
        ("app-1.2.3", "team"),
        ("app-1.3.0", "team"),
        ("app-2.0.0-rc.1", "team"),
        ("unicode", "team"),
        ("deprecated", "team/old"),
        ("library", "other"),
    ] {
        charthouse.push(&pack(folder, &[]), &format!("oci://{host}/{namespace}"));
    }
    let repositories = |arguments: &[&str]| {
        let listed = charthouse.json(arguments);
        let listed = listed.as_array().unwrap().iter();
        listed
            .map(|one| {
                format!("{} {}", one["repository"].as_str().unwrap(), one["version"].as_str().unwrap())
            })
            .collect::<Vec<_>>()
    };
    let all = repositories(&["list", &format!("oci://{host}")]);
    assert_eq!(
        all,
        ["other/common 0.4.0", "team/app 1.3.0", "team/old/deprecated 0.9.0", "team/unicode 1.0.0"]
    );
    let team = repositories(&["list", &format!("oci://{host}/team")]);
    assert_eq!(team, ["team/app 1.3.0", "team/unicode 1.0.0"]);
    let found = repositories(&["search", &format!("oci://{host}/team"), "web", "application"]);
    assert_eq!(found, ["team/app 1.3.0"]);
    assert!(repositories(&["search", &format!("oci://{host}"), "no-such-word"]).is_empty());
    let table = charthouse.run(&["list", &format!("oci://{host}/team")]).succeeds();
    assert!(table.starts_with("REPOSITORY") && table.contains("team/app"), "{table}");
}

fn an_image_is_not_listed(registry: &Any) {
    let Some(_) = crate::support::tools::program(crate::support::tools::ORAS) else { return };
    let oras = crate::support::tools::Client::find(crate::support::tools::ORAS).unwrap();
    std::fs::write(oras.home().join("notes.txt"), "x").unwrap();
    oras.run(&["push", &format!("{}/team/notes:1.0.0", registry.host()), "notes.txt", "--plain-http"])
        .succeeds();
    let charthouse = Charthouse::new();
    charthouse.push(&pack("app-1.2.3", &[]), &format!("oci://{}/team", registry.host()));
    let listed = charthouse.json(&["list", &format!("oci://{}", registry.host())]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
}

fn the_versions_of_a_chart_are_listed_and_what_is_not_there_is_an_error(registry: &Any) {
    let charthouse = Charthouse::new();
    let host = registry.host();
    for folder in ["app-1.2.3", "app-2.0.0-rc.1", "app-1.3.0"] {
        charthouse.push(&pack(folder, &[]), &format!("oci://{host}/team"));
    }
    // A namespace that has the name of a chart.
    charthouse.push(&pack("library", &[]), &format!("oci://{host}/team/app"));
    let listed = charthouse.json(&["list", &format!("oci://{host}/team/app")]);
    let text = |one: &serde_json::Value| {
        format!("{} {}", one["repository"].as_str().unwrap(), one["version"].as_str().unwrap())
    };
    let listed: Vec<String> = listed.as_array().unwrap().iter().map(text).collect();
    assert_eq!(listed, ["team/app 2.0.0-rc.1", "team/app 1.3.0", "team/app 1.2.3", "team/app/common 0.4.0"]);
    for place in ["nowhere", "team/nothing", "team/app/common/deeper"] {
        let said = charthouse.run(&["list", &format!("oci://{host}/{place}")]).fails();
        assert!(said.contains("neither a namespace with charts nor a chart"), "{place}: {said}");
    }
}

#[test]
fn many_tags_are_read_page_by_page() {
    let Some(registry) = Distribution::start() else { return };
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    let Some(crane) = crate::support::tools::program(crate::support::tools::CRANE) else { return };
    let app = format!("{}/team/app:1.2.3", registry.host());
    for minor in 0..5 {
        let status = std::process::Command::new(&crane)
            .args(["tag", &app, &format!("7.{minor}.0"), "--insecure"])
            .status();
        assert!(status.unwrap().success());
    }
    let resolved = charthouse.json(&["resolve", &format!("{namespace}/app"), "--version", "^7"]);
    assert_eq!(resolved["version"], "7.4.0");
}

#[test]
fn charthouses_own_api_is_asked_where_it_is_there() {
    use crate::support::hostile_registry::{Hostile, Reply};
    let chart = |name: &str| {
        let newest = serde_json::json!({"version": "1.0.0", "metadata": {"description": "d"}});
        serde_json::json!({"repository": format!("team/{name}"), "namespace": "team", "name": name, "newest": newest})
    };
    let registry = Hostile::start(move |asked, _| {
        let reply = |body: serde_json::Value| Reply::ok("application/json", body.to_string());
        match asked.target.as_str() {
            "/-/api/v1/namespaces" => reply(serde_json::json!({"namespaces": ["team"]})),
            "/-/api/v1/charts?namespace=team" => reply(serde_json::json!({"charts": [chart("a")]}))
                .header("Link", "</-/api/v1/charts?namespace=team&n=1&last=team%2Fa>; rel=\"next\""),
            "/-/api/v1/charts?namespace=team&n=1&last=team%2Fa" => {
                reply(serde_json::json!({"charts": [chart("b")]}))
            }
            "/-/api/v1/search?q=two+words" => reply(serde_json::json!({"charts": [chart("c")]})),
            _ => Reply::new(404),
        }
    });
    let charthouse = Charthouse::new();
    let names = |arguments: &[&str]| {
        let listed = charthouse.json(arguments);
        listed
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let place = format!("oci://{}", registry.host());
    assert_eq!(names(&["list", &place]), ["a", "b"]);
    assert_eq!(names(&["list", &format!("{place}/team")]), ["a", "b"]);
    assert_eq!(names(&["search", &place, "two", "words"]), ["c"]);
    assert!(registry.lines().iter().all(|line| line.contains("/-/api/v1/")), "{:?}", registry.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_without_tags_are_listed() {
    let server = TestServer::start(Kind::Memory).await;
    let image = image("untagged");
    server.push_image("team/app", &image.manifest.digest, &image).await;
    let index = index(&[&image.manifest]);
    server.push_manifest("team/app", &index.digest, &index).await;
    let place = format!("oci://{}/team/app", server.addr);
    let listed = tokio::task::spawn_blocking(move || {
        let charthouse = Charthouse::new();
        let table = charthouse.run(&["list", "--untagged", &place]).succeeds();
        let missing = charthouse.run(&["list", "--untagged", &format!("{place}x")]).fails();
        (charthouse.json(&["list", "--untagged", &place]), table, missing)
    });
    let (listed, table, missing) = listed.await.unwrap();
    let of = |digest: &str| listed.as_array().unwrap().iter().find(|one| one["digest"] == digest).unwrap();
    assert_eq!(of(&image.manifest.digest)["listedBy"][0], *index.digest);
    assert!(table.starts_with("DIGEST") && table.contains(&index.digest), "{table}");
    assert!(missing.contains("no such repository"), "{missing}");
}
