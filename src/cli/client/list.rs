//! `charthouse list` and `search`.

use clap::Args;

use super::output::{Output, table};
use super::session::Connection;
use crate::client::{self, Listed, Place};

#[derive(Args)]
pub struct List {
    /// oci://HOST, oci://HOST/NAMESPACE, or oci://HOST/NAMESPACE/NAME for the versions of a chart
    #[arg(value_name = "oci://HOST[/NAMESPACE[/NAME]]")]
    place: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
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
