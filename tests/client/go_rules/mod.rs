//! The client against the libraries that Helm is made of: proxies, credentials, challenges, tokens, media types and
//! certificates, in generated tables. `tests/go-oracle` says what is right; what differs on purpose is listed here and in
//! docs/client.md#where-it-differs-from-helm.

mod certificates;
mod credentials;
mod proxies;
mod tokens;

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::tools::go_program;

/// The answers to `questions`, one for each; nothing when the program is not installed.
fn ask(questions: &[Value]) -> Option<Vec<Value>> {
    let mut child = Command::new(go_program("go-oracle")?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the Go program");
    let mut stdin = child.stdin.take().expect("a pipe");
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).expect("write the questions"));
    let output = child.wait_with_output().expect("its answers");
    writer.join().expect("the writer");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), questions.len());
    Some(answers)
}
