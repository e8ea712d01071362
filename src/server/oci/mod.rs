//! The OCI distribution face: each `Action` to its answer, with the headers of the specification.

mod blobs;
mod conditions;
mod lists;
mod manifests;
mod uploads;

use std::sync::Arc;

use actix_http::{RequestHead, StatusCode};

use super::body::RequestBody;
use super::error::Failure;
use super::headers::{DOCKER_DISTRIBUTION_API_VERSION, JSON, REGISTRY_2_0};
use super::reply::{Reply, set, whole};
use super::{Asked, Services};
use crate::auth::{Decision, Principal};
use crate::oci::{Access, Action};
use crate::registry::{Registry, Who};

pub(super) use uploads::point_to;

/// A request on its way to its answer.
struct Ask<'a> {
    services: &'a Services,
    head: &'a RequestHead,
    body: &'a mut RequestBody,
    id: &'a str,
    principal: Principal,
}

impl Ask<'_> {
    fn registry(&self) -> &Arc<Registry> {
        &self.services.registry
    }

    /// For the audit trail.
    fn who(&self) -> Who {
        Who { by: (**self.principal.name()).into(), request: self.id.into() }
    }

    fn permit(&self, access: Access) -> Result<(), Failure> {
        match self.services.policy.decide(&self.principal, access) {
            Decision::Allow => Ok(()),
            Decision::Deny(rule) => Err(Failure::Denied(rule)),
        }
    }
}

pub(super) async fn answer(
    Asked { services, head, id }: Asked<'_>,
    body: &mut RequestBody,
    action: &Action,
) -> Result<Reply, Failure> {
    let ask = &mut Ask { services, head, body, id, principal: services.anonymous.clone() };
    ask.permit(action.access())?;
    let changes = matches!(action.access(), Access::Write | Access::Delete);
    if changes && services.settings.storage.read_only {
        return Err(Failure::ReadOnly);
    }
    match action {
        Action::Ping => Ok(ping()),
        Action::Catalog { page } => lists::catalog(ask, page).await,
        Action::Tags { repository, page } => lists::tags(ask, repository, page).await,
        Action::Referrers { repository, subject, artifact_type, page } => {
            lists::referrers(ask, repository, subject, artifact_type.as_deref(), page).await
        }
        Action::GetManifest { repository, reference } => manifests::get(ask, repository, reference).await,
        Action::HeadManifest { repository, reference } => manifests::head(ask, repository, reference).await,
        Action::PutManifest { repository, reference, tags } => {
            manifests::put(ask, repository, reference, tags.clone()).await
        }
        Action::DeleteManifest { repository, reference } => {
            manifests::delete(ask, repository, reference).await
        }
        Action::GetBlob { repository, digest } => blobs::get(ask, repository, digest).await,
        Action::HeadBlob { repository, digest } => blobs::head(ask, repository, digest).await,
        Action::DeleteBlob { repository, digest } => blobs::delete(ask, repository, digest).await,
        Action::StartUpload { repository, mount: Some(digest), from, .. } => {
            uploads::mount(ask, repository, digest, from.as_ref()).await
        }
        Action::StartUpload { repository, digest: Some(digest), .. } => {
            uploads::single(ask, repository, digest).await
        }
        Action::StartUpload { repository, algorithm, .. } => Ok(uploads::start(ask, repository, *algorithm)),
        Action::UploadStatus { repository, session } => uploads::progress(ask, repository, session).await,
        Action::PatchUpload { repository, session } => uploads::append(ask, repository, session).await,
        Action::PutUpload { repository, session, digest } => {
            uploads::finish(ask, repository, session, digest).await
        }
        Action::CancelUpload { repository, session } => uploads::cancel(ask, repository, session).await,
    }
}

/// "This is a registry", which clients ask first.
fn ping() -> Reply {
    let mut reply = whole(StatusCode::OK, JSON, "{}");
    set(&mut reply, DOCKER_DISTRIBUTION_API_VERSION, REGISTRY_2_0);
    reply
}
