//! oras: any artifact, its referrers, and deletion.

use std::fs;

use serde_json::Value;
use sha2::{Digest, Sha512};

use crate::support::command::Ran;
use crate::support::server::Server;
use crate::support::tools::{Client, ORAS};

struct Oras {
    client: Client,
}

impl Oras {
    #[track_caller]
    fn find() -> Option<Oras> {
        Client::find(ORAS).map(|client| Oras { client })
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ran {
        self.client.run(&[arguments, &["--plain-http"]].concat())
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[arguments, &["--format", "json"]].concat()).succeeds();
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("not JSON: {error}\n{said}"))
    }

    /// Writes a file into the client's folder.
    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.client.home().join(name), content).expect("write a file");
    }

    #[track_caller]
    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.client.home().join(name)).expect("read a file")
    }

    /// Pushes one file as an artifact and answers the digest of its manifest.
    #[track_caller]
    fn push(&self, reference: &str, file: &str) -> String {
        text(&self.json(&["push", reference, file])["digest"])
    }
}

#[test]
fn an_artifact_is_pushed_listed_pulled_and_tagged() {
    let Some(oras) = Oras::find() else { return };
    let server = Server::in_memory();
    let notes = format!("{}/team/notes", server.host());
    oras.write("notes.txt", b"remember the milk\n");
    let digest = oras.push(&format!("{notes}:v1"), "notes.txt");

    oras.run(&["tag", &format!("{notes}:v1"), "v2", "latest"]).succeeds();
    assert_eq!(oras.run(&["repo", "tags", &notes]).succeeds(), "latest\nv1\nv2\n");
    assert_eq!(oras.run(&["repo", "ls", &server.host()]).succeeds(), "team/notes\n");
    assert_eq!(oras.run(&["resolve", &format!("{notes}:latest")]).succeeds().trim(), digest);

    fs::remove_file(oras.client.home().join("notes.txt")).expect("remove the file");
    oras.run(&["pull", &format!("{notes}@{digest}")]).succeeds();
    assert_eq!(oras.read("notes.txt"), b"remember the milk\n");
    server.stop();
}

#[test]
fn a_big_artifact_comes_back_whole_after_a_restart() {
    let Some(oras) = Oras::find() else { return };
    let storage = tempfile::tempdir().expect("a folder for the store");
    let content = noise(20 << 20);
    oras.write("big.bin", &content);

    let server = Server::over(storage.path());
    oras.push(&format!("{}/team/big:1", server.host()), "big.bin");
    server.stop();

    let server = Server::over(storage.path());
    fs::remove_file(oras.client.home().join("big.bin")).expect("remove the file");
    oras.run(&["pull", &format!("{}/team/big:1", server.host())]).succeeds();
    assert!(oras.read("big.bin") == content, "the artifact has other bytes");
    server.stop();
}

#[test]
fn a_copy_brings_the_referrers_along() {
    let Some(oras) = Oras::find() else { return };
    let server = Server::in_memory();
    let (from, near, far) = ("team/notes", "team/copy", "other/place/copy");
    let at = |repository: &str| format!("{}/{repository}:v1", server.host());
    oras.write("notes.txt", &noise(100_000));
    let digest = oras.push(&at(from), "notes.txt");
    let attached = attach(&oras, &at(from), "example/signature");

    for to in [near, far] {
        let copy = ["cp", "--recursive", "--from-plain-http", "--to-plain-http", &at(from), &at(to)];
        oras.client.run(&copy).succeeds();
        assert_eq!(oras.run(&["resolve", &at(to)]).succeeds().trim(), digest);
        assert_eq!(referrers(&oras, &at(to), &[]), std::slice::from_ref(&attached));
        oras.run(&["pull", &at(to), "--output", to]).succeeds();
        assert!(oras.read(&format!("{to}/notes.txt")) == noise(100_000), "{to} has other bytes");
    }
    server.stop();
}

