//! Removal of the token from errors and other texts, even if a response repeats it.

use std::error::Error as StdError;

use bytes::Bytes;
use defender_transport::{Error as TransportError, Secrets, SendFuture, Transport, extensions};
use http::{HeaderValue, Request};

/// Header with the token of an attempt. Errors about the response are made without the token.
#[derive(Clone)]
pub(crate) struct Bearer(HeaderValue);

impl Bearer {
    /// Returns the header of a request. The token is the one value that is marked as sensitive.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        request.headers().values().find(|value| value.is_sensitive()).cloned().map(Self)
    }

    fn secrets(&self) -> Secrets {
        let token = self.0.to_str().ok().and_then(|value| value.split_once(' '));
        Secrets::new(token.map(|(_, token)| token))
    }
}

/// Returns the secrets of an attempt. They take time to prepare, so they are prepared for errors only.
pub(crate) fn secrets(bearer: Option<&Bearer>) -> Secrets {
    bearer.map(Bearer::secrets).unwrap_or_default()
}

/// Returns the error; if it or one of its causes shows a secret, returns its text without the secret. A transport of the caller may
/// put anything into its errors, and a JSON error may quote the body.
pub(crate) fn cleaned<E>(secrets: &Secrets, error: E) -> Box<dyn StdError + Send + Sync>
where
    E: StdError + Send + Sync + 'static,
{
    match redacted(secrets, &error) {
        Some(text) => text.into(),
        None => error.into(),
    }
}

/// Returns an error of the transport with the same meaning, without secrets.
pub(crate) fn cleaned_of_transport(secrets: &Secrets, error: TransportError) -> TransportError {
    match redacted(secrets, &error) {
        Some(text) => {
            // The text of the kind comes first, then the context.
            let context = text.split_once(": ").map_or(String::new(), |(_, context)| context.to_owned());
            error.context(context).caused_by("a cause that showed a secret")
        }
        None => error,
    }
}

/// Layer that removes the secrets of a request, which are in its extensions, from its error.
#[derive(Debug)]
pub(crate) struct Scrubbed<T>(pub(crate) T);

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Scrubbed<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let secrets = extensions::of::<Secrets, _>(&request).cloned().unwrap_or_default();
        let exchange = self.0.send(request);
        Box::pin(async move { exchange.await.map_err(|error| cleaned_of_transport(&secrets, error)) })
    }
}

/// Returns the error and its causes in one text without secrets; `None` if they show no secret.
fn redacted(secrets: &Secrets, error: &(dyn StdError + 'static)) -> Option<String> {
    let mut shown = format!("{error:?}");
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        shown = format!("{shown} {next:?}");
        cause = next.source();
    }
    (secrets.are_in(&text) || secrets.are_in(&shown)).then(|| secrets.redact(&text).into_owned())
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer")
    }
}

#[cfg(test)]
mod tests {
    use defender_transport::{ErrorKind, extensions::Shared};
    use futures_util::FutureExt;

    use super::*;

    /// Transport whose error shows a secret.
    #[derive(Debug)]
    struct Leaky;

    impl Transport for Leaky {
        fn send<'a, 'f>(&'a self, _: Request<Bytes>) -> SendFuture<'f>
        where
            'a: 'f,
            Self: 'f,
        {
            Box::pin(std::future::ready(Err(TransportError::new(ErrorKind::Connect).context("sent canary"))))
        }
    }

    #[test]
    fn shared_secret_is_removed_from_error() {
        let (own, mut common) = (Request::get("https://example.com/"), http::Extensions::new());
        common.insert(Secrets::new(["canary"]));
        let request = own.extension(Shared::new(common)).body(Bytes::new()).unwrap();
        let error = Scrubbed(Leaky).send(request).now_or_never().unwrap().unwrap_err();
        let shown = format!("{error:#} {error:?}");
        assert!(!shown.contains("canary") && shown.contains("<redacted>"), "{shown}");
    }

    #[test]
    fn error_is_shown_without_its_secret() {
        let secrets = Secrets::new(["canary/secret"]);
        let inner = std::io::Error::other("sent canary%2Fsecret to it");
        let broken = TransportError::new(ErrorKind::Interrupted).context("by b").caused_by(inner).permanent();
        let clean = cleaned_of_transport(&secrets, broken);
        let all = format!("{clean} {clean:#} {clean:?}");
        assert!(!all.contains("canary") && all.contains("<redacted>") && all.contains("by b"), "{all}");
        assert!(clean.is_permanent() && clean.kind() == ErrorKind::Interrupted);
        let harmless = TransportError::new(ErrorKind::Timeout).caused_by(std::io::Error::other("late"));
        assert!(format!("{:#}", cleaned_of_transport(&secrets, harmless)).contains("late"));
        assert_eq!(cleaned(&secrets, std::io::Error::other("reset")).to_string(), "reset");
    }
}
