//! The live response library.

use std::time::Duration;

use bytes::Bytes;
use defender_model::{LibraryFile, read_json};
use defender_transport::extensions::Idempotency;
use http::{Extensions, HeaderValue};
use percent_encoding::utf8_percent_encode;

use crate::{
    Ask, BoxFuture, DefenderClient, Error, ErrorKind, List,
    client::{
        authored::MaybeProcessed,
        authorship::{Content, is_own_not_found},
        call::Call,
        operation::Operation,
    },
    live_response::multipart::Form,
    machines::RESERVED,
};

const PATH: &str = "/libraryfiles";

/// The live response library of the tenant. Nothing is sent until something is awaited or its stream is polled.
///
/// Needs the permission `Library.Manage`.
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

    /// The files, without their contents.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/list-library-files>.
    pub fn files(&self) -> List<LibraryFile> {
        List::library(self.client.clone())
    }

    /// Uploads a file under that name, of 20 MB at most; a larger one is refused before anything is sent.
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

    /// Deletes the file of that name. [`NotFound`](ErrorKind::NotFound) where there is none, unless an earlier attempt of the same
    /// call may have deleted it.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/delete-library>.
    pub fn delete(&self, file_name: impl Into<String>) -> Ask<()> {
        let (client, file_name) = (self.client.clone(), file_name.into());
        Ask::new(move |timeout| async move {
            let operation = Operation::DELETE_FILE;
            let what = format!("{} {}", operation.method, operation.template);
            checked(&file_name).map_err(|why| Error::new(ErrorKind::Request).context(what).caused_by(why))?;
            let path = format!("{PATH}/{}", utf8_percent_encode(&file_name, RESERVED));
            let call = Call { operation, path, timeout, body: None };
            let attempted = MaybeProcessed::default();
            let mark = |extensions: &mut Extensions| {
                extensions.insert(Content::Nothing);
                extensions.insert(attempted.clone());
            };
            match client.inner().call_marked(call, mark, |_nothing| Ok(())).await {
                // An earlier attempt, whose response was lost, has deleted it. One that was refused or never sent has not.
                Err(error) if error.problem().is_some_and(is_own_not_found) && attempted.get() => Ok(()),
                deleted => deleted,
            }
        })
    }
}

/// The most that the service takes: <https://learn.microsoft.com/en-us/defender-endpoint/api/upload-library>.
const LARGEST: usize = 20 << 20;

/// What may stand as a file's name, in a form and in a path.
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
    Err(format!("`{}` is no file's name: it {why}", shown.escape_debug()))
}

/// A file that is about to be uploaded. Nothing is sent before it is awaited.
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
    /// What it is for.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// What arguments it takes, and that it takes some.
    pub fn parameters(mut self, description: impl Into<String>) -> Self {
        self.parameters_description = Some(description.into());
        self.has_parameters = true;
        self
    }

    /// Replaces a file of this name. Without this, the service refuses to, with 400.
    pub fn override_if_exists(mut self) -> Self {
        self.override_if_exists = true;
        self
    }

    /// How long the call may take, queue and resendings included. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Uploads: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]: [`TooLarge`](ErrorKind::TooLarge) above 20 MB, before anything is sent;
    /// [`Refused`](ErrorKind::Refused) where the file is there and is not to be replaced. Where the answer was lost and the file
    /// is not to be replaced it is [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), and [`Library::files`] tells.
    pub fn send(self) -> impl Future<Output = Result<LibraryFile, Error>> + Send + 'static {
        async move {
            let what = || format!("POST {PATH}");
            let refused = |kind, why: String| Error::new(kind).context(what()).not_sent().caused_by(why);
            checked(&self.file_name).map_err(|why| refused(ErrorKind::Request, why))?;
            if self.content.len() > LARGEST {
                let why = format!("the file has {} bytes, and the service takes {LARGEST} at most", self.content.len());
                return Err(refused(ErrorKind::TooLarge, why));
            }
            let mut form = Form::new().file("File", &self.file_name, &self.content);
            for (name, value) in [
                ("Description", self.description.as_deref()),
                ("ParametersDescription", self.parameters_description.as_deref()),
                // Both are left out where they are not true: the page says of the one that its default is an empty string, and has
                // the other in its sample only.
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
            // Without leave to replace, a second sending would find the first one's file, and call that a failure.
            let idempotency =
                if self.override_if_exists { Idempotency::Idempotent } else { Idempotency::NonIdempotent };
            let operation = Operation { idempotency, ..Operation::UPLOAD };
            let call = Call { operation, path: PATH.to_owned(), timeout: self.timeout, body: Some(body) };
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
