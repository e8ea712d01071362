//! `charthouse push`.

use std::path::PathBuf;

use clap::Args;
use futures_util::{StreamExt as _, stream};

use super::output::Output;
use super::progress::progress;
use super::session::Connection;
use crate::client::{ClientError, Place, Prepared, Pushed};

/// Charts on their way at once; each sends up to three blobs at a time.
const AT_ONCE: usize = 4;

#[derive(Args)]
pub struct Push {
    /// Packages, then oci://HOST/NAMESPACE
    #[arg(required = true, num_args = 2.., value_name = "CHART.tgz... oci://HOST/NAMESPACE")]
    arguments: Vec<String>,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Push {
    pub async fn run(self) -> anyhow::Result<()> {
        let Some((place, packages)) = self.arguments.split_last() else {
            return Err(ClientError::Usage("name a package and oci://HOST/NAMESPACE".to_owned()).into());
        };
        let place = Place::parse(place)?;
        let session = self.connection.open()?;
        let registry = session.registry(&place.host)?;
        let progress = progress();
        // A package that is none is found before anything is sent.
        let mut prepared = Vec::with_capacity(packages.len());
        for package in packages {
            let (path, place) = (PathBuf::from(package), place.clone());
            prepared.push(tokio::task::spawn_blocking(move || Prepared::read(&path, &place)).await??);
        }
        let pushes = prepared.into_iter().map(|one| one.push(&registry, &*progress));
        let mut pushes = stream::iter(pushes).buffered(AT_ONCE);
        let mut pushed: Vec<Pushed> = Vec::new();
        while let Some(one) = pushes.next().await {
            let one = one?;
            if !self.output.is_json() {
                self.output.write(&one, |one| {
                    format!("Pushed: {}\nDigest: {}\n", &one.reference["oci://".len()..], one.digest)
                })?;
            }
            pushed.push(one);
        }
        if self.output.is_json() { self.output.write(&pushed, |_| String::new()) } else { Ok(()) }
    }
}
