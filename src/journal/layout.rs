//! The object `layout`: what a store says of itself, created once (docs/internals/storage-format.md#layout).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use uuid::Uuid;

use super::keys::WRITER;
use super::probe::{self, ProbeError};
use super::{Mode, keys};
use crate::backend::{Backend, BackendError, Create};
use crate::clock::{Clock, Timestamp};
use crate::oci::Digest;

/// The format of everything below a store's root.
const FORMAT: u32 = 1;
/// What stands before the value of the last member, which is the digest of everything before this.
const SEAL: &[u8] = br#","sha256":"#;

#[derive(Clone, Serialize, Deserialize)]
pub struct Layout {
    format: u32,
    pub store: Uuid,
    /// The id that the journals begin with, where it is not that of the store: a copy up to some moment is a store of its
    /// own that goes on with the history of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain: Option<Uuid>,
    created: Timestamp,
    /// Signs upload sessions, and nothing else.
    pub session_secret: Secret,
    max_staleness_ms: u64,
    /// The lowest release that may write; raised by an administrator.
    min_writer: u32,
    /// What was found out about the service before this was created, if servers were to share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe: Option<Probed>,
}

/// What is looked at before anything else.
#[derive(Deserialize)]
struct Envelope {
    format: u32,
    min_writer: Option<u32>,
    /// Of the bytes before the comma of this member, which is the last one; absent in stores of early releases.
    sha256: Option<Digest>,
}

/// A service that was proven to create an object only once. One that fails gets no layout.
#[derive(Clone, Serialize, Deserialize)]
struct Probed {
    verdict: Verdict,
    endpoint: String,
    date: Timestamp,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Atomic,
}

/// 256 random bits that no log ever shows.
#[derive(Clone)]
pub struct Secret(pub [u8; 32]);

#[derive(Debug, Error)]
pub enum OpenError {
    #[error("the store cannot be read: {0}")]
    Backend(#[from] BackendError),
    #[error(
        "the object `layout` of the store is damaged ({0}): it holds the id of the store and the key of upload sessions, \
         so restore it from a backup or from a copy of this store; nothing was changed"
    )]
    Damaged(String),
    #[error(
        "what answers at the address of the store is a web page or another service, no store: look at storage.url; \
         nothing was changed"
    )]
    NoStore,
    #[error(
        "the store has format {0}, this version of charthouse reads format {FORMAT}: use a newer version"
    )]
    Format(u32),
    #[error(
        "the store has content, but no object `layout`: if it is a copy, `charthouse storage copy` has not finished, \
         run it again; if not, `layout` is gone, restore it from a backup"
    )]
    Lost,
    #[error(
        "the store asks for writers of release {0} or later, this is release {WRITER}: use a newer version"
    )]
    TooOld(u32),
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

