//! Random clients against a model: whatever is sent, in whatever pieces, the upload has exactly the bytes that
//! were acknowledged or reported by the last probe, and closes with their digest only.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// The next `length` bytes; with a range, or as a stream.
    Append {
        length: usize,
        ranged: bool,
    },
    /// The same from the first location, which says nothing: the range does.
    AppendToFirst {
        length: usize,
    },
    /// Bytes that do not follow.
    Misplaced {
        first: u64,
        length: usize,
    },
    /// The last chunk once more, to the name it was sent to.
    Repeat,
    /// The connection breaks after `length` bytes.
    Broken {
        length: usize,
    },
    Probe,
    Restart,
    /// A close with a digest of something else.
    WrongClose,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![1..200usize, 16_380..16_390usize, 1..150_000usize];
    let step = prop_oneof![
        4 => (length.clone(), any::<bool>()).prop_map(|(length, ranged)| Step::Append { length, ranged }),
        1 => length.clone().prop_map(|length| Step::AppendToFirst { length }),
        1 => (0..200_000u64, 1..100usize).prop_map(|(first, length)| Step::Misplaced { first, length }),
        1 => Just(Step::Repeat),
        1 => (0..100_000usize).prop_map(|length| Step::Broken { length }),
        1 => Just(Step::Probe),
        1 => Just(Step::Restart),
        1 => Just(Step::WrongClose),
    ];
    prop::collection::vec(step, 0..10)
}

/// A client, and what it knows to be stored.
struct Client {
    store: Store,
    registry: Arc<Registry>,
    repository: RepositoryName,
    first: String,
    session: String,
    bytes: Vec<u8>,
    /// The name and the content of the last chunk.
    last: Option<(String, u64, Vec<u8>)>,
}

impl Client {
    async fn new() -> Self {
        let (store, repository) = (Store::new(), name("team/app"));
        let registry = store.registry().await;
        let first = registry.start_upload(&repository, None, &who()).to_string();
        Self { store, registry, repository, session: first.clone(), first, bytes: Vec::new(), last: None }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Append { length, ranged } => self.append(self.session.clone(), length, ranged).await,
            Step::AppendToFirst { length } => self.append(self.first.clone(), length, true).await,
            Step::Misplaced { first, length } => {
                let outcome =
                    self.send(&self.session, span(first, length), &mut body(&noise(length, first))).await;
                match first == self.bytes.len() as u64 {
                    true => self.accept(outcome.unwrap(), &noise(length, first)),
                    false => self.assert_refused(outcome),
                }
            }
            Step::Repeat => {
                let Some((session, first, chunk)) = self.last.clone() else { return };
                let outcome = self.send(&session, span(first, chunk.len()), &mut body(&chunk)).await;
                self.assert_refused(outcome);
            }
            Step::Broken { length } => {
                let chunk = self.fresh(length);
                let outcome = self.send(&self.session, None, &mut broken(&chunk)).await;
                assert!(matches!(outcome, Err(Error::Body(_))), "{outcome:?}");
                self.bytes.extend_from_slice(&chunk);
                self.probe().await;
            }
            Step::Probe => self.probe().await,
            Step::Restart => self.registry = self.store.registry().await,
            Step::WrongClose => {
                let outcome = self.close(&Digest::sha256(b"something else"), &[]).await;
                assert!(matches!(outcome, Err(Error::DigestMismatch { .. })), "{outcome:?}");
            }
        }
    }

    async fn append(&mut self, session: String, length: usize, ranged: bool) {
        let (chunk, at) = (self.fresh(length), self.bytes.len() as u64);
        let range = if ranged { span(at, length) } else { None };
        let progress = self.send(&session, range, &mut body(&chunk)).await.unwrap();
        self.last = Some((session, at, chunk.clone()));
        self.accept(progress, &chunk);
    }

    async fn send(
        &self,
        session: &str,
        range: Option<UploadRange>,
        body: &mut Pieces,
    ) -> Result<Progress, Error> {
        self.registry.append_upload(&self.repository, session, range, body, &who()).await
    }

    async fn probe(&mut self) {
        let progress = self.registry.upload_progress(&self.repository, &self.session, &who()).await.unwrap();
        self.accept(progress, &[]);
    }

    async fn close(&self, digest: &Digest, rest: &[u8]) -> Result<(), Error> {
        let range = if rest.is_empty() { None } else { span(self.bytes.len() as u64, rest.len()) };
        let body = &mut body(rest);
        self.registry.finish_upload(&self.repository, &self.session, digest, range, body, &who()).await
    }

    fn accept(&mut self, progress: Progress, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        assert_eq!(progress.length, self.bytes.len() as u64);
        self.session = progress.session.to_string();
    }

    fn assert_refused(&self, outcome: Result<Progress, Error>) {
        let Err(Error::RangeNotSatisfiable { have, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(have, self.bytes.len() as u64);
    }

    fn fresh(&self, length: usize) -> Vec<u8> {
        noise(length, self.bytes.len() as u64)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_upload_is_what_was_acknowledged(steps in steps(), rest in 0..40_000usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = Client::new().await;
            for step in steps {
                client.step(step).await;
            }
            let rest = client.fresh(rest);
            let whole = [&client.bytes[..], &rest].concat();
            let digest = Digest::sha256(&whole);
            client.close(&digest, &rest).await.unwrap();
            assert!(read(&client.registry, "team/app", &digest).await.unwrap() == whole);
            client.close(&digest, &rest).await.unwrap();
        });
    }
}
