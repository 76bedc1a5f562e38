//! Bridge to `tower`: a transport as a service, and a service as a transport.

use std::{
    error::Error as StdError,
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower_service::Service;

use crate::{Body, Error, ErrorKind, SendFuture, Transport};

type BoxError = Box<dyn StdError + Send + Sync>;

/// A [`Transport`] as a [`tower_service::Service`], for the layers of `tower` and `tower-http`.
///
/// The service is always ready, and its clones share the transport. A tower layer sees each attempt if it is beneath
/// [`Retrying`](crate::Retrying), and each call if it is above. `tower::retry` repeats a POST if its policy does so: leave
/// retries to [`Retrying`](crate::Retrying), which reads the request's [`Idempotency`](crate::extensions::Idempotency).
///
/// ```
/// use bytes::Bytes;
/// use defender_transport::{TowerService, testing::Capture};
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let transport = Capture::answering(Response::builder().status(201).body("")?);
/// let service = ServiceBuilder::new().concurrency_limit(8).service(TowerService::new(transport));
/// let response = service.oneshot(Request::post("https://api.example/things").body(Bytes::new())?).await?;
/// assert_eq!(response.status(), 201);
/// # Ok(())
/// # }
/// ```
pub struct TowerService<T: ?Sized>(Arc<T>);

impl<T: Transport> TowerService<T> {
    /// A service over `transport`.
    pub fn new(transport: T) -> Self {
        Self(Arc::new(transport))
    }
}

impl<T: ?Sized> Clone for TowerService<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for TowerService<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TowerService").field(&&*self.0).finish()
    }
}

impl<T: Transport + ?Sized + 'static> Service<Request<Bytes>> for TowerService<T> {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let transport = Arc::clone(&self.0);
        Box::pin(async move { transport.send(request).await })
    }
}

/// A [`tower_service::Service`] as a [`Transport`]: a client of hyper-util, or a stack of `tower` and `tower-http` layers.
///
/// `B` is the request body of the service, such as `http_body_util::Full<Bytes>`. The service must keep the contract of
/// [`Transport`]: no retries, no redirects.
///
/// Errors of the service become errors of the transport:
///
/// | error | becomes | was it sent? |
/// |---|---|---|
/// | an [`Error`] of this crate, as from a [`TowerService`] beneath the layers | that error | as it states |
/// | the service is not ready (`poll_ready`), such as a layer that sheds load | [`ErrorKind::Interrupted`] | no |
/// | any other error of a call | [`ErrorKind::Interrupted`] | unknown, so that an action is not sent again |
///
/// ```
/// use bytes::Bytes;
/// use defender_transport::{TowerTransport, Transport};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::service_fn;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = service_fn(|request: Request<Full<Bytes>>| async move {
///     Ok::<_, std::io::Error>(Response::new(Full::new(Bytes::from(request.uri().path().to_owned()))))
/// });
/// let transport = TowerTransport::new(service);
/// let response = transport.send(Request::get("https://api.example/things").body(Bytes::new())?).await?;
/// assert_eq!(response.into_body().collect(1_024).await?, "/things");
/// # Ok(())
/// # }
/// ```
pub struct TowerTransport<S, B> {
    /// A service may be `Send` and not `Sync`; each exchange has a clone.
    service: Mutex<S>,
    body: PhantomData<fn() -> B>,
}

impl<S: Clone, B> TowerTransport<S, B> {
    /// A transport over `service`, which is cloned for each exchange.
    pub fn new(service: S) -> Self {
        Self { service: Mutex::new(service), body: PhantomData }
    }

    fn service(&self) -> S {
        self.service.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S, B> fmt::Debug for TowerTransport<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerTransport").field("service", &std::any::type_name::<S>()).finish()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S, B, R> Transport for TowerTransport<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: From<Bytes> + Send + 'static,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let mut service = self.service();
        Box::pin(async move {
            let ready = poll_fn(|context| service.poll_ready(context)).await;
            ready.map_err(|source| error(source.into()).not_sent())?;
            let response = service.call(request.map(B::from)).await.map_err(|source| error(source.into()))?;
            Ok(response.map(|body| Body::new(ServiceBody(Box::pin(body)))))
        })
    }
}

/// `source`, if it is an error of this crate, else an error after which the request may have been processed.
fn error(source: BoxError) -> Error {
    match source.downcast::<Error>() {
        Ok(error) => *error,
        Err(source) => Error::new(ErrorKind::Interrupted).caused_by(source),
    }
}

/// Body of a service's response.
struct ServiceBody<R>(Pin<Box<R>>);

impl<R> HttpBody for ServiceBody<R>
where
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.as_mut().poll_frame(context).map_err(|source| error(source.into()))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
