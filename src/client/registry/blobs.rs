//! Blobs: looked for, fetched into memory, a file or another registry, and uploaded.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, TryStreamExt as _};
use reqwest::header::{CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};

use super::manifests::said_length;
use super::{Access, Registry, scope};
use crate::client::answer;
use crate::client::body::{Body, ByteStream, Source};
use crate::client::error::ClientError;
use crate::client::files::Draft;
use crate::client::progress::Bar;
use crate::client::reference::Repository;
use crate::client::transport::Request;
use crate::oci::{Descriptor, Digest, Hasher};

/// A blob of at most this size is first offered in one request; a registry that wants two has not read much for nothing.
const ONE_REQUEST: u64 = 1024 * 1024;
/// Times that a download goes on after it stopped without having brought anything.
const STALLS: u32 = 5;

impl Registry {
    /// Whether the repository has the blob; asked with the right to push, so that one token does for both.
    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, ClientError> {
        let url = self.below(repository, &format!("blobs/{digest}"))?;
        let request = Request::new(Method::HEAD, url);
        match self.ask(request, &scope(repository, Access::Push)).await {
            Ok(_) => Ok(true),
            // An answer to HEAD has no reason: the upload that follows is told it.
            Err(error) if error.status().is_some_and(|status| status.is_client_error()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A blob that fits into memory, checked.
    pub async fn small_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Bytes, ClientError> {
        let url = self.below(repository, &format!("blobs/{}", blob.digest))?;
        let request = Request::new(Method::GET, url);
        let (what, scope) = (request.what(), scope(repository, Access::Pull));
        if blob.size > limit {
            return Err(ClientError::TooLarge { what, limit });
        }
        let read = || async {
            let response = self.send(request.clone(), &scope).await?;
            let response = answer::success(&request, response).await?;
            answer::body(&what, response, blob.size).await
        };
        let bytes = self.transport.retry(read).await?;
        if bytes.len() as u64 != blob.size {
            return Err(ClientError::Length { what, expected: blob.size, actual: bytes.len() as u64 });
        }
        let actual = Digest::of(blob.digest.algorithm(), &bytes);
        if actual != blob.digest {
            return Err(ClientError::Digest { what, expected: blob.digest.clone(), actual });
        }
        Ok(bytes)
    }

    /// Fetches a blob into `draft`, going on where it stands. What is there was named by this digest and is hashed
    /// with the rest, so the request needs no `If-Range`.
    pub async fn fetch(
        &self,
        repository: &Repository,
        digest: &Digest,
        draft: &mut Draft,
        bar: &dyn Bar,
    ) -> Result<(), ClientError> {
        let url = self.below(repository, &format!("blobs/{digest}"))?;
        let what = format!("GET {url}");
        let scope = scope(repository, Access::Pull);
        let (mut stalls, mut furthest) = (0, draft.written());
        bar.advance(draft.written());
        while !draft.is_complete() {
            let mut request = Request::new(Method::GET, url.clone());
            if draft.written() > 0 {
                request = request.header(RANGE, &format!("bytes={}-", draft.written()));
            }
            let response = self.ask(request, &scope).await?;
            begin_where_it_begins(&response, draft, bar, &what)?;
            match pour(response, draft, bar, &what).await {
                Ok(()) if draft.is_complete() => {}
                Ok(()) | Err(ClientError::Connection { .. }) if stalls < STALLS => {
                    // Bytes that were there before are no progress: the registry may begin anew each time.
                    stalls = if draft.written() > furthest { 0 } else { stalls + 1 };
                    furthest = furthest.max(draft.written());
                    tokio::time::sleep(std::time::Duration::from_millis(200 << stalls)).await;
                }
                Ok(()) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Uploads a blob that is not there; `from` is a repository of the same registry that has it. Says whether
    /// bytes were sent.
    pub async fn push_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        body: Body,
        from: Option<&Repository>,
    ) -> Result<bool, ClientError> {
        if self.has_blob(repository, digest).await? {
            return Ok(false);
        }
        self.transport.retry(|| self.upload(repository, digest, &body, from)).await
    }

    /// One attempt, from the beginning: a session whose request failed is left to the registry.
    async fn upload(
        &self,
        repository: &Repository,
        digest: &Digest,
        body: &Body,
        from: Option<&Repository>,
    ) -> Result<bool, ClientError> {
        let mut url = self.below(repository, "blobs/uploads/")?;
        let mut scope = scope(repository, Access::Push);
        if let Some(from) = from {
            scope = format!("{scope} repository:{from}:pull");
            url.query_pairs_mut()
                .append_pair("mount", &digest.to_string())
                .append_pair("from", from.as_str());
        }
        let at_once =
            from.is_none() && body.length() <= ONE_REQUEST && !self.needs_sessions.load(Ordering::Relaxed);
        let mut request = Request::new(Method::POST, url);
        if at_once {
            request.url.query_pairs_mut().append_pair("digest", &digest.to_string());
            request = request.header(CONTENT_TYPE, "application/octet-stream").body(body.clone());
        }
        let what = request.what();
        let response = answer::success(&request, self.send(request.clone(), &scope).await?).await?;
        match response.status() {
            StatusCode::CREATED => return Ok(at_once),
            StatusCode::ACCEPTED if at_once => self.needs_sessions.store(true, Ordering::Relaxed),
            StatusCode::ACCEPTED => {}
            status => return Err(answer::unexpected(&what, status, "201 or 202")),
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let mut session = self.own(response.url(), location.unwrap_or("\\"), "Location for an upload")?;
        // Added by hand: the query is the registry's, and must go back to the letter.
        let query = match session.query() {
            Some(query) if !query.is_empty() => format!("{query}&digest={}", escaped(digest)),
            _ => format!("digest={}", escaped(digest)),
        };
        session.set_query(Some(&query));
        let request = Request::new(Method::PUT, session)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(body.clone());
        answer::success(&request, self.send(request.clone(), &scope).await?).await?;
        Ok(true)
    }
}

fn escaped(digest: &Digest) -> String {
    digest.to_string().replace(':', "%3A")
}

/// A registry may ignore the range and send the whole.
fn begin_where_it_begins(
    response: &Response,
    draft: &mut Draft,
    bar: &dyn Bar,
    what: &str,
) -> Result<(), ClientError> {
    match response.status() {
        StatusCode::OK if draft.written() > 0 => {
            bar.retreat(draft.written());
            draft.restart()
        }
        StatusCode::OK => Ok(()),
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
            let expected = format!("bytes {}-", draft.written());
            match range {
                Some(range) if range.starts_with(&expected) => Ok(()),
                _ => Err(ClientError::Refused(format!(
                    "{what} was answered with another range than was asked for"
                ))),
            }
        }
        status => Err(answer::unexpected(what, status, "200 or 206")),
    }
}

/// The body into the draft: more than it should hold is refused as soon as it comes.
async fn pour(response: Response, draft: &mut Draft, bar: &dyn Bar, what: &str) -> Result<(), ClientError> {
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|why| answer::cut(what, why))?;
        draft.write(&piece)?;
        bar.advance(piece.len() as u64);
    }
    Ok(())
}

/// A blob of a registry as the body of an upload to another: it passes through, checked on its way.
pub struct RemoteBlob {
    pub registry: Arc<Registry>,
    pub repository: Repository,
    pub blob: Descriptor,
    pub bar: Arc<dyn Bar>,
}

impl Source for RemoteBlob {
    fn length(&self) -> u64 {
        self.blob.size
    }

    fn open(&self) -> BoxFuture<'_, Result<ByteStream, ClientError>> {
        Box::pin(async {
            let url = self.registry.below(&self.repository, &format!("blobs/{}", self.blob.digest))?;
            let request = Request::new(Method::GET, url);
            let what = request.what();
            let response = self.registry.ask(request, &scope(&self.repository, Access::Pull)).await?;
            if response.status() != StatusCode::OK {
                return Err(answer::unexpected(&what, response.status(), "200"));
            }
            if said_length(response.headers()).is_some_and(|length| length != self.blob.size) {
                let actual = said_length(response.headers()).unwrap_or_default();
                return Err(ClientError::Length { what, expected: self.blob.size, actual });
            }
            let (expected, bar) = (self.blob.digest.clone(), Arc::clone(&self.bar));
            let checked = Checked { hasher: Hasher::new(expected.algorithm()), left: self.blob.size };
            let pieces = response.bytes_stream().map_err(|why| io::Error::other(why.without_url()));
            let pieces = pieces.scan(checked, move |checked, piece| {
                let piece = piece.and_then(|piece| checked.pass(piece, &expected));
                if let Ok(piece) = &piece {
                    bar.advance(piece.len() as u64);
                }
                std::future::ready(Some(piece))
            });
            Ok(pieces.boxed())
        })
    }
}

struct Checked {
    hasher: Hasher,
    left: u64,
}

impl Checked {
    /// Holds the last piece back until the digest is right, so that wrong bytes never make a whole upload.
    fn pass(&mut self, piece: Bytes, expected: &Digest) -> io::Result<Bytes> {
        self.left = self
            .left
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| io::Error::other("the source sends more bytes than its manifest says"))?;
        self.hasher.update(&piece);
        if self.left == 0 && self.hasher.clone().finish() != *expected {
            return Err(io::Error::other("the source sends other bytes than its digest says"));
        }
        Ok(piece)
    }
}
