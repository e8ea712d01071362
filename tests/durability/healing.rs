//! Damaged content is 404 once it has been read, and any push of the same content heals it for all replicas and after a
//! restart (docs/internals/journal-protocol.md#damage-and-healing).

use std::sync::Arc;

use bytes::Bytes;
use charthouse::backend::{Backend, Key, Memory};
use flate2::Compression;
use serde_json::json;

use crate::museum::{api, form};
use crate::support::app::{TestServer, shared};
use crate::support::artifact::{
    Blob, Document, HELM_CHART, HELM_PROVENANCE, Image, image, index, noise, referrer,
};
use crate::support::charts::archive;
use crate::support::http::{Request, Response};
use crate::support::registry::{assert_status, blob_path, location, manifest_path, with_digest};
use crate::support::release::{Pusher, Release, unsigned_provenance};

const REPOSITORY: &str = "team/app";
/// Holds copies of the blobs, in another namespace.
const ELSEWHERE: &str = "other/app";

/// What happens to stored bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    Flip,
    /// The object ends in the middle of the bytes.
    Cut,
    /// The object is gone. A commit that is gone is a loss of its journal, so this is for data objects.
    Delete,
}

/// How the same content is pushed again.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Post,
    Put,
    Patch,
    Mount,
    Manifest(&'static str),
    ManifestByDigest,
    /// As Helm does: asks for each blob, uploads those that are missing, and puts the manifest.
    Helm,
    Museum,
    MuseumForm,
    MuseumProvenance,
}

/// Everything that is pushed.
pub struct Content {
    small: Blob,
    middle: Blob,
    large: Blob,
    image: Image,
    /// Its manifest is too large to be attached to a commit.
    long: Image,
    index: Document,
    signature: Image,
    helm: Release,
    packages: [Packed; 4],
}

/// A package with its provenance file, for ChartMuseum's API.
pub struct Packed {
    version: &'static str,
    package: Bytes,
    provenance: Option<Bytes>,
}

impl Packed {
    fn new(version: &'static str, ballast: usize, is_signed: bool) -> Self {
        let metadata = json!({"apiVersion": "v2", "name": "web", "version": version}).to_string();
        let ballast = noise(version, ballast);
        let files = [("Chart.yaml", metadata.as_bytes()), ("ballast", &ballast[..])];
        let package = Blob::new(archive("web", Compression::none(), files));
        let file = format!("web-{version}.tgz");
        let provenance = is_signed.then(|| unsigned_provenance(&metadata, &file, &package.digest).into());
        Self { version, package: package.bytes, provenance }
    }

    fn path(&self) -> String {
        format!("/team/charts/web-{}.tgz", self.version)
    }
}

impl Content {
    pub fn new() -> Self {
        let image = image("of damage");
        let mut long = image.clone();
        long.manifest = image.manifest.with(|value| value["annotations"] = json!({"x": "y".repeat(20_000)}));
        Self {
            small: Blob::new(noise("small", 1_000)),
            middle: Blob::new(noise("middle", 20_000)),
            large: Blob::new(noise("large", 400_000)),
            index: index(&[&image.manifest]),
            signature: referrer(&image.manifest, "application/vnd.test.signature", "signed"),
            image,
            long,
            helm: Release::named("app", "1.2.3").signed(),
            packages: [
                Packed::new("1.0.0", 100, true),
                Packed::new("2.0.0", 30_000, true),
                Packed::new("3.0.0", 100, false),
                Packed::new("4.0.0", 300_000, false),
            ],
        }
    }

    pub async fn push(&self, server: &TestServer) {
        for blob in [&self.small, &self.middle, &self.large] {
            server.push_blob(REPOSITORY, blob).await;
            server.push_blob(ELSEWHERE, blob).await;
        }
        server.push_image(REPOSITORY, "image", &self.image).await;
        server.push_manifest(REPOSITORY, "long", &self.long.manifest).await;
        server.push_manifest(REPOSITORY, "index", &self.index).await;
        server.push_image(REPOSITORY, &self.signature.manifest.digest, &self.signature).await;
        server.push_release(REPOSITORY, "1.2.3", &self.helm).await;
        for packed in &self.packages {
            assert_status(&upload(server, packed).await, 201);
        }
    }

