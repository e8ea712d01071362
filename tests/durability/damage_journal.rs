//! Files of a directory store that were flipped, cut or removed: what is damaged is refused, everything else goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tempfile::TempDir;

use crate::museum::upload;
use crate::support::artifact::Blob;
use crate::support::charts::pack;
use crate::support::folder::files_of;
use crate::support::http::{Request, Response, send};
use crate::support::index::{chart_path, index_path};
use crate::support::registry::{assert_status, blob_path, manifest_path, put_manifest};
use crate::support::release::{Pusher, Release};
use crate::support::server::Server;

const NEXT_START: &[&str] = &["--metrics-listen", "127.0.0.1:0"];

/// What happens to the files of namespace `team` between two starts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    FirstMissing,
    MiddleMissing,
    LastMissing,
    FirstFlipped,
    MiddleFlipped,
    LastFlipped,
    LastCut,
    LastEmpty,
}

impl Damage {
    const ALL: [Self; 8] = [
        Self::FirstMissing,
        Self::MiddleMissing,
        Self::LastMissing,
        Self::FirstFlipped,
        Self::MiddleFlipped,
        Self::LastFlipped,
        Self::LastCut,
        Self::LastEmpty,
    ];

    /// A checkpoint, which a clean stop writes, is what shows that the end of a journal is gone.
    fn needs_checkpoint(self) -> bool {
        self == Self::LastMissing
    }

