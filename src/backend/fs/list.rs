//! List: the keys below the root in byte order, reading only the folders that a page needs.

use std::fs::DirEntry;
use std::path::Path;
use std::{fs, io};

use super::{LOCK, TMP, is_absence, refusal};
use crate::backend::{BackendError, Key};

/// Keys that begin with `prefix` and are greater than `after`, at most `limit`, in byte order. Whatever is no object
/// (foreign names, links, pipes, the store's own files) is passed over.
///
/// Names only ever appear and disappear, none is changed, so one that is there all the time is never missed.
pub(super) fn list(root: &Path, prefix: &str, after: &str, limit: usize) -> Result<Vec<Key>, BackendError> {
    let page = Page { root, prefix, after };
    let folder = prefix.rfind('/').map_or("", |end| &prefix[..=end]);
    let mut keys = Vec::new();
    if limit == 0 || !(folder.is_empty() || is_object_name(folder)) {
        return Ok(keys);
    }
    // What is still to be visited, the next on top.
    let mut waiting = page.read(folder)?;
    while let Some(entry) = waiting.pop() {
        if entry.ends_with('/') {
            waiting.append(&mut page.read(&entry)?);
        } else if let Ok(key) = Key::new(entry) {
            keys.push(key);
        }
        if keys.len() == limit {
            break;
        }
    }
    Ok(keys)
}

struct Page<'a> {
    root: &'a Path,
    prefix: &'a str,
    after: &'a str,
}

impl Page<'_> {
    /// What `folder` (empty, or ending in `/`) holds for this page, last first. Folders end in `/`: so they sort among
    /// files as the keys below them do (`app!` before `app/sub!`).
    fn read(&self, folder: &str) -> Result<Vec<String>, BackendError> {
        let path = self.root.join(folder);
        let mut entries = match fs::read_dir(&path) {
            Ok(entries) => self.select(folder, entries),
            Err(error) => Err(error),
        }
        .or_else(|error| if is_absence(&error) { Ok(Vec::new()) } else { Err(refusal(&path, error)) })?;
        entries.sort_unstable_by(|a, b| b.cmp(a));
        Ok(entries)
    }

    fn select(&self, folder: &str, entries: fs::ReadDir) -> io::Result<Vec<String>> {
        let mut selected = Vec::new();
        for entry in entries {
            if let Some(name) = name_below(folder, &entry?)?
                && self.needs(&name)
            {
                selected.push(name);
            }
        }
        Ok(selected)
    }

    /// Whether this object, or a key below this folder, can be on the page.
    fn needs(&self, entry: &str) -> bool {
        let is_folder = entry.ends_with('/');
        let has_prefix = entry.starts_with(self.prefix) || is_folder && self.prefix.starts_with(entry);
        let is_after = entry > self.after || is_folder && self.after.starts_with(entry);
        has_prefix && is_after
    }
}

/// The key of an object in `folder`, or the same of a folder with `/` at its end; nothing for what is neither.
fn name_below(folder: &str, entry: &DirEntry) -> io::Result<Option<String>> {
    let Ok(name) = entry.file_name().into_string() else { return Ok(None) };
    if folder.is_empty() && (name == LOCK || name == TMP) {
        return Ok(None);
    }
    let kind = match entry.file_type() {
        Ok(kind) => kind,
        // Deleted since the folder was read.
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let end = if kind.is_dir() { "/" } else { "" };
    let full = format!("{folder}{name}{end}");
    Ok(((kind.is_file() || kind.is_dir()) && is_object_name(&full)).then_some(full))
}

/// Whether `name` is a key, or with its `/` at the end the beginning of one.
fn is_object_name(name: &str) -> bool {
    Key::new(name.strip_suffix('/').unwrap_or(name)).is_ok()
}
