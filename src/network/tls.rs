//! Whom TLS trusts, and who we are to a server.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::failure::causes;

/// The certificates that a server may show.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those of these authorities, and these themselves.
    Anchors(Vec<CertificateDer<'static>>),
    /// Those that the system trusts.
    System,
    /// Those of the system's authorities and of these, as far as they can be read.
    SystemAnd(Vec<CertificateDer<'static>>),
    /// Any at all.
    Anything,
}

/// A certificate to show to servers, with its chain and key.
#[derive(Clone, Debug)]
pub struct Identity(Arc<CertifiedKey>);

/// Reads all certificates of a PEM file.
///
/// # Errors
/// What is wrong, when one cannot be read or there is none.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    // A byte order mark would hide the first line.
    let pem = pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(pem);
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|_| "its PEM is malformed".to_owned())?;
    if read.is_empty() { Err("no certificate in PEM stands in it".to_owned()) } else { Ok(read) }
}

impl Identity {
    /// Reads a chain, the own certificate first, and its key. A certificate of X.509 version 1, which old tools make, is
    /// shown as it is: the server decides on it.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain = certificates(chain).map_err(|why| format!("the certificate: {why}"))?;
        let key = key.strip_prefix(b"\xef\xbb\xbf").unwrap_or(key);
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "the key: no unencrypted private key in PEM stands in it".to_owned())?;
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key).map_err(|_| {
            "the key is of a kind that is not supported: use RSA, ECDSA or Ed25519".to_owned()
        })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Err(Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
                Err("the key is not that of the certificate".to_owned())
            }
            _ => Ok(Self(Arc::new(certified))),
        }
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Returns the settings of TLS for HTTP/1.1.
///
/// # Errors
/// What is wrong with an anchor or the system's certificates.
pub fn client_config(trust: Trust, identity: Option<Identity>) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = verifier(trust, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(identity)),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Why a server's certificate was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateFault {
    /// In words: `its certificate ...`.
    pub text: &'static str,
    /// Whether it is enough to trust that certificate, or the authority that signed it.
    pub is_untrusted: bool,
}

/// Returns what is wrong with a certificate, if that was the reason.
pub fn certificate_fault(error: &Error) -> Option<CertificateFault> {
    use CertificateError::{
        BadEncoding, Expired, ExpiredContext, InvalidPurpose, InvalidPurposeContext, NotValidForName,
        NotValidForNameContext, NotValidYet, NotValidYetContext, Other, UnknownIssuer,
    };
    let Error::InvalidCertificate(fault) = error else { return None };
    let untrusted = |text| Some(CertificateFault { text, is_untrusted: true });
    let invalid = |text| Some(CertificateFault { text, is_untrusted: false });
    match fault {
        UnknownIssuer => untrusted("its certificate is not trusted: no trusted authority has signed it"),
        Other(why) if why.to_string().contains("CaUsedAsEndEntity") => untrusted(
            "its certificate is not trusted: it is an authority's own, which has to be trusted itself",
        ),
        Expired | ExpiredContext { .. } => invalid("its certificate has expired; renew it"),
        NotValidYet | NotValidYetContext { .. } => {
            invalid("its certificate is not valid yet; look at the clocks of both machines")
        }
        NotValidForName | NotValidForNameContext { .. } => {
            invalid("its certificate is for another name; it needs this one as a subject alternative name")
        }
        InvalidPurpose | InvalidPurposeContext { .. } => {
            invalid("its certificate is not one for servers; issue it for server authentication")
        }
        BadEncoding | Other(_) => {
            invalid("its certificate has a form that is not supported; it has to be of X.509 version 3")
        }
        _ => invalid("its certificate is not accepted"),
    }
}

/// Returns what TLS objected to, if it was TLS.
pub fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn verifier(trust: Trust, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    match trust {
        Trust::Anything => Ok(Arc::new(Unverified(Arc::clone(provider)))),
        Trust::System => {
            let inner = System { provider: Arc::clone(provider), inner: OnceLock::new() };
            Ok(Arc::new(OrAnchor { inner: Arc::new(inner), anchors: OnceLock::new() }))
        }
        Trust::SystemAnd(others) => {
            let mut anchors = rustls_native_certs::load_native_certs().certs;
            anchors.extend(others);
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(anchors.iter().cloned());
            or_anchor(roots, anchors, provider)
        }
        Trust::Anchors(anchors) => {
            let mut roots = RootCertStore::empty();
            for (at, anchor) in anchors.iter().enumerate() {
                roots
                    .add(anchor.clone())
                    .map_err(|_| format!("certificate {} of it is malformed", at + 1))?;
            }
            or_anchor(roots, anchors, provider)
        }
    }
}

fn or_anchor(
    roots: RootCertStore,
    anchors: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    let inner = inner.map_err(|why| why.to_string())?;
    Ok(Arc::new(OrAnchor { inner, anchors: OnceLock::from(anchors) }))
}

/// Trusts what `inner` trusts, and a server that shows an anchor itself: many make one self-signed certificate with
/// `openssl req -x509`, which says that it is an authority, and give it to server and clients (curl, Go and Helm take
/// it; RFC 5280 leaves to the verifier what an anchor is good for).
struct OrAnchor {
    inner: Arc<dyn ServerCertVerifier>,
    /// Those of the system are read when they are needed.
    anchors: OnceLock<Vec<CertificateDer<'static>>>,
}

impl OrAnchor {
    fn anchors(&self) -> &[CertificateDer<'static>] {
        self.anchors.get_or_init(|| rustls_native_certs::load_native_certs().certs)
    }
}

impl ServerCertVerifier for OrAnchor {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if is_about_the_issuer(&error) && self.anchors().contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Whether a certificate was refused for who signed it, or because it is an authority's. Dates are looked at before
/// either, so they hold.
fn is_about_the_issuer(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Other(_)
                | CertificateError::UnknownIssuer
                | CertificateError::BadSignature
                | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
        )
    )
}

impl fmt::Debug for OrAnchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrAnchor")
    }
}

/// Trusts what the system trusts. Its certificates are read when the first server shows one: there may be none, in an
/// image from scratch, and plain HTTP needs none.
struct System {
    provider: Arc<CryptoProvider>,
    inner: OnceLock<Option<rustls_platform_verifier::Verifier>>,
}

impl ServerCertVerifier for System {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let read = || rustls_platform_verifier::Verifier::new(Arc::clone(&self.provider)).ok();
        match self.inner.get_or_init(read) {
            Some(inner) => {
                inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("System")
    }
}

/// Takes any certificate; that the server has its key is still proven.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