#[test]
fn attached_artifacts_are_discovered() {
    let Some(oras) = Oras::find() else { return };
    let server = Server::in_memory();
    let notes = format!("{}/team/notes:v1", server.host());
    oras.write("notes.txt", b"remember the milk\n");
    oras.push(&notes, "notes.txt");
    assert_eq!(referrers(&oras, &notes, &[]), [] as [String; 0]);

    let signature = attach(&oras, &notes, "example/signature");
    let listing = attach(&oras, &notes, "example/bill-of-materials");
    let mut all = referrers(&oras, &notes, &[]);
    all.sort();
    let mut expected = [signature.clone(), listing];
    expected.sort();
    assert_eq!(all, expected);
    assert_eq!(
        referrers(&oras, &notes, &["--artifact-type", "example/signature"]),
        std::slice::from_ref(&signature)
    );

    // The fallback for registries without the referrers API would leave a tag.
    assert_eq!(oras.run(&["repo", "tags", &format!("{}/team/notes", server.host())]).succeeds(), "v1\n");
    let gone = format!("{}/team/notes@{signature}", server.host());
    oras.run(&["manifest", "delete", "--force", &gone]).succeeds();
    assert_eq!(referrers(&oras, &notes, &["--artifact-type", "example/signature"]), [] as [String; 0]);
    server.stop();
}

#[test]
fn a_deleted_manifest_and_its_tags_are_gone() {
    let Some(oras) = Oras::find() else { return };
    let server = Server::in_memory();
    let notes = format!("{}/team/notes", server.host());
    oras.write("one.txt", b"one\n");
    oras.write("two.txt", b"two\n");
    let one = oras.push(&format!("{notes}:1"), "one.txt");
    oras.push(&format!("{notes}:2"), "two.txt");

    oras.run(&["manifest", "delete", "--force", &format!("{notes}@{one}")]).succeeds();
    oras.run(&["manifest", "fetch", &format!("{notes}@{one}")]).fails();
    oras.run(&["manifest", "fetch", &format!("{notes}:1")]).fails();
    assert_eq!(oras.run(&["repo", "tags", &notes]).succeeds(), "2\n");
    oras.run(&["pull", &format!("{notes}:2"), "--output", "kept"]).succeeds();
    server.stop();
}

#[test]
fn a_blob_is_pushed_fetched_and_deleted() {
    let Some(oras) = Oras::find() else { return };
    let server = Server::in_memory();
    let repository = format!("{}/team/blobs", server.host());
    oras.write("blob.bin", &noise(50_000));
    let pushed = oras.run(&["blob", "push", "--descriptor", &repository, "blob.bin"]).succeeds();
    let descriptor: Value = serde_json::from_str(&pushed).expect("a descriptor");
    let blob = format!("{repository}@{}", text(&descriptor["digest"]));

    oras.run(&["blob", "fetch", "--output", "fetched.bin", &blob]).succeeds();
    assert!(oras.read("fetched.bin") == noise(50_000), "the blob has other bytes");
    oras.run(&["blob", "delete", "--force", &blob]).succeeds();
    oras.run(&["blob", "fetch", "--output", "again.bin", &blob]).fails();
    server.stop();
}

#[test]
fn sha512_names_a_blob_too() {
    let Some(oras) = Oras::find() else { return };
    let server = Server::in_memory();
    let content = noise(30_000);
    let digest: String = Sha512::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let blob = format!("{}/team/blobs@sha512:{digest}", server.host());
    oras.write("blob.bin", &content);
    oras.run(&["blob", "push", "--size", "30000", &blob, "blob.bin"]).succeeds();
    oras.run(&["blob", "fetch", "--output", "fetched.bin", &blob]).succeeds();
    assert!(oras.read("fetched.bin") == content, "the blob has other bytes");
    server.stop();
}

/// Attaches a small file and answers the digest of its manifest.
#[track_caller]
fn attach(oras: &Oras, subject: &str, kind: &str) -> String {
    oras.write("attached.txt", kind.as_bytes());
    text(&oras.json(&["attach", "--artifact-type", kind, subject, "attached.txt"])["digest"])
}

/// Digests of what refers to the subject.
#[track_caller]
fn referrers(oras: &Oras, subject: &str, arguments: &[&str]) -> Vec<String> {
    let found = oras.json(&[&["discover", subject], arguments].concat());
    let list = found["referrers"].as_array().unwrap_or_else(|| panic!("no list of referrers: {found}"));
    list.iter().map(|referrer| text(&referrer["digest"])).collect()
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// Bytes that look random, the same every time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
