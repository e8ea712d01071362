//! A journal that was damaged: what a read and a write answer, and what is in the store afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Timestamp, digest};
use crate::backend::faulty::Faulty;
use crate::backend::{Backend, BackendError, Fs, Key, Memory};
use crate::clock::{Clock, SystemClock};
use crate::journal::commit::resealed;
use crate::journal::machine::{Action, Event, Machine, REFUSAL_LASTS, Rules, Setup};
use crate::journal::{
    AllLoose, Body, Change, DamageKind, JournalError, Journals, Mode, Options, Outcome, Proposal,
    ProposeError, checkpoint, keys,
};
use crate::oci::{Namespace, RepositoryName};

mod loss;

use loss::Loss;

/// Commits of each damaged namespace.
const HEAD: u64 = 6;

/// A clock that a test can put forward.
#[derive(Default)]
struct TestClock {
    system: SystemClock,
    ahead: AtomicU64,
}

impl TestClock {
    fn pass(&self, time: Duration) {
        self.ahead.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.system.now()
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic() + Duration::from_millis(self.ahead.load(Ordering::Relaxed))
    }

    fn random(&self) -> u128 {
        self.system.random()
    }
}

/// A store on which nobody works, and how it is opened.
struct Store {
    backend: Arc<dyn Backend>,
    mode: Mode,
    clock: Arc<TestClock>,
    _folder: Option<TempDir>,
}

impl Store {
    fn in_memory(mode: Mode) -> Self {
        Self { backend: Arc::new(Memory::new()), mode, clock: Arc::default(), _folder: None }
    }

    fn in_files() -> Self {
        let folder = TempDir::new().unwrap();
        let backend = Arc::new(Fs::open(folder.path(), Duration::ZERO).unwrap());
        Self { backend, mode: Mode::Single, clock: Arc::default(), _folder: Some(folder) }
    }

    async fn open(&self) -> Arc<Journals> {
        let options = Options { mode: self.mode, ..Options::default() };
        Journals::open(self.backend.clone(), self.clock.clone(), options).await.unwrap()
    }

    /// `HEAD` commits in each of two namespaces, with checkpoints of `team` at `checkpoints`.
    async fn fill(&self, checkpoints: &[u64]) {
        let journals = self.open().await;
        for seq in 1..=HEAD {
            push(&journals, "team/app", seq).await.unwrap();
            if checkpoints.contains(&seq) {
                journals.checkpoint_all().await;
            }
        }
        for seq in 1..=HEAD {
            push(&journals, "other/app", seq).await.unwrap();
        }
    }

    async fn objects(&self) -> BTreeMap<Key, Bytes> {
        let mut objects = BTreeMap::new();
        for key in self.backend.list("", "", usize::MAX).await.unwrap() {
            // A checkpoint may be deleted meanwhile.
            if let Ok(bytes) = self.backend.read(&key, None).await {
                objects.insert(key, bytes);
            }
        }
        objects
    }

    async fn put(&self, key: &Key, bytes: impl Into<Bytes>) {
        self.remove(key).await;
        self.backend.create(key, vec![bytes.into()]).await.unwrap();
    }

    async fn remove(&self, key: &Key) {
        self.backend.delete(std::slice::from_ref(key)).await.unwrap();
    }

    /// Changes the bytes under `key`.
    async fn spoil(&self, key: &Key, spoil: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.backend.read(key, None).await.unwrap().to_vec();
        spoil(&mut bytes);
        self.put(key, bytes).await;
    }

    /// The sound checkpoints of `team` by number, the newest first. There must be no others.
    async fn checkpoints(&self) -> Vec<u64> {
        let mut seqs = Vec::new();
        for key in self.backend.list(&keys::checkpoints(&team(), keys::FOLD_VERSION), "", 100).await.unwrap()
        {
            let found = checkpoint::read(&self.backend.read(&key, None).await.unwrap());
            let seq = found.unwrap_or_else(|error| panic!("{key}: {error}")).state.seq;
            assert_eq!(keys::checkpoint_seq(&key), Some(seq));
            seqs.push(seq);
        }
        seqs
    }
}

fn team() -> Namespace {
    Namespace::parse("team").unwrap()
}

fn other() -> Namespace {
    Namespace::parse("other").unwrap()
}

fn commit(seq: u64) -> Key {
    keys::commit(&team(), seq)
}