    /// Which bytes are damaged, where they are served, and all ways to push them again.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (name, blob) in
            [("small blob", &self.small), ("middle blob", &self.middle), ("large blob", &self.large)]
        {
            let ways = vec![Way::Post, Way::Put, Way::Patch, Way::Mount];
            rows.push(Row::new(name, &blob.bytes, vec![blob_path(REPOSITORY, &blob.digest)], ways));
        }
        for blob in self.image.blobs.iter().chain(&self.signature.blobs) {
            let target = blob_path(REPOSITORY, &blob.digest);
            rows.push(Row::new("blob of an image", &blob.bytes, vec![target], vec![Way::Put]));
        }
        let document = |name, document: &Document, tag: Option<&'static str>| {
            let mut targets = vec![manifest_path(REPOSITORY, &document.digest)];
            targets.extend(tag.map(|tag| manifest_path(REPOSITORY, tag)));
            let mut ways = vec![Way::ManifestByDigest];
            ways.extend(tag.map(Way::Manifest));
            Row::new(name, &document.body, targets, ways)
        };
        // The child of an index, the subject of a referrer.
        rows.push(document("manifest", &self.image.manifest, Some("image")));
        rows.push(document("long manifest", &self.long.manifest, Some("long")));
        rows.push(document("index", &self.index, Some("index")));
        rows.push(document("referrer", &self.signature.manifest, None));
        let helm = self.helm.image();
        let package = self.helm.layer(HELM_CHART);
        let provenance = self.helm.layer(HELM_PROVENANCE);
        let file = |file: &str| format!("/team/charts/app-1.2.3.tgz{file}");
        let at = |blob: &Blob| blob_path(REPOSITORY, &blob.digest);
        rows.push(document("chart manifest", &helm.manifest, Some("1.2.3")).by(Way::Helm));
        rows.push(Row::new(
            "config",
            self.helm.config(),
            vec![at(&Blob::new(self.helm.config().clone()))],
            vec![Way::Helm],
        ));
        rows.push(Row::new("package", &package.bytes, vec![at(package), file("")], vec![Way::Helm]));
        rows.push(Row::new(
            "provenance",
            &provenance.bytes,
            vec![at(provenance), file(".prov")],
            vec![Way::Helm],
        ));
        for (n, packed) in self.packages.iter().enumerate() {
            let ways = match packed.provenance {
                Some(_) => vec![Way::MuseumForm],
                None => vec![Way::MuseumForm, Way::Museum],
            };
            let name = if packed.package.len() > 256 * 1024 { "large package" } else { "uploaded package" };
            rows.push(Row::new(name, &packed.package, vec![packed.path()], ways).of(n));
            if let Some(provenance) = &packed.provenance {
                let targets = vec![format!("{}.prov", packed.path())];
                let ways = vec![Way::MuseumForm, Way::MuseumProvenance];
                rows.push(Row::new("uploaded provenance", provenance, targets, ways).of(n));
            }
        }
        rows
    }
}

#[derive(Clone)]
pub struct Row {
    pub name: &'static str,
    pub bytes: Bytes,
    pub targets: Vec<String>,
    pub ways: Vec<Way>,
    /// Which of the packages it is about.
    package: usize,
}

impl Row {
    fn new(name: &'static str, bytes: &Bytes, targets: Vec<String>, ways: Vec<Way>) -> Self {
        Self { name, bytes: bytes.clone(), targets, ways, package: 0 }
    }

    fn by(mut self, way: Way) -> Self {
        self.ways.push(way);
        self
    }

    fn of(mut self, package: usize) -> Self {
        self.package = package;
        self
    }

