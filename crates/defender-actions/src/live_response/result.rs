//! What a live response command left behind.

use std::{fmt, future::ready, sync::Arc};

use bytes::BytesMut;
use defender_model::{ActionId, Transcript, sanitize_terminal};
use futures_util::{
    TryStreamExt,
    future::{Either, select},
};

use crate::{
    Ask, DefenderClient, Download, Error, ErrorKind,
    files::link::{LinkKind, ResultKind},
};

/// The most that is read of a transcript.
const TRANSCRIPT: u64 = 16 << 20;

/// What a live response command left behind: a script's transcript, or a file. A `PutFile` leaves nothing, which is
/// [`NoResult`](ErrorKind::NoResult) before the result is asked for; the action's record says what each command is.
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

    /// What the script said, of a `RunScript`.
    pub fn transcript(&self) -> Ask<ScriptResult> {
        let download = self.download().needing(Some(ResultKind::Transcript)).unpacked().limit(TRANSCRIPT);
        let what = LinkKind::Result(self.index).words(&self.action);
        let clock = Arc::clone(&self.client.inner().clock);
        Ask::new(move |timeout| async move {
            let whole = download.into_stream().try_fold(BytesMut::new(), |mut all, piece| {
                all.extend_from_slice(&piece);
                ready(Ok(all))
            });
            let all = match timeout {
                None => whole.await?,
                Some(timeout) => match select(Box::pin(whole), clock.sleep(timeout)).await {
                    Either::Left((whole, _)) => whole?,
                    Either::Right(_) => {
                        let why = format!("it did not come within {timeout:?}");
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

    /// The file, of a `GetFile`, as it was on the machine: the store has it as gzip with its name inside, which is taken off.
    ///
    /// [`Downloaded::file_name`](crate::Downloaded::file_name) is that name, made harmless. Hash and limit are of the file itself; what
    /// unpacks to more than the limit is [`TooLarge`](ErrorKind::TooLarge).
    pub fn file(&self) -> Download {
        self.download().needing(Some(ResultKind::File)).unpacked()
    }

    /// What is stored, as it is stored, of whatever command.
    pub fn stored(&self) -> Download {
        self.download()
    }

    fn download(&self) -> Download {
        Download::new(self.client.clone(), self.action.clone(), LinkKind::Result(self.index))
    }
}

/// What a script of live response said, fit to be shown.
///
/// Its text comes from the machine, so it is whatever somebody wants you to read. Here it is without NULs, without what acts on a
/// terminal and without characters that turn the direction of writing; [`raw`](Self::raw) has it as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptResult {
    transcript: Transcript,
}

impl ScriptResult {
    /// The script's name.
    #[must_use]
    pub fn script_name(&self) -> String {
        shown(self.transcript.script_name.as_deref())
    }

    /// What it ended with. The action's `Succeeded` says that it ran, and this whether it went well.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.transcript.exit_code
    }

    /// What it printed.
    #[must_use]
    pub fn output(&self) -> String {
        shown(self.transcript.script_output.as_deref())
    }

    /// What it printed as errors.
    #[must_use]
    pub fn errors(&self) -> String {
        shown(self.transcript.script_errors.as_deref())
    }

    /// All of it as it came: escape it before you print it.
    #[must_use]
    pub fn raw(&self) -> &Transcript {
        &self.transcript
    }
}

fn shown(text: Option<&str>) -> String {
    text.map(sanitize_terminal).unwrap_or_default()
}

impl fmt::Display for ScriptResult {
    /// What it printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.output())
    }
}
