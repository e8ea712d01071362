//! Good, malformed and forged provenance files.

use proptest::prelude::*;

use super::*;

const FIXTURE: &str = include_str!("../../../charts-fixtures/signed-1.0.0.tgz.prov");

fn fixture_digest() -> Digest {
    Digest::parse("sha256:29720642d94fb0673a9390b21300fa782a998b7af0a249209918f34c33cb3943").unwrap()
}

fn read(text: &str) -> Result<Provenance, InvalidProvenance> {
    Provenance::read(text.as_bytes())
}

#[test]
fn a_provenance_file_tells_of_its_chart_and_package() {
    let provenance = read(FIXTURE).unwrap();
    assert_eq!(provenance.metadata.name, "signed");
    assert_eq!(provenance.files.keys().collect::<Vec<_>>(), ["signed-1.0.0.tgz"]);
    assert_eq!(provenance.check("signed", "1.0.0", &fixture_digest()), Ok(()));
    let with_crlf = read(&FIXTURE.replace('\n', "\r\n")).unwrap();
    assert_eq!((with_crlf.metadata, with_crlf.files), (provenance.metadata, provenance.files));
}

#[test]
fn it_has_to_be_of_the_package() {
    let provenance = read(FIXTURE).unwrap();
    let refusal =
        |name, version, digest: &Digest| provenance.check(name, version, digest).unwrap_err().to_string();
    assert!(
        refusal("other", "1.0.0", &fixture_digest()).contains("of \"signed-1.0.0\", not of \"other-1.0.0\"")
    );
    assert!(refusal("signed", "1.0.1", &fixture_digest()).contains("not of \"signed-1.0.1\""));
    assert!(refusal("signed", "1.0.0", &Digest::sha256(b"other")).contains("but the package has sha256:"));
    let renamed = FIXTURE.replace("  signed-1.0.0.tgz:", "  other-1.0.0.tgz:");
    let refused = read(&renamed).unwrap().check("signed", "1.0.0", &fixture_digest());
    assert_eq!(refused, Err(InvalidProvenance::NotListed("signed-1.0.0.tgz".to_owned())));
}

#[test]
fn malformed_files_are_refused_with_the_rule() {
    let body = |from: &str, to: &str| {
        assert!(FIXTURE.contains(from), "{from}");
        FIXTURE.replacen(from, to, 1)
    };
    let cut = |before: &str| FIXTURE[..FIXTURE.find(before).unwrap()].to_owned();
    let cases = [
        (String::new(), "does not begin with"),
        ("files: {}".to_owned(), "does not begin with"),
        (format!("text\n{FIXTURE}"), "does not begin with"),
        (cut(BEGIN_SIGNATURE), "no signature"),
        (cut(END_SIGNATURE), "no signature"),
        (cut("apiVersion"), "no signature"),
        (format!("{FIXTURE}text"), "goes on behind"),
        (format!("{FIXTURE}{FIXTURE}"), "goes on behind"),
        (body("Hash: SHA512", "Comment: x"), "header \"Comment: x\""),
        (body("Hash: SHA512\n\n", "Hash: SHA512\n"), "header \"apiVersion"),
        (body("description:", "-description:"), "dash"),
        (body("\n...\n", "\n"), "1 parts"),
        (body("files:", "x: y\n...\nfiles:"), "3 parts"),
        (body("name: signed\n", ""), "no name"),
        (body("name: signed\n", "name: signed\nname: b\n"), "duplicate"),
        (body("files:", "images:"), "no mapping `files`"),
        (body("files:\n", "files: []\nx:\n"), "no mapping `files`"),
        (body("files:\n", "files: {}\nx:\n"), "no file is listed"),
        (body("sha256:29", "sha512:29"), "64 hexadecimal digits"),
        (body("sha256:29", "sha256:2"), "64 hexadecimal digits"),
        (body("sha256:29", "sha256:ZZ"), "64 hexadecimal digits"),
        (body("files:\n", "files:\n  signed-1.0.0.tgz: x\n"), "duplicate"),
        (body("type:", "x: \ry\ntype:"), "carriage return"),
        (body("type:", &format!("x: {}\ntype:", "y".repeat(MAX_PROVENANCE))), "more than"),
    ];
    for (text, rule) in cases {
        let message = read(&text).expect_err(rule).to_string();
        assert!(message.contains(rule) && message.len() < 500, "{rule}: {message}");
    }
    assert_eq!(Provenance::read(b"\xff"), Err(InvalidProvenance::NotUtf8));
}

proptest! {
    #[test]
    fn no_change_makes_it_panic(at in 0..FIXTURE.len(), byte: u8, cut in proptest::option::of(0..FIXTURE.len())) {
        let mut bytes = FIXTURE.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(cut.unwrap_or(bytes.len()));
        let _ = Provenance::read(&bytes);
    }
}

