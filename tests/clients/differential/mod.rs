//! Generated charts, read, packaged and pushed by both Helms and by charthouse: what Helm takes is taken, with the same
//! digests and the same values in the index, and what Helm fails on is refused. `scripts/differential N` tries more.

mod exceptions;
mod generate;
mod oracle;
mod provenance;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use charthouse::chart::archive::{Limits, Package};
use charthouse::chart::{Artifact, Config, Metadata, Named};
use serde_json::{Value, json};

use self::exceptions::is_documented;
use self::generate::Random;
use self::oracle::{Oracle, Outcome};
use crate::museum::upload;
use crate::support::app::{Kind, TestServer};
use crate::support::distribution::Distribution;

/// Texts per archive: to read one costs little.
const TEXTS: u64 = 20;

const SAME: &str = "taken by both Helms and here, with the same digests and values";
const BY_RULE: &str = "taken by both Helms, refused here by a documented rule";
const BY_ALL: &str = "refused by all";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// The charts of this run, each with a seed of its own.
fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let first = setting("DIFFERENTIAL_SEED", 1) << 32;
    (0..count).map(move |n| first + n)
}

/// Compares what both Helms and charthouse make of a text.
fn compare(helms: &[Outcome; 2], ours: &Result<String, String>) -> Result<&'static str, String> {
    let [three, four] = helms;
    if three.config != four.config || three.error.is_empty() != four.error.is_empty() {
        return Err(format!("the Helms differ: {three:?} {four:?}"));
    }
    match (ours, three.error.is_empty()) {
        (Ok(config), true) if *config == three.config => Ok(SAME),
        (Ok(config), true) => Err(format!("read otherwise\n ours {config}\n Helm {}", three.config)),
        (Ok(config), false) => Err(format!("taken, but Helm fails: {}\n ours {config}", three.error)),
        (Err(refusal), true) if !is_documented(refusal) => {
            Err(format!("refused, but Helm reads it: {refusal}\n Helm {}", three.config))
        }
        (Err(_), true) => Ok(BY_RULE),
        (Err(_), false) => Ok(BY_ALL),
    }
}

