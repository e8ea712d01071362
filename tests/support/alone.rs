//! Tests of memory: the heap counter is the global allocator of the whole test binary, and the harness runs tests at the
//! same time. So such a test runs its own binary again, for this one test alone, in a process where nothing else
//! allocates.

use std::process::Command;

use tokio::runtime::Builder;

const ALONE: &str = "CHARTHOUSE_TEST_ALONE";

/// Runs `measure` in a process of its own; `test` is the whole path of the test that calls this, with the crate's name.
#[track_caller]
pub fn alone(test: &str, measure: impl Future<Output = ()>) {
    if std::env::var_os(ALONE).is_some() {
        return Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(measure);
    }
    let test = test.split_once("::").expect("the crate's name first").1;
    let alone = Command::new(std::env::current_exe().expect("this binary"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .expect("this binary again");
    let said = String::from_utf8_lossy(&alone.stdout);
    assert!(alone.status.success(), "{said}{}", String::from_utf8_lossy(&alone.stderr));
    assert!(said.contains("1 passed"), "the test did not run: {said}");
    println!("{said}");
}
