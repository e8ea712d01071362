//! What is pushed: charts with the metadata of real ones, and bytes that nothing compresses.

use std::io::Write;

use charthouse::oci::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Bytes under their digest.
#[derive(Clone)]
pub struct Blob {
    pub bytes: Vec<u8>,
    pub digest: Digest,
}

impl Blob {
    pub fn new(bytes: Vec<u8>) -> Self {
        let digest = Digest::sha256(&bytes);
        Self { bytes, digest }
    }

    /// `size` bytes that differ for each `seed`.
    pub fn random(size: usize, seed: u64) -> Self {
        Self::new(random(size, seed))
    }
}

/// One version of a chart, ready to be pushed.
#[derive(Clone)]
pub struct Chart {
    /// `NAMESPACE/NAME`.
    pub repository: String,
    pub tag: String,
    pub config: Blob,
    pub layer: Blob,
    pub manifest: Blob,
}

impl Chart {
    /// About 900 bytes of metadata, and a package of `size` bytes that holds them as Chart.yaml.
    pub fn new(namespace: &str, name: &str, version: &str, size: usize) -> Self {
        let config = Blob::new(metadata(name, version).to_string().into_bytes());
        let layer = Blob::new(package(name, &config.bytes, size));
        let manifest = json!({
            "schemaVersion": 2,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(LAYER, &layer)],
            "annotations": {
                "org.opencontainers.image.created": "2026-11-01T08:30:00Z",
                "org.opencontainers.image.description": format!("The {name} service for Kubernetes"),
                "org.opencontainers.image.title": name,
                "org.opencontainers.image.version": version,
            },
        });
        let manifest = Blob::new(manifest.to_string().into_bytes());
        Self { repository: format!("{namespace}/{name}"), tag: version.to_owned(), config, layer, manifest }
    }
}

/// A package of about `size` bytes, at least of some 700: Chart.yaml, and a file of bytes that nothing compresses.
///
/// Each part is a gzip member of its own, so that only what can be compressed is: packing must not be what the
/// benchmark spends its time on.
fn package(name: &str, chart_yaml: &[u8], size: usize) -> Vec<u8> {
    let head = gzip(&[&entry(name, "Chart.yaml", chart_yaml)[..], &header(name, "noise", 0)].concat(), true);
    let noise = random(size.saturating_sub(head.len() + 80).max(1), 1);
    let head = [&entry(name, "Chart.yaml", chart_yaml)[..], &header(name, "noise", noise.len())].concat();
    let end = vec![0; noise.len().next_multiple_of(512) - noise.len() + 1024];
    [gzip(&head, true), gzip(&noise, false), gzip(&end, true)].concat()
}

fn entry(folder: &str, path: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(folder, path, content.len());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn header(folder: &str, path: &str, size: usize) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(format!("{folder}/{path}")).expect("a short path");
    header.set_mode(0o644);
    header.set_size(size as u64);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn gzip(bytes: &[u8], compressed: bool) -> Vec<u8> {
    let level = if compressed { Compression::fast() } else { Compression::none() };
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
}

fn descriptor(media_type: &str, blob: &Blob) -> Value {
    json!({"mediaType": media_type, "digest": blob.digest.to_string(), "size": blob.bytes.len()})
}

fn metadata(name: &str, version: &str) -> Value {
    json!({
        "name": name,
        "home": format!("https://charts.example.com/{name}"),
        "sources": [format!("https://git.example.com/charts/{name}"), format!("https://git.example.com/{name}")],
        "version": version,
        "description": format!("The {name} service for Kubernetes, with its database, its cache and a dashboard"),
        "keywords": [name, "service", "database", "cache", "http", "metrics"],
        "maintainers": [
            {"name": "Platform team", "email": "platform@example.com", "url": "https://example.com/platform"},
            {"name": "Database team", "email": "database@example.com"},
        ],
        "icon": format!("https://charts.example.com/{name}/icon.svg"),
        "apiVersion": "v2",
        "appVersion": version,
        "annotations": {"category": "Infrastructure", "licenses": "Apache-2.0"},
        "kubeVersion": ">=1.27.0-0",
        "dependencies": [
            {"name": "common", "version": "2.x.x", "repository": "oci://charts.example.com/library"},
            {"name": "database", "version": "15.x.x", "repository": "oci://charts.example.com/library",
             "condition": "database.enabled"},
        ],
        "type": "application",
    })
}

/// Bytes of the splitmix64 generator: the same for the same seed.
fn random(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
