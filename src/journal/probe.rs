//! The probe: whether a store lets exactly one of several simultaneous creates of a key win (docs/internals/journal-protocol.md#the-probe). Some
//! look first and write then; replicas over such a store would take one number for two commits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::task::JoinSet;

use super::keys;
use crate::backend::{Backend, BackendError, Create, Key};
use crate::clock::Clock;

const ROUNDS: u32 = 32;
const RIVALS: u32 = 8;
/// Large enough that a store which looks first is caught while it writes.
const BODY: usize = 16 << 10;
/// Rounds that tell nothing, because an answer was lost, are repeated this often in all.
const REPETITIONS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Error)]
pub enum ProbeError {
    #[error("the store could not be probed: {0}")]
    Backend(#[from] BackendError),
    #[error(
        "the store does not create an object only once: of {RIVALS} creates of one key that came together {won} won \
         (round {round} of {ROUNDS}). Several servers would lose each other's pushes there: write \
         `storage.mode: single` and run one server, or use a service with atomic conditional writes"
    )]
    NotAtomic { won: usize, round: u32 },
    #[error(
        "the store does not keep what it said it created (round {round} of {ROUNDS}): it cannot hold a registry"
    )]
    NotKept { round: u32 },
}

enum Round {
    Won,
    /// An answer was lost, so who has won is not known.
    Unclear(BackendError),
}

/// Proves that creates of one key have one winner, whose bytes are there.
pub async fn run(backend: &Arc<dyn Backend>, clock: &dyn Clock) -> Result<(), ProbeError> {
    let id = clock.uuid(clock.now());
    let (mut used, mut repetitions) = (Vec::new(), 0);
    let mut outcome = Ok(());
    let mut round = 1;
    while round <= ROUNDS && outcome.is_ok() {
        let key = keys::probe(id, used.len());
        used.push(key.clone());
        match race(backend, &key, round).await {
            Ok(Round::Won) => round += 1,
            Ok(Round::Unclear(error)) if repetitions == REPETITIONS => outcome = Err(error.into()),
            Ok(Round::Unclear(_)) => {
                repetitions += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => outcome = Err(error),
        }
    }
    // What is left behind is named by nobody.
    if let Err(error) = backend.delete(&used).await {
        tracing::warn!(%error, "the objects of the probe were not deleted");
    }
    if outcome.is_ok() {
        tracing::info!(
            rounds = ROUNDS,
            rivals = RIVALS,
            "the store creates an object only once: servers may share it"
        );
    }
    outcome
}

async fn race(backend: &Arc<dyn Backend>, key: &Key, round: u32) -> Result<Round, ProbeError> {
    let mut rivals = JoinSet::new();
    for rival in 0..RIVALS {
        let (backend, key) = (backend.clone(), key.clone());
        let body = Bytes::from(vec![rival as u8; BODY]);
        rivals.spawn(async move { (body.clone(), backend.create(&key, vec![body]).await) });
    }
    let (mut winners, mut lost) = (Vec::new(), None);
    for (body, outcome) in rivals.join_all().await {
        match outcome {
            Ok(Create::Created) => winners.push(body),
            Ok(Create::AlreadyExists) => {}
            Err(error) if error.is_definite() => return Err(error.into()),
            Err(error) => lost = Some(error),
        }
    }
    match (winners.as_slice(), lost) {
        ([winner], _) => match backend.read(key, None).await {
            Ok(there) if there == winner => Ok(Round::Won),
            Ok(_) | Err(BackendError::NotFound(_)) => Err(ProbeError::NotKept { round }),
            Err(error) if error.is_definite() => Err(error.into()),
            Err(error) => Ok(Round::Unclear(error)),
        },
        ([], Some(error)) => Ok(Round::Unclear(error)),
        (winners, _) => Err(ProbeError::NotAtomic { won: winners.len(), round }),
    }
}
