//! Single interleavings, step by step: what the scheduler has found once, and what it can hardly find.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::random::Random;
use super::replica::{MAX_STALENESS, Replica};
use super::store::{Reply, Request, Store, unavailable};
use crate::backend::BackendError;
use crate::journal::error::{JournalError, ProposeError};
use crate::journal::keys;
use crate::journal::machine::{Action, Event, Id, Mode, Outcome, Ticket};
use crate::journal::proposal::{Body, Change, NewManifest, Proposal, Refusal};
use crate::oci::{Condition, Digest, MediaType, OCI_MANIFEST, RepositoryName, Tag};

struct Script {
    time: Arc<AtomicU64>,
    replica: Replica,
    store: Store,
    requests: Vec<(Ticket, Request)>,
    timers: Vec<Ticket>,
    proposed: BTreeMap<Id, Result<Outcome, ProposeError>>,
    /// The commit that a reader was shown.
    read: BTreeMap<Id, u64>,
    /// The same for readers who were told that it may be behind; those who were shown nothing.
    behind: BTreeMap<Id, u64>,
    failed: Vec<Id>,
    /// Why the process must not go on.
    stopped: Option<String>,
}

impl Script {
    fn new() -> Self {
        Self::with(Mode::Shared, Duration::ZERO)
    }

    fn with(mode: Mode, outage_reads: Duration) -> Self {
        let time = Arc::new(AtomicU64::new(0));
        let replica = Replica::new(&time, mode, None, outage_reads, &mut Random::new(1));
        Self {
            time,
            replica,
            store: Store::default(),
            requests: Vec::new(),
            timers: Vec::new(),
            proposed: BTreeMap::new(),
            read: BTreeMap::new(),
            behind: BTreeMap::new(),
            failed: Vec::new(),
            stopped: None,
        }
    }

    fn give(&mut self, event: Event) {
        for action in self.replica.on(event) {
            match Request::of(action) {
                Ok(request) => self.requests.push(request),
                Err(Action::Timer { ticket, .. }) => self.timers.push(ticket),
                Err(Action::Answer { id, result }) => drop(self.proposed.insert(id, result)),
                Err(Action::Confirmed { id, result: Ok(state), .. }) => {
                    self.read.insert(id, state.map_or(0, |state| state.seq));
                }
                Err(Action::Confirmed { id, .. }) => self.failed.push(id),
                Err(Action::Behind { id, state }) => drop(self.behind.insert(id, state.seq)),
                Err(Action::Stop(reason)) => self.stopped = Some(reason),
                Err(_) => {}
            }
        }
    }

    fn propose(&mut self, id: Id, change: Change) {
        let proposal = Proposal {
            change,
            actor: crate::journal::Actor::system("script", &id.to_string(), uuid::Uuid::nil()),
        };
        self.give(Event::Propose { id, proposal });
    }

    /// The store answers everything, until nothing is asked any more.
    fn serve(&mut self) {
        while !self.requests.is_empty() {
            for (ticket, request) in std::mem::take(&mut self.requests) {
                let reply = self.store.answer(&request);
                self.give(reply.event(ticket));
            }
        }
    }

    /// No request gets an answer; two seconds later all timers have gone off.
    fn fail(&mut self) {
        for (ticket, request) in std::mem::take(&mut self.requests) {
            self.give(request.failed(unavailable()).event(ticket));
        }
        self.time.fetch_add(2_000_000, Ordering::Relaxed);
        for ticket in std::mem::take(&mut self.timers) {
            self.give(Event::Timer { ticket });
        }
    }
}

fn app() -> RepositoryName {
    RepositoryName::parse("team/app").unwrap()
}

fn blob(text: &'static str) -> Change {
    let content = Body::attached(Bytes::from_static(text.as_bytes()));
    Change::Blob { repository: app(), digest: Digest::sha256(text.as_bytes()), content }
}

fn untag_nothing() -> Change {
    Change::Untag { repository: app(), tag: Tag::parse("1.0.0").unwrap(), condition: Condition::default() }
}

