//! `charthouse storage copy`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, path};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::BinaryBytes;
use thiserror::Error;

use super::progress::{Shown, name};
use crate::cli::client::output::{Output, note, table};
use crate::clock::{Clock, SystemClock};
use crate::config::{StorageUrl, Value as _};
use crate::journal::transfer::{self, Copied, Summary};
use crate::server;

/// More namespaces than these are told as a sum only.
const FEW: usize = 30;

#[derive(Args)]
pub struct Copy {
    /// The store to copy: a directory path or s3://bucket/prefix. It is only read, and may be in use
    #[arg(value_parser = store)]
    from: StorageUrl,
    /// Where to copy it: an empty place, or an earlier copy of FROM, finished or not
    #[arg(value_parser = store)]
    to: StorageUrl,
    /// Wait for another process to let go of TO, like 30s [default: 0s]
    #[arg(long, value_name = "DURATION", value_parser = Duration::read)]
    wait_for_lock: Option<Duration>,
    #[command(flatten)]
    output: Output,
}

/// FROM and TO do not go together.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Unfit(String);

impl Copy {
    pub async fn run(self) -> anyhow::Result<()> {
        let (from, to) = (self.from.write(), self.to.write());
        if overlap(&self.from, &self.to) {
            let why = format!("{from} and {to} are one place, or one lies in the other: name another TO");
            return Err(Unfit(why).into());
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let wait = self.wait_for_lock.unwrap_or_default();
        let source = server::open_for_reading(&self.from, Arc::clone(&clock)).await?;
        let (target, _) = server::open_backend(&self.to, wait, clock).await?;
        let shown = Shown::new();
        let copied = transfer::copy(source, target, &|event| shown.tell(event)).await;
        shown.end();
        let summary = copied.with_context(|| format!("cannot copy {from} to {to}"))?;
        self.output.write(&summary, text)?;
        advise(&summary)
    }
}

/// What else there is to say and to do.
///
/// # Errors
/// When something was not copied.
fn advise(summary: &Summary) -> anyhow::Result<()> {
    for copied in &summary.namespaces {
        for content in &copied.damaged {
            note(&format!("warning: {content} is damaged in FROM and was left out"));
        }
    }
    for failed in &summary.failed {
        note(&format!("namespace {} was not copied: {}", name(&failed.namespace), failed.reason));
    }
    if !summary.complete {
        let (failed, all) = (summary.failed.len(), summary.failed.len() + summary.namespaces.len());
        bail!("{failed} of {all} namespaces were not copied: TO is not complete, do not serve it");
    }
    if summary.namespaces.iter().any(|copied| copied.moved_on) {
        note(
            "FROM has received changes in the meantime. To catch up: stop the server over FROM, run the same",
        );
        note("command again (it sends only what is new), and start the server over TO.");
    }
    Ok(())
}

fn text(summary: &Summary) -> String {
    let namespaces = &summary.namespaces;
    let sum = |of: fn(&Copied) -> u64| namespaces.iter().map(of).sum::<u64>();
    let mut text = String::new();
    if namespaces.len() <= FEW && !namespaces.is_empty() {
        let row = |copied: &Copied| {
            let head = format!("{}{}", copied.head, if copied.moved_on { "+" } else { "" });
            let bytes = |n| BinaryBytes(n).to_string();
            let counts = [copied.commits.to_string(), copied.objects.to_string()];
            let [commits, objects] = counts;
            [name(&copied.namespace), head, commits, objects, bytes(copied.bytes), bytes(copied.verified)]
        };
        let rows: Vec<_> = namespaces.iter().map(row).collect();
        text = table(["NAMESPACE", "HEAD", "COMMITS", "OBJECTS", "COPIED", "VERIFIED"], &rows);
    }
    let (copied, verified) =
        (BinaryBytes(sum(|copied| copied.bytes)), BinaryBytes(sum(|copied| copied.verified)));
    text.push_str(&format!(
        "{} namespaces: {} commits and {} objects ({copied}) copied, {verified} of content verified\n",
        namespaces.len(),
        sum(|copied| copied.commits),
        sum(|copied| copied.objects),
    ));
    text
}

fn store(text: &str) -> Result<StorageUrl, String> {
    match StorageUrl::read(text)? {
        StorageUrl::Memory => {
            Err("memory: is of one process alone: there is nothing to copy, and nothing would stay"
                .to_owned())
        }
        url => Ok(url),
    }
}

/// Whether the stores are one, or one is in the place of the other.
fn overlap(from: &StorageUrl, to: &StorageUrl) -> bool {
    match (from, to) {
        (StorageUrl::Directory(from), StorageUrl::Directory(to)) => {
            let (from, to) = (resolved(from), resolved(to));
            from.starts_with(&to) || to.starts_with(&from)
        }
        (StorageUrl::S3(from), StorageUrl::S3(to)) => {
            (&from.endpoint, &from.bucket, &from.prefix) == (&to.endpoint, &to.bucket, &to.prefix)
        }
        _ => false,
    }
}

/// The path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let absolute = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real =
        |ancestor: &Path| Some(fs::canonicalize(ancestor).ok()?.join(absolute.strip_prefix(ancestor).ok()?));
    absolute.ancestors().find_map(real).unwrap_or_else(|| absolute.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_is_known_under_several_names() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| store(root.path().join(name).to_str().unwrap()).unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        std::os::unix::fs::symlink(root.path().join("a"), root.path().join("link")).unwrap();
        let cases = [
            ("a", "a", true),
            ("a", "link", true),
            ("a", "a/../a/", true),
            ("a", "a/new/store", true),
            ("link/store", "a", true),
            ("a", "b", false),
            ("a", "ab", false),
        ];
        for (from, to, expected) in cases {
            assert_eq!(overlap(&at(from), &at(to)), expected, "{from} {to}");
            assert_eq!(overlap(&at(to), &at(from)), expected, "{to} {from}");
        }
        let s3 = |text| store(text).unwrap();
        assert!(overlap(&s3("s3://bucket/a"), &s3("s3://bucket/a/?region=eu")));
        assert!(!overlap(&s3("s3://bucket/a"), &s3("s3://bucket/a?endpoint=https://other.example.com")));
        assert!(!overlap(&s3("s3://bucket/a"), &at("a")));
    }
}
