use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::backend::suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fs_passes_the_suite() {
    let folder =
        tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }).unwrap();
    let next = AtomicUsize::new(0);
    let empty = || {
        let name = next.fetch_add(1, Ordering::Relaxed).to_string();
        Arc::new(Fs::open(&folder.path().join(name), Duration::ZERO).unwrap())
    };
    suite::run(empty).await;
}
