//! A client of the registry without HTTP, which keeps a ledger of what it was told.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use charthouse::backend::Backend;
use charthouse::backend::faulty::Faulty;
use charthouse::clock::{Clock, SystemClock, Timestamp};
use charthouse::journal::{Journals, Options, Replace};
use charthouse::oci::{Condition, Digest, HELM_CHART, HELM_CONFIG, MediaType, OCI_MANIFEST};
use charthouse::oci::{Reference, RepositoryName, Tag, UploadRange};
use charthouse::registry::{
    Actor, BodyError, BodySource, Error, Limits, Mounted, Page, PutManifest, Registry,
};
use serde_json::{Value, json};

use crate::support::app::lenient;

use super::ledger::{Ledger, Name, Upload};

pub type Store = Faulty<Arc<dyn Backend>>;

/// All of a listing.
const ALL: Page<'static> = Page { limit: 10_000, last: None };

pub struct Client {
    registry: Arc<Registry>,
    pub ledger: Ledger,
}

/// What was pushed of a chart.
pub struct Chart {
    pub config: Digest,
    pub layer: Digest,
    pub manifest: Digest,
}

impl Client {
    /// A client of a server that has just been started over `store`.
    pub async fn new(store: Arc<Store>, ledger: Ledger) -> Self {
        let clock = Arc::new(FastClock::default());
        let journals = Journals::open(store.clone(), clock.clone(), Options::default()).await.unwrap();
        let limits = Limits { extent: 64 * 1024, ..Limits::default() };
        let registry = Registry::new(journals, store, clock, limits, Arc::new(lenient()));
        Self { registry, ledger }
    }

    /// Pushes as Helm does: config and layer, where they are missing, then the manifest by its tag.
    pub async fn push_chart(
        &mut self,
        repository: &str,
        version: &str,
        layer: &[u8],
    ) -> Result<Chart, Error> {
        let config = json!({"name": "app", "version": version}).to_string();
        let config = self.push_blob(repository, config.into()).await?;
        let layer = self.push_blob(repository, Bytes::copy_from_slice(layer)).await?;
        let size = |digest| self.ledger.content(digest).0.len();
        let body = manifest((&config, size(&config)), (&layer, size(&layer)));
        let chart = Chart { config, layer, manifest: Digest::sha256(&body) };
        self.ledger.will_push(&chart.manifest, &body, OCI_MANIFEST);
        self.tag(repository, version, &chart).await?;
        Ok(chart)
    }

    async fn push_blob(&mut self, repository: &str, bytes: Bytes) -> Result<Digest, Error> {
        let digest = Digest::sha256(&bytes);
        self.ledger.will_push(&digest, &bytes, "");
        match self.registry.blob(&name(repository), &digest).await {
            Err(Error::BlobUnknown(_)) => {}
            found => return found.map(|_| digest),
        }
        let blob = Name::Blob(repository.into(), digest.clone());
        self.ledger.begins(&blob, Some(&digest));
        let session = self.registry.start_upload(&name(repository), None, &who()).to_string();
        let mut body = Pieces::of(&bytes);
        self.registry.finish_upload(&name(repository), &session, &digest, None, &mut body, &who()).await?;
        self.ledger.acknowledged(&blob, Some(&digest));
        Ok(digest)
    }

    /// Pushes the chart's manifest under `tag`.
    pub async fn tag(&mut self, repository: &str, tag: &str, chart: &Chart) -> Result<(), Error> {
        let Chart { manifest: digest, .. } = chart;
        let names =
            [Name::Manifest(repository.into(), digest.clone()), Name::Tag(repository.into(), tag.into())];
        names.iter().for_each(|name| self.ledger.begins(name, Some(digest)));
        let put = PutManifest {
            repository: &name(repository),
            reference: &Reference::Tag(Tag::parse(tag).unwrap()),
            tags: Vec::new(),
            media_type: MediaType::parse(OCI_MANIFEST).unwrap(),
            body: self.ledger.content(digest).0.clone(),
            condition: Condition::default(),
            replace: Replace::AsPolicySays,
        };
        self.registry.put_manifest(put, &who()).await?;
        names.iter().for_each(|name| self.ledger.acknowledged(name, Some(digest)));
        Ok(())
    }

    pub async fn mount(&mut self, repository: &str, from: &str, digest: &Digest) -> Result<(), Error> {
        let blob = Name::Blob(repository.into(), digest.clone());
        self.ledger.begins(&blob, Some(digest));
        let mounted = self.registry.mount(&name(repository), digest, Some(&name(from)), &who()).await?;
        assert_eq!(mounted, Mounted::Mounted);
        self.ledger.acknowledged(&blob, Some(digest));
        Ok(())
    }

