//! Writes the fixture. `scripts/make-golden-store` runs it, once for each format.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use charthouse::backend::{Backend, Memory};
use charthouse::clock::SystemClock;
use charthouse::journal::{Crc32c, Journals, Options, keys};
use serde_json::{Value, json};

use super::answers::{Answer, Asked, Case, written};
use super::content::{self, DAY};
use super::files::{self, Tree};
use super::requests::requests;
use super::serving::{serve_for_reading, stop};
use super::writer::{GoldenClock, commit_file, data_file, namespace_of, session};
use crate::support::artifact::sha256;

/// Every namespace of the store.
pub const NAMESPACES: [&str; 6] = ["", "future", "gone", "other", "team", "team/sub"];

/// Keys that readers must ignore, and what is under them.
const IGNORED: [(&str, &str); 8] = [
    ("ns/reserved/_history/0000/0001", "of a namespace that has nothing else"),
    ("catalog/team/app!note", "text of a later release"),
    ("catalog/future/app!1", ""),
    ("ns/team/_history/0000/0001", "of a later release"),
    ("ns/_root/_history/index", "of a later release"),
    ("ns/team/_checkpoint/999/18446744073709551614", "of a later fold"),
    ("system/audit/0001", "of a later release"),
    ("system/keys", "of a later release"),
];

/// What the commit written by hand has that this release does not know. Without these texts it must fold to the same.
const UNKNOWN: [&str; 5] = [
    r#""host":"node-1","#,
    r#"{"op":"annotate","optional":true,"repository":"future/app","note":{"text":["a","b"]}},"#,
    r#"{"op":"drop","optional":true,"by":"user:ada","call":"00000000-0000-7000-8000-000000000001"},"#,
    r#","weight":7.5e3,"labels":{"a":["b",{"c":null}]}"#,
    r#","signature":{"key":"k","value":[1,2,3]}"#,
];

#[test]
#[ignore = "writes the fixture: scripts/make-golden-store"]
fn make_the_golden_store() {
    let root = files::fixture();
    assert!(!root.exists(), "{} is there: a golden store is never made again", root.display());
    let store = root.join("store");
    write_store(&store);
    fs::remove_file(store.join("lock")).expect("remove the lock");
    fs::remove_dir_all(store.join("tmp")).expect("remove the drafts");

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(record(&root));
}

fn write_store(store: &Path) {
    let clock = GoldenClock::at("2026-01-05T08:00:00Z");
    session(store, &clock, async |writer| {
        content::charts(writer).await;
        content::images(writer).await;
        // Of all namespaces that are there so far.
        writer.journals.checkpoint_all().await;
    });
    clock.pass(DAY * 28);
    let mut erased = (0, 0, 0);
    let mut bodies = Vec::new();
    let mut objects = Vec::new();
    session(store, &clock, async |writer| {
        content::changes(writer).await;
        erased = content::erased(writer).await;
        bodies = content::bodies_to_damage(writer).await;
        for blob in [&content::large_image("lost").blobs[1], &content::large("wrong")] {
            objects.push(writer.objects_of("team/lost", &blob.digest).await);
        }
    });
    session(store, &clock, async |writer| content::other_namespaces(writer).await);

    overwrite(&store.join(commit_file("team", erased.0)), erased, |_| 0);
    fs::remove_file(store.join(data_file("team", objects[0][1]))).expect("lose an object");
    overwrite(&store.join(data_file("team", objects[1][0])), (0, 4_000, 100), |byte| !byte);
    for body in &bodies {
        overwrite(&store.join(commit_file("team", body.0)), *body, |byte| byte ^ 0x55);
    }
    remove_purged(store);
    append_by_hand(store);
    session(store, &clock, async |writer| {
        content::damage(writer, bodies).await;
        content::after_the_future(writer).await;
    });
    IGNORED.iter().for_each(|(name, content)| files::write(store, name, content));
    let unknown = r#"{"of_a_later_release":["ignored"],"#;
    files::edit_layout(store, |layout| layout.replacen('{', unknown, 1));
}

/// Changes bytes of a file: (anything, offset, length).
fn overwrite(path: &Path, (_, offset, length): (u64, u64, u64), change: fn(u8) -> u8) {
    let mut bytes = fs::read(path).expect("read a file");
    let range = offset as usize..(offset + length) as usize;
    bytes[range].iter_mut().for_each(|byte| *byte = change(*byte));
    fs::write(path, bytes).expect("write a file");
}

/// Deletes the objects that the journal says were deleted.
fn remove_purged(store: &Path) {
    for (name, content) in files::tree(store) {
        let Some((line, _)) = line_of(&name, &content) else { continue };
        for op in line["ops"].as_array().into_iter().flatten().filter(|op| op["op"] == "purge") {
            for object in op["objects"].as_array().into_iter().flatten() {
                let id = object.as_str().and_then(|id| id.parse().ok()).expect("an id");
                fs::remove_file(store.join(data_file("team", id))).expect("remove an object");
            }
        }
    }
}

/// The line of a commit, as JSON and as text.
fn line_of<'a>(name: &str, content: &'a [u8]) -> Option<(Value, &'a [u8])> {
    let end = content.iter().position(|byte| *byte == b'\n').filter(|_| name.contains("/_journal/"))?;
    Some((serde_json::from_slice(&content[..end]).ok()?, &content[..end]))
}

