//! The rules of the fold, of the decisions and of collectors by name, so that a test can take one away and see what breaks
//! (docs/internals/journal-protocol.md#mutants).

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldRule {
    /// What can be restored keeps what it refers to from being reaped.
    RetainedIsNotReaped,
    /// The data of what can be restored is not condemned.
    RetainedDataIsCounted,
    /// The age of a referrer begins anew when its subject goes, and a subject that can be restored counts.
    SubjectKeepsReferrers,
    /// The fold checks each entry of a reap again.
    ReapIsCheckedAgain,
    /// A reap of undo entries names the deletion that it means.
    UndoReapNamesItsDeletion,
    /// A push takes the undo entry of what it brings out.
    PushTakesUndoOut,
    /// A restore is checked at its place.
    RestoreIsCheckedAgain,
    /// A restore brings back what its manifests refer to, or is refused.
    RestoreIsComplete,
    /// A restore leaves a tag that points elsewhere.
    RestoreLeavesTakenTags,
    /// A deletion for good takes earlier undo entries along.
    NowDropsUndo,
    /// An upload of a blob that nothing refers to renews its age.
    UploadRenews,
    /// All collectors of a namespace follow the removal rules that it has.
    OneRuleForAll,
    /// No op names an object older than the fence.
    FenceIsKept,
    /// Data that no commit names is deleted behind a fence only. (By the collector.)
    #[cfg(test)]
    SweepBehindFence,
    /// Condemned data stays for a while, so that readers finish. (By the collector.)
    #[cfg(test)]
    CondemnedLingers,
}

/// Whether the rule is in force: always, but in a test.
#[cfg(not(test))]
pub const fn holds(_: FoldRule) -> bool {
    true
}

#[cfg(test)]
pub use broken::{holds, without};

#[cfg(test)]
mod broken {
    use std::cell::Cell;

    use super::FoldRule;

    thread_local! {
        /// The rule that is taken away from what this thread does.
        static BROKEN: Cell<Option<FoldRule>> = const { Cell::new(None) };
    }

    pub fn holds(rule: FoldRule) -> bool {
        BROKEN.get() != Some(rule)
    }

    /// Does `work` without the rule.
    pub fn without<T>(rule: FoldRule, work: impl FnOnce() -> T) -> T {
        BROKEN.set(Some(rule));
        let done = work();
        BROKEN.set(None);
        done
    }
}
