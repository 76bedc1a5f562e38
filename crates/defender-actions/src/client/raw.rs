//! Raw calls: paths of the API that have no method of their own.

use defender_model::read_json;
use defender_transport::extensions::Idempotency;
use http::{Method, Uri};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    DefenderClient, Error, ErrorKind, Request,
    client::{
        Inner, call::Call, call_note::CallNote, limits::BodyLimit, operation::Operation, response_author::Content,
    },
};

impl DefenderClient {
    /// Sends a GET of a path of the API, such as `/api/machineactions?$top=1`, and reads the response as a `T`.
    ///
    /// The path begins with the prefix, or is a whole URL on the API's own host. Any other path is refused before anything is sent
    /// ([`Request`](ErrorKind::Request)), so that the token reaches no other host. The call uses the quota of its operation, and is
    /// retried as other reads are. An empty body is read as `null`.
    ///
    /// ```no_run
    /// use serde_json::Value;
    ///
    /// # async fn example(defender: defender_actions::DefenderClient) -> Result<(), defender_actions::Error> {
    /// let count: Value = defender.get("/api/machineactions/$count").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get<T: DeserializeOwned + 'static>(&self, path: impl Into<String>) -> Request<T> {
        self.raw(&Method::GET, &path.into(), Ok(None))
    }

    /// Sends a POST of `body` as JSON to a path of the API, and reads the response as a `T`.
    ///
    /// The path is as for [`get`](Self::get). The request is sent once. A lost response is
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), and no search for the outcome follows. For an action, use
    /// [`perform`](crate::MachineHandle::perform), which searches.
    pub fn post<T: DeserializeOwned + 'static>(
        &self,
        path: impl Into<String>,
        body: &(impl Serialize + ?Sized),
    ) -> Request<T> {
        self.raw(&Method::POST, &path.into(), serde_json::to_vec(body).map(Some))
    }

    fn raw<T: DeserializeOwned + 'static>(
        &self,
        method: &Method,
        path: &str,
        body: Result<Option<Vec<u8>>, serde_json::Error>,
    ) -> Request<T> {
        Request::new(self, raw_call(self.inner(), method, path, body), |client, call| async move {
            let note = CallNote::expecting(Content::Unknown);
            client.inner().call_with_note(&call, &note, read_or_null).await
        })
    }
}

/// Reads `null` from an empty body.
fn read_or_null<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    read_json(if body.is_empty() { b"null" } else { body })
}

fn raw_call(
    inner: &Inner,
    method: &Method,
    path: &str,
    body: Result<Option<Vec<u8>>, serde_json::Error>,
) -> Result<Call, Error> {
    let refused = || Error::new(ErrorKind::Request).context(format!("a {method} of the API"));
    let path = inner.below(path, OtherHost::Refused).map_err(|why| refused().caused_by(why))?;
    let body = body.map_err(|source| refused().caused_by(source))?;
    // It is not known what a raw call does when it is sent twice, nor how large its response is.
    let idempotency = if method.is_safe() { Idempotency::Idempotent } else { Idempotency::NonIdempotent };
    let known = Operation::at(method, path.split('?').next().unwrap_or_default(), inner.actions());
    let operation = Operation { idempotency, read: BodyLimit::Entity, ..known };
    Ok(Call { operation, path, timeout: None, body: body.map(Into::into), intent: None })
}

/// Treatment of a link to another host than the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherHost {
    /// The link is an error.
    Refused,
    /// The path and query of the link are requested from the API's own host. The service links to other names of its host.
    Replaced,
}

impl Inner {
    /// The path and query of a link of the API, below the prefix, or the reason why it is not one.
    pub(crate) fn below(&self, link: &str, other_host: OtherHost) -> Result<String, &'static str> {
        let uri: Uri = link.parse().map_err(|_| "it is not a URL")?;
        if uri.authority().is_some() && other_host == OtherHost::Refused && !self.base.is_host_of(&uri) {
            return Err("it is not on the API's host");
        }
        let prefix = self.prefix();
        let lower = uri.path().to_ascii_lowercase();
        let below = lower.strip_prefix(&prefix.to_ascii_lowercase()).unwrap_or_default();
        let leaves = ["/../", "/./", "%2e", "%2f", "%5c", "//", "\\"].iter().any(|hidden| below.contains(hidden));
        if !below.starts_with('/') || leaves || below.ends_with("/..") || below.ends_with("/.") {
            return Err("it leaves the API's prefix");
        }
        let kept = uri.path().len().saturating_sub(below.len());
        Ok(uri.path_and_query().and_then(|whole| whole.as_str().get(kept..)).unwrap_or_default().to_owned())
    }
}
