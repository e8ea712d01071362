//! The operations of S3 over the store.

use std::ops::Bound;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::IF_NONE_MATCH;
use hyper::{HeaderMap, StatusCode};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::*;
use s3s::{Body, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};

use crate::store::{Objects, Seen, Store, Write, objects};

/// The most keys of one page.
const PAGE: i32 = 1000;

#[async_trait::async_trait]
impl S3 for Store {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let mut buckets = self.buckets();
        if buckets.contains_key(&request.input.bucket) {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        buckets.insert(request.input.bucket, Objects::new());
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        refuse(input.if_match.is_some(), "If-Match")?;
        refuse(input.content_md5.is_some(), "Content-MD5")?;
        let write = condition(&request.headers)?;
        let body = whole_body(input.body).await?;
        verify_checksums(&body, &request.headers, request.trailing_headers.as_ref())?;
        let e_tag = Some(e_tag(&body));
        self.write(&input.bucket, &input.key, body, write).await?;
        Ok(S3Response::new(PutObjectOutput { e_tag, ..Default::default() }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        refuse(input.if_match.is_some() || input.if_none_match.is_some(), "a condition of a read")?;
        let body = self.read(&input.bucket, &input.key)?;
        let (total, e_tag) = (body.len(), Some(e_tag(&body)));
        let (body, content_range) = match input.range {
            None => (body, None),
            Some(range) => {
                let range = range.check(total as u64)?;
                let shown = format!("bytes {}-{}/{total}", range.start, range.end - 1);
                (body.slice(range.start as usize..range.end as usize), Some(shown))
            }
        };
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(body.len() as i64),
            body: Some(Body::from(body).into()),
            content_range,
            e_tag,
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let body = self.read(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(body.len() as i64),
            e_tag: Some(e_tag(&body)),
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        refuse(input.delimiter.is_some(), "delimiter")?;
        refuse(input.encoding_type.is_some(), "encoding-type")?;
        let page = match request.extensions.get::<Seen>() {
            Some(seen) => page(objects(&seen.0, &input.bucket)?, input),
            None => page(objects(&self.buckets(), &input.bucket)?, input),
        };
        Ok(S3Response::new(page))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.remove(&request.input.bucket, &[&request.input.key])?;
        Ok(S3Response::with_status(DeleteObjectOutput::default(), StatusCode::NO_CONTENT))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let Delete { objects, quiet } = request.input.delete;
        let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
        self.remove(&request.input.bucket, &keys)?;
        let deleted = |key: &&str| DeletedObject { key: Some((*key).to_owned()), ..Default::default() };
        let deleted = (quiet != Some(true)).then(|| keys.iter().map(deleted).collect());
        Ok(S3Response::new(DeleteObjectsOutput { deleted, ..Default::default() }))
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "the source of a copy is BUCKET/KEY"));
        };
        let write = condition(&request.headers)?;
        let body = self.read(bucket, key)?;
        let e_tag = Some(e_tag(&body));
        self.write(&input.bucket, &input.key, body, write).await?;
        let copy_object_result = Some(CopyObjectResult { e_tag, ..Default::default() });
        Ok(S3Response::new(CopyObjectOutput { copy_object_result, ..Default::default() }))
    }
}

/// What the double would ignore, it refuses.
fn refuse(is_asked: bool, what: &str) -> S3Result<()> {
    if is_asked {
        return Err(s3_error!(NotImplemented, "the double does not know {what}"));
    }
    Ok(())
}

/// Read from the head: s3s hands the condition of a copy on in no other way.
fn condition(headers: &HeaderMap) -> S3Result<Write> {
    match headers.get(IF_NONE_MATCH).map(|value| value.as_bytes()) {
        None => Ok(Write::Always),
        Some(b"*") => Ok(Write::IfAbsent),
        Some(_) => Err(s3_error!(NotImplemented, "the double knows If-None-Match: * only")),
    }
}

/// s3s compares it with the payload hash, or the signatures of its chunks, while it is read.
async fn whole_body(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let collected = Body::from(body).collect().await.map_err(|error| {
        let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let mut refusal = S3Error::with_message(code, error.to_string());
        refusal.set_status_code(StatusCode::BAD_REQUEST);
        refusal
    })?;
    Ok(collected.to_bytes())
}

/// Each checksum that came with a body, in its head or after it, must be the body's.
fn verify_checksums(body: &[u8], headers: &HeaderMap, trailers: Option<&TrailingHeaders>) -> S3Result<()> {
    let given = |name| {
        let trailer = || trailers?.read(|trailers| trailers.get(name).cloned())?;
        let value = headers.get(name).cloned().or_else(trailer)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let expected = Checksum {
        checksum_crc32: given("x-amz-checksum-crc32"),
        checksum_crc32c: given("x-amz-checksum-crc32c"),
        checksum_crc64nvme: given("x-amz-checksum-crc64nvme"),
        checksum_sha1: given("x-amz-checksum-sha1"),
        checksum_sha256: given("x-amz-checksum-sha256"),
        ..Default::default()
    };
    let mut hasher = ChecksumHasher {
        crc32: expected.checksum_crc32.as_ref().map(|_| Crc32::new()),
        crc32c: expected.checksum_crc32c.as_ref().map(|_| Crc32c::new()),
        crc64nvme: expected.checksum_crc64nvme.as_ref().map(|_| Crc64Nvme::new()),
        sha1: expected.checksum_sha1.as_ref().map(|_| Sha1::new()),
        sha256: expected.checksum_sha256.as_ref().map(|_| Sha256::new()),
    };
    hasher.update(body);
    if hasher.finalize() != expected {
        return Err(s3_error!(BadDigest, "the checksum is not that of the body"));
    }
    Ok(())
}

/// Any value that follows from the content will do.
fn e_tag(body: &[u8]) -> ETag {
    ETag::Strong(format!("{:016x}", u64::from_be_bytes(Crc64Nvme::checksum(body))))
}

fn page(objects: &Objects, input: ListObjectsV2Input) -> ListObjectsV2Output {
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let after = input.continuation_token.as_deref().or(input.start_after.as_deref()).unwrap_or_default();
    let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
    let most = input.max_keys.unwrap_or(PAGE).clamp(0, PAGE);

    let mut matching = objects
        .range::<str, _>((start, Bound::Unbounded))
        .take_while(|(key, _)| key.starts_with(prefix))
        .map(|(key, body)| Object {
            key: Some(key.clone()),
            size: Some(body.len() as i64),
            ..Default::default()
        });
    let contents: Vec<Object> = matching.by_ref().take(most as usize).collect();
    let last = contents.last().and_then(|object| object.key.clone());
    // A token is the last key that was shown.
    let next_continuation_token = if matching.next().is_some() { last } else { None };

    ListObjectsV2Output {
        is_truncated: Some(next_continuation_token.is_some()),
        next_continuation_token,
        key_count: Some(contents.len() as i32),
        contents: Some(contents),
        max_keys: Some(most),
        name: Some(input.bucket),
        prefix: input.prefix,
        continuation_token: input.continuation_token,
        start_after: input.start_after,
        ..Default::default()
    }
}
