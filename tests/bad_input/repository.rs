//! The chart repository: paths, file names and methods that break a rule, headers that may be ignored, and charts whose
//! config is no metadata. Those are stored like any manifest, but what they hold costs nothing.

use super::headers::ignored;
use super::names::bad_names;
use super::{Case, Expected, Ground};
use crate::support::http::Request;
use crate::support::registry::put_manifest;
use crate::support::release::Release;

const PATH: Expected = Expected::Plain(&[400, 404, 414]);
const METHOD: Expected = Expected::Plain(&[405]);

pub fn cases(ground: &Ground) -> Vec<Case> {
    let mut cases = Vec::new();
    for (why, name) in bad_names() {
        for file in ["index.yaml", "charts/app-1.0.0.tgz", "charts/app-1.0.0.tgz.prov"] {
            cases.push(plain(
                format!("namespace, {why}: {file}"),
                Request::get(format!("/{name}/{file}")),
                PATH,
            ));
        }
    }
    for (why, file) in bad_files() {
        for ending in ["tgz", "tgz.prov"] {
            let target = format!("/team/charts/{file}.{ending}");
            cases.push(plain(format!("chart file, {why}: {ending}"), Request::get(target), PATH));
        }
    }
    for target in
        ["/team/index.yaml", "/index.yaml", "/team/charts/app-1.0.0.tgz", "/charts/app-1.0.0.tgz.prov"]
    {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let request = Request::new(method, target).body("a body");
            cases.push(plain(format!("{method} {target}"), request, METHOD));
        }
    }
    for (name, value) in ignored() {
        let shown: String = value.chars().take(40).collect();
        let request = Request::get("/team/index.yaml").header(name, &value);
        cases.push(Case::new(format!("{name}: {shown} on an index"), request, Expected::Unusual));
    }
    for query in ["", "n=-1", "last=%00", "%ff", "digest=sha256:x&digest=", "/../../etc/passwd"] {
        let request = Request::get(format!("/team/index.yaml?{query}"));
        cases.push(plain(format!("an index with the query {query:?}"), request, Expected::Unusual));
    }
    for (why, release) in &ground.charts {
        let manifest = release.image().manifest;
        let put = put_manifest("team/app", &manifest.digest, &manifest);
        let case = Case::new(format!("chart, {why}"), put, Expected::Warned);
        cases.push(case.of_stored(release.config().len()));
    }
    cases
}

/// Not through `Case::new`: the rules of the distribution API do not hold here.
fn plain(name: String, request: Request, expected: Expected) -> Case {
    Case::raw(name, request.bytes(), expected)
}

fn bad_files() -> Vec<(&'static str, String)> {
    vec![
        ("nothing", "".into()),
        ("no version", "app".into()),
        ("no name", "-1.0.0".into()),
        ("an empty version", "app-".into()),
        ("dashes alone", "---".into()),
        ("dots alone", "..".into()),
        ("a traversal", "../../../etc/passwd".into()),
        ("an encoded traversal", "..%2f..%2f..%2fetc%2fpasswd-1.0.0".into()),
        ("an encoded backslash", "..%5c..%5capp-1.0.0".into()),
        ("a letter that is encoded twice", "%2561pp-1.0.0".into()),
        ("an encoded colon", "app%3A1.0.0".into()),
        ("an encoded percent sign", "app-1.0.0%252B7".into()),
        ("an encoded NUL", "app-1.0.0%00".into()),
        ("an encoded line break", "app-1.0.0%0d%0aX-Header:%20x".into()),
        ("a broken escape", "app-1.0.0%2".into()),
        ("an escape of no digits", "app-1.0.0%zz".into()),
        ("an escape at the end", "app-1.0.0%".into()),
        ("non-ASCII, encoded", "%C3%A9-1.0.0".into()),
        ("not UTF-8, encoded", "app-%FF%FE".into()),
        ("upper case", "App-1.0.0".into()),
        ("a tilde", "app~1.0.0".into()),
        ("a star", "app-*".into()),
        ("a range", "app-^1".into()),
        ("a moving tag", "app-latest".into()),
        ("a digest", format!("app-sha256:{}", "0".repeat(64))),
        ("a version that is absent", "app-9.9.9".into()),
        ("two plus signs", "app-1.0.0+a+b".into()),
        ("900 dashes", "-".repeat(900)),
        ("400 ways to split", "a-".repeat(400)),
        ("900 plus signs, encoded", format!("app-1.0.0{}", "%2B".repeat(300))),
        ("1,100 characters", format!("app-{}", "1".repeat(1_100))),
        ("20,000 characters", format!("app-{}", "1".repeat(20_000))),
    ]
}

