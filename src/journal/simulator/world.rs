//! One run: replicas, their store, the clients, and the scheduler that decides what happens next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::clients::{any_change, namespace, objects};
use super::collector::{LINGER, Sweep};
use super::observer::{Arrival, Observer, Violation};
use super::random::{Random, mix};
use super::replica::{MAX_STALENESS, Replica};
use super::store::{Reply, Request, Store, full, unavailable};
use super::weather::Weather;
use crate::backend::Key;
use crate::clock::Clock;
use crate::journal::Actor;
use crate::journal::error::{JournalError, ProposeError};
use crate::journal::machine::{Action, Event, Id, Mode, Rule, Ticket};
use crate::journal::proposal::{Change, Piece, Proposal};
use crate::journal::state::State;
use crate::journal::{checkpoint, keys};

mod collection;

/// Clients wait for at most this many answers at once.
const MAX_CLIENTS: usize = 24;
/// After the faults stop everything is answered within this many steps.
const SETTLED: usize = 20_000;
const SECOND: usize = 1_000_000;

pub struct World {
    pub random: Random,
    pub weather: Weather,
    pub store: Store,
    pub replicas: Vec<Replica>,
    pub observer: Observer,
    /// Alarms of passed-over checkpoints and the like; those of a broken journal are violations.
    pub alarms: Vec<String>,
    /// All faults are over, and what they have caused.
    calm: bool,
    time: Arc<AtomicU64>,
    flights: Vec<Flight>,
    timers: Vec<Timer>,
    clients: BTreeMap<Id, Client>,
    /// What was asked for with data of its own.
    asked: Vec<Change>,
    /// Condemned objects whose data is to be deleted, with the time when that was seen.
    condemned: Vec<(Uuid, u64)>,
    /// What collectors saw and have not proposed yet.
    looks: Vec<Change>,
    sweep: Sweep,
    last_id: Id,
    trace: u64,
}

/// A replica's machine, of which only the life that asked may be answered.
#[derive(Clone, Copy, PartialEq)]
struct Owner {
    replica: usize,
    life: u64,
}

/// A request on its way to the store, or its answer on the way back.
struct Flight {
    request: Request,
    reply: Option<Reply>,
    /// Nobody waits any more for a request that arrives late.
    waits: Option<(Owner, Ticket)>,
    /// A create that has looked and found nothing, in a store that looks first and writes later.
    looked: bool,
}

struct Timer {
    owner: Owner,
    ticket: Ticket,
    due: u64,
}

struct Client {
    owner: Owner,
    arrival: Arrival,
    /// How old the state may be, of one who reads.
    within: Option<Duration>,
}

impl World {
    pub fn new(mut random: Random, weather: Weather) -> Self {
        let time = Arc::new(AtomicU64::new(0));
        let replica =
            |_| Replica::new(&time, weather.mode, weather.broken, weather.outage_reads, &mut random);
        let replicas = (0..weather.replicas).map(replica).collect();
        let observer = Observer::new(State::empty(Uuid::from_u128(1)), weather.mode == Mode::Shared);
        Self {
            random,
            weather,
            store: Store::default(),
            replicas,
            observer,
            alarms: Vec::new(),
            calm: false,
            time,
            flights: Vec::new(),
            timers: Vec::new(),
            clients: BTreeMap::new(),
            asked: Vec::new(),
            condemned: Vec::new(),
            looks: Vec::new(),
            sweep: Sweep::default(),
            last_id: 0,
            trace: 0,
        }
    }

    pub fn run(&mut self, steps: usize) -> Result<(), Violation> {
        (0..steps).try_for_each(|_| self.step())
    }

    /// What the run did, as one number.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Ends all faults; then everything is answered, and every replica shows the whole history.
    pub fn settle(&mut self) -> Result<(), Violation> {
        self.weather.clear_up();
        self.store.clear_up();
        self.see_what_landed()?;
        for replica in &mut self.replicas {
            (replica.stalled_until, replica.cut_until) = (0, 0);
        }
        self.drain()?;
        // Who has seen the store fail a moment ago must see first that it answers again.
        for replica in 0..self.replicas.len() {
            self.ask_to_read(replica, Duration::ZERO)?;
        }
        self.drain()?;
        self.calm = true;
        for replica in 0..self.replicas.len() {
            self.ask_to_read(replica, Duration::ZERO)?;
            self.ask_to_change(replica)?;
        }
        self.drain()?;
        for replica in 0..self.replicas.len() {
            self.ask_to_read(replica, Duration::ZERO)?;
        }
        self.drain()?;
        self.check_history()
    }

