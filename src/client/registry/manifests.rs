//! Manifests: asked by tag or digest, checked, handed on as the bytes they are.

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Method, Response, StatusCode};

use super::{Access, Registry, scope};
use crate::client::answer;
use crate::client::body::Body;
use crate::client::error::ClientError;
use crate::client::reference::Repository;
use crate::client::transport::Request;
use crate::oci::{
    DOCKER_LIST, DOCKER_MANIFEST, Digest, MAX_MANIFEST_BYTES, Manifest, MediaType, OCI_INDEX, OCI_MANIFEST,
    Reference,
};

pub(super) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// A manifest as the registry has it.
#[derive(Clone, Debug)]
pub struct Stored {
    pub bytes: Bytes,
    pub media_type: MediaType,
    pub digest: Digest,
}

/// What a registry says of a manifest without sending it.
#[derive(Clone, Debug)]
pub struct Head {
    pub digest: Digest,
    pub media_type: Option<MediaType>,
}

impl Stored {
    pub fn of(bytes: impl Into<Bytes>, media_type: MediaType) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::sha256(&bytes), bytes, media_type }
    }

    pub fn read(&self) -> Result<Manifest, ClientError> {
        Manifest::read(&self.bytes, &self.media_type)
            .map_err(|why| ClientError::Unfit(format!("the manifest {} cannot be read: {why}", self.digest)))
    }
}

impl Registry {
    /// # Errors
    /// Not found, and for content that is not what was asked for.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Stored, ClientError> {
        let request = self.manifest_request(Method::GET, repository, reference)?;
        let what = request.what();
        let scope = scope(repository, Access::Pull);
        let read = || async {
            let response = self.send(request.clone(), &scope).await?;
            let response = answer::success(&request, response).await?;
            let (said, media_type) = (said_digest(response.headers()), content_type(&response, &what));
            let body = answer::body(&what, response, MAX_MANIFEST_BYTES as u64).await?;
            Ok((said, media_type?, body))
        };
        let (said, media_type, bytes) = self.transport.retry(read).await?;
        let expected = reference.as_digest().cloned().or(said);
        let algorithm = expected.as_ref().map_or(crate::oci::Algorithm::Sha256, Digest::algorithm);
        let actual = Digest::of(algorithm, &bytes);
        match expected {
            Some(expected) if expected != actual => Err(ClientError::Digest { what, expected, actual }),
            _ => Ok(Stored { bytes, media_type, digest: actual }),
        }
    }

    /// `None` when there is no such manifest. A registry that does not name the digest is asked for the whole.
    pub async fn head_manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<Head>, ClientError> {
        let request = self.manifest_request(Method::HEAD, repository, reference)?;
        let what = request.what();
        let response = match self.ask_if_there(request, &scope(repository, Access::Pull)).await {
            Err(error) if error.status() == Some(StatusCode::METHOD_NOT_ALLOWED) => {
                return self.head_of_whole(repository, reference).await;
            }
            response => response?,
        };
        let Some(response) = response else { return Ok(None) };
        let digest = reference.as_digest().cloned().or_else(|| said_digest(response.headers()));
        match digest {
            Some(digest) => Ok(Some(Head { digest, media_type: content_type(&response, &what).ok() })),
            None => self.head_of_whole(repository, reference).await,
        }
    }

    /// What HEAD would say, from the manifest itself.
    async fn head_of_whole(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<Head>, ClientError> {
        match self.manifest(repository, reference).await {
            Ok(stored) => Ok(Some(Head { digest: stored.digest, media_type: Some(stored.media_type) })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a manifest under a tag or its digest; says whether the registry keeps it as a referrer of its subject.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
        manifest: &Stored,
    ) -> Result<bool, ClientError> {
        let url = self.below(repository, &format!("manifests/{reference}"))?;
        let request = Request::new(Method::PUT, url)
            .header(CONTENT_TYPE, manifest.media_type.as_str())
            .body(Body::Bytes(manifest.bytes.clone()));
        let what = request.what();
        let response = self.ask(request, &scope(repository, Access::Push)).await?;
        match said_digest(response.headers()) {
            Some(said) if said.algorithm() == manifest.digest.algorithm() && said != manifest.digest => {
                Err(ClientError::Digest { what, expected: manifest.digest.clone(), actual: said })
            }
            _ => Ok(response.headers().contains_key(SUBJECT)),
        }
    }

    /// Removes a tag, or a manifest with all its tags.
    pub async fn delete_manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<(), ClientError> {
        let url = self.below(repository, &format!("manifests/{reference}"))?;
        self.ask(Request::new(Method::DELETE, url), &scope(repository, Access::Delete)).await.map(drop)
    }

    fn manifest_request(
        &self,
        method: Method,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Request, ClientError> {
        let url = self.below(repository, &format!("manifests/{reference}"))?;
        let accept = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", ");
        Ok(Request::new(method, url).header(ACCEPT, &accept))
    }
}

fn said_digest(headers: &HeaderMap) -> Option<Digest> {
    Digest::parse(headers.get(DIGEST)?.to_str().ok()?).ok()
}

fn content_type(response: &Response, what: &str) -> Result<MediaType, ClientError> {
    let header = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // The type has no case (RFC 9110 section 8.3.1).
    let read = header.and_then(|value| MediaType::parse_header(&value.to_ascii_lowercase()).ok());
    read.ok_or_else(|| ClientError::Refused(format!("{what} was answered without a media type")))
}

/// The length that a HEAD promises.
pub(super) fn said_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
