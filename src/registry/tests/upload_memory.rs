//! What uploads hold in memory, and that they do not stop each other.

use super::*;
use crate::backend::{BackendError, Create, Key};

#[tokio::test]
async fn a_client_that_stalls_does_not_stop_the_others() {
    struct Stalled(Option<Bytes>);
    #[async_trait]
    impl BodySource for Stalled {
        async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
            match self.0.take() {
                Some(bytes) => Ok(Some(bytes)),
                None => std::future::pending().await,
            }
        }
    }
    let store = Store::new();
    let registry = store.registry_with(Limits { upload_memory: 256 * 1024, ..Limits::default() }).await;
    let repository = name("team/app");
    let session = registry.start_upload(&repository, None, &who()).to_string();
    let mut stalled = Stalled(Some(noise(100_000, 1).into()));
    let caller = who();
    let stuck = registry.append_upload(&repository, &session, None, &mut stalled, &caller);
    let other = push_blob(&registry, "team/app", &[7; 600_000]);
    let done = async {
        tokio::select! { _ = stuck => panic!("it has no end"), digest = other => digest }
    };
    tokio::time::timeout(Duration::from_secs(10), done).await.unwrap();
}

/// Counts the bytes that are between the client and the store.
#[derive(Default)]
struct Gauge {
    now: AtomicU64,
    most: AtomicU64,
}

impl Gauge {
    fn enter(&self, bytes: usize) {
        let now = self.now.fetch_add(bytes as u64, Ordering::SeqCst) + bytes as u64;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self, bytes: usize) {
        self.now.fetch_sub(bytes as u64, Ordering::SeqCst);
    }
}

struct GaugedBody(Pieces, Arc<Gauge>);

#[async_trait]
impl BodySource for GaugedBody {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let piece = self.0.next().await?;
        self.1.enter(piece.as_ref().map_or(0, Bytes::len));
        Ok(piece)
    }
}

/// A store that takes its time with data.
struct GaugedStore(Memory, Arc<Gauge>);

#[async_trait]
impl Backend for GaugedStore {
    async fn create(&self, key: &Key, body: Vec<Bytes>) -> Result<Create, BackendError> {
        let length = body.iter().map(Bytes::len).sum();
        let is_data = key.as_str().contains("/_data/");
        if is_data {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let created = self.0.create(key, body).await;
        if is_data {
            self.1.leave(length);
        }
        created
    }

    async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Bytes, BackendError> {
        self.0.read(key, range).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError> {
        self.0.list(prefix, after, limit).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), BackendError> {
        self.0.delete(keys).await
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<Create, BackendError> {
        self.0.copy(from, to).await
    }
}

async fn gauged(limits: Limits) -> (Arc<Registry>, Arc<Gauge>) {
    let gauge = Arc::new(Gauge::default());
    let backend: Arc<dyn Backend> = Arc::new(GaugedStore(Memory::new(), gauge.clone()));
    let clock = Arc::new(SystemClock::default());
    let journals = Journals::open(backend.clone(), clock.clone(), Options::default()).await.unwrap();
    (Registry::new(journals, backend, clock, limits, Arc::default()), gauge)
}

async fn push_gauged(registry: &Registry, gauge: Arc<Gauge>, bytes: &[u8]) -> Digest {
    let (digest, mut incoming) = (Digest::sha256(bytes), GaugedBody(body(bytes), gauge));
    registry.upload(&name("team/app"), &digest, &mut incoming, &who()).await.unwrap();
    digest
}

#[tokio::test]
async fn one_upload_has_at_most_two_objects_on_their_way() {
    let (registry, gauge) = gauged(Limits { extent: 100_000, ..Limits::default() }).await;
    push_gauged(&registry, gauge.clone(), &noise(2_000_000, 1)).await;
    let most = gauge.most.load(Ordering::SeqCst);
    assert!((200_000..=310_000).contains(&most), "{most} bytes were held");
}

#[tokio::test]
async fn a_hundred_uploads_share_the_memory_of_a_few() {
    const MEMORY: usize = 4 << 20;
    let limits = Limits { extent: 1 << 20, upload_memory: MEMORY, ..Limits::default() };
    let (registry, gauge) = gauged(limits).await;
    let uploads = (0..100).map(|seed| {
        let (registry, gauge) = (registry.clone(), gauge.clone());
        tokio::spawn(async move {
            let bytes = noise(700_000, seed);
            (push_gauged(&registry, gauge, &bytes).await, bytes)
        })
    });
    let all = futures_util::future::join_all(uploads);
    for pushed in tokio::time::timeout(Duration::from_secs(60), all).await.unwrap() {
        let (digest, bytes) = pushed.unwrap();
        assert_eq!(read(&registry, "team/app", &digest).await.unwrap(), bytes);
    }
    // Each upload may have one piece in its hand that is not paid for yet.
    let bound = MEMORY as u64 + 100 * 10_000;
    let most = gauge.most.load(Ordering::SeqCst);
    assert!(most <= bound, "{most} bytes were held");
    assert!(most > MEMORY as u64 / 2, "the memory was not used: {most}");
}
