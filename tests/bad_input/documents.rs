//! Manifests and indexes that are malformed, ambiguous or oversized: two readers must never see two truths.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Case, Expected, Ground};
use crate::support::artifact::{IMAGE_INDEX, IMAGE_MANIFEST, index};
use crate::support::http::Request;
use crate::support::registry::manifest_path;

const INVALID: Expected = Expected::Refused(&[400], &["MANIFEST_INVALID", "DIGEST_INVALID"]);
const TOO_LARGE: Expected = Expected::Refused(&[413], &["MANIFEST_INVALID", "SIZE_INVALID"]);

pub fn cases(ground: &Ground) -> Vec<Case> {
    let manifest = ground.image.manifest.json();
    let mut cases = Vec::new();
    let mut refuse = |name: String, media_type: &str, body: Vec<u8>| {
        cases.push(Case::new(format!("document, {name}"), put(media_type, body), INVALID));
    };
    for (name, body) in not_json(&manifest) {
        refuse(name.into(), IMAGE_MANIFEST, body);
    }
    for (name, body) in ambiguous(&manifest) {
        refuse(name.into(), IMAGE_MANIFEST, body.into_bytes());
    }
    for (path, value) in wrong_types(&MANIFEST_FIELDS) {
        let body = replaced(&full_manifest(&manifest), path, &value);
        refuse(format!("{path} is {value}"), IMAGE_MANIFEST, body.to_string().into_bytes());
    }
    let full_index = full_index(ground);
    for (path, value) in wrong_types(&INDEX_FIELDS) {
        let body = replaced(&full_index, path, &value);
        refuse(format!("index: {path} is {value}"), IMAGE_INDEX, body.to_string().into_bytes());
    }
    for (path, value) in wrong_values() {
        let body = replaced(&full_manifest(&manifest), path, &value);
        refuse(format!("{path} is wrong, {}", shown(&value)), IMAGE_MANIFEST, body.to_string().into_bytes());
    }
    for path in [
        "/schemaVersion",
        "/config",
        "/config/digest",
        "/config/size",
        "/config/mediaType",
        "/layers/0/digest",
        "/layers/0/size",
        "/layers/0/mediaType",
        "/subject/digest",
    ] {
        let body = without(&full_manifest(&manifest), path);
        refuse(format!("without {path}"), IMAGE_MANIFEST, body.to_string().into_bytes());
    }
    for path in
        ["/schemaVersion", "/manifests", "/manifests/0/digest", "/manifests/0/size", "/manifests/0/mediaType"]
    {
        refuse(
            format!("index without {path}"),
            IMAGE_INDEX,
            without(&full_index, path).to_string().into_bytes(),
        );
    }
    let untyped = without(&full_index, "/mediaType");
    refuse("an index as a manifest".into(), IMAGE_MANIFEST, untyped.to_string().into_bytes());
    let untyped = without(&manifest, "/mediaType");
    refuse("a manifest as an index".into(), IMAGE_INDEX, untyped.to_string().into_bytes());
    for size in [(4 << 20) + 1, 5 << 20] {
        let body = padded(&manifest, size);
        cases.push(Case::new(
            format!("document of {size} bytes"),
            put(IMAGE_MANIFEST, body.clone()),
            TOO_LARGE,
        ));
        let pieces = body.chunks(65_536).map(Bytes::copy_from_slice).collect::<Vec<_>>();
        let streamed = put(IMAGE_MANIFEST, Vec::new()).chunks(pieces);
        cases.push(Case::new(format!("document of {size} bytes without a length"), streamed, TOO_LARGE));
    }
    cases
}

fn put(media_type: &str, body: Vec<u8>) -> Request {
    Request::put(manifest_path("team/app", "bad"), body).header("Content-Type", media_type)
}

/// A manifest with every field that has a type to get wrong.
fn full_manifest(manifest: &Value) -> Value {
    let mut full = manifest.clone();
    full["artifactType"] = "application/vnd.test".into();
    full["annotations"] = json!({"a": "b"});
    full["layers"][0]["annotations"] = json!({"a": "b"});
    full["subject"] = full["config"].clone();
    full["subject"]["mediaType"] = IMAGE_MANIFEST.into();
    full
}

