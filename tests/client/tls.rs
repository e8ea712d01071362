//! TLS: whom the client trusts, and what it says of those that it does not.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};

use super::Charthouse;
use super::hostile::manifest_of;
use crate::clients::helm::Helm;
use crate::support::artifact::IMAGE_MANIFEST;
use crate::support::hostile_registry::{Hostile, Reply};

const PACKAGE: &[u8] = b"a package";

/// A file of `tests/fixtures/tls`: a certificate and its key.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

fn registry() -> Hostile {
    let (manifest, blob) = manifest_of(PACKAGE, PACKAGE.len());
    Hostile::start(move |asked, _| match asked.target == blob {
        true => Reply::ok("application/octet-stream", PACKAGE),
        false => Reply::ok(IMAGE_MANIFEST, manifest.clone()),
    })
}

/// A server that shows the certificate of a fixture and hands everything on to `target`. Its thread ends with the test program.
fn behind_tls(name: &str, target: &Hostile) -> SocketAddr {
    behind_tls_that_asks(name, target, None)
}

/// The same, which asks clients for a certificate and keeps what they show.
fn behind_tls_that_asks(name: &str, target: &Hostile, shown: Option<Shown>) -> SocketAddr {
    let pem = fs::read(fixture(name)).expect("a fixture");
    let certificate = CertificateDer::from_pem_slice(&pem).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(&pem).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS");
    let config = match shown {
        Some(shown) => config.with_client_cert_verifier(Arc::new(Anybody(shown))),
        None => config.with_no_client_auth(),
    };
    let config = config.with_single_cert(vec![certificate], key).expect("a key that fits");

    let acceptor = TlsAcceptor::from(Arc::new(config));
    let target = target.host();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        runtime.block_on(async {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, target) = (acceptor.clone(), target.clone());
                tokio::spawn(async move {
                    // An error is a client that does not like the certificate.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut target = TcpStream::connect(target).await.expect("the registry");
                    let _ = copy_bidirectional(&mut stream, &mut target).await;
                });
            }
        });
    });
    address
}

type Shown = Arc<Mutex<Vec<CertificateDer<'static>>>>;

/// Takes and keeps the certificate of any client. Its signature is not looked at: the library of the server reads none
/// of version 1.
#[derive(Debug)]
struct Anybody(Shown);

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.lock().expect("what was shown").push(end_entity.clone().into_owned());
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[test]
fn a_self_signed_certificate_is_its_own_authority() {
    let registry = registry();
    let address = behind_tls("self-signed.pem", &registry);
    let ca_file = fixture("self-signed.pem");
    let ca_file = ca_file.to_str().unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let charthouse = Charthouse::new();
        let marked = [b"\xef\xbb\xbf", &fs::read(ca_file).unwrap()[..]].concat();
        fs::write(charthouse.path("marked.pem"), marked).unwrap();
        let ca_file = if host == "localhost" { "marked.pem" } else { ca_file };
        let reference = format!("oci://{host}:{}/team/app:1.0.0", address.port());
        charthouse.bare(&["pull", &reference, "--ca-file", ca_file]).succeeds();
        assert_eq!(fs::read(charthouse.path("app-1.0.0.tgz")).unwrap(), PACKAGE);
    }
    let reference = format!("oci://{address}/team/app:1.0.0");
    // The system's store of certificates may hold it, too.
    let charthouse = Charthouse::new();
    let trusted = charthouse.command(&["pull", &reference]).env("SSL_CERT_FILE", ca_file).output().unwrap();
    assert!(trusted.status.success(), "{}", String::from_utf8_lossy(&trusted.stderr));
}

#[test]
fn a_certificate_of_any_version_is_shown_to_a_server_that_asks() {
    let registry = registry();
    for own in ["self-signed.pem", "client-v1.pem"] {
        let shown = Shown::default();
        let address = behind_tls_that_asks("self-signed.pem", &registry, Some(shown.clone()));
        let (ca_file, own) = (fixture("self-signed.pem"), fixture(own));
        let (ca_file, own) = (ca_file.to_str().unwrap(), own.to_str().unwrap());
        let reference = format!("oci://{address}/team/app:1.0.0");
        let identity = ["--ca-file", ca_file, "--cert-file", own, "--key-file", own];
        Charthouse::new().bare(&[&["pull", &reference], &identity[..]].concat()).succeeds();
        let expected = CertificateDer::from_pem_slice(&fs::read(own).unwrap()).unwrap();
        assert!(shown.lock().unwrap().iter().all(|one| *one == expected), "{own}");
        assert!(!shown.lock().unwrap().is_empty(), "{own}");
    }
}

/// A proxy that connects everybody to `target`, whatever was asked for; what was asked is kept.
fn proxy_to(target: SocketAddr, asked: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let asked = Arc::clone(&asked);
            std::thread::spawn(move || {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    (&stream).read_exact(&mut byte).expect("a head");
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).expect("text");
                asked
                    .lock()
                    .expect("what was asked")
                    .push(head.lines().next().unwrap_or_default().to_owned());
                (&stream).write_all(b"HTTP/1.1 200 Connected\r\n\r\n").expect("an answer");
                let target = std::net::TcpStream::connect(target).expect("the target");
                let (back, forth) = (stream.try_clone().unwrap(), target.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut &forth, &mut &back));
                let _ = std::io::copy(&mut &stream, &mut &target);
            });
        }
    });
    address
}

