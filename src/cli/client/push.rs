//! `charthouse push`.

use std::env;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use futures_util::{StreamExt as _, stream};

use super::output::{Output, note};
use super::progress::progress;
use super::session::Connection;
use crate::cli::told;
use crate::client::{ClientError, Place, Prepared, Pushed};

/// Charts on their way at once; each sends up to three blobs at a time.
const AT_ONCE: usize = 4;

#[derive(Args)]
pub struct Push {
    /// Packages, then oci://HOST/NAMESPACE
    #[arg(required = true, num_args = 2.., value_name = "CHART.tgz... oci://HOST/NAMESPACE")]
    arguments: Vec<String>,
    /// Leave alone what the registry has under the same version
    #[arg(long)]
    skip_existing: bool,
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
        let (progress, scratch) = (progress(), env::temp_dir());
        let mut failures = Failures::default();
        let mut prepared = Vec::with_capacity(packages.len());
        for package in packages {
            let (path, place) = (PathBuf::from(package), place.clone());
            match tokio::task::spawn_blocking(move || Prepared::read(&path, &place)).await? {
                Ok(one) => {
                    if let Some(fault) = &one.fault {
                        note(&format!(
                            "warning: {package}: {fault}; the registry decides whether it takes it"
                        ));
                    }
                    prepared.push((package, one));
                }
                Err(error) => failures.add(package, error),
            }
        }
        let (registry, scratch, progress) = (&*registry, scratch.as_path(), &*progress);
        let pushes = prepared.into_iter().map(|(package, one)| async move {
            let pushed = match self.skip_existing {
                true => one.push_if_absent(registry, scratch, progress).await,
                false => one.push(registry, scratch, progress).await,
            };
            (package, pushed)
        });
        let mut pushes = stream::iter(pushes).buffered(AT_ONCE);
        let mut pushed: Vec<Pushed> = Vec::new();
        while let Some((package, one)) = pushes.next().await {
            match one {
                Ok(one) => {
                    if !self.output.is_json() {
                        self.output.write(&one, text)?;
                    }
                    pushed.push(one);
                }
                Err(error) => {
                    let is_for_all = is_for_all(&error);
                    failures.add(package, error);
                    if is_for_all {
                        break;
                    }
                }
            }
        }
        if self.output.is_json() {
            self.output.write(&pushed, |_| String::new())?;
        }
        failures.ended(packages.len(), pushed.len())
    }
}

fn text(pushed: &Pushed) -> String {
    let what = if pushed.skipped { "Exists already" } else { "Pushed" };
    format!("{what}: {}\nDigest: {}\n", &pushed.reference["oci://".len()..], pushed.digest)
}

/// Whether every other package would fail in the same way: the registry does not answer, or refuses the credentials.
fn is_for_all(error: &ClientError) -> bool {
    let is_silent = matches!(error, ClientError::Connection { .. } | ClientError::Certificate { .. });
    is_silent || error.status().is_some_and(|status| status.as_u16() == 401)
}

/// The packages that were not pushed: each is told when all others are done.
#[derive(Default)]
struct Failures(Vec<(String, ClientError)>);

impl Failures {
    fn add(&mut self, package: &str, error: ClientError) {
        self.0.push((package.to_owned(), error));
    }

    /// Tells each, and ends with one error for all. Of one package alone, its error is enough.
    fn ended(mut self, packages: usize, pushed: usize) -> anyhow::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        if packages == 1
            && let Some((_, error)) = self.0.pop()
        {
            return Err(error.into());
        }
        for (package, error) in self.0 {
            note(&format!("error: {package}: {}", told(&error.into())));
        }
        Err(anyhow!("{} of {packages} packages were not pushed", packages - pushed))
    }
}
