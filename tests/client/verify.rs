//! `verify` and `pull --verify`: what nobody signed is not pulled
//! (docs/internals/threat-model.md#a2-charts-and-clients, T26).

use std::fs;

use super::{Any, Charthouse, with_each_registry};
use crate::support::charts::{pack, root};

const FINGERPRINT_LINE: &str = "Using key with fingerprint: ";

with_each_registry![a_signed_chart_is_verified, what_is_not_signed_is_not_pulled];

fn keyring() -> String {
    root().join("keys/public.gpg").to_str().expect("a readable path").to_owned()
}

/// Pushes the signed chart with its provenance file.
fn push_signed(charthouse: &Charthouse, namespace: &str) {
    fs::copy(root().join("signed-1.0.0.tgz.prov"), charthouse.path("signed-1.0.0.tgz.prov")).unwrap();
    charthouse.push(&pack("signed", &[]), namespace);
}

fn a_signed_chart_is_verified(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    push_signed(&charthouse, &namespace);
    let keyring = keyring();
    let reference = format!("{namespace}/signed");
    for chart in ["signed-1.0.0.tgz", &reference] {
        let said = charthouse.run(&["verify", chart, "--keyring", &keyring]).succeeds();
        assert!(said.contains(FINGERPRINT_LINE) && said.contains("Signed by: "), "{said}");
    }
    fs::create_dir(charthouse.path("out")).unwrap();
    let pull = ["pull", &reference, "--verify", "--keyring", &keyring, "-d", "out"];
    assert!(charthouse.run(&pull).succeeds().contains(FINGERPRINT_LINE));
    assert_eq!(charthouse.files("out"), ["signed-1.0.0.tgz", "signed-1.0.0.tgz.prov"]);
    // Without a key nobody is trusted.
    let said = charthouse.run(&["verify", &reference]).fails();
    assert!(said.contains("--keyring"), "{said}");
}

fn what_is_not_signed_is_not_pulled(registry: &Any) {
    let charthouse = Charthouse::new();
    let namespace = format!("oci://{}/team", registry.host());
    let keyring = keyring();
    charthouse.push(&pack("app-1.2.3", &[]), &namespace);
    push_signed(&charthouse, &namespace);
    fs::create_dir(charthouse.path("out")).unwrap();
    let refused = |reference: &str| {
        let reference = format!("{namespace}/{reference}");
        let said =
            charthouse.run(&["pull", &reference, "--verify", "--keyring", &keyring, "-d", "out"]).fails();
        assert_eq!(charthouse.files("out"), [] as [&str; 0], "{said}");
        charthouse.run(&["verify", &reference, "--keyring", &keyring]).fails();
        said
    };
    let said = refused("app");
    assert!(said.contains("has no provenance file"), "{said}");

    // A signature of another chart proves nothing.
    let other = charthouse.path("app-1.3.0.tgz.prov");
    fs::copy(charthouse.path("signed-1.0.0.tgz.prov"), other).unwrap();
    let chart = pack("app-1.3.0", &[]);
    chart.write(charthouse.home());
    let pushed = charthouse.run(&["push", &chart.file_name, &namespace]);
    if matches!(registry, Any::Reference(_)) {
        pushed.succeeds();
        let said = refused("app:1.3.0");
        assert!(said.contains("is not verified"), "{said}");
    }
}

#[test]
fn a_package_that_was_changed_is_not_verified() {
    let charthouse = Charthouse::new();
    fs::copy(root().join("signed-1.0.0.tgz.prov"), charthouse.path("signed-1.0.0.tgz.prov")).unwrap();
    let mut chart = pack("signed", &[]);
    // The time in the head of the gzip stream.
    chart.bytes[4] ^= 1;
    chart.write(charthouse.home());
    let said = charthouse.bare(&["verify", &chart.file_name, "--keyring", &keyring()]).fails();
    assert!(said.contains("is not verified"), "{said}");
}
