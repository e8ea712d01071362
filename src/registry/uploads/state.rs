//! The states of a chunked upload: what the n-th chunk brought, and how far the upload is with it. Each is
//! created once; of two requests that append to the same state one wins.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use super::{MAX_PIECES, Token};
use crate::backend::{BackendError, Create};
use crate::journal::{JournalError, is_sealed, keys, seal};
use crate::oci::{Hasher, Namespace};
use crate::registry::{Error, Registry};

/// Keys asked for at once.
const LIST: usize = 1_000;

/// One state: a JSON object in the store, whose last member is its checksum, as in the line of a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct UploadState {
    /// Bytes of the upload, with this chunk.
    pub length: u64,
    /// Pieces of the upload, with those of this chunk.
    pub total: u32,
    /// The hash of the bytes so far, to be continued ([`Hasher::save`]).
    pub hash: Base64,
    /// 128 random bits: tells this state from that of a request that sent the same bytes at the same time.
    pub nonce: Box<str>,
    /// What this chunk brought, in order.
    pub pieces: Vec<StagedPiece>,
}

impl UploadState {
    fn write(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = serde_json::to_vec(self).map_err(|error| {
            Error::Store(JournalError::Broken(format!("the state of an upload cannot be written: {error}")))
        })?;
        seal(&mut bytes);
        Ok(bytes)
    }

    /// Reads a state that has the checksum it ends with.
    fn read(bytes: &[u8]) -> Result<Self, String> {
        if !is_sealed(bytes) {
            return Err("it does not have the checksum that it ends with".to_owned());
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

/// Bytes of an upload that are safe in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum StagedPiece {
    /// A whole data object.
    Object { object: Uuid, length: u64, crc32c: u32 },
    /// A small chunk, in the state itself.
    Inline { inline: Base64 },
}

/// Bytes that are written as base64.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Base64(pub Bytes);

/// Where an upload stands after its n-th chunk.
pub(super) struct Position {
    pub n: u32,
    pub length: u64,
    /// Pieces so far.
    pub total: u32,
    pub hasher: Hasher,
}

impl Position {
    pub fn start(token: &Token) -> Self {
        Self { n: 0, length: 0, total: 0, hasher: Hasher::new(token.algorithm) }
    }

    pub fn after(token: &Token, n: u32, state: &UploadState) -> Result<Self, Error> {
        let hasher = Hasher::restore(token.algorithm, &state.hash.0).ok_or_else(|| damaged(n, "its hash"))?;
        Ok(Self { n, length: state.length, total: state.total, hasher })
    }

    /// The token of the same session at this position.
    pub fn token(&self, token: &Token) -> Token {
        Token { n: self.n, length: self.length, ..token.clone() }
    }
}

impl Registry {
    /// Where the upload stands now, which may be further on than the token says.
    pub(super) async fn newest_state(&self, namespace: &Namespace, token: &Token) -> Result<Position, Error> {
        let n = self.newest_number(namespace, token).await?;
        if n == 0 {
            return Ok(Position::start(token));
        }
        Position::after(token, n, &self.read_state(namespace, token.upload, n).await?)
    }

    /// The number of the newest state.
    ///
    /// # Errors
    /// `UploadUnknown` when the upload was cancelled.
    pub(super) async fn newest_number(&self, namespace: &Namespace, token: &Token) -> Result<u32, Error> {
        let prefix = keys::upload_states(namespace, token.upload);
        let cancelled = keys::upload_cancelled(namespace, token.upload);
        let mut n = token.n;
        loop {
            let after = keys::upload_state(namespace, token.upload, n);
            let found = self.backend.list(&prefix, after.as_str(), LIST).await?;
            if found.last() == Some(&cancelled) {
                return Err(Error::UploadUnknown);
            }
            let last = found.last().and_then(|key| key.as_str().strip_prefix(&prefix)?.parse().ok());
            n = last.unwrap_or(n);
            if found.len() < LIST {
                return Ok(n);
            }
        }
    }

    /// # Errors
    /// `UploadUnknown` when the state is gone or damaged: the client begins anew.
    pub(super) async fn read_state(
        &self,
        namespace: &Namespace,
        upload: Uuid,
        n: u32,
    ) -> Result<UploadState, Error> {
        match self.backend.read(&keys::upload_state(namespace, upload, n), None).await {
            Ok(bytes) => UploadState::read(&bytes).map_err(|why| damaged(n, &why)),
            Err(BackendError::NotFound(_)) => Err(Error::UploadUnknown),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates state `n`; false when another request was faster.
    pub(super) async fn create_state(
        &self,
        namespace: &Namespace,
        upload: Uuid,
        n: u32,
        state: &UploadState,
    ) -> Result<bool, Error> {
        if n > MAX_PIECES || state.total > MAX_PIECES {
            return Err(too_many_pieces());
        }
        let key = keys::upload_state(namespace, upload, n);
        let body = Bytes::from(state.write()?);
        let outcome = match self.backend.create(&key, vec![body.clone()]).await {
            // Whether it took effect is not known: the second try and the nonce tell.
            Err(error) if !error.is_definite() => self.backend.create(&key, vec![body]).await?,
            outcome => outcome?,
        };
        match outcome {
            Create::Created => Ok(true),
            Create::AlreadyExists => Ok(self.read_state(namespace, upload, n).await?.nonce == state.nonce),
        }
    }
}

pub(super) fn too_many_pieces() -> Error {
    Error::TooLarge { what: "the number of pieces of the upload", limit: u64::from(MAX_PIECES) }
}

fn damaged(n: u32, why: &str) -> Error {
    tracing::error!(n, why, "the state of an upload is damaged: its client has to begin anew");
    Error::UploadUnknown
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(|bytes| Self(bytes.into())).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn base64() -> impl Strategy<Value = Base64> {
        vec(any::<u8>(), 0..40).prop_map(|bytes| Base64(bytes.into()))
    }

    fn pieces() -> impl Strategy<Value = StagedPiece> {
        prop_oneof![
            any::<(u128, u64, u32)>().prop_map(|(object, length, crc32c)| {
                StagedPiece::Object { object: Uuid::from_u128(object), length, crc32c }
            }),
            base64().prop_map(|inline| StagedPiece::Inline { inline }),
        ]
    }

    proptest! {
        #[test]
        fn every_state_is_read_back_and_a_damaged_one_is_refused(
            (length, total) in any::<(u64, u32)>(),
            hash in base64(),
            nonce in "[0-9a-f]{32}",
            pieces in vec(pieces(), 0..4),
            (at, byte) in any::<(Index, u8)>(),
        ) {
            let state = UploadState { length, total, hash, nonce: nonce.into(), pieces };
            let bytes = state.write().unwrap();
            prop_assert_eq!(&UploadState::read(&bytes).unwrap(), &state);
            let at = at.index(bytes.len());
            prop_assert!(UploadState::read(&bytes[..at]).is_err());
            let mut damaged = bytes.clone();
            damaged[at] = byte;
            prop_assert_eq!(UploadState::read(&damaged).is_ok(), damaged == bytes);
        }
    }
}
