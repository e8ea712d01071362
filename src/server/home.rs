//! What stands at `/`: what this server is and how it is used, for people, and a 200 for probes of it.

use actix_http::StatusCode;
use actix_http::header::CACHE_CONTROL;

use super::ask::Ask;
use super::headers::{REVALIDATE, TEXT};
use super::reply::{Reply, set, whole};
use crate::telemetry::VERSION;

pub(super) fn home(ask: &Ask<'_>) -> Reply {
    let url = ask.services.settings.server.external_url.as_ref();
    let address = url.map(crate::config::Value::write).unwrap_or_else(|| "http://HOST".to_owned());
    let host = url.map_or("HOST", |url| url.origin().split("://").nth(1).unwrap_or("HOST"));
    let health = ask.services.settings.service.healthcheck.as_str();
    let text = format!(
        "charthouse {VERSION}, a registry for Helm charts\n\
         \n\
         helm push app-1.2.3.tgz oci://{host}/NAMESPACE\n\
         helm pull oci://{host}/NAMESPACE/app --version 1.2.3\n\
         helm repo add NAME {address}/NAMESPACE\n\
         \n\
         {address}/-/api/v1/openapi.json   the JSON API\n\
         {address}/api/NAMESPACE/charts    ChartMuseum's API\n\
         {address}{health}                 the health of this server\n"
    );
    let mut reply = whole(StatusCode::OK, TEXT, text);
    set(&mut reply, CACHE_CONTROL, REVALIDATE);
    reply
}
