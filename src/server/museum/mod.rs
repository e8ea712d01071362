//! ChartMuseum's API over the charts that were pushed, by whichever way
//! (docs/internals/helm.md#chartmuseum-api).

mod upload;
mod view;

use actix_http::StatusCode;
use serde_json::json;

use super::ask::Ask;
use super::error::Failure;
use super::headers::JSON;
use super::reply::{Reply, whole};
use crate::oci::MuseumAction;
use crate::telemetry::VERSION;

pub(super) async fn answer(ask: &mut Ask<'_>, action: &MuseumAction) -> Result<Reply, Failure> {
    match action {
        MuseumAction::Info => {
            Ok(whole(StatusCode::OK, JSON, json!({"version": format!("v{VERSION}")}).to_string()))
        }
        MuseumAction::List { namespace, offset, limit } => view::list(ask, namespace, *offset, *limit).await,
        MuseumAction::Versions { repository } => view::versions(ask, repository).await,
        MuseumAction::Version { repository, version } => view::version(ask, repository, version).await,
        MuseumAction::Templates { repository, version } => view::templates(ask, repository, version).await,
        MuseumAction::Values { repository, version } => view::values(ask, repository, version).await,
        MuseumAction::Upload { namespace, force } => upload::package(ask, namespace, *force).await,
        MuseumAction::UploadProvenance { namespace, force } => {
            upload::provenance(ask, namespace, *force).await
        }
        MuseumAction::Delete { repository, version } => {
            ask.registry().unpublish(repository, version, &ask.who()).await?;
            Ok(whole(StatusCode::OK, JSON, json!({"deleted": true}).to_string()))
        }
    }
}

fn saved(status: StatusCode) -> Reply {
    whole(status, JSON, json!({"saved": true}).to_string())
}
