//! Packages over the wire: the corpus of the reader, on both faces, strict and lenient, and what a bomb costs.

use charthouse::oci::NamespacePattern;
use charthouse::registry::Policy;
use serde_json::json;

use super::corpus::{Verdict, cases};
use super::writer::{chart_of, file};
use super::{assert_rule, assert_warned, chart};
use crate::HEAP;
use crate::museum::upload;
use crate::support::alone::alone;
use crate::support::app::{Kind, TestServer, lenient, on_every_backend};
use crate::support::artifact::noise;
use crate::support::registry::{assert_status, manifest_path, warnings};
use crate::support::release::Release;

/// The config of the only case whose Chart.yaml is another one.
fn release_of(name: &str, package: Vec<u8>) -> Release {
    match name {
        "apiVersion v3" => Release::new(&json!({"apiVersion": "v3", "name": "app", "version": "1.2.3"})),
        _ => return chart(package),
    }
    .package(package)
}

#[tokio::test]
async fn every_package_of_the_corpus_gets_its_verdict_at_the_tag() {
    let server = TestServer::start(Kind::Memory).await;
    let cases = cases();
    assert!(cases.len() >= 100, "{}", cases.len());
    for (at, (name, package, verdict)) in cases.into_iter().enumerate() {
        println!("{name}");
        let (repository, release) = (format!("case-{at}/app"), release_of(name, package));
        let digest = release.image().manifest.digest;
        // As Helm does: first by digest, where nothing is looked at.
        assert_status(&server.put_release(&repository, &digest, &release).await, 201);
        for reference in ["1.2.3".to_owned(), format!("{digest}?tag=1.2.3")] {
            let reply = server.put_release(&repository, &reference, &release).await;
            match verdict {
                Verdict::Refused(rule) => assert_rule(&reply, rule),
                Verdict::Accepted(oddities) => {
                    assert_status(&reply, 201);
                    let told = warnings(&reply);
                    assert_eq!(told.len(), oddities.len(), "{told:?}");
                    let plain = |text: &str| text.replace(['"', '\'', '\\'], "");
                    let all = told.iter().zip(oddities).all(|(told, odd)| plain(told).contains(&plain(odd)));
                    assert!(all, "{told:?} is not {oddities:?}");
                }
            }
        }
        let tagged = if matches!(verdict, Verdict::Refused(_)) { 404 } else { 200 };
        assert_status(&server.get(manifest_path(&repository, "1.2.3")).await, tagged);
    }
}

#[tokio::test]
async fn an_upload_gets_the_same_verdict() {
    let server = TestServer::start(Kind::Memory).await;
    for (at, (name, package, verdict)) in cases().into_iter().enumerate() {
        if package.is_empty() || package.len() > 20 << 20 {
            continue;
        }
        println!("{name}");
        let reply = server.send(upload(&format!("case-{at}"), &package)).await;
        match verdict {
            Verdict::Refused(rule) => {
                assert_eq!(reply.status, 400, "{}", reply.text());
                let error = reply.json()["error"].as_str().unwrap_or_default().to_owned();
                assert!(error.contains(rule) && error.contains("helm package"), "{error}");
            }
            Verdict::Accepted(oddities) => {
                assert_status(&reply, 201);
                assert_eq!(warnings(&reply).len(), oddities.len(), "{:?}", warnings(&reply));
            }
        }
    }
}

/// A lenient namespace takes what others refuse, and says so.
#[tokio::test]
async fn a_fault_is_a_warning_where_the_rules_are_lenient() {
    let lenient = vec![NamespacePattern::parse("dev/**").unwrap()];
    let server = TestServer::start_with(Kind::Memory, Policy { lenient, ..Policy::default() }).await;
    let (noise, link) = (chart(noise("no package", 1_000).to_vec()), "../../etc/passwd");
    let escape = chart(chart_of(&[file(link, "x")]));
    let other = chart(chart_of(&[])).annotation("org.opencontainers.image.title", "web");
    let cases = [(noise, "not compressed with gzip"), (escape, "`..`"), (other, "in the annotation")];
    for (at, (release, rule)) in cases.iter().enumerate() {
        for namespace in [format!("dev/{at}"), format!("dev/{at}/b")] {
            let reply = server.put_release(&format!("{namespace}/app"), "1.2.3", release).await;
            assert_warned(&reply, rule);
            assert_eq!(server.index(&namespace).await.versions("app"), ["1.2.3"], "listed all the same");
        }
        assert_rule(&server.put_release(&format!("prod-{at}/app"), "1.2.3", release).await, rule);
    }
    let escape = chart_of(&[file(link, "x")]);
    assert_warned(&server.send(upload("dev/uploaded", &escape)).await, "`..`");
    assert_eq!(server.index("dev/uploaded").await.versions("app"), ["1.2.3"]);
    assert_eq!(server.send(upload("prod", &escape)).await.status, 400);
    let unclear = chart_of(&[file("b/Chart.yaml", "name: b\nversion: 1.0.0\n")]);
    assert_eq!(server.send(upload("dev/unclear", &unclear)).await.status, 400, "two charts");
}