    /// What fails from here on may fail again.
    pub fn forgive(&mut self) {
        self.calm = false;
    }

    fn drain(&mut self) -> Result<(), Violation> {
        for _ in 0..SETTLED {
            self.pass_some();
            let timer_first = self.random.chance(200);
            let moved = timer_first && self.fire_timer()? || self.move_flight()? || self.fire_timer()?;
            if !moved {
                return match self.clients.first_key_value() {
                    None => Ok(()),
                    Some((id, _)) => Err(format!("nothing happens any more, and {id} waits")),
                };
            }
        }
        Err("it does not settle".to_owned())
    }

    /// A checkpoint of some moment (or the beginning) plus what is in the store after it gives what the observer saw.
    fn check_history(&mut self) -> Result<(), Violation> {
        let head = self.observer.head();
        let start = self.random.below(head as usize + 1) as u64;
        let mut state = State::clone(self.observer.state(start).ok_or("no such commit")?);
        if start > 0 {
            let bytes = checkpoint::write(&state).map_err(|error| error.to_string())?;
            state = checkpoint::read(&bytes).map_err(|error| error.to_string())?.state;
        }
        for seq in start + 1..=head {
            let bytes = self.store.read(&keys::commit(&namespace(), seq)).map_err(|e| e.to_string())?;
            state.fold(seq, &bytes).map_err(|error| error.to_string())?;
        }
        self.note(head);
        self.observer.compare(&state)
    }

    fn step(&mut self) -> Result<(), Violation> {
        self.pass_some();
        self.misfortune()?;
        match self.random.below(100) {
            0..22 if self.clients.len() < MAX_CLIENTS => self.ask(),
            22..85 => self.move_flight().map(drop),
            _ => self.fire_timer().map(drop),
        }
    }

    fn ask(&mut self) -> Result<(), Violation> {
        let Some(replica) = self.awake_replica() else { return Ok(()) };
        let several = if self.random.chance(self.weather.bursts) { 2 + self.random.below(4) } else { 1 };
        for _ in 0..several {
            if self.random.chance(self.weather.reads) {
                let within = if self.random.chance(550) { Duration::ZERO } else { MAX_STALENESS };
                self.ask_to_read(replica, within)?;
            } else {
                self.ask_to_change(replica)?;
            }
        }
        Ok(())
    }

    fn ask_to_read(&mut self, replica: usize, within: Duration) -> Result<(), Violation> {
        let id = self.enter(replica, Some(within));
        self.give(replica, Event::Confirm { id, within })
    }

    fn ask_to_change(&mut self, replica: usize) -> Result<(), Violation> {
        if !self.asked.is_empty() && self.random.chance(self.weather.repeats) {
            let change = self.random.pick(&self.asked).clone();
            return self.propose(replica, change, false);
        }
        let newest = self.observer.newest().clone();
        let clock = self.replicas[replica].clock.clone();
        let fresh = || clock.uuid(clock.now().max(newest.time));
        let mut change = any_change(&mut self.random, self.weather.removals, &newest, fresh);
        if self.weather.broken == Some(Rule::DataHasFreshName) {
            name_by_digest(&mut change);
        }
        if self.weather.broken != Some(Rule::DataBeforeCommit) {
            for object in objects(&change) {
                self.store.put(&keys::data(&namespace(), object), &Bytes::new());
            }
        }
        if !objects(&change).is_empty() {
            self.asked.push(change.clone());
        }
        self.propose(replica, change, true)
    }

