use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::oci::{HELM_CHART, HELM_CONFIG, HELM_PROVENANCE, OCI_EMPTY};

const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

fn media_type(text: &str) -> MediaType {
    MediaType::parse(text).unwrap()
}

fn descriptor(kind: &str, content: &str) -> Value {
    json!({ "mediaType": kind, "digest": Digest::sha256(content.as_bytes()), "size": content.len() })
}

fn chart() -> Value {
    json!({
        "schemaVersion": 2,
        "config": descriptor(HELM_CONFIG, "config"),
        "layers": [descriptor(HELM_PROVENANCE, "prov"), descriptor(HELM_CHART, "chart")],
        "annotations": { "org.opencontainers.image.title": "app", "Config": "free" },
    })
}

fn index() -> Value {
    json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(OCI_MANIFEST, "child")] })
}

fn with(mut document: Value, key: &str, value: Value) -> Value {
    document[key] = value;
    document
}

fn without(mut document: Value, key: &str) -> Value {
    document.as_object_mut().unwrap().remove(key);
    document
}

fn read(document: &Value, kind: &str) -> Result<Manifest, ManifestError> {
    Manifest::read(document.to_string().as_bytes(), &media_type(kind))
}

#[test]
fn the_manifest_of_a_chart_needs_no_media_type() {
    let manifest = read(&chart(), OCI_MANIFEST).unwrap();
    assert_eq!(manifest.kind, Kind::Image);
    assert_eq!(manifest.effective_artifact_type(), Some(HELM_CONFIG));
    assert_eq!(manifest.blobs(), [b"config".as_slice(), b"prov", b"chart"].map(Digest::sha256));
    assert_eq!(manifest.children(), []);
    assert!(manifest.layers[1].media_type.is_helm_chart());
    assert_eq!(manifest.annotations["org.opencontainers.image.title"], "app");
}

#[test]
fn an_index_lists_children_and_has_no_artifact_type_of_its_own() {
    let manifest = read(&index(), OCI_INDEX).unwrap();
    assert_eq!(manifest.kind, Kind::Index);
    assert_eq!(manifest.effective_artifact_type(), None);
    assert_eq!((manifest.blobs(), manifest.children()), (vec![], vec![Digest::sha256(b"child")]));
    let typed = read(&with(index(), "artifactType", json!("a/b")), OCI_INDEX).unwrap();
    assert_eq!(typed.effective_artifact_type(), Some("a/b"));
    assert!(read(&with(index(), "manifests", json!([])), OCI_INDEX).is_ok());
    assert!(read(&without(index(), "mediaType"), DOCKER_LIST).is_ok());
}

#[test]
fn an_artifact_type_goes_before_the_type_of_the_config() {
    let document = with(chart(), "config", descriptor(OCI_EMPTY, "{}"));
    assert_eq!(read(&document, OCI_MANIFEST).unwrap().effective_artifact_type(), Some(OCI_EMPTY));
    let document = with(document, "artifactType", json!("application/vnd.example"));
    assert_eq!(
        read(&document, OCI_MANIFEST).unwrap().effective_artifact_type(),
        Some("application/vnd.example")
    );
    let document = with(document, "artifactType", json!(""));
    assert_eq!(read(&document, OCI_MANIFEST).unwrap().effective_artifact_type(), Some(OCI_EMPTY));
}

#[test]
fn layers_that_are_never_pushed_and_repeated_ones_are_left_out_of_the_blobs() {
    let layers =
        json!([descriptor(FOREIGN, "far"), descriptor(HELM_CHART, "x"), descriptor(HELM_CHART, "x")]);
    let manifest = read(&with(chart(), "layers", layers), OCI_MANIFEST).unwrap();
    assert_eq!(manifest.blobs(), [Digest::sha256(b"config"), Digest::sha256(b"x")]);
    assert_eq!(manifest.layers.len(), 3);
}

#[test]
fn what_clients_send_besides_the_standard_is_tolerated() {
    let subject = json!({ "mediaType": OCI_MANIFEST, "digest": Digest::sha256(b"s"), "size": 1, "annotations": null,
        "urls": ["https://example.test"], "data": "e30=", "platform": { "os": "linux" } });
    let document = with(with(chart(), "subject", subject), "annotations", Value::Null);
    let document = with(with(document, "somethingNew", json!([{ "a": 1 }])), "manifests", Value::Null);
    let manifest = read(&document, OCI_MANIFEST).unwrap();
    assert_eq!(manifest.subject.unwrap().digest, Digest::sha256(b"s"));
    assert!(read(&without(chart(), "layers"), OCI_MANIFEST).is_ok());
    let sha512 = Digest::of(crate::oci::Algorithm::Sha512, b"x");
    let layer = json!({ "mediaType": HELM_CHART, "digest": sha512, "size": 0 });
    assert_eq!(read(&with(chart(), "layers", json!([layer])), OCI_MANIFEST).unwrap().blobs()[1], sha512);
}