fn full_index(ground: &Ground) -> Value {
    let mut full = index(&[&ground.image.manifest]).json();
    full["artifactType"] = "application/vnd.test".into();
    full["annotations"] = json!({"a": "b"});
    full["manifests"][0]["annotations"] = json!({"a": "b"});
    full["subject"] = full["manifests"][0].clone();
    full
}

fn replaced(document: &Value, path: &str, value: &Value) -> Value {
    let mut document = document.clone();
    *document.pointer_mut(path).expect(path) = value.clone();
    document
}

fn without(document: &Value, path: &str) -> Value {
    let (parent, field) = path.rsplit_once('/').expect("a path");
    let mut document = document.clone();
    let parent = document.pointer_mut(parent).and_then(Value::as_object_mut).expect(path);
    parent.remove(field).expect(path);
    document
}

fn padded(manifest: &Value, size: usize) -> Vec<u8> {
    let mut body = manifest.to_string().into_bytes();
    body.resize(size, b' ');
    body
}

fn shown(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

/// Each field with the JSON type it must have.
const MANIFEST_FIELDS: [(&str, Type); 17] = [
    ("/schemaVersion", Type::Number),
    ("/mediaType", Type::Text),
    ("/artifactType", Type::Text),
    ("/config", Type::Object),
    ("/config/mediaType", Type::Text),
    ("/config/digest", Type::Text),
    ("/config/size", Type::Number),
    ("/layers", Type::List),
    ("/layers/0", Type::Object),
    ("/layers/0/mediaType", Type::Text),
    ("/layers/0/digest", Type::Text),
    ("/layers/0/size", Type::Number),
    ("/layers/0/annotations", Type::Object),
    ("/subject", Type::Object),
    ("/subject/digest", Type::Text),
    ("/annotations", Type::Object),
    ("/annotations/a", Type::Text),
];

const INDEX_FIELDS: [(&str, Type); 11] = [
    ("/schemaVersion", Type::Number),
    ("/artifactType", Type::Text),
    ("/manifests", Type::List),
    ("/manifests/0", Type::Object),
    ("/manifests/0/mediaType", Type::Text),
    ("/manifests/0/digest", Type::Text),
    ("/manifests/0/size", Type::Number),
    ("/manifests/0/annotations", Type::Object),
    ("/subject", Type::Object),
    ("/annotations", Type::Object),
    ("/annotations/a", Type::Text),
];

#[derive(Clone, Copy, PartialEq)]
enum Type {
    Number,
    Text,
    List,
    Object,
}

/// Every field with a value of each type that it must not have.
fn wrong_types(fields: &'static [(&'static str, Type)]) -> Vec<(&'static str, Value)> {
    let values = [
        (Type::Number, json!(2)),
        (Type::Text, json!("text")),
        (Type::List, json!(["text"])),
        (Type::Object, json!({"key": {}})),
    ];
    let mut wrong = Vec::new();
    for &(path, right) in fields {
        wrong
            .extend(values.iter().filter(|(kind, _)| *kind != right).map(|(_, value)| (path, value.clone())));
        wrong.push((path, json!(true)));
    }
    wrong
}

/// The right type, and a value that no document may have.
fn wrong_values() -> Vec<(&'static str, Value)> {
    let hex = "a".repeat(64);
    vec![
        ("/schemaVersion", json!(1)),
        ("/schemaVersion", json!(3)),
        ("/schemaVersion", json!(-2)),
        ("/schemaVersion", json!(2.5)),
        ("/schemaVersion", Value::Null),
        ("/mediaType", json!(IMAGE_INDEX)),
        ("/mediaType", json!("application/vnd.docker.distribution.manifest.v2+json")),
        ("/mediaType", json!("text/plain")),
        ("/config", Value::Null),
        ("/config/digest", Value::Null),
        ("/config/digest", json!("")),
        ("/config/digest", json!("sha256:abc")),
        ("/config/digest", json!(format!("sha256:{}", hex.to_uppercase()))),
        ("/config/digest", json!(format!("md5:{}", &hex[..32]))),
        ("/config/digest", json!(format!("sha256:{hex}/../{hex}"))),
        ("/config/size", json!(-1)),
        ("/config/size", json!(1.5)),
        ("/config/size", json!(u64::MAX)),
        ("/config/size", json!(1e300)),
        ("/config/size", Value::Null),
        ("/layers/0/digest", json!("latest")),
        ("/layers/0/digest", json!(format!("sha256:{hex}\u{0}"))),
        ("/layers/0/size", json!(-9_000_000_000_000_i64)),
        ("/layers/0", Value::Null),
        ("/subject/digest", json!("sha256:")),
        ("/subject/size", json!(-1)),
    ]
}

