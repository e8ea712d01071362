//! A server that gives one answer to everything, and remembers what it was asked; for what the double does not do.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// It stops with the runtime of its test.
pub struct Canned {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

#[derive(Clone, Debug, Default)]
pub struct Received {
    pub head: String,
    pub body: Vec<u8>,
}

impl Canned {
    /// `answer` is a head and a body; after it the connection is closed.
    pub async fn start(answer: impl Into<String>) -> Self {
        Self::over(answer.into(), None).await
    }

    /// The same over TLS, under the certificate of `server.pem`, which that of `ca.pem` has signed.
    pub async fn with_tls(answer: impl Into<String>) -> Self {
        Self::with_certificate(answer, include_bytes!("server.pem")).await
    }

    /// The same under the certificate of `pem`, which holds its key as well.
    pub async fn with_certificate(answer: impl Into<String>, pem: &[u8]) -> Self {
        let certificate = CertificateDer::from_pem_slice(pem).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(pem).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("a key that fits")));
        Self::over(answer.into(), Some(acceptor)).await
    }

    async fn over(answer: String, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let keep = received.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, tls, keep) = (answer.clone(), tls.clone(), keep.clone());
                tokio::spawn(async move {
                    // An error is a client that has left, or that does not like the certificate.
                    let _ = match tls {
                        None => converse(stream, &answer, &keep).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, &answer, &keep).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Self { port, received }
    }

    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn https(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One request, which has a `Content-Length` if it has a body.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &str,
    keep: &Mutex<Vec<Received>>,
) -> io::Result<()> {
    let mut received = Received::default();
    while !received.head.ends_with("\r\n\r\n") {
        received.head.push(stream.read_u8().await?.into());
    }
    received.head.make_ascii_lowercase();
    let length = received.header("content-length").map_or(0, |length| length.parse().expect("a number"));
    received.body.resize(length, 0);
    stream.read_exact(&mut received.body).await?;
    keep.lock().unwrap_or_else(PoisonError::into_inner).push(received);
    // In two parts, so that a body comes in more than one piece.
    let (first, rest) = answer.split_at(answer.len().saturating_sub(3));
    stream.write_all(first.as_bytes()).await?;
    stream.flush().await?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    stream.write_all(rest.as_bytes()).await?;
    stream.shutdown().await
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(": ").is_some_and(|(this, _)| this == name);
        let line = self.head.lines().find(|line| of(line))?;
        line.split_once(": ").map(|(_, value)| value)
    }
}

/// Hands every byte on to `endpoint`, but puts `new` where `old` goes by on its way there, as often as `times` says.
/// Returns its own endpoint.
pub async fn garbling(endpoint: &str, old: &'static [u8], new: &'static [u8], times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let behind = endpoint.trim_start_matches("http://").to_owned();
    let left = Arc::new(AtomicUsize::new(times));
    let garble = move |bytes: &mut [u8]| {
        let found = bytes.windows(old.len()).position(|part| part == old);
        let one_less = |left: usize| left.checked_sub(1);
        if let Some(at) = found
            && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
        {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
    };
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&behind).await.expect("the double");
            tokio::spawn(between(client, server, garble.clone()));
        }
    });
    format!("http://127.0.0.1:{port}")
}

/// Both ways until one side closes; what the client says is given to `garble` first.
async fn between(client: TcpStream, server: TcpStream, garble: impl Fn(&mut [u8])) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut buffer = vec![0; 1 << 16];
        while let length @ 1.. = from_client.read(&mut buffer).await? {
            garble(&mut buffer[..length]);
            to_server.write_all(&buffer[..length]).await?;
        }
        Ok::<_, io::Error>(())
    };
    let _ = tokio::try_join!(there, tokio::io::copy(&mut from_server, &mut to_client));
}
