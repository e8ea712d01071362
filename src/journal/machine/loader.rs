//! Loading a namespace on its first use: newest checkpoint, the commits after it, proof of the head (docs/internals/journal-protocol.md#loading).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::{Core, Event, Mode, PATIENCE, Rule, Tail, Ticket, back_off};
use crate::backend::{BackendError, Key};
use crate::journal::checkpoint::{self, Checkpoint};
use crate::journal::commit;
use crate::journal::damage::DamageKind;
use crate::journal::error::JournalError;
use crate::journal::keys;
use crate::oci::Digest;

/// Commits that are read side by side, at the most.
const SIDE_BY_SIDE: usize = 32;
/// Checkpoints that are tried, the newest first. The store keeps two of each fold version; files that are none may be
/// listed among them.
const CHECKPOINTS: usize = 8;
/// Keys of a namespace without commit 1 that are looked at in one LIST.
const REMAINS: usize = 100;
/// Keys behind the head that are listed at once: more commits than a checkpoint leaves behind it, mostly.
const BEYOND: usize = 1_000;

pub enum Progress {
    Waiting,
    /// The state is that of the head, which the read `last_read` (sent at `sent`) confirmed.
    Loaded {
        last_read: Ticket,
        sent: Duration,
    },
}

pub struct Loader {
    started: Duration,
    failures: u32,
    outstanding: BTreeMap<Ticket, Request>,
    /// Commit 1, and the newest commit that was folded or that a checkpoint ends with.
    first: Bytes,
    head: Bytes,
    checkpoints: VecDeque<Key>,
    /// Checkpoints that turned out to be damaged.
    damaged: Vec<Key>,
    /// Sound checkpoints whose commit has another hash, by the commit's number.
    doubted: Vec<(u64, Key)>,
    /// A key that shows that the namespace has a history although commit 1 was not found.
    remains: Option<Key>,
    /// Commits that were listed and are not asked for yet, and those that were read and are not folded yet.
    listed: VecDeque<u64>,
    found: BTreeMap<u64, Bytes>,
    /// What the LIST after the head found, if it was not the next commit; and the last read.
    beyond: Option<u64>,
    last: Option<(Ticket, Duration)>,
}

#[derive(Clone)]
enum Request {
    First,
    /// The LIST that tells a namespace that does not exist from one that has lost its first commit.
    Remains(Remains),
    Checkpoints,
    Checkpoint(Key),
    /// The commit that a checkpoint ends with.
    End(Key, Box<Checkpoint>),
    Commit(u64),
    Beyond,
    Last,
    /// Makes the newest commit durable: a crash may have left it visible only.
    Settle,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Remains {
    Everything,
    Commits,
}

enum Answer {
    Bytes(Bytes),
    NotFound,
    Keys(Vec<Key>),
    Settled,
}

impl Loader {
    pub fn start(core: &mut Core) -> Self {
        let mut loader = Self {
            started: core.now(),
            failures: 0,
            outstanding: BTreeMap::new(),
            first: Bytes::new(),
            head: Bytes::new(),
            checkpoints: VecDeque::new(),
            damaged: Vec::new(),
            doubted: Vec::new(),
            remains: None,
            listed: VecDeque::new(),
            found: BTreeMap::new(),
            beyond: None,
            last: None,
        };
        loader.send(core, Request::First);
        loader
    }

    /// For how long it has been loading.
    pub fn age(&self, core: &Core) -> Duration {
        core.now().saturating_sub(self.started)
    }

    /// The checkpoints that are damaged and may be deleted, once the namespace is loaded.
    pub fn take_damaged(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.damaged)
    }

    pub fn on(&mut self, core: &mut Core, event: Event) -> Result<Progress, JournalError> {
        let (ticket, result) = match event {
            Event::Timer { ticket } => {
                if let Some(request) = self.outstanding.remove(&ticket) {
                    self.send(core, request);
                }
                return Ok(Progress::Waiting);
            }
            Event::Read { ticket, result } => (ticket, result.map(Answer::Bytes)),
            Event::Listed { ticket, result } => (ticket, result.map(Answer::Keys)),
            Event::Created { ticket, result } => (ticket, result.map(|_| Answer::Settled)),
            Event::Propose { .. } | Event::Confirm { .. } | Event::Foreign { .. } => {
                return Ok(Progress::Waiting);
            }
        };
        let Some(request) = self.outstanding.remove(&ticket) else { return Ok(Progress::Waiting) };
        let answer = match result {
            Ok(answer) => answer,
            Err(BackendError::NotFound(_)) => Answer::NotFound,
            // What cannot be written now cannot be settled now, but it can be read.
            Err(error) if matches!(request, Request::Settle) && error.is_definite() => Answer::Settled,
            Err(error) => return self.repeat_or_give_up(core, request, &error),
        };
        self.answered(core, request, ticket, answer)
    }

