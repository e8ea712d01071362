//! Charts as Helm pushes them (docs/internals/helm.md#media-types-and-annotations): a manifest without
//! `mediaType`, layers sorted by digest, and any bytes as the config; pushed over one connection that stays
//! open.

use std::net::SocketAddr;

use bytes::Bytes;
use flate2::Compression;
use serde_json::{Value, json};

use super::app::TestServer;
use super::artifact::{Blob, Document, HELM_CHART, HELM_CONFIG, HELM_PROVENANCE, IMAGE_MANIFEST, Image};
use super::charts::archive;
use super::http::{Connection, Request, Response};
use super::registry::{assert_status, put_manifest};

/// The media type of packages before Helm 3.8.
pub const LEGACY_CHART: &str = "application/tar+gzip";

/// A chart that can be pushed. What is not said differently follows from the config, so equal configs give equal charts.
#[derive(Clone, Debug)]
pub struct Release {
    config: Blob,
    layers: Vec<(Blob, String)>,
    annotations: Value,
}

impl Release {
    pub fn new(metadata: &Value) -> Self {
        Self::of(metadata.to_string())
    }

    /// A chart of which nothing is told but its name and version.
    pub fn named(name: &str, version: &str) -> Self {
        Self::new(&json!({"apiVersion": "v2", "name": name, "version": version}))
    }

    /// A chart whose config are these bytes, whether they are JSON or not, and the Chart.yaml in its package too.
    pub fn of(config: impl Into<Bytes>) -> Self {
        let config = Blob::new(config);
        let package = Blob::new(archive("app", Compression::fast(), [("Chart.yaml", &config.bytes[..])]));
        Self { config, layers: vec![(package, HELM_CHART.into())], annotations: json!({}) }
    }

    pub fn config(&self) -> &Bytes {
        &self.config.bytes
    }

    /// The same chart with this package.
    pub fn package(mut self, bytes: impl Into<Bytes>) -> Self {
        let found = self.layers.iter_mut().find(|(_, media_type)| media_type == HELM_CHART);
        found.expect("a layer for the package").0 = Blob::new(bytes);
        self.sorted()
    }

    /// The same chart with a provenance file. Helm sorts layers by digest, so it comes first as often as second.
    pub fn provenance(mut self, bytes: impl Into<Bytes>) -> Self {
        self.layers.push((Blob::new(bytes), HELM_PROVENANCE.into()));
        self.sorted()
    }

    /// The same chart with a provenance file that is of its package, by a signature that is none.
    pub fn signed(self) -> Self {
        let config = String::from_utf8_lossy(&self.config.bytes).into_owned();
        let metadata: Value = serde_json::from_str(&config).expect("a config that is JSON");
        let text = |key: &str| metadata[key].as_str().expect("a name and a version").to_owned();
        let (file, digest) = (file_name(&text("name"), &text("version")), &self.layer(HELM_CHART).digest);
        let provenance = unsigned_provenance(&config, &file, digest);
        self.provenance(provenance)
    }

    fn sorted(mut self) -> Self {
        self.layers.sort_by(|(a, _), (b, _)| a.digest.cmp(&b.digest));
        self
    }

    /// Exactly these layers, in this order.
    pub fn layers(mut self, layers: &[(&str, &str)]) -> Self {
        let layer =
            |(bytes, media_type): &(&str, &str)| (Blob::new(bytes.to_string()), (*media_type).to_owned());
        self.layers = layers.iter().map(layer).collect();
        self
    }

    /// The same chart in another manifest: Helm notes the time of the file there.
    pub fn created(mut self, time: &str) -> Self {
        self.annotations["org.opencontainers.image.created"] = time.into();
        self
    }

