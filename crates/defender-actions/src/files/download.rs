//! What an action brought home, piece by piece.

use std::{fmt, future::poll_fn, io, path::PathBuf, pin::Pin};

use bytes::Bytes;
use defender_model::{ActionId, DownloadLink};
use futures_util::stream;
use tokio::io::AsyncWrite;

use crate::{
    Ask, BoxStream, DefenderClient, Error, ErrorKind, Sha256,
    files::{
        chunks::DecodedChunks,
        file_name,
        link::{LinkKind, ResultKind, leaves},
        partial_file::{PartialFile, write_all},
    },
};

/// The most that is downloaded unless more is allowed.
const LIMIT: u64 = 16 << 30;

/// A download that is about to begin. Nothing is sent before its bytes are asked for.
///
/// Bytes are handed on as they come and never held as a whole. A connection that breaks is taken up again where it broke, and
/// a link that is over is asked for anew; a file that was replaced meanwhile is [`Corrupt`](ErrorKind::Corrupt). The store behind the
/// link gets no token, is spoken to over https only, and may not lead on to elsewhere.
///
/// While the action goes on it is [`NotReady`](ErrorKind::NotReady).
#[must_use = "nothing is sent until its bytes are asked for"]
pub struct Download {
    pub(crate) client: DefenderClient,
    pub(crate) action: ActionId,
    pub(crate) source: LinkKind,
    /// What the command must leave behind for this to make sense.
    needs: Option<ResultKind>,
    pub(crate) unpacks: bool,
    pub(crate) limit: u64,
    pub(crate) expected: Option<Sha256>,
    overwrites: bool,
    pub(crate) progress: Option<Box<dyn FnMut(Progress) + Send>>,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many bytes have come from the store.
    pub received: u64,
    /// How many there are, where the store says so.
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

    /// Only where the command leaves this behind.
    pub(crate) fn needing(mut self, needs: Option<ResultKind>) -> Self {
        self.needs = needs;
        self
    }

    /// Takes off the gzip around it, if there is one.
    pub(crate) fn unpacked(mut self) -> Self {
        self.unpacks = true;
        self
    }

    /// The most bytes that are taken, of what comes and of what is unpacked from it, each for itself; beyond it is
    /// [`TooLarge`](ErrorKind::TooLarge). Default: 16 GiB.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// What the hash must be of what is handed on or written; another is [`Corrupt`](ErrorKind::Corrupt), and leaves no file behind.
    pub fn expect_sha256(mut self, hash: Sha256) -> Self {
        self.expected = Some(hash);
        self
    }

    /// Is told of each piece that comes.
    pub fn progress(mut self, told: impl FnMut(Progress) + Send + 'static) -> Self {
        self.progress = Some(Box::new(told));
        self
    }

    /// Lets [`save_as`](Self::save_as) replace a file that is there.
    pub fn overwrite(mut self) -> Self {
        self.overwrites = true;
        self
    }

    /// The link alone, for a tool of one's own. It is good for a short while, and whoever has it can download: keep it secret. Never
    /// send a token with it.
    pub fn link(mut self) -> Ask<DownloadLink> {
        Ask::new(move |timeout| async move {
            self.check().await?;
            self.source.link(&self.client, &self.action, timeout).await
        })
    }

    /// The bytes, in pieces of whatever size they come in. An error is the last item.
    ///
    /// The hash is known at the end only: with [`expect_sha256`](Self::expect_sha256), trust none of it before the stream has ended
    /// without an error.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn into_stream(self) -> BoxStream<Result<Bytes, Error>> {
        let pieces = stream::try_unfold(DecodedChunks::of(self), |mut pieces| async move {
            Ok(pieces.next().await?.map(|piece| (piece, pieces)))
        });
        Box::pin(pieces)
    }

    /// Writes the bytes to `writer` as they come, and flushes it at the end. What was written before an error stays written.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]; [`Io`](ErrorKind::Io) where the writer fails.
    pub async fn write_to<W: AsyncWrite + Unpin + Send>(self, mut writer: W) -> Result<Downloaded, Error> {
        let mut pieces = DecodedChunks::of(self);
        let broken = |source: io::Error| Error::new(ErrorKind::Io).context("the writer").caused_by(source);
        while let Some(piece) = pieces.next().await? {
            write_all(&mut writer, piece).await.map_err(broken)?;
        }
        poll_fn(|context| Pin::new(&mut writer).poll_flush(context)).await.map_err(broken)?;
        Ok(pieces.downloaded())
    }

    /// Saves the bytes as the file `path`, whose folder must be there: under another name beside it first, and under its own
    /// once all is there and its hash is the expected one. A file that is there already is left alone, unless
    /// [`overwrite`](Self::overwrite) was said. On an error, and where the future is dropped, nothing is left behind. On Unix only the
    /// user may read it. It needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]; [`Io`](ErrorKind::Io) where the file cannot be written or is there already.
    pub fn save_as(self, path: impl Into<PathBuf>) -> impl Future<Output = Result<Downloaded, Error>> + Send + 'static {
        let path = path.into();
        async move {
            let overwrites = self.overwrites;
            let shown = path.display().to_string();
            let broken =
                |source: io::Error| Error::new(ErrorKind::Io).context(format!("the file `{shown}`")).caused_by(source);
            let mut file = PartialFile::beside(path.clone(), overwrites).await.map_err(broken)?;
            let mut pieces = DecodedChunks::of(self);
            while let Some(piece) = pieces.next().await? {
                file.write(piece).await.map_err(broken)?;
            }
            file.complete(overwrites).await.map_err(broken)?;
            Ok(pieces.downloaded())
        }
    }

    /// Looks whether there can be such a result, before it is asked for.
    // Of `&mut self`, since what is told of the progress may be `Send` and not `Sync`.
    pub(crate) async fn check(&mut self) -> Result<(), Error> {
        let LinkKind::Result(index) = self.source else { return Ok(()) };
        let leaves = leaves(&self.client, &self.action, index).await?;
        let what = |leaves| match leaves {
            ResultKind::Transcript => "a transcript",
            ResultKind::File => "a file",
            ResultKind::Something => "something that is not known here",
        };
        match self.needs {
            Some(needs) if needs != leaves => {
                let why = format!("the command leaves {}, and {} is asked for", what(leaves), what(needs));
                Err(Error::new(ErrorKind::NoResult).context(self.source.words(&self.action)).caused_by(why))
            }
            _ => Ok(()),
        }
    }
}

/// What was downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
    /// As the machine gave it.
    pub(crate) name: Option<String>,
}

impl Downloaded {
    /// How many bytes were handed on or written.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hash of these bytes.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The name that the file had on the machine, made safe: one name and no path, without hidden or reserved ones. `None` where
    /// it had none, or nothing of it is left.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        self.name.as_deref().and_then(file_name::sanitize_file_name)
    }

    /// The name as the machine gave it, which may be anything: a path that leads elsewhere, control characters. To be kept as
    /// evidence, never to be opened.
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
