//! Damaged content: recording it in the journal, within limits, and taking the marks off when the bytes are right again
//! (docs/internals/journal-protocol.md#damage-and-healing).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::content::{Crc, Stored, Wanted};
use super::{Actor, Error, Registry};
use crate::journal::{BodiesOp, Change, DamageKind, Extent, Place};
use crate::oci::{Digest, Hasher, Namespace};

/// How many data objects and attached bodies a process marks as damaged within [`WINDOW`]. When more cannot be read, the
/// machine or the store is more likely at fault than the bytes.
const MAX_MARKS: usize = 10;
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// How soon content that is marked as damaged is read again for the requests that ask for it.
const RECHECK_INTERVAL: Duration = Duration::from_secs(60);
/// How many digests have their last recheck remembered; content beyond them is not rechecked.
const MAX_REMEMBERED_RECHECKS: usize = 4_096;
const MAX_CONCURRENT_RECHECKS: usize = 2;
/// How long a request waits for a recheck, which goes on without it.
const RECHECK_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that are read at once to verify an extent.
const PIECE: u64 = 1 << 20;

/// What a process remembers of the damage that it found.
pub(super) struct DamageControl {
    marks: Mutex<Marks>,
    /// When content was last found to be damaged, by the monotonic clock.
    rechecks: Mutex<HashMap<(Namespace, Digest), Duration>>,
    recheck_permits: Arc<Semaphore>,
}

/// The places that were marked within the last [`WINDOW`].
#[derive(Default)]
struct Marks {
    recent: VecDeque<(Duration, Namespace, Place)>,
    /// When a mark was refused last, and when that was logged last.
    refused_at: Option<Duration>,
    logged_at: Option<Duration>,
}

impl DamageControl {
    pub(super) fn new() -> Self {
        let recheck_permits = Arc::new(Semaphore::new(MAX_CONCURRENT_RECHECKS));
        Self { marks: Mutex::default(), rechecks: Mutex::default(), recheck_permits }
    }

    /// Returns those of `extents` that may be marked now. A place that was marked a moment ago counts once.
    fn admit(&self, now: Duration, namespace: &Namespace, extents: &[Extent]) -> Vec<Extent> {
        let mut marks = lock(&self.marks);
        marks.forget_old(now);
        let admitted: Vec<Extent> =
            extents.iter().filter(|extent| marks.admit(now, namespace, extent.place)).copied().collect();
        if admitted.is_empty() && !extents.is_empty() {
            marks.refuse(now);
        }
        admitted
    }

    /// Whether marks were refused within the last [`WINDOW`].
    fn is_stopped(&self, now: Duration) -> bool {
        lock(&self.marks).refused_at.is_some_and(|at| now < at + WINDOW)
    }

    /// Notes that content was just found to be damaged, so that it is not read again at once.
    fn note_check(&self, now: Duration, namespace: &Namespace, digest: &Digest) {
        let mut rechecks = lock(&self.rechecks);
        if rechecks.len() >= MAX_REMEMBERED_RECHECKS {
            rechecks.retain(|_, at| now < *at + RECHECK_INTERVAL);
        }
        if rechecks.len() < MAX_REMEMBERED_RECHECKS {
            rechecks.insert((namespace.clone(), digest.clone()), now);
        }
    }

    /// Returns a permit to read content again, unless it was read lately or too many others are being read.
    fn begin_recheck(
        &self,
        now: Duration,
        namespace: &Namespace,
        digest: &Digest,
    ) -> Option<OwnedSemaphorePermit> {
        let last = lock(&self.rechecks).get(&(namespace.clone(), digest.clone())).copied();
        if last.is_some_and(|at| now < at + RECHECK_INTERVAL) {
            return None;
        }
        let permit = Arc::clone(&self.recheck_permits).try_acquire_owned().ok()?;
        self.note_check(now, namespace, digest);
        let is_noted = lock(&self.rechecks).contains_key(&(namespace.clone(), digest.clone()));
        is_noted.then_some(permit)
    }
}

impl Marks {
    fn forget_old(&mut self, now: Duration) {
        self.recent.retain(|(at, ..)| now < *at + WINDOW);
    }

    fn admit(&mut self, now: Duration, namespace: &Namespace, place: Place) -> bool {
        let is_known = self.recent.iter().any(|(_, of, known)| of == namespace && *known == place);
        if !is_known && self.recent.len() >= MAX_MARKS {
            return false;
        }
        if !is_known {
            self.recent.push_back((now, namespace.clone(), place));
        }
        true
    }

