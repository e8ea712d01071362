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

/// A host as people write it: with a scheme or a path, which mean nothing here.
fn host(text: &str) -> Result<Host, ClientError> {
    let bare =
        ["oci://", "https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    Host::parse(bare.split('/').next().unwrap_or(bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_be_written_as_a_url() {
        for text in ["h:5000", "oci://h:5000", "https://h:5000/", "http://h:5000/team"] {
            assert_eq!(host(text).unwrap().as_str(), "h:5000");
        }
        assert!(host("").is_err() && host("https://").is_err());
    }
}