    fn propose(&mut self, replica: usize, change: Change, fresh: bool) -> Result<(), Violation> {
        let id = self.enter(replica, None);
        self.observer.proposed(id, change.clone(), fresh, self.now());
        let proposal = Proposal { change, actor: Actor::system("simulator", &id.to_string(), Uuid::nil()) };
        self.give(replica, Event::Propose { id, proposal })
    }

    fn enter(&mut self, replica: usize, within: Option<Duration>) -> Id {
        self.last_id += 1;
        let (owner, arrival) = (self.owner(replica), self.observer.arrival(self.now()));
        self.clients.insert(self.last_id, Client { owner, arrival, within });
        self.last_id
    }

    /// Something befalls a replica, or nothing.
    fn misfortune(&mut self) -> Result<(), Violation> {
        let replica = self.random.below(self.replicas.len());
        let until = self.now() + self.random.below(15 * SECOND) as u64;
        if self.random.chance(self.weather.crash) {
            self.crash(replica)?;
        }
        if self.random.chance(self.weather.forget) && self.replicas[replica].machine.is_idle() {
            self.forget(replica);
        }
        if self.random.chance(self.weather.stall) {
            self.replicas[replica].stalled_until = until;
        }
        if self.random.chance(self.weather.cut) {
            self.replicas[replica].cut_until = until;
        }
        if self.random.chance(self.weather.jump) {
            let hours = 3_600 * SECOND as i64;
            self.replicas[replica].clock.jump(self.random.below(48) as i64 * hours - 24 * hours);
        }
        if self.random.chance(self.weather.checkpoint) {
            self.write_checkpoint(replica);
        }
        if self.random.chance(self.weather.sweep) {
            self.delete_condemned(replica)?;
            self.sweep(replica)?;
        }
        if self.random.chance(self.weather.collect) {
            self.collect(replica)?;
        }
        if self.random.chance(self.weather.quiet) {
            let hours = if self.random.chance(100) { 24 * 8 } else { self.random.below(8) };
            self.pass(hours * 3_600 * SECOND);
        }
        Ok(())
    }

    /// The process ends and a new one starts. What it has sent may still arrive; with `single` the store is a
    /// directory, and nothing arrives from a process that is gone.
    pub fn crash(&mut self, replica: usize) -> Result<(), Violation> {
        for i in (0..self.flights.len()).rev() {
            if self.weather.mode == Mode::Single && self.flights[i].reply.is_none() {
                let flight = self.flights.swap_remove(i);
                if self.random.chance(500) {
                    self.take_effect(&flight.request)?;
                }
            }
        }
        let owner = self.owner(replica);
        self.clients.retain(|_, client| client.owner != owner);
        self.replicas[replica].restart();
        self.disown(owner);
        Ok(())
    }

    fn forget(&mut self, replica: usize) {
        let owner = self.owner(replica);
        self.replicas[replica].forget();
        self.disown(owner);
    }

    /// Nobody waits for the answers any more; creates that are on their way may arrive.
    fn disown(&mut self, owner: Owner) {
        self.timers.retain(|timer| timer.owner != owner);
        for flight in &mut self.flights {
            if flight.waits.is_some_and(|(of, _)| of == owner) {
                flight.waits = None;
            }
        }
        self.flights.retain(|f| f.waits.is_some() || (f.reply.is_none() && f.request.is_create()));
    }

    /// As the driver does it; some are torn, as no backend would leave them.
    pub fn write_checkpoint(&mut self, replica: usize) {
        let machine = &self.replicas[replica].machine;
        if !machine.is_serving() || machine.state().seq == 0 {
            return;
        }
        let mut bytes = checkpoint::write(machine.state()).expect("a state that can be written");
        let key = keys::checkpoint(&namespace(), machine.state().seq);
        if self.random.chance(self.weather.corrupt) {
            bytes.truncate(self.random.below(bytes.len()));
        }
        self.store.put(&key, &bytes);
    }

