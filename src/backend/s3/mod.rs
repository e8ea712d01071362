//! Objects in a bucket of an S3 service. *Create if absent* is `PutObject` with `If-None-Match: *`; whether the service
//! does that atomically, shared mode finds out before it relies on it (JOURNAL.md section 7).

mod attempts;
mod body;
mod connect;
mod error;
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
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::{Backend, BackendError, Create, HttpOperation, HttpRequests, Key};
use crate::clock::Clock;
use error::{Failure, Refusal};

pub use connect::Options;

/// Requests under way at once; more wait.
const MOST_REQUESTS: usize = 128;
/// Deletions under way at once, of one call.
const MOST_DELETIONS: usize = 16;
/// Keys that a service lists in one answer, at the most.
const PAGE: usize = 1_000;
/// How long a service may take to begin its answer, and then to bring the next bytes of it.
const SILENCE: Duration = Duration::from_secs(3);
/// How much longer the answer to a body may take, for each MiB of it.
const FOR_EACH_MIB: Duration = Duration::from_secs(1);
/// How slowly a body may come, in bytes a second: a trickle is never silent.
const LEAST_RATE: u64 = 64 << 10;
/// How much memory is set aside for a body because its head says so.
const MOST_AHEAD: usize = 16 << 20;

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

    async fn read_once(&self, key: &Key, range: Option<&Range<u64>>) -> Result<Bytes, Failure> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.name(key));
        let sent = request.set_range(range.map(header)).send();
        let answer = self.attempt(HttpOperation::Get, Some(key), SILENCE, sent).await?;
        let bytes = collect(answer.body, answer.content_length).await?;
        Ok(match range {
            // A service that does not know ranges answers with the whole.
            Some(range) if answer.content_range.is_none() => cut(&bytes, range),
            _ => bytes,
        })
    }

    /// The objects after `after` in one answer, those of other people among them.
    async fn list_once(&self, prefix: &str, after: &str, limit: usize) -> Result<Page, Failure> {
        let request = self.client.list_objects_v2().bucket(&self.bucket);
        let request = request.prefix(prefix).max_keys(limit as i32);
        let request = request.set_start_after((!after.is_empty()).then(|| after.to_owned()));
        let answer = self.attempt(HttpOperation::List, None, SILENCE, request.send()).await?;
        let names = answer.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
        let names: Vec<_> = names.collect();
        match answer.is_truncated {
            Some(more) if !(more && names.is_empty()) => Ok(Page { names, more }),
            // Half an answer, or none of a service that lists: it says nothing of what is there.
            _ => Err(Failure::Unknown(io::ErrorKind::InvalidData.into())),
        }
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

struct Page {
    names: Vec<String>,
    more: bool,
}

#[async_trait]
impl Backend for S3 {
    /// Repeated here only when it certainly had no effect; what is unknown is the caller's to settle.
    async fn create(&self, key: &Key, body: Vec<Bytes>) -> Result<Create, BackendError> {
        let _turn = self.turn().await?;
        attempts::without_effect(&*self.clock, || self.create_once(key, &body)).await
    }

    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError> {
        let _turn = self.turn().await?;
        let read = attempts::harmless(&*self.clock, || self.read_once(key, range.as_ref())).await;
        match (read, range) {
            (Err(attempts::Ended::PastTheEnd), Some(_)) => Ok(Bytes::new()),
            (Ok(_), Some(range)) if is_nothing(&range) => Ok(Bytes::new()),
            (read, _) => Ok(read?),
        }
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError> {
        let mut keys = Vec::new();
        let Some(asked) = listable(prefix) else { return Ok(keys) };
        if after > prefix && !after.starts_with(prefix) {
            return Ok(keys);
        }
        let below = format!("{}{asked}", self.prefix);
        let mut last = match without_dots(after) {
            start if start > asked => format!("{}{start}", self.prefix),
            _ => String::new(),
        };
        while keys.len() < limit {
            let _turn = self.turn().await?;
            let wanted = (limit - keys.len()).min(PAGE);
            let page = attempts::harmless(&*self.clock, || self.list_once(&below, &last, wanted)).await?;
            let own = page.names.iter().filter_map(|name| name.strip_prefix(&self.prefix));
            let own = own.filter(|name| name.starts_with(prefix) && *name > after);
            keys.extend(own.filter_map(|name| Key::new(name).ok()));
            match page.names.into_iter().next_back() {
                Some(name) if page.more => last = name,
                _ => break,
            }
        }
        Ok(keys)
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

/// What to ask for to find the keys that begin with `prefix`; `None` when no key can. Some services refuse a prefix that
/// ends in a component `.` or `..`, even though it may be the beginning of another.
fn listable(prefix: &str) -> Option<&str> {
    let (folder, rest) = prefix.rsplit_once('/').map_or(("", prefix), |(folder, rest)| (folder, rest));
    let possible = |part: &str| part.is_empty() || Key::new(part).is_ok();
    let is_dots = matches!(rest, "." | "..");
    if prefix.starts_with('/') || !possible(folder) || !(possible(rest) || is_dots) {
        return None;
    }
    Some(if is_dots { &prefix[..prefix.len() - rest.len()] } else { prefix })
}

/// `after` up to its first component that is `.` or `..`, which some services refuse there as well.
fn without_dots(after: &str) -> &str {
    let mut end = 0;
    for part in after.split_inclusive('/') {
        if matches!(part, "." | ".." | "./" | "../") {
            break;
        }
        end += part.len();
    }
    &after[..end]
}

/// Whether no object can have a byte of it: no service stores more than `i64::MAX`.
fn is_nothing(range: &Range<u64>) -> bool {
    range.is_empty() || range.start > i64::MAX as u64
}

/// The value of a `Range` header (RFC 9110 section 14.1.2). Where nothing is wanted one byte is asked for, because no
/// header can say nothing: it tells whether the object is there.
fn header(range: &Range<u64>) -> String {
    let Range { start, end } = *range;
    if is_nothing(range) {
        "bytes=0-0".to_owned()
    } else if end > i64::MAX as u64 {
        format!("bytes={start}-")
    } else {
        format!("bytes={start}-{}", end - 1)
    }
}

fn cut(whole: &Bytes, range: &Range<u64>) -> Bytes {
    let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
    let start = within(range.start);
    whole.slice(start..within(range.end).max(start))
}

/// The whole body of an answer, which has `length` bytes if the service said so.
async fn collect(mut body: ByteStream, length: Option<i64>) -> Result<Bytes, Failure> {
    let began = Instant::now();
    let ahead = usize::try_from(length.unwrap_or_default()).unwrap_or_default().min(MOST_AHEAD);
    let mut whole = BytesMut::new();
    let mut only = None;
    let mut received = 0;
    while let Some(piece) = timeout(SILENCE, body.next()).await.map_err(|_| Failure::silent())? {
        let piece = piece.map_err(|broken| Failure::Unknown(io::Error::other(broken)))?;
        received += piece.len() as u64;
        if began.elapsed() > SILENCE + Duration::from_secs(received / LEAST_RATE) {
            return Err(Failure::silent());
        }
        // A small body mostly comes as one piece, which need not be copied.
        match only.take() {
            None if whole.is_empty() => only = Some(piece),
            first => {
                whole.reserve(ahead.saturating_sub(whole.len()));
                whole.extend_from_slice(&first.unwrap_or_default());
                whole.extend_from_slice(&piece);
            }
        }
    }
    match length {
        Some(length) if length as u64 != received => {
            Err(Failure::Unknown(io::ErrorKind::UnexpectedEof.into()))
        }
        _ => Ok(only.unwrap_or_else(|| whole.freeze())),
    }
}
