//! The bytes of a download: as a stream, into a writer, or into a file.

use std::{future::poll_fn, io, path::PathBuf, pin::Pin};

use bytes::Bytes;
use futures_util::stream;
use tokio::io::AsyncWrite;

use crate::{
    BoxStream, Download, Downloaded, Error, ErrorKind,
    files::{
        chunks::DecodedChunks,
        partial_file::{PartialFile, write_all},
    },
};

impl Download {
    /// Streams the bytes, in chunks of any size. An error is the last item.
    ///
    /// The hash is known at the end only. With [`expect_sha256`](Self::expect_sha256), do not trust the bytes before the stream has ended
    /// without an error.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn into_stream(self) -> BoxStream<Result<Bytes, Error>> {
        let chunks = stream::try_unfold(DecodedChunks::of(self), |mut chunks| async move {
            Ok(chunks.next().await?.map(|chunk| (chunk, chunks)))
        });
        Box::pin(chunks)
    }

    /// Writes the bytes to `writer` as they arrive, and flushes it at the end. Bytes that were written before an error stay written.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]; [`Io`](ErrorKind::Io): the writer failed.
    pub async fn write_to<W: AsyncWrite + Unpin + Send>(self, mut writer: W) -> Result<Downloaded, Error> {
        let mut chunks = DecodedChunks::of(self);
        let broken = |source: io::Error| Error::new(ErrorKind::Io).context("the writer").caused_by(source);
        while let Some(chunk) = chunks.next().await? {
            write_all(&mut writer, chunk).await.map_err(broken)?;
        }
        poll_fn(|context| Pin::new(&mut writer).poll_flush(context)).await.map_err(broken)?;
        Ok(chunks.downloaded())
    }

    /// Saves the bytes as the file `path`, in an existing folder.
    ///
    /// The bytes are written to a temporary file in the same folder. It gets its final name when it is complete and its hash is the
    /// expected one. An existing file is not replaced, unless [`overwrite`](Self::overwrite) is set. After an error, and after the future
    /// was dropped, no file remains. On Unix only the user may read the file. This method needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]; [`Io`](ErrorKind::Io): the file cannot be written, or exists already.
    pub fn save_as(self, path: impl Into<PathBuf>) -> impl Future<Output = Result<Downloaded, Error>> + Send + 'static {
        let path = path.into();
        async move {
            let overwrites = self.overwrites;
            let shown = path.display().to_string();
            let broken =
                |source: io::Error| Error::new(ErrorKind::Io).context(format!("the file `{shown}`")).caused_by(source);
            let mut file = PartialFile::beside(path.clone(), overwrites).await.map_err(broken)?;
            let mut chunks = DecodedChunks::of(self);
            while let Some(chunk) = chunks.next().await? {
                file.write(chunk).await.map_err(broken)?;
            }
            file.complete(overwrites).await.map_err(broken)?;
            Ok(chunks.downloaded())
        }
    }
}
