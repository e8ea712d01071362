//! The body of a request that closes an upload.

use bytes::Bytes;

use super::BodySource;
use super::writer::Writer;
use crate::oci::{Namespace, UploadRange};
use crate::registry::{Error, Registry};

/// A body, and the writer that takes it.
pub(super) struct Incoming<'a> {
    pub writer: Writer,
    /// Which bytes of the upload the client says it sends.
    pub range: Option<UploadRange>,
    body: &'a mut dyn BodySource,
    /// The first piece: whether there is a body at all decides what the request means.
    first: Option<Bytes>,
    received: u64,
    has_ended: bool,
}

impl<'a> Incoming<'a> {
    /// Waits for the first piece.
    pub async fn new(
        registry: &Registry,
        namespace: &Namespace,
        body: &'a mut dyn BodySource,
        range: Option<UploadRange>,
    ) -> Result<Self, Error> {
        let mut writer = Writer::new(registry, namespace);
        let first = writer.receive(body).await?;
        let has_ended = first.is_none();
        Ok(Self { writer, range, body, first, received: 0, has_ended })
    }

    /// Whether there is nothing to come.
    pub fn is_empty(&self) -> bool {
        self.has_ended
    }

    /// Whether the body begins with the first byte of the blob.
    pub fn is_whole(&self) -> bool {
        !self.has_ended && self.range.is_none_or(|range| range.first == 0)
    }

    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let piece = match self.first.take() {
            Some(first) => Some(first),
            None if self.has_ended => None,
            None => self.writer.receive(self.body).await?,
        };
        self.has_ended = piece.is_none();
        self.received += piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(piece)
    }

    /// Whether as much arrived as the client said.
    pub fn check_length(&self) -> Result<(), Error> {
        match self.range.map(UploadRange::length) {
            Some(expected) if expected != self.received => {
                Err(Error::SizeMismatch { expected, actual: self.received })
            }
            _ => Ok(()),
        }
    }
}