impl Layout {
    /// Opens the layout of a store, and creates it in a new one. A store that servers are to share on a service of the
    /// name `endpoint` is probed first, unless this was done when it was created.
    pub async fn open(
        backend: &Arc<dyn Backend>,
        clock: &dyn Clock,
        mode: Mode,
        endpoint: Option<&str>,
    ) -> Result<Self, OpenError> {
        let key = keys::layout();
        let to_probe = endpoint.filter(|_| mode == Mode::Shared);
        match backend.read(&key, None).await {
            Ok(bytes) => {
                let layout = Self::read(&bytes)?;
                if to_probe.is_some_and(|endpoint| !layout.is_proven_on(endpoint)) {
                    probe::run(backend, clock).await?;
                }
                return Ok(layout);
            }
            Err(BackendError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
        // A new one would have another id, and every namespace would be taken for one of another store.
        for content in [keys::NAMESPACES, keys::CATALOG] {
            if !backend.list(content, "", 1).await?.is_empty() {
                return Err(OpenError::Lost);
            }
        }
        let mut new = Self::new(clock);
        if let Some(endpoint) = to_probe {
            probe::run(backend, clock).await?;
            let (verdict, endpoint) = (Verdict::Atomic, endpoint.to_owned());
            new.probe = Some(Probed { verdict, endpoint, date: clock.now() });
        }
        match backend.create(&key, vec![new.write()?]).await? {
            Create::Created => Ok(new),
            Create::AlreadyExists => Self::read(&backend.read(&key, None).await?),
        }
    }

    fn is_proven_on(&self, endpoint: &str) -> bool {
        self.probe.as_ref().is_some_and(|probed| probed.endpoint == endpoint)
    }

    /// What `prev` of the first commit of every namespace is.
    pub fn chain(&self) -> Uuid {
        self.chain.unwrap_or(self.store)
    }

    /// Whether `other` names the same store, with the same key and history.
    pub(super) fn is_of_the_same_store(&self, other: &Self) -> bool {
        let identity = |layout: &Self| (layout.store, layout.chain(), layout.session_secret.0);
        identity(self) == identity(other)
    }

    /// How old a state may be from which content is served by digest; the same for all replicas.
    pub fn max_staleness(&self) -> Duration {
        Duration::from_millis(self.max_staleness_ms)
    }

    fn new(clock: &dyn Clock) -> Self {
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(&clock.random().to_be_bytes());
        secret[16..].copy_from_slice(&clock.random().to_be_bytes());
        Self {
            format: FORMAT,
            store: clock.uuid(clock.now()),
            chain: None,
            created: clock.now(),
            session_secret: Secret(secret),
            max_staleness_ms: 1_000,
            min_writer: WRITER,
            probe: None,
        }
    }

    /// The object `layout`: JSON whose last member seals what is before it.
    fn write(&self) -> Result<Bytes, OpenError> {
        let mut bytes = serde_json::to_vec(self)?;
        // The brace at the end.
        bytes.pop();
        let digest = Digest::sha256(&bytes);
        bytes.extend_from_slice(SEAL);
        serde_json::to_writer(&mut bytes, &digest)?;
        bytes.push(b'}');
        Ok(bytes.into())
    }

    /// Reads the object `layout`. Members that it does not know are ignored.
    ///
    /// # Errors
    /// Bytes that are not what was written, another format, and a store that asks for newer writers.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, OpenError> {
        if bytes.trim_ascii_start().first() == Some(&b'<') {
            return Err(OpenError::NoStore);
        }
        let Envelope { format, min_writer, sha256 } = serde_json::from_slice(bytes)?;
        if let Some(digest) = sha256
            && sealed_part(bytes).is_none_or(|sealed| Digest::sha256(sealed) != digest)
        {
            // These may be what is damaged, or somebody has changed them by hand.
            let writer = min_writer.unwrap_or_default();
            return Err(OpenError::Damaged(format!(
                "of format {format} for writers of release {writer}, it does not have the digest that it names"
            )));
        }
        if format != FORMAT {
            return Err(OpenError::Format(format));
        }
        let layout: Self = serde_json::from_slice(bytes)?;
        if layout.min_writer > WRITER {
            return Err(OpenError::TooOld(layout.min_writer));
        }
        Ok(layout)
    }
}

/// The bytes that the digest in a layout is of.
fn sealed_part(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(SEAL.len()).rposition(|window| window == SEAL)?;
    Some(&bytes[..at])
}

impl From<serde_json::Error> for OpenError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| de::Error::custom("not base64"))?;
        bytes.try_into().map(Self).map_err(|_| de::Error::custom("not 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::backend::Memory;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn a_store_keeps_the_layout_it_was_created_with() {
        let (backend, clock): (Arc<dyn Backend>, _) = (Arc::new(Memory::default()), SystemClock::default());
        let first = Layout::open(&backend, &clock, Mode::Single, None).await.unwrap();
        let second = Layout::open(&backend, &clock, Mode::Single, None).await.unwrap();
        assert_eq!(first.store, second.store);
        assert_eq!(first.session_secret.0, second.session_secret.0);
        assert_eq!(second.max_staleness(), Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn a_damaged_layout_never_panics((at, byte) in any::<(Index, u8)>()) {
            let mut bytes = Layout::new(&SystemClock::default()).write().unwrap().to_vec();
            prop_assert!(Layout::read(&bytes).is_ok());
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Layout::read(&bytes);
            bytes.truncate(at);
            prop_assert!(Layout::read(&bytes).is_err());
        }
    }

    #[test]
    fn no_flipped_bit_changes_what_a_layout_says() {
        let mut layout = Layout::new(&SystemClock::default());
        let (endpoint, date) = ("http://s3".to_owned(), Timestamp::default());
        layout.probe = Some(Probed { verdict: Verdict::Atomic, endpoint, date });
        let bytes = layout.write().unwrap();
        let said = serde_json::to_value(&layout).unwrap();
        let mut harmless = 0;
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match Layout::read(&bytes) {
                Err(OpenError::Damaged(_)) => {}
                Err(error) => panic!("bit {bit}: {error}"),
                // In the name of the member that seals the others.
                Ok(layout) => {
                    harmless += 1;
                    assert_eq!(serde_json::to_value(&layout).unwrap(), said, "bit {bit}");
                }
            }
        }
        assert!(harmless <= 6 * 8, "{harmless} flips are not seen");
    }

    #[test]
    fn a_layout_is_read_with_or_without_a_seal_a_chain_and_what_it_does_not_know() {
        let layout = Layout::new(&SystemClock::default());
        let early = serde_json::to_vec(&layout).unwrap();
        assert_eq!(Layout::read(&early).unwrap().chain(), layout.store);
        let mut value = serde_json::to_value(&layout).unwrap();
        let chain = Uuid::from_u128(7);
        value["chain"] = chain.to_string().into();
        value["of_a_newer_release"] = serde_json::json!({"sha256": "?"});
        let read = Layout::read(value.to_string().as_bytes()).unwrap();
        assert_eq!((read.chain(), read.store), (chain, layout.store));
        assert!(!read.is_of_the_same_store(&layout));
        let again = Layout::read(&read.write().unwrap()).unwrap();
        assert!(again.is_of_the_same_store(&read));
    }

    #[tokio::test]
    async fn a_damaged_layout_is_told_and_left_as_it_is() {
        let sound = Layout::new(&SystemClock::default()).write().unwrap();
        let mut flipped = sound.to_vec();
        flipped[sound.len() / 2] ^= 1;
        let half = sound.slice(..sound.len() / 2);
        for damaged in [Bytes::new(), half, flipped.into(), vec![0; sound.len()].into(), "null".into()] {
            let (backend, clock): (Arc<dyn Backend>, _) =
                (Arc::new(Memory::default()), SystemClock::default());
            backend.create(&keys::layout(), vec![damaged.clone()]).await.unwrap();
            let error = Layout::open(&backend, &clock, Mode::Single, None).await.err().unwrap().to_string();
            assert!(error.contains("`layout` of the store is damaged"), "{error}");
            assert!(error.contains("restore it from a backup"), "{error}");
            assert_eq!(backend.read(&keys::layout(), None).await.unwrap(), damaged);
        }
    }

    #[tokio::test]
    async fn a_store_that_lost_its_layout_gets_no_new_one() {
        let (backend, clock): (Arc<dyn Backend>, _) = (Arc::new(Memory::default()), SystemClock::default());
        let key = crate::backend::Key::new("ns/team/_journal/0000000000000000/0001").unwrap();
        backend.create(&key, vec![Bytes::from("{}")]).await.unwrap();
        let error = Layout::open(&backend, &clock, Mode::Single, None).await.err().unwrap().to_string();
        assert!(error.contains("`layout` is gone"), "{error}");
        assert!(matches!(backend.read(&keys::layout(), None).await, Err(BackendError::NotFound(_))));
    }

    #[tokio::test]
    async fn a_store_of_another_format_or_for_newer_writers_is_refused() {
        for (field, value, reason) in [("format", 2, "format 2"), ("min_writer", 7, "release 7")] {
            let (backend, clock): (Arc<dyn Backend>, _) =
                (Arc::new(Memory::default()), SystemClock::default());
            let mut layout = serde_json::to_value(Layout::new(&clock)).unwrap();
            layout[field] = value.into();
            backend.create(&keys::layout(), vec![layout.to_string().into()]).await.unwrap();
            let error = Layout::open(&backend, &clock, Mode::Single, None).await.err().unwrap().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
