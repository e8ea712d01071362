//! `login`, `logout`, and credentials wherever Helm and Docker keep them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::Charthouse;
use crate::clients::helm::Helm;
use crate::clients::with_each_helm;
use crate::support::charts::pack;
use crate::support::distribution::{Distribution, PASSWORD, USER};
use crate::support::hostile_registry::{Hostile, Reply};
use crate::support::server::Server;

const AUTH: &str = "YW5uOmFiYw==";
const HELM_FILE: &str = ".config/registry/config.json";

with_each_helm![helm_uses_what_login_stored];

fn login(charthouse: &Charthouse, host: &str, password: &str) -> (bool, String) {
    let mut command =
        charthouse.command(&["login", host, "--username", USER, "--password-stdin", "--plain-http"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!said.contains(password), "{said}");
    (output.status.success(), said)
}

#[test]
fn login_checks_stores_and_logout_forgets() {
    let Some(registry) = Distribution::start_with_password() else { return };
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    let chart = pack("app-1.2.3", &[]);
    chart.write(charthouse.home());
    let push = ["push", &chart.file_name, &namespace];
    let said = charthouse.run(&push).fails();
    assert!(said.contains("401") && said.contains("charthouse login"), "{said}");

    let (good, said) = login(&charthouse, registry.host(), "wrong-word");
    assert!(!good && said.contains("401"), "{said}");
    assert!(!charthouse.path(HELM_FILE).exists(), "credentials that are wrong are not stored");

    let (good, said) = login(&charthouse, registry.host(), PASSWORD);
    assert!(good && said == format!("Logged in to {} as {USER}\n", registry.host()), "{said}");
    let mode = fs::metadata(charthouse.path(HELM_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let stored: Value = serde_json::from_slice(&fs::read(charthouse.path(HELM_FILE)).unwrap()).unwrap();
    assert_eq!(stored, json!({"auths": {registry.host(): {"auth": AUTH}}}));

    charthouse.run(&push).succeeds();
    charthouse.run(&["pull", &format!("{namespace}/app")]).succeeds();
    assert_eq!(
        charthouse.bare(&["logout", registry.host()]).succeeds(),
        format!("Removed the credentials for {}\n", registry.host())
    );
    charthouse.run(&push).fails();
}

#[test]
fn credentials_may_be_given_each_time() {
    let Some(registry) = Distribution::start_with_password() else { return };
    let charthouse = Charthouse::new();
    let chart = pack("app-1.2.3", &[]);
    chart.write(charthouse.home());
    let namespace = format!("oci://{}/team", registry.host());
    charthouse
        .run(&["push", &chart.file_name, &namespace, "--username", USER, "--password", PASSWORD])
        .succeeds();
    let wrong = charthouse.run(&[
        "push",
        &chart.file_name,
        &namespace,
        "--username",
        USER,
        "--password",
        "wrong-word",
    ]);
    let said = wrong.fails();
    assert!(!said.contains("wrong-word"), "{said}");
}

/// A registry that says who came, and lets in whoever has [`AUTH`].
fn door() -> Hostile {
    Hostile::start(|asked, _| match asked.header("authorization") {
        Some(given) if given == format!("Basic {AUTH}") => Reply::ok("application/json", r#"{"tags":[]}"#),
        _ => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
    })
}

/// Whether `charthouse` gets in with what it finds.
fn gets_in(charthouse: &Charthouse, registry: &Hostile, variables: &[(&str, &str)]) -> bool {
    let reference = format!("oci://{}/team/app", registry.host());
    let mut command = charthouse.command(&["resolve", &reference, "--plain-http"]);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    !String::from_utf8_lossy(&output.stderr).contains("401")
}

#[test]
fn credentials_are_found_in_every_file_that_helm_and_docker_use() {
    let registry = door();
    let content = json!({"auths": {registry.host(): {"auth": AUTH}}}).to_string();
    let cases: [(&str, &[(&str, &str)]); 6] = [
        (".config/registry/config.json", &[]),
        ("own.json", &[("HELM_REGISTRY_CONFIG", "own.json")]),
        (".docker/config.json", &[]),
        ("docker/config.json", &[("DOCKER_CONFIG", "docker")]),
        ("xdg/helm/registry/config.json", &[("HELM_CONFIG_HOME", ""), ("XDG_CONFIG_HOME", "xdg")]),
        (".config/helm/registry/config.json", &[("HELM_CONFIG_HOME", "")]),
    ];
    for (file, variables) in cases {
        let charthouse = Charthouse::new();
        assert!(!gets_in(&charthouse, &registry, variables), "{file}");
        fs::create_dir_all(charthouse.path(file).parent().unwrap()).unwrap();
        fs::write(charthouse.path(file), &content).unwrap();
        assert!(gets_in(&charthouse, &registry, variables), "{file}");
    }
}

#[test]
fn a_credential_helper_is_asked() {
    let registry = door();
    let charthouse = Charthouse::new();
    let helper = charthouse.path("docker-credential-test");
    let script =
        "#!/bin/sh\nread host\necho \"$1 $host\" >>calls\necho '{\"Username\":\"ann\",\"Secret\":\"abc\"}'\n";
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(charthouse.path(".docker")).unwrap();
    fs::write(charthouse.path(".docker/config.json"), r#"{"credsStore":"test"}"#).unwrap();
    let path = format!("{}:/usr/bin:/bin", charthouse.home().display());
    assert!(gets_in(&charthouse, &registry, &[("PATH", &path)]));
    assert_eq!(fs::read_to_string(charthouse.path("calls")).unwrap(), format!("get {}\n", registry.host()));
}

/// A helper `docker-credential-test` in the home, and the PATH in which it is found.
fn helper(charthouse: &Charthouse, script: &str) -> String {
    let helper = charthouse.path("docker-credential-test");
    fs::write(&helper, format!("#!/bin/sh\necho called >>calls\n{script}\n")).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", charthouse.home().display())
}

/// Stores that cannot answer: Docker's config.json, and the script of the helper that it names.
const BROKEN: [(&str, &str, &str); 6] = [
    (r#"{"credsStore":"desktop"}"#, "", "docker-credential-desktop get failed: there is no such program"),
    (r#"{"credsStore":"test"}"#, "echo the keychain is locked; exit 1", "the keychain is locked"),
    (r#"{"credsStore":"test"}"#, "echo not JSON", "answered something that is no JSON"),
    (r#"{"credsStore":"test"}"#, "kill -9 $$", "docker-credential-test get failed: signal"),
    (r#"{"auths":{"#, "", "is not a JSON object"),
    (r#"{"auths":"x"}"#, "", "`auths` is not an object"),
];

#[test]
fn a_broken_store_does_not_matter_to_a_public_registry() {
    for (config, script, _) in BROKEN {
        let registry = Hostile::start(|_, _| Reply::ok("application/json", r#"{"tags":[]}"#));
        let charthouse = Charthouse::new();
        fs::create_dir(charthouse.path(".docker")).unwrap();
        fs::write(charthouse.path(".docker/config.json"), config).unwrap();
        let path = helper(&charthouse, script);
        let reference = format!("oci://{}/team/app", registry.host());
        let output =
            charthouse.command(&["resolve", &reference, "--plain-http"]).env("PATH", path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("no version") && !said.contains("warning"), "{config}: {said}");
        assert!(!charthouse.path("calls").exists(), "{config}: nobody asked for credentials");
    }
}

#[test]
fn a_broken_store_is_a_warning_where_credentials_are_asked_for() {
    for (config, script, expected) in BROKEN {
        // It gives a token to anybody.
        let registry = Hostile::start(|asked, address| match asked.header("authorization") {
            _ if asked.target.starts_with("/token") => Reply::ok("application/json", r#"{"token":"good"}"#),
            Some("Bearer good") => Reply::ok("application/json", r#"{"tags":[]}"#),
            _ => {
                Reply::new(401).header("WWW-Authenticate", format!("Bearer realm=\"http://{address}/token\""))
            }
        });
        let charthouse = Charthouse::new();
        fs::create_dir(charthouse.path(".docker")).unwrap();
        fs::write(charthouse.path(".docker/config.json"), config).unwrap();
        let path = helper(&charthouse, script);
        let reference = format!("oci://{}/team/app", registry.host());
        let output =
            charthouse.command(&["resolve", &reference, "--plain-http"]).env("PATH", path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("warning: ") && said.contains(expected), "{config}: {said}");
        assert!(said.contains("no version"), "{config}: the anonymous token is good: {said}");
    }
}

#[test]
fn a_helper_that_knows_nothing_is_no_warning() {
    let registry = door();
    let charthouse = Charthouse::new();
    fs::create_dir(charthouse.path(".docker")).unwrap();
    let auths = json!({registry.host(): {"auth": AUTH}});
    let config = json!({"credsStore": "test", "auths": auths}).to_string();
    fs::write(charthouse.path(".docker/config.json"), config).unwrap();
    let path = helper(&charthouse, "echo credentials not found in native keychain; exit 1");
    assert!(gets_in(&charthouse, &registry, &[("PATH", &path)]));
}

#[test]
fn twenty_logins_at_once_are_all_kept() {
    let charthouse = Charthouse::new();
    let registries: Vec<Hostile> = (0..20).map(|_| door()).collect();
    let hosts: Vec<String> = registries.iter().map(Hostile::host).collect();
    let running: Vec<_> = hosts
        .iter()
        .map(|host| {
            charthouse
                .command(&["login", host, "--username", USER, "--password", PASSWORD, "--plain-http"])
                .stderr(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for login in running {
        let output = login.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let stored: Value = serde_json::from_slice(&fs::read(charthouse.path(HELM_FILE)).unwrap()).unwrap();
    for host in &hosts {
        assert_eq!(stored["auths"][host]["auth"], AUTH, "{stored}");
    }
    let mut left = charthouse.files(".config/registry");
    left.retain(|name| name != ".config.json.lock");
    assert_eq!(left, ["config.json"]);
}

#[test]
fn a_password_may_come_with_a_byte_order_mark() {
    let utf16 = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{PASSWORD}\r\n").encode_utf16().flat_map(order).collect()
    };
    let texts =
        [format!("\u{feff}{PASSWORD}\r\n").into_bytes(), utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)];
    for text in texts {
        let registry = door();
        let charthouse = Charthouse::new();
        let url = format!("HTTP://{}/", registry.host());
        let mut child = charthouse
            .command(&["login", &url, "--username", USER, "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&text).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{text:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn login_says_when_nobody_checked() {
    let server = Server::in_memory();
    let charthouse = Charthouse::new();
    let (good, said) = login(&charthouse, &format!("oci://{}/", server.host()), "any-word");
    assert!(good && said.contains("asks for no credentials"), "{said}");
    server.stop();
}

#[test]
fn login_without_a_terminal_needs_everything() {
    let charthouse = Charthouse::new();
    let said = charthouse.bare(&["login", "127.0.0.1:1"]).fails();
    assert!(said.contains("--username"), "{said}");
    let said = charthouse.bare(&["login", "127.0.0.1:1", "--username", "ann"]).fails();
    assert!(said.contains("--password-stdin"), "{said}");
}

fn helm_uses_what_login_stored(helm: &Helm) {
    let Some(registry) = Distribution::start_with_password() else { return };
    let charthouse = Charthouse::new();
    assert!(login(&charthouse, registry.host(), PASSWORD).0);
    let folder = helm.client().home().join(".config/registry");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(charthouse.path(HELM_FILE), folder.join("config.json")).unwrap();
    helm.push(&pack("app-1.2.3", &[]), &format!("oci://{}/team", registry.host()));

    // And the other way round.
    let other = Charthouse::new();
    fs::remove_file(folder.join("config.json")).unwrap();
    helm.run(&["registry", "login", registry.host(), "--username", USER, "--password", PASSWORD]).succeeds();
    fs::create_dir_all(other.path(".config/registry")).unwrap();
    fs::copy(folder.join("config.json"), other.path(HELM_FILE)).unwrap();
    other.run(&["pull", &format!("oci://{}/team/app", registry.host())]).succeeds();
}
