//! The real server as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const START: Duration = Duration::from_secs(30);
/// Shutdown is promised within 30 s; tests leave no request open, so it must take far less.
const STOP: Duration = Duration::from_secs(15);

/// A running `charthouse serve`; dropping it kills it.
pub struct Server {
    process: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a free loopback port and waits until it listens.
    ///
    /// `arguments` follow `serve --listen 127.0.0.1:0`. Settings of the caller's environment are not handed on. There are
    /// no metrics unless `--metrics-listen` asks for them: many servers run at once.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Server {
        Server::start_with(arguments, &[])
    }

    /// The same with these variables.
    #[track_caller]
    pub fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        Server::start_at("127.0.0.1:0", arguments, variables)
    }

    /// The same at this address.
    #[track_caller]
    pub fn start_at(listen: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_charthouse"));
        command.args(["serve", "--listen", listen]).args(arguments);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHARTHOUSE_"))
        {
            command.env_remove(name);
        }
        command.env("CHARTHOUSE_METRICS_LISTEN", "off");
        command.envs(variables.iter().copied());
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start charthouse serve");
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = channel();
        let stderr = process.stderr.take().expect("stderr is a pipe");
        let reader = spawn({
            let log = Arc::clone(&log);
            move || follow(stderr, &log, &found)
        });
        match address.recv_timeout(START) {
            Ok(address) => Server { process, address, log, reader: Some(reader) },
            Err(_) => {
                let _ = process.kill();
                let status = process.wait();
                panic!("serve {arguments:?} did not say where it listens ({status:?}):\n{}", text(&log));
            }
        }
    }

    /// A server that keeps everything in memory.
    #[track_caller]
    pub fn in_memory() -> Server {
        Server::start(&["--storage", "memory:"])
    }

    /// The same where packages need not be any.
    #[track_caller]
    pub fn where_noise_is_taken(arguments: &[&str]) -> Server {
        Server::start_with(arguments, &[("CHARTHOUSE_POLICY_LENIENT", "**")])
    }

    /// A server over the directory `storage`.
    #[track_caller]
    pub fn over(storage: &Path) -> Server {
        Server::start(&["--storage", storage.to_str().expect("a readable path")])
    }

    /// `HOST:PORT`, as it stands in references.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a server that was started with `--metrics-listen` tells about itself.
    pub fn metrics(&self) -> SocketAddr {
        // It is logged before the address of the registry.
        let log = self.log();
        log.lines().find_map(|line| address_after("metrics on http://", line)).expect("it has metrics")
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("signal the server");
    }

    /// Ends the server in the middle of what it is doing, as `kill -9` does.
    pub fn kill(mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("kill the server");
    }

    /// How the server ended, if it does within `limit`.
    pub fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.wait(limit)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        text(&self.log)
    }

    /// Sends SIGTERM and expects exit code 0.
    #[track_caller]
    pub fn stop(self) {
        self.end(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does, and expects exit code 0.
    #[track_caller]
    pub fn interrupt(self) {
        self.end(Signal::INT);
    }

    #[track_caller]
    fn end(mut self, signal: Signal) {
        self.signal(signal);
        let Some(status) = self.wait(STOP) else {
            panic!("the server did not end within {STOP:?} of {signal:?}:\n{}", self.log());
        };
        if let Some(reader) = self.reader.take() {
            reader.join().expect("read the log to its end");
        }
        assert!(status.success(), "the server ended with {status} after {signal:?}:\n{}", self.log());
    }

    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.process.try_wait().expect("wait for the server") {
                return Some(status);
            }
            sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Keeps the log and sends the address of the first line that names one.
fn follow(stderr: ChildStderr, log: &Mutex<String>, found: &Sender<SocketAddr>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some(address) = listening(&line) {
            let _ = found.send(address);
        }
        let mut log = log.lock().expect("the log");
        log.push_str(&line);
        log.push('\n');
    }
}

fn listening(line: &str) -> Option<SocketAddr> {
    address_after("listening on http://", line)
}

fn address_after(text: &str, line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(text)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c))).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn text(log: &Mutex<String>) -> String {
    log.lock().expect("the log").clone()
}

#[test]
fn the_address_is_read_from_a_log_line() {
    let address = "127.0.0.1:40123".parse().ok();
    assert_eq!(listening("2026-01-02 INFO listening on http://127.0.0.1:40123"), address);
    assert_eq!(listening(r#"{"message":"listening on http://127.0.0.1:40123","level":"info"}"#), address);
    assert_eq!(listening("listening on http://127.0.0.1:40123/ storage=memory:"), address);
    assert_eq!(listening("opened memory:"), None);
    assert_eq!(listening("INFO metrics on http://127.0.0.1:40123"), None);
}
