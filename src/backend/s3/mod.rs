//! Objects in a bucket of an S3 service. *Create if absent* is `PutObject` with `If-None-Match: *`; whether
//! the service does that atomically, shared mode finds out before it relies on it
//! (docs/internals/journal-protocol.md#the-probe).

mod attempts;
mod body;
mod connect;
mod credentials;
mod error;
mod http;
mod list;
mod read;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::{Backend, BackendError, Create, HttpOperation, HttpRequests, Key};
use crate::clock::Clock;
use error::{Failure, Refusal};

pub use connect::Options;

/// Requests under way at once; more wait.
const MOST_REQUESTS: usize = 128;
/// Deletions under way at once, of one call.
const MOST_DELETIONS: usize = 16;
/// How long a service may take to begin its answer, and then to bring the next bytes of it.
const SILENCE: Duration = Duration::from_secs(3);
/// How much longer the answer to a body may take, for each MiB of it.
const FOR_EACH_MIB: Duration = Duration::from_secs(4);

pub struct S3 {
    client: Client,
    bucket: String,
    /// Empty, or with a slash at its end.
    prefix: String,
    clock: Arc<dyn Clock>,
    turns: Semaphore,
    requests: Arc<HttpRequests>,
}

impl S3 {
    /// A client for the bucket. Nothing is sent before the first verb is called.
    ///
    /// # Errors
    /// Settings that cannot work: a certificate that is none, no region.
    pub async fn open(options: Options, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let client = connect::client(&options).await?;
        let prefix = if options.prefix.is_empty() { String::new() } else { options.prefix + "/" };
        let (turns, requests) = (Semaphore::new(MOST_REQUESTS), Arc::default());
        Ok(Self { client, bucket: options.bucket, prefix, clock, turns, requests })
    }

    /// Where every attempt is counted.
    pub fn requests(&self) -> Arc<HttpRequests> {
        Arc::clone(&self.requests)
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, BackendError> {
        self.turns.acquire().await.map_err(|closed| BackendError::Unavailable(io::Error::other(closed)))
    }

    /// One attempt: sent, waited for no longer than `patience`, counted. `about` is the object it is about, if there is one.
    async fn attempt<T, E: Refusal>(
        &self,
        operation: HttpOperation,
        about: Option<&Key>,
        patience: Duration,
        sent: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Failure> {
        let answer = timeout(patience, sent).await;
        let status = match &answer {
            Ok(Ok(_)) => Some(200),
            Ok(Err(error)) => error.raw_response().map(|response| response.status().as_u16()),
            Err(_) => None,
        };
        self.requests.add(operation, status);
        answer.map_err(|_| Failure::silent())?.map_err(|error| Failure::of(&error, status, about))
    }

    async fn create_once(&self, key: &Key, body: &[Bytes]) -> Result<Create, Failure> {
        let size: usize = body.iter().map(Bytes::len).sum();
        let request = self.client.put_object().bucket(&self.bucket).key(self.name(key)).if_none_match("*");
        let request = request.content_length(size as i64).body(body::lent(body));
        let sent = request.customize().interceptor(body::Signed::of(body)).send();
        let patience = SILENCE + FOR_EACH_MIB * (size >> 20) as u32;
        created(self.attempt(HttpOperation::Put, Some(key), patience, sent).await)
    }

    async fn delete_once(&self, key: &Key) -> Result<(), Failure> {
        let request = self.client.delete_object().bucket(&self.bucket).key(self.name(key));
        match self.attempt(HttpOperation::Delete, Some(key), SILENCE, request.send()).await {
            Err(Failure::Absent(_)) | Ok(_) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    async fn copy_once(&self, from: &Key, to: &Key) -> Result<Create, Failure> {
        let source = format!("{}/{}", self.bucket, self.name(from));
        let request = self.client.copy_object().bucket(&self.bucket).key(self.name(to)).copy_source(source);
        let sent = request.if_none_match("*").send();
        created(self.attempt(HttpOperation::Copy, Some(from), SILENCE * 2, sent).await)
    }

    async fn exists(&self, key: &Key) -> Result<bool, BackendError> {
        match self.read(key, Some(0..1)).await {
            Ok(_) => Ok(true),
            Err(BackendError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A condition that does not hold is an outcome.
fn created<T>(answer: Result<T, Failure>) -> Result<Create, Failure> {
    match answer {
        Ok(_) => Ok(Create::Created),
        Err(Failure::Taken) => Ok(Create::AlreadyExists),
        Err(failure) => Err(failure),
    }
}

#[async_trait]
impl Backend for S3 {
    /// Repeated here only when it certainly had no effect; what is unknown is the caller's to settle.
    async fn create(&self, key: &Key, body: Vec<Bytes>) -> Result<Create, BackendError> {
        let _turn = self.turn().await?;
        attempts::without_effect(&*self.clock, || self.create_once(key, &body)).await
    }

    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError> {
        self.read_range(key, range).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError> {
        self.list_all(prefix, after, limit).await
    }

    /// One request for each key: every service has that one, and it costs nothing where requests are paid for.
    async fn delete(&self, keys: &[Key]) -> Result<(), BackendError> {
        let delete = |key: Key| async move {
            let _turn = self.turn().await?;
            Ok(attempts::harmless(&*self.clock, || self.delete_once(&key)).await?)
        };
        stream::iter(keys.to_vec()).map(delete).buffer_unordered(MOST_DELETIONS).try_collect().await
    }

    /// By the service. Some know no condition for a copy: there it is looked for first, which is enough, because `to` is
    /// a fresh name. Some refuse such copies: there the bytes take the way through this process.
    async fn copy(&self, from: &Key, to: &Key) -> Result<Create, BackendError> {
        if self.exists(to).await? {
            return Ok(Create::AlreadyExists);
        }
        let copied = {
            let _turn = self.turn().await?;
            attempts::without_effect(&*self.clock, || self.copy_once(from, to)).await
        };
        match copied {
            Err(BackendError::Denied(_)) => self.create(to, vec![self.read(from, None).await?]).await,
            copied => copied,
        }
    }
}
