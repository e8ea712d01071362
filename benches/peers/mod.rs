//! The servers that are measured: each a child process on a loopback port of its own.

mod charthouse;
mod distribution;
mod minio;
mod nginx;

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::process::{self, Cpu, Memory};

const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This server, with or without a line in its log for each request.
    Charthouse {
        access: bool,
    },
    Distribution,
    Nginx,
    /// The S3 server that the others store in; it is not measured itself.
    Minio,
}

/// A bucket of MinIO, at an address where its requests are counted.
pub struct Bucket {
    pub name: String,
    pub endpoint: SocketAddr,
}

impl Kind {
    /// In the order of the table.
    pub const ALL: [Kind; 4] =
        [Kind::OURS, Kind::Charthouse { access: true }, Kind::Distribution, Kind::Nginx];
    pub const OURS: Kind = Kind::Charthouse { access: false };

    pub fn name(self) -> &'static str {
        match self {
            Kind::Charthouse { access: false } => "charthouse",
            Kind::Charthouse { access: true } => "with access lines",
            Kind::Distribution => "distribution",
            Kind::Nginx => "nginx",
            Kind::Minio => "minio",
        }
    }

    pub fn is_registry(self) -> bool {
        !matches!(self, Kind::Nginx | Kind::Minio)
    }
}

/// What there is to start, and where.
pub struct Stage {
    /// The binary of each kind that is installed.
    pub binaries: Vec<(Kind, PathBuf)>,
    /// Stores, configurations and logs lie below it.
    pub folder: PathBuf,
    /// The core for the servers, when there is one that the load does not use.
    pub core: Option<usize>,
}

impl Stage {
    /// Looks for every peer; `charthouse` is the server that this project has built.
    pub fn new(charthouse: PathBuf, folder: PathBuf, core: Option<usize>) -> Self {
        let ours = [Kind::OURS, Kind::Charthouse { access: true }].map(|kind| (kind, charthouse.clone()));
        let mut binaries = ours.to_vec();
        binaries.extend(distribution::find().map(|binary| (Kind::Distribution, binary)));
        binaries.extend(nginx::find().map(|binary| (Kind::Nginx, binary)));
        binaries.extend(minio::find().map(|binary| (Kind::Minio, binary)));
        Self { binaries, folder, core }
    }

    /// Leaves out all that are not named, unless none is. This server as it is by default always stays, and so does MinIO.
    pub fn keep(&mut self, names: &[String]) {
        let is_named = |kind: Kind| names.iter().any(|name| name == kind.name());
        let always = |kind: Kind| matches!(kind, Kind::OURS | Kind::Minio);
        self.binaries.retain(|(kind, _)| names.is_empty() || always(*kind) || is_named(*kind));
    }

    /// Whether peers of `kind` can be started.
    pub fn has(&self, kind: Kind) -> bool {
        self.binaries.iter().any(|(found, _)| *found == kind)
    }

    /// A peer over a fresh folder, called `name`.
    pub fn start(&self, kind: Kind, name: &str) -> Result<Peer> {
        self.launch(kind, self.fresh(kind, name)?, None)
    }

    /// A registry over an empty bucket.
    pub fn start_over_bucket(&self, kind: Kind, name: &str, bucket: &Bucket) -> Result<Peer> {
        self.launch(kind, self.fresh(kind, name)?, Some(bucket))
    }

    /// A peer over the folder that another one has left.
    pub fn start_over(&self, kind: Kind, folder: PathBuf) -> Result<Peer> {
        self.launch(kind, folder, None)
    }

    fn fresh(&self, kind: Kind, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(format!("{name}-{}", kind.name().replace(' ', "-")));
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    fn launch(&self, kind: Kind, folder: PathBuf, bucket: Option<&Bucket>) -> Result<Peer> {
        let found = self.binaries.iter().find(|(found, _)| *found == kind);
        let (_, binary) = found.with_context(|| format!("{} is not installed", kind.name()))?;
        let address = free_address()?;
        let mut command = self.pinned(binary);
        match kind {
            Kind::Charthouse { access } => {
                let store = match bucket {
                    None => folder.join("store").to_str().context("a folder that is not text")?.to_owned(),
                    Some(Bucket { name, endpoint }) => {
                        format!("s3://{name}?endpoint=http://{endpoint}&path_style=true")
                    }
                };
                charthouse::configure(&mut command, &store, address, access);
            }
            Kind::Distribution => distribution::configure(&mut command, &folder, address, bucket)?,
            Kind::Nginx => nginx::configure(&mut command, &folder, address)?,
            Kind::Minio => minio::configure(&mut command, &folder, address)?,
        }
        let log = File::create(folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = Instant::now();
        let process = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let mut peer = Peer { kind, folder, address, process, started };
        peer.wait_until_it_listens()?;
        Ok(peer)
    }

    /// `binary` on the core of the servers. `taskset` becomes the server, so the process id is the server's.
    fn pinned(&self, binary: &Path) -> Command {
        let Some(core) = self.core else { return Command::new(binary) };
        let mut command = Command::new("taskset");
        command.arg("-c").arg(core.to_string()).arg(binary);
        command
    }
}

/// A running server. Dropping it kills it.
pub struct Peer {
    pub kind: Kind,
    folder: PathBuf,
    address: SocketAddr,
    process: Child,
    pub started: Instant,
}

impl Peer {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it keeps what it stores: the directory of a store, or the files that nginx serves.
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    pub fn cpu(&self) -> Result<Cpu> {
        Cpu::of(self.process.id())
    }

    pub fn memory(&self) -> Result<Memory> {
        Memory::of(self.process.id())
    }

    pub fn reset_peak(&self) -> Result<()> {
        process::reset_peak(self.process.id())
    }

    /// Bytes moved by `read` and `write` so far.
    pub fn moved(&self) -> Result<u64> {
        process::moved(self.process.id())
    }

    /// Stops it in peace and gives its folder back.
    pub fn stop(mut self) -> Result<PathBuf> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        let asked = Instant::now();
        while self.process.try_wait()?.is_none() {
            ensure!(asked.elapsed() < STOP, "{} does not stop", self.kind.name());
            sleep(Duration::from_millis(2));
        }
        Ok(std::mem::take(&mut self.folder))
    }

    /// Ends it as `kill -9` does and gives its folder back.
    pub fn kill(mut self) -> Result<PathBuf> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(std::mem::take(&mut self.folder))
    }

    /// Ends it and removes what it stored.
    pub fn discard(self) -> Result<()> {
        Ok(fs::remove_dir_all(self.kill()?)?)
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.process.try_wait()? {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("{} ended with {status}:\n{log}", self.kind.name());
            }
            ensure!(self.started.elapsed() < START, "{} does not listen", self.kind.name());
            sleep(Duration::from_micros(500));
        }
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program by its name, or the one that scripts/install-peers has put into the cached folder under `version`.
fn installed(name: &str, version: &str) -> Option<PathBuf> {
    let from = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || from("XDG_CACHE_HOME").or_else(|| Some(from("HOME")?.join(".cache")));
    let tools = from("CHARTHOUSE_TOOLS").or_else(|| Some(cache()?.join("charthouse/tools")))?;
    find_program(name, &[tools.join("bin").join(version)])
}

/// A program by its name, or at one of the places where it may be without being in the path.
fn find_program(name: &str, elsewhere: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    in_path.chain(elsewhere.iter().cloned()).find(|candidate| candidate.is_file())
}

/// A loopback port that is free now.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
