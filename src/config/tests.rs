use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::print::{Yaml, scalar};
use super::*;
use crate::oci::NamespacePattern;

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

fn load_yaml(yaml: &str) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, yaml).unwrap();
    load(Some(&path), [], &[])
}

/// What is wrong, without the folder of the file.
fn complaints(outcome: Result<Loaded, ConfigError>) -> Vec<String> {
    match outcome {
        Ok(_) => Vec::new(),
        Err(ConfigError::Refused(lines)) => {
            lines.iter().map(|line| line.rsplit('/').next().unwrap_or(line).to_owned()).collect()
        }
        Err(other) => vec![other.to_string()],
    }
}

#[test]
fn every_default_reads_back_and_names_are_unique() {
    let defaults = Settings::default();
    for key in KEYS {
        let mut settings = Settings::default();
        key.read(&mut settings, &key.write(&defaults)).unwrap_or_else(|why| panic!("{}: {why}", key.name));
        assert_eq!(settings, defaults, "{}", key.name);
        assert_eq!(KEYS.iter().filter(|other| other.variable() == key.variable()).count(), 1, "{}", key.name);
    }
    assert_eq!(defaults.violations(), []);
}

#[test]
fn a_later_source_wins_and_each_value_knows_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, "server:\n  listen: 127.0.0.1:1\n  workers: 3\nstorage:\n  url: /one\n").unwrap();
    let environment = variables(&[
        ("CHARTHOUSE_CONFIG", path.to_str().unwrap()),
        ("CHARTHOUSE_SERVER_LISTEN", "127.0.0.1:2"),
        ("CHARTHOUSE_STORAGE_URL", "/two"),
    ]);
    let loaded = load(None, environment, &[("storage.url", "/three".to_owned())]).unwrap();
    assert_eq!(loaded.settings.server.workers, 3);
    assert_eq!(loaded.settings.server.listen, ([127, 0, 0, 1], 2).into());
    assert_eq!(loaded.settings.storage.url, StorageUrl::Directory("/three".into()));
    let printed = print(&loaded, false);
    let file = path.display();
    assert_eq!(
        printed,
        format!(
            "server:\n  listen: 127.0.0.1:2  # environment CHARTHOUSE_SERVER_LISTEN\n  workers: 3  # file {file}:3\n\
             storage:\n  url: /three  # flag --storage\n"
        )
    );
}

#[test]
fn what_is_printed_loads_again() {
    let environment = variables(&[
        ("CHARTHOUSE_SERVER_CORS_ORIGINS", "https://a.example, *"),
        ("CHARTHOUSE_SERVER_TRUSTED_PROXIES", "10.0.0.0/8,::1"),
        ("CHARTHOUSE_STORAGE_URL", "/a b: #c"),
        ("CHARTHOUSE_LOG_LEVEL", "info,charthouse::journal=debug"),
        ("CHARTHOUSE_AUTH_ANONYMOUS", "read"),
        ("CHARTHOUSE_METRICS_LISTEN", "off"),
        ("CHARTHOUSE_SERVICE_NAME", "1.10"),
    ]);
    let loaded = load(None, environment, &[]).unwrap();
    assert_eq!(loaded.settings.service.name.as_str(), "1.10");
    for effective in [true, false] {
        let again = load_yaml(&print(&loaded, effective)).unwrap();
        assert_eq!(again.settings, loaded.settings);
    }
}

