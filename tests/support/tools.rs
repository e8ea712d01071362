//! Finds the real clients that `scripts/install-clients` put into a folder.

use std::collections::BTreeSet;
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::command::{Ran, run};

pub const HELM_4: &str = "helm-v4.2.4";
pub const HELM_3: &str = "helm-v3.21.4";
pub const ORAS: &str = "oras-v1.3.3";
pub const CRANE: &str = "crane-v0.21.9";
pub const REGCTL: &str = "regctl-v0.11.7";
/// Of the system, or out of its package.
pub const SKOPEO: &str = "skopeo";
pub const RENOVATE: &str = "renovate-v39.264.1";
/// ChartMuseum's plugin, which Helm 3 runs.
pub const CM_PUSH: &str = "helm-cm-push-v0.10.4";
pub const CONFORMANCE: &str = "conformance-v0.0.0-20260831232431-97274622c111";
pub const MINIO: &str = "minio-v0.0.0-20260212201848-7aac2a2c5b7c";
/// Of the system, or out of its package.
pub const NGINX: &str = "nginx";
pub const VERSITYGW: &str = "versitygw-v1.7.0";

/// A real client with a home of its own, so that nothing of the user's is read or written.
pub struct Client {
    program: PathBuf,
    home: TempDir,
}

impl Client {
    /// The client called `name`, or nothing when it is not installed: the test then has nothing to run.
    ///
    /// # Panics
    /// When it is not installed and `CI` is `true`: there a test that silently does nothing is a fault.
    #[track_caller]
    pub fn find(name: &str) -> Option<Client> {
        Some(Client::of(program(name)?))
    }

    /// The folder in which the client runs, empty at first.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The Go program whose sources are in `tests/FOLDER`.
    #[track_caller]
    pub fn find_go(folder: &str) -> Option<Client> {
        Some(Client::of(go_program(folder)?))
    }

    pub fn of(program: PathBuf) -> Client {
        Client { program, home: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Runs the client with `arguments` in its home.
    #[track_caller]
    pub fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Ran {
        self.run_with(arguments, &[])
    }

    /// The same with further environment variables.
    #[track_caller]
    pub fn run_with<S: AsRef<str>>(&self, arguments: &[S], variables: &[(&str, &str)]) -> Ran {
        let home = self.home.path();
        run(Command::new(&self.program)
            .args(arguments.iter().map(AsRef::as_ref))
            .current_dir(home)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("TMPDIR", env::temp_dir())
            .env("DOCKER_CONFIG", home.join(".docker"))
            .env("HELM_CONFIG_HOME", home.join(".config"))
            .env("HELM_CACHE_HOME", home.join(".cache"))
            .env("HELM_DATA_HOME", home.join(".data"))
            .envs(variables.iter().copied()))
    }
}

/// The installed program called `name`, or nothing when it is not there.
///
/// # Panics
/// When it is not there and `CI` is `true`.
#[track_caller]
pub fn program(name: &str) -> Option<PathBuf> {
    let program = folder().join(name);
    if program.is_file() {
        return Some(program);
    }
    if [NGINX, SKOPEO].contains(&name)
        && let Some(installed) = installed(name)
    {
        return Some(installed);
    }
    let missing = format!("{} is not there; scripts/install-clients installs it", program.display());
    assert!(env::var("CI").as_deref() != Ok("true"), "{missing}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not eprintln!: the output of a test that passes is not shown.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED {test}: {missing}\n");
    None
}

/// The Go program whose sources are in `tests/FOLDER`; its version is a digest of them, as scripts/go-tools computes it.
#[track_caller]
pub fn go_program(folder: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let files =
        std::fs::read_dir(&folder).expect("a folder of sources").map(|file| file.expect("a file").path());
    let files: BTreeSet<PathBuf> = files.collect();
    let sources: Vec<_> = files.iter().map(|file| std::fs::read(file).expect("a source")).collect();
    let digest = super::artifact::sha256(&sources.concat());
    let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
    program(&format!("{name}-{}", &digest["sha256:".len()..][..12]))
}

/// In a folder of programs, or where Debian keeps those of administrators.
fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn folder() -> PathBuf {
    let cache = || env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    match env::var_os("CHARTHOUSE_TOOLS").filter(|value| !value.is_empty()) {
        Some(tools) => PathBuf::from(tools).join("bin"),
        None => cache().or_else(home).unwrap_or_default().join("charthouse/tools/bin"),
    }
}
