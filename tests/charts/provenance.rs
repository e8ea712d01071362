//! Provenance files at the push, on both faces, and what is said of them afterwards.

use std::fs;

use charthouse::oci::NamespacePattern;
use charthouse::registry::Policy;
use serde_json::{Value, json};

use super::{assert_rule, assert_warned};
use crate::museum::{api, assert_error, form, upload};
use crate::support::app::{Kind, TestServer, lenient, on_every_backend};
use crate::support::charts::{pack, root};
#[cfg(feature = "openpgp")]
use crate::support::http::Request;
use crate::support::registry::{assert_refused, assert_status};
use crate::support::release::Release;

/// Characters of one.
#[cfg(feature = "openpgp")]
const FINGERPRINT: usize = 40;

fn provenance() -> String {
    fs::read_to_string(root().join("signed-1.0.0.tgz.prov")).expect("read the provenance")
}

/// The signed chart as Helm pushes it, with this provenance file.
fn signed(provenance: impl Into<bytes::Bytes>) -> Release {
    unsigned().provenance(provenance)
}

fn unsigned() -> Release {
    let yaml = fs::read_to_string(root().join("signed/Chart.yaml")).expect("read the Chart.yaml");
    let config: Value = serde_saphyr::from_str(&yaml).expect("YAML");
    Release::new(&config).package(pack("signed", &[]).bytes)
}