/// A manifest whose annotations take six bytes of a line for each of `length`.
fn annotated(name: &'static str, length: usize) -> Change {
    Change::Manifest(Box::new(NewManifest {
        repository: app(),
        digest: Digest::sha256(name.as_bytes()),
        media_type: MediaType::parse(OCI_MANIFEST).unwrap(),
        body: Body::attached(Bytes::from_static(name.as_bytes())),
        blobs: Vec::new(),
        children: Vec::new(),
        sizes: Vec::new(),
        tags: Vec::new(),
        listed: Vec::new(),
        subject: None,
        artifact_type: None,
        annotations: Some([("a".to_owned(), "\u{1}".repeat(length))].into()),
        chart: None,
        replace: crate::journal::Replace::AsPolicySays,
        condition: Condition::default(),
    }))
}

#[test]
fn a_refusal_that_no_head_check_confirms_is_answered_unavailable_and_the_writer_goes_on() {
    let mut script = Script::new();
    script.propose(1, blob("layer"));
    script.serve();
    script.propose(2, untag_nothing());
    for _ in 0..4 {
        script.fail();
        assert!(!script.proposed.contains_key(&2), "too early");
    }
    for _ in 0..3 {
        script.fail();
    }
    let result = &script.proposed[&2];
    assert!(matches!(result, Err(ProposeError::Journal(JournalError::Unavailable(_)))), "{result:?}");
    script.propose(3, untag_nothing());
    script.serve();
    let result = &script.proposed[&3];
    assert!(matches!(result, Err(ProposeError::Refused(Refusal::TagUnknown(_)))), "{result:?}");
}

#[test]
fn a_commit_that_turns_out_to_be_ours_confirms_the_state_only_since_its_first_attempt() {
    let mut script = Script::new();
    script.propose(1, blob("layer"));
    while !script.requests.iter().any(|(_, request)| request.is_create()) {
        let (ticket, request) = script.requests.remove(0);
        let reply = script.store.answer(&request);
        script.give(reply.event(ticket));
    }
    // It takes effect, but two seconds pass until we know: meanwhile others may have gone on from there.
    let (_, create) = script.requests[0].clone();
    script.store.answer(&create);
    script.fail();
    script.serve();
    assert!(script.proposed[&1].is_ok());
    script.give(Event::Confirm { id: 2, within: MAX_STALENESS });
    assert!(!script.read.contains_key(&2), "answered from a state that may be too old");
    script.serve();
    assert_eq!(script.read[&2], 1);
    script.give(Event::Confirm { id: 3, within: Duration::from_millis(900) });
    assert_eq!(script.read[&3], 1, "confirmed just now");
}

#[test]
fn proposals_that_are_too_large_together_go_one_by_one() {
    let mut script = Script::new();
    script.propose(1, annotated("one", 100_000));
    script.propose(2, annotated("huge", 200_000));
    script.propose(3, annotated("two", 100_000));
    script.propose(4, annotated("three", 50_000));
    script.serve();
    assert!(matches!(script.proposed[&2], Err(ProposeError::Refused(Refusal::TooLarge))));
    for id in [1, 3, 4] {
        assert!(script.proposed[&id].is_ok(), "{:?}", script.proposed[&id]);
    }
}

/// A loaded machine whose state shows one commit.
fn loaded(outage_reads: Duration) -> Script {
    let mut script = Script::with(Mode::Shared, outage_reads);
    script.propose(1, blob("first"));
    script.serve();
    assert!(script.proposed[&1].is_ok());
    script
}

fn confirm(script: &mut Script, id: Id) {
    script.give(Event::Confirm { id, within: Duration::ZERO });
}

#[test]
fn in_an_outage_readers_wait_ten_seconds_once_and_are_told_at_once_afterwards() {
    let mut script = loaded(Duration::ZERO);
    confirm(&mut script, 2);
    for _ in 0..4 {
        script.fail();
        assert!(script.failed.is_empty(), "too early");
    }
    for _ in 0..3 {
        script.fail();
    }
    assert_eq!(script.failed, [2]);
    // Nobody has to wait to find out again, but the store is asked whether it is back.
    confirm(&mut script, 3);
    confirm(&mut script, 4);
    assert_eq!(script.failed, [2, 3, 4]);
    script.fail();
    confirm(&mut script, 5);
    assert_eq!(script.failed, [2, 3, 4, 5]);
    script.fail();
    confirm(&mut script, 6);
    script.serve();
    confirm(&mut script, 7);
    script.serve();
    assert_eq!(script.read.get(&7), Some(&1));
}

