//! Generated damage of a directory: a file of the store is changed, cut or deleted, with and without a restart. Nothing
//! wrong is ever served as a success, what is damaged is reported once it is read, and pushing again heals all of it
//! (docs/internals/threat-model.md#part-c-checks, C20).
//!
//! A journal that lost a commit or has a wrong line is no damage of content: its namespace is refused, and nothing heals it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use tempfile::TempDir;

use super::healing::{Content, Row};
use crate::support::app::TestServer;
use crate::support::http::{Connection, Request};

const CASES: u64 = 200;
/// Cases that run side by side.
const LANES: usize = 4;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_damage_is_never_served_and_heals_by_a_push() {
    let content = Content::new();
    let template = template(&content).await;
    let (next, healed, refused) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let lanes = (0..LANES).map(async |_| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= CASES {
                return;
            }
            match run(seed, &content, template.path()).await {
                End::Untouched => {}
                End::Healed => drop(healed.fetch_add(1, Ordering::Relaxed)),
                End::Refused => drop(refused.fetch_add(1, Ordering::Relaxed)),
            }
        }
    });
    join_all(lanes).await;
    let (healed, refused) = (healed.into_inner(), refused.into_inner());
    println!("{CASES} cases: {healed} healed, {refused} refused namespaces");
    assert!(healed > CASES / 5 && refused > CASES / 20, "the damage hits too little");
}

/// A store with everything, a checkpoint and commits after it.
async fn template(content: &Content) -> TempDir {
    let server = TestServer::over_directory(TempDir::new().unwrap()).await;
    content.push(&server).await;
    server.write_checkpoints().await;
    let folder = TempDir::new().unwrap();
    for n in 0..4 {
        let blob = crate::support::artifact::Blob::new(format!("after the checkpoint {n}"));
        server.push_blob("team/app", &blob).await;
    }
    copy(server.folder(), folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// What was done to a store.
struct Harm {
    /// The line of a commit is not what it was, or the commit is gone.
    is_journal: bool,
    /// For whoever reads of a failure.
    what: String,
}

/// Harms a file of the namespace `team`. The first and the newest commit are not deleted: nothing but a checkpoint shows
/// that they were there.
fn harm(random: &mut Random, store: &Path) -> Harm {
    let team = store.join("ns/team");
    let groups = ["_journal", "_data", "_data", "_journal", "_checkpoint"];
    // Without a checkpoint every commit is read at the next start.
    let with_checkpoint = random.below(2) == 0;
    if !with_checkpoint {
        fs::remove_dir_all(team.join("_checkpoint")).unwrap();
    }
    let mut found = Vec::new();
    files(&team.join(groups[random.below(if with_checkpoint { 5 } else { 4 })]), &mut found);
    found.sort();
    let n = random.below(found.len());
    let file = found[n].clone();
    let mut bytes = fs::read(&file).unwrap();
    let is_commit = file.to_string_lossy().contains("_journal");
    let line = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    // Attachments are what this is about: most damage of a commit is there.
    let from = if is_commit && bytes.len() > line && random.below(4) > 0 { line } else { 0 };
    let at = from + random.below(bytes.len() - from);
    let is_end = n == 0 || n + 1 == found.len();
    let (what, is_whole) = match random.below(3) {
        0 if !(is_commit && is_end) => {
            fs::remove_file(&file).unwrap();
            ("delete".to_owned(), false)
        }
        1 => {
            bytes.truncate(at);
            fs::write(&file, &bytes).unwrap();
            (format!("cut at {at}"), at >= line)
        }
        _ => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            fs::write(&file, &bytes).unwrap();
            (format!("flip bit {bit} of byte {at}"), at >= line)
        }
    };
    let what = format!("{what} of {}, with a checkpoint: {with_checkpoint}", file.display());
    Harm { is_journal: is_commit && !is_whole, what }
}

enum End {
    /// Nothing that is read was hit.
    Untouched,
    Healed,
    Refused,
}

/// Says which case it was that panicked.
struct Said(String);

impl Drop for Said {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the case was: {}", self.0);
        }
    }
}

async fn run(seed: u64, content: &Content, template: &Path) -> End {
    let mut random = Random(seed);
    let folder = TempDir::new().unwrap();
    copy(template, folder.path());
    let rows = content.rows();
    let (server, harm) = if random.below(2) == 0 {
        let harm = harm(&mut random, folder.path());
        (TestServer::over_directory(folder).await, harm)
    } else {
        let server = TestServer::over_directory(folder).await;
        assert_eq!(read_all(&server, &rows).await, Seen::default());
        let harm = harm(&mut random, server.folder());
        (server, harm)
    };
    let _said = Said(format!("{seed}: {}", harm.what));

    let mut server = server;
    let mut has_lost = false;
    // What is in memory hides damage until the restart; nothing else does. Once all has been pushed after a cold read,
    // nothing is damaged any more.
    for start in 0..3 {
        let seen = read_all(&server, &rows).await;
        if seen.refused > 0 {
            assert!(harm.is_journal, "a namespace is refused for its content");
            return End::Refused;
        }
        assert_eq!(seen.lost > 0, server.has_found_damage(), "{} are lost: it is reported", seen.lost);
        assert!(start < 2 || seen == Seen::default(), "it was pushed, and is damaged");
        has_lost |= seen.lost > 0;
        if start > 0 && seen.lost == 0 {
            break;
        }
        for row in &rows {
            let pushed = row.push(content, &server, row.ways[0]).await;
            assert_eq!(pushed.status, 201, "{}: {}", row.name, pushed.text());
        }
        assert_eq!(read_all(&server, &rows).await, Seen::default(), "after the push");
        server = server.restart().await;
    }
    if has_lost { End::Healed } else { End::Untouched }
}

/// How many reads had no good answer.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// 404, or an answer that broke off.
    lost: u64,
    /// 503.
    refused: u64,
}

/// Reads everything. What is a success must be right.
async fn read_all(server: &TestServer, rows: &[Row]) -> Seen {
    let mut seen = Seen::default();
    let mut connection = Connection::open(server.addr).await.unwrap();
    for row in rows {
        for target in &row.targets {
            let request = Request::get(target.as_str());
            let Ok(read) = connection.exchange(&request.bytes(), "GET").await else {
                seen.lost += 1;
                connection = Connection::open(server.addr).await.unwrap();
                continue;
            };
            match read.status {
                200 => assert!(read.body == row.bytes, "{}: wrong bytes at {target}", row.name),
                404 => seen.lost += 1,
                503 => seen.refused += 1,
                status => panic!("{status} for {target}: {}", read.text()),
            }
        }
    }
    seen
}