#[test]
fn a_file_that_is_wrong_is_refused_with_line_and_remedy() {
    #[rustfmt::skip]
    let cases = [
        ("server:\n  listn: 127.0.0.1:5000\n", "c.yaml:2: `server.listn` is no setting; did you mean `server.listen`?"),
        ("\n\nsevrer:\n  listen: x\n", "c.yaml:3: `sevrer` is no setting; did you mean `server`?"),
        ("listen: 127.0.0.1:5000\n", "c.yaml:1: `listen` is no setting; did you mean `server.listen`?"),
        ("zzz: 1\n", "c.yaml:1: `zzz` is no setting; `charthouse config print --effective` lists all"),
        ("server:\n  workers: many\n", "c.yaml:2: server.workers: `many` is not a whole number"),
        ("server:\n  workers: -1\n", "c.yaml:2: server.workers: `-1` is not a whole number"),
        ("server:\n  workers: 2000\n", "c.yaml:2: server.workers: at most 1024"),
        ("server:\n  listen: [a]\n", "c.yaml:2: server.listen: takes one value"),
        ("server:\n  trusted_proxies: 10.0.0.1\n", "c.yaml:2: server.trusted_proxies: takes a list, like [a, b]"),
        ("server:\n  workers: 1\n  workers: 2\n", "c.yaml:3: "),
        ("server: 3\n", "c.yaml:1: server: settings with their values are expected here"),
        ("- a\n", "c.yaml:1: settings with their values"),
        ("a: 'x\n", "c.yaml:1: "),
        ("log:\n  level: info\n---\nlog:\n  level: info\n", "c.yaml:3: "),
        ("log: &a\n  level: info\nserver: *a\n", "c.yaml:3: server: aliases,"),
        ("log:\n  <<: {level: info}\n", "c.yaml:2: "),
        ("log:\n  level: !secret info\n", "c.yaml:2: "),
        ("storage:\n  mode: both\n", "c.yaml:2: storage.mode: `both` is not one of auto, single, shared"),
        ("storage:\n  mode: shared\n", "c.yaml:2: storage.mode: only storage on s3 can be shared; use single"),
        ("server:\n  listen: 0.0.0.0:5000\n", "c.yaml:2: server.listen: other machines can reach this address"),
        ("service:\n  rollout:\n    strategy: fast\n", "c.yaml:3: service.rollout.strategy: `fast` is not one of"),
    ];
    for (yaml, expected) in cases {
        let complaints = complaints(load_yaml(yaml));
        assert!(
            matches!(&complaints[..], [one] if one.starts_with(expected)),
            "{yaml:?}: {complaints:#?}, expected {expected}"
        );
    }
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let wrong = complaints(load_yaml("server:\n  listn: x\n  workers: x\nlog:\n  level: loud\n"));
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
}

#[test]
fn sections_and_keys_without_a_value_count_as_not_given() {
    for yaml in ["", "# nothing\n", "server:\n", "server:\n  listen:\n  trusted_proxies: ~\nlog: ~\n"] {
        assert_eq!(load_yaml(yaml).unwrap().settings, Settings::default(), "{yaml:?}");
    }
}

#[test]
fn a_deep_or_endless_file_is_refused() {
    let deep = format!("server: {}{}", "{a: ".repeat(5_000), "}".repeat(5_000));
    let long = "# comment\n".repeat(200_000);
    for yaml in [deep, long] {
        assert_eq!(complaints(load_yaml(&yaml)).len(), 1);
    }
    let missing = load(Some(Path::new("/nowhere/c.yaml")), [], &[]);
    assert!(complaints(missing)[0].contains("/nowhere/c.yaml"));
}