    /// Uploads `bytes` in chunks that end at `cuts`. The last of them breaks off half-way and is resumed.
    pub async fn upload_in_chunks(
        &mut self,
        repository: &str,
        bytes: &[u8],
        cuts: &[usize],
    ) -> Result<(), Error> {
        let bytes = Bytes::copy_from_slice(bytes);
        let session = self.registry.start_upload(&name(repository), None, &who()).to_string();
        self.ledger.upload = Some(Upload { repository: repository.into(), bytes, session, taken: 0 });
        for (index, &cut) in cuts.iter().enumerate() {
            if index + 1 == cuts.len() {
                match self.append(cut / 2, true).await {
                    Err(Error::Body(_)) => self.ask_progress().await?,
                    other => return other,
                }
            }
            self.append(cut, false).await?;
        }
        self.close_upload().await
    }

    async fn append(&mut self, to: usize, breaks_off: bool) -> Result<(), Error> {
        let Some(upload) = &mut self.ledger.upload else { return Ok(()) };
        let mut body = Pieces::of(&upload.bytes[upload.taken..to]);
        if breaks_off {
            body.break_off();
        }
        let repository = name(&upload.repository);
        let appended =
            self.registry.append_upload(&repository, &upload.session, None, &mut body, &who()).await?;
        assert_eq!(appended.length, to as u64);
        (upload.session, upload.taken) = (appended.session.to_string(), to);
        Ok(())
    }

    async fn ask_progress(&mut self) -> Result<(), Error> {
        let Some(upload) = &mut self.ledger.upload else { return Ok(()) };
        let progress =
            self.registry.upload_progress(&name(&upload.repository), &upload.session, &who()).await?;
        let (length, taken) = (progress.length as usize, upload.taken);
        assert!(length >= taken, "{taken} bytes were acknowledged, {length} are there");
        (upload.session, upload.taken) = (progress.session.to_string(), length);
        Ok(())
    }

    /// Sends what is missing and closes the upload, if one is open.
    async fn close_upload(&mut self) -> Result<(), Error> {
        let Some(Upload { repository, bytes, session, taken }) = &self.ledger.upload else { return Ok(()) };
        let (repository, bytes, session, taken) =
            (repository.clone(), bytes.clone(), session.clone(), *taken);
        let digest = Digest::sha256(&bytes);
        let blob = Name::Blob(repository.clone(), digest.clone());
        self.ledger.will_push(&digest, &bytes, "");
        self.ledger.begins(&blob, Some(&digest));
        let range = UploadRange { first: taken as u64, last: bytes.len() as u64 - 1 };
        let mut rest = Pieces::of(&bytes[taken..]);
        let (repository, who) = (name(&repository), who());
        self.registry.finish_upload(&repository, &session, &digest, Some(range), &mut rest, &who).await?;
        self.ledger.acknowledged(&blob, Some(&digest));
        self.ledger.upload = None;
        Ok(())
    }

    /// An upload that was cut by the end of the server goes on where it stood.
    pub async fn resume_upload(&mut self) {
        self.ask_progress().await.unwrap();
        self.close_upload().await.unwrap();
    }

    pub async fn delete_tag(&mut self, repository: &str, tag: &str) -> Result<(), Error> {
        let entry = Name::Tag(repository.into(), tag.into());
        self.ledger.begins(&entry, None);
        let tag = Tag::parse(tag).unwrap();
        self.registry.delete_tag(&name(repository), &tag, Condition::default(), &who()).await?;
        self.ledger.acknowledged(&entry, None);
        Ok(())
    }

    /// Deletes a manifest; its tags go too.
    pub async fn delete_manifest(&mut self, repository: &str, chart: &Chart) -> Result<(), Error> {
        let mut names = self.ledger.tags_of(repository, &chart.manifest);
        names.push(Name::Manifest(repository.into(), chart.manifest.clone()));
        names.iter().for_each(|name| self.ledger.begins(name, None));
        let condition = Condition::default();
        self.registry.delete_manifest(&name(repository), &chart.manifest, condition, &who()).await?;
        names.iter().for_each(|name| self.ledger.acknowledged(name, None));
        Ok(())
    }

