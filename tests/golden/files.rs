//! The files of the fixture, and copies of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use charthouse::backend::{Backend, Key};

use crate::support::artifact::sha256;

/// The contents of files by their paths from a folder, with `/`.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// The fixture: `store/` and `expected/`.
pub fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-v1")
}

/// The golden store. No test may open it for writing.
pub fn store() -> PathBuf {
    fixture().join("store")
}

/// The file `path` of what the store must answer.
#[track_caller]
pub fn expected(path: &str) -> String {
    let path = fixture().join("expected").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below `folder`.
pub fn tree(folder: &Path) -> Tree {
    let (mut files, mut waiting) = (Tree::new(), vec![folder.to_owned()]);
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).expect("list a folder") {
            let path = entry.expect("list a folder").path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).ok().and_then(Path::to_str).expect("a readable path");
            files.insert(name.to_owned(), fs::read(&path).expect("read a file"));
        }
    }
    files
}

/// Whether a file is a checkpoint.
pub fn is_checkpoint(name: &str) -> bool {
    name.contains("/_checkpoint/")
}

pub fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("create a folder");
    fs::write(&path, content).expect("write a file");
}

pub fn write_tree(folder: &Path, files: &Tree) {
    files.iter().for_each(|(name, content)| write(folder, name, content));
}

/// Creates an object for each file.
pub async fn fill(backend: &Arc<dyn Backend>, files: &Tree) {
    for (name, content) in files {
        let key = Key::new(name.as_str()).expect("a file of a store has a key");
        backend.create(&key, vec![Bytes::from(content.clone())]).await.expect("create an object");
    }
}

/// A line with digest and path for each file.
pub fn listing(files: &Tree) -> String {
    files.iter().map(|(name, content)| format!("{}  {name}\n", sha256(content))).collect()
}

/// Changes the layout of a store, which ends with the digest of what stands before.
pub fn edit_layout(store: &Path, edit: impl FnOnce(&str) -> String) {
    const SEAL: &str = r#","sha256":""#;
    let path = store.join("layout");
    let text = edit(&fs::read_to_string(&path).expect("read the layout"));
    let end = text.rfind(SEAL).expect("a layout has a seal");
    let (content, seal) = (&text[..end], sha256(&text.as_bytes()[..end]));
    fs::write(path, format!("{content}{SEAL}{seal}\"}}")).expect("write the layout");
}
