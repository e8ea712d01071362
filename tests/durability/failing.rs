//! Every storage operation of a script fails in turn: once or from then on, before or after it took effect
//! (docs/internals/threat-model.md#part-c-checks, C1).
//!
//! Each run has two lives. The first runs the script into its fault, heals the store and, in every other run, repeats
//! the script; then the process ends. The second opens the store anew. At the end of either, what was acknowledged
//! must be there, what was not may be, and repeating the script must succeed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use charthouse::backend::faulty::{Effect, Fault, Faulty};
use charthouse::backend::{Backend, Fs, Memory};
use charthouse::journal::JournalError;
use charthouse::registry::Error;
use tempfile::TempDir;

use super::client::{Client, Store, noise};
use super::ledger::Ledger;

/// Runs that go on at the same time: they mostly wait for back-offs.
const THREADS: usize = 32;

#[test]
fn what_was_acknowledged_survives_the_failure_of_any_operation() {
    let mut cases = Vec::new();
    for script in [Script::Charts, Script::Chunks, Script::Deletions] {
        let operations = Run::in_memory().operations_of(script);
        assert!(operations > 10, "{script:?} has {operations} operations only");
        for n in 1..=operations {
            cases.extend(troubles(n).map(|trouble| (script, trouble)));
        }
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((script, trouble)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            run(Run::in_memory(), *script, *trouble);
            // What a store does for good is the same in every store.
            if !trouble.persists {
                run(Run::in_files(), *script, *trouble);
            }
        }
    };
    std::thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
}

fn run(run: Run, script: Script, trouble: Trouble) {
    let _said = Said(format!("{script:?}, {trouble:?}, in files: {}", run.folder.is_some()));
    run.lives(script, trouble, trouble.n.is_multiple_of(2));
}

/// Says which case it was that panicked.
struct Said(String);

impl Drop for Said {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the case was: {}", self.0);
        }
    }
}

/// What happens to the n-th operation, or to all from there on.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    n: u64,
    effect: Effect,
    persists: bool,
}

impl Trouble {
    fn fault(self) -> Fault {
        let fault = Fault::nth(self.n, self.effect);
        if self.persists { fault.and_all_later() } else { fault }
    }
}

fn troubles(n: u64) -> impl Iterator<Item = Trouble> {
    let effects = [Effect::FailBefore, Effect::FailAfter, Effect::Late { after: 2 }, Effect::Full];
    let both = effects.into_iter().flat_map(|effect| [(effect, false), (effect, true)]);
    both.map(move |(effect, persists)| Trouble { n, effect, persists })
}

#[derive(Clone, Copy, Debug)]
enum Script {
    /// Charts pushed as Helm does, a tag that moves, blobs mounted.
    Charts,
    /// A layer in chunks, one of which breaks off and is resumed.
    Chunks,
    /// What was pushed is untagged, deleted, unlinked, and pushed again.
    Deletions,
}

impl Script {
    async fn run(self, client: &mut Client) -> Result<(), Error> {
        match self {
            Self::Charts => charts(client).await,
            Self::Chunks => chunks(client).await,
            Self::Deletions => deletions(client).await,
        }
    }
}

async fn charts(client: &mut Client) -> Result<(), Error> {
    let small = client.push_chart("team/app", "1.0.0", &noise(3_000, 1)).await?;
    client.tag("team/app", "latest", &small).await?;
    let large = client.push_chart("team/app", "1.1.0", &noise(100_000, 2)).await?;
    client.tag("team/app", "latest", &large).await?;
    for repository in ["team/other", "elsewhere/app"] {
        for blob in large.blobs() {
            client.mount(repository, "team/app", blob).await?;
        }
        client.tag(repository, "1.1.0", &large).await?;
    }
    Ok(())
}

async fn chunks(client: &mut Client) -> Result<(), Error> {
    let layer = noise(150_000, 3);
    client.upload_in_chunks("team/app", &layer, &[10_000, 90_000]).await?;
    client.push_chart("team/app", "1.0.0", &layer).await.map(drop)
}

async fn deletions(client: &mut Client) -> Result<(), Error> {
    let old = client.push_chart("team/app", "1.0.0", &noise(3_000, 4)).await?;
    let new = client.push_chart("team/app", "1.1.0", &noise(100_000, 5)).await?;
    client.tag("team/app", "latest", &new).await?;
    client.delete_tag("team/app", "latest").await?;
    client.delete_manifest("team/app", &new).await?;
    client.delete_blob("team/app", &new.layer).await?;
    client.push_chart("team/app", "1.1.0", &noise(100_000, 5)).await?;
    client.delete_manifest("team/app", &old).await?;
    client.delete_blob("team/app", &old.layer).await
}

/// A store, and what its client knows of it.
struct Run {
    memory: Arc<Memory>,
    /// Where the store is, if it is no store in memory.
    folder: Option<TempDir>,
    ledger: Ledger,
}

impl Run {
    fn in_memory() -> Self {
        Self { memory: Arc::new(Memory::new()), folder: None, ledger: Ledger::default() }
    }

    fn in_files() -> Self {
        Self { folder: Some(ram_folder()), ..Self::in_memory() }
    }

    /// How many operations the script has when nothing fails.
    fn operations_of(mut self, script: Script) -> u64 {
        self.live(async |client, store| {
            store.reset_counts();
            script.run(client).await.unwrap();
            store.counts().total()
        })
    }

    fn lives(mut self, script: Script, trouble: Trouble, repeats_at_once: bool) {
        self.live(async |client, store| {
            store.inject(trouble.fault());
            if let Err(error) = script.run(client).await {
                let says_full = matches!(error, Error::Store(JournalError::Full(_)));
                assert_eq!(says_full, trouble.effect == Effect::Full, "{error}");
            }
            store.heal();
            store.deliver().await;
            if repeats_at_once {
                client.verify().await;
                // A write whose outcome is not known may come to light here, and refuse what did not count on it.
                if script.run(client).await.is_err() {
                    script.run(client).await.unwrap();
                }
            }
        });
        self.live(async |client, _| {
            client.verify().await;
            client.resume_upload().await;
            script.run(client).await.unwrap();
            client.verify().await;
        });
    }

    /// One life of the server. With its runtime all that it has under way ends.
    fn live<T>(&mut self, life: impl AsyncFnOnce(&mut Client, &Store) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let backend: Arc<dyn Backend> = match &self.folder {
                Some(folder) => Arc::new(Fs::open(folder.path(), Duration::from_secs(20)).unwrap()),
                None => self.memory.clone(),
            };
            let store = Arc::new(Faulty::new(backend));
            let mut client = Client::new(store.clone(), std::mem::take(&mut self.ledger)).await;
            let outcome = life(&mut client, &store).await;
            self.ledger = client.ledger;
            outcome
        })
    }
}

/// Memory where there is such a place: what is asked here does not depend on the disk, and fsyncs do.
fn ram_folder() -> TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap()
}
