//! Whether what a request was told may be behind: readers get an old state while the store does not answer, if the
//! settings allow it (`storage.outage_reads`), and whoever answers them must say so.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    /// Of the work that this thread polls.
    static BEHIND: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives, and whether it has read a state that may be behind.
pub fn noticed<F: Future>(work: Pin<&mut F>) -> Noticed<'_, F> {
    Noticed { work, behind: false }
}

/// Work whose reads are watched. It is lent: a request is too large to be moved once more.
pub struct Noticed<'a, F> {
    work: Pin<&'a mut F>,
    behind: bool,
}

impl<F: Future> Future for Noticed<'_, F> {
    type Output = (F::Output, bool);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outer = BEHIND.replace(self.behind);
        let polled = self.work.as_mut().poll(context);
        self.behind = BEHIND.replace(outer);
        polled.map(|output| (output, self.behind))
    }
}

/// The work that is polled reads a state that may be behind. Where nobody watches, nobody is told.
pub(super) fn notice() {
    BEHIND.set(true);
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn only_the_work_that_read_it_is_told() {
        let reads = async |behind: bool| {
            let work = pin!(async {
                tokio::task::yield_now().await;
                if behind {
                    notice();
                }
                tokio::task::yield_now().await;
            });
            noticed(work).await.1
        };
        assert_eq!(futures_util::join!(reads(true), reads(false), reads(true)), (true, false, true));
        let inner = pin!(async { noticed(pin!(async { notice() })).await.1 });
        assert_eq!(noticed(inner).await, (true, false));
    }
}
