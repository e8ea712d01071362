//! Whom the backend speaks to, as whom, and with how many requests at once.

use std::time::{Duration, Instant};

use s3_double::Outage;
use tokio::task::JoinSet;

use super::canned::Canned;
use super::*;
use crate::backend::suite::key;
use crate::network::ProxyVariables;

const NO_SUCH_KEY: &str =
    "HTTP/1.1 404 Not Found\r\nContent-Length: 37\r\n\r\n<Error><Code>NoSuchKey</Code></Error>";

#[tokio::test]
async fn wrong_credentials_are_denied_with_advice() {
    let (double, _) = started().await;
    // An unknown access key is `InvalidAccessKeyId` elsewhere; the double has a code of its own for it.
    for (access_key, secret_key, advice) in
        [(ACCESS_KEY, "wrong", "AWS_SECRET_ACCESS_KEY"), ("unknown", SECRET_KEY, "")]
    {
        let credentials = Some((access_key.to_owned(), secret_key.to_owned()));
        let s3 = open(Options { credentials, ..options(&double.endpoint()) }).await;
        double.reset_counts();
        let read = s3.read(&key("a/key"), None).await.unwrap_err();
        assert!(matches!(&read, BackendError::Denied(text) if text.contains(advice)), "{read}");
        assert_eq!(double.counts().total(), 1);
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_with_advice() {
    let (double, _) = started().await;
    let s3 = open(Options { bucket: "nobody".to_owned(), ..options(&double.endpoint()) }).await;
    let outcomes = [
        s3.read(&key("a/key"), None).await.map(drop),
        s3.list("", "", 1).await.map(drop),
        s3.create(&key("a/key"), vec![]).await.map(drop),
    ];
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert!(
            matches!(&error, BackendError::Denied(text) if text.contains("create the bucket")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn nobody_at_the_endpoint_is_told_soon() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let s3 = open(options(&format!("http://{free}"))).await;
    let began = Instant::now();
    for outcome in
        [s3.read(&key("a/key"), None).await.map(drop), s3.create(&key("a/key"), vec![]).await.map(drop)]
    {
        let error = outcome.unwrap_err();
        let told = error.to_string().to_lowercase();
        assert!(
            matches!(error, BackendError::Unavailable(_)) && told.contains("the connection was refused"),
            "{told}"
        );
    }
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_given_certificate_alone_is_trusted() {
    let service = Canned::with_tls(NO_SUCH_KEY).await;
    let ca = Some(include_bytes!("ca.pem").to_vec());
    let s3 = open(Options { ca, ..options(&service.https()) }).await;
    let read = s3.read(&key("a/key"), None).await;
    assert!(matches!(read, Err(BackendError::NotFound(_))), "{read:?}");

    let s3 = open(options(&service.https())).await;
    let told = s3.read(&key("a/key"), None).await.unwrap_err().to_string();
    assert!(told.contains("certificate"), "{told}");
    assert_eq!(service.received().len(), 1, "nothing was sent to a server that is not trusted");
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_when_it_is_given() {
    let pem = include_bytes!("self-signed.pem");
    let service = Canned::with_certificate(NO_SUCH_KEY, pem).await;
    let s3 = open(Options { ca: Some(pem.to_vec()), ..options(&service.https()) }).await;
    let read = s3.read(&key("a/key"), None).await;
    assert!(matches!(read, Err(BackendError::NotFound(_))), "{read:?}");
    let wrong = Options { ca: Some(b"no certificate".to_vec()), ..options(&service.https()) };
    let told = S3::open(wrong, Arc::new(SystemClock::default())).await.err().unwrap();
    assert!(told.to_string().contains("ca_file: no certificate in PEM"), "{told}");
}

#[tokio::test]
async fn a_store_is_reached_through_a_proxy_by_the_rules_of_go() {
    let proxies = |endpoint: &str, no_proxy: &str| ProxyVariables {
        http_proxy: endpoint.to_owned(),
        no_proxy: no_proxy.to_owned(),
        ..ProxyVariables::default()
    };
    let proxy = Canned::start(NO_SUCH_KEY).await;
    let far = options("http://s3.invalid:9000");
    let s3 = open(Options { proxies: proxies(&proxy.http(), ""), ..far.clone() }).await;
    let read = s3.read(&key("a/key"), None).await;
    assert!(matches!(read, Err(BackendError::NotFound(_))), "{read:?}");
    assert!(proxy.received()[0].head.starts_with("get http://s3.invalid:9000/"), "{:?}", proxy.received());
    let s3 = open(Options { proxies: proxies(&proxy.http(), ".invalid"), ..far }).await;
    assert!(s3.read(&key("a/key"), None).await.is_err());
    assert_eq!(proxy.received().len(), 1);

    let s3 =
        open(Options { proxies: proxies("http://127.0.0.1:1", ""), ..options("http://s3.invalid") }).await;
    let told = s3.read(&key("a/key"), None).await.unwrap_err().to_string();
    assert!(told.contains("through the proxy http://127.0.0.1:1 of HTTP_PROXY"), "{told}");

    let store = Canned::start(NO_SUCH_KEY).await;
    let s3 = open(Options { proxies: proxies(&proxy.http(), ""), ..options(&store.http()) }).await;
    assert!(matches!(s3.read(&key("a/key"), None).await, Err(BackendError::NotFound(_))));
    assert_eq!((store.received().len(), proxy.received().len()), (1, 1), "this machine is asked directly");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_than_so_many_requests_are_under_way_at_once() {
    let (double, s3) = started().await;
    double.put(BUCKET, "a/key", "body");
    double.set_outage(Some(Outage::Hang));
    let (s3, mut reads) = (Arc::new(s3), JoinSet::new());
    for _ in 0..300 {
        let s3 = Arc::clone(&s3);
        reads.spawn(async move { s3.read(&key("a/key"), None).await });
    }
    let began = Instant::now();
    while double.counts().get < MOST_REQUESTS as u64 && began.elapsed() < SILENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(double.counts().get, MOST_REQUESTS as u64);
    double.set_outage(None);
    for read in reads.join_all().await {
        assert_eq!(read.unwrap(), "body");
    }
}
