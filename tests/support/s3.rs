//! Real S3 servers, each a process of its own over a temporary folder.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use charthouse::backend::s3::{Options, S3};
use charthouse::clock::SystemClock;
use s3_double::Double;
use tempfile::TempDir;

use super::tools::{MINIO, VERSITYGW, program};

const START: Duration = Duration::from_secs(30);
const ACCESS_KEY: &str = "charthouse-tests";
const SECRET_KEY: &str = "not-a-secret-of-anybody";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Kind {
    /// Its conditional create is atomic.
    Minio,
    /// Its store in a directory looks first and writes then.
    Versitygw,
}

/// A running server; dropping it kills it and removes what it stores.
pub struct S3Server {
    kind: S3Kind,
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl S3Server {
    /// A server without buckets, or nothing when it is not installed (a failure where `CI` is `true`).
    #[track_caller]
    pub fn start(kind: S3Kind) -> Option<Self> {
        let name = match kind {
            S3Kind::Minio => MINIO,
            S3Kind::Versitygw => VERSITYGW,
        };
        let mut command = Command::new(program(name)?);
        let folder = TempDir::new().expect("a folder");
        let address = free_address();
        match kind {
            S3Kind::Minio => {
                command.args(["server", "--quiet", "--address", &address.to_string()]).arg(folder.path());
                command.env("MINIO_ROOT_USER", ACCESS_KEY).env("MINIO_ROOT_PASSWORD", SECRET_KEY);
                command.env("MINIO_BROWSER", "off").env("HOME", folder.path());
            }
            S3Kind::Versitygw => {
                command.args(["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--quiet"]);
                command.args(["--port", &address.to_string(), "posix"]).arg(folder.path());
            }
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut server = Self { kind, process: process.expect("start the S3 server"), address, folder };
        server.wait();
        Some(server)
    }

    /// Both servers make a bucket of a folder.
    pub fn create_bucket(&self, name: &str) {
        fs::create_dir(self.folder.path().join(name)).expect("create a bucket");
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The storage URL of the whole bucket.
    pub fn url(&self, bucket: &str) -> String {
        format!("s3://{bucket}?endpoint={}&path_style=true", self.endpoint())
    }

    pub fn options(&self, bucket: &str) -> Options {
        Options {
            bucket: bucket.to_owned(),
            endpoint: Some(self.endpoint()),
            path_style: true,
            credentials: Some((ACCESS_KEY.to_owned(), SECRET_KEY.to_owned())),
            ..Options::default()
        }
    }

    /// For a process that is to reach the server.
    pub fn credentials() -> [(&'static str, &'static str); 2] {
        [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]
    }

    /// Stops the process where it is, without closing a connection, until [`S3Server::thaw`].
    pub fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).expect("signal the S3 server");
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.process.try_wait().expect("look after the S3 server");
            assert!(ended.is_none(), "{:?} ended: {ended:?}", self.kind);
            assert!(started.elapsed() < START, "{:?} does not listen", self.kind);
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// A double, for a test that waits for processes and not for futures.
pub fn double() -> Double {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(Double::start())
}

/// The one bucket of a double.
pub const BUCKET: &str = "charts";

/// A backend over [`BUCKET`] of the double, which is made if it is not there.
pub async fn bucket_of(double: &Double) -> Arc<S3> {
    double.create_bucket(BUCKET);
    let options = Options {
        bucket: BUCKET.to_owned(),
        endpoint: Some(double.endpoint()),
        path_style: true,
        credentials: Some((s3_double::ACCESS_KEY.to_owned(), s3_double::SECRET_KEY.to_owned())),
        ..Options::default()
    };
    Arc::new(S3::open(options, Arc::new(SystemClock::default())).await.expect("settings that work"))
}

/// What `charthouse serve` needs to serve [`BUCKET`] of the double, which is made if it is not there: the storage URL, and
/// the credentials as variables.
pub fn storage_of(double: &Double) -> (String, [(&'static str, &'static str); 2]) {
    double.create_bucket(BUCKET);
    let url = format!("s3://{BUCKET}?endpoint={}&path_style=true", double.endpoint());
    (url, [("AWS_ACCESS_KEY_ID", s3_double::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", s3_double::SECRET_KEY)])
}

/// A port that was free a moment ago.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address")
}
