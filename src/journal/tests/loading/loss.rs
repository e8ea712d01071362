//! Damage of a journal that refuses its namespace, and what is answered then.

use super::*;

/// Damage that the namespace `team` cannot be served with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    First,
    AllCommits,
    AllCommitsBehindStagedData,
    AllCommitsAndACheckpointOfAnotherFoldVersionIsLeft,
    Middle,
    LastWithItsCheckpoint,
    LastTwoWithTheirCheckpoints,
    FlippedFirst,
    FlippedMiddle,
    FlippedNonceInTheMiddle,
    FlippedLastWithItsCheckpoint,
    CutFirst,
    CutMiddle,
    CutLast,
    EmptyMiddle,
    EmptyLast,
    CheckpointFlippedAndCommitMissing,
}

impl Loss {
    pub(super) const ALL: [Self; 17] = [
        Self::First,
        Self::AllCommits,
        Self::AllCommitsBehindStagedData,
        Self::AllCommitsAndACheckpointOfAnotherFoldVersionIsLeft,
        Self::Middle,
        Self::LastWithItsCheckpoint,
        Self::LastTwoWithTheirCheckpoints,
        Self::FlippedFirst,
        Self::FlippedMiddle,
        Self::FlippedNonceInTheMiddle,
        Self::FlippedLastWithItsCheckpoint,
        Self::CutFirst,
        Self::CutMiddle,
        Self::CutLast,
        Self::EmptyMiddle,
        Self::EmptyLast,
        Self::CheckpointFlippedAndCommitMissing,
    ];

