//! Two replicas over one bucket of a real S3 server, nginx in front of them, Helm before it, and `kill -9`: no pull fails, and
//! every push that Helm was told of is there, on both.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use super::helm::Helm;
use crate::support::artifact::noise;
use crate::support::charts::{Packed, pack_sources};
use crate::support::http::{self, Request};
use crate::support::nginx::Nginx;
use crate::support::s3::{S3Kind, S3Server, free_address};
use crate::support::server::Server;

/// Pushes between one kill and the next.
const PUSHES: usize = 12;
const LIMIT: Duration = Duration::from_secs(150);

#[test]
fn a_replica_may_die_in_the_middle_of_pushes() {
    let (Some(helm_3), Some(helm_4)) = (Helm::find(3), Helm::find(4)) else { return };
    let Some(bucket) = S3Server::start(S3Kind::Minio) else { return };
    bucket.create_bucket("charts");
    let addresses = [free_address(), free_address()];
    let replica = |n: usize| {
        let url = bucket.url("charts");
        let listen = addresses[n].to_string();
        let behind_a_proxy = [("CHARTHOUSE_AUTH_ANONYMOUS", "write")];
        let variables = [&S3Server::credentials()[..], &behind_a_proxy].concat();
        Server::start_at(&listen, &["--storage", &url], &variables)
    };
    let mut replicas = [Some(replica(0)), Some(replica(1))];
    let Some(nginx) = Nginx::start(&addresses) else { return };
    let fleet = Fleet::new(&nginx);
    scope(|threads| {
        threads.spawn(|| fleet.pull_until_ended(&helm_3));
        for (pusher, helm) in [&helm_3, &helm_4].into_iter().enumerate() {
            let fleet = &fleet;
            threads.spawn(move || fleet.push_until_ended(helm, pusher));
        }
        for killed in [0, 1, 0] {
            fleet.wait_for_pushes(PUSHES);
            if let Some(replica) = replicas[killed].take() {
                replica.kill();
            }
            fleet.wait_for_pushes(PUSHES);
            replicas[killed] = Some(replica(killed));
        }
        fleet.wait_for_pushes(PUSHES);
        fleet.end();
    });
    let pushed = fleet.pushed.into_inner().expect("no panic");
    println!(
        "{} pushes, {} repeated, {} pulls",
        pushed.len(),
        fleet.repeated.into_inner(),
        fleet.pulls.into_inner()
    );
    for server in replicas.iter().flatten() {
        for chart in &pushed {
            let reference = format!("oci://{}/team/app:{}", server.host(), chart.version);
            assert_eq!(helm_4.pull(&reference, &[]).package(), chart.bytes, "{reference}");
        }
    }
    let indexes = replicas.each_ref().map(|server| index(server.as_ref().expect("both run")));
    assert_eq!(indexes[0], indexes[1], "both replicas give one index");
    for chart in &pushed {
        assert!(indexes[0].contains(&format!("\"version\":\"{}\"", chart.version)), "{}", indexes[0]);
    }
}

fn index(server: &Server) -> String {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let read = runtime.block_on(http::send(server.address(), &Request::get("/team/index.yaml")));
    read.expect("the index").text()
}

struct Fleet {
    namespace: String,
    pushed: Mutex<Vec<Packed>>,
    repeated: AtomicUsize,
    pulls: AtomicUsize,
    ended: AtomicBool,
    started: Instant,
}

impl Fleet {
    fn new(nginx: &Nginx) -> Self {
        Self {
            namespace: format!("oci://{}/team", nginx.host()),
            pushed: Mutex::default(),
            repeated: AtomicUsize::new(0),
            pulls: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            started: Instant::now(),
        }
    }

    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Waits for as many more.
    fn wait_for_pushes(&self, more: usize) {
        let count = || self.pushed.lock().map_or(0, |pushed| pushed.len());
        let wanted = count() + more;
        while count() < wanted && self.goes_on() {
            if self.started.elapsed() > LIMIT {
                self.end();
                panic!("{} pushes in {LIMIT:?}", count());
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// One version after the other; a push that fails is repeated, as a job would be.
    fn push_until_ended(&self, helm: &Helm, pusher: usize) {
        let _ended = EndOnPanic(self);
        for n in 0.. {
            let chart = chart(&format!("{pusher}.0.{n}"));
            chart.write(helm.client().home());
            loop {
                if !self.goes_on() {
                    return;
                }
                let ran = helm.run(&["push", &chart.file_name, &self.namespace]);
                if ran.succeeded() {
                    break;
                }
                println!("repeated: {}", ran.all());
                self.repeated.fetch_add(1, Ordering::Relaxed);
            }
            if let Ok(mut pushed) = self.pushed.lock() {
                pushed.push(chart);
            }
        }
    }

    /// Every pull of what Helm was told is pushed succeeds at once.
    fn pull_until_ended(&self, helm: &Helm) {
        let _ended = EndOnPanic(self);
        while self.goes_on() {
            let newest = self.pushed.lock().ok().and_then(|pushed| pushed.last().cloned());
            let Some(chart) = newest else {
                sleep(Duration::from_millis(5));
                continue;
            };
            let reference = format!("{}/app:{}", self.namespace, chart.version);
            assert_eq!(helm.pull(&reference, &[]).package(), chart.bytes, "{reference}");
            self.pulls.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A thread that fails ends the others.
struct EndOnPanic<'a>(&'a Fleet);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end();
        }
    }
}

fn chart(version: &str) -> Packed {
    let yaml = format!("apiVersion: v2\nname: app\nversion: {version}\n");
    let ballast = noise(version, 40_000).to_vec();
    pack_sources([("Chart.yaml".to_owned(), yaml.into_bytes()), ("ballast".to_owned(), ballast)])
}
