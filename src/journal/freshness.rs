//! Whether what a request was told may be behind: readers get an old state while the store does not answer, if the
//! settings allow it (`storage.outage_reads`), and whoever answers them must say so.

use std::cell::Cell;

use tokio::task_local;

task_local! {
    static BEHIND: Cell<bool>;
}

/// What `work` gives, and whether it has read a state that may be behind.
pub async fn noticed<F: Future>(work: F) -> (F::Output, bool) {
    let noticing = async {
        let output = work.await;
        (output, BEHIND.with(Cell::get))
    };
    BEHIND.scope(Cell::new(false), noticing).await
}

/// The running task reads a state that may be behind. Where nobody listens, nobody is told.
pub(super) fn notice() {
    let _ = BEHIND.try_with(|behind| behind.set(true));
}
