//! Credentials in files and of helpers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use charthouse::client::{Credentials, Host, Stores};
use serde_json::{Value, json};

use super::ask;
use crate::client::Charthouse;
use crate::support::hostile_registry::{Hostile, Reply};

#[test]
fn credentials_are_found_as_in_oras() {
    let auth = [
        "YW5uOmFiYw==",
        "YW5uOmE6Yg==",
        "YW5uOg==",
        "OmFiYw==",
        "YW5u",
        "",
        "!",
        "YW5uOmFiYw",
        "YW5uOmFi\\nYw==",
        "YW5uOmFiYx==",
    ];
    let keys = [
        "r.example:5000",
        "https://r.example:5000",
        "http://r.example:5000/v1/",
        "https://r.example:5000/v2/x",
        "r.example",
        "https://index.docker.io/v1/",
        "other",
    ];
    let mut entries: Vec<String> = auth.iter().map(|auth| format!(r#"{{"auth":"{auth}"}}"#)).collect();
    entries.extend(
        [
            "{}",
            "null",
            "[]",
            "5",
            r#"{"auth":5}"#,
            r#"{"auth":null}"#,
            r#"{"username":"u","password":"p"}"#,
            r#"{"username":"u"}"#,
            r#"{"auth":"YW5uOmFiYw==","username":"u","password":"p"}"#,
            r#"{"identitytoken":"i"}"#,
            r#"{"registrytoken":"t"}"#,
            r#"{"auth":"YW5uOmFiYw==","identitytoken":"i"}"#,
            r#"{"auth":"YW5uOmFiYw==","registrytoken":"t","identitytoken":"i"}"#,
            r#"{"auth":"YW5uOmFiYw==","email":"e","unknown":{"x":[]}}"#,
            r#"{"identitytoken":""}"#,
        ]
        .map(str::to_owned),
    );
    let mut configs: Vec<String> = keys
        .iter()
        .flat_map(|key| entries.iter().map(move |entry| format!(r#"{{"auths":{{"{key}":{entry}}}}}"#)))
        .collect();
    let good = r#"{"auth":"YW5uOmFiYw=="}"#;
    configs.extend([
        String::new(),
        " \n".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        r#"{"auths":null}"#.to_owned(),
        r#"{"auths":[]}"#.to_owned(),
        r#"{"credHelpers":null,"credsStore":""}"#.to_owned(),
        format!(r#"{{"credHelpers":{{"other":"x"}},"auths":{{"r.example:5000":{good}}}}}"#),
        format!(r#"{{"auths":{{"https://r.example:5000":{{"auth":"dTpw"}},"r.example:5000":{good}}}}}"#),
        format!(r#"{{"auths":{{"r.example:5000":{good}}}}} trailing"#),
        format!(r#"{{"auths":{{"r.example:5000":{{"auth":"dTpw"}},"r.example:5000":{good}}}}}"#),
    ]);
    let hosts = ["r.example:5000", "r.example", "registry-1.docker.io"];
    let questions: Vec<Value> = configs
        .iter()
        .flat_map(|config| {
            hosts.iter().map(move |host| json!({"kind": "credentials", "config": config, "host": host}))
        })
        .collect();
    let Some(answers) = ask(&questions) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stores = Stores { helm: folder.path().join("config.json"), docker: None };
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        fs::write(&stores.helm, question["config"].as_str().unwrap()).expect("a file");
        let lookup = stores.find(&Host::parse(question["host"].as_str().unwrap()).expect("a host"));
        let ours = match (&lookup.credentials, lookup.warnings.is_empty()) {
            (None, false) => "an error".to_owned(),
            (None, true) => told(None, None, None),
            (Some(found), _) => {
                let pair = found.password.as_ref().map(|one| (one.username.as_str(), one.password.as_str()));
                told(pair, found.refresh.as_deref(), found.bearer.as_deref())
            }
        };
        let part = |name: &str| answer[name].as_str().filter(|text| !text.is_empty());
        let go = match answer["error"].is_null() {
            true => told(part("username").zip(part("password")), part("refresh"), part("bearer")),
            false => "an error".to_owned(),
        };
        if ours != go {
            differences.push(format!("{question}: ours {ours}, Go {go}"));
        }
    }
    assert!(questions.len() > 500 && differences.is_empty(), "{}", differences.join("\n"));
}

/// What a helper answers, as a script of the shell.
const HELPERS: [&str; 20] = [
    r#"echo '{"ServerURL":"x","Username":"ann","Secret":"abc"}'"#,
    r#"cat >/dev/null; echo '{"Username":"ann","Secret":"a:b"}'"#,
    r#"echo '{"username":"ann","secret":"abc"}'"#,
    r#"echo noise >&2; echo '{"Username":"ann","Secret":"abc"}'"#,
    r#"echo '{"Username":"ann","Secret":"abc","Other":[1]}'; exit 0"#,
    r#"printf '{"Username":"ann","Secret":"abc"}'"#,
    r#"echo '{"Username":"ann","Secret":"abc"}'; exit 1"#,
    "echo credentials not found in native keychain; exit 1",
    "printf 'credentials not found in native keychain'; exit 1",
    "echo credentials not found in native keychain >&2; exit 1",
    "echo the keychain is locked; exit 1",
    "exit 1",
    "exit 0",
    "echo '{}'",
    "echo '[]'",
    "echo 'not JSON'",
    r#"echo '{"Username":"","Secret":""}'"#,
    r#"echo '{"Username":5,"Secret":"abc"}'"#,
    r#"echo '{"Username":"ann"'"#,
    "kill -9 $$",
];

#[test]
fn helpers_are_understood_as_in_oras() {
    let config = r#"{"credsStore":"oracle"}"#;
    let questions: Vec<Value> = HELPERS
        .iter()
        .map(|helper| json!({"kind": "credentials", "config": config, "host": "r.example", "helper": helper}))
        .collect();
    let Some(answers) = ask(&questions) else { return };
    let registry = Hostile::start(|asked, _| match asked.header("authorization") {
        Some(_) => Reply::ok("application/json", r#"{"tags":[]}"#),
        None => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
    });
    let mut differences = Vec::new();
    for (script, answer) in HELPERS.iter().zip(&answers) {
        let charthouse = Charthouse::new();
        fs::create_dir(charthouse.path(".docker")).expect("a folder");
        fs::write(charthouse.path(".docker/config.json"), config).expect("a file");
        let program = charthouse.path("docker-credential-oracle");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it may be run");
        let before = registry.asked().len();
        let reference = format!("oci://{}/team/app", registry.host());
        let mut command = charthouse.command(&["resolve", &reference, "--plain-http"]);
        let path = format!("{}:{}", charthouse.home().display(), std::env::var("PATH").unwrap_or_default());
        let output = command.env("PATH", path).output().expect("it runs");
        let sent = registry
            .asked()
            .split_off(before)
            .iter()
            .find_map(|one| one.header("authorization").map(str::to_owned));
        let warned =
            String::from_utf8_lossy(&output.stderr).contains("warning: docker-credential-oracle get");
        let ours = if warned { "an error".to_owned() } else { sent.unwrap_or_else(|| "nothing".to_owned()) };
        let text = |name: &str| answer[name].as_str().unwrap_or_default();
        let go = match (answer["error"].is_null(), text("username")) {
            (false, _) => "an error".to_owned(),
            (true, "") => "nothing".to_owned(),
            (true, username) => {
                let credentials = Credentials::of_password(username.to_owned(), text("password").to_owned());
                credentials.basic().expect("a header").to_str().expect("text").to_owned()
            }
        };
        if ours != go {
            differences.push(format!("{script}: ours {ours}, Go {go} {}", answer["error"]));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn told(password: Option<(&str, &str)>, refresh: Option<&str>, bearer: Option<&str>) -> String {
    format!("{password:?} {refresh:?} {bearer:?}")
}
