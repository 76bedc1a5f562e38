//! A download of a package or a result.

use std::{fmt, future::poll_fn, io, path::PathBuf, pin::Pin};

use bytes::Bytes;
use defender_model::{ActionId, DownloadLink};
use futures_util::stream;
use tokio::io::AsyncWrite;

use crate::{
    BoxStream, DefenderClient, Error, ErrorKind, Request, Sha256,
    client::call::Call,
    files::{
        chunks::DecodedChunks,
        file_name,
        link::{LinkKind, ResultKind, result_kind},
        partial_file::{PartialFile, write_all},
    },
    submit::record::read_call,
};

/// Default of the size limit, in bytes.
const LIMIT: u64 = 16 << 30;

/// Download of a package or a result. Nothing is sent until one of its methods is awaited or its stream is polled.
///
/// Bytes are handed on as they arrive; the file is never held in memory as a whole. After a broken connection the download resumes at
/// the same byte. An expired link is renewed. A file that was replaced during the download is [`Corrupt`](ErrorKind::Corrupt). The
/// store behind the link gets no token, is accessed over https only, and may not redirect.
///
/// A download of an action that is still running is [`NotReady`](ErrorKind::NotReady).
#[must_use = "nothing is sent until the download is awaited or polled"]
pub struct Download {
    pub(crate) client: DefenderClient,
    pub(crate) action: ActionId,
    pub(crate) source: LinkKind,
    /// Required kind of result.
    needs: Option<ResultKind>,
    pub(crate) unpacks: bool,
    pub(crate) limit: u64,
    pub(crate) expected: Option<Sha256>,
    overwrites: bool,
    pub(crate) progress: Option<Box<dyn FnMut(Progress) + Send>>,
}

/// Progress of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes received from the store.
    pub received: u64,
    /// Size of the file, if the store states it.
    pub total: Option<u64>,
}

impl Download {
    pub(crate) fn new(client: DefenderClient, action: ActionId, source: LinkKind) -> Self {
        Self {
            client,
            action,
            source,
            needs: None,
            unpacks: false,
            limit: LIMIT,
            expected: None,
            overwrites: false,
            progress: None,
        }
    }

    /// Requires a result of this kind.
    pub(crate) fn needing(mut self, needs: Option<ResultKind>) -> Self {
        self.needs = needs;
        self
    }

    /// Unpacks a gzip, if the file is one.
    pub(crate) fn unpacked(mut self) -> Self {
        self.unpacks = true;
        self
    }

    /// Sets the size limit, of the received and of the unpacked bytes separately. A larger file is
    /// [`TooLarge`](ErrorKind::TooLarge). Default: 16 GiB.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Sets the expected hash of the bytes that are handed on or written. Another hash is [`Corrupt`](ErrorKind::Corrupt), and no file
    /// remains.
    pub fn expect_sha256(mut self, hash: Sha256) -> Self {
        self.expected = Some(hash);
        self
    }

    /// Sets a function that is called for each chunk that arrives.
    pub fn progress(mut self, report: impl FnMut(Progress) + Send + 'static) -> Self {
        self.progress = Some(Box::new(report));
        self
    }

    /// Allows [`save_as`](Self::save_as) to replace an existing file.
    pub fn overwrite(mut self) -> Self {
        self.overwrites = true;
        self
    }

    /// Requests the link alone, for another tool. The link is valid for a short time. Everybody who has the link can download the file,
    /// so keep it secret. Never send a token with it.
    ///
    /// For the result of a command, the action's record is read first, and [`request`](Request::request) returns that read.
    pub fn link(self) -> Request<DownloadLink> {
        let Self { client, action, source, needs, .. } = self;
        let first = match source {
            LinkKind::Package => source.call(&action),
            LinkKind::Result(_) => read_call(&action),
        };
        Request::new(&client, Ok(first), move |client, Call { timeout, .. }| async move {
            check(&client, &action, source, needs).await?;
            source.link(&client, &action, timeout).await
        })
    }

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

    /// Checks that the command can have such a result, before the result is requested.
    // `&mut self`, since the progress function is `Send` and need not be `Sync`.
    pub(crate) async fn check(&mut self) -> Result<(), Error> {
        check(&self.client, &self.action, self.source, self.needs).await
    }
}

async fn check(
    client: &DefenderClient,
    action: &ActionId,
    source: LinkKind,
    needs: Option<ResultKind>,
) -> Result<(), Error> {
    let LinkKind::Result(index) = source else { return Ok(()) };
    let kind = result_kind(client, action, index).await?;
    let name = |kind| match kind {
        ResultKind::Transcript => "a transcript",
        ResultKind::File => "a file",
        ResultKind::Unknown => "an unknown result",
    };
    match needs {
        Some(needs) if needs != kind => {
            let why = format!("the result of the command is {}, and not {}", name(kind), name(needs));
            Err(Error::new(ErrorKind::NoResult).context(source.context(action)).caused_by(why))
        }
        _ => Ok(()),
    }
}

/// Size, hash and name of a downloaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
    /// Name as received from the machine.
    pub(crate) name: Option<String>,
}

impl Downloaded {
    /// Returns the number of bytes that were handed on or written.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the hash of these bytes.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// Returns the sanitized name of the file on the machine: a name without a path that is neither hidden nor reserved. `None` if the
    /// file had no name, or nothing of it remains.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        self.name.as_deref().and_then(file_name::sanitize_file_name)
    }

    /// Returns the name as received from the machine. It may be a path to another folder or have control characters. Keep it as evidence,
    /// and never open a file by it.
    #[must_use]
    pub fn untrusted_name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("action", &self.action)
            .field("source", &self.source)
            .field("limit", &self.limit)
            .field("expected", &self.expected)
            .field("overwrites", &self.overwrites)
            .finish_non_exhaustive()
    }
}
