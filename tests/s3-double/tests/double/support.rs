//! A client, and what it is told.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use s3_double::{ACCESS_KEY, Double, SECRET_KEY};

pub const BUCKET: &str = "charts";

/// What a client hears of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    Done,
    /// Status and code; no code if there was no document of S3.
    Refused(u16, Option<String>),
    /// The connection ended, or the time did.
    Nothing,
}

/// A double with a bucket, and a client of it.
pub async fn started() -> (Double, Client) {
    let double = Double::start().await;
    double.create_bucket(BUCKET);
    let client = client(&double);
    (double, client)
}

pub fn client(double: &Double) -> Client {
    Client::from_conf(config(double, SECRET_KEY).build())
}

pub fn config(double: &Double, secret_key: &str) -> Builder {
    let credentials = Credentials::new(ACCESS_KEY, secret_key, None, None, "test");
    aws_sdk_s3::Config::builder()
        .endpoint_url(double.endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(20)).build())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
}

pub async fn put(client: &Client, key: &str, body: impl Into<Bytes>) -> Told {
    told(client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(body.into())).send().await)
}

pub async fn put_if_absent(client: &Client, key: &str, body: impl Into<Bytes>) -> Told {
    let put = client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(body.into()));
    told(put.if_none_match("*").send().await)
}

/// The whole body.
pub async fn get(client: &Client, key: &str) -> Result<Bytes, Told> {
    let output = client
        .get_object()
        .bucket(BUCKET)
        .key(key)
        .send()
        .await
        .map_err(|error| told::<(), _>(Err(error)))?;
    Ok(output.body.collect().await.map_err(|_| Told::Nothing)?.into_bytes())
}

pub async fn list(client: &Client, prefix: &str) -> Result<Vec<String>, Told> {
    let output = client.list_objects_v2().bucket(BUCKET).prefix(prefix).send().await;
    let output = output.map_err(|error| told::<(), _>(Err(error)))?;
    Ok(output.contents().iter().filter_map(|object| object.key()).map(str::to_owned).collect())
}

pub fn told<T, E: ProvideErrorMetadata>(outcome: Result<T, SdkError<E>>) -> Told {
    match outcome {
        Ok(_) => Told::Done,
        Err(SdkError::ServiceError(error)) => {
            Told::Refused(error.raw().status().as_u16(), error.err().code().map(str::to_owned))
        }
        Err(_) => Told::Nothing,
    }
}

pub fn refused(status: u16, code: &str) -> Told {
    Told::Refused(status, Some(code.to_owned()))
}

/// Whether it comes true within a few seconds.
pub async fn comes_true(condition: impl Fn() -> bool) -> bool {
    for _ in 0..500 {
        if condition() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
