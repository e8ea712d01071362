//! `charthouse verify`.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::Output;
use super::pull::Version;
use super::session::Connection;
use crate::client::{self, ChartReference, ClientError, Verified};
use crate::clock::SystemClock;

/// Whose signatures count.
#[derive(Args)]
pub struct Trusted {
    /// OpenPGP public keys, binary or armored [default: ~/.gnupg/pubring.gpg]
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
}

impl Trusted {
    pub fn read(&self) -> Result<Vec<u8>, ClientError> {
        let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default());
        client::read_keyring(&self.keyring.clone().unwrap_or_else(|| home().join(".gnupg/pubring.gpg")))
    }
}

#[derive(Args)]
pub struct Verify {
    /// A package with its .prov file beside it, or oci://HOST/NAMESPACE/NAME[:TAG|@DIGEST]
    #[arg(value_name = "CHART.tgz | oci://HOST/NAMESPACE/NAME")]
    chart: String,
    #[command(flatten)]
    keyring: Trusted,
    #[command(flatten)]
    version: Version,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Verify {
    pub async fn run(self) -> anyhow::Result<()> {
        let keyring = self.keyring.read()?;
        let verified = if is_reference(&self.chart) {
            let chart = ChartReference::parse(&self.chart)?;
            let session = self.connection.open()?;
            let registry = session.registry(&chart.host)?;
            client::verify_chart(&registry, &chart, &self.version.into(), &keyring).await?
        } else {
            client::verify_file(Path::new(&self.chart), &keyring, &SystemClock::default())?
        };
        self.output.write(&verified, text)
    }
}

/// Whether the text names a chart of a registry, and not a file.
fn is_reference(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("oci"))
}

pub fn text(verified: &Verified) -> String {
    let people: String = verified.signed_by.iter().map(|one| format!("Signed by: {one}\n")).collect();
    format!("{people}Using key with fingerprint: {}\nPackage: {}\n", verified.fingerprint, verified.package)
}
