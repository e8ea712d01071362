//! The simulator over the S3 backend: every request goes through it to the double, which fails as S3 services do. So what
//! the backend repeats, and what it says of a failure, is part of what is proven.
//!
//! Requests go one by one and faults are drawn from the seed, so a seed replays here too. `CHARTHOUSE_SIM_S3_SEEDS=1000`
//! runs more seeds, `CHARTHOUSE_SIM_SEED=42` replays one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use s3_double::{ACCESS_KEY, Double, Effect, Fault, SECRET_KEY};
use tokio::runtime::{Builder, Runtime};

use super::observer::Violation;
use super::random::Random;
use super::store::{Reply, Request, Service, Store};
use super::{STEPS, first_violation, seeds, world};
use crate::backend::s3::{Options, S3};
use crate::backend::{Backend, BackendError, Key};
use crate::clock::SystemClock;
use crate::journal::machine::Mode;

const SEEDS: u64 = 40;
/// Most of a run is waiting: more run at once than there are processors.
const THREADS: usize = 16;
/// Every mistake is seen within this many seeds.
const MISTAKEN: u64 = 40;
const BUCKET: &str = "charts";

/// The backend, and the double behind it.
struct Remote {
    runtime: Runtime,
    s3: S3,
    double: Double,
    random: Random,
    /// Of a thousand requests so many are struck.
    struck: u32,
    mistake: Option<Mistake>,
}

/// What a backend may get wrong; the observer must see what comes of it.
#[derive(Clone, Copy)]
enum Mistake {
    /// It takes silence for the answer that there is no such object.
    SilenceIsAbsence,
    /// It says of a create that was not answered that it had no effect.
    SilenceIsRefusal,
}

impl Remote {
    fn new(seed: u64, mistake: Option<Mistake>) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (double, s3) = runtime.block_on(async {
            let double = Double::start().await;
            double.create_bucket(BUCKET);
            let options = Options {
                bucket: BUCKET.to_owned(),
                endpoint: Some(double.endpoint()),
                path_style: true,
                credentials: Some((ACCESS_KEY.to_owned(), SECRET_KEY.to_owned())),
                ..Options::default()
            };
            let s3 = S3::open(options, Arc::new(SystemClock::default())).await;
            (double, s3.expect("settings that work"))
        });
        let mut random = Random::new(!seed);
        let struck = if mistake.is_some() { 200 } else { *random.pick(&[20, 60, 200, 400]) };
        Self { runtime, s3, double, random, struck, mistake }
    }

    /// Perhaps one of the next attempts fails, or several.
    fn strike(&mut self) {
        if self.random.chance(self.struck) {
            for attempt in 1..=1 + self.random.below(3) as u64 {
                self.double.inject(Fault::nth(attempt, any_effect(&mut self.random)));
            }
        }
    }

    fn deliver(&self) {
        self.runtime.block_on(self.double.deliver());
    }
}

fn any_effect(random: &mut Random) -> Effect {
    let failed = [(500, "InternalError"), (503, "SlowDown"), (409, "ConditionalRequestConflict")];
    match random.below(8) {
        0 => Effect::LoseAnswer,
        1 => Effect::CutBefore,
        // It arrives when it is delivered, not after a time.
        2 => Effect::Late { after: Duration::from_secs(3_600) },
        3 => Effect::Truncate,
        4 => Effect::PlainFail { status: 404 },
        5 => Effect::FailAfter { status: 500, code: "InternalError" },
        _ => {
            let (status, code) = *random.pick(&failed);
            Effect::Fail { status, code }
        }
    }
}

impl Service for Remote {
    fn ask(&mut self, request: &Request) -> Reply {
        if self.random.chance(150) {
            self.deliver();
        }
        self.strike();
        let reply = self.runtime.block_on(perform(&self.s3, request));
        self.double.heal();
        match self.mistake {
            Some(mistake) => mistake.of(reply, request),
            None => reply,
        }
    }

    fn objects(&self) -> BTreeMap<Key, Bytes> {
        let objects = self.double.objects(BUCKET).into_iter();
        objects.map(|(name, body)| (Key::new(name).expect("a key"), body)).collect()
    }

    fn put(&mut self, key: &Key, body: &Bytes) {
        self.double.put(BUCKET, key.as_str(), body.clone());
    }

    fn remove(&mut self, key: &Key) {
        self.double.remove(BUCKET, key.as_str());
    }

    fn clear_up(&mut self) {
        self.struck = 0;
        self.deliver();
    }
}

async fn perform(s3: &S3, request: &Request) -> Reply {
    match request {
        Request::Create { key, body } => {
            let pieces = vec![body.slice(..body.len() / 2), body.slice(body.len() / 2..)];
            Reply::Created(s3.create(key, pieces).await)
        }
        Request::Read { key } => Reply::Read(s3.read(key, None).await),
        Request::List { prefix, after, limit } => Reply::Listed(s3.list(prefix, after, *limit).await),
    }
}

impl Mistake {
    fn of(self, reply: Reply, request: &Request) -> Reply {
        match (self, reply, request) {
            (
                Self::SilenceIsAbsence,
                Reply::Read(Err(BackendError::Unavailable(_))),
                Request::Read { key },
            ) => Reply::Read(Err(BackendError::NotFound(key.clone()))),
            (Self::SilenceIsRefusal, Reply::Created(Err(BackendError::Unavailable(error))), _) => {
                Reply::Created(Err(BackendError::Full(error)))
            }
            (_, reply, _) => reply,
        }
    }
}

/// One run; its trace if nothing went wrong.
fn run(seed: u64, mistake: Option<Mistake>) -> Result<u64, Violation> {
    let mut world = world(seed, None, |weather| {
        // Alone in a bucket is who promises to be; what it sent before a crash may still arrive.
        (weather.mode, weather.replicas) = (Mode::Shared, weather.replicas.max(2));
    });
    world.store = Store::over(Remote::new(seed, mistake));
    world.run(STEPS)?;
    world.settle()?;
    Ok(world.trace())
}

#[test]
fn no_interleaving_over_s3_breaks_an_invariant() {
    let seeds = seeds("CHARTHOUSE_SIM_S3_SEEDS", SEEDS);
    if let Some((seed, violation)) = first_violation(seeds, THREADS, |seed| run(seed, None)) {
        panic!("CHARTHOUSE_SIM_SEED={seed}: {violation}");
    }
}

#[test]
fn a_seed_replays_exactly_over_s3() {
    for seed in 0..2 {
        assert_eq!(run(seed, None), run(seed, None));
    }
}

#[test]
fn mistaken_silence_for_absence_is_caught() {
    assert_caught(Mistake::SilenceIsAbsence);
}

#[test]
fn mistaken_silence_for_refusal_is_caught() {
    assert_caught(Mistake::SilenceIsRefusal);
}

fn assert_caught(mistake: Mistake) {
    let found = first_violation(0..MISTAKEN, THREADS, |seed| run(seed, Some(mistake)));
    let (seed, violation) = found.expect("a seed that shows it");
    println!("seed {seed}: {violation}");
}