/// How many charts ended in what way.
#[derive(Default)]
struct Figures(BTreeMap<&'static str, u64>);

impl Figures {
    /// Counts an outcome, and returns what is wrong with it.
    fn count(&mut self, outcome: Result<&'static str, String>) -> Option<String> {
        *self.0.entry(outcome.as_ref().copied().unwrap_or("wrong")).or_default() += 1;
        outcome.err()
    }

    fn of(&self, way: &str) -> u64 {
        self.0.get(way).copied().unwrap_or(0)
    }

    /// Shown with `--nocapture`.
    fn print(&self, of: &str) {
        for (way, count) in &self.0 {
            println!("{of}: {count} {way}");
        }
    }
}

fn report(seed: u64, input: &str, wrong: &str) -> String {
    format!("seed {seed:#x}: {input:?}\n{wrong}")
}

#[test]
fn chart_yaml_is_read_as_both_helms_read_it() {
    let Some(mut oracle) = Oracle::start() else { return };
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let mut wrong = Vec::new();
    let (mut figures, count) = (Figures::default(), TEXTS * setting("DIFFERENTIAL_CHARTS", 250));
    for seed in seeds(count) {
        let text = generate::chart_yaml(&mut Random::new(seed));
        let helms = oracle.ask(&json!({"op": "read", "files": {"Chart.yaml": base64(&text)}}));
        let read = Metadata::from_yaml(text.as_bytes(), None);
        let ours = read.map(|metadata| Config::of(&metadata).to_json()).map_err(|error| error.to_string());
        wrong.extend(figures.count(compare(&helms, &ours)).map(|wrong| report(seed, &text, &wrong)));
    }
    figures.print("Chart.yaml");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n\n"));
    let taken = figures.of(SAME);
    assert!(taken > count / 4, "only {taken} of {count} charts are good ones");
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_are_pushed_and_listed_as_with_both_helms() {
    let Some(mut oracle) = Oracle::start() else { return };
    let Some(distribution) = Distribution::start() else { return };
    let servers = Servers { distribution, charthouse: TestServer::start(Kind::Memory).await };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut packages, mut provenances) = (Figures::default(), Figures::default());
    let (mut wrong, count) = (Vec::new(), setting("DIFFERENTIAL_CHARTS", 250));
    for seed in seeds(count) {
        let mut random = Random::new(seed);
        let text = generate::chart_yaml(&mut random);
        let archives = if seed % 2 == 0 {
            packaged(&mut oracle, folder.path(), &text)
        } else {
            vec![generate::archive(&mut random, &text)]
        };
        for (n, archive) in archives.into_iter().enumerate() {
            let path = folder.path().join(format!("{seed:x}-{n}.tgz"));
            fs::write(&path, &archive).expect("write the package");
            let namespace = format!("n{seed:x}-{n}");
            let outcome = servers.try_package(&mut oracle, &path, &archive, &namespace).await;
            let signed = outcome == Ok(SAME) && random.one_in(4);
            wrong.extend(packages.count(outcome).map(|wrong| report(seed, &text, &wrong)));
            if signed {
                let outcome = servers.try_provenance(&mut oracle, &mut random, &path, &archive, &namespace);
                wrong.extend(provenances.count(outcome).map(|wrong| report(seed, &text, &wrong)));
            }
            fs::remove_file(&path).expect("remove the package");
        }
    }
    packages.print("packages");
    provenances.print("provenance files");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n\n"));
}

/// The packages that `helm package` of both Helms makes of a folder, if it does.
fn packaged(oracle: &mut Oracle, folder: &Path, chart_yaml: &str) -> Vec<Vec<u8>> {
    let chart = folder.join("app");
    fs::create_dir_all(chart.join("templates")).expect("a folder");
    fs::write(chart.join("Chart.yaml"), chart_yaml).expect("write Chart.yaml");
    let to = [folder.join("3"), folder.join("4")];
    let made = oracle.ask(&json!({"op": "package", "path": chart, "to": to}));
    let made = made.iter().filter(|outcome| outcome.error.is_empty());
    made.map(|outcome| fs::read(&outcome.path).expect("read the package")).collect()
}

/// The question what both Helms push of a package to a server.
fn push(path: &Path, host: &str, namespace: &str) -> Value {
    let to = ["3", "4"].map(|helm| format!("{host}/{namespace}-{helm}"));
    json!({"op": "push", "path": path, "to": to})
}

struct Servers {
    distribution: Distribution,
    charthouse: TestServer,
}

impl Servers {
    /// Pushes a package with both Helms to both servers, and uploads it.
    async fn try_package(
        &self,
        oracle: &mut Oracle,
        path: &Path,
        archive: &[u8],
        namespace: &str,
    ) -> Result<&'static str, String> {
        let elsewhere = oracle.ask(&push(path, self.distribution.host(), namespace));
        let here = oracle.ask(&push(path, &self.charthouse.addr.to_string(), namespace));
        let uploaded = self.charthouse.send(upload(namespace, archive)).await;
        let ours = Package::read(archive, &Limits::default()).map(|package| Config::of(&package.metadata));
        let (Ok(config), true) = (&ours, elsewhere.iter().all(|outcome| outcome.error.is_empty())) else {
            return self.refused(&elsewhere, &here, ours.map(|config| config.to_json()), uploaded.status);
        };
        if here.iter().all(|outcome| is_documented(&outcome.error)) {
            return Ok(BY_RULE);
        }
        if here != elsewhere {
            return Err(format!("pushed otherwise\n here {here:?}\n distribution {elsewhere:?}"));
        }
        let created = time_of(path);
        let made = Artifact::new(config, Named::of(archive), None, &created);
        let (made_config, made) = (Named::of(made.config.as_bytes()), Named::of(made.manifest.as_bytes()));
        if (made.digest.to_string(), made_config.digest.to_string())
            != (here[0].manifest.clone(), here[0].digest.clone())
        {
            return Err(format!(
                "`charthouse push` makes another manifest at {created}: {}",
                config.to_json()
            ));
        }
        if uploaded.status != 201 {
            return Err(format!("the upload is refused: {}", uploaded.text()));
        }
        for namespace in [namespace.to_owned(), format!("{namespace}-3"), format!("{namespace}-4")] {
            let index: Value = self.charthouse.get(format!("/{namespace}/index.yaml")).await.json();
            compare_entry(&index["entries"][&config.name][0], config)?;
        }
        Ok(SAME)
    }

    /// What a Helm fails on is refused; what both take may be refused for a documented reason.
    fn refused(
        &self,
        elsewhere: &[Outcome; 2],
        here: &[Outcome; 2],
        ours: Result<String, impl ToString>,
        uploaded: u16,
    ) -> Result<&'static str, String> {
        if here.iter().any(|outcome| outcome.error.is_empty())
            && elsewhere.iter().any(|outcome| !outcome.error.is_empty())
        {
            return Err(format!("taken here alone\n here {here:?}\n distribution {elsewhere:?}"));
        }
        match ours.map_err(|refusal| refusal.to_string()) {
            // A name that no repository can have.
            Ok(_) if elsewhere[0].error.contains("invalid reference") && uploaded >= 400 => Ok(BY_ALL),
            Ok(config) => Err(format!("read, but Helm fails: {:?}\n {config}", elsewhere[0].error)),
            Err(refusal) if elsewhere[0].error.is_empty() && !is_documented(&refusal) => {
                Err(format!("refused: {refusal}"))
            }
            Err(_) if uploaded < 400 => Err("the upload is taken".to_owned()),
            Err(_) if elsewhere[0].error.is_empty() => Ok(BY_RULE),
            Err(_) => Ok(BY_ALL),
        }
    }
}

/// The time of a file as Helm writes it, here in UTC as in the tests of both.
fn time_of(path: &Path) -> String {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).expect("a time");
    let since = modified.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    charthouse::clock::Timestamp::from_micros(since.as_secs() as i64 * 1_000_000)
        .to_string()
        .replace(".000000Z", "Z")
}

/// All that the config says is in the index, and no more.
fn compare_entry(entry: &Value, config: &Config) -> Result<(), String> {
    let mut entry = entry.clone();
    let config: Value = serde_json::from_str(&config.to_json()).expect("a config is JSON");
    if let Some(fields) = entry.as_object_mut() {
        for own in ["urls", "created", "digest"] {
            fields.remove(own);
        }
    }
    let same = cleaned(&entry) == cleaned(&config);
    if same { Ok(()) } else { Err(format!("listed otherwise\n index  {entry}\n config {config}")) }
}

/// Without the fields that are empty, and with all numbers as floats.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let full = fields.iter().filter(|(_, value)| !matches!(value, Value::Null) && **value != "");
            Value::Object(full.map(|(key, value)| (key.clone(), cleaned(value))).collect())
        }
        Value::Array(values) => values.iter().map(cleaned).collect(),
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}
