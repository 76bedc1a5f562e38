//! What of a call may be in no text, also where somebody sends it back.

use std::error::Error as StdError;

use bytes::Bytes;
use defender_transport::{Error as Broken, Secrets, SendFuture, Transport};
use http::{HeaderValue, Request, Response};

/// The header with the token of an attempt, in the extensions of its response: errors about what came are made without it.
#[derive(Clone)]
pub(crate) struct Bearer(HeaderValue);

impl Bearer {
    /// That of a request: the token is the one value that no log may show.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        request.headers().values().find(|value| value.is_sensitive()).cloned().map(Self)
    }

    /// That of the request to which this is the response.
    pub(crate) fn behind<B>(response: &Response<B>) -> Option<Self> {
        response.extensions().get().cloned()
    }

    fn secrets(&self) -> Secrets {
        let token = self.0.to_str().ok().and_then(|value| value.split_once(' '));
        Secrets::new(token.map(|(_, token)| token))
    }
}

/// The secrets of an attempt, which cost something to look for, so that they are made for errors only.
pub(crate) fn secrets(bearer: Option<&Bearer>) -> Secrets {
    bearer.map(Bearer::secrets).unwrap_or_default()
}

/// The error; where it or a cause of it shows what is secret, a text without that in its place. A wire that is not ours may put
/// anything into its errors, and a reader may quote what came.
pub(crate) fn cleaned<E>(secrets: &Secrets, error: E) -> Box<dyn StdError + Send + Sync>
where
    E: StdError + Send + Sync + 'static,
{
    match told(secrets, &error) {
        Some(told) => told.into(),
        None => error.into(),
    }
}

/// The error of the transport with the same meaning, and without what is secret.
pub(crate) fn cleaned_of_transport(secrets: &Secrets, error: Broken) -> Broken {
    match told(secrets, &error) {
        Some(told) => {
            // Its own words come first, and its context after them.
            let context = told.split_once(": ").map_or(String::new(), |(_, context)| context.to_owned());
            error.context(context).caused_by("a cause that showed a secret")
        }
        None => error,
    }
}

/// Takes what is secret of a request, as its extensions have it, out of the error of its exchange.
#[derive(Debug)]
pub(crate) struct Scrubbed<T>(pub(crate) T);

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Scrubbed<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let secrets = request.extensions().get::<Secrets>().cloned().unwrap_or_default();
        let exchange = self.0.send(request);
        Box::pin(async move { exchange.await.map_err(|error| cleaned_of_transport(&secrets, error)) })
    }
}

/// The error and its causes in one text without what is secret; `None` where they show nothing of it.
fn told(secrets: &Secrets, error: &(dyn StdError + 'static)) -> Option<String> {
    let mut shown = format!("{error:?}");
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        told = format!("{told}: {next}");
        shown = format!("{shown} {next:?}");
        cause = next.source();
    }
    (secrets.are_in(&told) || secrets.are_in(&shown)).then(|| secrets.redact(&told).into_owned())
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer")
    }
}

#[cfg(test)]
mod tests {
    use defender_transport::ErrorKind;

    use super::*;

    #[test]
    fn error_that_shows_a_secret_is_told_without_it() {
        let secrets = Secrets::new(["canary/secret"]);
        let inner = std::io::Error::other("sent canary%2Fsecret to it");
        let broken = Broken::new(ErrorKind::Interrupted).context("by b").caused_by(inner).permanent();
        let clean = cleaned_of_transport(&secrets, broken);
        let all = format!("{clean} {clean:#} {clean:?}");
        assert!(!all.contains("canary") && all.contains("<redacted>") && all.contains("by b"), "{all}");
        assert!(clean.is_permanent() && clean.kind() == ErrorKind::Interrupted);
        let harmless = Broken::new(ErrorKind::Timeout).caused_by(std::io::Error::other("late"));
        assert!(format!("{:#}", cleaned_of_transport(&secrets, harmless)).contains("late"));
        assert_eq!(cleaned(&secrets, std::io::Error::other("reset")).to_string(), "reset");
    }
}
