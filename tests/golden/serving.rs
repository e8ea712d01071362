//! Servers over the golden store and over copies of it, inside the test's process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use charthouse::backend::{Backend, Fs};
use tempfile::TempDir;

use super::files::{self, Tree};
use crate::support::app::TestServer;

/// A server over `folder`, which it does not change.
pub async fn serve_for_reading(folder: &Path) -> TestServer {
    let store = Fs::open_for_reading(folder).expect("a folder that can be read");
    TestServer::over_store(Arc::new(store)).await
}

/// A server over `folder`, which it may change.
pub async fn serve(folder: &Path) -> TestServer {
    let folder = folder.to_owned();
    let opened = tokio::task::spawn_blocking(move || Fs::open(&folder, Duration::from_secs(10))).await;
    let store: Arc<dyn Backend> = Arc::new(opened.expect("no panic").expect("a folder that can be opened"));
    TestServer::over_store(store).await
}

/// Ends a server. It may hold what it stores for some moments more.
pub async fn stop(server: TestServer) {
    tokio::task::spawn_blocking(move || drop(server)).await.expect("the server ends");
}

/// A copy of the golden store.
pub fn copy() -> (TempDir, PathBuf, Tree) {
    let tree = files::tree(&files::store());
    let root = TempDir::new().expect("a folder");
    let folder = root.path().join("copy");
    files::write_tree(&folder, &tree);
    (root, folder, tree)
}