    fn answered(
        &mut self,
        core: &mut Core,
        request: Request,
        ticket: Ticket,
        answer: Answer,
    ) -> Result<Progress, JournalError> {
        match (request, answer) {
            (Request::First, Answer::NotFound) => {
                if let Some(key) = self.remains.take() {
                    return Err(lost(core, 1, &format!("{key} is there")));
                }
                self.last = Some((ticket, self.started));
                self.send(core, Request::Remains(Remains::Everything));
            }
            (Request::Remains(of), Answer::Keys(keys)) => return Ok(self.look_at_remains(core, of, &keys)),
            (Request::First, Answer::Bytes(bytes)) => {
                self.first = bytes;
                self.send(core, Request::Checkpoints);
            }
            (Request::Checkpoints, Answer::Keys(keys)) => {
                self.checkpoints =
                    keys.into_iter().filter(|key| keys::checkpoint_seq(key).is_some()).collect();
                self.next_checkpoint(core)?;
            }
            (Request::Checkpoint(key), Answer::Bytes(bytes)) => match checkpoint::read(&bytes) {
                Ok(found) => {
                    self.send(core, Request::End(key, Box::new(found)));
                }
                Err(error) => {
                    self.pass_over(core, key, &format!("is damaged and passed over: {error}"));
                    self.next_checkpoint(core)?;
                }
            },
            (Request::Checkpoint(_), _) => self.next_checkpoint(core)?,
            (Request::End(key, found), answer) => self.adopt(core, key, *found, answer)?,
            (Request::Commit(seq), answer) => self.commit_answered(core, seq, answer)?,
            (Request::Beyond, Answer::Keys(keys)) => self.look_beyond(core, &keys),
            (Request::Last, answer) => return self.last_answered(core, answer),
            (Request::Settle, _) => return Ok(self.finished()),
            // A store answers a read with bytes and a LIST with keys.
            _ => {}
        }
        Ok(Progress::Waiting)
    }

    /// Commit 1 was not found. A commit or a checkpoint shows that there was one: then it is read once more, because it may
    /// have been created since, and a LIST that was sent after the first read proves nothing about that read.
    /// Uploads that were staged before the first commit show nothing.
    fn look_at_remains(&mut self, core: &mut Core, of: Remains, keys: &[Key]) -> Progress {
        let is_history = |key: &&Key| keys::is_history(&core.setup.namespace, key);
        let found = keys.iter().find(is_history).filter(|_| core.setup.rules.hold(Rule::GapIsNoHead));
        if found.is_some() {
            self.remains = found.cloned();
            self.send(core, Request::First);
        } else if of == Remains::Everything && keys.len() == REMAINS {
            // Staged data sorts before the journal.
            self.send(core, Request::Remains(Remains::Commits));
        } else {
            return self.finished();
        }
        Progress::Waiting
    }

    fn next_checkpoint(&mut self, core: &mut Core) -> Result<(), JournalError> {
        match self.checkpoints.pop_front() {
            Some(key) => {
                self.send(core, Request::Checkpoint(key));
            }
            None => {
                let first = self.first.clone();
                self.fold(core, 1, first)?;
                self.send(core, Request::Beyond);
            }
        }
        Ok(())
    }

    /// A checkpoint is a cache: it counts only if the journal still has the commit that it ends with. A sound one whose
    /// commit is missing proves that the journal was longer. If the commit is there with another hash, the commits after
    /// it tell which of the two is wrong.
    fn adopt(
        &mut self,
        core: &mut Core,
        key: Key,
        found: Checkpoint,
        answer: Answer,
    ) -> Result<(), JournalError> {
        let (seq, compared) = (found.state.seq, core.setup.rules.hold(Rule::CheckpointIsCompared));
        let bytes = match answer {
            Answer::Bytes(bytes) => bytes,
            _ if compared => return Err(lost(core, seq, &format!("the checkpoint {key} was made of it"))),
            _ => Bytes::new(),
        };
        let fits = Digest::sha256(commit::line(&bytes)).to_string() == *found.state.link;
        if !fits && compared {
            self.doubted.push((seq, key));
            return self.next_checkpoint(core);
        }
        core.state = found.state.into();
        core.tail = Tail::default();
        self.head = bytes;
        self.send(core, Request::Beyond);
        Ok(())
    }

    fn pass_over(&mut self, core: &mut Core, key: Key, why: &str) {
        core.alarm(Some(DamageKind::Checkpoint), format!("checkpoint {key} {why}"));
        self.damaged.push(key);
    }

    /// The commits that follow the head without a gap are read; where none does, the next one is asked for once more, because
    /// a list may be of a moment ago, and that proves the head.
    fn look_beyond(&mut self, core: &mut Core, keys: &[Key]) {
        let mut next = core.state.seq;
        let listed = keys.iter().filter_map(keys::commit_seq);
        let follow = |seq: &u64| {
            next += 1;
            *seq == next
        };
        self.listed = listed.take_while(follow).collect();
        if !self.listed.is_empty() {
            return self.read_listed(core);
        }
        self.beyond = keys.iter().find_map(keys::commit_seq);
        self.prove_head(core);
    }

