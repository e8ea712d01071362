//! Content digests as the image specification defines them (descriptor.md, "Digests").

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::hasher::Hasher;

/// The digest of some bytes, written `sha256:<64 hex>` or `sha512:<128 hex>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    Sha256([u8; 32]),
    /// Rare and twice as large, so it does not ride inside every value.
    Sha512(Arc<[u8; 64]>),
}

/// A registered digest algorithm of this registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    Sha256,
    Sha512,
}

/// Why a text is not a digest of this registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    #[error("the digest algorithm is not supported: use sha256 or sha512")]
    UnsupportedAlgorithm,
    #[error("the digest is malformed: expected sha256: with 64 or sha512: with 128 lower-case hex digits")]
    Malformed,
}

impl Algorithm {
    /// Reads `sha256` or `sha512`.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ if is_algorithm(text) => Err(InvalidDigest::UnsupportedAlgorithm),
            _ => Err(InvalidDigest::Malformed),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Digest {
    /// Reads `<algorithm>:<hex>`; only lower-case hex of exactly the algorithm's length is a digest.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        let (algorithm, hex) = text.split_once(':').ok_or(InvalidDigest::Malformed)?;
        match Algorithm::parse(algorithm) {
            Ok(Algorithm::Sha256) => read_hex(hex).map(Self::Sha256),
            Ok(Algorithm::Sha512) => read_hex(hex).map(|bytes| Self::Sha512(Arc::new(bytes))),
            Err(InvalidDigest::UnsupportedAlgorithm) if is_encoded(hex) => {
                return Err(InvalidDigest::UnsupportedAlgorithm);
            }
            Err(_) => None,
        }
        .ok_or(InvalidDigest::Malformed)
    }

    /// The digest of `bytes`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The SHA-256 digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The raw hash: 32 or 64 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes.as_slice(),
        }
    }

    /// The hash in lower-case hex, without the algorithm.
    pub fn hex(&self) -> String {
        self.write(&mut [0; MAX_TEXT])[self.algorithm().as_str().len() + 1..].to_owned()
    }
}

/// `sha256:` and the hex of 64 bytes at most.
const MAX_TEXT: usize = 7 + 128;

impl Digest {
    /// Writes the text of the digest to the front of `buffer`.
    fn write<'a>(&self, buffer: &'a mut [u8; MAX_TEXT]) -> &'a str {
        let (algorithm, bytes) = (self.algorithm().as_str(), self.as_bytes());
        let start = algorithm.len() + 1;
        buffer[..start - 1].copy_from_slice(algorithm.as_bytes());
        buffer[start - 1] = b':';
        for (pair, byte) in buffer[start..].chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&hex_pair(*byte));
        }
        std::str::from_utf8(&buffer[..start + bytes.len() * 2]).unwrap_or_default()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut [0; MAX_TEXT]))
    }
}

/// In one piece: a checkpoint has several digests on each line.
impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.write(&mut [0; MAX_TEXT]))
    }
}

text_type!(Digest, InvalidDigest, without serialize);

fn hex_pair(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

fn read_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The grammar of an algorithm we do not know: `[a-z0-9]+([+._-][a-z0-9]+)*`.
fn is_algorithm(text: &str) -> bool {
    text.split(['+', '.', '_', '-'])
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

/// The grammar of the encoded part for an algorithm we do not know: `[a-zA-Z0-9=_-]+`.
fn is_encoded(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"=_-".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_is_read_and_written_the_same() {
        let digest = Digest::parse(EMPTY).unwrap();
        assert_eq!(digest, Digest::sha256(b""));
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(format!("{digest:?}"), EMPTY);
        assert_eq!(digest.hex(), EMPTY[7..]);
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{EMPTY}\""));
        assert_eq!(serde_json::from_str::<Digest>(&format!("\"{EMPTY}\"")).unwrap(), digest);
    }

    #[test]
    fn refusals_tell_an_unknown_algorithm_from_a_malformed_digest() {
        use InvalidDigest::*;
        let hex = &EMPTY[7..];
        let cases = [
            ("md5:d41d8cd98f00b204e9800998ecf8427e".to_owned(), UnsupportedAlgorithm),
            ("sha384:aa".to_owned(), UnsupportedAlgorithm),
            ("blake3+b64:Ab_=".to_owned(), UnsupportedAlgorithm),
            (format!("SHA256:{hex}"), Malformed),
            (format!("sha256:{}", hex.to_uppercase()), Malformed),
            (format!("sha256:{hex}0"), Malformed),
            (format!("sha256:{}", &hex[1..]), Malformed),
            (format!("sha512:{hex}"), Malformed),
            (format!("sha256:{hex}\n"), Malformed),
            (format!("sha256::{hex}"), Malformed),
            (format!("sha256-{hex}"), Malformed),
            (format!("sha256:{}é", &hex[2..]), Malformed),
            (format!(":{hex}"), Malformed),
            ("md5:".to_owned(), Malformed),
            ("sha256:".to_owned(), Malformed),
            ("foo+:aa".to_owned(), Malformed),
            (String::new(), Malformed),
        ];
        for (text, expected) in cases {
            assert_eq!(Digest::parse(&text), Err(expected), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_digest_round_trips(bytes: Vec<u8>, long: bool) {
            let algorithm = if long { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let digest = Digest::of(algorithm, &bytes);
            prop_assert_eq!(Digest::parse(&digest.to_string()), Ok(digest.clone()));
            prop_assert_eq!(digest.to_string(), format!("{algorithm}:{}", digest.hex()));
        }

        #[test]
        fn any_text_that_parses_is_the_canonical_form(text in "(sha256|sha512|\\PC{0,6}):?[0-9a-fA-F]{62,66}|\\PC*") {
            if let Ok(digest) = Digest::parse(&text) {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}