#[test]
fn ambiguous_and_incomplete_documents_are_refused() {
    use ManifestError::*;
    let cases = [
        (with(chart(), "manifests", json!([])), OCI_MANIFEST, Ambiguous),
        (with(index(), "layers", json!([])), OCI_INDEX, Ambiguous),
        (with(index(), "config", descriptor(OCI_EMPTY, "{}")), OCI_INDEX, Ambiguous),
        (chart(), OCI_INDEX, Ambiguous),
        (without(index(), "mediaType"), OCI_MANIFEST, Ambiguous),
        (index(), DOCKER_LIST, MediaType(media_type(DOCKER_LIST))),
        (
            with(chart(), "mediaType", json!(DOCKER_MANIFEST)),
            OCI_MANIFEST,
            MediaType(media_type(OCI_MANIFEST)),
        ),
        (without(chart(), "config"), OCI_MANIFEST, ConfigMissing),
        (without(index(), "manifests"), OCI_INDEX, ManifestsMissing),
        (without(chart(), "schemaVersion"), OCI_MANIFEST, SchemaVersion),
        (with(chart(), "schemaVersion", json!(1)), OCI_MANIFEST, SchemaVersion),
        (chart(), "application/json", ContentType(media_type("application/json"))),
    ];
    for (document, kind, expected) in cases {
        assert_eq!(read(&document, kind), Err(expected), "{document}");
    }
    assert!(ContentType(media_type("a/b")).to_string().contains(OCI_MANIFEST));
}

#[test]
fn wrong_fields_are_refused() {
    let digest = Digest::sha256(b"x").to_string();
    let layer = |kind: Value, digest: Value, size: Value| {
        with(chart(), "layers", json!([{ "mediaType": kind, "digest": digest, "size": size }]))
    };
    let cases = [
        layer(json!("a/b"), json!("sha256:abc"), json!(1)),
        layer(json!("a/b"), json!("md5:d41d8cd98f00b204e9800998ecf8427e"), json!(1)),
        layer(json!("a/b"), json!(digest.to_uppercase()), json!(1)),
        layer(json!("a/b"), json!(digest), json!(-1)),
        layer(json!("a/b"), json!(digest), json!(1.5)),
        layer(json!("a/b"), json!(digest), json!(u64::MAX)),
        layer(json!("a/b"), json!(digest), json!("1")),
        layer(json!(""), json!(digest), json!(1)),
        layer(Value::Null, json!(digest), json!(1)),
        with(chart(), "layers", json!([{ "mediaType": "a/b", "digest": digest }])),
        with(chart(), "layers", json!([null])),
        with(chart(), "layers", json!({})),
        with(chart(), "config", json!("x")),
        with(chart(), "subject", json!([])),
        with(chart(), "annotations", json!({ "a": 1 })),
        with(chart(), "artifactType", json!(1)),
        with(chart(), "schemaVersion", json!("2")),
        // An array of the fields in their order is no object.
        with(chart(), "layers", json!([["a/b", digest, 1, null, {}]])),
        with(chart(), "config", json!(["a/b", digest, 1, null, {}])),
        json!([2, null, null, descriptor("a/b", "x"), [], null, null, {}]),
        json!("manifest"),
        json!("long ".repeat(10_000)),
    ];
    for document in cases {
        let refused = read(&document, OCI_MANIFEST);
        assert!(matches!(&refused, Err(ManifestError::Field(why)) if why.len() <= MAX_QUOTED), "{refused:?}");
    }
}

#[test]
fn a_document_that_two_readers_could_read_differently_is_refused() {
    let text = chart().to_string();
    let inner = text.strip_suffix('}').unwrap();
    let forgeries = [
        format!(r#"{inner},"schemaVersion":2}}"#),
        format!(r#"{inner},"Manifests":[]}}"#),
        format!(r#"{inner},"Layers":[]}}"#),
        format!("{text} {{}}"),
        format!("\u{feff}{text}"),
        text.replace("\"size\":6", "\"size\":6,\"Size\":7"),
        text.replace("\"size\":6", "\"size\":6,\"DIGEST\":7"),
    ];
    for forgery in forgeries {
        assert_ne!(forgery, text);
        let refused = Manifest::read(forgery.as_bytes(), &media_type(OCI_MANIFEST));
        assert!(matches!(refused, Err(ManifestError::Json(_))), "{forgery}: {refused:?}");
    }
}

#[test]
fn size_and_number_of_references_are_bounded() {
    let children = |n: usize| with(index(), "manifests", json!(vec![descriptor(OCI_MANIFEST, "c"); n]));
    assert!(read(&children(MAX_REFERENCES), OCI_INDEX).is_ok());
    assert_eq!(read(&children(MAX_REFERENCES + 1), OCI_INDEX), Err(ManifestError::TooManyReferences));

    let mut largest = chart().to_string().into_bytes();
    largest.resize(MAX_MANIFEST_BYTES, b' ');
    assert!(Manifest::read(&largest, &media_type(OCI_MANIFEST)).is_ok());
    largest.push(b' ');
    assert_eq!(Manifest::read(&largest, &media_type(OCI_MANIFEST)), Err(ManifestError::TooLarge));
}

proptest! {
    #[test]
    fn damaged_manifests_never_panic(at in 0usize..700, byte: u8, cut in 0usize..700, as_index: bool) {
        let mut bytes = if as_index { index() } else { chart() }.to_string().into_bytes();
        if let Some(changed) = bytes.get_mut(at) {
            *changed = byte;
        }
        bytes.truncate(cut);
        let _ = Manifest::read(&bytes, &media_type(if as_index { OCI_INDEX } else { OCI_MANIFEST }));
    }

    #[test]
    fn every_reference_that_was_written_is_read(contents in prop::collection::vec("[a-d]{1,2}", 0..12)) {
        let layers: Vec<_> = contents.iter().map(|content| descriptor(HELM_CHART, content)).collect();
        let manifest = read(&with(chart(), "layers", json!(layers)), OCI_MANIFEST).unwrap();
        let blobs = manifest.blobs();
        for content in &contents {
            let digest = Digest::sha256(content.as_bytes());
            prop_assert_eq!(blobs.iter().filter(|blob| **blob == digest).count(), 1);
        }
        prop_assert_eq!(manifest.layers.len(), contents.len());
    }
}
