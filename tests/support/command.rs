//! Runs a program to its end, within a time limit, and tells everything about it when it did not do as expected.

use std::fmt;
use std::fs::{self, File};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::messages::assert_plain;

const LIMIT: Duration = Duration::from_secs(120);

/// What a finished program said.
pub struct Ran {
    line: String,
    status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Runs `command` without input.
///
/// # Panics
/// When it cannot be started, or does not end within two minutes (it is killed then).
#[track_caller]
pub fn run(command: &mut Command) -> Ran {
    let line = line(command);
    // Files rather than pipes: a program that writes much cannot block on a reader that waits for its end.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).expect("a file for the output"))
        .stderr(File::create(&stderr).expect("a file for the errors"))
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait for the program") {
            break status;
        }
        if start.elapsed() > LIMIT {
            child.kill().and_then(|()| child.wait()).expect("kill the program");
            let said = String::from_utf8_lossy(&fs::read(&stderr).unwrap_or_default()).into_owned();
            panic!("{line}\ndid not end within {LIMIT:?}; it said:\n{said}");
        }
        sleep(Duration::from_millis(5));
    };
    let read = |path| fs::read(path).expect("read what the program said");
    let ran = Ran { line, status, stdout: read(&stdout), stderr: read(&stderr) };
    if command.get_program() == env!("CARGO_BIN_EXE_charthouse") {
        assert_plain(&ran.line, &String::from_utf8_lossy(&ran.stderr));
    }
    ran
}

impl Ran {
    pub fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// Standard output of a program that succeeded.
    #[track_caller]
    pub fn succeeds(self) -> String {
        assert!(self.status.success(), "{self}");
        String::from_utf8(self.stdout).expect("output is text")
    }

    /// Everything said by a program that failed.
    #[track_caller]
    pub fn fails(self) -> String {
        assert!(!self.status.success(), "expected a failure\n{self}");
        self.all()
    }

    /// Standard output and errors together.
    pub fn all(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr))
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{}\nended with {}", self.line, self.status)?;
        writeln!(f, "--- stdout\n{}", String::from_utf8_lossy(&self.stdout))?;
        write!(f, "--- stderr\n{}", String::from_utf8_lossy(&self.stderr))
    }
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
