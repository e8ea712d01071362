//! The name of an upload session: what a replica needs to go on with it, signed.
//!
//! Base64url without padding of 30 bytes and a tag: version (1 byte), upload id (16), n (4, big-endian), length
//! (8, big-endian), algorithm (1); then the first 16 bytes of their HMAC-SHA256 together with the repository and
//! the principal, under the secret of the store. The id is a UUID v7: it tells when the session began.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::journal::created_at;
use crate::oci::{Algorithm, RepositoryName};

const VERSION: u8 = 1;
const PAYLOAD: usize = 30;
const TAG: usize = 16;

/// The public name of a session: one segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session(Box<str>);

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a session's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub upload: Uuid,
    /// The newest state when this name was given out; 0 before the first chunk.
    pub n: u32,
    /// Bytes that had arrived by then.
    pub length: u64,
    /// What the bytes are hashed with as they arrive.
    pub algorithm: Algorithm,
}

impl Token {
    pub fn seal(&self, secret: &[u8; 32], repository: &RepositoryName, by: &str) -> Session {
        let mut bytes = self.payload().to_vec();
        let tag = mac(secret, &bytes, repository, by).finalize().into_bytes();
        bytes.extend_from_slice(&tag[..TAG]);
        Session(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// `None` unless it was sealed with this secret for this repository and principal.
    pub fn open(text: &str, secret: &[u8; 32], repository: &RepositoryName, by: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (payload, tag) = bytes.split_first_chunk::<PAYLOAD>().filter(|(_, tag)| tag.len() == TAG)?;
        mac(secret, payload, repository, by).verify_truncated_left(tag).ok()?;
        Self::read(payload)
    }

    /// When the session began.
    pub fn started(&self) -> Timestamp {
        created_at(&self.upload)
    }

    fn payload(&self) -> [u8; PAYLOAD] {
        let mut bytes = [0; PAYLOAD];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(self.upload.as_bytes());
        bytes[17..21].copy_from_slice(&self.n.to_be_bytes());
        bytes[21..29].copy_from_slice(&self.length.to_be_bytes());
        bytes[29] = match self.algorithm {
            Algorithm::Sha256 => 0,
            Algorithm::Sha512 => 1,
        };
        bytes
    }

    fn read(payload: &[u8; PAYLOAD]) -> Option<Self> {
        let (version, rest) = payload.split_first()?;
        let (upload, rest) = rest.split_first_chunk()?;
        let (n, rest) = rest.split_first_chunk()?;
        let (length, algorithm) = rest.split_first_chunk()?;
        let algorithm = match algorithm {
            [0] => Algorithm::Sha256,
            [1] => Algorithm::Sha512,
            _ => return None,
        };
        let (n, length) = (u32::from_be_bytes(*n), u64::from_be_bytes(*length));
        (*version == VERSION).then(|| Self { upload: Uuid::from_bytes(*upload), n, length, algorithm })
    }
}

fn mac(secret: &[u8; 32], payload: &[u8], repository: &RepositoryName, by: &str) -> Hmac<Sha256> {
    let repository = repository.as_str();
    // A key shorter than a block of the hash is filled up with zeros (RFC 2104 section 2).
    let mut key = [0; 64];
    key[..secret.len()].copy_from_slice(secret);
    let mut mac = Hmac::<Sha256>::new(&key.into());
    mac.update(payload);
    // A name is at most 255 bytes; its length keeps it apart from what follows.
    mac.update(&(repository.len() as u64).to_be_bytes());
    mac.update(repository.as_bytes());
    mac.update(by.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn token() -> Token {
        let upload = Uuid::parse_str("0190aabb-ccdd-7000-8000-000000000001").unwrap();
        Token { upload, n: 3, length: 1 << 40, algorithm: Algorithm::Sha512 }
    }

    fn name(text: &str) -> RepositoryName {
        RepositoryName::parse(text).unwrap()
    }

    #[test]
    fn a_session_is_one_path_segment_and_is_read_back() {
        let session = token().seal(&SECRET, &name("team/app"), "alice").to_string();
        assert!(session.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{session}");
        assert_eq!(Token::open(&session, &SECRET, &name("team/app"), "alice"), Some(token()));
        assert_eq!(token().started(), Timestamp::parse("2024-07-13T06:15:52.797Z").unwrap());
    }

    proptest! {
        #[test]
        fn every_session_is_read_back_and_no_text_is_one(
            (upload, n, length, short) in any::<(u128, u32, u64, bool)>(),
            by in "\\PC{0,20}",
            text in "[A-Za-z0-9_-]{0,80}|\\PC{0,80}",
        ) {
            let algorithm = if short { Algorithm::Sha256 } else { Algorithm::Sha512 };
            let token = Token { upload: Uuid::from_u128(upload), n, length, algorithm };
            let session = token.seal(&SECRET, &name("team/app"), &by).to_string();
            token.started();
            prop_assert_eq!(Token::open(&session, &SECRET, &name("team/app"), &by), Some(token));
            prop_assert_eq!(Token::open(&text, &SECRET, &name("team/app"), &by), None);
        }
    }

    #[test]
    fn a_session_of_another_repository_principal_or_store_is_unknown() {
        let session = token().seal(&SECRET, &name("team/app"), "alice").to_string();
        assert_eq!(Token::open(&session, &SECRET, &name("team/other"), "alice"), None);
        assert_eq!(Token::open(&session, &SECRET, &name("team/app"), "bob"), None);
        assert_eq!(Token::open(&session, &[8; 32], &name("team/app"), "alice"), None);
    }

    #[test]
    fn a_changed_or_cut_session_is_unknown() {
        let session = token().seal(&SECRET, &name("team/app"), "alice").to_string();
        for at in 0..session.len() {
            let mut changed = session.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Token::open(&changed, &SECRET, &name("team/app"), "alice"), None, "{at}");
            assert_eq!(Token::open(&session[..at], &SECRET, &name("team/app"), "alice"), None, "{at}");
        }
    }
}
