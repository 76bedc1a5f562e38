//! The result of a live response command.

use std::{fmt, future::ready, sync::Arc};

use bytes::BytesMut;
use defender_model::{ActionId, Transcript, sanitize_terminal};
use futures_util::{
    TryStreamExt,
    future::{Either, select},
};

use crate::{
    ActionHandle, DefenderClient, Download, Error, ErrorKind, Request,
    client::call::Call,
    files::link::{LinkKind, ResultKind},
    submit::record::read_call,
};

/// Largest transcript that is read, in bytes.
const TRANSCRIPT: u64 = 16 << 20;

impl ActionHandle {
    /// Returns the result of a live response command, by its index in the submitted commands, counted from 0. Nothing is sent.
    ///
    /// Permission: `Machine.Read.All` or `Machine.ReadWrite.All`, for a user `Machine.LiveResponse`. Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result>.
    #[must_use]
    pub fn result(&self, index: u32) -> LiveResponseResult {
        LiveResponseResult::new(self.client.clone(), self.id.clone(), index)
    }
}

/// Result of a live response command: the transcript of a script, or a file. A `PutFile` has no result
/// ([`NoResult`](ErrorKind::NoResult)). The action's record, which is read first, shows the type of each command.
#[derive(Clone, Debug)]
pub struct LiveResponseResult {
    client: DefenderClient,
    action: ActionId,
    index: u32,
}

impl LiveResponseResult {
    pub(crate) fn new(client: DefenderClient, action: ActionId, index: u32) -> Self {
        Self { client, action, index }
    }

    /// Downloads the transcript of a `RunScript`.
    ///
    /// Three requests are sent: for the action's record, which [`request`](Request::request) returns, for the link, and for the
    /// transcript.
    pub fn transcript(&self) -> Request<ScriptResult> {
        let result = self.clone();
        Request::new(&self.client, Ok(read_call(&self.action)), move |client, Call { timeout, .. }| async move {
            let download = result.download().needing(Some(ResultKind::Transcript)).unpacked().limit(TRANSCRIPT);
            let what = LinkKind::Result(result.index).context(&result.action);
            let clock = Arc::clone(&client.inner().clock);
            let whole = download.into_stream().try_fold(BytesMut::new(), |mut all, chunk| {
                all.extend_from_slice(&chunk);
                ready(Ok(all))
            });
            let all = match timeout {
                None => whole.await?,
                Some(timeout) => match select(Box::pin(whole), clock.sleep(timeout)).await {
                    Either::Left((whole, _)) => whole?,
                    Either::Right(_) => {
                        let why = format!("the transcript did not arrive within {timeout:?}");
                        return Err(Error::new(ErrorKind::Interrupted).context(what).caused_by(why));
                    }
                },
            };
            let transcript = Transcript::parse(&all).map_err(|source| {
                Error::new(ErrorKind::InvalidResponse).context(what).retryable(true).caused_by(source)
            })?;
            Ok(ScriptResult { transcript })
        })
    }

    /// Returns the download of the file of a `GetFile`, as it was on the machine. The store has the file as gzip, which is unpacked.
    ///
    /// [`Downloaded::file_name`](crate::Downloaded::file_name) is the sanitized name from the gzip. Hash and limit apply to the unpacked
    /// file; a file above the limit is [`TooLarge`](ErrorKind::TooLarge).
    pub fn file(&self) -> Download {
        self.download().needing(Some(ResultKind::File)).unpacked()
    }

    /// Returns the download of the stored bytes, of any command.
    pub fn stored(&self) -> Download {
        self.download()
    }

    fn download(&self) -> Download {
        Download::new(self.client.clone(), self.action.clone(), LinkKind::Result(self.index))
    }
}

/// Sanitized output of a live response script.
///
/// The text comes from the machine, so an attacker may have written it. It is returned without NULs, without terminal escape sequences
/// and without characters that change the direction of writing. [`raw`](Self::raw) returns it as received.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptResult {
    transcript: Transcript,
}

impl ScriptResult {
    /// Returns the name of the script.
    #[must_use]
    pub fn script_name(&self) -> String {
        sanitized(self.transcript.script_name.as_deref())
    }

    /// Returns the exit code. The action's `Succeeded` means that the script ran; the exit code shows if it succeeded.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.transcript.exit_code
    }

    /// Returns the standard output.
    #[must_use]
    pub fn output(&self) -> String {
        sanitized(self.transcript.script_output.as_deref())
    }

    /// Returns the error output.
    #[must_use]
    pub fn errors(&self) -> String {
        sanitized(self.transcript.script_errors.as_deref())
    }

    /// Returns the transcript as received. Sanitize it before you print it.
    #[must_use]
    pub fn raw(&self) -> &Transcript {
        &self.transcript
    }
}

fn sanitized(text: Option<&str>) -> String {
    text.map(sanitize_terminal).unwrap_or_default()
}

impl fmt::Display for ScriptResult {
    /// Writes the standard output.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.output())
    }
}