    fn refuse(&mut self, now: Duration) {
        self.refused_at = Some(now);
        if self.logged_at.is_none_or(|at| now >= at + WINDOW) {
            self.logged_at = Some(now);
            tracing::error!(
                "more than {MAX_MARKS} data objects or attached bodies could not be read within {} minutes: no more of \
                 them is marked as damaged, and reads of them are answered 503; check this machine and the store",
                WINDOW.as_secs() / 60
            );
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Whether this process has stopped to mark content as damaged, because too much could not be read.
    pub fn is_marking_stopped(&self) -> bool {
        self.damage.is_stopped(self.clock.monotonic())
    }

    /// Handles extents that the current state names and that were missing or wrong when they were read. They are read
    /// once more; those that are damaged again are marked. Returns what the reader is to be told.
    pub(super) async fn report_damage(&self, wanted: &Wanted, suspects: &[Extent]) -> Error {
        match self.damaged_of(&wanted.namespace(), suspects).await {
            Ok(damaged) if damaged.is_empty() => Error::Unreadable(wanted.digest.clone()),
            Ok(damaged) => self.mark_damaged(wanted, &damaged).await,
            Err(error) => error,
        }
    }

    /// Reads `extents` and returns those that are missing or do not have their checksum.
    pub(super) async fn damaged_of(
        &self,
        namespace: &Namespace,
        extents: &[Extent],
    ) -> Result<Vec<Extent>, Error> {
        let mut damaged = Vec::new();
        for extent in extents {
            if !self.verify_extent(namespace, extent, None).await? {
                damaged.push(*extent);
            }
        }
        Ok(damaged)
    }

    /// Records in the journal that `damaged` extents of `wanted` are lost, so that clients push the content again.
    /// Returns what the reader is to be told.
    pub(super) async fn mark_damaged(&self, wanted: &Wanted, damaged: &[Extent]) -> Error {
        let Wanted { repository, digest, .. } = wanted;
        let (namespace, now) = (wanted.namespace(), self.clock.monotonic());
        let admitted = self.damage.admit(now, &namespace, damaged);
        if admitted.is_empty() {
            return Error::Unreadable(digest.clone());
        }
        tracing::error!(%repository, %digest, "stored bytes are missing or damaged: push the content again");
        self.damage.note_check(now, &namespace, digest);
        let actor = Actor::system("verification", "verification", self.new_call());
        match self.propose(&namespace, Change::Damaged(bodies_of(&admitted)), &actor).await {
            Ok(outcome) => {
                if outcome.changed {
                    let counts = self.journals.damage();
                    admitted.iter().for_each(|extent| counts.add(kind_of(extent)));
                }
                // A push may have healed it meanwhile.
                match wanted.find(&outcome.state) {
                    Some(_) => Error::Unreadable(digest.clone()),
                    None => Error::Damaged(digest.clone()),
                }
            }
            Err(error) => {
                tracing::error!(%digest, %error, "the damage could not be recorded");
                error
            }
        }
    }

    /// Reads content that is marked as damaged once more, at most every [`RECHECK_INTERVAL`]: an operator may have
    /// restored it, or the store answers again. Returns whether its marks were taken off.
    pub(super) async fn recheck(&self, wanted: &Wanted) -> Result<bool, Error> {
        let namespace = wanted.namespace();
        let state = self.journals.recent(&namespace).await?;
        let Some(stored) = state.and_then(|state| wanted.find_damaged(&state)) else { return Ok(false) };
        let Some(permit) = self.damage.begin_recheck(self.clock.monotonic(), &namespace, &wanted.digest)
        else {
            return Ok(false);
        };
        let Some(registry) = self.this.upgrade() else { return Ok(false) };
        let wanted = wanted.clone();
        let recheck = tokio::spawn(async move {
            let _permit = permit;
            registry.unmark_if_sound(&wanted, &stored).await
        });
        match timeout(RECHECK_PATIENCE, recheck).await {
            Ok(Ok(Ok(is_sound))) => Ok(is_sound),
            _ => Ok(false),
        }
    }

    /// Takes the marks of content off if all of its bytes are right.
    async fn unmark_if_sound(&self, wanted: &Wanted, stored: &Stored) -> Result<bool, Error> {
        let Wanted { repository, digest, .. } = wanted;
        let namespace = wanted.namespace();
        let mut hasher = Hasher::new(digest.algorithm());
        for extent in stored.extents.iter() {
            if !self.verify_extent(&namespace, extent, Some(&mut hasher)).await? {
                return Ok(false);
            }
        }
        if hasher.finish() != *digest {
            return Ok(false);
        }
        let actor = Actor::system("verification", "verification", self.new_call());
        self.propose(&namespace, Change::Sound(bodies_of(&stored.extents)), &actor).await?;
        tracing::warn!(%repository, %digest, "content that was marked as damaged has been read without fault: it is served again");
        Ok(true)
    }

    /// Whether the bytes of `extent` are there and have its checksum. They are fed to `hasher` as well.
    async fn verify_extent(
        &self,
        namespace: &Namespace,
        extent: &Extent,
        mut hasher: Option<&mut Hasher>,
    ) -> Result<bool, Error> {
        let (mut crc, mut from) = (Crc::default(), 0);
        while from < extent.length {
            let length = PIECE.min(extent.length - from);
            let Some(bytes) = self.read_extent(namespace, extent, from, length).await? else {
                return Ok(false);
            };
            crc.update(&bytes);
            if let Some(hasher) = &mut hasher {
                hasher.update(&bytes);
            }
            from += length;
        }
        Ok(crc.finish() == extent.crc32c)
    }
}

fn kind_of(extent: &Extent) -> DamageKind {
    match extent.place {
        Place::Object { .. } => DamageKind::Object,
        Place::Commit { .. } => DamageKind::Body,
    }
}

fn bodies_of(extents: &[Extent]) -> BodiesOp {
    let mut op = BodiesOp::default();
    for extent in extents {
        match extent.place {
            Place::Object { id, .. } => op.objects.push(id),
            Place::Commit { seq, offset } => op.bodies.push((seq, offset, extent.length)),
        }
    }
    op
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(seq: u64) -> Extent {
        Extent { place: Place::Commit { seq, offset: 9 }, length: 1, crc32c: 0 }
    }

    #[test]
    fn admits_ten_marks_within_ten_minutes() {
        let (control, team) = (DamageControl::new(), Namespace::parse("team").unwrap());
        let second = Duration::from_secs;
        let many: Vec<Extent> = (0..20).map(extent).collect();
        assert_eq!(control.admit(second(0), &team, &many[..4]).len(), 4);
        assert_eq!(control.admit(second(1), &team, &many[..4]).len(), 4, "marked already");
        assert_eq!(control.admit(second(2), &team, &many).len(), 10);
        assert!(!control.is_stopped(second(2)), "a part was marked, which is enough for its body");
        assert!(control.admit(second(3), &team, &many[10..]).is_empty());
        assert!(control.admit(second(3), &Namespace::root(), &many[..1]).is_empty(), "of another namespace");
        assert!(control.is_stopped(second(602)) && !control.is_stopped(second(603)));
        assert_eq!(control.admit(second(601), &team, &many[10..]).len(), 4, "the first four are forgotten");
    }

    #[test]
    fn rechecks_each_digest_once_a_minute_and_few_at_once() {
        let (control, team) = (DamageControl::new(), Namespace::parse("team").unwrap());
        let digests: Vec<Digest> = (0..3).map(|n: u8| Digest::sha256(&[n])).collect();
        let second = Duration::from_secs;
        control.note_check(second(0), &team, &digests[0]);
        assert!(control.begin_recheck(second(59), &team, &digests[0]).is_none());
        let first = control.begin_recheck(second(60), &team, &digests[0]);
        assert!(first.is_some());
        assert!(control.begin_recheck(second(61), &team, &digests[0]).is_none());
        let second_one = control.begin_recheck(second(61), &team, &digests[1]);
        assert!(second_one.is_some());
        assert!(control.begin_recheck(second(61), &team, &digests[2]).is_none(), "two are enough");
        drop(first);
        assert!(control.begin_recheck(second(61), &team, &digests[2]).is_some(), "it was not counted");
        for n in 0..MAX_REMEMBERED_RECHECKS + 10 {
            control.note_check(second(100), &team, &Digest::sha256(&n.to_be_bytes()));
        }
        assert_eq!(lock(&control.rechecks).len(), MAX_REMEMBERED_RECHECKS);
    }
}