    pub async fn delete_blob(&mut self, repository: &str, digest: &Digest) -> Result<(), Error> {
        let blob = Name::Blob(repository.into(), digest.clone());
        self.ledger.begins(&blob, None);
        self.registry.delete_blob(&name(repository), digest, &who()).await?;
        self.ledger.acknowledged(&blob, None);
        Ok(())
    }

    /// What is there is what was acknowledged, byte for byte, and refers to nothing that is not there.
    pub async fn verify(&self) {
        for name in self.ledger.names() {
            let found = match name {
                Name::Blob(repository, digest) => self.read_blob(repository, digest).await,
                Name::Manifest(repository, digest) => {
                    self.read_manifest(repository, &Reference::Digest(digest.clone())).await
                }
                Name::Tag(repository, tag) => {
                    self.read_manifest(repository, &Reference::Tag(Tag::parse(tag).unwrap())).await
                }
            };
            self.ledger.expect(name, found.as_ref());
        }
        for repository in self.registry.catalog(ALL).await.unwrap().repositories {
            let tags = match self.registry.tags(&repository, ALL).await {
                // Its marker comes before its first commit.
                Err(Error::NameUnknown(_)) => continue,
                tags => tags.unwrap().tags,
            };
            for tag in tags {
                let found = self.read_manifest(repository.as_str(), &Reference::Tag(tag.clone())).await;
                assert!(found.is_some(), "{repository}:{tag} is listed and not there");
            }
        }
    }

    /// The digest of a blob that was read and compared; `None` when it is not there.
    async fn read_blob(&self, repository: &str, digest: &Digest) -> Option<Digest> {
        let blob = match self.registry.blob(&name(repository), digest).await {
            Err(Error::BlobUnknown(_)) => return None,
            blob => blob.unwrap(),
        };
        let mut reader = self.registry.read_blob(blob, 0..u64::MAX);
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(self.ledger.content(digest).0, bytes, "{repository}@{digest}");
        Some(digest.clone())
    }

    /// The digest of a manifest that was read and compared, with all it refers to; `None` when it is not there.
    async fn read_manifest(&self, repository: &str, reference: &Reference) -> Option<Digest> {
        let found = match self.registry.manifest(&name(repository), reference).await {
            Err(Error::ManifestUnknown(_) | Error::NameUnknown(_)) => return None,
            found => found.unwrap(),
        };
        let (bytes, media_type) = self.ledger.content(&found.digest);
        assert_eq!((&found.body, found.media_type.as_str()), (bytes, media_type.as_str()));
        for blob in references(&found.body) {
            let there = self.read_blob(repository, &blob).await;
            assert!(there.is_some(), "{repository}:{reference} refers to {blob}, which is not there");
        }
        Some(found.digest)
    }
}

impl Chart {
    pub fn blobs(&self) -> [&Digest; 2] {
        [&self.config, &self.layer]
    }
}

/// A request body that arrives in pieces.
struct Pieces(VecDeque<Result<Bytes, BodyError>>);

impl Pieces {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.chunks(30_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect())
    }

    /// The client hangs up when everything was sent.
    fn break_off(&mut self) {
        self.0.push_back(Err(BodyError(Arc::new(io::Error::other("the client hung up")))));
    }
}

#[async_trait]
impl BodySource for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        tokio::task::yield_now().await;
        self.0.pop_front().transpose()
    }
}

/// A clock on which the 10 s that the journal waits for a store are over in a tenth of a second.
#[derive(Default)]
struct FastClock(SystemClock);

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic() * 100
    }

    fn random(&self) -> u128 {
        self.0.random()
    }
}

/// A chart's manifest.
pub fn manifest(config: (&Digest, usize), layer: (&Digest, usize)) -> Bytes {
    let descriptor = |media_type: &str, (digest, size): (&Digest, usize)| json!({"mediaType": media_type, "digest": digest.to_string(), "size": size});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(HELM_CONFIG, config),
        "layers": [descriptor(HELM_CHART, layer)],
    });
    manifest.to_string().into()
}

/// The config and the layers of a manifest.
pub fn references(manifest: &[u8]) -> Vec<Digest> {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let layers = manifest["layers"].as_array().into_iter().flatten();
    let descriptors = std::iter::once(&manifest["config"]).chain(layers);
    descriptors.map(|found| Digest::parse(found["digest"].as_str().unwrap()).unwrap()).collect()
}

/// `length` bytes that do not repeat, the same for the same seed.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn who() -> Actor {
    Actor::system("test", "r1", uuid::Uuid::nil())
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}