    /// A request takes effect or fails, or an answer arrives or is lost. Whether anything did.
    fn move_flight(&mut self) -> Result<bool, Violation> {
        if self.flights.is_empty() {
            return Ok(false);
        }
        let i = self.random.below(self.flights.len());
        if self.flights[i].reply.is_none() {
            self.arrive(i)?;
        }
        let Some(flight) = self.flights.get(i) else { return Ok(true) };
        let Some((owner, ticket)) = flight.waits else { return Ok(true) };
        let stalled = self.replicas[owner.replica].stalled_until > self.now();
        if flight.reply.is_none() || stalled || self.random.chance(250) {
            return Ok(true);
        }
        let Flight { request, reply, .. } = self.flights.swap_remove(i);
        let lost = self.random.chance(self.weather.lost);
        let reply = if lost { None } else { reply }.unwrap_or_else(|| request.failed(unavailable()));
        self.give(owner.replica, reply.event(ticket))?;
        Ok(true)
    }

    /// A request gets to the store, or not.
    fn arrive(&mut self, i: usize) -> Result<(), Violation> {
        let Some((owner, _)) = self.flights[i].waits else {
            let flight = self.flights.swap_remove(i);
            return self.take_effect(&flight.request).map(drop);
        };
        let request = self.flights[i].request.clone();
        let cut = self.replicas[owner.replica].cut_until > self.now();
        let reply = if cut || self.random.chance(self.weather.failed) {
            if request.is_create() && self.random.chance(self.weather.late) {
                let request = request.clone();
                self.flights.push(Flight { request, reply: None, waits: None, looked: false });
            }
            request.failed(unavailable())
        } else if request.is_create() && self.random.chance(self.weather.full) {
            request.failed(full())
        } else if self.weather.looks_then_writes && self.looks_first(i) {
            return Ok(());
        } else {
            self.take_effect(&request)?
        };
        self.flights[i].reply = Some(reply);
        Ok(())
    }

    /// Whether a create has only looked this time; the next time it writes, whatever is there by then.
    fn looks_first(&mut self, i: usize) -> bool {
        let flight = &mut self.flights[i];
        let Request::Create { key, .. } = &flight.request else { return false };
        if flight.looked {
            self.store.remove(key);
        } else if self.store.get(key).is_none() {
            flight.looked = true;
            return true;
        }
        false
    }

    fn take_effect(&mut self, request: &Request) -> Result<Reply, Violation> {
        let reply = self.store.answer(request);
        self.see_what_landed()?;
        Ok(reply)
    }

    fn see_what_landed(&mut self) -> Result<(), Violation> {
        self.store.landed().iter().try_for_each(|(key, body)| self.created(key, body))
    }

    fn created(&mut self, key: &Key, body: &Bytes) -> Result<(), Violation> {
        let seq = keys::commit_seq(key).ok_or_else(|| format!("{key} was created"))?;
        self.observer.committed(seq, body, self.now())?;
        self.check_data()?;
        let link = self.observer.newest().link.clone();
        link.bytes().for_each(|byte| self.trace = mix(self.trace ^ u64::from(byte)));
        Ok(())
    }

    /// Whether a timer went off. Sometimes nothing else happens until one is due.
    fn fire_timer(&mut self) -> Result<bool, Violation> {
        let now = self.now();
        let awake = |timer: &Timer| self.replicas[timer.owner.replica].stalled_until <= now;
        let due: Vec<usize> =
            (0..self.timers.len()).filter(|&i| self.timers[i].due <= now && awake(&self.timers[i])).collect();
        if due.is_empty() {
            let next = self.timers.iter().map(|timer| timer.due).filter(|due| *due > now).min();
            let idle = self.flights.is_empty() || self.random.chance(200);
            return Ok(match next {
                Some(next) if idle => {
                    self.pass((next - now) as usize);
                    true
                }
                _ => false,
            });
        }
        let timer = self.timers.swap_remove(*self.random.pick(&due));
        self.give(timer.owner.replica, Event::Timer { ticket: timer.ticket })?;
        Ok(true)
    }

    fn give(&mut self, replica: usize, event: Event) -> Result<(), Violation> {
        self.note(self.now() ^ mix(replica as u64));
        let actions = self.replicas[replica].on(event);
        let owner = self.owner(replica);
        for action in actions {
            self.act(owner, action)?;
        }
        self.compare(replica)?;
        // As the store of journals does it with a namespace that failed or does not exist.
        let machine = &self.replicas[replica].machine;
        if machine.is_idle() && machine.is_spent() {
            self.forget(replica);
        }
        Ok(())
    }

