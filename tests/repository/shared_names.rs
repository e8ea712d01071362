//! Two versions whose packages have one file name: each entry of the index leads to its own.

use serde_json::Value;

use crate::museum::api;
use crate::support::app::{TestServer, where_noise_is_taken};
use crate::support::artifact::{HELM_CHART, HELM_PROVENANCE};
use crate::support::registry::{assert_status, manifest_path, warnings};
use crate::support::release::{Release, tag_of};

/// Charts and versions of one file name each.
const SAME: [[(&str, &str); 2]; 4] = [
    [("app", "1.0.0-2.0.0"), ("app-1.0.0", "2.0.0")],
    [("app-1.0.0", "2.0.0"), ("app", "1.0.0-2.0.0")],
    [("redis-7", "1.0.0+b"), ("redis", "7-1.0.0+b")],
    [("a", "v1-2-3"), ("a-v1-2", "3")],
];

fn release(name: &str, version: &str) -> Release {
    Release::named(name, version).provenance(format!("signature of {name} {version}"))
}

async fn push(server: &TestServer, namespace: &str, (name, version): (&str, &str)) -> (Release, Vec<String>) {
    let release = release(name, version);
    let pushed = server.put_release(&format!("{namespace}/{name}"), &tag_of(version), &release).await;
    assert_status(&pushed, 201);
    let told = warnings(&pushed);
    (release, told.into_iter().filter(|warning| warning.contains("same name")).collect())
}

/// The URL of a version in the index.
async fn url_of(server: &TestServer, namespace: &str, (name, version): (&str, &str)) -> String {
    let index = server.index(namespace).await;
    let urls: &Value = &index.entry(name, version)["urls"];
    urls[0].as_str().expect("a URL").to_owned()
}

/// The URL of an entry of the index, which ChartMuseum's API has, too, gives the package and its signature.
async fn assert_leads_to_its_own(
    server: &TestServer,
    namespace: &str,
    chart: (&str, &str),
    release: &Release,
) {
    let index = server.index(namespace).await;
    let entry = index.entry(chart.0, chart.1);
    let url = entry["urls"][0].as_str().expect("a URL");
    let file = server.get(format!("/{namespace}/{url}")).await;
    assert!(file.status == 200 && file.body == release.layer(HELM_CHART).bytes, "{chart:?} at {url}");
    let signature = server.get(format!("/{namespace}/{url}.prov")).await;
    assert!(signature.body == release.layer(HELM_PROVENANCE).bytes, "{chart:?} at {url}.prov");
    let versions = server.get(api(namespace, &format!("charts/{}", chart.0))).await.json();
    let shown = versions.as_array().expect("versions").iter().find(|one| one["version"] == chart.1);
    assert_eq!(shown.map(|one| &one["urls"]), Some(&entry["urls"]), "{chart:?} in ChartMuseum's API");
}

#[tokio::test]
async fn each_entry_leads_to_its_own_package_and_the_url_of_to_the_first() {
    where_noise_is_taken(async |server| {
        for (at, [first, second]) in SAME.into_iter().enumerate() {
            let namespace = format!("team-{at}");
            let plain = format!("charts/{}-{}.tgz", first.0, first.1);
            let (older, told) = push(&server, &namespace, first).await;
            assert_eq!(told, [] as [&str; 0]);
            assert_eq!(url_of(&server, &namespace, first).await, plain);
            let (newer, told) = push(&server, &namespace, second).await;
            assert!(told.len() == 1 && told[0].contains(&format!("{}/{}", namespace, first.0)), "{told:?}");
            assert_eq!(url_of(&server, &namespace, first).await, plain);
            let file = format!("{}-{}.tgz", second.0, second.1);
            let own = format!("charts/{}/{file}", &newer.digest()[..16]);
            assert_eq!(url_of(&server, &namespace, second).await, own);
            assert!(told[0].contains(&own), "{told:?}");
            assert_leads_to_its_own(&server, &namespace, first, &older).await;
            assert_leads_to_its_own(&server, &namespace, second, &newer).await;
            let served = server.get(format!("/{namespace}/{plain}")).await;
            assert!(served.body == older.layer(HELM_CHART).bytes, "the plain URL is that of the first");
            // The first one has such a URL as well, and no other digest has one.
            let named = format!("/{namespace}/charts/{}/{file}", older.digest());
            assert!(server.get(named).await.body == older.layer(HELM_CHART).bytes);
            let absent = format!("/{namespace}/charts/{}/{file}", "0".repeat(16));
            assert_status(&server.get(absent).await, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn the_url_with_a_digest_outlives_the_first() {
    where_noise_is_taken(async |server| {
        let [first, second] = SAME[0];
        push(&server, "team", first).await;
        let (newer, _) = push(&server, "team", second).await;
        let own = url_of(&server, "team", second).await;
        let tag = manifest_path(&format!("team/{}", first.0), &tag_of(first.1));
        assert_status(&server.delete(tag).await, 202);
        // The index is brought in line although the second one did not change.
        assert_leads_to_its_own(&server, "team", second, &newer).await;
        let served = server.get(format!("/team/{own}")).await;
        assert!(served.body == newer.layer(HELM_CHART).bytes, "{own}");
        let told = push(&server, "team", first).await.1;
        assert_eq!(told.len(), 1, "it comes second now");
        assert_leads_to_its_own(&server, "team", second, &newer).await;
    })
    .await;
}

#[tokio::test]
async fn replicas_and_a_restarted_server_give_the_same_urls() {
    let (here, there) = TestServer::replicas().await;
    let [first, second] = SAME[0];
    push(&here, "team", first).await;
    // One replica has the index before the second is pushed, the other has not.
    assert_eq!(here.index("team").await.all().count(), 1);
    push(&there, "team", second).await;
    let (ours, theirs) = (here.get("/team/index.yaml").await, there.get("/team/index.yaml").await);
    assert!(ours.body == theirs.body, "{}\n{}", ours.text(), theirs.text());
    assert_eq!(ours.header("etag"), theirs.header("etag"));
}
