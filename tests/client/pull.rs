//! `pull`: every way to say which version, to a file or a folder, and going on where it stopped.

use std::fs;

use super::{Any, Charthouse, with_each_registry};
use crate::clients::helm::Helm;
use crate::clients::with_each_helm;
use crate::support::charts::pack;
use crate::support::server::Server;

with_each_registry![a_chart_is_pulled_in_every_way, a_chart_is_unpacked, what_is_not_there_is_named,];
with_each_helm![what_helm_pushed_is_pulled];

fn a_chart_is_pulled_in_every_way(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    let (old, new, next) = (pack("app-1.2.3", &[]), pack("app-1.3.0", &[]), pack("app-2.0.0-rc.1", &[]));
    let build = pack("build-metadata", &[]);
    let digest = charthouse.push(&old, &namespace);
    for chart in [&new, &next, &build] {
        charthouse.push(chart, &namespace);
    }
    let app = format!("{namespace}/app");
    let by_digest = format!("app@{}.tgz", digest.replace(':', "-"));
    let exact = format!("{app}:1.2.3");
    let pinned = format!("{app}@{digest}");
    let both = format!("{app}:1.2.3@{digest}");
    let metadata = format!("{namespace}/{}", build.name);
    let tagged = format!("{metadata}:{}", build.version);
    let cases: [(&[&str], &str, &[u8]); 12] = [
        (&[&app], "app-1.3.0.tgz", &new.bytes),
        (&[&app, "--version", "^1.2"], "app-1.3.0.tgz", &new.bytes),
        (&[&app, "--version", "1.2.x || >9"], "app-1.2.3.tgz", &old.bytes),
        (&[&app, "--version", "1.2.3"], "app-1.2.3.tgz", &old.bytes),
        (&[&app, "--devel"], "app-2.0.0-rc.1.tgz", &next.bytes),
        (&[&app, "--version", ">=2.0.0-0"], "app-2.0.0-rc.1.tgz", &next.bytes),
        (&[&exact], "app-1.2.3.tgz", &old.bytes),
        (&[&pinned], &by_digest, &old.bytes),
        (&[&both], "app-1.2.3.tgz", &old.bytes),
        (&[&metadata], &build.file_name, &build.bytes),
        (&[&metadata, "--version", &build.version], &build.file_name, &build.bytes),
        (&[&tagged], &build.file_name, &build.bytes),
    ];
    for (at, (arguments, name, bytes)) in cases.into_iter().enumerate() {
        let folder = format!("out-{at}");
        fs::create_dir(charthouse.path(&folder)).unwrap();
        charthouse.run(&[&["pull", "-d", &folder], arguments].concat()).succeeds();
        assert_eq!(charthouse.files(&folder), [name], "{arguments:?}");
        assert!(fs::read(charthouse.path(&folder).join(name)).unwrap() == bytes, "{arguments:?}");
    }
}

fn a_chart_is_unpacked(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    let chart = pack("app-1.2.3", &[]);
    charthouse.push(&chart, &namespace);
    let pull = ["pull", &format!("{namespace}/app"), "--untar", "--untardir", "charts", "-d", "out"];
    let pulled = charthouse.json(&pull);
    assert!(pulled[0]["path"].as_str().unwrap().ends_with("out/charts/app"), "{pulled}");
    assert!(
        fs::read_to_string(charthouse.path("out/charts/app/Chart.yaml")).unwrap().contains("version: 1.2.3")
    );
    assert_eq!(charthouse.files("out"), ["charts"], "no package and no scratch folder stays");
    let said = charthouse.run(&pull).fails();
    assert!(said.contains("exists already"), "{said}");
}

fn what_is_not_there_is_named(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    let digest = charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    charthouse.push(&pack("app-1.3.0", &[]), &namespace);
    let zeros = "0".repeat(64);
    for (reference, version, expected) in [
        ("app".to_owned(), "9.9.9", "404 Not Found"),
        ("app".to_owned(), ">=9", "no version that satisfies `>=9`; the newest of 2 is 1.3.0"),
        ("nothing".to_owned(), "1.2.3", "404 Not Found"),
        ("nothing".to_owned(), "*", "is not there"),
        (format!("app@sha256:{zeros}"), "", "404 Not Found"),
        (format!("app:1.3.0@{digest}"), "", "leave one of the two out"),
    ] {
        let reference = format!("{namespace}/{reference}");
        let mut arguments = vec!["pull", &reference];
        if !version.is_empty() {
            arguments.extend(["--version", version]);
        }
        let said = charthouse.run(&arguments).fails();
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    assert!(!charthouse.files(".").iter().any(|name| name.ends_with(".part")));
}

fn what_helm_pushed_is_pulled(helm: &Helm) {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", server.host());
    for folder in ["app-1.2.3", "unicode", "legacy-v1", "build-metadata"] {
        let chart = pack(folder, &[]);
        helm.push(&chart, &namespace);
        charthouse.run(&["pull", &format!("{namespace}/{}", chart.name)]).succeeds();
        assert!(fs::read(charthouse.path(&chart.file_name)).unwrap() == chart.bytes, "{folder}");
    }
    server.stop();
}

#[test]
fn a_registry_that_speaks_plain_http_is_recognised() {
    let server = Server::in_memory();
    let said = Charthouse::new().bare(&["pull", &format!("oci://{}/team/app", server.host())]).fails();
    assert!(said.contains("--plain-http"), "{said}");
    server.stop();
}
