//! Counts panics of server threads: a panic that a worker survives would otherwise go unseen.

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

static PANICS: AtomicUsize = AtomicUsize::new(0);
static HOOK: Once = Once::new();

/// Panics so far on threads that no test runs on. The first call starts the count.
pub fn count() -> usize {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // The harness names a test's thread by the path of the test.
            let thread = std::thread::current();
            if !thread.name().is_some_and(|name| name == "main" || name.contains("::")) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(panic);
        }));
    });
    PANICS.load(Ordering::SeqCst)
}

#[test]
fn a_panic_on_a_server_thread_is_counted() {
    let before = count();
    let thread = std::thread::Builder::new().name("some-worker".into());
    let panicked =
        thread.spawn(|| panic!("on purpose: this is a test of the count")).expect("a thread").join();
    assert!(panicked.is_err());
    PANICS.fetch_sub(1, Ordering::SeqCst);
    assert_eq!(count(), before);
}
