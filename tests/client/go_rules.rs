//! The client against the libraries that Helm is made of: proxies, credentials, challenges, tokens, media types and
//! certificates, in generated tables. `tests/go-oracle` says what is right; what differs on purpose is listed here and in
//! docs/client.md#where-it-differs-from-helm.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use charthouse::client::{Credentials, Host, Options, Registry, Repository, Source, Stores, Transport};
use charthouse::clock::SystemClock;
use charthouse::network::{ProxyRules, ProxyVariables, Route, Trust, certificates, client_config};
use charthouse::oci::{OCI_MANIFEST, Reference, Tag};
use reqwest::Url;
use serde_json::{Value, json};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConnection, ServerConfig, ServerConnection};

use crate::support::hostile_registry::{Hostile, Reply};
use crate::support::tools::go_oracle;

/// The answers to `questions`, one for each; nothing when the program is not installed.
fn ask(questions: &[Value]) -> Option<Vec<Value>> {
    let mut child = Command::new(go_oracle()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the Go program");
    let mut stdin = child.stdin.take().expect("a pipe");
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).expect("write the questions"));
    let output = child.wait_with_output().expect("its answers");
    writer.join().expect("the writer");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), questions.len());
    Some(answers)
}

#[test]
fn proxies_are_chosen_as_in_go() {
    let exceptions = [
        "",
        "*",
        ",*",
        "r.io",
        ".r.io",
        "*.r.io",
        "*r.io",
        "R.IO",
        " r.io ,",
        "r.io:443",
        "r.io:80",
        "r.io:5000",
        "r.io:",
        ":80",
        "io",
        "a.r.io, b.io",
        "a.r.io b.io",
        "10.0.0.0/8",
        "10.1.2.3/8",
        "10.0.0.0/33",
        "10.0.0.0/+8",
        "10.0.0.0/08",
        "10.0.0.1",
        "10.0.0.1:80",
        "10.0.0.1:5000",
        "10.0.0",
        "010.0.0.1",
        "0.0.0.0/0",
        "::/0",
        "fd00::/8",
        "fd00::1",
        "[fd00::1]",
        "[fd00::1]:80",
        "[fd00::1]:5000",
        "fd00::1/128",
        "::ffff:10.0.0.1",
        "::ffff:10.0.0.0/104",
        "::ffff:0:0/95",
        "b\u{fc}cher.example",
        ".B\u{dc}CHER.example",
        "xn--bcher-kva.example",
        "localhost",
        "127.0.0.0/8",
        "http://r.io",
        "[",
        "]:",
        ".",
        "r.io.",
        "r.io:http",
        "r.io:080",
        "[r.io]:80",
    ];
    let urls = [
        "http://r.io/",
        "https://r.io/v2/",
        "http://r.io:5000/",
        "https://a.r.io/",
        "http://ar.io/",
        "http://r.io.evil/",
        "http://10.0.0.1/",
        "https://10.0.0.1:5000/",
        "http://10.200.0.1/",
        "http://11.0.0.1/",
        "http://[fd00::1]/",
        "http://[fd00::1]:5000/",
        "https://[fe00::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://localhost/",
        "https://localhost:5000/",
        "http://a.localhost/",
        "http://127.0.0.1:5000/",
        "http://127.9.9.9/",
        "http://[::1]/",
        "http://0.0.0.0/",
        "http://xn--bcher-kva.example/",
        "http://b\u{fc}cher.example/",
        "http://r.io./",
        "ftp://r.io/",
    ];
    let mut questions = Vec::new();
    for (no_proxy, url) in exceptions.iter().flat_map(|one| urls.iter().map(move |url| (*one, *url))) {
        questions.push(json!({"kind": "proxy", "http_proxy": "p.io:3128", "https_proxy": "https://s.io", "no_proxy": no_proxy, "url": url}));
    }
    let values = [
        "",
        "p",
        "p:1",
        "p.io",
        "127.0.0.1:3128",
        "http://p",
        "http://p:80",
        "HTTP://P:1/x?y",
        "https://u:p@s:1",
        "u:p@p:1",
        "socks5://s:1",
        "socks5h://s",
        "http:p",
        "//p",
        "[::1]:3128",
        "http://[::1]:3128",
        "http://p:x",
        "p:99999",
    ];
    for (value, cgi) in values.iter().flat_map(|value| [(*value, false), (*value, true)]) {
        for url in ["http://r.io/", "https://r.io/"] {
            questions.push(
                json!({"kind": "proxy", "http_proxy": value, "https_proxy": value, "cgi": cgi, "url": url}),
            );
        }
    }
    let Some(answers) = ask(&questions) else { return };
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        let text = |name: &str| question[name].as_str().unwrap_or_default().to_owned();
        let rules = ProxyRules::new(&ProxyVariables {
            http_proxy: text("http_proxy"),
            https_proxy: text("https_proxy"),
            no_proxy: text("no_proxy"),
            is_cgi: question["cgi"] == true,
        });
        let ours = match rules.route(&Url::parse(&text("url")).expect("a URL")) {
            Route::Direct => "direct".to_owned(),
            Route::Refused => "refused".to_owned(),
            Route::Through(proxy) => {
                let (url, host) = (&proxy.url, proxy.url.host_str().unwrap_or_default());
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}://{host}{port}", url.scheme().replace("socks5h", "socks5"))
            }
        };
        let go = match (&answer["error"], &answer["proxy"]) {
            (Value::Null, Value::String(proxy)) => {
                let bare = if proxy.starts_with("http:") { proxy.strip_suffix(":80") } else { None };
                bare.unwrap_or(proxy).replace("socks5h", "socks5")
            }
            (Value::Null, _) => "direct".to_owned(),
            _ => "refused".to_owned(),
        };
        // A value that no URL can hold: Go takes it for a name and fails to resolve it.
        let is_no_proxy = !rules.warnings().is_empty() && ours == "direct";
        if ours != go && !is_no_proxy {
            differences.push(format!("{question}: ours {ours}, Go {go}"));
        }
    }
    assert!(questions.len() > 1_000 && differences.is_empty(), "{}", differences.join("\n"));
}

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
        let charthouse = super::Charthouse::new();
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

