//! The rows of `entries`: charts with the tag they are pushed under, and what becomes of them.

use serde_json::json;

use super::values::{self, app_with};
use crate::support::artifact::{HELM_CHART, HELM_PROVENANCE};
use crate::support::release::{LEGACY_CHART, Release, tag_of};

#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// Listed, and no warning.
    Listed,
    /// Listed, and a warning that has one of these words.
    Odd(&'static [&'static str]),
    /// Not listed, and a warning with one of these words, at the push by digest as well.
    Refused(&'static [&'static str]),
    /// Not listed, and a warning with one of these words, once the tag is known.
    Misplaced(&'static [&'static str]),
    /// Not listed, and nobody is surprised by that.
    Silent,
}

use Expected::{Listed, Misplaced, Odd, Refused, Silent};

pub struct Row {
    pub why: String,
    pub tag: String,
    pub release: Release,
    pub expected: Expected,
}

pub fn row(why: impl Into<String>, tag: impl Into<String>, release: Release, expected: Expected) -> Row {
    Row { why: why.into(), tag: tag.into(), release, expected }
}

const VERSION: &[&str] = &["version"];
const NAME: &[&str] = &["name"];
const JSON: &[&str] = &["json", "object", "config"];

pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        row("the plain case", "1.0.0", Release::named("app", "1.0.0"), Listed),
        row("no apiVersion", "1.0.0", Release::of(r#"{"name":"app","version":"1.0.0"}"#), Listed),
        row(
            "an apiVersion of the future",
            "1.0.0",
            app_with(json!({"apiVersion": "v3"})),
            Odd(&["apiversion"]),
        ),
        row(
            "keys that nobody knows",
            "1.0.0",
            app_with(json!({"engine": "x", "digest": 1, "urls": null})),
            Listed,
        ),
        row("another name", "1.0.0", Release::named("base", "1.0.0"), Refused(NAME)),
        row("a name in upper case", "1.0.0", Release::named("App", "1.0.0"), Refused(NAME)),
        row("the whole repository as name", "1.0.0", Release::named("team/app", "1.0.0"), Refused(NAME)),
        row("a name of dots", "1.0.0", Release::named("..", "1.0.0"), Refused(NAME)),
        row("a name with a NUL behind it", "1.0.0", Release::named("app\0", "1.0.0"), Refused(NAME)),
    ];
    rows.extend(layers());
    rows.extend(tags());
    rows.extend(versions());
    rows.extend(configs());
    rows.extend(values::rows());
    rows
}

/// Exactly one layer is the package, wherever it stands.
fn layers() -> Vec<Row> {
    const LAYER: &[&str] = &["layer", "package"];
    const NOISE: &[&str] = &["gzip"];
    let (package, other) = (("p", HELM_CHART), ("o", "text/plain"));
    let cases: [(&str, &[(&str, &str)], _); 6] = [
        ("no layers", &[], Refused(LAYER)),
        ("a provenance file alone", &[("s", HELM_PROVENANCE)], Refused(LAYER)),
        ("two packages", &[package, ("q", HELM_CHART)], Refused(LAYER)),
        ("two packages, one of the old type", &[("q", LEGACY_CHART), package], Refused(LAYER)),
        ("a package of the old type", &[("p", LEGACY_CHART)], Odd(NOISE)),
        ("a package among other layers", &[other, package, other], Odd(NOISE)),
    ];
    let case = |(why, layers, expected): (&str, &[(&str, &str)], _)| {
        row(why, "1.0.0", Release::named("app", "1.0.0").layers(layers), expected)
    };
    cases.map(case).into()
}

/// Tags that stand for the version of their chart, and others.
fn tags() -> Vec<Row> {
    let cases = [
        ("1.0.0", "1.0.0_build.7", Misplaced(VERSION)),
        ("1.0.0", "v1.0.0", Odd(VERSION)),
        ("v1.0.0", "1.0.0", Odd(VERSION)),
        ("1.0.0", "1.0", Misplaced(VERSION)),
        ("1.0.0", "2.0.0", Misplaced(VERSION)),
        ("1.0.0-rc.1", "1.0.0", Misplaced(VERSION)),
        ("1.0.0+build.7", "1.0.0_build.7", Listed),
        ("1.0.0-rc.1+build-7.x", "1.0.0-rc.1_build-7.x", Listed),
        ("1.0.0+a.b-c", "1.0.0_a.b_c", Misplaced(VERSION)),
        ("0.0.0", "0.0.0", Listed),
        ("1.0.0", "1.0.0-", Silent),
        ("1.0.0", "latest", Silent),
        ("1.0.0", "stable-1", Silent),
        ("1.0.0", "_1.0.0", Silent),
    ];
    let case = |(version, tag, expected): (&str, &str, _)| {
        row(format!("version {version} under tag {tag}"), tag, Release::named("app", version), expected)
    };
    cases.map(case).into()
}

