//! The examples of docs/client.md run as they stand there.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Charthouse;
use super::copy::lenient;
use crate::support::charts::{pack, root};
use crate::support::command::run;
use crate::support::server::Server;

#[test]
fn every_example_of_the_page_works() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/client.md");
    let page = fs::read_to_string(page).expect("read docs/client.md");
    let ((_settings, server), other) = (lenient(), Server::in_memory());
    let charthouse = Charthouse::new();
    for folder in ["app-1.2.3", "app-1.3.0", "signed"] {
        pack(folder, &[]).write(charthouse.home());
    }
    for (from, to) in [("signed-1.0.0.tgz.prov", "signed-1.0.0.tgz.prov"), ("keys/public.gpg", "public.gpg")]
    {
        fs::copy(root().join(from), charthouse.path(to)).expect("copy a file");
    }
    let mut examples = 0;
    for block in page.split("```sh\n").skip(1) {
        let script = block.split("```").next().unwrap_or_default();
        let script =
            script.replace("registry.example", &server.host()).replace("mirror.example", &other.host());
        let binary = Path::new(env!("CARGO_BIN_EXE_charthouse")).parent().expect("a folder");
        // The page is written for registries with TLS.
        let wrapped = format!(
            "set -euo pipefail\ncharthouse() {{ case $1 in logout) command charthouse \"$@\";; *) command charthouse \"$@\" --plain-http;; esac; }}\n{script}"
        );
        let mut command = Command::new("bash");
        command.args(["-c", &wrapped]).current_dir(charthouse.home()).env("HOME", charthouse.home());
        command.env("HELM_CONFIG_HOME", charthouse.path(".config"));
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", binary.display()));
        run(&mut command).succeeds();
        examples += 1;
    }
    assert!(examples >= 8, "{examples} examples");
    server.stop();
    other.stop();
}
