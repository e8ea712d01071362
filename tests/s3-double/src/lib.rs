//! An S3 server for tests: it keeps objects in memory, decides conditional writes atomically, counts what arrives, and
//! fails, waits, delivers late or cuts connections when it is told to.
//!
//! It speaks PutObject, GetObject, HeadObject, ListObjectsV2, DeleteObject, DeleteObjects, CopyObject and CreateBucket, with
//! buckets in the path. Signatures, payload hashes and checksums are verified. What it does not do it refuses: a condition
//! that it would ignore is answered with `NotImplemented`.
//!
//! ```no_run
//! use s3_double::{Double, Effect, Fault, Operation};
//!
//! # async fn example() {
//! let double = Double::start().await;
//! double.create_bucket("charts");
//! double.inject(Fault::nth(3, Effect::LoseAnswer));                  // the third request from here on
//! double.inject(Fault::nth(1, Effect::Fail { status: 503, code: "SlowDown" })
//!     .of(Operation::Put).on("/_journal/").and_all_later());
//! // A client of `double.endpoint()` with ACCESS_KEY and SECRET_KEY does its work.
//! double.heal();
//! assert_eq!(double.counts().put, 0);
//! # }
//! ```

mod answer;
mod counts;
mod fault;
mod plan;
mod request;
mod s3;
mod service;
mod store;
mod weather;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::oneshot;

pub use self::counts::{Counts, Operation};
pub use self::fault::{Effect, Fault, Outage};
use self::service::Server;
pub use self::weather::Weather;

pub const ACCESS_KEY: &str = "double-access-key";
pub const SECRET_KEY: &str = "double-secret-key";

/// A server on a free port of 127.0.0.1. When it is dropped, it stops and closes its connections; late requests are lost.
///
/// It has a thread and a runtime of its own, so it answers while the test blocks and does not follow a paused clock.
pub struct Double {
    server: Arc<Server>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Double {
    /// # Panics
    ///
    /// When there is no port or no thread to be had.
    pub async fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind a port of 127.0.0.1");
        let address = listener.local_addr().expect("the port that was bound");
        let server = Arc::new(Server::new());
        let (stop, stopped) = oneshot::channel();
        let run = {
            let server = Arc::clone(&server);
            move || service::run(server, listener, stopped)
        };
        let thread = std::thread::Builder::new().name("s3-double".into()).spawn(run).expect("start a thread");
        Self { server, address, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does nothing if the bucket is there.
    pub fn create_bucket(&self, name: &str) {
        self.server.store.buckets().entry(name.to_owned()).or_default();
    }

    /// What a bucket holds now, without a request; nothing if there is no such bucket.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Bytes> {
        self.server.store.buckets().get(bucket).cloned().unwrap_or_default()
    }

    /// Writes or replaces an object without a request, and makes the bucket if there is none.
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        self.server.store.buckets().entry(bucket.to_owned()).or_default().insert(key.to_owned(), body.into());
    }

    /// Takes an object away without a request.
    pub fn remove(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.server.store.buckets().get_mut(bucket)?.remove(key)
    }

    /// With `false`, a conditional write checks, pauses and then writes: of several at once more than one wins, as in some
    /// stores.
    pub fn set_atomic(&self, atomic: bool) {
        self.server.store.set_atomic(atomic);
    }

    /// How many requests of each operation have arrived whole, failed ones included.
    pub fn counts(&self) -> Counts {
        self.server.plan().counts
    }

    pub fn reset_counts(&self) {
        self.server.plan().counts = Counts::default();
    }

    /// Adds a fault. Its requests are counted from here on; of several that strike one request the oldest decides.
    pub fn inject(&self, fault: Fault) {
        let seen = self.server.store.seen();
        self.server.plan().inject(fault, seen);
    }

    /// While there is an outage it strikes every request. Its end releases what hangs.
    pub fn set_outage(&self, outage: Option<Outage>) {
        self.server.plan().outage = outage;
        if outage.is_none() {
            self.server.release();
        }
    }

    /// Strikes requests at random, but the same ones in every run that brings them in the same order. A fault and an outage
    /// go before the weather.
    pub fn set_weather(&self, weather: Option<Weather>) {
        self.server.plan().set_weather(weather);
    }

    /// Ends all faults, the outage and the weather, and releases what hangs. Late requests stay on their way.
    pub fn heal(&self) {
        self.server.plan().heal();
        self.server.release();
    }

    /// How many late requests are still on their way.
    pub fn late(&self) -> usize {
        self.server.late().len()
    }

    /// Lets all late requests arrive now, in the order in which they were sent, and waits until they are done.
    pub async fn deliver(&self) {
        let ids = self.server.late().ids();
        self.server.arrive(ids).await;
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there.
            let _ = thread.join();
        }
    }
}
