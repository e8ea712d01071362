//! `charthouse login` and `logout`.

use clap::Args;
use serde_json::json;

use super::output::{Output, note};
use super::session::{Connection, stores};
use crate::client::{ClientError, Host};

#[derive(Args)]
pub struct Login {
    /// HOST[:PORT] of the registry
    #[arg(value_name = "HOST")]
    host: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
pub struct Logout {
    /// HOST[:PORT] of the registry
    #[arg(value_name = "HOST")]
    host: String,
    #[command(flatten)]
    output: Output,
}

impl Login {
    pub async fn run(mut self) -> anyhow::Result<()> {
        let host = host(&self.host)?;
        if has_scheme(&self.host, "http") {
            self.connection.use_plain_http();
        }
        self.connection.ask()?;
        let session = self.connection.open()?;
        let registry = session.registry(&host)?;
        if !registry.ping().await? {
            note(&format!("warning: {host} asks for no credentials, so these were not checked"));
        }
        let (username, password) = session
            .password()
            .ok_or_else(|| ClientError::Usage("a user name and a password are needed".to_owned()))?;
        session.stores().store(&host, username, password)?;
        let done = json!({"host": host.as_str(), "username": username});
        self.output.write(&done, |_| format!("Logged in to {host} as {username}\n"))
    }
}

impl Logout {
    pub fn run(self) -> anyhow::Result<()> {
        let host = host(&self.host)?;
        let found = stores().erase(&host)?;
        let text = if found { "Removed the credentials for" } else { "There were no credentials for" };
        self.output.write(&json!({"host": host.as_str(), "removed": found}), |_| format!("{text} {host}\n"))
    }
}

/// A host as people write it: with a scheme, of which only `http` says something, or a path, which means nothing.
fn host(text: &str) -> Result<Host, ClientError> {
    let text = text.trim();
    let known = ["oci", "https", "http"].into_iter().find(|scheme| has_scheme(text, scheme));
    let bare = known.map_or(text, |scheme| &text[scheme.len() + "://".len()..]);
    Host::parse(bare.split('/').next().unwrap_or(bare))
}

/// Whether a text begins with `scheme://`, in any case.
fn has_scheme(text: &str, scheme: &str) -> bool {
    text.trim().split_once("://").is_some_and(|(given, _)| given.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_be_written_as_a_url() {
        for text in ["h:5000", "oci://h:5000", "https://h:5000/", "HTTP://h:5000/team", " h:5000 "] {
            assert_eq!(host(text).unwrap().as_str(), "h:5000");
        }
        assert!(
            has_scheme("HTTP://h", "http") && !has_scheme("https://h", "http") && !has_scheme("h:80", "http")
        );
        assert!(host("").is_err() && host("https://").is_err());
    }
}
