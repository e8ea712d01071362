//! Tests of the journal, by what they look at.

mod commit;
mod decide;
mod driver;
mod fold;
mod golden;
mod journals;
mod loading;
mod properties;
mod releases;
mod undo;

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fold::FoldError;
use super::state::State;
use crate::clock::Timestamp;
use crate::oci::{Digest, RepositoryName, Tag};

fn app() -> RepositoryName {
    RepositoryName::parse("team/app").unwrap()
}

fn base() -> RepositoryName {
    RepositoryName::parse("team/base").unwrap()
}

fn digest(of: &str) -> Digest {
    Digest::sha256(of.as_bytes())
}

fn tag(name: &str) -> Tag {
    Tag::parse(name).unwrap()
}

/// Midnight of a day of January 2026.
fn day(day: u32) -> Timestamp {
    Timestamp::parse(&format!("2026-01-{day:02}T00:00:00Z")).unwrap()
}

/// A data object that was created on `day`.
fn object(of: u32, n: u128) -> Uuid {
    Uuid::from_u128(((day(of).micros() / 1_000) as u128) << 80 | 7 << 76 | 2 << 62 | n)
}

/// A journal written by hand, one commit at a time.
struct Journal {
    state: State,
    today: u32,
}

impl Journal {
    fn new() -> Self {
        Self { state: State::empty(Uuid::nil()), today: 1 }
    }

    /// The line of the next commit as JSON, for a test to spoil.
    fn next(&self, ops: &[Value]) -> Value {
        let (seq, prev, time) = (self.state.seq + 1, &*self.state.link, day(self.today).to_string());
        json!({"v": 1, "seq": seq, "prev": prev, "time": time, "writer": Uuid::nil(), "nonce": "n", "ops": ops})
    }

    fn write(&mut self, ops: &[Value]) -> &State {
        let line = self.next(ops);
        self.append(&line, "").unwrap();
        &self.state
    }

    fn append(&mut self, line: &Value, attached: &str) -> Result<(), FoldError> {
        self.state.fold(self.state.seq + 1, &commit(line, attached))
    }

    fn on(&mut self, day: u32) -> &mut Self {
        self.today = day;
        self
    }
}

/// The bytes of a commit.
fn commit(line: &Value, attached: &str) -> Bytes {
    let mut bytes = line.to_string().into_bytes();
    super::commit::seal(&mut bytes);
    bytes.push(b'\n');
    bytes.extend_from_slice(attached.as_bytes());
    bytes.into()
}

fn blob(repository: &str, name: &str, object: Uuid) -> Value {
    let extent = json!({"object": object, "offset": 0, "length": 9, "crc32c": "0000000a"});
    json!({"op": "blob", "by": "b", "request": "r", "repository": repository, "digest": digest(name), "size": 9,
        "extents": [extent]})
}

fn manifest(name: &str, references: &[&str], tags: &[&str]) -> Value {
    let references: Vec<_> = references.iter().map(|name| digest(name)).collect();
    let media_type = crate::oci::OCI_MANIFEST;
    json!({"op": "manifest", "by": "b", "request": "r", "repository": "team/app", "digest": digest(name),
        "media_type": media_type, "size": 9, "extents": [{"attached": [0, 9], "crc32c": "00000000"}],
        "references": references, "tags": tags})
}

/// An op of a repository on a digest.
fn op(name: &str, repository: &str, of: &str) -> Value {
    json!({"op": name, "by": "b", "request": "r", "repository": repository, "digest": digest(of)})
}

/// The removal of a blob of `team/app` that cannot be taken back.
fn unlink_now(of: &str) -> Value {
    let mut op = op("unlink", "team/app", of);
    op["now"] = true.into();
    op
}

/// The deletion of a manifest of `team/app` that cannot be taken back.
fn delete_now(of: &str) -> Value {
    let mut op = op("delete", "team/app", of);
    op["now"] = true.into();
    op
}

fn move_tag(name: &str, of: &str) -> Value {
    json!({"op": "tag", "by": "b", "request": "r", "repository": "team/app", "tag": name, "digest": digest(of),
        "listed": false})
}

/// The removal of a tag that commit `seq` gave to `of`.
fn untag(name: &str, of: &str, seq: u64) -> Value {
    json!({"op": "untag", "by": "b", "request": "r", "repository": "team/app", "tag": name,
        "was": {"digest": digest(of), "seq": seq}})
}

fn reap(before: u32, blobs: &[&str], manifests: &[&str]) -> Value {
    let of_app =
        |names: &[&str]| names.iter().map(|name| json!(["team/app", digest(name)])).collect::<Vec<_>>();
    json!({"op": "reap", "by": "gc", "request": "r", "before": day(before).to_string(), "blobs": of_app(blobs),
        "manifests": of_app(manifests)})
}

fn purge(object: Uuid) -> Value {
    json!({"op": "purge", "by": "gc", "request": "r", "objects": [object]})
}

fn fence(before: u32) -> Value {
    let before = day(before).to_string();
    json!({"op": "fence", "by": "gc", "request": "r", "before": before, "swept": before})
}

fn damaged(object: Uuid) -> Value {
    json!({"op": "damaged", "by": "b", "request": "r", "objects": [object]})
}