    pub async fn push(&self, content: &Content, server: &TestServer, way: Way) -> Response {
        let blob = Blob::new(self.bytes.clone());
        let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/");
        let packed = &content.packages[self.package];
        let document = || {
            let documents = [&content.image.manifest, &content.long.manifest, &content.index];
            let known = documents.into_iter().find(|document| document.body == self.bytes);
            known.unwrap_or(&content.signature.manifest).media_type.clone()
        };
        let document = || Document::from_bytes(&document(), self.bytes.clone());
        match way {
            Way::Post => {
                let target = format!("{uploads}?digest={}", blob.digest);
                server.send(Request::post(target).body(blob.bytes.clone())).await
            }
            Way::Put => server.put_blob(REPOSITORY, &blob).await,
            Way::Patch => {
                let session = server.start_upload(REPOSITORY).await;
                let half = blob.bytes.len() / 2;
                let patched = server.send(Request::patch(session, blob.bytes.slice(..half))).await;
                let last = with_digest(&location(&patched), &blob.digest);
                server.send(Request::put(last, blob.bytes.slice(half..))).await
            }
            Way::Mount => {
                server.send(Request::post(format!("{uploads}?mount={}&from={ELSEWHERE}", blob.digest))).await
            }
            Way::Manifest(tag) => server.put_manifest(REPOSITORY, tag, &document()).await,
            Way::ManifestByDigest => server.put_manifest(REPOSITORY, &blob.digest, &document()).await,
            Way::Helm => push_as_helm(server, &content.helm).await,
            Way::Museum => {
                server.send(Request::post(api("team", "charts")).body(packed.package.clone())).await
            }
            Way::MuseumForm => upload(server, packed).await,
            Way::MuseumProvenance => {
                let provenance = packed.provenance.clone().unwrap_or_default();
                server.send(Request::post(api("team", "prov")).body(provenance)).await
            }
        }
    }
}

async fn upload(server: &TestServer, packed: &Packed) -> Response {
    let mut files = vec![("chart", &packed.package[..])];
    files.extend(packed.provenance.as_ref().map(|provenance| ("prov", &provenance[..])));
    server.send(form(api("team", "charts"), &files)).await
}

async fn push_as_helm(server: &TestServer, release: &Release) -> Response {
    let image = release.image();
    for blob in &image.blobs {
        if server.head(blob_path(REPOSITORY, &blob.digest)).await.status == 404 {
            server.push_blob(REPOSITORY, blob).await;
        }
    }
    server.put_manifest(REPOSITORY, "1.2.3", &image.manifest).await
}

/// A store in memory, and what can happen to it.
#[derive(Clone)]
struct Store(Arc<Memory>);

impl Store {
    async fn filled(content: &Content) -> Self {
        let store = Self(Arc::new(Memory::new()));
        content.push(&store.server().await).await;
        store
    }

    /// A replica that knows nothing but the store.
    async fn server(&self) -> TestServer {
        TestServer::replica_over(self.0.clone(), shared()).await
    }

    async fn objects(&self, prefix: &str) -> Vec<(Key, Bytes)> {
        let mut objects = Vec::new();
        for key in self.0.list(prefix, "", usize::MAX).await.unwrap() {
            objects.push((key.clone(), self.0.read(&key, None).await.unwrap()));
        }
        objects
    }

    async fn copy(&self) -> Self {
        let copy = Memory::new();
        for (key, bytes) in self.objects("").await {
            copy.create(&key, vec![bytes]).await.unwrap();
        }
        Self(Arc::new(copy))
    }

    /// The object of the namespace `team` that has `bytes`, and where in it they are.
    async fn find(&self, bytes: &[u8]) -> (Key, Vec<u8>, usize) {
        let objects = self.objects("ns/team/").await;
        let found = objects.into_iter().filter_map(|(key, object)| {
            let at = object.windows(bytes.len()).position(|window| window == bytes)?;
            Some((key, object.to_vec(), at))
        });
        // A provenance file has the config in it: what follows the line of a commit, or begins an object, is meant.
        let line = |object: &[u8]| object.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let is_whole = |object: &[u8], at: usize| at == 0 || at == line(object);
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|(_, object, at)| !is_whole(object, *at));
        found.into_iter().next().expect("the bytes are stored")
    }

    async fn harm(&self, bytes: &[u8], damage: Damage) {
        let (key, mut object, at) = self.find(bytes).await;
        let middle = at + bytes.len() / 2;
        match damage {
            Damage::Flip => object[middle] ^= 1,
            Damage::Cut => object.truncate(middle),
            Damage::Delete => object.clear(),
        }
        self.0.delete(std::slice::from_ref(&key)).await.unwrap();
        if damage != Damage::Delete {
            self.0.create(&key, vec![object.into()]).await.unwrap();
        }
    }
}

