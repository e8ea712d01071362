//! Raw paths over a socket: which namespace they belong to, and which rule the others break.

use super::assert_plain;
use crate::support::app::{TestServer, where_noise_is_taken};
use crate::support::artifact::{HELM_CHART, HELM_PROVENANCE};
use crate::support::http::{self, Request, Response};
use crate::support::registry::{assert_status, error_code};
use crate::support::release::Release;

/// Repositories that each hold version 1.0.0 of a chart with provenance.
const REPOSITORIES: [&str; 11] = [
    "x",
    "charts/x",
    "charts/charts/x",
    "team/x",
    "team/charts/x",
    "team/index.yaml/x",
    "index.yaml/x",
    "team/x-1.0.0.tgz/x",
    "a.b/c_d/e__f/g-h/i---j/x",
    "0/x",
    "apis/v2/api/health/x",
];

#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The index that lists the chart of this repository and no other.
    Index(&'static str),
    Package(&'static str),
    Provenance(&'static str),
    /// The index of a namespace that nothing was pushed to, for those who may.
    Fresh,
    /// A redirect to the path without the slashes too many.
    Moved(&'static str),
    /// A plain refusal with one of these statuses.
    Plain(&'static [u16]),
    /// A refusal of the distribution API, to which everything below `/v2` belongs.
    Api,
}

use Expected::{Api, Fresh, Index, Moved, Package, Plain, Provenance};

const ABSENT: Expected = Plain(&[404]);
const BAD: Expected = Plain(&[400]);
/// Which of the two rules counts first does not matter.
const EITHER: Expected = Plain(&[400, 404]);

const PATHS: [(&str, Expected); 128] = [
    ("/index.yaml", Index("x")),
    ("/charts/index.yaml", Index("charts/x")),
    ("/charts/charts/index.yaml", Index("charts/charts/x")),
    ("/team/index.yaml", Index("team/x")),
    ("/team/charts/index.yaml", Index("team/charts/x")),
    ("/index.yaml/index.yaml", Index("index.yaml/x")),
    ("/team/index.yaml/index.yaml", Index("team/index.yaml/x")),
    ("/team/x-1.0.0.tgz/index.yaml", Index("team/x-1.0.0.tgz/x")),
    ("/a.b/c_d/e__f/g-h/i---j/index.yaml", Index("a.b/c_d/e__f/g-h/i---j/x")),
    ("/0/index.yaml", Index("0/x")),
    ("/apis/v2/api/health/index.yaml", Index("apis/v2/api/health/x")),
    ("/charts/x-1.0.0.tgz", Package("x")),
    ("/charts/charts/x-1.0.0.tgz", Package("charts/x")),
    ("/charts/charts/charts/x-1.0.0.tgz", Package("charts/charts/x")),
    ("/team/charts/x-1.0.0.tgz", Package("team/x")),
    ("/team/charts/charts/x-1.0.0.tgz", Package("team/charts/x")),
    ("/index.yaml/charts/x-1.0.0.tgz", Package("index.yaml/x")),
    ("/team/index.yaml/charts/x-1.0.0.tgz", Package("team/index.yaml/x")),
    ("/team/x-1.0.0.tgz/charts/x-1.0.0.tgz", Package("team/x-1.0.0.tgz/x")),
    ("/a.b/c_d/e__f/g-h/i---j/charts/x-1.0.0.tgz", Package("a.b/c_d/e__f/g-h/i---j/x")),
    ("/0/charts/x-1.0.0.tgz", Package("0/x")),
    ("/charts/x-1.0.0.tgz.prov", Provenance("x")),
    ("/charts/charts/x-1.0.0.tgz.prov", Provenance("charts/x")),
    ("/team/charts/x-1.0.0.tgz.prov", Provenance("team/x")),
    ("/team/charts/charts/x-1.0.0.tgz.prov", Provenance("team/charts/x")),
    // An escape of what a name or a version may hold is undone once.
    ("/te%61m/index.yaml", Index("team/x")),
    ("/team/charts/x%2D1.0.0.tgz", Package("team/x")),
    ("/team/charts/%78-1%2e0%2E0%2etgz", Package("team/x")),
    ("/te%61m/charts/x-1.0.0.tgz%2Eprov", Provenance("team/x")),
    // A query means nothing here, whatever it is.
    ("/team/index.yaml?", Index("team/x")),
    ("/team/index.yaml?a=b&a=c&%00=%ff&%", Index("team/x")),
    ("/team/index.yaml?/../../v2/", Index("team/x")),
    ("/team/charts/x-1.0.0.tgz?n=-1&last=%2e%2e", Package("team/x")),
    ("/team/charts/x-1.0.0.tgz.prov?digest=sha256:x", Provenance("team/x")),
    ("http://registry.test/team/index.yaml", Index("team/x")),
    ("http://other.test/team/charts/x-1.0.0.tgz", Package("team/x")),
    // Nothing is here.
    ("/team", ABSENT),
    ("/team/", ABSENT),
    ("/team/x", ABSENT),
    ("/index", ABSENT),
    ("/index.yml", ABSENT),
    ("/index.json", ABSENT),
    ("/team/index.yaml.gz", ABSENT),
    ("/team/index.yaml.prov", ABSENT),
    ("/INDEX.YAML", ABSENT),
    ("/team/Index.yaml", ABSENT),
    ("/xindex.yaml", ABSENT),
    ("/team/-index.yaml", ABSENT),
    ("/index.yaml/", Moved("../index.yaml")),
    ("/team/index.yaml/", Moved("../../team/index.yaml")),
    ("/team/index.yaml/x", ABSENT),
    ("/charts", ABSENT),
    ("/charts/", ABSENT),
    ("/team/charts/", ABSENT),
    ("/team/charts/x", ABSENT),
    ("/team/charts/x-1.0.0", ABSENT),
    ("/team/charts/x-1.0.0.tar.gz", ABSENT),
    ("/team/charts/x-1.0.0.TGZ", ABSENT),
    ("/team/charts/x-1.0.0.tgz/", Moved("../../../team/charts/x-1.0.0.tgz")),
    ("/team/charts/x-1.0.0.tgz/x", ABSENT),
    ("/team/charts/x-1.0.0.tgz.sig", ABSENT),
    ("/team/charts/x-1.0.0.tgz.prov/", Moved("../../../team/charts/x-1.0.0.tgz.prov")),
    ("/team/charts/x-1.0.0.prov", ABSENT),
    ("/team/charts/sub/x-1.0.0.tgz", ABSENT),
    ("/team/Charts/x-1.0.0.tgz", ABSENT),
    ("/team/chart/x-1.0.0.tgz", ABSENT),
    ("/team/x-1.0.0.tgz", ABSENT),
    ("/x-1.0.0.tgz", ABSENT),
    ("/team/xcharts/x-1.0.0.tgz", ABSENT),
    ("/team/charts/.tgz", EITHER),
    ("/team/charts/.tgz.prov", EITHER),
    ("/team/charts/x-2.0.0.tgz", ABSENT),
    ("/team/charts/y-1.0.0.tgz", ABSENT),
    ("/team/other/index.yaml", Fresh),
    ("/other/charts/x-1.0.0.tgz", ABSENT),
    ("/team/x/index.yaml", Fresh),
    ("/a.b/c_d/e__f/index.yaml", Fresh),
    ("/favicon.ico", ABSENT),
    ("/robots.txt", ABSENT),
    ("/-/", ABSENT),
    ("/v1/team/index.yml", ABSENT),
    // Names that no namespace may have.
    ("/api/index.yaml", BAD),
    ("/health/index.yaml", BAD),
    ("/health/team/index.yaml", BAD),
    ("/health/charts/x-1.0.0.tgz", BAD),
    ("/Team/index.yaml", BAD),
    ("/TEAM/charts/x-1.0.0.tgz", BAD),
    ("/-/index.yaml", EITHER),
    ("/-team/index.yaml", BAD),
    ("/team-/index.yaml", BAD),
    ("/_root/index.yaml", BAD),
    ("/team/_journal/index.yaml", BAD),
    ("/te..am/index.yaml", BAD),
    ("/te___am/index.yaml", BAD),
    ("/te+am/index.yaml", BAD),
    ("/team:5000/index.yaml", BAD),
    ("/te@am/charts/x-1.0.0.tgz", BAD),
    ("/~team/index.yaml", BAD),
    // Escapes, dots and empty components: what a proxy might read differently.
    ("/te%41m/index.yaml", BAD),
    ("/te%2561m/index.yaml", BAD),
    ("/te%2Bam/index.yaml", BAD),
    ("/%2e%2e/index.yaml", BAD),
    ("/team/%2e%2e/index.yaml", BAD),
    ("/team%2Fcharts/index.yaml", BAD),
    ("/team/charts/x%2F1.0.0.tgz", BAD),
    ("/team/charts/%2578-1.0.0.tgz", BAD),
    ("/team/charts/x-1%3A0.0.tgz", BAD),
    ("/team/charts/x-1.0.0%00.tgz", BAD),
    ("/team/charts/x-1.0.0%0d%0a.tgz", BAD),
    ("/team/charts/x-1.0.0%252B.tgz", BAD),
    ("/team/charts/x-1.0.0%.tgz", BAD),
    ("/team/charts/x-1.0.0%2.tgz", BAD),
    ("/team/charts/..%2f..%2fx-1.0.0.tgz", BAD),
    ("/team/charts/%5c..%5cx-1.0.0.tgz", BAD),
    ("/./index.yaml", BAD),
    ("/../index.yaml", BAD),
    ("/team/../index.yaml", BAD),
    ("/team/./charts/x-1.0.0.tgz", BAD),
    ("/team/charts/../index.yaml", BAD),
    ("/team/charts/../../../etc/index.yaml", BAD),
    ("//index.yaml", Moved("../index.yaml")),
    ("/team//index.yaml", Moved("../../team/index.yaml")),
    ("/team//charts/x-1.0.0.tgz", Moved("../../../team/charts/x-1.0.0.tgz")),
    ("/team/index%2Eyaml", Index("team/x")),
    ("/team%2Findex.yaml", EITHER),
    ("/team/charts%2Fx-1.0.0.tgz", EITHER),
    ("/team/charts/x-1.0.0.tgz%00", EITHER),
    ("/v2/team/index.yaml", Api),
];

fn release(repository: &str) -> Release {
    Release::named("x", "1.0.0")
        .package(format!("package of {repository}"))
        .provenance(format!("signed {repository}"))
}

async fn prepare(server: &TestServer) {
    for repository in REPOSITORIES {
        server.push_release(repository, "1.0.0", &release(repository)).await;
    }
}

async fn send(server: &TestServer, method: &str, target: &str) -> Response {
    let wire = format!("{method} {target} HTTP/1.1\r\nHost: registry.test\r\n\r\n");
    let reply = http::exchange(server.addr, wire.as_bytes(), method).await;
    reply.unwrap_or_else(|error| panic!("no reply to {method} {target}: {error}"))
}

/// What is wrong with the reply to GET, if anything.
fn fault(reply: &Response, expected: Expected) -> Option<String> {
    let seen = format!("{} {:.200}", reply.status, reply.text());
    match expected {
        Index(repository) => {
            let found = serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap_or_default();
            let digest = &found["entries"]["x"][0]["digest"];
            (reply.status != 200 || *digest != release(repository).digest()).then_some(seen)
        }
        Package(of) => {
            (reply.status != 200 || reply.body != release(of).layer(HELM_CHART).bytes).then_some(seen)
        }
        Provenance(of) => {
            (reply.status != 200 || reply.body != release(of).layer(HELM_PROVENANCE).bytes).then_some(seen)
        }
        Fresh => {
            (reply.status != 200 || !reply.text().contains(r#""entries":{"#) || reply.text().contains("urls"))
                .then_some(seen)
        }
        Moved(to) => ((reply.status, reply.header("location")) != (308, Some(to))).then_some(seen),
        Plain(statuses) if !statuses.contains(&reply.status) => {
            Some(format!("{seen}, and none of {statuses:?}"))
        }
        Plain(_) => std::panic::catch_unwind(|| assert_plain(reply, reply.status)).is_err().then_some(seen),
        Api => std::panic::catch_unwind(|| error_code(reply)).is_err().then_some(seen),
    }
}

#[tokio::test]
async fn every_path_belongs_to_one_namespace_or_breaks_a_rule() {
    where_noise_is_taken(async |server| {
        prepare(&server).await;
        let mut faults = Vec::new();
        for (target, expected) in PATHS {
            let reply = send(&server, "GET", target).await;
            faults.extend(fault(&reply, expected).map(|fault| format!("{target}: {fault}")));
            let head = send(&server, "HEAD", target).await;
            if (head.status, head.header("content-length")) != (reply.status, reply.header("content-length"))
            {
                faults.push(format!("{target}: {} by HEAD, {} by GET", head.status, reply.status));
            }
        }
        assert!(faults.is_empty(), "{} of {} paths:\n{}", faults.len(), PATHS.len(), faults.join("\n"));
    })
    .await;
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_work() {
    where_noise_is_taken(async |server| {
        prepare(&server).await;
        for target in [
            "/index.yaml",
            "/team/index.yaml",
            "/absent/index.yaml",
            "/team/charts/x-1.0.0.tgz",
            "/team/charts/x-1.0.0.tgz.prov",
            "/charts/absent-1.0.0.tgz",
        ] {
            for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"] {
                let request = Request::new(method, target);
                let request =
                    if matches!(method, "POST" | "PUT" | "PATCH") { request.body("a body") } else { request };
                let reply = server.send(request).await;
                println!("{method} {target}");
                assert_plain(&reply, 405);
                assert_eq!(reply.header("allow"), Some("GET, HEAD"));
            }
        }
        assert_status(&server.get("/team/charts/x-1.0.0.tgz").await, 200);
    })
    .await;
}

#[tokio::test]
async fn a_path_has_a_length_and_a_namespace_too() {
    let longest = format!("{}/{}", "a".repeat(113), "b".repeat(113));
    let over = format!("{longest}bbb");
    where_noise_is_taken(async |server| {
        server.push_version(&format!("{longest}/x"), "1.0.0").await;
        let file = |bytes: usize| {
            format!("/team/charts/{}-1.0.0.tgz", "x".repeat(bytes - "/team/charts/-1.0.0.tgz".len()))
        };
        for (target, status) in [
            (format!("/{longest}/index.yaml"), 200),
            (format!("/{longest}/charts/x-1.0.0.tgz"), 200),
            (format!("/{longest}/index.yaml?{}", "q".repeat(8_000)), 200),
            (format!("/{over}/index.yaml"), 400),
            (format!("/{over}/charts/x-1.0.0.tgz"), 400),
            (file(1_024), 404),
            (file(1_025), 414),
            (file(9_000), 414),
            (format!("/{}/index.yaml", "a/".repeat(600)), 414),
            (format!("/{}index.yaml", "../".repeat(400)), 414),
            (format!("/{}x-1.0.0.tgz", "charts/".repeat(200)), 414),
        ] {
            println!("{} bytes {target:.40}", target.len());
            let reply = server.get(&target).await;
            if status == 200 { assert_status(&reply, 200) } else { assert_plain(&reply, status) }
        }
    })
    .await;
}
