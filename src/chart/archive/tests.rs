//! The corpus, what a good package gives, and what holds for any bytes.

use std::io::Read;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use proptest::prelude::*;
use proptest::sample::Index;

use super::corpus::{Verdict, cases};
use super::writer::{CHART_YAML, chart_of, entry, extended, file, gzip, long_name, package, seal};
use super::*;

fn read(package: &[u8]) -> Result<Package, InvalidPackage> {
    Package::read(package, &Limits::default())
}

#[test]
fn every_package_of_the_corpus_gets_its_verdict() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut wrong = Vec::new();
    for (name, package, verdict) in cases {
        let start = Instant::now();
        let read = read(&package);
        // Generous: other tests run beside this one, and the code is not optimised.
        assert!(start.elapsed() < Duration::from_secs(10), "{name} took {:?}", start.elapsed());
        let wrong_verdict = match (&verdict, &read) {
            (Verdict::Refused(rule), Err(error)) => {
                let message = error.to_string();
                (!message.contains(rule) || message.len() > 700).then_some(message)
            }
            (Verdict::Accepted(oddities), Ok(package)) => {
                let found: Vec<String> = package.oddities.iter().map(ToString::to_string).collect();
                let is_same = found.len() == oddities.len()
                    && found.iter().zip(*oddities).all(|(found, expected)| found.contains(expected));
                (!is_same).then(|| format!("{found:?}"))
            }
            (Verdict::Refused(rule), Ok(_)) => Some(format!("accepted, not refused with {rule:?}")),
            (Verdict::Accepted(_), Err(error)) => Some(format!("refused: {error}")),
        };
        wrong.extend(wrong_verdict.map(|what| format!("{name}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_files_are_kept_as_they_are_when_asked_for() {
    let inner = chart_of(&[file("app/values.yaml", "a: 1\n")]);
    let bytes = chart_of(&[
        file("app/templates/a.yaml", "a"),
        file("app/charts/x/Chart.yaml", "name: x\nversion: 0.1.0\n"),
        file("app/charts/db.tgz", &inner),
    ]);
    let package = Package::read_keeping(bytes.as_slice(), &Limits::default(), &|_| true).unwrap();
    assert_eq!(package.content("charts/db.tgz"), Some(inner.as_slice()));
    assert_eq!(package.content("charts/x/Chart.yaml"), Some(&b"name: x\nversion: 0.1.0\n"[..]));
    assert!(package.files.iter().all(|file| package.content(&file.path).is_some()));
}

#[test]
fn a_package_gives_what_a_chart_is_known_by() {
    let db = file("app/charts/db.tgz", package(&[file("db/Chart.yaml", "name: db\nversion: v1\n")]));
    let bytes = chart_of(&[
        file("app/values.yaml", "\u{feff}replicas: 1\n"),
        file("app/values.schema.json", "{}"),
        file("app/ReadMe.md", "# App"),
        file("app/Chart.lock", "digest: x"),
        file("app/templates/a.yaml", "a"),
        file("app/crds/b.yaml", "bb"),
        file("app/charts/x/Chart.yaml", "name: x\nversion: 0.1.0\n"),
        file("app/charts/x/charts/z/Chart.yaml", "name: z\nversion: 0.2.0\n"),
        db,
    ]);
    let package =
        Package::read_keeping(bytes.as_slice(), &Limits::default(), &|path| path.starts_with("templates/"))
            .unwrap();
    assert_eq!((package.metadata.name.as_str(), package.metadata.version.as_str()), ("app", "1.2.3"));
    assert_eq!(package.chart_yaml(), CHART_YAML.as_bytes());
    assert_eq!(package.values(), Some(&b"replicas: 1\n"[..]));
    assert_eq!(package.schema(), Some(&b"{}"[..]));
    assert_eq!(package.readme(), Some(&b"# App"[..]));
    assert_eq!(package.lock(), Some(&b"digest: x"[..]));
    assert_eq!(package.requirements(), None);
    assert_eq!(package.content("templates/a.yaml"), Some(&b"a"[..]));
    assert_eq!(package.content("crds/b.yaml"), None, "not asked for");
    let templates: Vec<_> = package.templates().map(|file| (&*file.path, file.size)).collect();
    assert_eq!(templates, [("templates/a.yaml", 1)]);
    assert_eq!(package.crds().map(|file| file.size).collect::<Vec<_>>(), [2]);
    assert_eq!(package.files.len(), 10);
    let subcharts: Vec<String> = package.subcharts.iter().map(ToString::to_string).collect();
    assert_eq!(subcharts, ["charts/db.tgz: db v1", "charts/x: x 0.1.0", "charts/x/charts/z: z 0.2.0"]);
}

#[test]
fn requirements_of_old_charts_are_dependencies() {
    let bytes = package(&[
        file("app/requirements.yaml", "dependencies: [{name: db, version: ^1, repository: oci://x}]"),
        file("app/Chart.yaml", "name: app\nversion: 1.0.0\n"),
    ]);
    let package = read(&bytes).unwrap();
    assert_eq!(package.metadata.api_version.as_deref(), Some("v1"));
    assert_eq!(package.metadata.dependencies[0].name, "db");
}

#[test]
fn limits_are_what_they_say() {
    let bytes = chart_of(&[file("app/x", "12345")]);
    let limits = Limits { unpacked: CHART_YAML.len() as u64 + 5, file: 64, entries: 2, depth: 0 };
    assert!(Package::read(bytes.as_slice(), &limits).is_ok());
    let refused = |limits: Limits| Package::read(bytes.as_slice(), &limits).unwrap_err();
    assert!(matches!(
        refused(Limits { unpacked: limits.unpacked - 1, ..limits.clone() }),
        InvalidPackage::TooLarge
    ));
    assert!(matches!(refused(Limits { file: 4, ..limits.clone() }), InvalidPackage::FileTooLarge { .. }));
    assert!(matches!(refused(Limits { entries: 1, ..limits }), InvalidPackage::TooManyEntries));
}

/// By hand, in a release build: `cargo test --release --lib -- --ignored --nocapture a_megabyte`.
#[test]
#[ignore = "a figure, not a check"]
fn a_megabyte_is_read_in() {
    let noise = |seed: u64| -> Vec<u8> {
        let mut state = seed | 1;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            b"abcdefgh ijklmno:pqrst\n-\"{}0123456789"[(state >> 33) as usize % 37]
        })
        .take(20_000)
        .collect()
    };
    let files: Vec<_> = (0..70).map(|n| file(&format!("app/templates/{n}.yaml"), noise(n))).collect();
    let package = chart_of(&files);
    let start = Instant::now();
    for _ in 0..20 {
        assert!(read(&package).is_ok());
    }
    println!("{} bytes in {:?}", package.len(), start.elapsed() / 20);
}

#[test]
fn an_error_of_the_source_is_no_verdict() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        }
    }
    let bytes = chart_of(&[]);
    let cut = bytes[..bytes.len() / 2].chain(Broken);
    assert!(matches!(Package::read(cut, &Limits::default()), Err(InvalidPackage::Unreadable(_))));
    assert!(matches!(Package::read(Broken, &Limits::default()), Err(InvalidPackage::Unreadable(_))));
}