/// Appends a commit with what a later release may add to namespace `future`.
fn append_by_hand(store: &Path) {
    let newest = (1..).take_while(|seq| store.join(commit_file("future", *seq)).exists()).last();
    let newest = newest.expect("a commit");
    let name = commit_file("future", newest);
    let before = fs::read(store.join(&name)).expect("read a commit");
    let (line, text) = line_of(&name, &before).expect("the line of a commit");
    let [host, annotate, drop, more, signature] = UNKNOWN;
    let (seq, prev, writer) = (newest + 1, sha256(text), &line["writer"]);
    // Another form of the same time, which no release writes but every one reads.
    let time = line["time"].as_str().expect("a time").replace('Z', "+00:00");
    let audit = r#""by":"oidc:https://issuer.example.com:ada","via":"oidc","request":"by-hand","call":"00000000-0000-7000-8000-000000000002""#;
    let attached = "attached by hand";
    let (length, checksum) = (attached.len(), Crc32c::of(attached.as_bytes()).0);
    let blob = format!(
        r#"{{"op":"blob","repository":"future/app","digest":"{digest}","size":{length},"extents":[{{"attached":[0,{length}],"crc32c":"{checksum:08x}"}}],{audit}}}"#,
        digest = sha256(attached.as_bytes())
    );
    let tag = format!(
        r#"{{"op":"tag","repository":"future/app","tag":"by-hand","digest":"{}","listed":false,{audit}{more}}}"#,
        content::future_digest()
    );
    // Without the audit members, with a member that is absent, and with white space.
    let bare = format!(
        r#"{{ "op": "tag", "repository": "future/app", "tag": "bare", "digest": "{}", "was": null, "listed": false }}"#,
        content::future_digest()
    );
    let start = format!(
        r#"{{{host}"v":1,"seq":{seq},"prev":"{prev}","time":"{time}","writer":{writer},"nonce":"00112233445566778899aabbccddeeff","attached":{{"length":{length},"sha256":"{}"}},"ops":[{annotate}{blob},{drop}{tag},{bare}]{signature}"#,
        sha256(attached.as_bytes())
    );
    let commit = format!("{start},\"crc32c\":\"{:08x}\"}}\n{attached}", Crc32c::of(start.as_bytes()).0);
    files::write(store, &commit_file("future", seq), commit);
}

/// Writes what the store must answer.
async fn record(root: &Path) {
    let (store, expected) = (root.join("store"), root.join("expected"));
    let tree = files::tree(&store);
    files::write(&expected, "files", files::listing(&tree));
    files::write(&expected, "unknown.json", format!("{:#}\n", json!(UNKNOWN)));
    let states = states(&tree).await;
    for (namespace, state) in &states {
        files::write(
            &expected,
            &in_namespace(namespace, &format!("state-{}.jsonl", keys::FOLD_VERSION)),
            state,
        );
    }

    let server = serve_for_reading(&store).await;
    let certain = content::certain();
    let mut asked: Vec<Asked> = certain.iter().map(|(target, _)| Asked::get(target.clone())).collect();
    asked.extend(requests(&states));
    asked.sort();
    asked.dedup();
    let mut table = Vec::new();
    for asked in asked {
        let reply = asked.send(server.addr).await;
        let answer = Answer::of(&asked.target, &reply);
        assert!(answer.status < 500, "{asked:?}: {answer:?}");
        if let Some(namespace) = asked.target.strip_suffix("index.yaml").filter(|_| asked.method == "GET")
            && answer.status == 200
            && asked.with.is_empty()
        {
            files::write(&expected, &in_namespace(namespace.trim_matches('/'), "index.yaml"), &reply.body);
        }
        table.push(Case { asked, answer });
    }
    for (target, status) in &certain {
        let case = table.iter().find(|case| case.asked == Asked::get(target.clone()));
        assert_eq!(case.map(|case| case.answer.status), Some(*status), "{target}");
    }
    files::write(&expected, "answers.json", written(&table));
    stop(server).await;
    assert!(files::tree(&store) == tree, "the store was changed while it was read");
    let size: usize = files::tree(root).values().map(Vec::len).sum();
    println!("{} files, {} answers, {size} bytes in all", tree.len(), table.len());
}

pub fn in_namespace(namespace: &str, file: &str) -> String {
    let folder = if namespace.is_empty() { "_root" } else { namespace };
    format!("namespaces/{folder}/{file}")
}

/// The state of each namespace, as a checkpoint at its end has it.
async fn states(tree: &Tree) -> BTreeMap<String, String> {
    let backend: Arc<dyn Backend> = Arc::new(Memory::new());
    let mut files = tree.clone();
    files.retain(|name, _| !files::is_checkpoint(name));
    files::fill(&backend, &files).await;
    let clock = Arc::new(SystemClock::default());
    let journals = Journals::open(backend.clone(), clock, Options::default()).await.expect("a good store");
    for namespace in NAMESPACES {
        journals.current(&namespace_of(namespace)).await.expect("a journal that can be read");
    }
    journals.checkpoint_all().await;
    let mut states = BTreeMap::new();
    for namespace in NAMESPACES {
        let prefix = keys::checkpoints(&namespace_of(namespace), keys::FOLD_VERSION);
        // A long journal gets one on its own when it is loaded, which may still be on its way.
        let found = loop {
            match backend.list(&prefix, "", 1).await.expect("a list").first() {
                Some(found) => break found.clone(),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let bytes = backend.read(&found, None).await.expect("a checkpoint");
        let text = zstd::decode_all(&bytes[..]).expect("a frame");
        states.insert(namespace.to_owned(), String::from_utf8(text).expect("text"));
    }
    states
}