#[test]
fn a_tunnel_of_a_proxy_ends_at_the_registry_that_was_named() {
    let registry = registry();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let proxy = proxy_to(behind_tls("other-name.pem", &registry), Arc::clone(&asked));
    let ca_file = fixture("other-name.pem");
    let url = format!("http://{proxy}");
    let pull = |host: &str| {
        let charthouse = Charthouse::new();
        let reference = format!("oci://{host}/team/app:1.0.0");
        let mut command = charthouse.command(&["pull", &reference, "--ca-file", ca_file.to_str().unwrap()]);
        command.env("HTTPS_PROXY", &url).output().unwrap()
    };
    let good = pull("registry.example:5000");
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert_eq!(asked.lock().unwrap()[0], "CONNECT registry.example:5000 HTTP/1.1");
    let other = pull("other.example");
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        said.contains(&format!(
            "through the proxy {url} of HTTPS_PROXY: its certificate is for another name"
        )),
        "{said}"
    );
}

#[test]
fn a_system_without_certificates_still_speaks_plain_http() {
    let registry = registry();
    let reference = format!("oci://{}/team/app:1.0.0", registry.host());
    let secure = format!("oci://{}/team/app:1.0.0", behind_tls("self-signed.pem", &registry));
    for (reference, more, expected) in
        [(reference, &["--plain-http"][..], ""), (secure, &[], "its certificate is not trusted")]
    {
        let charthouse = Charthouse::new();
        let mut command = charthouse.command(&[&["pull", &reference], more].concat());
        let output = command.env("SSL_CERT_FILE", "none").env("SSL_CERT_DIR", "none").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected) && output.status.success() == expected.is_empty(), "{said}");
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_told() {
    let registry = registry();
    for (shown, trusted, expected) in [
        (
            "self-signed.pem",
            None,
            "its certificate is not trusted: it is an authority's own, which has to be trusted itself (--ca-file",
        ),
        ("self-signed.pem", Some("other-name.pem"), "its certificate is not trusted"),
        ("other-name.pem", Some("other-name.pem"), "its certificate is for another name"),
        ("expired.pem", Some("expired.pem"), "its certificate has expired; renew it\n"),
    ] {
        let address = behind_tls(shown, &registry);
        let trusted = trusted.map(fixture);
        let mut arguments = vec!["pull".to_owned(), format!("oci://{address}/team/app:1.0.0")];
        if let Some(trusted) = &trusted {
            arguments.extend(["--ca-file".to_owned(), trusted.display().to_string()]);
        }
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = Charthouse::new().bare(&arguments).fails();
        assert!(said.contains(expected) && !said.contains("Other"), "{shown} {trusted:?}: {said}");
        arguments.push("--insecure-skip-tls-verify");
        Charthouse::new().bare(&arguments).succeeds();
    }
    assert!(registry.lines().len() == 8, "nothing is sent to who is not trusted: {:?}", registry.lines());
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let charthouse = Charthouse::new();
    let good = fixture("self-signed.pem");
    let good = good.to_str().unwrap();
    let other = fixture("other-name.pem");
    let other = other.to_str().unwrap();
    fs::write(charthouse.path("empty.pem"), "").unwrap();
    fs::write(charthouse.path("cut.pem"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    fs::write(
        charthouse.path("noise.pem"),
        "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    for (arguments, expected) in [
        (&["--ca-file", "empty.pem"][..], "--ca-file empty.pem: no certificate in PEM stands in it"),
        (&["--ca-file", "cut.pem"], "--ca-file cut.pem: its PEM is malformed"),
        (&["--ca-file", "noise.pem"], "--ca-file noise.pem: certificate 1 of it is malformed"),
        (&["--cert-file", good, "--key-file", "empty.pem"], "no unencrypted private key in PEM"),
        (&["--cert-file", good, "--key-file", other], "the key is not that of the certificate"),
    ] {
        let pull = ["pull", "oci://127.0.0.1:1/team/app:1.0.0"];
        let output = charthouse.command(&[&pull, arguments].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected) && output.status.code() == Some(2), "{arguments:?}: {said}");
    }
}

#[test]
fn helm_trusts_it_alike() {
    let Some(helm) = Helm::find(4) else { return };
    let registry = registry();
    let address = behind_tls("self-signed.pem", &registry);
    let ca_file = fixture("self-signed.pem");
    let reference = format!("oci://{address}/team/app");
    let ran = helm.run(&["pull", &reference, "--version", "1.0.0", "--ca-file", ca_file.to_str().unwrap()]);
    // The config of this chart is not there, but the certificate was good.
    assert!(!ran.all().contains("x509") && !registry.lines().is_empty(), "{ran}");
}