/// An archive, not compressed, with all that a mutation could turn into something else.
fn rich() -> Vec<u8> {
    let entries = [
        extended(b'g', &[("comment", "c")]),
        file("app/Chart.yaml", CHART_YAML),
        entry(b"app/templates/", b'5', b"", |_| {}),
        long_name("app/templates/long"),
        file("app/templates/short", "x"),
        extended(b'x', &[("path", "app/other"), ("size", "3"), ("mtime", "1.5")]),
        file("app/values.yaml", "a: "),
        file("app/charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
        file("app/charts/x.tgz", chart_of(&[])),
    ];
    [entries.concat(), vec![0; 1024]].concat()
}

#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Cut(Index),
    CopyBlock(Index, Index),
    DropBlock(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = prop_oneof![any::<u8>(), Just(0), Just(b'0'), Just(b' '), Just(b'/'), Just(b'x'), Just(b'5')];
    prop_oneof![
        6 => (any::<Index>(), byte).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        1 => any::<Index>().prop_map(Mutation::Cut),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::CopyBlock(from, to)),
        1 => any::<Index>().prop_map(Mutation::DropBlock),
    ]
}

impl Mutation {
    fn apply(&self, tar: &mut Vec<u8>) {
        let blocks = tar.len() / 512;
        if blocks == 0 {
            return;
        }
        match self {
            Self::Set(at, byte) => {
                let at = at.index(tar.len());
                tar[at] = *byte;
                // Else the checksum would hide all else.
                let block = at / 512 * 512;
                if block + 512 <= tar.len() && at % 512 < 300 {
                    seal(&mut tar[block..block + 512]);
                }
            }
            Self::Cut(at) => tar.truncate(at.index(tar.len())),
            Self::CopyBlock(from, to) => {
                let from = from.index(blocks) * 512;
                let to = to.index(blocks) * 512;
                tar.splice(to..to, tar[from..from + 512].to_vec());
            }
            Self::DropBlock(at) => {
                let at = at.index(blocks) * 512;
                tar.drain(at..at + 512);
            }
        }
    }
}

/// Names and sizes of the files that the `tar` crate sees.
fn seen_by_another_reader(package: &[u8]) -> io::Result<Vec<(Vec<u8>, u64)>> {
    let mut archive = tar::Archive::new(GzDecoder::new(package));
    let mut seen = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() && !entry.path_bytes().ends_with(b"/") {
            let size = io::copy(&mut entry, &mut io::sink())?;
            seen.push((entry.path_bytes().into_owned(), size));
        }
    }
    Ok(seen)
}

/// 3,000 cases, or more where `PROPTEST_CASES` says so: a run of ten minutes is in CONTRIBUTING.md.
fn cases_to_try() -> ProptestConfig {
    let wanted = ProptestConfig::default();
    ProptestConfig { cases: wanted.cases.max(3_000), ..wanted }
}

proptest! {
    #![proptest_config(cases_to_try())]

    #[test]
    fn mutated_archives_are_refused_or_read_as_others_read_them(
        mutations in proptest::collection::vec(mutation(), 1..4)
    ) {
        let mut tar = rich();
        mutations.iter().for_each(|mutation| mutation.apply(&mut tar));
        let package = gzip(&tar);
        let start = Instant::now();
        let ours = read(&package);
        prop_assert!(start.elapsed() < Duration::from_secs(5));
        if let Ok(ours) = ours {
            let others = seen_by_another_reader(&package).unwrap();
            let others: Vec<_> = others.iter().map(|(name, size)| (paths::place(name).unwrap().path, *size)).collect();
            let ours: Vec<_> = ours.files.iter().map(|file| (file.path.to_string(), file.size)).collect();
            prop_assert_eq!(ours, others);
        }
    }

    #[test]
    fn mutated_packages_never_panic(at: Index, byte: u8, cut: Option<Index>) {
        let mut package = gzip(&rich());
        let at = at.index(package.len());
        package[at] = byte;
        if let Some(cut) = cut {
            package.truncate(cut.index(package.len()));
        }
        let _ = read(&package);
    }
}