    fn checkpoints(self) -> &'static [u64] {
        match self {
            Self::AllCommits
            | Self::LastWithItsCheckpoint
            | Self::FlippedLastWithItsCheckpoint
            | Self::CheckpointFlippedAndCommitMissing => &[HEAD],
            Self::LastTwoWithTheirCheckpoints => &[HEAD - 1, HEAD],
            _ => &[],
        }
    }

    pub(super) async fn cause(self, store: &Store) {
        let remove_commits = async || {
            for seq in 1..=HEAD {
                store.remove(&commit(seq)).await;
            }
        };
        match self {
            Self::First => store.remove(&commit(1)).await,
            Self::AllCommits => remove_commits().await,
            Self::AllCommitsBehindStagedData => {
                for n in 0..150 {
                    store.put(&keys::data(&team(), Uuid::from_u128(n)), "staged").await;
                }
                store.remove(&commit(1)).await;
            }
            Self::AllCommitsAndACheckpointOfAnotherFoldVersionIsLeft => {
                remove_commits().await;
                let old = format!("ns/team/_checkpoint/0/{:020}", u64::MAX - HEAD);
                store.put(&Key::new(old).unwrap(), "of an older release").await;
            }
            Self::Middle => store.remove(&commit(3)).await,
            Self::LastWithItsCheckpoint => store.remove(&commit(HEAD)).await,
            Self::LastTwoWithTheirCheckpoints => {
                store.remove(&commit(HEAD - 1)).await;
                store.remove(&commit(HEAD)).await;
            }
            Self::FlippedFirst => store.spoil(&commit(1), |bytes| flip(bytes)).await,
            Self::FlippedMiddle => store.spoil(&commit(3), |bytes| flip(bytes)).await,
            Self::FlippedNonceInTheMiddle => store.spoil(&commit(3), flip_nonce).await,
            Self::FlippedLastWithItsCheckpoint => store.spoil(&commit(HEAD), flip_nonce).await,
            Self::CutFirst => store.spoil(&commit(1), cut).await,
            Self::CutMiddle => store.spoil(&commit(3), cut).await,
            Self::CutLast => store.spoil(&commit(HEAD), cut).await,
            Self::EmptyMiddle => store.spoil(&commit(3), Vec::clear).await,
            Self::EmptyLast => store.spoil(&commit(HEAD), Vec::clear).await,
            Self::CheckpointFlippedAndCommitMissing => {
                store.spoil(&checkpoint(HEAD), |bytes| flip(bytes)).await;
                store.remove(&commit(4)).await;
            }
        }
    }

    /// What is counted, and what the reason says.
    fn expected(self) -> (DamageKind, &'static str) {
        match self {
            Self::First
            | Self::AllCommits
            | Self::AllCommitsBehindStagedData
            | Self::AllCommitsAndACheckpointOfAnotherFoldVersionIsLeft => {
                (DamageKind::Gap, "the store has lost commit 1: ")
            }
            Self::Middle => (DamageKind::Gap, "the store has lost commit 3: commit 4 is there"),
            Self::LastWithItsCheckpoint | Self::LastTwoWithTheirCheckpoints => {
                (DamageKind::Gap, "the store has lost commit 6: the checkpoint ")
            }
            Self::CheckpointFlippedAndCommitMissing => (DamageKind::Gap, "lost commit 4: commit 5 is there"),
            // Flipped inside of what the line says, or so that it is no line any more.
            Self::FlippedFirst | Self::FlippedMiddle => (DamageKind::Commit, "commit "),
            Self::FlippedNonceInTheMiddle => (DamageKind::Commit, "commit 4 does not follow"),
            Self::FlippedLastWithItsCheckpoint => {
                (DamageKind::Commit, "commit 6 is not the one that the checkpoint ")
            }
            Self::CutFirst => (DamageKind::Commit, "commit 1 cannot be read: its line has no end"),
            Self::CutMiddle | Self::EmptyMiddle => (DamageKind::Commit, "commit 3 cannot be read"),
            Self::CutLast | Self::EmptyLast => (DamageKind::Commit, "commit 6 cannot be read"),
        }
    }

    pub(super) async fn check(self, store: Store) {
        store.fill(self.checkpoints()).await;
        let whole = store.objects().await;
        self.cause(&store).await;
        let damaged = store.objects().await;
        let journals = store.open().await;
        let (kind, reason) = self.expected();

        for _ in 0..2 {
            let read = journals.current(&team()).await;
            assert!(
                matches!(&read, Err(error @ JournalError::Broken(why)) if why.contains(reason) && error.is_refusal()),
                "{self:?}: {read:?}"
            );
            for (repository, n) in [("team/app", 1), ("team/app", 99), ("team/new", 1)] {
                let write = push(&journals, repository, n).await;
                assert!(
                    matches!(&write, Err(ProposeError::Journal(JournalError::Broken(why))) if why.contains(reason)),
                    "{self:?}: {write:?}"
                );
            }
            assert!(journals.new_object(&team()).await.is_err(), "{self:?}");
            // Whatever is asked, the damage is one.
            assert_eq!(journals.damage().count(kind), 1, "{self:?}");
            let spoilt = u64::from(matches!(self, Self::CheckpointFlippedAndCommitMissing));
            assert_eq!(journals.damage().count(DamageKind::Checkpoint), spoilt, "{self:?}");
            assert_eq!(journals.damage().refused_namespaces(), 1, "{self:?}");
            store.clock.pass(REFUSAL_LASTS);
        }
        assert_eq!(store.objects().await, damaged, "{self:?}: nothing is written into a damaged namespace");

        assert_eq!(journals.current(&other()).await.unwrap().unwrap().seq, HEAD, "{self:?}");
        assert_eq!(push(&journals, "other/app", 99).await.unwrap().state.seq, HEAD + 1, "{self:?}");
        assert!(!has_stopped(&journals).await, "{self:?}: the process goes on");

        for (key, bytes) in &whole {
            store.put(key, bytes.clone()).await;
        }
        store.clock.pass(REFUSAL_LASTS);
        let restored = journals.current(&team()).await.unwrap_or_else(|error| panic!("{self:?}: {error}"));
        assert_eq!(restored.unwrap().seq, HEAD, "{self:?}: no restart is needed");
        assert_eq!(journals.damage().refused_namespaces(), 0, "{self:?}");
        assert_eq!(push(&journals, "team/app", 99).await.unwrap().state.seq, HEAD + 1, "{self:?}");
    }
}
