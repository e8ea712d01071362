//! Fault injection for tests: a backend that fails, waits, delivers late or fills up when it is told to.
//!
//! Nothing here is random: the same plan over the same calls gives the same faults.
//!
//! ```
//! use charthouse::backend::{Memory, faulty::{Effect, Fault, Faulty, Verb}};
//!
//! let backend = Faulty::new(Memory::new());
//! backend.inject(Fault::nth(3, Effect::FailAfter));                  // the third call from here on
//! backend.inject(Fault::nth(1, Effect::FailBefore).of(Verb::Create).on("/_journal/").and_all_later());
//! backend.set_full(true);                                            // creates are refused, reads go on
//! assert_eq!(backend.counts().total(), 0);
//! ```

mod plan;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use self::plan::Plan;
pub use self::plan::{Counts, Effect, Fault};
pub use super::Verb;
use super::{Backend, BackendError, Create, Key};

/// A backend around `inner` that follows a plan of faults. Without one it only counts.
pub struct Faulty<B> {
    inner: B,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    plan: Plan,
    late: Vec<Late>,
}

/// A call that was answered as unknown and takes effect when `due` further calls have come.
struct Late {
    due: u64,
    call: Call,
}

enum Call {
    Create(Key, Vec<Bytes>),
    Delete(Vec<Key>),
    Copy(Key, Key),
}

impl<B: Backend> Faulty<B> {
    pub fn new(inner: B) -> Self {
        Self { inner, state: Mutex::default() }
    }

    /// The backend below, to look at or change without faults and without being counted.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// Adds a fault. Its calls are counted from here on; of several that strike one call the oldest decides.
    pub fn inject(&self, fault: Fault) {
        self.state().plan.faults.push(fault);
    }

    /// Ends all faults, fullness and partition. Late calls stay on their way.
    pub fn heal(&self) {
        let plan = &mut self.state().plan;
        plan.faults.clear();
        (plan.full, plan.partitioned) = (false, false);
    }

    /// While it is full, every create and copy answers `Full`.
    pub fn set_full(&self, full: bool) {
        self.state().plan.full = full;
    }

    /// While it is partitioned off, every call answers `Unavailable` and has no effect.
    pub fn set_partitioned(&self, partitioned: bool) {
        self.state().plan.partitioned = partitioned;
    }

    /// How many calls of each verb have come, failed ones included.
    pub fn counts(&self) -> Counts {
        self.state().plan.counts
    }

    pub fn reset_counts(&self) {
        self.state().plan.counts = Counts::default();
    }

    /// How many late calls are still on their way.
    pub fn late(&self) -> usize {
        self.state().late.len()
    }

    /// Lets all late calls take effect now, in the order in which they came.
    pub async fn deliver(&self) {
        let late = std::mem::take(&mut self.state().late);
        self.perform(late).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and lets what is due arrive before it. `Ok` means that the call goes on, and then whether its
    /// answer is lost.
    async fn begin(
        &self,
        verb: Verb,
        keys: &[&str],
        call: impl FnOnce() -> Option<Call>,
    ) -> Result<Answer, BackendError> {
        let (struck, due) = {
            let mut state = self.state();
            let struck = state.plan.judge(verb, keys);
            state.late.iter_mut().for_each(|late| late.due = late.due.saturating_sub(1));
            let due = state.late.extract_if(.., |late| late.due == 0).collect();
            if let Some(Effect::Late { after }) = struck {
                state.late.extend(call().map(|call| Late { due: after, call }));
            }
            (struck, due)
        };
        self.perform(due).await;
        match struck {
            None => Ok(Answer::Given),
            Some(Effect::FailAfter) => Ok(Answer::Lost),
            Some(Effect::FailBefore | Effect::Late { .. }) => Err(unavailable()),
            Some(Effect::Full) => Err(BackendError::Full(io::ErrorKind::StorageFull.into())),
            Some(Effect::ReadOnly) => Err(BackendError::ReadOnly("injected fault".to_owned())),
            Some(Effect::Delay(time)) => {
                tokio::time::sleep(time).await;
                Ok(Answer::Given)
            }
        }
    }

    async fn perform(&self, late: Vec<Late>) {
        for Late { call, .. } in late {
            // Nobody waits for the answer any more, whatever it is.
            let _ = match call {
                Call::Create(key, body) => self.inner.create(&key, body).await.map(drop),
                Call::Delete(keys) => self.inner.delete(&keys).await,
                Call::Copy(from, to) => self.inner.copy(&from, &to).await.map(drop),
            };
        }
    }
}

/// What the caller gets to hear of a call that took effect.
enum Answer {
    Given,
    Lost,
}

impl Answer {
    fn of<T>(self, outcome: Result<T, BackendError>) -> Result<T, BackendError> {
        match self {
            Self::Given => outcome,
            Self::Lost => Err(unavailable()),
        }
    }
}

fn unavailable() -> BackendError {
    BackendError::Unavailable(io::Error::new(io::ErrorKind::TimedOut, "injected fault"))
}

#[async_trait]
impl<B: Backend> Backend for Faulty<B> {
    async fn create(&self, key: &Key, body: Vec<Bytes>) -> Result<Create, BackendError> {
        let call = || Some(Call::Create(key.clone(), body.clone()));
        let answer = self.begin(Verb::Create, &[key.as_str()], call).await?;
        answer.of(self.inner.create(key, body).await)
    }

    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError> {
        let answer = self.begin(Verb::Read, &[key.as_str()], || None).await?;
        answer.of(self.inner.read(key, range).await)
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError> {
        let answer = self.begin(Verb::List, &[prefix], || None).await?;
        answer.of(self.inner.list(prefix, after, limit).await)
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), BackendError> {
        let names: Vec<_> = keys.iter().map(Key::as_str).collect();
        let answer = self.begin(Verb::Delete, &names, || Some(Call::Delete(keys.to_vec()))).await?;
        answer.of(self.inner.delete(keys).await)
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<Create, BackendError> {
        let call = || Some(Call::Copy(from.clone(), to.clone()));
        let answer = self.begin(Verb::Copy, &[from.as_str(), to.as_str()], call).await?;
        answer.of(self.inner.copy(from, to).await)
    }
}
