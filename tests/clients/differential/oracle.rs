//! The libraries of both Helms, in one process that answers questions (tests/helm-oracle).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::support::tools::go_program;

pub struct Oracle {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What one Helm did.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Outcome {
    /// Empty if it succeeded.
    pub error: String,
    pub config: String,
    pub path: String,
    pub manifest: String,
    /// Of the config.
    pub digest: String,
}

impl Oracle {
    /// Nothing when it is not installed.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let mut process = Command::new(go_program("helm-oracle")?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the oracle");
        let questions = process.stdin.take().expect("its input");
        let answers = BufReader::new(process.stdout.take().expect("its output"));
        Some(Self { process, questions, answers })
    }

    /// What Helm 3 and Helm 4 do with it.
    pub fn ask(&mut self, question: &Value) -> [Outcome; 2] {
        writeln!(self.questions, "{question}").expect("ask the oracle");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an answer of the oracle");
        serde_json::from_str(&answer).expect("two outcomes")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
