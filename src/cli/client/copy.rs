//! `charthouse copy` and `delete`.

use std::io::{self, IsTerminal as _};

use clap::Args;
use serde_json::{Value, json};

use super::output::{Output, note};
use super::progress::progress;
use super::pull::Version;
use super::session::{Connection, question};
use super::show::reference_of;
use crate::client::{self, ChartReference, ClientError, Copy as Copying, Place, Sent, Site, Wanted};
use crate::oci::{Reference, Tag};

#[derive(Args)]
pub struct Copy {
    /// The chart to copy
    #[arg(value_name = "oci://HOST/NAMESPACE/NAME[:TAG|@DIGEST]")]
    from: String,
    /// The namespace to copy it into
    #[arg(value_name = "oci://HOST/NAMESPACE")]
    to: String,
    #[command(flatten)]
    version: Version,
    /// Every tag of the chart, with what refers to it
    #[arg(long, conflicts_with_all = ["version", "devel"])]
    all_versions: bool,
    /// Use HTTP without TLS for the source alone
    #[arg(long)]
    from_plain_http: bool,
    /// Use HTTP without TLS for the target alone
    #[arg(long)]
    to_plain_http: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Copy {
    pub async fn run(self) -> anyhow::Result<()> {
        let (chart, place) = (ChartReference::parse(&self.from)?, Place::parse(&self.to)?);
        let repository = place
            .repository(chart.repository.base())
            .map_err(|why| ClientError::Usage(format!("{place}: {why}")))?;
        if chart.host == place.host && chart.repository == repository {
            return Err(ClientError::Usage(format!("{chart} would be copied to itself")).into());
        }
        let session = self.connection.open()?;
        // What was given with --username is for the target; where both are one registry, it is for both.
        let target = session.registry_over(&place.host, session.plain_http() || self.to_plain_http)?;
        let source = session.stored(&chart.host, session.plain_http() || self.from_plain_http)?;
        let (progress, wanted): (_, Wanted) = (progress(), self.version.into());
        let chosen = if self.all_versions {
            every_tag(&source, &chart).await?
        } else {
            let chosen = client::choose(&source, &chart, &wanted).await?;
            let digest = chosen.digest(&source, &chart.repository).await?;
            vec![(Reference::Digest(digest), chosen.tag)]
        };
        let from = Site { registry: source, repository: chart.repository.clone() };
        let to = Site { registry: target, repository: repository.clone() };
        let copying = Copying::new(from, to, &*progress);
        let mut copied = Vec::new();
        for (reference, tag) in &chosen {
            let digest = copying.run(reference, tag.as_ref()).await?;
            let done = ChartReference {
                host: place.host.clone(),
                repository: repository.clone(),
                tag: tag.clone(),
                digest: Some(digest),
            };
            if !self.output.is_json() {
                self.output
                    .write(&Value::Null, |_| format!("Copied: {}\n", &done.to_string()["oci://".len()..]))?;
            }
            copied.push(done.to_string());
        }
        let Sent { manifests, blobs, bytes, skipped } = copying.sent();
        if self.output.is_json() {
            return self.output.write(&json!({"copied": copied, "sent": copying.sent()}), |_| String::new());
        }
        note(&format!(
            "{manifests} manifests and {blobs} blobs ({bytes} bytes) sent, {skipped} were there already"
        ));
        Ok(())
    }
}

/// The lists and signatures under `sha256-...` come with what they are about.
async fn every_tag(
    source: &client::Registry,
    chart: &ChartReference,
) -> Result<Vec<(Reference, Option<Tag>)>, ClientError> {
    let missing = || ClientError::Unfit(format!("{chart} is not there"));
    let tags = source.tags(&chart.repository).await?.ok_or_else(missing)?;
    let own = tags.iter().filter(|tag| !tag.starts_with("sha256-") && !tag.starts_with("sha512-"));
    let read = own.filter_map(|tag| Tag::parse(tag).ok());
    Ok(read.map(|tag| (Reference::Tag(tag.clone()), Some(tag))).collect())
}

#[derive(Args)]
pub struct Delete {
    /// What to delete: a tag, or a digest with all tags on it
    #[arg(required = true, value_name = "oci://HOST/NAMESPACE/NAME:TAG|@DIGEST")]
    charts: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Delete {
    pub async fn run(self) -> anyhow::Result<()> {
        let charts: Vec<ChartReference> =
            self.charts.iter().map(|chart| ChartReference::parse(chart)).collect::<Result<_, _>>()?;
        let references: Vec<Reference> = charts.iter().map(reference_of).collect::<Result<_, _>>()?;
        let session = self.connection.open()?;
        let mut deleted = Vec::new();
        for (chart, reference) in charts.iter().zip(&references) {
            let registry = session.registry(&chart.host)?;
            let head = registry.head_manifest(&chart.repository, reference).await?;
            let digest = head.ok_or_else(|| ClientError::Unfit(format!("{chart} is not there")))?.digest;
            if !self.yes && !confirmed(chart, &digest)? {
                note(&format!("{chart} stays"));
                continue;
            }
            registry.delete_manifest(&chart.repository, reference).await?;
            deleted.push(json!({"reference": chart.to_string(), "digest": digest}));
        }
        let text = |deleted: &Vec<Value>| {
            deleted
                .iter()
                .map(|one| format!("Deleted: {}\n", one["reference"].as_str().unwrap_or_default()))
                .collect()
        };
        self.output.write(&deleted, text)
    }
}

/// # Errors
/// When there is nobody to ask.
fn confirmed(chart: &ChartReference, digest: &crate::oci::Digest) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        let why =
            format!("{chart} is not deleted: there is no terminal to ask on; --yes says that you mean it");
        return Err(ClientError::Usage(why).into());
    }
    let what = if chart.tag.is_some() { "the tag" } else { "the manifest and all tags on it:" };
    let answer = question(&format!("Delete {what} {chart} ({digest})? [y/N] "))?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
