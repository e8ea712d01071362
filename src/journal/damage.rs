//! Counts what is found damaged in the store, for metrics and probes. Names and reasons go to the log.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was found missing or with wrong bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// A checkpoint; it is ignored and written anew.
    Checkpoint,
    /// A commit that cannot be read, or that does not follow the commit before it.
    Commit,
    /// A commit that is missing although the store has later commits, or a checkpoint made of it.
    Gap,
    /// The object `layout`, while a server runs.
    Layout,
    /// A data object.
    Object,
    /// The content of a blob or a manifest.
    Body,
}

impl DamageKind {
    pub const ALL: [Self; 6] =
        [Self::Checkpoint, Self::Commit, Self::Gap, Self::Layout, Self::Object, Self::Body];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Commit => "commit",
            Self::Gap => "gap",
            Self::Layout => "layout",
            Self::Object => "object",
            Self::Body => "body",
        }
    }
}

/// The damage that one process has found in its store.
#[derive(Debug, Default)]
pub struct DamageCounts {
    found: [AtomicU64; DamageKind::ALL.len()],
    refused: AtomicU64,
}

impl DamageCounts {
    /// Counts damage that was found, once for each time that it is found anew.
    pub fn add(&self, kind: DamageKind) {
        self.found[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how often damage of this kind was found.
    pub fn count(&self, kind: DamageKind) -> u64 {
        self.found[kind as usize].load(Ordering::Relaxed)
    }

    /// Returns how many namespaces are refused now because their journal cannot be read.
    pub fn refused_namespaces(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Notes that a namespace is refused from now on, or no longer.
    pub(super) fn set_refused(&self, refused: bool) {
        if refused {
            self.refused.fetch_add(1, Ordering::Relaxed);
        } else {
            self.refused.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
