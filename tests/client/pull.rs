//! `pull`: every way to say which version, to a file or a folder, and going on where it stopped.

use std::fs;
use std::process::Stdio;

use super::{Any, Charthouse, with_each_registry};
use crate::clients::helm::Helm;
use crate::clients::with_each_helm;
use crate::support::artifact::noise;
use crate::support::charts::{pack, pack_sources};
use crate::support::server::Server;
use crate::support::tools::{Client, ORAS};

with_each_registry![
    a_chart_is_pulled_in_every_way,
    a_chart_is_unpacked,
    what_is_not_there_is_named,
    the_other_spelling_of_a_version_is_named,
    the_newest_chart_is_chosen_where_other_tags_are_newer,
    a_version_is_found_under_a_tag_with_another_v,
];
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

#[test]
fn twelve_pulls_into_one_folder_all_succeed() {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", server.host());
    let chart = pack_sources([
        ("Chart.yaml".to_owned(), b"apiVersion: v2\nname: big\nversion: 1.0.0\n".to_vec()),
        ("noise.bin".to_owned(), noise("big", 4_000_000).to_vec()),
    ]);
    charthouse.push(&chart, &namespace);
    fs::create_dir(charthouse.path("out")).unwrap();
    let reference = format!("{namespace}/big");
    let arguments = ["pull", &reference, "-d", "out", "--plain-http"];
    let start =
        |_| charthouse.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let running: Vec<_> = (0..12).map(start).collect();
    for pull in running {
        let output = pull.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(fs::read(charthouse.path("out").join(&chart.file_name)).unwrap() == chart.bytes);
    assert_eq!(charthouse.files("out"), [chart.file_name], "no draft is left");
    server.stop();
}

fn the_other_spelling_of_a_version_is_named(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    let reference = format!("{namespace}/app");
    for arguments in [&["pull"][..], &["show", "chart"], &["resolve"]] {
        for version in ["v1.2.3", "v9.9.9"] {
            let said = charthouse.run(&[arguments, &[&reference, "--version", version]].concat()).fails();
            let hint = said.contains("has no version v1.2.3; it has 1.2.3, without the leading v");
            assert_eq!(hint, version == "v1.2.3", "{arguments:?}: {said}");
        }
    }
    // An empty version, as scripts pass it, is none.
    charthouse.run(&["pull", &reference, "--version", ""]).succeeds();
    charthouse.run(&["pull", &reference.replace("oci:", "OCI:"), "--version", " "]).succeeds();
}

fn the_newest_chart_is_chosen_where_other_tags_are_newer(registry: &Any) {
    let Some(oras) = Client::find(ORAS) else { return };
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    charthouse.push(&pack("app-1.3.0", &[]), &namespace);
    fs::write(oras.home().join("notes.txt"), "x").unwrap();
    for tag in ["1.9.0", "1.10.0", "2.0.0-rc.1", "latest"] {
        let target = format!("{}/team/app:{tag}", registry.host());
        oras.run(&["push", &target, "notes.txt", "--plain-http"]).succeeds();
    }
    let reference = format!("{namespace}/app");
    assert_eq!(charthouse.json(&["resolve", &reference])["version"], "1.3.0");
    assert_eq!(charthouse.json(&["resolve", &reference, "--devel"])["version"], "1.3.0");
    assert_eq!(charthouse.json(&["resolve", &reference, "--version", "<1.3"])["version"], "1.2.3");
    let pulled = charthouse.run(&["pull", &reference]);
    assert!(
        pulled.all().contains("warning: ") && pulled.all().contains("1.10.0 and 1.9.0 are passed over"),
        "{pulled}"
    );
    pulled.succeeds();
    assert!(charthouse.path("app-1.3.0.tgz").exists());
    assert!(charthouse.run(&["show", "chart", &reference]).succeeds().contains("version: 1.3.0"));
    charthouse.run(&["copy", &reference, &format!("oci://{}/copies", registry.host())]).succeeds();
    charthouse.run(&["pull", &format!("oci://{}/copies/app:1.3.0", registry.host())]).succeeds();
    let said = charthouse.run(&["pull", &reference, "--version", ">=1.9"]).fails();
    assert!(said.contains("no version that satisfies `>=1.9`") && said.contains("not a chart"), "{said}");
    let listed = charthouse.json(&["list", &format!("oci://{}/team", registry.host())]);
    assert_eq!(
        (listed[0]["name"].as_str(), listed[0]["version"].as_str()),
        (Some("app"), Some("1.3.0")),
        "{listed}"
    );
    let found = charthouse.json(&["search", &format!("oci://{}/team", registry.host()), "web"]);
    assert_eq!(found[0]["version"], "1.3.0", "{found}");
}

/// As mirrors have it: chart `v1.2.3` under tag `1.2.3`.
fn a_version_is_found_under_a_tag_with_another_v(registry: &Any) {
    let Some(oras) = Client::find(ORAS) else { return };
    let charthouse = Charthouse::new();
    let (prefixed, plain) = (pack("v-prefix", &[]), pack("app-1.2.3", &[]));
    for (chart, other) in [(&prefixed, "1.2.3"), (&plain, "v1.2.3")] {
        charthouse.push(chart, &format!("oci://{}/team", registry.host()));
        let at = |namespace: &str, tag: &str| format!("{}/{namespace}/{}:{tag}", registry.host(), chart.name);
        let copy =
            ["cp", "--from-plain-http", "--to-plain-http", &at("team", &chart.version), &at("mirror", other)];
        oras.run(&copy).succeeds();
        let mirror = format!("oci://{}/mirror/{}", registry.host(), chart.name);
        let wanted = ["--version", &chart.version];
        let folder = format!("out-{other}");
        fs::create_dir(charthouse.path(&folder)).unwrap();
        charthouse.run(&[&["pull", &mirror, "-d", &folder][..], &wanted].concat()).succeeds();
        let [file] = &charthouse.files(&folder)[..] else { panic!("one file") };
        assert!(fs::read(charthouse.path(&folder).join(file)).unwrap() == chart.bytes);
        let shown = charthouse.run(&[&["show", "chart", &mirror][..], &wanted].concat()).succeeds();
        assert!(shown.contains(&chart.version), "{shown}");
        // What neither spelling has is still missing, and a tag in the reference is the tag.
        charthouse.run(&["pull", &mirror, "--version", "9.9.9"]).fails();
        let said = charthouse.run(&["pull", &format!("{mirror}:{}", chart.version)]).fails();
        assert!(said.contains(other), "{said}");
    }
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
