//! Copies a store to another backend while it is in use (docs/operations.md, "Moving a store").
//!
//! Data goes before the journal that names it, and `layout` last of all: without it no server opens the copy, and a
//! second run knows that it goes on with a first. Checkpoints and uploads under way stay behind. The source is only
//! read; what it gets during the copy is followed until there is nothing more.

mod bodies;
mod namespace;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use thiserror::Error;

use self::namespace::{Copying, SIDE_BY_SIDE};
use self::store::{Put, Store, Target};
use super::fold::FoldError;
use super::keys;
use super::layout::{Layout, OpenError};
use crate::backend::{Backend, BackendError, Key};
use crate::oci::Namespace;

/// Told how far the copy is.
pub type Tell<'a> = &'a (dyn Fn(Event<'_>) + Send + Sync);

/// Where a copy stands.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A namespace begins, the `position`-th of `of`.
    Namespace {
        namespace: &'a Namespace,
        position: usize,
        of: usize,
    },
    /// Content of so many bytes is verified next, and copied where it is missing.
    Data {
        bytes: u64,
    },
    Verified {
        bytes: u64,
    },
    /// So many commits follow.
    Journal {
        commits: u64,
    },
    Appended,
}

/// What a copy did.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// The target has all that the source had, and can be served.
    pub complete: bool,
    pub namespaces: Vec<Copied>,
    pub failed: Vec<Failed>,
}

/// A namespace that was copied. Objects, commits and bytes that were there already are not counted, but verified.
#[derive(Debug, Serialize)]
pub struct Copied {
    pub namespace: Namespace,
    /// The number of its newest commit.
    pub head: u64,
    pub commits: u64,
    pub objects: u64,
    pub bytes: u64,
    pub verified: u64,
    /// The source has newer commits by now.
    pub moved_on: bool,
    /// Content that the source itself knows to be damaged.
    pub damaged: Vec<String>,
}

/// A namespace that was not copied, or not to its end.
#[derive(Debug, Serialize)]
pub struct Failed {
    pub namespace: Namespace,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    From,
    To,
}

/// Why a copy was refused or given up.
#[derive(Debug, Error)]
pub enum TransferError {
    #[error(
        "FROM is no charthouse store: it has no object `layout` (a copy that has not finished has none either)"
    )]
    NoSource,
    #[error("FROM: {0}")]
    Layout(#[source] OpenError),
    #[error(
        "TO is another store, its object `layout` is not that of FROM: name an empty place or an earlier copy of FROM"
    )]
    AnotherStore,
    #[error("TO holds namespace `{}`, which FROM does not have: name an empty place or an earlier copy of FROM", .0.key())]
    AnotherNamespace(Namespace),
    #[error(
        "TO has a history of its own: commit {seq} of namespace `{}` is not that of FROM; name an empty place, or an \
         earlier copy of FROM that was not written since",
        namespace.key()
    )]
    OwnHistory { namespace: Namespace, seq: u64 },
    #[error("{side}: {source}; once that is mended run the same command again, it goes on where it was")]
    Store { side: Side, source: BackendError },
}

/// Why one namespace was not copied.
#[derive(Debug, Error)]
enum Problem {
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error("its journal is broken: {0}")]
    Broken(#[from] FoldError),
    #[error("its journal is broken: commit {missing} is missing, and commit {beyond} is there")]
    Gap { missing: u64, beyond: u64 },
    #[error(
        "bytes are missing or wrong in FROM, so the journal that names them was not copied: {}. Pull them once from the \
         server over FROM, which records the loss, or delete them there; then run this again", .0.join(", ")
    )]
    Lost(Vec<String>),
    #[error("object {0} of TO is not what FROM has: delete it there and run this again")]
    TargetDamaged(Key),
}

