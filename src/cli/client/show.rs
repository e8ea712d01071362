//! `charthouse show`, `resolve` and `diff`.

use std::env;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::output::Output;
use super::progress::progress;
use super::pull::Version;
use super::session::Connection;
use crate::client::{self, Change, ChartReference, ClientError, Difference, Documents, Wanted};
use crate::oci::Reference;

#[derive(Args)]
pub struct Show {
    #[arg(value_enum)]
    what: What,
    /// oci://HOST/NAMESPACE/NAME[:TAG|@DIGEST]
    #[arg(value_name = "oci://HOST/NAMESPACE/NAME")]
    chart: String,
    #[command(flatten)]
    version: Version,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Chart.yaml
    Chart,
    /// values.yaml
    Values,
    /// README
    Readme,
    /// values.schema.json
    Schema,
    /// Chart.yaml, values.yaml and README
    All,
}

impl Show {
    pub async fn run(self) -> anyhow::Result<()> {
        let chart = ChartReference::parse(&self.chart)?;
        let session = self.connection.open()?;
        let registry = session.registry(&chart.host)?;
        let progress = progress();
        let aside =
            client::pull_aside(&registry, &chart, &self.version.into(), &env::temp_dir(), &*progress).await?;
        let Documents { chart: metadata, values, readme, schema } = client::documents(&aside.package)?;
        let missing = |name: &str| ClientError::Unfit(format!("{chart} has no {name}"));
        let text = match self.what {
            What::Chart => metadata.clone(),
            What::Values => values.clone().unwrap_or_default(),
            What::Readme => readme.clone().ok_or_else(|| missing("README"))?,
            What::Schema => schema.clone().ok_or_else(|| missing("values.schema.json"))?,
            What::All => {
                let parts = std::iter::once(&metadata).chain(&values).chain(&readme);
                parts.map(|part| format!("{}\n", part.trim_end())).collect::<Vec<_>>().join("---\n")
            }
        };
        let text = if text.is_empty() || text.ends_with('\n') { text } else { format!("{text}\n") };
        let all = json!({"chart": metadata, "values": values, "readme": readme, "schema": schema});
        let one = |key: &str| json!({key: all[key]});
        let document = match self.what {
            What::Chart => one("chart"),
            What::Values => one("values"),
            What::Readme => one("readme"),
            What::Schema => one("schema"),
            What::All => all.clone(),
        };
        self.output.write(&document, |_| text)
    }
}

#[derive(Args)]
pub struct Resolve {
    /// oci://HOST/NAMESPACE/NAME[:TAG|@DIGEST]
    #[arg(value_name = "oci://HOST/NAMESPACE/NAME")]
    chart: String,
    #[command(flatten)]
    version: Version,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Resolve {
    pub async fn run(self) -> anyhow::Result<()> {
        let chart = ChartReference::parse(&self.chart)?;
        let session = self.connection.open()?;
        let registry = session.registry(&chart.host)?;
        let chosen = client::choose(&registry, &chart, &self.version.into()).await?;
        let digest = chosen.digest(&registry, &chart.repository).await?;
        let pinned = ChartReference { tag: chosen.tag.clone(), digest: Some(digest.clone()), ..chart };
        let document =
            json!({"reference": pinned.to_string(), "version": chosen.version(), "digest": digest});
        self.output.write(&document, |_| format!("{pinned}\n"))
    }
}

#[derive(Args)]
pub struct Diff {
    /// One chart with --from and --to, or two charts
    #[arg(required = true, num_args = 1..=2, value_name = "oci://HOST/NAMESPACE/NAME[:TAG]")]
    charts: Vec<String>,
    /// The version that is the old one
    #[arg(long, value_name = "CONSTRAINT")]
    from: Option<String>,
    /// The version that is the new one [default: the newest]
    #[arg(long, value_name = "CONSTRAINT")]
    to: Option<String>,
    /// Name the files only
    #[arg(long)]
    name_only: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Diff {
    pub async fn run(self) -> anyhow::Result<()> {
        let old = ChartReference::parse(&self.charts[0])?;
        let new = match self.charts.get(1) {
            Some(chart) => ChartReference::parse(chart)?,
            None => old.chart(),
        };
        if self.charts.len() == 1 && self.from.is_none() && old.tag.is_none() && old.digest.is_none() {
            return Err(
                ClientError::Usage("say which version is the old one: --from, or a tag".to_owned()).into()
            );
        }
        let session = self.connection.open()?;
        let (old_registry, new_registry) = (session.registry(&old.host)?, session.registry(&new.host)?);
        let (progress, scratch) = (progress(), env::temp_dir());
        let wanted = |version: Option<String>| Wanted { version, devel: false };
        let from = client::pull_aside(&old_registry, &old, &wanted(self.from), &scratch, &*progress).await?;
        let to = client::pull_aside(&new_registry, &new, &wanted(self.to), &scratch, &*progress).await?;
        let files = client::differences(&from.package, &to.package)?;
        let side = |aside: &client::Aside| json!({"version": aside.chosen.version(), "digest": aside.digest});
        let document = json!({"from": side(&from), "to": side(&to), "files": files});
        let name_only = self.name_only;
        self.output.write(&document, |_| files.iter().map(|file| text(file, name_only)).collect())
    }
}

fn text(file: &Difference, name_only: bool) -> String {
    let path = &file.path;
    if name_only {
        let letter = match file.change {
            Change::Added => 'A',
            Change::Removed => 'D',
            Change::Changed => 'M',
        };
        return format!("{letter} {path}\n");
    }
    let (old, new) = match file.change {
        Change::Added => ("/dev/null".to_owned(), format!("b/{path}")),
        Change::Removed => (format!("a/{path}"), "/dev/null".to_owned()),
        Change::Changed => (format!("a/{path}"), format!("b/{path}")),
    };
    format!("--- {old}\n+++ {new}\n{}", file.diff)
}

/// For messages about what a reference stands for.
pub fn reference_of(chart: &ChartReference) -> Result<Reference, ClientError> {
    match (&chart.digest, &chart.tag) {
        (Some(digest), None) => Ok(Reference::Digest(digest.clone())),
        (None, Some(tag)) => Ok(Reference::Tag(tag.clone())),
        _ => Err(ClientError::Usage(format!("{chart} has to name one tag or one digest"))),
    }
}