/// With the key that signed the chart, and one that signed nothing.
#[cfg(feature = "openpgp")]
fn policies() -> [(Policy, &'static str); 2] {
    let keyring =
        |bytes: Vec<u8>| Some(charthouse::chart::provenance::Keyring::read(&bytes).expect("a keyring"));
    let own = fs::read(root().join("keys/public.gpg")).expect("read the key");
    let other = include_bytes!("../../src/chart/provenance/samples/keyring.asc").to_vec();
    let policy = |bytes| Policy { keyring: keyring(bytes), ..Policy::default() };
    [(policy(own), "verified"), (policy(other), "untrusted")]
}

async fn told(server: &TestServer, namespace: &str) -> Value {
    let target = format!("/-/api/v1/charts/{namespace}/signed/-/versions/1.0.0");
    let answer = server.get(target).await;
    assert_status(&answer, 200);
    answer.json()["provenance"].clone()
}

/// What is wrong with a file, and the rule that says so.
fn faults() -> Vec<(&'static str, String, &'static str)> {
    let good = provenance();
    let digest = good.split("sha256:").nth(1).expect("a digest")[..64].to_owned();
    vec![
        ("nothing", String::new(), "does not begin with"),
        ("noise", "signed".to_owned(), "does not begin with"),
        ("another digest", good.replace(&digest, &"0".repeat(64)), "but the package has sha256:"),
        ("another file", good.replace("signed-1.0.0.tgz", "other-1.0.0.tgz"), "does not list"),
        ("another name", good.replace("name: signed", "name: other"), "is of \"other-1.0.0\""),
        ("another version", good.replace("version: 1.0.0", "version: 1.0.1"), "is of \"signed-1.0.1\""),
        ("a text behind it", format!("{good}more"), "goes on behind"),
        ("too much", format!("{good}{}", " ".repeat(600_000)), "more than"),
    ]
}

#[tokio::test]
async fn a_provenance_file_that_is_of_something_else_is_refused_on_both_faces() {
    on_every_backend(async |server| {
        let package = pack("signed", &[]).bytes;
        for (what, file, rule) in faults() {
            println!("{what}");
            let reply = server.put_release("team/signed", "1.0.0", &signed(file.clone())).await;
            assert_rule(&reply, rule);
            let both = [("chart", &package[..]), ("prov", file.as_bytes())];
            assert_error(&server.send(form(api("team", "charts"), &both)).await, 400, rule);
        }
        assert_status(&server.get("/team/charts/signed-1.0.0.tgz").await, 404);
        let two = signed(provenance()).provenance("another");
        assert_rule(
            &server.put_release("team/signed", "1.0.0", &two).await,
            "2 layers that are a provenance",
        );

        server.push_release("team/signed", "1.0.0", &signed(provenance())).await;
        assert_eq!(told(&server, "team").await, json!({"status": "signed"}));
        server.push_release("bare/signed", "1.0.0", &unsigned()).await;
        assert_eq!(told(&server, "bare").await, json!({"status": "unsigned"}));
        let index = server.get("/team/index.yaml").await.text();
        assert!(!index.contains("\"provenance\"") && !index.contains("signer"), "{index}");
    })
    .await;
}

#[tokio::test]
async fn a_fault_of_a_signature_is_told_where_the_rules_are_lenient() {
    let server = TestServer::start_with(Kind::Memory, lenient()).await;
    for (what, file, rule) in faults() {
        println!("{what}");
        let namespace = what.replace(' ', "-");
        let reply = server.put_release(&format!("{namespace}/signed"), "1.0.0", &signed(file)).await;
        assert_warned(&reply, &rule.replace('"', "'"));
        let told = told(&server, &namespace).await;
        assert_eq!(told["status"], "invalid", "{told}");
        assert!(told["reason"].as_str().is_some_and(|reason| reason.contains(rule)), "{told}");
    }
}

#[cfg(feature = "openpgp")]
#[tokio::test]
async fn with_a_keyring_it_is_asked_who_signed() {
    for (policy, status) in policies() {
        println!("{status}");
        let server = TestServer::start_with(Kind::Memory, policy.clone()).await;
        let dev = vec![NamespacePattern::parse("**").unwrap()];
        let leniently = TestServer::start_with(Kind::Memory, Policy { lenient: dev, ..policy }).await;
        let package = pack("signed", &[]).bytes;
        let file = provenance();
        let both = [("chart", &package[..]), ("prov", file.as_bytes())];
        let over_oci = server.put_release("oci/signed", "1.0.0", &signed(file.clone())).await;
        let uploaded = server.send(form(api("museum", "charts"), &both)).await;
        assert_status(&server.send(upload("late", &package)).await, 201);
        let late = server.send(Request::post(api("late", "prov")).body(file.clone())).await;
        let told_of = leniently.put_release("lenient/signed", "1.0.0", &signed(file.clone())).await;
        if status == "verified" {
            for reply in [&over_oci, &uploaded, &late, &told_of] {
                assert_status(reply, 201);
            }
            for namespace in ["oci", "museum", "late"] {
                let told = told(&server, namespace).await;
                assert_eq!(told["status"], "verified", "{told}");
                let fingerprint = told["signer"]["fingerprint"].as_str().expect("a fingerprint");
                assert!(fingerprint.len() == FINGERPRINT, "{told}");
                assert!(told["signer"]["userIds"][0].is_string(), "{told}");
            }
        } else {
            let rule = "not in the keyring";
            assert_refused(&over_oci, 400, &["MANIFEST_INVALID"]);
            assert!(over_oci.text().contains(rule), "{}", over_oci.text());
            assert_error(&uploaded, 400, rule);
            assert_error(&late, 400, rule);
            assert_warned(&told_of, rule);
            assert_eq!(told(&leniently, "lenient").await["status"], "untrusted");
            assert_eq!(told(&server, "late").await["status"], "unsigned");
        }
        // The text was changed behind the signature, but not what it says of the package.
        let forged = file.replacen("description: ", "description: very ", 1);
        assert_ne!(forged, file);
        let reply = server.put_release("forged/signed", "1.0.0", &signed(forged)).await;
        assert_refused(&reply, 400, &["MANIFEST_INVALID"]);
    }
}

#[tokio::test]
async fn where_signatures_are_required_an_unsigned_chart_gets_no_tag() {
    let everywhere = || vec![NamespacePattern::parse("**").unwrap()];
    let policy = Policy {
        signed: vec![NamespacePattern::parse("prod").unwrap()],
        lenient: everywhere(),
        ..Policy::default()
    };
    let server = TestServer::start_with(Kind::Memory, policy).await;
    let package = pack("signed", &[]).bytes;
    let digest = unsigned().image().manifest.digest;
    assert_status(&server.put_release("prod/signed", &digest, &unsigned()).await, 201);
    let refused = server.put_release("prod/signed", "1.0.0", &unsigned()).await;
    assert_refused(&refused, 403, &["DENIED"]);
    assert!(refused.text().contains("policy.provenance.required"), "{}", refused.text());
    assert_error(&server.send(upload("prod", &package)).await, 403, "policy.provenance.required");
    // Being lenient does not make a signature of something that is none.
    assert_rule(&server.put_release("prod/signed", "1.0.0", &signed("noise")).await, "does not begin with");
    assert_status(&server.put_release("prod/signed", "1.0.0", &signed(provenance())).await, 201);
    assert_status(&server.put_release("dev/signed", "1.0.0", &unsigned()).await, 201);
}