/// One text with two meanings, depending on who reads it.
fn ambiguous(manifest: &Value) -> Vec<(&'static str, String)> {
    let text = manifest.to_string();
    let (config, layer) = (&manifest["config"], &manifest["layers"][0]);
    let also = |field: &str| text.replacen('{', &format!("{{{field},"), 1);
    let in_config = |field: &str| text.replacen(r#""config":{"#, &format!(r#""config":{{{field},"#), 1);
    let annotations = |inside: &str| also(&format!(r#""annotations":{{{inside}}}"#));
    vec![
        ("both layers and manifests", also(r#""manifests":[]"#)),
        ("layers, config and fsLayers of schema 1", also(r#""fsLayers":[],"manifests":[]"#)),
        ("schemaVersion twice", also(r#""schemaVersion":2"#)),
        ("mediaType twice", also(&format!(r#""mediaType":"{IMAGE_MANIFEST}""#))),
        ("config twice", also(&format!(r#""config":{config}"#))),
        ("layers twice", also(&format!(r#""layers":[{layer}]"#))),
        ("layers twice, once escaped", also(&format!(r#""\u006cayers":[{layer}]"#))),
        ("an unknown key twice", also(r#""x":1,"x":1"#)),
        ("the empty key twice", also(r#""":1,"":1"#)),
        ("a key of config twice", in_config(r#""size":1"#)),
        ("a key of a layer twice", text.replacen(r#""layers":[{"#, r#""layers":[{"size":1,"#, 1)),
        ("an annotation twice", annotations(r#""a":"1","a":"2""#)),
        ("an annotation twice, once escaped", annotations(r#""a":"1","\u0061":"2""#)),
        ("a key twice in an unknown object", also(r#""x":{"y":1,"y":2}"#)),
        ("a key twice deep in an unknown list", also(r#""x":[[{"y":{"z":[{"k":1,"k":1}]}}]]"#)),
        ("Layers beside layers", also(&format!(r#""Layers":[{layer}]"#))),
        ("LAYERS beside layers", also(r#""LAYERS":[]"#)),
        ("MediaType beside mediaType", also(r#""MediaType":"text/plain""#)),
        ("a long s for an s", also(r#""layer\u017f":[]"#)),
        ("Digest beside digest", in_config(r#""Digest":"sha256:x""#)),
        ("Subject alone", also(r#""Subject":{}"#)),
        ("two keys that differ by case, unknown", also(r#""x":{"key":1,"KEY":2}"#)),
    ]
}

fn not_json(manifest: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let text = manifest.to_string();
    let behind = |rest: &str| format!("{text}{rest}").into_bytes();
    let also = |field: &str| text.replacen('{', &format!("{{{field},"), 1).into_bytes();
    let raw = |field: &[u8]| [b"{", field, b",", &text.as_bytes()[1..]].concat();
    let nested = |open: &str, close: &str, depth| {
        also(&format!(r#""x":{}1{}"#, open.repeat(depth), close.repeat(depth)))
    };
    let keys = |count: usize| (0..count).map(|n| format!(r#""k{n}":"""#)).collect::<Vec<_>>().join(",");
    let long_keys = || (0..2_000).map(|n| format!(r#""{n:0>1000}":1"#)).collect::<Vec<_>>().join(",");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("empty", Vec::new()),
        ("white space", b" \n\t ".to_vec()),
        ("null", b"null".to_vec()),
        ("true", b"true".to_vec()),
        ("a number", b"2".to_vec()),
        ("a text", b"\"manifest\"".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a list of manifests", format!("[{text}]").into_bytes()),
        ("an empty object", b"{}".to_vec()),
        ("cut after one byte", text.as_bytes()[..1].to_vec()),
        ("cut in the middle", text.as_bytes()[..text.len() / 2].to_vec()),
        ("cut before its end", text.as_bytes()[..text.len() - 1].to_vec()),
        ("a second document behind it", behind(&text)),
        ("a second brace behind it", behind("}")),
        ("a word behind it", behind("x")),
        ("a NUL behind it", behind("\0")),
        ("a comma behind the last field", [&text.as_bytes()[..text.len() - 1], b",}"].concat()),
        ("a byte order mark", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("UTF-16", utf16),
        ("YAML", b"schemaVersion: 2\nlayers: []\n".to_vec()),
        ("HTML", b"<!doctype html><title>login</title>".to_vec()),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()),
        ("a comment", text.replacen('{', "{/* comment */", 1).into_bytes()),
        ("single quotes", text.replace('"', "'").into_bytes()),
        ("a key without quotes", also("x:1")),
        ("NaN", also(r#""x":NaN"#)),
        ("Infinity", also(r#""x":-Infinity"#)),
        ("a number past every float", also(r#""x":1e400"#)),
        ("a number of 5,000 digits", also(&format!(r#""x":{}"#, "9".repeat(5_000)))),
        ("a number with a leading zero", also(r#""x":01"#)),
        ("a number with a plus", also(r#""x":+1"#)),
        ("a number in hexadecimal", also(r#""x":0x10"#)),
        ("a number without a fraction", also(r#""x":1."#)),
        ("a lone surrogate", also(r#""x":"\ud800""#)),
        ("a lone surrogate in a key", also(r#""\udc00":1"#)),
        ("an unknown escape", also(r#""x":"\q""#)),
        ("a control byte in a text", raw(b"\"x\":\"a\x01b\"")),
        ("a line break in a text", raw(b"\"x\":\"a\nb\"")),
        ("a text that is not UTF-8", raw(b"\"x\":\"\xff\xfe\"")),
        ("a key that is not UTF-8", raw(b"\"\xc3\x28\":1")),
        ("an overlong encoding", raw(b"\"x\":\"\xc0\xaf\"")),
        ("an encoded surrogate", raw(b"\"x\":\"\xed\xa0\x80\"")),
        ("lists 40 deep", nested("[", "]", 40)),
        ("objects 40 deep", nested(r#"{"y":"#, "}", 40)),
        ("lists 100,000 deep", nested("[", "]", 100_000)),
        ("objects 100,000 deep", nested(r#"{"y":"#, "}", 100_000)),
        ("lists that never close", b"[".repeat(1 << 20)),
        ("objects that never close", br#"{"x":"#.repeat(1 << 18)),
        ("a text that never closes", [b"{\"x\":\"".as_slice(), &b"x".repeat(1 << 20)].concat()),
        ("100,000 keys and then a mistake", format!("{{{},}}", keys(100_000)).into_bytes()),
        (
            "100,000 annotations and then a mistake",
            format!(r#"{{"annotations":{{{}}},}}"#, keys(100_000)).into_bytes(),
        ),
        (
            "200,000 numbers and then a mistake",
            format!(r#"{{"x":[{}1],}}"#, "1,".repeat(200_000)).into_bytes(),
        ),
        (
            "100,000 empty lists as layers",
            format!(r#"{{"layers":[{}[]]}}"#, "[],".repeat(100_000)).into_bytes(),
        ),
        ("a key of 3 MiB and then a mistake", [b"{\"".as_slice(), &b"k".repeat(3 << 20), b"\":1,}"].concat()),
        ("2,000 long keys and then a mistake", format!("{{{},}}", long_keys()).into_bytes()),
        ("3 MiB of spaces and then a mistake", [b"{".as_slice(), &b" ".repeat(3 << 20), b"x"].concat()),
    ]
}