    fn prove_head(&mut self, core: &mut Core) {
        let sent = core.now();
        let ticket = self.send(core, Request::Last);
        self.last = Some((ticket, sent));
    }

    fn read_listed(&mut self, core: &mut Core) {
        while self.outstanding.len() < SIDE_BY_SIDE
            && let Some(seq) = self.listed.pop_front()
        {
            self.send(core, Request::Commit(seq));
        }
    }

    fn commit_answered(&mut self, core: &mut Core, seq: u64, answer: Answer) -> Result<(), JournalError> {
        if let Answer::Bytes(bytes) = answer {
            self.found.insert(seq, bytes);
        }
        self.read_listed(core);
        if !self.outstanding.is_empty() {
            return Ok(());
        }
        let before = core.state.seq;
        for (seq, bytes) in std::mem::take(&mut self.found) {
            if seq != core.state.seq + 1 {
                break;
            }
            self.fold(core, seq, bytes)?;
        }
        if core.state.seq > before {
            self.send(core, Request::Beyond);
        } else {
            // It was listed and is not there.
            self.beyond = Some(before + 1);
            self.prove_head(core);
        }
        Ok(())
    }

    fn last_answered(&mut self, core: &mut Core, answer: Answer) -> Result<Progress, JournalError> {
        if let Answer::Bytes(bytes) = answer {
            self.fold(core, core.state.seq + 1, bytes)?;
            self.send(core, Request::Beyond);
            return Ok(Progress::Waiting);
        }
        if let Some(beyond) = self.beyond
            && core.setup.rules.hold(Rule::GapIsNoHead)
        {
            return Err(lost(core, core.state.seq + 1, &format!("commit {beyond} is there")));
        }
        self.settle_doubts(core)?;
        if core.setup.mode == Mode::Shared {
            return Ok(self.finished());
        }
        self.send(core, Request::Settle);
        Ok(Progress::Waiting)
    }

    /// Decides between commits and the checkpoints that were made of others. A commit that others follow is proven by
    /// their chain. Of the newest one the checkpoint is the only witness, and the next commit would make it valid for ever.
    fn settle_doubts(&mut self, core: &mut Core) -> Result<(), JournalError> {
        for (seq, key) in std::mem::take(&mut self.doubted) {
            if core.state.seq <= seq {
                let why = format!("commit {seq} is not the one that the checkpoint {key} was made of");
                return Err(JournalError::Broken(why));
            }
            self.pass_over(core, key, "does not fit the journal and is passed over");
        }
        Ok(())
    }

    /// The load ends with what the last read has proven.
    fn finished(&self) -> Progress {
        let (last_read, sent) = self.last.unwrap_or((0, self.started));
        Progress::Loaded { last_read, sent }
    }

    fn fold(&mut self, core: &mut Core, seq: u64, bytes: Bytes) -> Result<(), JournalError> {
        core.advance(seq, &bytes)?;
        self.head = bytes;
        Ok(())
    }

    fn repeat_or_give_up(
        &mut self,
        core: &mut Core,
        request: Request,
        error: &BackendError,
    ) -> Result<Progress, JournalError> {
        if error.is_definite() || core.now() >= self.started + PATIENCE {
            return Err(JournalError::from(error));
        }
        let ticket = core.timer(back_off(self.failures));
        self.failures += 1;
        self.outstanding.insert(ticket, request);
        Ok(Progress::Waiting)
    }

    fn send(&mut self, core: &mut Core, request: Request) -> Ticket {
        let head = core.state.seq;
        let namespace = core.setup.namespace.clone();
        let ticket = match &request {
            Request::First => core.read_commit(1),
            Request::Checkpoint(key) => core.read(key.clone()),
            Request::Remains(of) => {
                let prefix = match of {
                    Remains::Everything => keys::all_of(&namespace),
                    Remains::Commits => keys::commits(&namespace),
                };
                core.list(prefix, String::new(), REMAINS)
            }
            Request::End(_, found) => core.read_commit(found.state.seq),
            Request::Commit(seq) => core.read_commit(*seq),
            Request::Last => core.read_commit(head + 1),
            Request::Checkpoints => {
                core.list(keys::checkpoints(&namespace, keys::FOLD_VERSION), String::new(), CHECKPOINTS)
            }
            Request::Beyond => {
                let after = keys::commit(&namespace, head).as_str().to_owned();
                core.list(keys::commits(&namespace), after, BEYOND)
            }
            Request::Settle => core.create_commit(head, vec![self.head.clone()]),
        };
        self.outstanding.insert(ticket, request);
        ticket
    }
}

/// The error of a store that has lost commit `seq`, as `evidence` shows.
fn lost(core: &mut Core, seq: u64, evidence: &str) -> JournalError {
    core.has_gap = true;
    JournalError::Broken(format!("the store has lost commit {seq}: {evidence}"))
}
