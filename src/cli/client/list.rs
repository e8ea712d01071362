//! `charthouse list` and `search`.

use clap::Args;

use super::output::{Output, table};
use super::session::Connection;
use crate::client::{self, Listed, Place, Repository, Untagged};

#[derive(Args)]
pub struct List {
    /// oci://HOST, oci://HOST/NAMESPACE, or oci://HOST/NAMESPACE/NAME for the versions of a chart
    #[arg(value_name = "oci://HOST[/NAMESPACE[/NAME]]")]
    place: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
    /// The manifests of oci://HOST/NAMESPACE/NAME that no tag points to, and what lists them (charthouse only)
    #[arg(long)]
    untagged: bool,
}

#[derive(Args)]
pub struct Search {
    /// oci://HOST or oci://HOST/NAMESPACE
    #[arg(value_name = "oci://HOST[/NAMESPACE]")]
    place: String,
    /// Words that are in a chart's name, description, keywords, maintainers or annotations
    #[arg(required = true)]
    query: Vec<String>,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl List {
    pub async fn run(self) -> anyhow::Result<()> {
        let place = Place::parse(&self.place)?;
        let session = self.connection.open()?;
        if self.untagged {
            let repository = Repository::parse(&place.namespace)?;
            let found = client::untagged(&*session.registry(&place.host)?, &repository).await?;
            return self.output.write(&found, |found| untagged_table(found));
        }
        let listed = client::list(&*session.registry(&place.host)?, &place).await?;
        self.output.write(&listed, |listed| text(listed))
    }
}

impl Search {
    pub async fn run(self) -> anyhow::Result<()> {
        let place = Place::parse(&self.place)?;
        let session = self.connection.open()?;
        let found = client::search(&*session.registry(&place.host)?, &place, &self.query.join(" ")).await?;
        self.output.write(&found, |found| text(found))
    }
}

fn untagged_table(manifests: &[Untagged]) -> String {
    let rows: Vec<[String; 4]> = manifests
        .iter()
        .map(|one| {
            let kind = one.artifact_type.as_ref().unwrap_or(&one.media_type).clone();
            [one.digest.clone(), one.pushed.clone(), kind, one.listed_by.join(" ")]
        })
        .collect();
    table(["DIGEST", "PUSHED", "TYPE", "LISTED BY"], &rows)
}

fn text(charts: &[Listed]) -> String {
    const LONGEST: usize = 60;
    let rows: Vec<[String; 4]> = charts
        .iter()
        .map(|chart| {
            let mut description: String = chart.description.clone().unwrap_or_default();
            if chart.deprecated {
                description = format!("DEPRECATED {description}");
            }
            if description.chars().count() > LONGEST {
                description = description.chars().take(LONGEST - 3).chain("...".chars()).collect();
            }
            let app_version = chart.app_version.clone().unwrap_or_default();
            [chart.repository.clone(), chart.version.clone(), app_version, description]
        })
        .collect();
    table(["REPOSITORY", "VERSION", "APP VERSION", "DESCRIPTION"], &rows)
}