#[test]
fn mistyped_variables_are_refused_and_foreign_ones_ignored() {
    #[rustfmt::skip]
    let cases = [
        ("CHARTHOUSE_SERVER_LISTN", "127.0.0.1:1", Some("did you mean CHARTHOUSE_SERVER_LISTEN?")),
        ("CHARTHOUSE_SERVR_LISTEN", "127.0.0.1:1", Some("did you mean CHARTHOUSE_SERVER_LISTEN?")),
        ("CHARTHOUSE_LOG_ZZZZZZZZZ", "x", Some("no setting has this variable")),
        ("CHARTHOUSE_SERVER_WORKERS", "", Some("`` is not a whole number")),
        ("CHARTHOUSE_BIN", "x", None),
        ("CHARTHOUSE_TOOLS", "x", None),
        ("CHARTHOUSE_SERVER", "x", Some("did you mean CHARTHOUSE_SERVER_LISTEN?")),
        ("CHARTHOUSE_STORAGE", "/data", Some("did you mean CHARTHOUSE_STORAGE_URL?")),
        ("CHARTHOUSE_LISTEN", ":5000", Some("did you mean CHARTHOUSE_SERVER_LISTEN?")),
        ("CHARTHOUSE_READ_ONLY", "true", Some("did you mean CHARTHOUSE_STORAGE_READ_ONLY?")),
        ("CHARTHOUSE_STORAGE__URL", "/data", Some("did you mean CHARTHOUSE_STORAGE_URL?")),
        ("charthouse_storage_url", "/data", Some("did you mean CHARTHOUSE_STORAGE_URL?")),
        ("CHARTHOUSE-SERVER.LISTEN", ":1", Some("did you mean CHARTHOUSE_SERVER_LISTEN?")),
        ("CHARTHOUSE_PORT", "tcp://10.0.0.1:5000", None),
        ("CHARTHOUSE_PORT_5000_TCP_ADDR", "10.0.0.1", None),
        ("CHARTHOUSE_SERVICE_HOST", "10.0.0.1", None),
        ("CHARTHOUSE_SERVICE_PORT_HTTP", "5000", None),
        ("CHARTHOUSE_SERVER_SERVICE_HOST", "10.0.0.1", None),
        ("CHARTHOUSE_SERVER_PORT_5000_TCP", "tcp://10.0.0.1:5000", None),
        ("OTHER_SERVER_LISTN", "x", None),
    ];
    for (name, value, expected) in cases {
        let complaints = complaints(load(None, variables(&[(name, value)]), &[]));
        match expected {
            Some(expected) => assert!(complaints[0].contains(expected), "{name}: {complaints:?}"),
            None => assert!(complaints.is_empty(), "{name}: {complaints:?}"),
        }
    }
}

#[test]
fn no_setting_has_the_name_of_a_variable_that_kubernetes_sets() {
    for key in KEYS {
        let variable = key.variable();
        let taken = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
        assert!(!taken.iter().any(|end| variable.ends_with(end)), "{variable}");
    }
}

#[test]
fn only_loopback_is_served_without_saying_who_may_do_what() {
    #[rustfmt::skip]
    let cases = [
        ("127.0.0.1:5000", None, true),
        ("127.8.8.8:0", None, true),
        ("[::1]:5000", None, true),
        ("[::ffff:127.0.0.1]:5000", None, true),
        ("0.0.0.0:5000", None, false),
        ("[::]:5000", None, false),
        ("192.168.1.1:5000", None, false),
        ("0.0.0.0:5000", Some(Anonymous::Read), true),
        ("0.0.0.0:5000", Some(Anonymous::Write), true),
    ];
    for (listen, anonymous, allowed) in cases {
        let mut settings = Settings::default();
        settings.server.listen = listen.parse().unwrap();
        settings.auth.anonymous = anonymous;
        assert_eq!(settings.violations().is_empty(), allowed, "{listen} {anonymous:?}");
    }
}

fn accepts<T: Value>(table: &[(&str, &str)]) {
    for (text, written) in table {
        match T::read(text) {
            Ok(value) => assert_eq!(value.write(), *written, "{text:?}"),
            Err(why) => panic!("{text:?} is refused: {why}"),
        }
    }
}

fn refuses<T: Value>(table: &[&str]) {
    for text in table {
        let outcome = T::read(text).map(|value| value.write());
        assert!(outcome.is_err(), "{text:?} is read as {outcome:?}");
        assert!(!outcome.unwrap_err().contains(char::is_control), "{text:?} is repeated unescaped");
    }
}

#[test]
fn durations_are_a_number_and_a_unit() {
    accepts::<Duration>(&[
        ("0s", "0s"),
        ("30s", "30s"),
        ("90s", "90s"),
        ("120s", "2m"),
        ("1500ms", "1500ms"),
        ("10m", "10m"),
        ("24h", "1d"),
        ("365d", "365d"),
    ]);
    refuses::<Duration>(&[
        "",
        "s",
        "30",
        "30 s",
        "-1s",
        "+1s",
        "1.5s",
        "30S",
        "1w",
        "366d",
        "99999999999999999999s",
        "30s\n",
        "٣s",
        "18446744073709551615ms",
    ]);
}