async fn assert_all_served(server: &TestServer, row: &Row, case: &str) {
    for target in &row.targets {
        let read = server.get(target).await;
        assert_eq!(read.status, 200, "{case}: {target} {}", read.text());
        assert!(read.body == row.bytes, "{case}: {target} has other bytes");
        assert_eq!(server.head(target).await.status, 200, "{case}: {target}");
    }
}

/// Reads what is damaged, pushes it again, and looks at it from everywhere.
async fn heal(store: &Store, content: &Content, row: &Row, damage: Damage, way: Way) {
    let case = format!("{} {damage:?}, pushed by {way:?}", row.name);
    println!("{case}");
    let store = store.copy().await;
    let witness = store.server().await;
    assert_all_served(&witness, row, &case).await;
    store.harm(&row.bytes, damage).await;
    let server = store.server().await;
    for target in &row.targets {
        assert_eq!(server.get(target).await.status, 404, "{case}: {target}");
        assert_eq!(server.head(target).await.status, 404, "{case}: {target}");
    }
    let pushed = row.push(content, &server, way).await;
    assert_eq!(pushed.status, 201, "{case}: {}", pushed.text());
    for server in [&server, &witness, &store.server().await] {
        assert_all_served(server, row, &case).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_heals_damaged_content_whatever_it_is_and_however_it_is_pushed() {
    let content = Content::new();
    let store = Store::filled(&content).await;
    for row in content.rows() {
        let (key, ..) = store.find(&row.bytes).await;
        let is_object = key.as_str().contains("/_data/");
        for (n, way) in row.ways.iter().enumerate() {
            // Every way, every damage, and not all of their product.
            let damages = [Damage::Flip, Damage::Cut, Damage::Delete];
            let possible = &damages[..if is_object { 3 } else { 2 }];
            let all = if n == 0 { possible } else { &possible[n % possible.len()..][..1] };
            for damage in all {
                heal(&store, &content, &row, *damage, *way).await;
            }
        }
    }
}

/// Nobody has read the damage yet: small content is healed by the first push, larger content by the one after a read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_never_hides_damage_that_nobody_has_read() {
    let content = Content::new();
    let store = Store::filled(&content).await;
    for row in content.rows() {
        for way in &row.ways {
            // Helm asks before it pushes, and a mount has no bytes: neither can know.
            if matches!(way, Way::Helm | Way::Mount) {
                continue;
            }
            let case = format!("{}, pushed by {way:?}", row.name);
            let store = store.copy().await;
            store.harm(&row.bytes, Damage::Flip).await;
            let server = store.server().await;
            assert_eq!(server.head(&row.targets[0]).await.status, 200, "{case}: nobody knows");
            assert_eq!(row.push(&content, &server, *way).await.status, 201, "{case}");
            if row.name.starts_with("large") {
                assert_eq!(server.get(&row.targets[0]).await.status, 404, "{case}");
                assert_eq!(row.push(&content, &server, *way).await.status, 201, "{case}");
            }
            for server in [&server, &store.server().await] {
                assert_all_served(server, &row, &case).await;
            }
        }
    }
}

/// Helm writes the time of the package's file into its manifest, so a push from another checkout has another digest.
#[tokio::test]
async fn a_released_version_whose_manifest_is_damaged_moves_to_another_manifest_of_the_same_chart() {
    let release = |day: &str| Release::named("app", "1.2.3").signed().created(day);
    let (first, second) = (release("2026-01-01T00:00:00Z"), release("2026-02-02T00:00:00Z"));
    let third = release("2026-03-03T00:00:00Z");
    let store = Store(Arc::new(Memory::new()));
    let server = store.server().await;
    server.push_release(REPOSITORY, "1.2.3", &first).await;
    let tag = manifest_path(REPOSITORY, "1.2.3");
    // While it is not damaged, the version stays with its first manifest.
    assert_status(&push_as_helm(&server, &second).await, 201);
    assert_eq!(server.get(&tag).await.body, first.image().manifest.body);
    store.harm(&first.image().manifest.body, Damage::Flip).await;

    let server = store.server().await;
    assert_eq!(server.get(&tag).await.status, 404);
    let other =
        Release::new(&json!({"apiVersion": "v2", "name": "app", "version": "1.2.3", "description": "other"}));
    let refused = Pusher::open(server.addr).await.push(REPOSITORY, "1.2.3", &other).await;
    assert_status(&refused, 409);
    assert_status(&push_as_helm(&server, &third).await, 201);
    for server in [&server, &store.server().await] {
        let read = server.get(&tag).await;
        assert_eq!((read.status, &read.body[..]), (200, &third.image().manifest.body[..]));
        let package = server.get("/team/charts/app-1.2.3.tgz").await;
        assert!(package.status == 200 && package.body == third.layer(HELM_CHART).bytes);
        assert!(server.get("/team/index.yaml").await.text().contains("1.2.3"));
    }
    // Pushing the damaged one itself heals it, too.
    assert_status(
        &server.put_manifest(REPOSITORY, &first.image().manifest.digest, &first.image().manifest).await,
        201,
    );
    let read = server.get(manifest_path(REPOSITORY, &first.image().manifest.digest)).await;
    assert_eq!((read.status, &read.body[..]), (200, &first.image().manifest.body[..]));
}

#[tokio::test]
async fn referrers_are_listed_while_the_manifest_of_one_is_damaged() {
    let store = Store(Arc::new(Memory::new()));
    let server = store.server().await;
    let subject = image("with signatures");
    server.push_image(REPOSITORY, "1.0.0", &subject).await;
    let mut large = referrer(&subject.manifest, "application/vnd.test.large", "large");
    // Too large for the journal: they are read from the body.
    large.manifest = large.manifest.with(|value| value["annotations"] = json!({"note": "z".repeat(17_000)}));
    let small = referrer(&subject.manifest, "application/vnd.test.small", "small");
    for referrer in [&large, &small] {
        server.push_image(REPOSITORY, &referrer.manifest.digest, referrer).await;
    }
    store.harm(&large.manifest.body, Damage::Flip).await;
    let server = store.server().await;
    let target = format!("/v2/{REPOSITORY}/referrers/{}", subject.manifest.digest);
    for _ in 0..2 {
        let listed = server.get(&target).await;
        assert_status(&listed, 200);
        assert_eq!(listed.json()["manifests"].as_array().map(Vec::len), Some(2));
    }
    server.push_manifest(REPOSITORY, &large.manifest.digest, &large.manifest).await;
    let listed = server.get(&target).await;
    assert!(listed.text().contains("zzzz"), "the annotations are read again");
}

/// More than ten objects that cannot be read are no damage of the content but of the machine or the store.
#[tokio::test]
async fn a_store_that_lost_many_objects_is_answered_503_and_recovers() {
    let store = Store(Arc::new(Memory::new()));
    let server = store.server().await;
    let blobs: Vec<Blob> = (0..14).map(|n| Blob::new(noise(&format!("many {n}"), 20_000))).collect();
    for blob in &blobs {
        server.push_blob(REPOSITORY, blob).await;
    }
    let objects = store.objects("ns/team/_data/").await;
    let keys: Vec<Key> = objects.iter().map(|(key, _)| key.clone()).collect();
    store.0.delete(&keys).await.unwrap();

    let server = store.server().await;
    let operations = server.operations();
    let is_stopped = async |value: u32| {
        let metrics = crate::operations::get(&operations, "/metrics").await.text();
        assert!(metrics.contains(&format!("charthouse_damage_marking_stopped {value}\n")), "{metrics}");
    };
    is_stopped(0).await;
    for (n, blob) in blobs.iter().enumerate() {
        let read = server.get(blob_path(REPOSITORY, &blob.digest)).await;
        if n < 10 {
            assert_status(&read, 404);
        } else {
            assert_status(&read, 503);
            assert!(read.header("retry-after").is_some());
            assert_status(&server.head(blob_path(REPOSITORY, &blob.digest)).await, 200);
            assert_status(&server.put_blob(REPOSITORY, blob).await, 503);
        }
    }
    is_stopped(1).await;
    for (key, bytes) in objects {
        store.0.create(&key, vec![bytes]).await.unwrap();
    }
    // What is marked is read again after a minute at the soonest, by this process.
    for server in [&server, &store.server().await] {
        for blob in &blobs[10..] {
            assert_status(&server.get(blob_path(REPOSITORY, &blob.digest)).await, 200);
        }
    }
    let other = store.server().await;
    for blob in &blobs {
        assert_status(&other.get(blob_path(REPOSITORY, &blob.digest)).await, 200);
    }
}
