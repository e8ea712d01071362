//! A file, or memory, as the body of an upload: opened anew for each attempt.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
use tokio::io::AsyncReadExt as _;

use super::super::body::{ByteStream, PIECE, Source};
use super::super::error::ClientError;
use super::open;
use crate::oci::{Algorithm, Digest, Hasher};

/// A regular file whose digest and length were taken.
#[derive(Clone, Debug)]
pub struct FileSource {
    pub path: PathBuf,
    pub digest: Digest,
    pub length: u64,
    /// When it was last written, in seconds since 1970.
    pub modified: i64,
}

impl FileSource {
    /// Reads the file once, in pieces.
    pub fn of(path: &Path) -> Result<Self, ClientError> {
        let mut file = open(path)?;
        let failed = |why| ClientError::file("read", path, why);
        let metadata = file.metadata().map_err(failed)?;
        let (mut hasher, mut length) = (Hasher::new(Algorithm::Sha256), 0);
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece).map_err(failed)? {
                0 => break,
                read => {
                    hasher.update(&piece[..read]);
                    length += read as u64;
                }
            }
        }
        let (digest, modified) = (hasher.finish(), metadata.mtime());
        Ok(Self { path: path.to_owned(), digest, length, modified })
    }
}

impl Source for FileSource {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self) -> BoxFuture<'_, Result<ByteStream, ClientError>> {
        Box::pin(async {
            let file = open(&self.path)?;
            let file = tokio::fs::File::from_std(file).take(self.length);
            let pieces = stream::try_unfold(file, |mut file| async move {
                let mut piece = Vec::with_capacity(PIECE);
                (&mut file).take(PIECE as u64).read_to_end(&mut piece).await?;
                let more = (!piece.is_empty()).then(|| (Bytes::from(piece), file));
                Ok::<_, io::Error>(more)
            });
            Ok(pieces.boxed())
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_is_opened_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..PIECE * 2 + 7).map(|i| i as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let source = FileSource::of(&path).unwrap();
        assert_eq!((source.digest.clone(), source.length), (Digest::sha256(&content), content.len() as u64));
        for _ in 0..2 {
            let pieces: Vec<Bytes> = source.open().await.unwrap().try_collect().await.unwrap();
            assert_eq!(pieces.concat(), content);
        }
    }
}