#[test]
fn sizes_are_a_number_and_a_unit() {
    accepts::<ByteSize>(&[
        ("0B", "0B"),
        ("64MiB", "64MiB"),
        ("1024KiB", "1MiB"),
        ("1000B", "1000B"),
        ("3TiB", "3TiB"),
    ]);
    refuses::<ByteSize>(&["", "64", "64MB", "64mib", "-1B", "1.5GiB", "16777216TiB", "64 MiB", "\u{1b}[1m"]);
}

#[test]
fn networks_are_addresses_with_a_prefix() {
    accepts::<Network>(&[
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("fd00::/8", "fd00::/8"),
        ("::1", "::1/128"),
    ]);
    refuses::<Network>(&[
        "",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "10.0.0/8",
        "10.0.0.0/+8",
        "host",
        "/8",
    ]);
    let contains =
        |network: &str, address: &str| Network::read(network).unwrap().contains(address.parse().unwrap());
    assert!(contains("10.0.0.0/8", "10.255.0.1"));
    assert!(contains("10.0.0.0/8", "::ffff:10.255.0.1"));
    assert!(!contains("10.0.0.0/8", "11.0.0.1"));
    assert!(contains("0.0.0.0/0", "1.2.3.4") && !contains("0.0.0.0/0", "::1"));
    assert!(contains("fd00::/8", "fdff::1") && !contains("fd00::/8", "fe00::1"));
}