fn checkpoint(seq: u64) -> Key {
    keys::checkpoint(&team(), seq)
}

async fn push(journals: &Journals, repository: &str, n: u64) -> Result<Outcome, ProposeError> {
    let repository = RepositoryName::parse(repository).unwrap();
    let bytes = format!("{repository} {n}");
    let (namespace, digest) = (repository.namespace(), digest(&bytes));
    let change = Change::Blob { repository, digest, content: Body::attached(bytes.into()) };
    journals
        .propose(
            &namespace,
            Proposal { change, actor: crate::journal::Actor::system("test", "r", Uuid::nil()) },
        )
        .await
}

fn flip(bytes: &mut [u8]) {
    let at = bytes.len() / 3;
    bytes[at] ^= 1;
}

/// Flips a bit of a nonce: the line stays one that can be read.
fn flip_nonce(bytes: &mut Vec<u8>) {
    let at = bytes.windows(9).position(|window| window == b"\"nonce\":\"").unwrap() + 9;
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    *bytes = resealed(bytes);
}

fn cut(bytes: &mut Vec<u8>) {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    bytes.truncate(line / 2);
}

async fn has_stopped(journals: &Journals) -> bool {
    tokio::time::timeout(Duration::from_millis(1), journals.stopped()).await.is_ok()
}

#[tokio::test]
async fn a_namespace_that_lost_part_of_its_journal_is_refused_until_it_is_restored() {
    for loss in Loss::ALL {
        for store in [Store::in_memory(Mode::Single), Store::in_memory(Mode::Shared), Store::in_files()] {
            loss.check(store).await;
        }
    }
}

/// Damage of what is only a cache.
#[derive(Clone, Copy, Debug)]
enum Spoilt {
    Newest,
    Both,
    Emptied,
    Garbage,
    OfACommitThatIsYetToCome,
    OfAnotherHistory,
}

impl Spoilt {
    const ALL: [Self; 6] = [
        Self::Newest,
        Self::Both,
        Self::Emptied,
        Self::Garbage,
        Self::OfACommitThatIsYetToCome,
        Self::OfAnotherHistory,
    ];

    /// Spoils checkpoints of commits 5 and 6, and says how many.
    async fn cause(self, store: &Store) -> u64 {
        match self {
            Self::Newest => store.spoil(&checkpoint(HEAD), |bytes| flip(bytes)).await,
            Self::Both => {
                store.spoil(&checkpoint(HEAD - 1), |bytes| bytes.truncate(40)).await;
                store.spoil(&checkpoint(HEAD), |bytes| flip(bytes)).await;
                return 2;
            }
            Self::Emptied => store.spoil(&checkpoint(HEAD), Vec::clear).await,
            Self::Garbage => store.put(&checkpoint(HEAD), vec![7; 5_000]).await,
            Self::OfACommitThatIsYetToCome => store.put(&checkpoint(1_000), vec![0; 100]).await,
            Self::OfAnotherHistory => {
                let stranger = Store::in_memory(Mode::Single);
                stranger.fill(&[HEAD - 1]).await;
                let theirs = stranger.backend.read(&checkpoint(HEAD - 1), None).await.unwrap();
                store.put(&checkpoint(HEAD - 1), theirs).await;
                store.remove(&checkpoint(HEAD)).await;
            }
        }
        1
    }

    async fn check(self, store: Store) {
        store.fill(&[HEAD - 1, HEAD]).await;
        let sound = store.open().await.current(&team()).await.unwrap().unwrap();
        let spoilt = self.cause(&store).await;
        // A file of somebody else is neither damage nor ours to delete.
        let foreign = Key::new(format!("{}.keep", keys::checkpoints(&team(), keys::FOLD_VERSION))).unwrap();
        store.put(&foreign, "").await;

        let journals = store.open().await;
        assert_eq!(journals.current(&team()).await.unwrap().unwrap(), sound, "{self:?}");
        assert_eq!(journals.damage().count(DamageKind::Checkpoint), spoilt, "{self:?}");
        assert_eq!(journals.damage().refused_namespaces(), 0, "{self:?}");
        settle(&store, &foreign, self).await;

        // The next process finds nothing to complain of, and the history goes on.
        let next = store.open().await;
        assert_eq!(push(&next, "team/app", 99).await.unwrap().state.seq, HEAD + 1, "{self:?}");
        assert_eq!(next.damage().count(DamageKind::Checkpoint), 0, "{self:?}");
    }
}

