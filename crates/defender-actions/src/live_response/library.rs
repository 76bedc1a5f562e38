//! The live response library.

use std::time::Duration;

use bytes::Bytes;
use defender_model::{LibraryFile, percent_encode, read_json};
use defender_transport::extensions::Idempotency;
use http::HeaderValue;

use crate::{
    BoxFuture, DefenderClient, Error, ErrorKind, List, Request,
    client::{
        call::Call,
        call_note::CallNote,
        operation::Operation,
        response_author::{Content, is_own_not_found},
    },
    live_response::multipart::Form,
};

const PATH: &str = "/libraryfiles";

impl DefenderClient {
    /// Returns the live response library: the scripts that can be run on machines and the files that can be put there. Nothing is
    /// sent.
    #[must_use]
    pub fn library(&self) -> Library {
        Library::new(self.clone())
    }
}

/// Live response library of the tenant. Nothing is sent until a request is awaited or a stream is polled.
///
/// Permission: `Library.Manage`.
///
/// ```no_run
/// use defender_actions::DefenderClient;
///
/// # async fn example(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
/// let script = std::fs::read("collect.ps1")?;
/// let file = defender.library().upload("collect.ps1", script).description("Collects logs").override_if_exists().await?;
/// println!("{} has the hash {:?}", file.file_name, file.sha256);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Library {
    client: DefenderClient,
}

impl Library {
    pub(crate) fn new(client: DefenderClient) -> Self {
        Self { client }
    }

    /// Returns the list of the files, without their contents.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/list-library-files>.
    pub fn files(&self) -> List<LibraryFile> {
        List::library(self.client.clone())
    }

    /// Uploads a file of 20 MB at most. A larger file is refused before anything is sent.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/upload-library>.
    pub fn upload(&self, file_name: impl Into<String>, content: impl Into<Bytes>) -> Upload {
        Upload {
            client: self.client.clone(),
            file_name: file_name.into(),
            content: content.into(),
            description: None,
            parameters_description: None,
            has_parameters: false,
            override_if_exists: false,
            timeout: None,
        }
    }

    /// Deletes a file. A missing file is [`NotFound`](ErrorKind::NotFound), unless an earlier attempt of the same call may have deleted
    /// it.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/delete-library>.
    pub fn delete(&self, file_name: impl Into<String>) -> Request<()> {
        let file_name = file_name.into();
        let call = match checked(&file_name) {
            Ok(()) => {
                let path = format!("{PATH}/{}", percent_encode(&file_name));
                Ok(Call::new(Operation::DELETE_FILE, path))
            }
            Err(why) => Err(Error::new(ErrorKind::Request).context("DELETE /libraryfiles/{fileName}").caused_by(why)),
        };
        Request::new(&self.client, call, |client, call| async move {
            let note = CallNote::expecting(Content::Nothing);
            match client.inner().call_with_note(&call, &note, |_nothing| Ok(())).await {
                // An earlier attempt with a lost response has deleted the file. A refused or unsent attempt has not.
                Err(error) if error.problem().is_some_and(is_own_not_found) && note.maybe_processed() => Ok(()),
                deleted => deleted,
            }
        })
    }
}

/// Largest file that the service accepts: <https://learn.microsoft.com/en-us/defender-endpoint/api/upload-library>.
const LARGEST: usize = 20 << 20;

/// Checks that the name can be part of a form and of a path.
fn checked(name: &str) -> Result<(), String> {
    let why = match name {
        _ if name.trim().is_empty() => "is blank",
        "." | ".." => "could be taken for a path",
        _ if name.contains(['/', '\\']) => "could be taken for a path",
        _ if name.chars().any(char::is_control) => "has a control character",
        _ if name.chars().count() > 255 => "is longer than 255 characters",
        _ => return Ok(()),
    };
    let shown: String = name.chars().take(255).collect();
    Err(format!("`{}` is not a file name: it {why}", shown.escape_debug()))
}

/// Upload of a file. Nothing is sent before it is awaited.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until this is awaited"]
pub struct Upload {
    client: DefenderClient,
    file_name: String,
    content: Bytes,
    description: Option<String>,
    parameters_description: Option<String>,
    has_parameters: bool,
    override_if_exists: bool,
    timeout: Option<Duration>,
}

impl Upload {
    /// Sets the description of the file.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Marks the file as a script with parameters, and describes them.
    pub fn parameters(mut self, description: impl Into<String>) -> Self {
        self.parameters_description = Some(description.into());
        self.has_parameters = true;
        self
    }

    /// Replaces an existing file of this name. Without this, the service refuses the upload of an existing name with 400.
    pub fn override_if_exists(mut self) -> Self {
        self.override_if_exists = true;
        self
    }

    /// Sets the time limit of the call, queue and retries included. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request: the same as awaiting it, as a future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`].
    ///
    /// - [`TooLarge`](ErrorKind::TooLarge): the file is larger than 20 MB; nothing was sent.
    /// - [`Refused`](ErrorKind::Refused): the file exists, and [`override_if_exists`](Self::override_if_exists) is not set.
    /// - [`OutcomeUnknown`](ErrorKind::OutcomeUnknown): the response was lost, and `override_if_exists` is not set.
    ///   [`Library::files`] shows the outcome.
    pub fn send(self) -> impl Future<Output = Result<LibraryFile, Error>> + Send + 'static {
        async move {
            let what = || format!("POST {PATH}");
            let refused = |kind, why: String| Error::new(kind).context(what()).not_sent().caused_by(why);
            checked(&self.file_name).map_err(|why| refused(ErrorKind::Request, why))?;
            if self.content.len() > LARGEST {
                let why =
                    format!("the file has {} bytes, and the service accepts {LARGEST} at most", self.content.len());
                return Err(refused(ErrorKind::TooLarge, why));
            }
            let mut form = Form::new().file("File", &self.file_name, &self.content);
            for (name, value) in [
                ("Description", self.description.as_deref()),
                ("ParametersDescription", self.parameters_description.as_deref()),
                // Both are left out if false: by the page, the default of the one is an empty string, and the other is in the sample
                // only.
                ("HasParameters", self.has_parameters.then_some("true")),
                ("OverrideIfExists", self.override_if_exists.then_some("true")),
            ] {
                if let Some(value) = value {
                    form = form.text(name, value);
                }
            }
            let (content_type, body) = form.encode();
            let content_type = HeaderValue::try_from(content_type)
                .map_err(|source| Error::new(ErrorKind::Request).context(what()).caused_by(source))?;
            // Without `override_if_exists`, a second attempt would find the file of the first one and fail.
            let idempotency =
                if self.override_if_exists { Idempotency::Idempotent } else { Idempotency::NonIdempotent };
            let operation = Operation { idempotency, ..Operation::UPLOAD };
            let (path, body) = (PATH.to_owned(), Some(body.into()));
            let call = Call { operation, path, timeout: self.timeout, body, intent: None };
            self.client.inner().call_with(call, content_type, read_json).await
        }
    }
}

impl IntoFuture for Upload {
    type Output = Result<LibraryFile, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
