//! Copying one namespace: its source is folded, what the state names is fetched and verified, and only then do its
//! commits follow; and all of that again for what the source has got in the meantime.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::bodies::{Body, newly_named};
use super::store::{Put, Store, Target};
use super::{Copied, Event, Problem, Tell, TransferError};
use crate::backend::Key;
use crate::journal::keys;
use crate::journal::op::Crc32c;
use crate::journal::state::{Extent, Place, State};
use crate::oci::{Hasher, Namespace};

/// Objects, commits or markers that are under way at the same time. An object has at most 8 MiB.
pub(super) const SIDE_BY_SIDE: usize = 8;
/// Commits that are read at the same time.
const MAX_WINDOW: u64 = 32;
/// How often the newest commits of a source that is always a little ahead are followed.
const PASSES: u32 = 10;

pub(super) struct Copying<'a> {
    pub source: &'a Store,
    pub target: &'a Target,
    pub tell: Tell<'a>,
    /// What the journals begin with.
    pub chain: Uuid,
    pub namespace: &'a Namespace,
    /// Those that the target has for certain.
    pub markers: &'a BTreeSet<Key>,
    /// The target was whole before: then a prefix of the journal is what it must have at every moment.
    pub in_order: bool,
}

/// What the target had when the copy began.
struct There {
    commits: BTreeSet<u64>,
    objects: BTreeSet<Uuid>,
}

/// What became of one body.
struct Fetched {
    body: Body,
    sound: bool,
    objects: u64,
    bytes: u64,
    verified: u64,
}

