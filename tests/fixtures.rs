//! The chart fixtures are what the other tests take them for.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::support::charts::{folders, pack, root, unfold};
use crate::support::tools::{Client, HELM_3, HELM_4};

const HOST: &[(&str, &str)] = &[("REGISTRY_HOST", "127.0.0.1:5000")];

fn overrides(folder: &str) -> &'static [(&'static str, &'static str)] {
    if folder == "with-dependency" { HOST } else { &[] }
}

#[test]
fn a_chart_packs_to_the_same_bytes_every_time() {
    assert!(folders().len() >= 13, "the chart folders are found: {:?}", folders());
    for folder in folders() {
        let first = pack(&folder, overrides(&folder));
        assert_eq!(first, pack(&folder, overrides(&folder)), "{folder}");
        assert_eq!(first.file_name, format!("{}-{}.tgz", first.name, first.version));
    }
}

/// This also shows that packing gives the same bytes on every machine.
#[test]
fn the_committed_provenance_is_of_the_packed_chart() {
    let packed = pack("signed", &[]);
    let provenance = fs::read_to_string(root().join("signed-1.0.0.tgz.prov")).expect("read the provenance");
    let expected = format!("{}: sha256:{}", packed.file_name, hex(&packed.bytes));
    assert!(provenance.contains(&expected), "run scripts/sign-fixture: the provenance lacks {expected}");
}

#[test]
fn the_odd_charts_are_odd() {
    let byte_order_mark = "\u{feff}";
    for file in ["bom/Chart.yaml", "bom/values.yaml"] {
        let text = fs::read_to_string(root().join(file)).expect("read the file");
        assert!(text.starts_with(byte_order_mark), "{file} lost its byte order mark");
    }
    let unicode = fs::read_to_string(root().join("unicode/Chart.yaml")).expect("read the chart");
    for text in ["مخطط", "e\u{301}", "👩\u{200d}🚀"] {
        assert!(unicode.contains(text), "unicode/Chart.yaml lost {text}");
    }
    let version = |folder| pack(folder, &[]).version;
    assert_eq!(version("build-metadata"), "1.2.3+build.7");
    assert_eq!(version("v-prefix"), "v1.2.3");
    assert_eq!(version("lax-version"), "1.2");
    assert_eq!(version("app-2.0.0-rc.1"), "2.0.0-rc.1");
}

#[test]
fn helm_4_accepts_every_packed_chart() {
    helm_accepts_every_packed_chart(HELM_4);
}

#[test]
fn helm_3_accepts_every_packed_chart() {
    helm_accepts_every_packed_chart(HELM_3);
}

fn helm_accepts_every_packed_chart(helm: &str) {
    let Some(helm) = Client::find(helm) else { return };
    for folder in folders() {
        let packed = pack(&folder, overrides(&folder));
        packed.write(helm.home());
        let shown = helm.run(&["show", "chart", &packed.file_name]).succeeds();
        assert!(shown.contains(&format!("name: {}", packed.name)), "{shown}");
        // Lint looks for dependencies, which arrive in `charts/` by `helm dependency update` only.
        if folder != "with-dependency" {
            helm.run(&["lint", &packed.file_name]).succeeds();
        }
        unfold(&folder, overrides(&folder), &helm.home().join(&folder));
        helm.run(&["show", "values", &folder]).succeeds();
    }
}

#[test]
fn helm_4_verifies_the_signed_chart() {
    helm_verifies_the_signed_chart(HELM_4);
}

#[test]
fn helm_3_verifies_the_signed_chart() {
    helm_verifies_the_signed_chart(HELM_3);
}

fn helm_verifies_the_signed_chart(helm: &str) {
    let Some(helm) = Client::find(helm) else { return };
    let mut packed = pack("signed", &[]);
    packed.write(helm.home());
    fs::copy(root().join("signed-1.0.0.tgz.prov"), helm.home().join("signed-1.0.0.tgz.prov")).expect("copy");
    let keyring = root().join("keys/public.gpg");
    let verify = ["verify", "signed-1.0.0.tgz", "--keyring", keyring.to_str().expect("a readable path")];
    helm.run(&verify).succeeds();

    packed.bytes.push(0);
    packed.write(helm.home());
    helm.run(&verify).fails();
}

/// Not a check: `scripts/sign-fixture` takes the package from here.
#[test]
#[ignore = "writes a file for scripts/sign-fixture"]
fn write_the_package_to_sign() {
    pack("signed", &[]).write(Path::new(env!("CARGO_TARGET_TMPDIR")));
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
