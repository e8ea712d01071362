//! What tells a package that was refused from the one that is there: often it is the same chart, packed again.

use std::collections::BTreeMap;
use std::fmt;

use super::{Error, Registry};
use crate::chart::archive::{Limits, Package};
use crate::journal::Refusal;
use crate::oci::{Digest, RepositoryName, Tag};

/// Larger packages are not compared for a message, in bytes as they are stored and as they are unpacked.
const MAX_PACKED: u64 = 4 << 20;
const LIMITS: Limits = Limits { unpacked: 16 << 20, file: 5 << 20, entries: 10_000, depth: 16 };
/// How many files a message names.
const MAX_NAMED: usize = 3;

/// How two packages of one version differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repacked {
    /// All files are the same: only their times, their order or the compression are not.
    SameFiles,
    /// Files that only one has, or that differ.
    OtherFiles(Vec<Box<str>>),
}

impl fmt::Display for Repacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameFiles => f.write_str(
                "both packages have the same files, only times or packing differ, so nothing new would be stored: \
                 `charthouse push --skip-existing` passes over it",
            ),
            Self::OtherFiles(files) => {
                let named: Vec<String> = files.iter().take(MAX_NAMED).map(|path| path.escape_debug().to_string()).collect();
                write!(f, "the packages differ in {}", named.join(", "))?;
                if let Some(more @ 1..) = files.len().checked_sub(MAX_NAMED) {
                    write!(f, " and {more} more")?;
                }
                f.write_str(" (`charthouse push --skip-existing` passes over versions that are there)")
            }
        }
    }
}

impl Registry {
    /// Adds to the refusal of a version that is taken how its package differs from the one that is there, as far as that
    /// can be found out.
    pub(super) async fn explain(
        &self,
        repository: &RepositoryName,
        sent: Option<&Digest>,
        error: Error,
    ) -> Error {
        let (Error::Refused(refusal), Some(sent)) = (&error, sent) else { return error };
        let (Refusal::Immutable { tag, .. } | Refusal::Taken { tag, .. }) = refusal else { return error };
        match self.compare(repository, tag, sent).await {
            Some(how) => Error::Occupied { refusal: Box::new(refusal.clone()), how },
            None => error,
        }
    }

    async fn compare(&self, repository: &RepositoryName, tag: &Tag, sent: &Digest) -> Option<Repacked> {
        let state = self.state_of(repository).await.ok()?;
        let held = state.repository(repository)?.releases.get(tag)?.chart.package.clone();
        let (held, sent) =
            (self.all_files(repository, &held).await?, self.all_files(repository, sent).await?);
        let paths = held.keys().chain(sent.keys().filter(|path| !held.contains_key(*path)));
        let differing = paths.filter(|path| held.get(*path) != sent.get(*path));
        let mut differing: Vec<Box<str>> = differing.cloned().collect();
        differing.sort();
        Some(if differing.is_empty() { Repacked::SameFiles } else { Repacked::OtherFiles(differing) })
    }

    /// The files of a package by their paths, each by its digest; `None` when that is too much work for a message.
    async fn all_files(
        &self,
        repository: &RepositoryName,
        package: &Digest,
    ) -> Option<BTreeMap<Box<str>, Digest>> {
        let blob = self.blob(repository, package).await.ok().filter(|blob| blob.size() <= MAX_PACKED)?;
        let _turn = self.packages.turn().await.ok()?;
        let bytes = self.body(&blob.wanted, &blob.stored).await.ok()?;
        let read = tokio::task::spawn_blocking(move || {
            let package = Package::read_keeping(&bytes[..], &LIMITS, &|_| true).ok()?;
            let digest = |path: &str| Digest::sha256(package.content(path).unwrap_or_default());
            Some(package.files.iter().map(|file| (file.path.clone(), digest(&file.path))).collect())
        });
        read.await.ok()?
    }
}
