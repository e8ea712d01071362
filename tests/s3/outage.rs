//! The store is gone for 60 s: what needs it is answered 503 in time, nothing is thrown away, and 5 s after it is back
//! everything goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use charthouse::backend::s3::S3;
use charthouse::clock::SystemClock;
use charthouse::journal::Options;
use futures_util::future::{join, join_all};
use s3_double::{Double, Outage};
use tokio::time::sleep;

use crate::support::app::{TestServer, shared};
use crate::support::http::{Request, Response};
use crate::support::registry::{assert_status, manifest_path};
use crate::support::release::{Pusher, Release};
use crate::support::s3::{S3Kind, S3Server, bucket_of, double, storage_of};
use crate::support::server::Server;

const OUTAGE: Duration = Duration::from_secs(60);
/// A request is answered after 10 s, whatever the store does; a busy machine takes a little longer.
const PATIENCE: Duration = Duration::from_millis(11_500);
const RECOVERY: Duration = Duration::from_secs(5);

struct Case {
    double: Double,
    server: TestServer,
}

impl Case {
    async fn start(options: Options) -> Self {
        let double = Double::start().await;
        let server = TestServer::replica_over(bucket_of(&double).await, options).await;
        for n in 0..3 {
            server.push_version("team/app", &format!("1.0.{n}")).await;
        }
        Self { double, server }
    }

    async fn tag(&self) -> Response {
        self.server.get(manifest_path("team/app", "1.0.1")).await
    }

    async fn push(&self, version: &str) -> u16 {
        let release = Release::named("app", version);
        Pusher::open(self.server.addr).await.try_push("team/app", version, &release).await
    }

    async fn readiness(&self) -> u16 {
        self.server.get("/health").await.status
    }

    /// Every kind of request that needs the store, again and again until the outage is over.
    async fn refuses_in_time(&self, outage: Outage) {
        let began = Instant::now();
        self.double.set_outage(Some(outage));
        let mut round = 0;
        while began.elapsed() < OUTAGE {
            let asked = Instant::now();
            for target in [
                "/v2/team/app/manifests/1.0.1",
                "/v2/team/app/tags/list",
                "/team/index.yaml",
                "/v2/other/x/tags/list",
            ] {
                let started = Instant::now();
                let reply = self.server.get(target).await;
                assert_status(&reply, 503);
                assert!(reply.header("retry-after").is_some(), "{target}");
                assert!(started.elapsed() < PATIENCE, "{outage:?} {target}: {:?}", started.elapsed());
            }
            assert_eq!(self.push(&format!("9.0.{round}")).await, 503);
            assert_eq!(self.readiness().await, 503);
            println!("{outage:?}: a round took {:?}", asked.elapsed());
            round += 1;
        }
    }

    async fn recovers(&self, outage: Outage) {
        self.double.reset_counts();
        self.double.set_outage(None);
        let back = Instant::now();
        while self.tag().await.status != 200 || self.readiness().await != 200 {
            assert!(back.elapsed() < RECOVERY, "{outage:?}: not back after {:?}", back.elapsed());
            sleep(Duration::from_millis(50)).await;
        }
        println!("{outage:?}: back after {:?}", back.elapsed());
        // One LIST may be of the namespace that does not exist, which was being loaded; loading `team` takes two.
        assert!(self.double.counts().list <= 1, "the state was kept: nothing was loaded again");
        assert_eq!(self.push("2.0.0").await, 201);
        assert!(back.elapsed() < RECOVERY, "{outage:?}: pushes again after {:?}", back.elapsed());
        let tags = self.server.get("/v2/team/app/tags/list").await.json();
        let tags: Vec<_> = tags["tags"].as_array().unwrap().iter().filter_map(|tag| tag.as_str()).collect();
        for tag in ["1.0.0", "1.0.1", "1.0.2", "2.0.0"] {
            assert!(tags.contains(&tag), "{tags:?}");
        }
    }
}

async fn outage(outage: Outage) {
    let case = Case::start(shared()).await;
    case.refuses_in_time(outage).await;
    case.recovers(outage).await;
}

/// All kinds side by side: they wait, mostly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_may_be_gone_for_a_minute() {
    let outages = [Outage::Refuse503, Outage::Close, Outage::Hang].map(outage);
    join(join_all(outages), what_was_known_is_read_with_a_warning()).await;
}

async fn what_was_known_is_read_with_a_warning() {
    let case = Case::start(Options { outage_reads: Duration::from_secs(20), ..shared() }).await;
    assert!(case.tag().await.header("warning").is_none());
    let began = Instant::now();
    case.double.set_outage(Some(Outage::Close));
    while began.elapsed() < Duration::from_secs(10) {
        for target in ["/v2/team/app/manifests/1.0.1", "/v2/team/app/tags/list", "/team/index.yaml"] {
            let reply = case.server.get(target).await;
            assert_status(&reply, 200);
            assert_eq!(reply.header("warning"), Some(r#"110 - "Response is Stale""#), "{target}");
        }
        // Whether what was not known is there now nobody can tell.
        for target in ["/v2/team/app/manifests/7.7.7", "/v2/team/other/tags/list"] {
            assert_status(&case.server.get(target).await, 503);
        }
        assert_eq!(case.push("9.9.9").await, 503);
    }
    // The time is over.
    sleep(Duration::from_secs(20).saturating_sub(began.elapsed())).await;
    assert_status(&case.tag().await, 503);
    case.double.set_outage(None);
    sleep(Duration::from_secs(2)).await;
    let reply = case.server.send(Request::get(manifest_path("team/app", "1.0.1"))).await;
    assert_status(&reply, 200);
    assert!(reply.header("warning").is_none());
}

/// The same with a real server, which is stopped where it is: connections stay open, and nothing comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_service_that_freezes_and_thaws() {
    let Some(service) = S3Server::start(S3Kind::Minio) else { return };
    service.create_bucket("charts");
    let clock = Arc::new(SystemClock::default());
    let store = S3::open(service.options("charts"), clock).await.expect("settings that work");
    let server = TestServer::replica_over(Arc::new(store), shared()).await;
    server.push_version("team/app", "1.0.0").await;
    service.freeze();
    for _ in 0..2 {
        let asked = Instant::now();
        assert_status(&server.get(manifest_path("team/app", "1.0.0")).await, 503);
        assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
    }
    service.thaw();
    let back = Instant::now();
    while server.get(manifest_path("team/app", "1.0.0")).await.status != 200 {
        assert!(back.elapsed() < RECOVERY, "not back after {:?}", back.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
    println!("back after {:?}", back.elapsed());
    server.push_version("team/app", "1.0.1").await;
}

/// As when both are started together.
#[test]
fn a_server_waits_at_its_start_for_a_store_that_comes_late() {
    let double = double();
    let (url, credentials) = storage_of(&double);
    double.set_outage(Some(Outage::Close));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            double.set_outage(None);
        });
        let server = Server::start_with(&["--storage", &url], &credentials);
        assert!(server.log().contains("the store does not answer yet"), "{}", server.log());
        server.stop();
    });
}
