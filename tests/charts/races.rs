//! Many clients that push one version at the same time: a released version has one content, whoever wins.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::app::{TestServer, on_every_backend};
use crate::support::http::{Request, Response};
use crate::support::registry::{error_code, manifest_path, warnings};
use crate::support::release::{Pusher, Release};

const RACERS: usize = 64;

fn metadata(n: usize) -> serde_json::Value {
    json!({"apiVersion": "v2", "name": "app", "version": "1.2.3", "description": format!("by {n}")})
}

/// Every release by a client of its own, all of them against all servers in turn.
async fn race(
    servers: &[&TestServer],
    reference: impl Fn(&Release) -> String,
    releases: &[Release],
) -> Vec<Response> {
    let pushes = releases.iter().zip(servers.iter().cycle()).map(async |(release, server)| {
        let mut client = Pusher::open(server.addr).await;
        client.push("team/app", &reference(release), release).await
    });
    join_all(pushes).await
}

/// Exactly one was taken; the others were told of the winner. Everybody then reads the winner.
async fn assert_one_won(servers: &[&TestServer], releases: &[Release], answers: &[Response]) {
    let winners: Vec<usize> = (0..answers.len()).filter(|&n| answers[n].status == 201).collect();
    assert_eq!(winners.len(), 1, "of {:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    let winner = releases[winners[0]].image().manifest;
    for (answer, release) in answers.iter().zip(releases).filter(|(answer, _)| answer.status != 201) {
        assert_eq!((answer.status, error_code(answer).as_str()), (409, "DENIED"), "{}", answer.text());
        let own = release.image().manifest.digest;
        assert!(answer.text().contains(&winner.digest) && answer.text().contains(&own), "{}", answer.text());
    }
    for server in servers {
        let read = server.get(&manifest_path("team/app", "1.2.3")).await;
        assert_eq!((read.status, &read.body[..]), (200, &winner.body[..]));
    }
}

#[tokio::test]
async fn of_many_contents_that_race_for_a_version_exactly_one_wins() {
    let releases: Vec<Release> = (0..RACERS).map(|n| Release::new(&metadata(n))).collect();
    on_every_backend(async |server| {
        let answers = race(&[&server], |_| "1.2.3".into(), &releases).await;
        assert_one_won(&[&server], &releases, &answers).await;
    })
    .await;
    let (here, there) = TestServer::replicas().await;
    let by_digest = |release: &Release| format!("{}?tag=1.2.3", release.image().manifest.digest);
    let answers = race(&[&here, &there], by_digest, &releases).await;
    assert_one_won(&[&here, &there], &releases, &answers).await;
}

#[tokio::test]
async fn of_one_content_everybody_who_races_succeeds_and_the_tag_stays_on_the_first() {
    let created = |n: usize| format!("2026-11-{:02}T{:02}:00:00Z", 1 + n / 24, n % 24);
    let releases: Vec<Release> =
        (0..RACERS).map(|n| Release::new(&metadata(0)).created(&created(n))).collect();
    on_every_backend(async |server| {
        let answers = race(&[&server], |_| "1.2.3".into(), &releases).await;
        let read = server.get(&manifest_path("team/app", "1.2.3")).await;
        for (answer, release) in answers.iter().zip(&releases) {
            assert_eq!(answer.status, 201, "{}", answer.text());
            let manifest = release.image().manifest;
            assert_eq!(answer.header("docker-content-digest"), Some(manifest.digest.as_str()));
            let is_first = read.body[..] == manifest.body[..];
            assert_eq!(warnings(answer).is_empty(), is_first, "{:?}", warnings(answer));
            let by_digest = server.get(&manifest_path("team/app", &manifest.digest)).await;
            assert_eq!((by_digest.status, &by_digest.body[..]), (200, &manifest.body[..]));
        }
        assert!(releases.iter().any(|release| release.image().manifest.body[..] == read.body[..]));
    })
    .await;
}

/// A packed chart over both faces at once: neither lets the other move what was released.
#[tokio::test]
async fn the_two_faces_do_not_overtake_each_other() {
    let releases: Vec<Release> = (0..RACERS).map(|n| Release::new(&metadata(n))).collect();
    on_every_backend(async |server| {
        let pushes = releases.iter().enumerate().map(async |(n, release)| match n % 2 {
            0 => server.put_release("team/app", "1.2.3", release).await,
            _ => {
                let package = release.layer(crate::support::artifact::HELM_CHART).bytes.clone();
                server.send(Request::new("POST", "/api/team/charts").body(package)).await
            }
        });
        let answers = join_all(pushes).await;
        let taken = answers.iter().filter(|answer| answer.status == 201).count();
        let refused = answers.iter().filter(|answer| answer.status == 409).count();
        assert_eq!((taken, refused), (1, RACERS - 1));
    })
    .await;
}