/// What Masterminds takes for a version. A tag that cannot be one is replaced by `1.0.0`.
fn versions() -> Vec<Row> {
    let lax =
        ["1", "1.2", "v1", "v1.2", "v1.2.3", "v1.2.3-rc.1+b", "01.2.3", "1.02.03", "1-rc", "1+b", "1.2-0.a"];
    let unreadable = [
        ["", "a", "v", "vv1", "V1.0.0", "1.", "1.2.", ".1", "*", ">=1"],
        [
            "1.2.3.4",
            "1.2.3-",
            "1.2.3+",
            "1.2.3-01",
            "1.2.3-a..b",
            "1.2.3+a+b",
            "1.2.3_b",
            "1.2.x",
            "1e3",
            "1,2",
        ],
        [
            " 1.2.3",
            "1.2.3 ",
            "1.2.3\n",
            "1.2.3-ü",
            "１.2.3",
            "-1.2.3",
            "1.2.3-a_b",
            "0x1.2.3",
            "1.2.3/..",
            "1..2",
        ],
        [
            "99999999999999999999",
            "1.18446744073709551616",
            "1.2.3-a.",
            "1.2.3-.a",
            "1.2.3+.",
            "+1",
            "-",
            ".",
            "..",
            "\0",
        ],
    ];
    let lax = lax.map(|version| (version, tag_of(version), Odd(VERSION)));
    let unreadable =
        unreadable.as_flattened().iter().map(|version| (*version, "1.0.0".to_owned(), Refused(VERSION)));
    let case = |(version, tag, expected): (&str, String, _)| {
        row(format!("version {version:?}"), tag, Release::named("app", version), expected)
    };
    lax.into_iter().chain(unreadable).map(case).collect()
}

/// Configs that are not the object they should be.
fn configs() -> Vec<Row> {
    let plain = r#""name":"app","version":"1.0.0""#;
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing but a space", b" ".to_vec()),
        ("no JSON", b"name: app\nversion: 1.0.0\n".to_vec()),
        ("half an object", format!("{{{plain}").into_bytes()),
        ("two objects", format!("{{{plain}}}{{}}").into_bytes()),
        ("a comma too much", format!("{{{plain},}}").into_bytes()),
        ("a byte order mark", format!("\u{feff}{{{plain}}}").into_bytes()),
        ("bytes that are not UTF-8", [b"{\"description\":\"\xff\",", plain.as_bytes(), b"}"].concat()),
        ("half a character", format!("{{{plain},\"description\":\"\\ud83d\"}}").into_bytes()),
        ("a raw line break in a text", format!("{{{plain},\"description\":\"a\nb\"}}").into_bytes()),
        ("NaN", format!("{{{plain},\"x\":NaN}}").into_bytes()),
        ("null", b"null".to_vec()),
        ("a list", format!("[{{{plain}}}]").into_bytes()),
        ("a text", b"\"app\"".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("two names", format!("{{{plain},\"name\":\"app\"}}").into_bytes()),
        ("two descriptions", format!("{{{plain},\"description\":\"a\",\"description\":\"b\"}}").into_bytes()),
        (
            "an annotation twice",
            format!("{{{plain},\"annotations\":{{\"a\":\"1\",\"a\":\"2\"}}}}").into_bytes(),
        ),
        ("a key twice, once escaped", format!("{{{plain},\"n\\u0061me\":\"app\"}}").into_bytes()),
        (
            "a maintainer's key twice",
            format!("{{{plain},\"maintainers\":[{{\"name\":\"a\",\"name\":\"b\"}}]}}").into_bytes(),
        ),
        (
            "a dependency's key twice",
            format!("{{{plain},\"dependencies\":[{{\"name\":\"a\",\"name\":\"b\"}}]}}").into_bytes(),
        ),
        ("20,000 lists in each other", format!("{{{plain},\"x\":{}}}", deep("[", "]")).into_bytes()),
        ("20,000 objects in each other", format!("{{{plain},\"x\":{}}}", deep("{\"a\":", "}")).into_bytes()),
    ];
    let mut rows: Vec<_> =
        cases.into_iter().map(|(why, config)| row(why, "1.0.0", Release::of(config), Refused(&[]))).collect();
    for (why, config, words) in [
        ("no name", r#"{"version":"1.0.0"}"#, NAME),
        ("an empty name", r#"{"name":"","version":"1.0.0"}"#, NAME),
        ("a name of null", r#"{"name":null,"version":"1.0.0"}"#, NAME),
        ("no version", r#"{"name":"app"}"#, VERSION),
        ("a version of null", r#"{"name":"app","version":null}"#, VERSION),
        ("a version that is a number", r#"{"name":"app","version":1.0}"#, JSON),
        ("a name that is a list", r#"{"name":["app"],"version":"1.0.0"}"#, JSON),
        ("an empty document", "\n", JSON),
    ] {
        rows.push(row(why, "1.0.0", Release::of(config), Refused(words)));
    }
    rows
}
