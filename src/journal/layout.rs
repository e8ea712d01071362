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

/// The format of everything below a store's root.
const FORMAT: u32 = 1;

#[derive(Clone, Serialize, Deserialize)]
pub struct Layout {
    format: u32,
    pub store: Uuid,
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
    #[error("the object `layout` of the store is not that of a charthouse store: {0}")]
    Malformed(#[from] serde_json::Error),
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
    /// Reads the layout of a store, and creates it in a new one. A store that servers are to share on a service of the
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
        let body = Bytes::from(serde_json::to_vec(&new)?);
        match backend.create(&key, vec![body]).await? {
            Create::Created => Ok(new),
            Create::AlreadyExists => Self::read(&backend.read(&key, None).await?),
        }
    }

    fn is_proven_on(&self, endpoint: &str) -> bool {
        self.probe.as_ref().is_some_and(|probed| probed.endpoint == endpoint)
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
            created: clock.now(),
            session_secret: Secret(secret),
            max_staleness_ms: 1_000,
            min_writer: WRITER,
            probe: None,
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, OpenError> {
        let layout: Self = serde_json::from_slice(bytes)?;
        match (layout.format, layout.min_writer) {
            (FORMAT, min_writer) if min_writer > WRITER => Err(OpenError::TooOld(min_writer)),
            (FORMAT, _) => Ok(layout),
            (format, _) => Err(OpenError::Format(format)),
        }
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
            let mut bytes = serde_json::to_vec(&Layout::new(&SystemClock::default())).unwrap();
            prop_assert!(Layout::read(&bytes).is_ok());
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Layout::read(&bytes);
            bytes.truncate(at);
            prop_assert!(Layout::read(&bytes).is_err());
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
