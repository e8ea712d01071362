//! Listing keys: several answers, without what other people have put into the bucket.

use std::io;

use super::error::Failure;
use super::{S3, SILENCE, attempts};
use crate::backend::{BackendError, HttpOperation, Key};

/// Keys that a service lists in one answer, at the most.
const PAGE: usize = 1_000;

struct Page {
    names: Vec<String>,
    more: bool,
}

impl S3 {
    pub(super) async fn list_all(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Key>, BackendError> {
        let mut keys = Vec::new();
        let Some(asked) = listable(prefix) else { return Ok(keys) };
        if after > prefix && !after.starts_with(prefix) {
            return Ok(keys);
        }
        let below = format!("{}{asked}", self.prefix);
        let mut last = match without_dots(after) {
            start if start > asked => format!("{}{start}", self.prefix),
            _ => String::new(),
        };
        while keys.len() < limit {
            let _turn = self.turn().await?;
            let wanted = (limit - keys.len()).min(PAGE);
            let page = attempts::harmless(&*self.clock, || self.list_once(&below, &last, wanted)).await?;
            let own = page.names.iter().filter_map(|name| name.strip_prefix(&self.prefix));
            let own = own.filter(|name| name.starts_with(prefix) && *name > after);
            keys.extend(own.filter_map(|name| Key::new(name).ok()));
            match page.names.into_iter().next_back() {
                Some(name) if page.more => last = name,
                _ => break,
            }
        }
        Ok(keys)
    }

    /// The objects after `after` in one answer, those of other people among them.
    async fn list_once(&self, prefix: &str, after: &str, limit: usize) -> Result<Page, Failure> {
        let request = self.client.list_objects_v2().bucket(&self.bucket);
        let request = request.prefix(prefix).max_keys(limit as i32);
        let request = request.set_start_after((!after.is_empty()).then(|| after.to_owned()));
        let answer = self.attempt(HttpOperation::List, None, SILENCE, request.send()).await?;
        let names = answer.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
        let names: Vec<_> = names.collect();
        match answer.is_truncated {
            Some(more) if !(more && names.is_empty()) => Ok(Page { names, more }),
            // Half an answer, or none of a service that lists: it says nothing of what is there.
            _ => Err(Failure::Unknown(io::ErrorKind::InvalidData.into())),
        }
    }
}

/// What to ask for to find the keys that begin with `prefix`; `None` when no key can. Some services refuse a prefix that
/// ends in a component `.` or `..`, even though it may be the beginning of another.
fn listable(prefix: &str) -> Option<&str> {
    let (folder, rest) = prefix.rsplit_once('/').map_or(("", prefix), |(folder, rest)| (folder, rest));
    let possible = |part: &str| part.is_empty() || Key::new(part).is_ok();
    let is_dots = matches!(rest, "." | "..");
    if prefix.starts_with('/') || !possible(folder) || !(possible(rest) || is_dots) {
        return None;
    }
    Some(if is_dots { &prefix[..prefix.len() - rest.len()] } else { prefix })
}

/// `after` up to its first component that is `.` or `..`, which some services refuse there as well.
fn without_dots(after: &str) -> &str {
    let mut end = 0;
    for part in after.split_inclusive('/') {
        if matches!(part, "." | ".." | "./" | "../") {
            break;
        }
        end += part.len();
    }
    &after[..end]
}