/// A registry in this process that answers as `reply` says, and the library's client of it, as `ann`.
fn client_of(registry: &Hostile) -> Registry {
    let transport =
        Transport::new(&Options::default(), Arc::new(SystemClock::default())).expect("a transport");
    let credentials = Credentials::of_password("ann".to_owned(), "abc".to_owned());
    let host = Host::parse(&registry.host()).expect("a host");
    Registry::new(Arc::new(transport), host, true, Source::Given(credentials)).expect("a registry")
}

const REALM: &str = "https://r.example/token";

#[test]
fn challenges_and_tokens_are_read_as_in_oras() {
    let headers = [
        r#"Bearer realm="REALM",service="s",scope="repository:team/app:pull""#,
        r#"Bearer realm="REALM""#,
        r#"bearer realm="REALM" , service = "s""#,
        r#"BEARER   realm	=	"REALM",service=s"#,
        r#"Bearer service="s",realm="REALM""#,
        r#"Bearer realm="REALM?a=b",service="s""#,
        r#"Bearer realm="REALM",service="a b",scope="repository:team/app:pull,push repository:x/y:pull""#,
        r#"Bearer realm="REALM",service="""#,
        r#"Bearer realm="REALM",error="invalid_token",error_description="a, b=c""#,
        r#"Bearer realm="REALM",service="a\"b""#,
        r#"Bearer realm="REALM";service="s""#,
        r#"Bearer realm="REALM" service="s""#,
        r#"Bearer realm="REALM",,service="s""#,
        r#"Bearer realm="REALM",service"#,
        "Bearer",
        "Bearer ",
        "Bearer realm=",
        r#"Bearer realm="REALM"#,
        r#"Basic realm="x""#,
        "basic",
        "BASIC realm=x",
        "Negotiate",
        "",
        r#"Digest realm="x""#,
        "Bearer=x",
    ];
    let replies = [
        r#"{"token":"t"}"#,
        r#"{"access_token":"t"}"#,
        r#"{"token":"o","access_token":"t"}"#,
        r#"{"token":"t","access_token":""}"#,
        r#"{"token":"t","expires_in":"300"}"#,
        r#"{"token":"t","expires_in":300.5}"#,
        r#"{"token":"t","expires_in":[],"issued_at":7}"#,
        r#"{"token":"t"} "#,
        r#"{"token":null,"access_token":"t"}"#,
        r#"{"TOKEN":"t"}"#,
        r#"{"token":"t","token":"u"}"#,
        "{}",
        "[]",
        "",
        r#"{"token":5}"#,
        r#"{"token":""}"#,
        "<html>",
        r#""t""#,
    ];
    let pairs = headers
        .iter()
        .map(|header| (*header, replies[0]))
        .chain(replies.iter().map(|reply| (headers[0], *reply)));
    let crossed =
        headers.iter().take(8).flat_map(|header| replies.iter().map(move |reply| (*header, *reply)));
    let questions: Vec<Value> = pairs
        .chain(crossed)
        .map(|(header, reply)| json!({"kind": "token", "header": header.replace("REALM", REALM), "reply": reply}))
        .collect();
    let Some(answers) = ask(&questions) else { return };
    // What is given to the realm next, and the header of the refusal.
    let now = Arc::new(Mutex::new((String::new(), String::new())));
    let script = Arc::clone(&now);
    let registry = Hostile::start(move |asked, address| {
        let (header, reply) = script.lock().expect("the script").clone();
        if asked.target.starts_with("/token") {
            return Reply::ok("application/json", reply);
        }
        match asked.header("authorization") {
            Some(_) => Reply::ok("application/json", r#"{"tags":[]}"#),
            None => Reply::new(401).header(
                "WWW-Authenticate",
                header.replace("https://r.example", &format!("http://{address}")),
            ),
        }
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let repository = Repository::parse("team/app").expect("a name");
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        let (header, reply) = (question["header"].as_str().unwrap(), question["reply"].as_str().unwrap());
        *now.lock().expect("the script") = (header.to_owned(), reply.to_owned());
        let before = registry.asked().len();
        // Whether it succeeds is seen from what it sends.
        let _ = runtime.block_on(client_of(&registry).tags(&repository));
        let asked = registry.asked().split_off(before);
        let ours = json!({
            "asked": asked.iter().find(|one| one.target.starts_with("/token")).map(|one| query(&format!("https://r.example{}", one.target))),
            "authorization": asked.iter().filter(|one| one.target.starts_with("/v2/")).find_map(|one| one.header("authorization")),
        });
        let go = json!({
            "asked": answer["asked"].as_str().filter(|asked| !asked.is_empty()).map(query),
            "authorization": answer["authorization"].as_str().filter(|text| !text.is_empty()),
        });
        if ours != go && more_liberal(header, reply).is_none() {
            differences.push(format!("{question}: ours {ours}, Go {go}"));
        }
    }
    assert!(questions.len() > 150 && differences.is_empty(), "{}", differences.join("\n"));
}

/// The service that a token is asked for, and whether the challenge's scopes are asked for, which Go's client asks alone.
fn query(url: &str) -> Value {
    let url = Url::parse(url).expect("a URL");
    let mut service: Vec<String> = Vec::new();
    let mut scopes = Vec::new();
    for (name, value) in url.query_pairs() {
        match &*name {
            "service" => service.push(value.into_owned()),
            "scope" => scopes.push(value.into_owned()),
            _ => {}
        }
    }
    let others = scopes.iter().filter(|scope| !scope.starts_with("repository:team/app:")).cloned();
    json!({"path": url.path(), "service": service, "scopes": others.collect::<Vec<_>>()})
}

/// Why this is taken although Go's client does not take it.
fn more_liberal(header: &str, reply: &str) -> Option<&'static str> {
    let odd_form = header.contains(';') || header.contains("\" service") || header.contains(",,");
    let names = reply.contains("TOKEN") || reply.contains("\"u\"");
    match (odd_form, names) {
        (true, _) => Some("parameters that are parted otherwise than by one comma are read"),
        (_, true) => Some("fields in upper case are not read, and a field that comes twice is refused"),
        _ => None,
    }
}

#[test]
fn media_types_of_manifests_are_read_as_in_go() {
    let base = [
        OCI_MANIFEST.to_owned(),
        OCI_MANIFEST.to_uppercase(),
        OCI_MANIFEST.replace("manifest", "Manifest"),
        "application/json".to_owned(),
        "text/plain".to_owned(),
        "x".to_owned(),
    ];
    let forms = ["%", " % ", "%; charset=utf-8", "%;charset=utf-8", "% ; a=b;", "%;", "%,x/y", "%/x"];
    let questions: Vec<Value> = base
        .iter()
        .flat_map(|base| {
            forms.iter().map(move |form| json!({"kind": "media type", "header": form.replace('%', base)}))
        })
        .collect();
    let Some(answers) = ask(&questions) else { return };
    let now = Arc::new(Mutex::new(String::new()));
    let header = Arc::clone(&now);
    let registry = Hostile::start(move |_, _| {
        let (manifest, _) = super::hostile::manifest_of(b"x", 1);
        Reply::ok(&header.lock().expect("the header"), manifest)
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let repository = Repository::parse("team/app").expect("a name");
    let reference = Reference::Tag(Tag::parse("1.0.0").expect("a tag"));
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        *now.lock().expect("the header") = question["header"].as_str().unwrap().to_owned();
        let got = runtime.block_on(client_of(&registry).manifest(&repository, &reference));
        let ours = got.is_ok_and(|stored| stored.media_type.as_str() == OCI_MANIFEST);
        let go = answer["type"] == OCI_MANIFEST;
        if ours != go {
            differences.push(format!("{question}: ours {ours}, Go {answer}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn certificates_are_trusted_as_in_go() {
    let names: [&[&str]; 4] = [&["localhost", "127.0.0.1"], &["*.example.test"], &["r.example.test"], &[]];
    let mut questions = Vec::new();
    for signed_by in ["itself", "authority"] {
        for is_ca in [true, false] {
            for usage in ["", "server", "client", "both"] {
                for anchor in ["itself", "authority", "stranger", "both"] {
                    for dates in ["valid", "expired", "future"] {
                        let name = ["localhost", "127.0.0.1", "r.example.test"][questions.len() % 3];
                        let names = names[questions.len() / 3 % 4];
                        let certificate = json!({"signed_by": signed_by, "is_ca": is_ca, "usage": usage, "anchor": anchor, "dates": dates, "names": names, "name": name});
                        questions.push(json!({"kind": "certificate", "certificate": certificate}));
                        let certificate = json!({"signed_by": signed_by, "is_ca": is_ca, "usage": usage, "anchor": anchor, "dates": dates, "names": ["localhost"], "name": "localhost"});
                        questions.push(json!({"kind": "certificate", "certificate": certificate}));
                    }
                }
            }
        }
    }
    let Some(answers) = ask(&questions) else { return };
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        let ours = shake(answer, question["certificate"]["name"].as_str().unwrap());
        if ours.is_ok() != (answer["trusted"] == true)
            && differs_by_purpose(&question["certificate"]).is_none()
        {
            differences
                .push(format!("{question}: ours {ours:?}, Go {} {}", answer["trusted"], answer["why"]));
        }
    }
    assert!(questions.len() > 300 && differences.is_empty(), "{}", differences.join("\n"));
}

/// Why a certificate is judged otherwise than in Go.
fn differs_by_purpose(certificate: &Value) -> Option<&'static str> {
    let is_authority = certificate["is_ca"] == true;
    match (is_authority, certificate["usage"].as_str()) {
        (true, Some("client")) => {
            Some("an anchor that is a server's certificate is not asked for its purpose")
        }
        (true, _) if certificate["anchor"] == "authority" && certificate["signed_by"] == "authority" => {
            Some("an authority's certificate is not a server's, unless it is given itself")
        }
        _ => None,
    }
}

/// A handshake in memory of our client with a server that shows this certificate.
fn shake(answer: &Value, name: &str) -> Result<(), String> {
    let text = |name: &str| answer[name].as_str().unwrap().as_bytes().to_vec();
    let anchors = certificates(&text("anchors")).expect("certificates");
    let config = client_config(Trust::Anchors(anchors), None).expect("a configuration");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let chain = CertificateDer::from_pem_slice(&text("chain")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(&text("key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a key that fits");
    let mut server = ServerConnection::new(Arc::new(config)).expect("a server");
    while client.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("memory");
        server.read_tls(&mut &bytes[..]).expect("memory");
        server.process_new_packets().map_err(|why| format!("server: {why}"))?;
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("memory");
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("memory");
            client.process_new_packets().map_err(|why| why.to_string())?;
        }
    }
    Ok(())
}
