//! The one function that everything else wraps.

use std::{fmt, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use crate::{Body, Error};

/// Sends one HTTP request to its server and returns the response.
///
/// # Contract of an implementation
///
/// - One call is one exchange: it never retries and never follows a redirect. Both are decisions of the code that knows the
///   effect of the request.
/// - A response is `Ok`, whatever its status: a 404 or a 503 is `Ok`.
/// - An error states whether the request can have been processed: see [`Error::never_sent`]. If that is not known, the
///   error reports it, and the caller must assume that the request took effect.
/// - A future that is dropped before it is done stops the exchange. Whether the request was sent by then is unknown.
/// - Nothing of the request's headers or body appears in an error or in `Debug`.
///
/// A layer reads its settings for a call from the request's extensions: [`extensions`](crate::extensions).
///
/// # Examples
///
/// A transport of your own, for a test, without any feature:
///
/// ```
/// use bytes::Bytes;
/// use defender_transport::{Body, Error, Transport};
/// use http::{Request, Response};
///
/// #[derive(Debug)]
/// struct AlwaysFine;
///
/// #[async_trait::async_trait]
/// impl Transport for AlwaysFine {
///     async fn send(&self, _: Request<Bytes>) -> Result<Response<Body>, Error> {
///         Ok(Response::new(Body::from("fine")))
///     }
/// }
/// ```
#[cfg_attr(
    feature = "testing",
    allow(unknown_or_malformed_diagnostic_attributes, reason = "mockall copies the attribute below to its mock")
)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a transport",
    label = "not a transport",
    note = "of a builder, a `Result` or a future, take the transport with `.build()?`, `?` or `.await?`",
    note = "a service of `tower` becomes a transport in a `TowerTransport` (feature `tower`)",
    note = "a transport of your own implements `Transport` with `#[async_trait]`"
)]
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Makes one exchange: sends `request` and returns the head of its response; the body follows as it is read.
    ///
    /// # Errors
    ///
    /// No response came. [`Error::never_sent`] reports whether it is certain that the server did not process the
    /// request.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error>;
}

/// Return type of [`Transport::send`] once `async_trait` has rewritten it.
///
/// A layer can write `send` out with this type. A request is large, and an `async fn` keeps two copies of it for as long as it
/// runs. A layer that passes the request on before it makes its own future keeps no copy of the request, and a layer that adds
/// nothing after the exchange needs no future of its own.
///
/// ```
/// use bytes::Bytes;
/// use defender_transport::{SendFuture, Transport};
/// use http::{HeaderValue, Request};
///
/// /// Sets a header on each request.
/// #[derive(Debug)]
/// struct Tagged<T>(T);
///
/// impl<T: Transport> Transport for Tagged<T> {
///     fn send<'a, 'f>(&'a self, mut request: Request<Bytes>) -> SendFuture<'f>
///     where
///         'a: 'f,
///         Self: 'f,
///     {
///         request.headers_mut().insert("x-tag", HeaderValue::from_static("a"));
///         self.0.send(request)
///     }
/// }
/// ```
pub type SendFuture<'f> = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send + 'f>>;

#[deny(clippy::missing_trait_methods)]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        (**self).send(request)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport + ?Sized> Transport for Box<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        (**self).send(request)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport + ?Sized> Transport for &T {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        (**self).send(request)
    }
}
