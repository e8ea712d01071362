//! Uploads: a package or its signature as the body itself, or both in a form (RFC 7578), as `helm cm-push` sends them.

use std::convert::Infallible;

use actix_http::StatusCode;
use actix_http::header::{CONTENT_TYPE, HeaderMap};
use bytes::Bytes;
use futures_util::stream;
use multer::Multipart;

use super::saved;
use crate::oci::Namespace;
use crate::registry::Publish;
use crate::server::ask::Ask;
use crate::server::error::Failure;
use crate::server::headers::warn;
use crate::server::relay::task;
use crate::server::reply::Reply;

/// The names of the fields, those of ChartMuseum's defaults.
const CHART: &str = "chart";
const PROVENANCE: &str = "prov";

/// What a request brings.
#[derive(Default)]
struct Files {
    chart: Option<Bytes>,
    provenance: Option<Bytes>,
}

pub(in crate::server) async fn package(
    ask: &mut Ask<'_>,
    namespace: &Namespace,
    force: bool,
) -> Result<Reply, Failure> {
    let Files { chart, provenance } = files(ask, CHART).await?;
    let (registry, who, namespace) = (ask.registry().clone(), ask.who(), namespace.clone());
    let warnings = task(&ask.services.store, async move {
        match (chart, provenance) {
            (Some(package), provenance) => {
                let publish = Publish { namespace: &namespace, package, provenance, force };
                Ok(registry.publish(publish, &who).await?.warnings)
            }
            (None, Some(provenance)) => {
                registry.publish_provenance(&namespace, provenance, force, &who).await
            }
            (None, None) => Ok(Vec::new()),
        }
    });
    let warnings = warnings.await??;
    let mut reply = saved(StatusCode::CREATED);
    warn(&mut reply, warnings.iter().map(String::as_str));
    Ok(reply)
}

pub(in crate::server) async fn provenance(
    ask: &mut Ask<'_>,
    namespace: &Namespace,
    force: bool,
) -> Result<Reply, Failure> {
    let Files { provenance, .. } = files(ask, PROVENANCE).await?;
    let Some(provenance) = provenance else { return Err(Failure::Form("has no field `prov`".to_owned())) };
    let (registry, who, namespace) = (ask.registry().clone(), ask.who(), namespace.clone());
    let published = task(&ask.services.store, async move {
        registry.publish_provenance(&namespace, provenance, force, &who).await
    });
    published.await??;
    Ok(saved(StatusCode::CREATED))
}

/// The fields of a form; a body that is no form is the file `alone`.
async fn files(ask: &mut Ask<'_>, alone: &str) -> Result<Files, Failure> {
    let body = ask.body.whole(ask.services.limits.package).await?;
    let Some(boundary) = boundary(&ask.head.headers)? else {
        let file = Some(body).filter(|body| !body.is_empty());
        let file = file.ok_or_else(|| Failure::Form("is empty: send a file".to_owned()))?;
        return Ok(match alone {
            CHART => Files { chart: Some(file), provenance: None },
            _ => Files { chart: None, provenance: Some(file) },
        });
    };
    let mut form = Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
    let malformed = |error: multer::Error| Failure::Form(format!("is no form that can be read: {error}"));
    let mut files = Files::default();
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(malformed)?;
        let slot = match name.as_str() {
            CHART => &mut files.chart,
            PROVENANCE => &mut files.provenance,
            // Clients may send fields of their own.
            _ => continue,
        };
        if slot.replace(bytes).is_some() {
            return Err(Failure::Form(format!("has the field `{name}` twice")));
        }
    }
    match (&files.chart, &files.provenance) {
        (None, None) => Err(Failure::Form("has neither a field `chart` nor a field `prov`".to_owned())),
        _ => Ok(files),
    }
}

fn boundary(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !value.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return Ok(None);
    }
    let boundary = multer::parse_boundary(value);
    boundary.map(Some).map_err(|error| Failure::Form(format!("is no form that can be read: {error}")))
}
