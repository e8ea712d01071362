//! The reference implementation of a registry, as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::Duration;

use tempfile::TempDir;

use super::tools::program;

pub const DISTRIBUTION: &str = "registry-v3.1.1";

/// Who may log in where a password is asked for; the hash is one of the published test vectors of bcrypt.
pub const USER: &str = "ann";
pub const PASSWORD: &str = "abc";
const HASH: &str = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";

/// A running registry that keeps everything in memory; dropping it kills it.
pub struct Distribution {
    process: Child,
    host: String,
    _folder: TempDir,
}

impl Distribution {
    /// Nothing when it is not installed.
    #[track_caller]
    pub fn start() -> Option<Self> {
        Self::run(false)
    }

    /// One that asks for [`USER`] and [`PASSWORD`].
    #[track_caller]
    pub fn start_with_password() -> Option<Self> {
        Self::run(true)
    }

    #[track_caller]
    fn run(with_password: bool) -> Option<Self> {
        let program = program(DISTRIBUTION)?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let passwords = folder.path().join("htpasswd");
        std::fs::write(&passwords, format!("{USER}:{HASH}\n")).expect("write the passwords");
        let mut settings =
            "version: 0.1\nlog: {level: info}\nstorage: {inmemory: {}, delete: {enabled: true}}\n\
            http: {addr: '127.0.0.1:0'}\n"
                .to_owned();
        if with_password {
            settings
                .push_str(&format!("auth: {{htpasswd: {{realm: x, path: '{}'}}}}\n", passwords.display()));
        }
        let file = folder.path().join("config.yml");
        std::fs::write(&file, settings).expect("write the settings");
        let mut process = Command::new(program)
            .arg("serve")
            .arg(&file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the registry");
        let (found, address) = channel();
        let stderr = process.stderr.take().expect("stderr is a pipe");
        spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening on ") {
                    let _ = found.send(rest.split(['"', ',']).next().unwrap_or_default().to_owned());
                }
            }
        });
        let host = address.recv_timeout(Duration::from_secs(30)).expect("the registry says where it listens");
        Some(Self { process, host, _folder: folder })
    }

    pub fn host(&self) -> &str {
        &self.host
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
