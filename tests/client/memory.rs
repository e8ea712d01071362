//! Large artifacts pass through in little memory.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::Charthouse;
use crate::support::artifact::{IMAGE_MANIFEST, sha256};
use crate::support::hostile_registry::{Hostile, Reply};
use crate::support::server::Server;

/// Bytes of the large package.
const LARGE: usize = 256 << 20;
/// What a client may need, in KiB.
const MOST: u64 = 48 << 10;

/// Runs `command` to its end and answers the most memory that it had, in KiB.
fn peak(command: &mut Command) -> u64 {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = peak.max(line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return peak;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_large_artifact_is_pulled_and_copied_in_little_memory() {
    let package: Vec<u8> = (0..LARGE).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let digest = sha256(&package);
    let (manifest, blob) = super::hostile::manifest_of(&package, package.len());
    let config = format!("/v2/team/app/blobs/{}", sha256(b"{}"));
    let source = Hostile::start(move |asked, _| match asked.target.as_str() {
        target if target == blob => Reply::ok("application/octet-stream", package.clone()),
        target if target == config => Reply::ok("application/octet-stream", "{}"),
        target if target.contains("/manifests/sha256-") || target.contains("/referrers/") => Reply::new(404),
        _ => Reply::ok(IMAGE_MANIFEST, manifest.clone()),
    });
    let server = Server::where_noise_is_taken(&["--storage", "memory:"]);
    let charthouse = Charthouse::new();
    let from = format!("oci://{}/team/app:1.0.0", source.host());
    let pulled = peak(&mut charthouse.command(&["pull", &from, "--plain-http"]));
    assert_eq!(fs::metadata(charthouse.path("app-1.0.0.tgz")).unwrap().len(), LARGE as u64);
    let to = format!("oci://{}/mirror", server.host());
    let copied = peak(&mut charthouse.command(&["copy", &from, &to, "--plain-http"]));
    let mirrored = format!("oci://{}/mirror/app:1.0.0", server.host());
    let resolved = charthouse.json(&["resolve", &mirrored]);
    assert!(resolved["digest"].is_string());
    assert!(pulled < MOST && copied < MOST, "pull {pulled} KiB, copy {copied} KiB, {digest}");
    let _ = writeln!(std::io::stderr(), "pull {pulled} KiB, copy {copied} KiB at most");
    drop(File::open(charthouse.path("app-1.0.0.tgz")));
    server.stop();
}