impl Copying<'_> {
    pub async fn run(&self) -> Result<Copied, Problem> {
        let mut state = State::empty(self.chain);
        // What the target has of it.
        let mut appended = state.clone();
        self.advance(&mut state).await?;
        let there = There {
            commits: self.target.all(&keys::commits(self.namespace), keys::commit_seq).await?,
            objects: self.target.all(&keys::data_objects(self.namespace), keys::data_object).await?,
        };
        if there.commits.last().is_some_and(|last| *last > state.seq) {
            return Err(self.own_history(state.seq + 1).into());
        }
        let mut copied = Copied::new(self.namespace);
        for _ in 0..PASSES {
            let mut fetched = appended.clone();
            loop {
                let missing = self.fetch(newly_named(&state, &fetched), &there, &mut copied).await?;
                if missing.is_empty() {
                    break;
                }
                // It may have been replaced or dropped since: the newest state decides.
                fetched = state.clone();
                self.advance(&mut state).await?;
                refuse_losses(&missing, &state)?;
            }
            self.put_markers(&state, &appended).await?;
            self.append(appended.seq + 1..=state.seq, &there, &mut copied).await?;
            appended = state.clone();
            self.advance(&mut state).await?;
            if state.seq == appended.seq {
                break;
            }
        }
        copied.head = appended.seq;
        copied.damaged = names_of(
            newly_named(&appended, &State::empty(self.chain)).iter().filter(|body| body.is_damaged),
            &appended,
        );
        Ok(copied)
    }

    /// Folds what the source has appended, up to its head.
    async fn advance(&self, state: &mut State) -> Result<(), Problem> {
        let mut width = 1;
        loop {
            let next = state.seq + 1;
            let window = try_join_all((next..next + width).map(|seq| self.read_commit(seq))).await?;
            let found: Vec<Bytes> = window.into_iter().map_while(|bytes| bytes).collect();
            for bytes in &found {
                state.fold(state.seq + 1, bytes)?;
            }
            if found.len() as u64 == width {
                width = (width * 2).min(MAX_WINDOW);
            } else if self.is_head(state.seq).await? {
                return Ok(());
            } else {
                width = 1;
            }
        }
    }

    /// Whether the source has nothing after commit `seq`.
    async fn is_head(&self, seq: u64) -> Result<bool, Problem> {
        let after = keys::commit(self.namespace, seq);
        let (beyond, _) = self.source.page(&keys::commits(self.namespace), after.as_str()).await?;
        let Some(beyond) = beyond.iter().find_map(keys::commit_seq) else { return Ok(true) };
        // It may have been appended since.
        match self.read_commit(seq + 1).await? {
            Some(_) => Ok(false),
            None => Err(Problem::Gap { missing: seq + 1, beyond }),
        }
    }

    /// Brings bodies to the target, but those that are known to be damaged; gives those that the source lacks.
    async fn fetch(
        &self,
        mut bodies: Vec<Body>,
        there: &There,
        copied: &mut Copied,
    ) -> Result<Vec<Body>, Problem> {
        bodies.retain(|body| !body.is_damaged);
        (self.tell)(Event::Data { bytes: bodies.iter().map(|body| body.size).sum() });
        let mut missing = Vec::new();
        let mut fetched =
            stream::iter(bodies).map(|body| self.fetch_body(body, there)).buffer_unordered(SIDE_BY_SIDE);
        while let Some(Fetched { body, sound, objects, bytes, verified }) = fetched.try_next().await? {
            copied.objects += objects;
            copied.bytes += bytes;
            copied.verified += verified;
            if !sound {
                missing.push(body);
            }
        }
        Ok(missing)
    }

    async fn fetch_body(&self, body: Body, there: &There) -> Result<Fetched, Problem> {
        let mut hasher = Hasher::new(body.digest.algorithm());
        let mut fetched = Fetched { body, sound: false, objects: 0, bytes: 0, verified: 0 };
        for extent in fetched.body.extents.clone().iter() {
            let Some(bytes) = self.fetch_extent(extent, there, &mut fetched).await? else {
                return Ok(fetched);
            };
            hasher.update(&bytes);
            fetched.verified += bytes.len() as u64;
            (self.tell)(Event::Verified { bytes: bytes.len() as u64 });
        }
        fetched.sound = hasher.finish() == fetched.body.digest && fetched.verified == fetched.body.size;
        Ok(fetched)
    }

    /// The bytes of an extent, verified, and in the target unless they ride in a commit; none if the source lacks them.
    async fn fetch_extent(
        &self,
        extent: &Extent,
        there: &There,
        fetched: &mut Fetched,
    ) -> Result<Option<Bytes>, Problem> {
        let (id, offset) = match extent.place {
            Place::Object { id, offset } => (id, offset),
            Place::Commit { seq, offset } => {
                let range = offset..offset.saturating_add(extent.length);
                let bytes = self.source.read(&keys::commit(self.namespace, seq), Some(range)).await?;
                return Ok(bytes.and_then(|bytes| sound(&bytes, 0, extent)));
            }
        };
        let key = keys::data(self.namespace, id);
        if there.objects.contains(&id) {
            let present = self.target.read(&key, None).await?.and_then(|bytes| sound(&bytes, offset, extent));
            return present.ok_or(Problem::TargetDamaged(key)).map(Some);
        }
        let Some(object) = self.source.read(&key, None).await? else { return Ok(None) };
        let Some(bytes) = sound(&object, offset, extent) else { return Ok(None) };
        match self.target.put(&key, &object).await? {
            Put::Other => Err(Problem::TargetDamaged(key)),
            Put::Same => Ok(Some(bytes)),
            Put::Created => {
                fetched.objects += 1;
                fetched.bytes += object.len() as u64;
                Ok(Some(bytes))
            }
        }
    }

    /// A repository is in the catalog before it has content.
    async fn put_markers(&self, state: &State, before: &State) -> Result<(), Problem> {
        let new = state.repositories.keys().filter(|name| !before.repositories.contains_key(*name));
        let mut markers: Vec<Key> = new.map(keys::marker).collect();
        markers.retain(|marker| !self.markers.contains(marker));
        Ok(super::put_markers(self.target, markers.iter()).await?)
    }

    async fn append(
        &self,
        commits: RangeInclusive<u64>,
        there: &There,
        copied: &mut Copied,
    ) -> Result<(), Problem> {
        let (first, last) = commits.into_inner();
        (self.tell)(Event::Journal { commits: last + 1 - first });
        // What is there already is only compared, so it need not come in order.
        let known = there.commits.last().copied().unwrap_or(0).clamp(first - 1, last);
        let in_order = if self.in_order { 1 } else { SIDE_BY_SIDE };
        for (commits, side_by_side) in [(first..=known, SIDE_BY_SIDE), (known + 1..=last, in_order)] {
            let mut appended =
                stream::iter(commits).map(|seq| self.append_commit(seq, there)).buffered(side_by_side);
            while let Some((put, bytes)) = appended.try_next().await? {
                if put == Put::Created {
                    copied.commits += 1;
                    copied.bytes += bytes;
                }
                (self.tell)(Event::Appended);
            }
        }
        Ok(())
    }

    async fn append_commit(&self, seq: u64, there: &There) -> Result<(Put, u64), Problem> {
        let key = keys::commit(self.namespace, seq);
        let gap = Problem::Gap { missing: seq, beyond: seq + 1 };
        let bytes = self.read_commit(seq).await?.ok_or(gap)?;
        // The newest one is created again: whoever wrote it may have ended before it was durable.
        let put = if there.commits.contains(&seq) && there.commits.last() != Some(&seq) {
            if self.target.read(&key, None).await?.as_ref() == Some(&bytes) { Put::Same } else { Put::Other }
        } else {
            self.target.put(&key, &bytes).await?
        };
        match put {
            Put::Other => Err(self.own_history(seq).into()),
            put => Ok((put, bytes.len() as u64)),
        }
    }

    async fn read_commit(&self, seq: u64) -> Result<Option<Bytes>, TransferError> {
        self.source.read(&keys::commit(self.namespace, seq), None).await
    }

    fn own_history(&self, seq: u64) -> TransferError {
        TransferError::OwnHistory { namespace: self.namespace.clone(), seq }
    }
}

/// What `state` still names is lost.
fn refuse_losses(missing: &[Body], state: &State) -> Result<(), Problem> {
    let named = |body: &&Body| body.is_named_by(state) && !state.is_damaged(&body.extents);
    let lost = names_of(missing.iter().filter(named), state);
    if lost.is_empty() { Ok(()) } else { Err(Problem::Lost(lost)) }
}

fn names_of<'a>(bodies: impl Iterator<Item = &'a Body>, state: &State) -> Vec<String> {
    bodies.map(|body| body.name(state)).collect()
}

/// The bytes of `extent`, from `offset` of an object on, if they are what was written.
fn sound(object: &Bytes, offset: u64, extent: &Extent) -> Option<Bytes> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(extent.length).ok()?)?;
    let bytes = object.get(start..end)?;
    (Crc32c::of(bytes).0 == extent.crc32c).then(|| object.slice(start..end))
}
