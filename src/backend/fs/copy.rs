//! Copy: a second name for the same bytes, which nothing ever changes.

use std::io;

use super::{Store, create};
use crate::backend::{BackendError, Create, Key};

impl Store {
    pub(super) fn copy(&self, from: &Key, to: &Key) -> Result<Create, BackendError> {
        let (path, mut source) = self.open(from)?;
        self.publish(to, |drafts, folder, name| match create::link(&path, folder, name) {
            Ok(outcome) => Ok(outcome),
            // The source was deleted in the meantime.
            Err(_) if !path.exists() => Err(BackendError::NotFound(from.clone())),
            // No hard links here, or no more for this file: then the bytes.
            Err(_) => {
                let draft = drafts.write(|file| io::copy(&mut source, file).map(drop))?;
                draft.publish(folder, name)
            }
        })
    }
}