#[test]
fn an_outage_of_some_time_ago_fails_nobody() {
    let mut script = loaded(Duration::ZERO);
    confirm(&mut script, 2);
    for _ in 0..7 {
        script.fail();
    }
    assert_eq!(script.failed, [2]);
    script.time.fetch_add(60_000_000, Ordering::Relaxed);
    confirm(&mut script, 3);
    assert_eq!(script.failed, [2]);
    script.serve();
    assert_eq!(script.read.get(&3), Some(&1));
}

#[test]
fn with_outage_reads_readers_get_the_last_state_until_its_time_is_over() {
    let mut script = loaded(Duration::from_secs(8));
    confirm(&mut script, 2);
    assert!(script.behind.is_empty(), "the store may yet answer");
    script.fail();
    assert_eq!(script.behind.get(&2), Some(&1));
    confirm(&mut script, 3);
    assert_eq!(script.behind.get(&3), Some(&1), "known to be out: nobody waits");
    for _ in 0..3 {
        script.fail();
    }
    confirm(&mut script, 4);
    for _ in 0..3 {
        script.fail();
    }
    assert!(!script.behind.contains_key(&4), "its time is over");
    assert_eq!(script.failed, [4]);
    // It is seen that the store is back, although nobody waits.
    confirm(&mut script, 5);
    script.serve();
    script.fail();
    script.serve();
    confirm(&mut script, 6);
    script.serve();
    assert_eq!(script.read.get(&6), Some(&1));
}

#[test]
fn a_store_that_denies_is_not_silent() {
    let mut script = loaded(Duration::from_secs(60));
    confirm(&mut script, 2);
    for _ in 0..7 {
        for (ticket, request) in std::mem::take(&mut script.requests) {
            let denied = BackendError::Denied("no".to_owned());
            script.give(request.failed(denied).event(ticket));
        }
        script.fail();
    }
    assert!(script.behind.is_empty());
    assert_eq!(script.failed, [2]);
}

#[test]
fn in_single_mode_a_commit_of_another_process_stops_this_one() {
    let mut script = Script::with(Mode::Single, Duration::ZERO);
    script.propose(1, blob("first"));
    script.serve();
    let mut other = Script::with(Mode::Single, Duration::ZERO);
    // Of another process, with other random numbers.
    other.replica.restart();
    other.replica.restart();
    std::mem::swap(&mut script.store, &mut other.store);
    other.propose(1, blob("theirs"));
    other.serve();
    std::mem::swap(&mut script.store, &mut other.store);
    assert!(script.stopped.is_none());
    script.propose(2, blob("second"));
    script.serve();
    let reason = script.stopped.expect("it must not go on");
    assert!(reason.contains("single mode"), "{reason}");
    assert!(matches!(script.proposed[&2], Err(ProposeError::Journal(JournalError::Foreign(_)))));
}

/// A store that lists a commit and does not give it has lost it: nobody asks for ever.
#[test]
fn a_commit_that_is_listed_and_cannot_be_read_is_lost() {
    let mut writer = loaded(Duration::ZERO);
    writer.propose(2, blob("second"));
    writer.serve();
    let mut script = Script::new();
    std::mem::swap(&mut script.store, &mut writer.store);
    let second = keys::commit(&app().namespace(), 2);
    confirm(&mut script, 3);
    for _ in 0..20 {
        for (ticket, request) in std::mem::take(&mut script.requests) {
            let reply = match &request {
                Request::Read { key } if *key == second => {
                    Reply::Read(Err(BackendError::NotFound(key.clone())))
                }
                request => script.store.answer(request),
            };
            script.give(reply.event(ticket));
        }
    }
    assert!(script.requests.is_empty(), "it asks again and again");
    assert_eq!(script.failed, [3]);
}