#[cfg(feature = "openpgp")]
mod signatures {
    use super::*;
    use crate::clock::Timestamp;

    const KEYRING: &str = include_str!("samples/keyring.asc");

    fn now() -> Timestamp {
        Timestamp::parse("2024-06-01T00:00:00Z").unwrap()
    }

    fn fixture_keyring() -> Keyring {
        Keyring::read(include_bytes!("../../../charts-fixtures/keys/public.gpg")).unwrap()
    }

    fn verdict(keyring: &Keyring, text: &str) -> Result<Signer, Untrusted> {
        keyring.verify(&read(text).unwrap(), now())
    }

    #[test]
    fn a_signature_names_its_signer() {
        let signer = verdict(&fixture_keyring(), FIXTURE).unwrap();
        assert_eq!(signer.fingerprint, "58B7F21E9BB573FF169FDB6B854B3CB26455629A");
        assert_eq!(signer.user_ids.len(), 1, "{signer:?}");
        assert!(verdict(&fixture_keyring(), &FIXTURE.replace('\n', "\r\n")).is_ok());
        // Spaces at the ends of lines are not signed.
        assert!(
            verdict(&fixture_keyring(), &FIXTURE.replacen("name: signed\n", "name: signed  \n", 1)).is_ok()
        );
        let keyring = Keyring::read(KEYRING.as_bytes()).unwrap();
        for (text, name) in [
            (include_str!("samples/ed25519.prov"), "ed25519"),
            (include_str!("samples/nistp256.prov"), "nistp256"),
            (include_str!("samples/subkeys.prov"), "subkeys"),
        ] {
            assert_eq!(verdict(&keyring, text).map(|signer| signer.user_ids), Ok(vec![name.to_owned()]));
        }
    }

    #[test]
    fn a_changed_file_has_no_signer() {
        for (from, to) in [
            ("name: signed", "name: forged"),
            ("description: Signed", "description: signed"),
            ("sha256:29", "sha256:30"),
            ("type: application\n", ""),
            ("iQGzBAEBCgAdFiEEWLfyHpu1c", "iQGzBAEBCgAdFiEEWLfyHpu2c"),
        ] {
            let forged = FIXTURE.replacen(from, to, 1);
            assert_ne!(forged, FIXTURE);
            let verdict = verdict(&fixture_keyring(), &forged);
            assert!(
                matches!(verdict, Err(Untrusted::Wrong | Untrusted::Unreadable(_) | Untrusted::UnknownKey)),
                "{from}: {verdict:?}"
            );
        }
    }

    #[test]
    fn signatures_that_do_not_count() {
        let keyring = Keyring::read(KEYRING.as_bytes()).unwrap();
        let cases = [
            (include_str!("samples/stranger.prov"), "not in the keyring"),
            (include_str!("samples/expired.prov"), "has expired, was revoked"),
            (include_str!("samples/revoked.prov"), "has expired, was revoked"),
            (include_str!("samples/expired-signature.prov"), "signature of the provenance file has expired"),
            (include_str!("samples/sha1.prov"), "can be forged"),
            (include_str!("samples/two-signatures.prov"), "2 signatures"),
            (FIXTURE, "not in the keyring"),
        ];
        for (text, rule) in cases {
            let message = verdict(&keyring, text).expect_err(rule).to_string();
            assert!(message.contains(rule), "{rule}: {message}");
        }
        let early = Timestamp::parse("2024-01-10T00:00:00Z").unwrap();
        for text in [include_str!("samples/expired.prov"), include_str!("samples/expired-signature.prov")] {
            assert!(keyring.verify(&read(text).unwrap(), early).is_ok(), "neither had expired by then");
        }
        let before = Timestamp::parse("2023-12-01T00:00:00Z").unwrap();
        assert_eq!(fixture_keyring().verify(&read(FIXTURE).unwrap(), before), Err(Untrusted::FromTheFuture));
        let body = &FIXTURE[..FIXTURE.find(BEGIN_SIGNATURE).unwrap()];
        let empty = format!("{body}{BEGIN_SIGNATURE}\n\n{END_SIGNATURE}\n");
        assert!(matches!(
            verdict(&keyring, &empty),
            Err(Untrusted::Signatures(0) | Untrusted::Unreadable(_))
        ));
    }

    #[test]
    fn keyrings_and_others() {
        assert!(Keyring::read(b"").is_err());
        assert!(matches!(Keyring::read(b"text"), Err(InvalidKeyring::Unreadable(_))));
        let secret = include_bytes!("../../../charts-fixtures/keys/secret.asc");
        assert!(Keyring::read(secret).is_err(), "a secret key has no place here");
    }
}
