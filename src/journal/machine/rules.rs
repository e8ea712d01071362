//! The rules of docs/internals/journal-protocol.md#mutants by name, so that a test can take one away and see what breaks.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A commit that is found under the number of an append is ours only if its nonce is.
    NonceIsCompared,
    /// A commit that is found under the number of an append and has its nonce is a success.
    OwnCommitIsSuccess,
    /// An append that lost its number validates every proposal again.
    LoserValidatesAgain,
    /// A commit goes to the number after the snapshot that it was validated against.
    NumberOfTheSnapshot,
    /// A commit that was folded is not folded again.
    FoldedOnce,
    /// A tag, a listing or a miss is read after a head check.
    ReadAfterCheck,
    /// Waiting requests share only a check that began after they arrived.
    CheckBeganAfter,
    /// A refusal or "nothing changed" is answered after a head check.
    RefusedAfterCheck,
    /// A head check goes on until a commit is not found.
    CheckGoesOn,
    /// While the outcome of an append is unknown, no other is sent.
    UnknownIsSettledFirst,
    /// A state that was confirmed too long ago is not read by digest either.
    StalenessIsBounded,
    /// A deletion is answered only when no replica may serve the content any more.
    DeletionIsAnsweredLate,
    /// A checkpoint counts only if the commit it ends with is in the store and has its hash.
    CheckpointIsCompared,
    /// A missing number below an existing one is a loss, not the head.
    GapIsNoHead,
    /// An object that was condemned or purged is not named again.
    CondemnedIsNotNamed,
    /// Every object that a commit names was created before the commit is sent. (By who proposes: no machine asks.)
    #[cfg(test)]
    DataBeforeCommit,
    /// A data object gets a name that none ever had. (By who proposes.)
    #[cfg(test)]
    DataHasFreshName,
}

/// The rules in force: all of them, but in a test.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    #[cfg(test)]
    pub broken: Option<Rule>,
}

impl Rules {
    #[cfg(test)]
    pub fn hold(self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    #[cfg(not(test))]
    pub const fn hold(self, _rule: Rule) -> bool {
        true
    }
}
