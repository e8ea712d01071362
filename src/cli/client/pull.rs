//! `charthouse pull`.

use std::path::PathBuf;

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::output::Output;
use super::progress::progress;
use super::session::Connection;
use crate::client::{self, ChartReference, PullOptions, Pulled, Wanted};

const AT_ONCE: usize = 4;

#[derive(Args)]
pub struct Version {
    /// A version, or a constraint such as '^1.2' [default: the newest]
    #[arg(long, value_name = "CONSTRAINT")]
    version: Option<String>,
    /// Pre-releases too
    #[arg(long)]
    devel: bool,
}

impl From<Version> for Wanted {
    fn from(version: Version) -> Self {
        Self { version: version.version, devel: version.devel }
    }
}

#[derive(Args)]
pub struct Pull {
    /// oci://HOST/NAMESPACE/NAME[:TAG|@DIGEST]
    #[arg(required = true, value_name = "oci://HOST/NAMESPACE/NAME")]
    charts: Vec<String>,
    #[command(flatten)]
    version: Version,
    /// Fetch the provenance file too
    #[arg(long)]
    prov: bool,
    /// Pull only what a key of the keyring has signed
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    keyring: super::verify::Trusted,
    /// The folder to write to
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    destination: PathBuf,
    /// Unpack the chart instead of keeping the package
    #[arg(long)]
    untar: bool,
    /// The folder to unpack into, inside the destination
    #[arg(long, value_name = "FOLDER", default_value = ".", requires = "untar")]
    untardir: PathBuf,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Pull {
    pub async fn run(self) -> anyhow::Result<()> {
        let charts: Vec<ChartReference> =
            self.charts.iter().map(|chart| ChartReference::parse(chart)).collect::<Result<_, _>>()?;
        let session = self.connection.open()?;
        let progress = progress();
        let options = PullOptions {
            wanted: self.version.into(),
            untar: self.untar.then(|| self.destination.join(&self.untardir)),
            destination: self.destination,
            provenance: self.prov || self.verify,
            keyring: if self.verify { Some(self.keyring.read()?) } else { None },
        };
        let pulls = charts.iter().map(|chart| async {
            let registry = session.registry(&chart.host)?;
            client::pull(&registry, chart, &options, &*progress).await
        });
        let pulled: Vec<Pulled> = stream::iter(pulls).buffered(AT_ONCE).try_collect().await?;
        self.output.write(&pulled, |pulled| pulled.iter().map(text).collect())
    }
}

fn text(pulled: &Pulled) -> String {
    let reference = &pulled.reference["oci://".len()..];
    let verified = pulled.verified.as_ref().map(super::verify::text).unwrap_or_default();
    format!("{verified}Pulled: {reference}\nDigest: {}\nPath: {}\n", pulled.digest, pulled.path.display())
}
