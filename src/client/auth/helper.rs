//! Credential helpers: programs `docker-credential-*` that keep secrets for others.

use std::fmt::Display;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::credentials::Credentials;
use crate::client::answer::harmless;
use crate::client::error::ClientError;

const MAX_REPLY: u64 = 64 * 1024;
/// A helper may ask a person for a passphrase, but a pipeline does not wait for ever.
const TIMEOUT: Duration = Duration::from_secs(120);
const MAX_REASON: usize = 200;

/// Asks `docker-credential-HELPER` for the credentials of `server`; `None` when it has none.
pub fn get(helper: &str, server: &str) -> Result<Option<Credentials>, ClientError> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Reply {
        #[serde(alias = "username")]
        username: String,
        #[serde(alias = "secret")]
        secret: String,
    }
    let Some(reply) = run(helper, "get", server)? else { return Ok(None) };
    let wrong = |_| {
        ClientError::Credentials(format!("docker-credential-{helper} get answered something that is no JSON"))
    };
    // An object first: an array would be taken for the fields in their order.
    let fields: Map<String, Value> = serde_json::from_slice(&reply).map_err(wrong)?;
    let Reply { username, secret } = Reply::deserialize(Value::Object(fields)).map_err(wrong)?;
    Ok(match (username.as_str(), secret.as_str()) {
        ("", "") => None,
        ("<token>", _) => Some(Credentials { refresh: Some(secret), ..Credentials::default() }),
        _ => Some(Credentials::of_password(username, secret)),
    })
}

/// Runs `docker-credential-HELPER VERB` and returns its output; `None` when it says that it has no credentials.
pub fn run(helper: &str, verb: &str, input: &str) -> Result<Option<Vec<u8>>, ClientError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !helper.bytes().all(legal) {
        let shown = harmless(helper);
        return Err(ClientError::Credentials(format!("`{shown}` is no name of a credential helper")));
    }
    let program = format!("docker-credential-{helper}");
    let failed = |why: &dyn Display| ClientError::Credentials(format!("{program} {verb} failed: {why}"));
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|why| match why.kind() {
            std::io::ErrorKind::NotFound => failed(&"there is no such program in PATH"),
            _ => failed(&why),
        })?;
    let (status, output) = finish(&mut child, input).map_err(|why| failed(&why))?;
    if status.success() {
        return Ok(Some(output));
    }
    // By the protocol, the reason of a failure is on standard output.
    let said = harmless(&String::from_utf8_lossy(&output));
    if said.to_ascii_lowercase().contains("credentials not found") {
        return Ok(None);
    }
    let reason: String = said.chars().take(MAX_REASON).collect();
    Err(if reason.is_empty() { failed(&status) } else { failed(&reason) })
}

/// Waits for the helper, for [`TIMEOUT`] at most.
fn finish(child: &mut Child, input: &str) -> Result<(ExitStatus, Vec<u8>), String> {
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read has its own reason, which its exit code tells.
        let _ = stdin.write_all(input.as_bytes());
    }
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut output = Vec::new();
            let read = stdout.take(MAX_REPLY + 1).read_to_end(&mut output);
            // The receiver is gone after the timeout.
            let _ = sender.send(read.map(|_| output));
        });
    }
    let ended = match receiver.recv_timeout(TIMEOUT) {
        Ok(Ok(output)) if output.len() as u64 > MAX_REPLY => Err("it answers more than 64 KiB".to_owned()),
        Ok(Ok(output)) => Ok(output),
        Ok(Err(why)) => Err(why.to_string()),
        Err(RecvTimeoutError::Timeout) => Err(format!("it did not answer within {} s", TIMEOUT.as_secs())),
        Err(RecvTimeoutError::Disconnected) => Err("its output cannot be read".to_owned()),
    };
    if ended.is_err() {
        // It may be gone already; what matters is the error at hand.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|why| why.to_string())?;
    Ok((status, ended?))
}
