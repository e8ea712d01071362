//! Which certificates of servers are trusted.

use std::sync::Arc;

use charthouse::network::{Trust, certificates, client_config};
use serde_json::{Value, json};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConnection, ServerConfig, ServerConnection};

use super::ask;

#[test]
fn certificates_are_trusted_as_in_go() {
    let names: [&[&str]; 4] = [&["localhost", "127.0.0.1"], &["*.example.test"], &["r.example.test"], &[]];
    let mut questions = Vec::new();
    for signed_by in ["itself", "authority"] {
        for is_ca in [true, false] {
            for usage in ["", "server", "client", "both"] {
                for anchor in ["itself", "authority", "stranger", "both"] {
                    for dates in ["valid", "expired", "future"] {
                        let name = ["localhost", "127.0.0.1", "r.example.test"][questions.len() % 3];
                        let names = names[questions.len() / 3 % 4];
                        let certificate = json!({"signed_by": signed_by, "is_ca": is_ca, "usage": usage, "anchor": anchor, "dates": dates, "names": names, "name": name});
                        questions.push(json!({"kind": "certificate", "certificate": certificate}));
                        let certificate = json!({"signed_by": signed_by, "is_ca": is_ca, "usage": usage, "anchor": anchor, "dates": dates, "names": ["localhost"], "name": "localhost"});
                        questions.push(json!({"kind": "certificate", "certificate": certificate}));
                    }
                }
            }
        }
    }
    let Some(answers) = ask(&questions) else { return };
    let mut differences = Vec::new();
    for (question, answer) in questions.iter().zip(&answers) {
        let ours = shake(answer, question["certificate"]["name"].as_str().unwrap());
        if ours.is_ok() != (answer["trusted"] == true)
            && differs_by_purpose(&question["certificate"]).is_none()
        {
            differences
                .push(format!("{question}: ours {ours:?}, Go {} {}", answer["trusted"], answer["why"]));
        }
    }
    assert!(questions.len() > 300 && differences.is_empty(), "{}", differences.join("\n"));
}

/// Why a certificate is judged otherwise than in Go.
fn differs_by_purpose(certificate: &Value) -> Option<&'static str> {
    let is_authority = certificate["is_ca"] == true;
    match (is_authority, certificate["usage"].as_str()) {
        (true, Some("client")) => {
            Some("an anchor that is a server's certificate is not asked for its purpose")
        }
        (true, _) if certificate["anchor"] == "authority" && certificate["signed_by"] == "authority" => {
            Some("an authority's certificate is not a server's, unless it is given itself")
        }
        _ => None,
    }
}

/// A handshake in memory of our client with a server that shows this certificate.
fn shake(answer: &Value, name: &str) -> Result<(), String> {
    let text = |name: &str| answer[name].as_str().unwrap().as_bytes().to_vec();
    let anchors = certificates(&text("anchors")).expect("certificates");
    let config = client_config(Trust::Anchors(anchors), None).expect("a configuration");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let chain = CertificateDer::from_pem_slice(&text("chain")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(&text("key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a key that fits");
    let mut server = ServerConnection::new(Arc::new(config)).expect("a server");
    while client.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("memory");
        server.read_tls(&mut &bytes[..]).expect("memory");
        server.process_new_packets().map_err(|why| format!("server: {why}"))?;
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("memory");
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("memory");
            client.process_new_packets().map_err(|why| why.to_string())?;
        }
    }
    Ok(())
}
