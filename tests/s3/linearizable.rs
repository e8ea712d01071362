//! A tag is a register: whatever clients of three replicas do with it at the same time, over a store that
//! fails, there is an order of their requests that explains every answer
//! (docs/internals/threat-model.md#part-c-checks, C18). The check is that of Wing and Gong.

use std::collections::HashSet;
use std::time::Instant;

use charthouse::clock::{Clock, SystemClock};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use s3_double::{Double, Weather};
use serde_json::json;

use crate::support::app::{TestServer, shared};
use crate::support::artifact::{Blob, Document, empty_config};
use crate::support::http::Request;
use crate::support::registry::{manifest_path, put_manifest};
use crate::support::s3::bucket_of;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const HISTORIES: usize = 120;
/// Histories that are made at the same time.
const AT_ONCE: usize = 8;
const CLIENTS: usize = 5;
/// Requests of each client.
const EACH: usize = 4;

/// What the tag points to: one of the manifests, or nothing.
type Register = Option<usize>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Put(usize),
    /// Only if the tag points to nothing.
    Create(usize),
    Get,
    Untag,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Done,
    Read(Register),
    /// 412 for what was to be created, 404 for what was to go.
    Refused,
    /// 503: it may have taken effect, or may yet.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    asked: Asked,
    told: Told,
    /// Since the beginning of the run, in nanoseconds. Of what is unknown nobody knows the end.
    began: u128,
    ended: u128,
}

impl Operation {
    /// The register afterwards, if this can have happened while it was `register`.
    fn happens(&self, register: Register) -> Option<Register> {
        match (self.asked, self.told) {
            (Asked::Put(version), Told::Done | Told::Unknown) => Some(Some(version)),
            (Asked::Create(version), Told::Done) => register.is_none().then_some(Some(version)),
            (Asked::Create(_), Told::Refused) => register.is_some().then_some(register),
            (Asked::Create(version), Told::Unknown) => Some(register.or(Some(version))),
            (Asked::Get, Told::Read(seen)) => (seen == register).then_some(register),
            (Asked::Untag, Told::Done) => register.is_some().then_some(None),
            (Asked::Untag, Told::Refused) => register.is_none().then_some(None),
            (Asked::Untag, Told::Unknown) => Some(None),
            (Asked::Get, _) | (Asked::Put(_), _) | (_, Told::Read(_)) => None,
        }
    }
}

/// Whether the operations have an order in which each happens between its beginning and its end. One that is unknown need
/// not have happened.
fn has_an_order(history: &[Operation]) -> bool {
    fn search(
        history: &[Operation],
        done: u32,
        register: Register,
        seen: &mut HashSet<(u32, Register)>,
    ) -> bool {
        let left = || (0..history.len()).filter(|n| done & (1 << n) == 0);
        if left().all(|n| history[n].told == Told::Unknown) {
            return true;
        }
        if !seen.insert((done, register)) {
            return false;
        }
        // What ended before another began comes first.
        let first_end = left().map(|n| history[n].ended).min().unwrap_or(u128::MAX);
        left().filter(|n| history[*n].began <= first_end).any(|n| {
            let next = history[n].happens(register);
            next.is_some_and(|register| search(history, done | (1 << n), register, seen))
        })
    }
    search(history, 0, None, &mut HashSet::new())
}

