//! Each `Action` to the face that answers it.

use super::ask::Ask;
use super::error::Failure;
use super::museum;
use super::oci::{blobs, lists, manifests, ping, uploads};
use super::reply::Reply;
use super::{api, home, repository};
use crate::oci::Action;

pub(super) async fn answer(ask: &mut Ask<'_>, action: &Action) -> Result<Reply, Failure> {
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
        Action::GetBlob { repository, digest } | Action::HeadBlob { repository, digest } => {
            blobs::get(ask, repository, digest).await
        }
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
        Action::Museum(action) => museum::answer(ask, action).await,
        Action::ChartIndex { namespace } => repository::index(ask, namespace).await,
        Action::ChartFile { namespace, file } => repository::file(ask, namespace, file).await,
        Action::ArtifactHub { namespace } => repository::artifact_hub(ask, namespace).await,
        Action::Home => Ok(home::home(ask)),
        Action::Api(action) => api::answer(ask, action).await,
    }
}