#[test]
fn urls_and_origins_have_no_credentials_and_origins_no_path() {
    accepts::<ExternalUrl>(&[
        ("https://charts.example.com", "https://charts.example.com"),
        ("https://charts.example.com/", "https://charts.example.com"),
        ("HTTP://Charts:8080", "http://charts:8080"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("http://[::1]", "http://[::1]"),
        ("https://Example.com/Charts/", "https://example.com/Charts"),
        ("https://a:8443/b/c-d_e.f~g", "https://a:8443/b/c-d_e.f~g"),
    ]);
    #[rustfmt::skip]
    refuses::<ExternalUrl>(&[
        "", "charts.example.com", "ftp://a", "https://", "https://a/b//c", "https://a/..", "https://a/%62", "https://a?b", "https://a#b", "https://u:p@a",
        "https://a:0", "https://a:65536", "https://a:+1", "https://a:", "https://a..b", "https://-a", "https://[::1",
        "https://[]", "https://a b", "https://a\r\nx", "https://a//",
    ]);
    assert_eq!(ExternalUrl::read("https://a/b/c/").map(|url| url.path().to_owned()).as_deref(), Ok("/b/c"));
    accepts::<CorsOrigin>(&[("*", "*"), ("https://UI.example.com", "https://ui.example.com")]);
    refuses::<CorsOrigin>(&["", "**", "https://*.example.com", "https://ui.example.com/", "null"]);
    assert!(CorsOrigin::Any.matches("null"));
    let origin = CorsOrigin::read("https://ui.example.com").unwrap();
    assert!(origin.matches("https://ui.example.com") && !origin.matches("http://ui.example.com"));
}

#[test]
fn the_health_path_never_hides_the_registry() {
    accepts::<HealthPath>(&[("/health", "/health"), ("/healthz", "/healthz"), ("/a.b-c_d", "/a.b-c_d")]);
    #[rustfmt::skip]
    refuses::<HealthPath>(&[
        "", "/", "health", "/v2", "/api", "/charts", "/index.yaml", "/-", "/-/health", "/a/b", "//", "/..", "/a?b",
        "/a%20", "/ä", "/v2/", "/_root",
    ]);
}

#[test]
fn names_are_short_and_plain() {
    accepts::<Label>(&[("charthouse", "charthouse"), ("1.10", "1.10"), ("Prod-eu_1", "Prod-eu_1")]);
    refuses::<Label>(&["", "-a", ".a", "a b", "a/b", "ä", &"a".repeat(64)]);
}

#[test]
fn log_filters_are_levels_or_levels_per_target() {
    accepts::<LogFilter>(&[
        ("info", "info"),
        ("off", "off"),
        ("warn,charthouse=trace", "warn,charthouse=trace"),
    ]);
    refuses::<LogFilter>(&[
        "",
        " 0\u{3a3}=",
        "loud",
        "charthouse",
        "info,charthouse=loud",
        "charthouse=debug=x",
    ]);
}

#[test]
fn storage_is_a_directory_memory_or_s3() {
    accepts::<StorageUrl>(&[
        ("./data", "./data"),
        ("/srv/charts", "/srv/charts"),
        ("file:data", "data"),
        ("file:/srv", "/srv"),
        ("file:///srv", "/srv"),
        ("memory:", "memory:"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        (
            "s3://bucket/a/b/?path_style=true&region=eu-1&endpoint=http%3A%2F%2Fminio:9000",
            "s3://bucket/a/b?endpoint=http://minio:9000&region=eu-1&path_style=true",
        ),
    ]);
    #[rustfmt::skip]
    refuses::<StorageUrl>(&[
        "", "memory:x", "file:", "file://host/path", "ftp://x", "S3://bucket", "gs://bucket", "s3://", "s3://Bucket",
        "s3://key:secret@bucket", "s3://key@bucket", "s3://ab", "s3://a..b", "s3://bucket/../x", "s3://bucket/a//b",
        "s3://bucket?secret_key=x", "s3://bucket?region=a&region=b", "s3://bucket?path_style=maybe",
        "s3://bucket?endpoint=http://u:p@minio", "s3://bucket?endpoint=%ff", "s3://bucket?region", "a\nb",
    ]);
    let complaint = StorageUrl::read("s3://key:secret@bucket").unwrap_err();
    assert!(!complaint.contains("secret@"), "a secret is repeated: {complaint}");
}

#[test]
fn certificates_of_a_store_are_read_with_its_url() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(path("a & b%.pem"), pem).unwrap();
    std::fs::write(path("none.pem"), "nothing").unwrap();
    let written = format!("s3://bucket?ca_file={}", path("a & b%.pem").replace('%', "%25"));
    let escaped = written.replace('&', "%26").replace(' ', "%20");
    let StorageUrl::S3(location) = StorageUrl::read(&escaped).unwrap() else { panic!("not S3") };
    assert_eq!(location.ca_file.as_ref().unwrap().pem, pem.as_bytes());
    assert_eq!(StorageUrl::S3(location).write(), escaped);
    for (name, complaint) in [("none.pem", "no certificate in PEM"), ("absent.pem", "No such file")] {
        let refused = StorageUrl::read(&format!("s3://bucket?ca_file={}", path(name))).unwrap_err();
        assert!(refused.contains("ca_file: `") && refused.contains(complaint), "{refused}");
    }
}

#[test]
fn booleans_numbers_addresses_and_lists() {
    accepts::<bool>(&[("true", "true"), ("on", "true"), ("false", "false"), ("off", "false")]);
    refuses::<bool>(&["", "yes", "True", "1"]);
    accepts::<usize>(&[("0", "0"), ("007", "7")]);
    refuses::<usize>(&["", "-1", "+1", "1.0", "0x10", "1_000", "99999999999999999999999"]);
    accepts::<std::net::SocketAddr>(&[("127.0.0.1:5000", "127.0.0.1:5000"), ("[::]:0", "[::]:0")]);
    refuses::<std::net::SocketAddr>(&[
        "",
        ":",
        "localhost",
        "host.example:5000",
        ":5000:",
        "127.0.0.1",
        "127.0.0.1:65536",
        "::1:5000x",
    ]);
    accepts::<Listen>(&[
        ("127.0.0.1:5001", "127.0.0.1:5001"),
        ("[::]:0", "[::]:0"),
        ("off", "off"),
        ("", "off"),
    ]);
    refuses::<Listen>(&["false", "Off", "host:5001", "127.0.0.1"]);
    accepts::<Listen>(&[(":5001", "0.0.0.0:5001"), ("localhost:5001", "127.0.0.1:5001")]);
    accepts::<std::net::SocketAddr>(&[
        (":5000", "0.0.0.0:5000"),
        ("*:80", "0.0.0.0:80"),
        ("LocalHost:5000", "127.0.0.1:5000"),
    ]);
    accepts::<Vec<Network>>(&[("", ""), (" ::1 , 10.0.0.0/8 ", "::1/128,10.0.0.0/8")]);
    refuses::<Vec<Network>>(&[",", "::1,", "::1 ::2"]);
    accepts::<Option<Anonymous>>(&[("", ""), ("read", "read"), ("write", "write")]);
    refuses::<Option<Anonymous>>(&["none", "READ", " "]);
    accepts::<Vec<NamespacePattern>>(&[("", ""), ("**", "**"), ("dev/** , prod-*", "dev/**,prod-*")]);
    refuses::<Vec<NamespacePattern>>(&["true", "on", "Dev", "dev,,prod", "a:1.0.0"]);
    accepts::<Artifacts>(&[("any", "any"), ("charts", "charts")]);
    refuses::<Artifacts>(&["", "chart", "none"]);
}

/// A mistake in the file is told as one in the setting, before anything starts.
#[test]
fn a_keyring_is_read_with_its_setting() {
    let setting = |path: &str| load_yaml(&format!("policy:\n  provenance:\n    keyring: {path}\n"));
    for (path, why) in [("nothing.gpg", "No such file"), ("Cargo.toml", "OpenPGP")] {
        let complaint = complaints(setting(path)).join("; ");
        assert!(complaint.contains(&format!("policy.provenance.keyring: `{path}`")), "{complaint}");
        assert!(complaint.contains(why), "{complaint}");
    }
    let good = setting("charts-fixtures/keys/public.gpg");
    #[cfg(feature = "openpgp")]
    {
        let keyring = good.unwrap().settings.policy.provenance.keyring.unwrap();
        assert_eq!(keyring.write(), "charts-fixtures/keys/public.gpg");
    }
    #[cfg(not(feature = "openpgp"))]
    {
        let complaint = complaints(good).join("; ");
        assert!(complaint.contains("this build has no OpenPGP"), "{complaint}");
    }
}

/// Text that is close to being a setting, or nothing like one.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{1,20}(ms|s|m|h|d|B|KiB|MiB|TiB)?",
        "[0-9a-f:.]{1,12}(/[0-9]{1,3})?(:[0-9]{1,6})?",
        "(s3|https?|file|memory):/{0,3}[a-z.:@/-]{0,10}(\\?[a-z_=&%0-9]{0,20})?",
        "/?[a-z0-9.-]{0,10}",
    ]
}

