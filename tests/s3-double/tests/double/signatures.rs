//! Who may ask, and whether what arrives is what was sent.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RequestChecksumCalculation, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::ChecksumAlgorithm;
use s3_double::{Double, SECRET_KEY};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{BUCKET, Told, config, get, put, refused, started, told};

/// Changes the body after the request was signed, as a broken network would.
#[derive(Debug)]
struct Garble;

impl Intercept for Garble {
    fn name(&self) -> &'static str {
        "garble"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *context.request_mut().body_mut() = SdkBody::from("jello");
        Ok(())
    }
}

#[tokio::test]
async fn a_body_that_does_not_fit_its_signature_is_refused() {
    let (double, client) = started().await;
    let put = client.put_object().bucket(BUCKET).key("key").body(ByteStream::from_static(b"hello"));
    let outcome = put.customize().interceptor(Garble).send().await;
    assert_eq!(told(outcome), refused(400, "XAmzContentSHA256Mismatch"));
    assert!(double.objects(BUCKET).is_empty());
}

#[tokio::test]
async fn a_checksum_of_another_body_is_refused() {
    let (double, client) = started().await;
    let put = || client.put_object().bucket(BUCKET).key("key").body(ByteStream::from_static(b"123456789"));
    let outcomes = [
        put().checksum_crc32_c("4waSgw==").send().await,
        put().checksum_crc32_c("AAAAAA==").send().await,
        put().checksum_sha256("AAAA").send().await,
    ];
    let bad = || refused(400, "BadDigest");
    assert_eq!(outcomes.map(told), [Told::Done, bad(), bad()]);
    assert_eq!(double.objects(BUCKET).len(), 1);
}

#[tokio::test]
async fn checksums_that_the_client_adds_are_verified() {
    let (double, _) = started().await;
    let config = config(&double, SECRET_KEY);
    let config = config.request_checksum_calculation(RequestChecksumCalculation::WhenSupported);
    let client = Client::from_conf(config.build());
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let key = algorithm.as_str().to_owned();
        let put = client.put_object().bucket(BUCKET).key(&key).checksum_algorithm(algorithm);
        put.body(ByteStream::from_static(b"body")).send().await.expect(&key);
        assert_eq!(double.objects(BUCKET)[&key], "body");
    }
}

#[tokio::test]
async fn a_wrong_secret_and_no_signature_are_refused() {
    let (double, _) = started().await;
    double.put(BUCKET, "key", "body");
    let stranger = Client::from_conf(config(&double, "wrong").build());
    assert_eq!(get(&stranger, "key").await, Err(refused(403, "SignatureDoesNotMatch")));
    assert_eq!(put(&stranger, "other", "body").await, refused(403, "SignatureDoesNotMatch"));

    let answer = unsigned(&double, "GET /charts/key HTTP/1.1\r\nHost: s3\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    assert_eq!(double.objects(BUCKET).len(), 1);
}

async fn unsigned(double: &Double, request: &str) -> String {
    let address = double.endpoint().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connect");
    stream.write_all(request.as_bytes()).await.expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}
