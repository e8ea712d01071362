//! A signature goes in with its chart, comes out with it, and still verifies.

use std::fs;

use super::helm::Helm;
use super::with_each_helm;
use crate::support::charts::{pack, root};
use crate::support::server::Server;

const PROVENANCE: &str = "signed-1.0.0.tgz.prov";

with_each_helm![
    provenance_is_pulled_and_verified_after_a_restart,
    a_chart_without_provenance_does_not_verify
];

fn provenance_is_pulled_and_verified_after_a_restart(helm: &Helm) {
    let storage = tempfile::tempdir().expect("a folder for the store");
    let chart = pack("signed", &[]);
    let provenance = fs::read(root().join(PROVENANCE)).expect("read the provenance");
    // Helm takes the provenance along when it lies beside the package.
    fs::write(helm.client().home().join(PROVENANCE), &provenance).expect("write the provenance");

    let server = Server::over(storage.path());
    helm.push(&chart, &format!("oci://{}/team", server.host()));
    server.interrupt();

    let server = Server::over(storage.path());
    let reference = format!("oci://{}/team/signed", server.host());
    let keyring = root().join("keys/public.gpg");
    let keyring = keyring.to_str().expect("a readable path");
    let with_provenance = helm.pull(&reference, &["--version", "1.0.0", "--prov"]);
    let verified = helm.pull(&reference, &["--version", "1.0.0", "--verify", "--keyring", keyring]);
    for pulled in [with_provenance, verified] {
        pulled.is(&chart);
        assert!(pulled.file(PROVENANCE) == provenance, "the provenance has other bytes");
    }
    server.stop();
}

fn a_chart_without_provenance_does_not_verify(helm: &Helm) {
    let server = Server::in_memory();
    let namespace = format!("oci://{}/team", server.host());
    helm.push(&pack("app-1.2.3", &[]), &namespace);
    let keyring = root().join("keys/public.gpg");
    let keyring = keyring.to_str().expect("a readable path");
    helm.run(&["pull", &format!("{namespace}/app"), "--verify", "--keyring", keyring]).fails();
    server.stop();
}