    fn cause(self, commits: &[PathBuf]) -> &'static str {
        let (first, middle, last) = (&commits[0], &commits[commits.len() / 2], &commits[commits.len() - 1]);
        match self {
            Self::FirstMissing => fs::remove_file(first).unwrap(),
            Self::MiddleMissing => fs::remove_file(middle).unwrap(),
            Self::LastMissing => fs::remove_file(last).unwrap(),
            Self::FirstFlipped => spoil(first, |bytes| flip(bytes)),
            Self::MiddleFlipped => spoil(middle, |bytes| flip(bytes)),
            Self::LastFlipped => spoil(last, |bytes| flip(bytes)),
            Self::LastCut => spoil(last, |bytes| bytes.truncate(100)),
            Self::LastEmpty => spoil(last, Vec::clear),
        }
        match self {
            Self::FirstMissing | Self::MiddleMissing | Self::LastMissing => "gap",
            _ => "commit",
        }
    }

    async fn check(self) {
        let folder = TempDir::new().unwrap();
        let server = Server::over(folder.path());
        let release = fill(&server).await;
        if self.needs_checkpoint() {
            server.stop()
        } else {
            server.kill()
        }
        let whole = files_of(folder.path());
        let kind = self.cause(&commits_of(folder.path(), "team"));
        let damaged = files_of(folder.path());

        let server = start(folder.path());
        for request in requests(&release) {
            refuses(&server, &request).await;
        }
        goes_on(&server).await;
        let (ready, metrics) = watch(&server).await;
        assert_eq!(ready["checks"]["namespaces"]["ok"], false, "{self:?}: {ready}");
        assert_eq!(ready["damage"][kind], 1, "{self:?}: {ready}");
        assert!(!ready.to_string().contains("team"), "{self:?}: a name in {ready}");
        assert!(metrics.contains("\ncharthouse_namespaces_refused 1\n"), "{self:?}: {metrics}");
        let counted = format!("\ncharthouse_storage_damage_total{{kind=\"{kind}\"}} 1\n");
        assert!(metrics.contains(&counted), "{self:?}: {metrics}");
        let log = server.log();
        assert_eq!(log.matches("is refused: the journal is broken").count(), 1, "{self:?}: {log}");
        assert!(of_team(&files_of(folder.path())) == of_team(&damaged), "{self:?}: something was written");

        for (name, bytes) in &whole {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let patience = Instant::now() + Duration::from_secs(30);
        while get(&server, &manifest_path("team/app", "1.0.0")).await.status != 200 {
            assert!(Instant::now() < patience, "{self:?}: still refused");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let (ready, metrics) = watch(&server).await;
        assert_eq!(ready["checks"]["namespaces"]["ok"], true, "{self:?}: {ready}");
        assert!(metrics.contains("\ncharthouse_namespaces_refused 0\n"), "{self:?}: {metrics}");
        push(&server, "team/app", "2.0.0").await;
        server.stop();
    }
}

#[tokio::test]
async fn a_namespace_with_a_damaged_journal_is_refused_and_the_others_go_on() {
    join_all(Damage::ALL.map(Damage::check)).await;
}

#[tokio::test]
async fn a_damaged_checkpoint_costs_nothing_and_is_written_anew() {
    type Spoil = fn(&mut Vec<u8>);
    let spoils: [Spoil; 3] = [|bytes| flip(bytes), |bytes| bytes.truncate(30), Vec::clear];
    for damage in spoils {
        let folder = TempDir::new().unwrap();
        let server = Server::over(folder.path());
        fill(&server).await;
        server.stop();
        let [checkpoint] = &below(&folder.path().join("ns/team/_checkpoint"))[..] else {
            panic!("a clean stop writes one checkpoint");
        };
        spoil(checkpoint, damage);
        let damaged = fs::read(checkpoint).unwrap();
        for start_after in [true, false] {
            let server = start(folder.path());
            assert_status(&get(&server, &manifest_path("team/app", "1.0.0")).await, 200);
            let (ready, metrics) = watch(&server).await;
            assert_eq!(ready["checks"]["namespaces"]["ok"], true);
            let counted = format!(
                "\ncharthouse_storage_damage_total{{kind=\"checkpoint\"}} {}\n",
                u8::from(start_after)
            );
            assert!(metrics.contains(&counted), "{metrics}");
            // It is written in the background.
            let patience = Instant::now() + Duration::from_secs(10);
            while fs::read(checkpoint).map_or(true, |bytes| bytes == damaged) {
                assert!(Instant::now() < patience, "the damaged one is still there");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            server.stop();
        }
    }
}

#[tokio::test]
async fn a_server_does_not_start_over_a_damaged_layout() {
    let folder = TempDir::new().unwrap();
    let server = Server::over(folder.path());
    fill(&server).await;
    server.stop();
    let layout = folder.path().join("layout");
    let sound = fs::read(&layout).unwrap();
    let mut spoilt = vec![(None, "`layout` is gone")];
    for cut in [0, 1, sound.len() / 2, sound.len() - 1] {
        spoilt.push((Some(sound[..cut].to_vec()), "`layout` of the store is damaged"));
    }
    for at in (0..sound.len()).step_by(sound.len() / 8) {
        let mut flipped = sound.clone();
        flipped[at] ^= 4;
        spoilt.push((Some(flipped), "`layout` of the store is damaged"));
    }
    for (bytes, reason) in spoilt {
        fs::remove_file(&layout).unwrap_or_default();
        if let Some(bytes) = bytes {
            fs::write(&layout, bytes).unwrap();
        }
        let before = files_of(folder.path());
        let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_charthouse"))
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--storage"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(reason) && said.contains("from a backup"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(files_of(folder.path()) == before, "{said}");
    }
    fs::write(&layout, sound).unwrap();
    let server = Server::over(folder.path());
    assert_status(&get(&server, &manifest_path("team/app", "1.0.0")).await, 200);
    server.stop();
}

fn start(folder: &Path) -> Server {
    let storage = ["--storage", folder.to_str().unwrap()];
    Server::start(&[&storage[..], NEXT_START].concat())
}

/// Charts in three namespaces; the first release of `team`. That one has so many commits that a clean stop writes a
/// checkpoint of it.
async fn fill(server: &Server) -> Release {
    for n in 0..30 {
        let blob = Blob::new(format!("blob {n}"));
        let target = format!("/v2/team/app/blobs/uploads/?digest={}", blob.digest);
        let pushed = send(server.address(), &Request::post(target).body(blob.bytes)).await.unwrap();
        assert_status(&pushed, 201);
    }
    for repository in ["team/app", "other/app", "team/sub/app"] {
        for version in ["1.0.0", "1.1.0", "1.2.0"] {
            push(server, repository, version).await;
        }
    }
    Release::named("app", "1.0.0")
}

async fn push(server: &Server, repository: &str, version: &str) {
    let release = Release::named("app", version);
    let reply = Pusher::open(server.address()).await.push(repository, version, &release).await;
    assert_status(&reply, 201);
}

async fn get(server: &Server, target: &str) -> Response {
    send(server.address(), &Request::get(target)).await.unwrap()
}

/// One request of each kind that needs the journal of `team`.
fn requests(release: &Release) -> Vec<Request> {
    let image = release.image();
    let (tag, digest) =
        (manifest_path("team/app", "1.0.0"), manifest_path("team/app", &image.manifest.digest));
    let blob = blob_path("team/app", &image.blobs[0].digest);
    let absent = Blob::new("absent");
    let upload_of = |blob: &Blob| {
        let target = format!("/v2/team/new/blobs/uploads/?digest={}", blob.digest);
        Request::post(target).body(blob.bytes.clone())
    };
    let mount = format!("/v2/team/new/blobs/uploads/?mount={}&from=team/app", image.blobs[0].digest);
    vec![
        Request::get(&tag),
        Request::head(&tag),
        Request::get(&digest),
        Request::head(&digest),
        Request::get(manifest_path("team/app", "9.9.9")),
        Request::get(manifest_path("team/never", "1.0.0")),
        Request::get(&blob),
        Request::head(&blob),
        Request::get(blob_path("team/app", &absent.digest)),
        Request::get("/v2/team/app/tags/list"),
        Request::get(format!("/v2/team/app/referrers/{}", image.manifest.digest)),
        put_manifest("team/app", "1.0.1", &image.manifest),
        put_manifest("team/new", "1.0.0", &image.manifest),
        upload_of(&absent),
        upload_of(&Blob::new(vec![7; 100_000])),
        Request::post(mount),
        Request::delete(&tag),
        Request::delete(&digest),
        Request::delete(&blob),
        Request::get(index_path("team")),
        Request::get(chart_path("team", "app-1.0.0.tgz")),
        Request::get("/api/team/charts"),
        Request::get("/api/team/charts/app"),
        Request::get("/api/team/charts/app/1.0.0"),
        upload("team", &pack("app-1.2.3", &[]).bytes),
        Request::delete("/api/team/charts/app/1.0.0"),
        Request::get("/-/api/v1/charts?namespace=team"),
        Request::get("/-/api/v1/search?q=app&namespace=team"),
        Request::get("/-/api/v1/charts/team/app"),
        Request::get("/-/api/v1/charts/team/app/-/versions"),
        Request::get("/-/api/v1/charts/team/app/-/versions/1.0.0/values"),
    ]
}

async fn refuses(server: &Server, request: &Request) {
    let reply = send(server.address(), request).await.unwrap();
    let what = format!("{} {}: {} {}", request.method, request.target(), reply.status, reply.text());
    assert_eq!(reply.status, 503, "{what}");
    assert!(reply.header("retry-after").is_some(), "{what}");
    if request.method != "HEAD" {
        assert!(reply.text().contains("journal of this namespace is damaged"), "{what}");
        assert!(reply.text().contains("ask the operator"), "{what}");
    }
}

async fn goes_on(server: &Server) {
    for repository in ["other/app", "team/sub/app"] {
        assert_status(&get(server, &manifest_path(repository, "1.0.0")).await, 200);
        push(server, repository, "3.0.0").await;
    }
    for target in [
        "/health",
        "/v2/",
        "/v2/_catalog",
        "/other/index.yaml",
        "/-/api/v1/namespaces",
        "/-/api/v1/search?q=app",
    ] {
        assert_status(&get(server, target).await, 200);
    }
}

/// What `/readyz` says, which must be 200, and `/metrics`.
async fn watch(server: &Server) -> (serde_json::Value, String) {
    let of = async |path| send(server.metrics(), &Request::get(path)).await.unwrap();
    let ready = of("/readyz").await;
    assert_status(&ready, 200);
    (ready.json(), of("/metrics").await.text())
}

fn spoil(path: &Path, spoil: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    spoil(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn flip(bytes: &mut [u8]) {
    // In the line of a commit: the time.
    let at =
        bytes.windows(8).position(|window| window == b"\"time\":\"").map_or(bytes.len() / 2, |at| at + 20);
    bytes[at] ^= 1;
}

fn commits_of(folder: &Path, namespace: &str) -> Vec<PathBuf> {
    below(&folder.join(format!("ns/{namespace}/_journal")))
}

/// The files below a folder, in order.
fn below(folder: &Path) -> Vec<PathBuf> {
    files_of(folder).into_keys().map(|name| folder.join(name)).collect()
}

/// What of these files belongs to the namespace `team` itself.
fn of_team(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<&str, &[u8]> {
    let is_own = |name: &str| {
        name.starts_with("ns/team/_")
            || name.starts_with("catalog/team/") && !name.starts_with("catalog/team/sub/")
    };
    let own = files.iter().filter(|(name, _)| is_own(name));
    own.map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect()
}