    fn act(&mut self, owner: Owner, action: Action) -> Result<(), Violation> {
        match Request::of(action) {
            Ok((ticket, request)) => {
                let waits = Some((owner, ticket));
                self.flights.push(Flight { request, reply: None, waits, looked: false });
                Ok(())
            }
            Err(Action::Timer { ticket, after }) => {
                let due = self.now() + self.replicas[owner.replica].clock.takes(after);
                self.timers.push(Timer { owner, ticket, due });
                Ok(())
            }
            Err(Action::Alarm(alarm)) if alarm.contains("passed over") => {
                self.alarms.push(alarm);
                Ok(())
            }
            Err(Action::Alarm(alarm)) => Err(alarm),
            Err(Action::Answer { id, result }) => {
                self.leave(id)?;
                self.note(result.as_ref().map_or(id, |outcome| outcome.state.seq));
                if self.calm && !matches!(result, Ok(_) | Err(ProposeError::Refused(_))) {
                    return Err(format!("{id} was answered {result:?}, but nothing failed"));
                }
                self.observer.answered(id, &result)
            }
            Err(Action::Confirmed { id, result, .. }) => {
                let client = self.leave(id)?;
                match result {
                    Ok(state) => {
                        self.note(state.as_ref().map_or(0, |state| state.seq));
                        // A process that slept with the answer in hand finds out when it reads the data.
                        let current = self.observer.head_at(self.now().saturating_sub(LINGER / 2));
                        let recent = state.iter().filter(|state| state.seq >= current);
                        recent.into_iter().try_for_each(|state| self.check_data_of(state))?;
                        self.observer.read(client.arrival, client.within.unwrap_or_default(), state.as_ref())
                    }
                    Err(JournalError::Unavailable(_) | JournalError::Full(_)) if !self.calm => Ok(()),
                    Err(error) => Err(format!("{id} could not read: {error}")),
                }
            }
            Err(Action::Behind { id, state }) => {
                let client = self.leave(id)?;
                self.note(state.seq);
                if self.calm {
                    return Err(format!("{id} got a state that may be behind, but nothing failed"));
                }
                self.observer.read_behind(client.arrival, self.weather.outage_reads, &state)
            }
            Err(_) => Ok(()),
        }
    }

    fn leave(&mut self, id: Id) -> Result<Client, Violation> {
        self.clients.remove(&id).ok_or_else(|| format!("{id} was answered twice"))
    }

    fn compare(&mut self, replica: usize) -> Result<(), Violation> {
        let replica = &mut self.replicas[replica];
        let state = replica.machine.state();
        if !replica.compared.as_ref().is_some_and(|compared| Arc::ptr_eq(compared, state)) {
            self.observer.compare(state)?;
            replica.compared = Some(state.clone());
        }
        Ok(())
    }

    fn awake_replica(&mut self) -> Option<usize> {
        let replica = self.random.below(self.replicas.len());
        (self.replicas[replica].stalled_until <= self.now()).then_some(replica)
    }

    fn owner(&self, replica: usize) -> Owner {
        Owner { replica, life: self.replicas[replica].life }
    }

    fn now(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }

    fn pass_some(&mut self) {
        let micros = self.random.below(self.weather.pace);
        self.pass(micros);
    }

    fn pass(&mut self, micros: usize) {
        self.time.fetch_add(micros as u64, Ordering::Relaxed);
    }

    fn note(&mut self, what: u64) {
        self.trace = mix(self.trace ^ what).wrapping_add(1);
    }
}

/// As a store would name data whose objects have digests for names.
fn name_by_digest(change: &mut Change) {
    let (digest, body) = match change {
        Change::Blob { digest, content, .. } => (&*digest, content),
        Change::Manifest(new) => (&new.digest, &mut new.body),
        _ => return,
    };
    let name = Uuid::from_slice(&digest.as_bytes()[..16]).expect("16 bytes");
    for piece in &mut body.pieces {
        if let Piece::Object { id, .. } = piece {
            *id = name;
        }
    }
}
