//! A download of a package or a result.

use std::fmt;

use defender_model::{ActionId, DownloadLink, Sha256};

use crate::{
    ActionHandle, DefenderClient, Error, ErrorKind, Request,
    client::call::Call,
    files::{
        file_name,
        link::{LinkKind, ResultKind, result_kind},
    },
    submit::record::read_call,
};

/// Default of the size limit, in bytes.
const LIMIT: u64 = 16 << 30;

impl ActionHandle {
    /// Returns the download of the investigation package that the action collected. Nothing is sent.
    ///
    /// Permission: `Machine.Read.All` or `Machine.ReadWrite.All`, for a user `Machine.CollectForensics`. Quota: 2 calls a minute and 120
    /// an hour. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-package-sas-uri>.
    ///
    /// ```no_run
    /// # use defender_actions::DefenderClient;
    /// # async fn example(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let collected = defender.machine("m1".parse()?).collect_investigation_package("Ticket 4711").await?;
    /// collected.wait().await?;
    /// let saved = defender.action(collected.id().clone()).package().save_as("package.zip").await?;
    /// println!("{} bytes, SHA-256 {}", saved.size(), saved.sha256());
    /// # Ok(())
    /// # }
    /// ```
    pub fn package(&self) -> Download {
        Download::new(self.client.clone(), self.id.clone(), LinkKind::Package)
    }
}

/// Download of a package or a result. Nothing is sent until one of its methods is awaited or its stream is polled.
///
/// Bytes are handed on as they arrive; the file is never held in memory as a whole. After a broken connection the download resumes at
/// the same byte. An expired link is renewed. A file that was replaced during the download is [`Corrupt`](ErrorKind::Corrupt). The
/// store behind the link gets no token, is accessed over https only, and may not redirect.
///
/// A download of an action that is still running is [`NotReady`](ErrorKind::NotReady).
///
/// ```no_run
/// use defender_actions::{DefenderClient, model::ActionId};
/// use futures_util::TryStreamExt;
///
/// # async fn example(defender: DefenderClient, id: ActionId) -> Result<(), Box<dyn std::error::Error>> {
/// let package = defender.action(id.clone()).package().limit(2 << 30);
/// let saved = package.progress(|progress| println!("{} bytes", progress.received)).save_as("package.zip").await?;
/// println!("{} bytes, SHA-256 {}", saved.size(), saved.sha256());
///
/// let mut chunks = defender.action(id).package().into_stream();
/// while let Some(chunk) = chunks.try_next().await? {
///     println!("{} bytes more", chunk.len());
/// }
/// # Ok(())
/// # }
/// ```
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
    pub(crate) overwrites: bool,
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
    let (kind, record) = result_kind(client, action, index).await?;
    let why = match (needs, kind) {
        (Some(ResultKind::File), ResultKind::Transcript) => "the result of the command is a transcript, and not a file",
        (Some(ResultKind::Transcript), ResultKind::File) => "the result of the command is a file, and not a transcript",
        // An unknown result may be either.
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::NoResult).context(source.context(action)).with_action(Some(record)).caused_by(why))
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