#[test]
fn the_check_tells_histories_apart() {
    let at = |asked, told, began, ended| Operation { asked, told, began, ended };
    let (put, got) = (Asked::Put, |version| Told::Read(version));
    let good = [
        vec![at(put(1), Told::Done, 0, 1), at(Asked::Get, got(Some(1)), 2, 3)],
        vec![
            at(put(1), Told::Done, 0, 5),
            at(Asked::Get, got(None), 1, 2),
            at(Asked::Get, got(Some(1)), 3, 4),
        ],
        vec![
            at(put(1), Told::Unknown, 0, u128::MAX),
            at(Asked::Get, got(None), 1, 2),
            at(Asked::Get, got(Some(1)), 3, 4),
        ],
        vec![at(Asked::Create(1), Told::Done, 0, 9), at(Asked::Create(2), Told::Refused, 0, 9)],
    ];
    let bad = [
        vec![at(put(1), Told::Done, 0, 1), at(Asked::Get, got(None), 2, 3)],
        vec![
            at(put(1), Told::Done, 0, 5),
            at(Asked::Get, got(Some(1)), 1, 2),
            at(Asked::Get, got(None), 3, 4),
        ],
        vec![at(Asked::Create(1), Told::Done, 0, 9), at(Asked::Create(2), Told::Done, 0, 9)],
        vec![at(Asked::Get, got(Some(1)), 0, 1), at(put(1), Told::Done, 2, 3)],
        vec![at(Asked::Untag, Told::Done, 0, 1)],
    ];
    for history in good {
        assert!(has_an_order(&history), "{history:?}");
    }
    for history in bad {
        assert!(!has_an_order(&history), "{history:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tag_is_a_register_whoever_is_asked_and_whatever_the_store_does() {
    let seed = SystemClock::default().random() as u64;
    let histories = std::env::var("CHARTHOUSE_HISTORIES").map_or(HISTORIES, |n| n.parse().expect("a number"));
    println!("seed {seed}");
    let double = Double::start().await;
    let replica = async || TestServer::replica_over(bucket_of(&double).await, shared()).await;
    let replicas = [replica().await, replica().await, replica().await];
    let repository = |n: usize| format!("team-{}/tag-{n}", n % 3);
    for n in 0..histories {
        replicas[0].push_blob(&repository(n), &empty_config()).await;
    }
    double.set_weather(Some(Weather { seed, one_in: 3 }));
    let began = Instant::now();
    let make = async |n: usize| {
        let repository = repository(n);
        let clients =
            (0..CLIENTS).map(|client| talk(&replicas, &repository, began, mix(seed, n * CLIENTS + client)));
        (n, join_all(clients).await.concat())
    };
    let made: Vec<_> = stream::iter(0..histories).map(make).buffer_unordered(AT_ONCE).collect().await;
    let unknown = made.iter().flat_map(|(_, history)| history).filter(|op| op.told == Told::Unknown).count();
    println!("{histories} histories, {unknown} requests of unknown outcome, {:?}", began.elapsed());
    for (n, mut history) in made {
        history.sort_by_key(|operation| operation.began);
        assert!(has_an_order(&history), "history {n} has no order: {history:#?}");
    }
}

/// One client: a few requests about one tag, each to any of the replicas.
async fn talk(replicas: &[TestServer; 3], repository: &str, began: Instant, seed: u64) -> Vec<Operation> {
    let mut history = Vec::new();
    for n in 0..EACH {
        let draw = mix(seed, n);
        let (replica, version) = (&replicas[draw as usize % 3], (draw >> 8) as usize % 4);
        let asked = match (draw >> 16) % 8 {
            0..=1 => Asked::Put(version),
            2..=3 => Asked::Create(version),
            4 => Asked::Untag,
            _ => Asked::Get,
        };
        let from = began.elapsed().as_nanos();
        let told = ask(replica, repository, asked).await;
        let ended = if told == Told::Unknown { u128::MAX } else { began.elapsed().as_nanos() };
        // A read that was not answered tells nothing.
        if (asked, told) != (Asked::Get, Told::Unknown) {
            history.push(Operation { asked, told, began: from, ended });
        }
    }
    history
}

async fn ask(replica: &TestServer, repository: &str, asked: Asked) -> Told {
    let target = manifest_path(repository, "latest");
    let request = match asked {
        Asked::Put(version) => put_manifest(repository, "latest", &manifest(version)),
        Asked::Create(version) => {
            put_manifest(repository, "latest", &manifest(version)).header("If-None-Match", "*")
        }
        Asked::Get => Request::get(target),
        Asked::Untag => Request::delete(target),
    };
    let reply = replica.send(request).await;
    match (asked, reply.status) {
        (_, 503) => Told::Unknown,
        (Asked::Get, 404) => Told::Read(None),
        (Asked::Get, 200) => {
            let version = (0..4).find(|version| manifest(*version).body == reply.body);
            Told::Read(Some(version.expect("one of the manifests")))
        }
        (Asked::Put(_) | Asked::Create(_), 201) | (Asked::Untag, 202) => Told::Done,
        (Asked::Create(_), 412) | (Asked::Untag, 404) => Told::Refused,
        (asked, status) => panic!("{asked:?}: {status}: {}", reply.text()),
    }
}

fn manifest(version: usize) -> Document {
    let config: Blob = empty_config();
    let value = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.test.register",
        "config": config.descriptor("application/vnd.oci.empty.v1+json"),
        "layers": [config.descriptor("application/vnd.oci.empty.v1+json")],
        "annotations": {"version": version.to_string()},
    });
    Document::new(MANIFEST, &value)
}

/// A number that looks random (the finalizer of SplitMix64).
fn mix(seed: u64, n: usize) -> u64 {
    let mut z = seed.wrapping_add((n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
