//! Shared parts of the tests of the flows: a mock of the transport, and a look at everything that an error shows.

#[cfg(all(unix, feature = "encrypted-keys", feature = "aws-lc-rs", feature = "azure-cli", feature = "browser"))]
pub(crate) mod endpoint;
#[cfg(all(unix, feature = "encrypted-keys", feature = "aws-lc-rs", feature = "azure-cli", feature = "browser"))]
pub(crate) mod wire;

use std::{collections::BTreeMap, error::Error as StdError, sync::Arc};

use bytes::Bytes;
use defender_auth::{AccessToken, Cloud, CredentialContext, Error, IntoCredential, TokenCredential, TokenRequest};
use defender_transport::{
    Transport,
    testing::{Capture, ManualClock},
};
use http::{Request, Response};

/// The response that the documentation shows.
pub(crate) const TOKEN: &str =
    r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"the-token"}"#;

/// A context over `transport`, with a clock that stands still.
pub(crate) fn context(transport: &(impl Transport + Clone + 'static), clock: &ManualClock) -> CredentialContext {
    CredentialContext::new(Arc::new(transport.clone()), Arc::new(clock.clone()), Cloud::Public)
}

/// A transport that gives this response to whatever comes.
pub(crate) fn answering(status: u16, body: &'static str) -> Capture {
    Capture::answering(Response::builder().status(status).body(body).unwrap())
}

/// The credential of `description` over `transport`.
pub(crate) fn connected(
    description: impl IntoCredential,
    transport: &(impl Transport + Clone + 'static),
    clock: &ManualClock,
) -> Arc<dyn TokenCredential> {
    description.into_credential(&context(transport, clock)).unwrap()
}

/// Asks `credential` for a token, and lets time pass while it waits.
pub(crate) async fn ask(credential: &Arc<dyn TokenCredential>, clock: &ManualClock) -> Result<AccessToken, Error> {
    clock.run(credential.token(&TokenRequest::new())).await
}

/// The parameters of a form that was sent.
pub(crate) fn form(request: &Request<Bytes>) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(request.body()).unwrap();
    parameters(text)
}

/// The parameters of a form, or of a URL's query.
pub(crate) fn parameters(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8().unwrap().into_owned()
}

/// All that a person could come to see of `error`, and of what caused it.
pub(crate) fn all_of(error: &(dyn StdError + 'static)) -> String {
    let mut shown = format!("{error} / {error:?} / {error:#?}");
    if let Some(source) = error.source() {
        shown.push_str(&all_of(source));
    }
    shown
}

/// A folder of a test's own, which goes with it.
pub(crate) struct Folder(std::path::PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("defender-auth-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}