/// Configs that two readers could understand differently, or that are built to cost a reader much.
pub fn charts() -> Vec<(&'static str, Release)> {
    let plain = r#""name":"app","version":"1.0.0""#;
    let nested = |open: &str, close: &str, times: usize| {
        format!("{{{plain},\"x\":{}1{}}}", open.repeat(times), close.repeat(times))
    };
    let keys = |key: &dyn Fn(usize) -> String, times: usize| {
        let keys: Vec<_> = (0..times).map(|n| format!("\"{}\":\"\"", key(n))).collect();
        format!("{{{plain},\"annotations\":{{{}}}}}", keys.join(","))
    };
    let configs = vec![
        ("of no JSON", "name: app\nversion: 1.0.0\na: &a [x, x]\nb: [*a, *a]\n".into()),
        ("of another name", r#"{"name":"../../app","version":"1.0.0"}"#.into()),
        ("of no version", r#"{"name":"app","version":"; rm -rf /"}"#.into()),
        ("with a key twice", format!("{{{plain},\"version\":\"1.0.0\"}}")),
        ("with 50,000 lists in each other", nested("[", "]", 50_000)),
        ("with 20,000 objects in each other", nested("{\"a\":", "}", 20_000)),
        ("with lists that do not end", "[".repeat(100_000)),
        ("with 50,000 keys", keys(&|n| n.to_string(), 50_000)),
        ("with a key 20,000 times", keys(&|_| "k".into(), 20_000)),
        ("with keys of 10,000 characters", keys(&|n| format!("{n:010000}"), 20)),
        ("with a number of 100,000 digits", format!("{{{plain},\"x\":{}}}", "9".repeat(100_000))),
        ("with an exponent of 1,000,000,000", format!("{{{plain},\"x\":1e1000000000}}")),
        (
            "with a text of 50,000 escapes",
            format!("{{{plain},\"description\":\"{}\"}}", "\\u0001".repeat(50_000)),
        ),
        (
            "with a text of 300,000 characters",
            format!("{{{plain},\"description\":\"{}\"}}", "x".repeat(300_000)),
        ),
        ("with 50,000 maintainers", format!("{{{plain},\"maintainers\":[{{}}{}]}}", ",{}".repeat(50_000))),
        ("with 50,000 dependencies", format!("{{{plain},\"dependencies\":[{{}}{}]}}", ",{}".repeat(49_999))),
        ("with 50,000 keywords", format!("{{{plain},\"keywords\":[\"\"{}]}}", ",\"\"".repeat(49_999))),
        (
            "with 50,000 imports",
            format!("{{{plain},\"dependencies\":[{{\"import-values\":[{{}}{}]}}]}}", ",{}".repeat(49_999)),
        ),
        ("with maintainers of null", format!("{{{plain},\"maintainers\":[null{}]}}", ",null".repeat(10_000))),
        ("with half a character", format!("{{{plain},\"description\":\"\\ud800\"}}")),
        ("of 1,100,000 spaces", format!("{{{plain}{}}}", " ".repeat(1_100_000))),
    ];
    configs.into_iter().map(|(why, config): (_, String)| (why, Release::of(config))).collect()
}