fn reads_back<T: Value + PartialEq + std::fmt::Debug>(text: &str) -> Result<(), TestCaseError> {
    if let Ok(value) = T::read(text) {
        prop_assert_eq!(T::read(&value.write()), Ok(value));
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_parser_reads_back_what_it_writes(text in texts()) {
        reads_back::<Duration>(&text)?;
        reads_back::<ByteSize>(&text)?;
        reads_back::<bool>(&text)?;
        reads_back::<usize>(&text)?;
        reads_back::<std::net::SocketAddr>(&text)?;
        reads_back::<Listen>(&text)?;
        reads_back::<Network>(&text)?;
        reads_back::<Vec<Network>>(&text)?;
        reads_back::<ExternalUrl>(&text)?;
        reads_back::<CorsOrigin>(&text)?;
        reads_back::<HealthPath>(&text)?;
        reads_back::<StorageUrl>(&text)?;
        reads_back::<Label>(&text)?;
        reads_back::<LogFilter>(&text)?;
        reads_back::<Option<Anonymous>>(&text)?;
    }

    #[test]
    fn durations_and_sizes_are_exact(amount in 0u64..31_536_000_000) {
        let duration = Duration::from_millis(amount);
        prop_assert_eq!(Duration::read(&duration.write()), Ok(duration));
        prop_assert_eq!(ByteSize::read(&ByteSize(amount).write()), Ok(ByteSize(amount)));
    }

    #[test]
    fn any_text_survives_being_printed_as_yaml(text in "[^\\p{Cc}]{1,20}") {
        let environment = variables(&[("CHARTHOUSE_STORAGE_URL", &text)]);
        if let Ok(loaded) = load(None, environment, &[]) {
            prop_assert_eq!(load_yaml(&print(&loaded, true)).unwrap().settings, loaded.settings);
        }
    }

    #[test]
    fn any_variable_is_read_refused_or_ignored(
        name in "(CHARTHOUSE_)?(SERVER_|LOG_|SERVICE_)?[A-Z_0-9]{0,12}", value in "\\PC{0,5}"
    ) {
        let known = KEYS.iter().any(|key| key.variable() == name);
        let found = environment::ours(variables(&[(&name, &value)]));
        prop_assert_eq!(found.values.len(), usize::from(known));
        prop_assert!(found.values.is_empty() || found.problems.is_empty());
    }

    #[test]
    fn any_file_is_read_or_refused(yaml in "((server|log|storage|listen|url|x)?(: |:\n  |- |\\{|\\[|'|#|\n|&a |\\*a|~)){0,20}") {
        let (entries, mistakes) = super::file::read(&yaml);
        prop_assert!(entries.len() <= KEYS.len());
        prop_assert!(mistakes.iter().all(|mistake| !mistake.message.is_empty()));
    }
}

/// `config/charthouse.yaml` as it must be.
fn documented() -> String {
    let defaults = Settings::default();
    let mut yaml = Yaml::default();
    for key in KEYS {
        yaml.line(key, key.doc, &scalar(key, &key.write(&defaults)));
    }
    format!(
        "# Every setting of charthouse with its default: this file can be used as it is.\n\
         # Each is also an environment variable (CHARTHOUSE_SERVER_LISTEN for server.listen; lists with commas),\n\
         # which wins over the file; docs/configuration.md says more. Durations: 500ms, 30s, 10m, 24h, 7d.\n\
         # Sizes: B, KiB, MiB, GiB, TiB.\n{}",
        yaml.text
    )
}

/// The rows of the table in `docs/configuration.md`.
fn rows() -> String {
    let defaults = Settings::default();
    let row = |key: &Key| {
        let default = match scalar(key, &key.write(&defaults)) {
            unset if unset.is_empty() => "unset".to_owned(),
            value => format!("`{value}`"),
        };
        let flag = key.flag.map(|flag| format!("<br>`{flag}`")).unwrap_or_default();
        let doc: Vec<&str> = key.doc.iter().map(|line| line.trim()).collect();
        format!("| `{}`{flag} | {default} | {} |\n", key.name, doc.join(" "))
    };
    KEYS.iter().map(row).collect()
}

#[test]
fn the_documented_file_and_the_page_hold_every_setting() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (file, page) = (root.join("config/charthouse.yaml"), root.join("docs/configuration.md"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, documented()).unwrap();
        let text = std::fs::read_to_string(&page).unwrap();
        let (head, rest) = text.split_once("|---|---|---|\n").unwrap();
        let end = rest.find("\n\n").map_or("\n", |end| &rest[end + 1..]);
        std::fs::write(&page, format!("{head}|---|---|---|\n{}{end}", rows())).unwrap();
    }
    let remedy = "run BLESS=1 cargo test --lib the_documented_file";
    assert_eq!(std::fs::read_to_string(&file).unwrap(), documented(), "{remedy}");
    assert!(std::fs::read_to_string(&page).unwrap().contains(&rows()), "{remedy}");
    let loaded = load(Some(&file), [], &[]).unwrap();
    assert_eq!(loaded.settings, Settings::default());
}
