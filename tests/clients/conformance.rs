//! The public conformance program of the distribution specification: no failure in version 1.1, none in the next.

use crate::support::server::Server;
use crate::support::tools::{CONFORMANCE, Client};

/// The versions, and a little less than what each has of checks: a program that checks nothing is no success.
const VERSIONS: [(&str, usize); 2] = [("1.1", 800), ("1.1+dev", 950)];

/// Runs all checks of all versions. The program reads its settings from the folder in which it runs.
fn nothing_fails(server: Server) {
    let Some(program) = Client::find(CONFORMANCE) else { return };
    for (version, at_least) in VERSIONS {
        let settings = format!("version: {version:?}\nregistry: {:?}\ntls: disabled\n", server.host());
        std::fs::write(program.home().join("oci-conformance.yaml"), settings).expect("a file of settings");
        let said = program.run::<&str>(&[]).succeeds();
        assert_eq!((count("FAIL", &said), count("Error", &said)), (0, 0), "{said}");
        assert!(count("Pass", &said) > at_least, "{said}");
    }
    server.stop();
}

/// The number behind `outcome` in the summary.
fn count(outcome: &str, said: &str) -> usize {
    let beginning = format!("  {outcome}.....");
    let line = said.lines().find(|line| line.starts_with(&beginning));
    let number = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no count of {outcome}: {said}"))
}

#[test]
fn nothing_fails_over_memory() {
    nothing_fails(Server::in_memory());
}

#[test]
fn nothing_fails_over_a_directory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    nothing_fails(Server::over(folder.path()));
}