/// What no index can list is refused; where the rules are lenient, it is told.
#[tokio::test]
async fn metadata_too_large_to_be_listed_is_refused() {
    let lenient = vec![NamespacePattern::parse("dev/**").unwrap()];
    let server = TestServer::start_with(Kind::Memory, Policy { lenient, ..Policy::default() }).await;
    let description = "d".repeat(150_000);
    let yaml = format!("apiVersion: v2\nname: app\nversion: 1.2.3\ndescription: {description}\n");
    let config = json!({"apiVersion": "v2", "name": "app", "version": "1.2.3", "description": description});
    let release = Release::new(&config).package(super::writer::package(&[file("app/Chart.yaml", yaml)]));
    let reply = server.put_release("prod/app", "1.2.3", &release).await;
    assert_status(&reply, 400);
    assert!(reply.text().contains("more than 131072 bytes"), "{}", reply.text());
    let reply = server.put_release("dev/app", "1.2.3", &release).await;
    assert_status(&reply, 201);
    assert!(
        warnings(&reply).iter().any(|told| told.contains("more than 131072 bytes")),
        "{:?}",
        warnings(&reply)
    );
}

/// The package of a chart may be larger than what is kept in memory: it is read piece by piece.
#[tokio::test]
async fn a_large_package_is_judged_wherever_its_bytes_are() {
    on_every_backend(async |server| {
        let files: Vec<_> =
            (0..5).map(|n| file(&format!("app/{n}"), noise(&format!("large {n}"), 4 << 20))).collect();
        let good = chart_of(&files);
        assert!(good.len() > 18 << 20);
        let mut bad = good.clone();
        let at = bad.len() - 8;
        bad[at] ^= 1;
        assert_rule(&server.put_release("team/app", "1.2.3", &chart(bad)).await, "damaged");
        assert_status(&server.put_release("team/app", "1.2.3", &chart(good)).await, 201);
    })
    .await;
}

/// A file of 5 MiB that is judged, and what it takes to read it.
const MOST: usize = 16 << 20;

#[test]
fn a_bomb_costs_no_more_memory_than_a_file_may_have() {
    alone(concat!(module_path!(), "::a_bomb_costs_no_more_memory_than_a_file_may_have"), measure());
}

async fn measure() {
    let server = TestServer::start(Kind::Memory).await;
    let leniently = TestServer::start_with(Kind::Memory, lenient()).await;
    let zeros = vec![0; 5 << 20];
    let bomb = |name: &str| -> Vec<_> { (0..30).map(|n| file(&format!("app/{name}-{n}"), &zeros)).collect() };
    let schema = [vec![file("app/values.schema.json", vec![b'['; 5 << 20])], bomb("x")].concat();
    let nested =
        vec![file("app/charts/a.tgz", chart_of(&bomb("y"))), file("app/charts/b.tgz", chart_of(&bomb("z")))];
    for (tag, entries) in [("zeros", bomb("a")), ("schema", schema), ("nested", nested)] {
        let release = chart(chart_of(&entries));
        drop(entries);
        let digest = release.image().manifest.digest;
        for (server, status) in [(&server, 400), (&leniently, 201)] {
            assert_status(&server.put_release("team/app", &digest, &release).await, 201);
            let before = HEAP.current_usage();
            HEAP.reset_peak_usage();
            assert_status(&server.put_release("team/app", tag, &release).await, status);
            let cost = HEAP.peak_usage().saturating_sub(before);
            assert!(cost < MOST, "{tag}: {cost} bytes");
        }
    }
}
