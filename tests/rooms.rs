//! Holds the house rules that the compiler does not: which room may use which, and how long a file may be.

use std::fs;
use std::path::Path;

/// A room of `src/` and the rooms it may use: those that stand to its right in ARCHITECTURE.md.
const ROOMS: [(&str, &[&str]); 13] = [
    (
        "cli",
        &["server", "client", "registry", "auth", "journal", "backend", "config", "telemetry", "network"],
    ),
    ("server", &["registry", "auth", "journal", "backend", "config", "telemetry", "network"]),
    ("client", &["network"]),
    ("registry", &["journal", "backend"]),
    ("auth", &["journal", "backend", "config"]),
    ("journal", &["backend"]),
    ("backend", &["network"]),
    ("config", &[]),
    ("network", &[]),
    ("telemetry", &["config"]),
    ("oci", &[]),
    ("chart", &[]),
    ("clock", &[]),
];
/// Rooms without I/O that every other may use.
const OPEN_TO_ALL: [&str; 3] = ["oci", "chart", "clock"];
/// What is stored must not hang on what this release thinks of charts: the journal keeps their records as they are.
const CLOSED: [(&str, &str); 2] = [("journal", "chart"), ("backend", "chart")];

/// A text, what it stands for, and where alone it may appear (a prefix of the path inside `src/`).
const KEPT_IN: [(&str, &str, &[&str]); 5] = [
    ("aws_sdk", "the AWS SDK", &["backend/s3/"]),
    ("actix", "the web framework", &["server/"]),
    ("reqwest", "the HTTP client", &["client/", "backend/s3/http.rs"]),
    (
        "std::fs",
        "the file system",
        &["backend/fs", "client/files/", "config/", "cli/", "telemetry/process.rs"],
    ),
    ("tokio::fs", "the file system", &["backend/fs", "client/files/", "config/", "cli/"]),
];

const MOST_LINES: usize = 600;

struct Source {
    /// Inside `src/`, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// Test modules may reach further: they set up what production code is handed.
    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }

    /// Production code: lines of comment are emptied, the test module at the end is left out.
    fn code(&self) -> String {
        let end = self.text.find("\n#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        let lines = self.text[..end].lines();
        lines
            .map(|line| if line.trim_start().starts_with("//") { "\n".into() } else { format!("{line}\n") })
            .collect()
    }
}

#[test]
fn a_room_uses_only_what_stands_to_its_right() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == source.room()) else {
            let known = ["lib", "main"].contains(&source.room());
            assert!(known, "src/{} is in a room that tests/rooms.rs does not know", source.path);
            continue;
        };
        for (line, used) in used_rooms(&source.code()) {
            let is_open = OPEN_TO_ALL.contains(&used) && !CLOSED.contains(&(source.room(), used));
            if used != source.room() && !is_open && !allowed.contains(&used) {
                broken.push(format!("src/{}:{line}: {} may not use {used}", source.path, source.room()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_room_is_declared() {
    let library =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("read lib.rs");
    let declared: Vec<&str> =
        library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut rooms: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    rooms.sort();
    assert_eq!(declared, rooms, "tests/rooms.rs and src/lib.rs name the same rooms");
}

#[test]
fn the_web_framework_and_the_file_system_stay_in_their_rooms() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (text, meaning, homes) in KEPT_IN {
            if homes.iter().any(|home| source.path.starts_with(home)) {
                continue;
            }
            for (n, _) in source.code().lines().enumerate().filter(|(_, line)| line.contains(text)) {
                broken.push(format!("src/{}:{}: {meaning} is used in {homes:?} only", source.path, n + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_is_short_and_says_what_it_is() {
    let mut broken = Vec::new();
    for source in sources() {
        if source.is_test() {
            continue;
        }
        let lines = source.text.lines().count();
        if lines > MOST_LINES {
            broken.push(format!("src/{}: {lines} lines, {MOST_LINES} at most", source.path));
        }
        if !source.text.starts_with("//! ") {
            broken.push(format!("src/{}: does not begin with a line of //!", source.path));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn used_rooms_are_found_in_every_way_to_write_them() {
    let names = |code| used_rooms(code).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(names("use crate::oci::Digest;"), ["oci"]);
    assert_eq!(
        names("use crate::{oci::Digest, server::{Limits, chart}, auth}; cli"),
        ["oci", "server", "auth"]
    );
    assert_eq!(names("use crate::{\n    oci::{Digest, Tag},\n    server,\n};"), ["oci", "server"]);
    assert_eq!(names("let limits: crate::server::Limits = crate::auth::none();"), ["server", "auth"]);
    assert_eq!(names("pub(crate) fn crate_name() {}"), [] as [&str; 0]);
    assert_eq!(used_rooms("\n\nuse crate::auth;\n"), [(3, "auth")]);
}

/// The rooms named after `crate::`, each with its line.
fn used_rooms(code: &str) -> Vec<(usize, &str)> {
    let mut used = Vec::new();
    for (at, root) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + root.len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => members(list),
            None => vec![first_name(rest)],
        };
        used.extend(names.into_iter().map(|name| (line, name)));
    }
    used.retain(|(_, name)| ROOMS.iter().any(|(room, _)| room == name));
    used
}

/// First names of the members of a `use` list whose opening brace is behind us; inner lists are passed over.
fn members(list: &str) -> Vec<&str> {
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                names.push(first_name(&list[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> &str {
    let path = path.trim_start();
    let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(path.len());
    &path[..end]
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources);
    assert!(sources.len() > ROOMS.len(), "the sources are found");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn collect(folder: &Path, prefix: &str, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("list src/") {
        let entry = entry.expect("list src/");
        let path = format!("{prefix}{}", entry.file_name().to_str().expect("a readable name"));
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{path}/"), sources);
        } else if path.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).expect("read a source");
            sources.push(Source { path, text });
        }
    }
}