/// Copies the store in `from` to `to`, or goes on with a copy that is there.
///
/// # Errors
/// Those that end the whole copy; what concerns one namespace is in the summary.
pub async fn copy(
    from: Arc<dyn Backend>,
    to: Arc<dyn Backend>,
    tell: Tell<'_>,
) -> Result<Summary, TransferError> {
    let (source, target) = (Store::new(from, Side::From), Target::new(to));
    let layout = source.read(&keys::layout(), None).await?.ok_or(TransferError::NoSource)?;
    let chain = Layout::read(&layout).map_err(TransferError::Layout)?.chain();
    let was_whole = has_layout(&target, &layout).await?;
    refuse_strangers(&source, &target).await?;
    let markers = copy_markers(&source, &target).await?;

    let (mut summary, mut done) = (Summary::default(), BTreeSet::new());
    loop {
        // Namespaces that came while others were copied are copied as well.
        let all = namespaces(&source).await?;
        let new: Vec<&Namespace> = all.difference(&done).collect();
        if new.is_empty() {
            break;
        }
        for (at, namespace) in new.iter().enumerate() {
            tell(Event::Namespace { namespace, position: at + 1, of: new.len() });
            let copying = Copying {
                source: &source,
                target: &target,
                tell,
                chain,
                namespace,
                markers: &markers,
                in_order: was_whole,
            };
            match copying.run().await {
                Ok(copied) => summary.namespaces.push(copied),
                Err(Problem::Transfer(error)) => return Err(error),
                Err(problem) => {
                    let reason = problem.to_string();
                    summary.failed.push(Failed { namespace: (*namespace).clone(), reason });
                }
            }
        }
        done = all;
    }
    note_what_came_later(&source, &mut summary).await?;
    summary.complete = summary.failed.is_empty();
    if summary.complete && target.put(&keys::layout(), &layout).await? == Put::Other {
        return Err(TransferError::AnotherStore);
    }
    Ok(summary)
}

/// Whether the target was once a whole copy of the store with this layout.
async fn has_layout(target: &Target, layout: &Bytes) -> Result<bool, TransferError> {
    match target.read(&keys::layout(), None).await? {
        None => Ok(false),
        Some(there) if there == *layout => Ok(true),
        Some(_) => Err(TransferError::AnotherStore),
    }
}

/// What is there must have come from this source. (Namespaces never vanish from a store.)
async fn refuse_strangers(source: &Store, target: &Target) -> Result<(), TransferError> {
    let all = namespaces(source).await?;
    for namespace in namespaces(target).await? {
        if !all.contains(&namespace) {
            return Err(TransferError::AnotherNamespace(namespace));
        }
        let first = keys::commit(&namespace, 1);
        let there = target.read(&first, None).await?;
        if there.is_some() && there != source.read(&first, None).await? {
            return Err(TransferError::OwnHistory { namespace, seq: 1 });
        }
    }
    Ok(())
}

/// All namespaces of a store, found without a look at most of their objects.
async fn namespaces(store: &Store) -> Result<BTreeSet<Namespace>, TransferError> {
    let (mut found, mut after) = (BTreeSet::new(), String::new());
    loop {
        let (keys, more) = store.page(keys::NAMESPACES, &after).await?;
        for key in &keys {
            if key.as_str() <= after.as_str() {
                continue;
            }
            after = match keys::namespace_of(key) {
                Some(namespace) => {
                    let end = keys::end_of(&namespace);
                    found.insert(namespace);
                    end
                }
                None => key.as_str().to_owned(),
            };
        }
        if !more {
            return Ok(found);
        }
    }
}

/// Brings the catalog to the target, and gives it.
async fn copy_markers(source: &Store, target: &Target) -> Result<BTreeSet<Key>, TransferError> {
    let marker = |key: &Key| keys::marked(key).map(|_| key.clone());
    let all: BTreeSet<Key> = source.all(keys::CATALOG, marker).await?;
    let there: BTreeSet<Key> = target.all(keys::CATALOG, marker).await?;
    put_markers(target, all.difference(&there)).await?;
    Ok(all)
}

async fn put_markers(target: &Target, markers: impl Iterator<Item = &Key>) -> Result<(), TransferError> {
    let put = async |marker: &Key| target.put(marker, &Bytes::new()).await.map(drop);
    stream::iter(markers).map(put).buffer_unordered(SIDE_BY_SIDE).try_collect().await
}

/// Namespaces that were copied first may have got commits while others were copied.
async fn note_what_came_later(source: &Store, summary: &mut Summary) -> Result<(), TransferError> {
    for copied in &mut summary.namespaces {
        let next = keys::commit(&copied.namespace, copied.head + 1);
        copied.moved_on = source.read(&next, Some(0..1)).await?.is_some();
    }
    // Of a namespace in which no upload was ever finished there is nothing to tell.
    summary.namespaces.retain(|copied| copied.head > 0 || copied.moved_on);
    Ok(())
}

impl Copied {
    fn new(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.clone(),
            head: 0,
            commits: 0,
            objects: 0,
            bytes: 0,
            verified: 0,
            moved_on: false,
            damaged: Vec::new(),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::From => "FROM",
            Self::To => "TO",
        })
    }
}