/// Waits until damaged checkpoints are gone and a good one of the head is there.
async fn settle(store: &Store, foreign: &Key, case: Spoilt) {
    let damaged = |key: &Key, bytes: &Bytes| key != foreign && checkpoint::read(bytes).is_err();
    for _ in 0..500 {
        let mut objects = store.objects().await;
        objects.retain(|key, _| key.as_str().contains("/_checkpoint/"));
        let is_clean = !objects.iter().any(|(key, bytes)| damaged(key, bytes));
        if is_clean && objects.contains_key(&checkpoint(HEAD)) {
            assert!(objects.contains_key(foreign), "{case:?}");
            store.remove(foreign).await;
            assert_eq!(store.checkpoints().await[0], HEAD, "{case:?}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{case:?}: {:?}", store.objects().await.keys());
}

#[tokio::test]
async fn a_damaged_checkpoint_is_ignored_and_written_anew() {
    for spoilt in Spoilt::ALL {
        for store in [Store::in_memory(Mode::Single), Store::in_memory(Mode::Shared), Store::in_files()] {
            spoilt.check(store).await;
        }
    }
}

#[tokio::test]
async fn uploads_that_were_staged_before_the_first_commit_are_no_loss() {
    for store in [Store::in_memory(Mode::Single), Store::in_memory(Mode::Shared), Store::in_files()] {
        let journals = store.open().await;
        for n in 0..150 {
            store.put(&keys::data(&team(), Uuid::from_u128(n)), "staged").await;
            store.put(&keys::upload_state(&team(), Uuid::from_u128(n), 1), "state").await;
        }
        for foreign in ["_journal/0000000000000000/0001.bak", "_journal/README", "_checkpoint/1/.keep"] {
            store.put(&Key::new(format!("ns/team/{foreign}")).unwrap(), "?").await;
        }
        // Of a namespace below it.
        store.put(&keys::commit(&Namespace::parse("team/sub").unwrap(), 7), "{}\n").await;
        assert!(journals.current(&team()).await.unwrap().is_none());
        assert_eq!(push(&journals, "team/app", 1).await.unwrap().state.seq, 1);
        assert_eq!(journals.damage().refused_namespaces(), 0);
    }
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_costs_one_read_and_one_list() {
    for mode in [Mode::Single, Mode::Shared] {
        let faulty = Arc::new(Faulty::new(Memory::new()));
        let store = Store { backend: faulty.clone(), ..Store::in_memory(mode) };
        let journals = store.open().await;
        for _ in 0..2 {
            faulty.reset_counts();
            assert!(journals.current(&team()).await.unwrap().is_none());
            let found = journals.by_digest(&team(), |_| Some(())).await.unwrap();
            assert!(found.is_none());
            let counts = faulty.counts();
            assert_eq!((counts.read, counts.list, counts.total()), (2, 2, 4), "{mode:?}");
        }
    }
}

#[tokio::test]
async fn while_a_namespace_is_refused_its_store_is_not_asked_again_and_again() {
    let faulty = Arc::new(Faulty::new(Memory::new()));
    let store = Store { backend: faulty.clone(), ..Store::in_memory(Mode::Shared) };
    store.fill(&[]).await;
    Loss::Middle.cause(&store).await;
    let journals = store.open().await;
    journals.current(&team()).await.unwrap_err();
    faulty.reset_counts();
    for n in 0..50 {
        journals.current(&team()).await.unwrap_err();
        journals.recent(&team()).await.unwrap_err();
        push(&journals, "team/new", n).await.unwrap_err();
    }
    assert_eq!(faulty.counts().total(), 0);
    // A store that does not answer makes nothing better: it stays refused.
    store.clock.pass(REFUSAL_LASTS);
    faulty.set_partitioned(true);
    let namespace = team();
    let asked = journals.current(&namespace);
    let (asked, ()) = tokio::join!(asked, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        store.clock.pass(Duration::from_secs(20));
    });
    assert!(matches!(asked, Err(JournalError::Unavailable(_))), "{asked:?}");
    assert_eq!(journals.damage().refused_namespaces(), 1);
    assert!(matches!(journals.current(&team()).await, Err(JournalError::Broken(_))));
    assert_eq!(journals.damage().count(DamageKind::Gap), 1);
}

#[tokio::test]
async fn a_loaded_namespace_is_refused_when_its_next_commit_is_damaged() {
    let store = Store::in_memory(Mode::Shared);
    store.fill(&[]).await;
    let (reader, writer) = (store.open().await, store.open().await);
    assert_eq!(reader.current(&team()).await.unwrap().unwrap().seq, HEAD);
    push(&writer, "team/app", 99).await.unwrap();
    store.spoil(&commit(HEAD + 1), cut).await;
    for _ in 0..2 {
        let read = reader.current(&team()).await;
        assert!(matches!(&read, Err(JournalError::Broken(_))), "{read:?}");
        let read = reader.recent(&team()).await;
        assert!(matches!(&read, Err(JournalError::Broken(_))), "nothing is read from memory: {read:?}");
    }
    assert_eq!(reader.damage().count(DamageKind::Commit), 1);
    assert_eq!(reader.loaded(), 0);
    assert!(!has_stopped(&reader).await);
}

#[tokio::test]
async fn a_commit_of_a_newer_release_refuses_its_namespace_and_is_no_damage() {
    let store = Store::in_memory(Mode::Single);
    store.fill(&[]).await;
    store
        .spoil(&commit(HEAD), |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let newer = text.replace("\"op\":\"blob\"", "\"op\":\"teleport\"");
            *bytes = resealed(newer.as_bytes());
        })
        .await;
    let journals = store.open().await;
    let read = journals.current(&team()).await;
    assert!(matches!(&read, Err(JournalError::Newer(_))), "{read:?}");
    assert!(push(&journals, "team/app", 1).await.is_err());
    assert_eq!(DamageKind::ALL.map(|kind| journals.damage().count(kind)), [0; 6]);
    assert_eq!(journals.damage().refused_namespaces(), 1);
}

#[tokio::test]
async fn a_layout_that_is_damaged_under_a_running_server_is_told() {
    let store = Store::in_memory(Mode::Single);
    let journals = store.open().await;
    let sound = store.backend.read(&keys::layout(), None).await.unwrap();
    journals.check_layout().await;
    assert_eq!(journals.damage().count(DamageKind::Layout), 0);
    let strangers = Store::in_memory(Mode::Single);
    strangers.open().await;
    let theirs = strangers.backend.read(&keys::layout(), None).await.unwrap();
    for (n, damaged) in [Bytes::new(), sound.slice(..50), theirs].into_iter().enumerate() {
        store.put(&keys::layout(), damaged).await;
        journals.check_layout().await;
        assert_eq!(journals.damage().count(DamageKind::Layout), n as u64 + 1);
    }
    store.remove(&keys::layout()).await;
    journals.check_layout().await;
    assert_eq!(journals.damage().count(DamageKind::Layout), 4);
}

/// Commit 1 is created between the read that does not find it and the LIST.
#[tokio::test]
async fn a_namespace_that_is_being_created_is_not_refused() {
    let store = Store::in_memory(Mode::Shared);
    let created = store.open().await;
    push(&created, "team/app", 1).await.unwrap();
    let layout =
        crate::journal::Layout::read(&store.backend.read(&keys::layout(), None).await.unwrap()).unwrap();
    let mut machine = Machine::new(Setup {
        namespace: team(),
        store: layout.chain(),
        mode: Mode::Shared,
        writer: Uuid::from_u128(2),
        max_staleness: Duration::from_secs(1),
        outage_reads: Duration::ZERO,
        clock: store.clock.clone(),
        policy: Arc::new(AllLoose),
        rules: Rules::default(),
    });
    let mut actions = machine.on(Event::Confirm { id: 1, within: Duration::ZERO });
    let (mut reads, mut answer) = (0, None);
    while let Some(action) = actions.pop() {
        let event = match action {
            Action::Read { ticket, key } => {
                reads += 1;
                let result = match reads {
                    1 => Err(BackendError::NotFound(key)),
                    _ => store.backend.read(&key, None).await,
                };
                Event::Read { ticket, result }
            }
            Action::List { ticket, prefix, after, limit } => {
                Event::Listed { ticket, result: store.backend.list(&prefix, &after, limit).await }
            }
            Action::Confirmed { result, .. } => {
                answer = Some(result);
                continue;
            }
            Action::Alarm(alarm) => panic!("{alarm}"),
            _ => continue,
        };
        actions.extend(machine.on(event));
    }
    let state = answer.expect("an answer").unwrap().expect("it exists");
    assert_eq!(state.seq, 1);
}