    /// The same chart with an annotation of its manifest.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations[key] = value.into();
        self
    }

    /// The first layer with this media type.
    #[track_caller]
    pub fn layer(&self, media_type: &str) -> &Blob {
        let found = self.layers.iter().find(|(_, is)| is == media_type);
        &found.unwrap_or_else(|| panic!("no layer of type {media_type}")).0
    }

    /// Of the package, as an index tells it: without the algorithm.
    #[track_caller]
    pub fn digest(&self) -> String {
        self.layer(HELM_CHART).digest.trim_start_matches("sha256:").to_owned()
    }

    pub fn image(&self) -> Image {
        let layers: Vec<_> =
            self.layers.iter().map(|(blob, media_type)| blob.descriptor(media_type)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "config": self.config.descriptor(HELM_CONFIG),
            "layers": layers,
            "annotations": self.annotations,
        });
        let blobs = self.layers.iter().map(|(blob, _)| blob.clone()).chain([self.config.clone()]).collect();
        Image { blobs, manifest: Document::new(IMAGE_MANIFEST, &manifest) }
    }
}

/// A provenance file of the package `file`, by a signature that is none.
pub fn unsigned_provenance(metadata: &str, file: &str, digest: &str) -> String {
    format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{metadata}\n\n...\nfiles:\n  {file}: {digest}\n\
         -----BEGIN PGP SIGNATURE-----\n\nnone\n-----END PGP SIGNATURE-----\n"
    )
}

/// `NAME-VERSION.tgz`.
pub fn file_name(name: &str, version: &str) -> String {
    format!("{name}-{version}.tgz")
}

/// The tag that Helm gives to a version.
pub fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// A client that pushes one chart after the other.
pub struct Pusher {
    connection: Connection,
    /// The blobs that the repository of the last push holds.
    held: (String, Vec<String>),
}

impl Pusher {
    pub async fn open(addr: SocketAddr) -> Self {
        let connection = Connection::open(addr).await.expect("a connection");
        Self { connection, held: (String::new(), Vec::new()) }
    }

    /// Pushes the blobs that this client has not pushed to the repository, then the manifest; the answer to that.
    pub async fn push(&mut self, repository: &str, reference: &str, release: &Release) -> Response {
        let image = release.image();
        if self.held.0 != repository {
            self.held = (repository.to_owned(), Vec::new());
        }
        for blob in &image.blobs {
            if !self.held.1.contains(&blob.digest) {
                self.push_blob(repository, blob).await;
            }
        }
        self.send(put_manifest(repository, reference, &image.manifest)).await
    }

    /// The same without remembering what was pushed; the first status that is not 201.
    pub async fn try_push(&mut self, repository: &str, reference: &str, release: &Release) -> u16 {
        let image = release.image();
        for blob in &image.blobs {
            let target = format!("/v2/{repository}/blobs/uploads/?digest={}", blob.digest);
            let status = self.send(Request::post(target).body(blob.bytes.clone())).await.status;
            if status != 201 {
                return status;
            }
        }
        self.send(put_manifest(repository, reference, &image.manifest)).await.status
    }

    async fn push_blob(&mut self, repository: &str, blob: &Blob) {
        let target = format!("/v2/{repository}/blobs/uploads/?digest={}", blob.digest);
        assert_status(&self.send(Request::post(target).body(blob.bytes.clone())).await, 201);
        // Only a package or a provenance file that several versions share is worth remembering.
        if self.held.1.len() < 4 {
            self.held.1.push(blob.digest.clone());
        }
    }

    pub async fn send(&mut self, request: Request) -> Response {
        let reply = self.connection.exchange(&request.bytes(), &request.method).await;
        reply.unwrap_or_else(|error| panic!("no reply to {} {}: {error}", request.method, request.target()))
    }
}

impl TestServer {
    /// Pushes a chart; the answer to the manifest.
    pub async fn put_release(&self, repository: &str, reference: &str, release: &Release) -> Response {
        Pusher::open(self.addr).await.push(repository, reference, release).await
    }

    pub async fn push_release(&self, repository: &str, reference: &str, release: &Release) {
        assert_status(&self.put_release(repository, reference, release).await, 201);
    }

    /// Pushes a version of the chart that `repository` is named after, as Helm would.
    pub async fn push_version(&self, repository: &str, version: &str) -> Release {
        let name = repository.rsplit('/').next().unwrap_or(repository);
        let release = Release::named(name, version);
        self.push_release(repository, &tag_of(version), &release).await;
        release
    }
}
