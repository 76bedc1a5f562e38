//! Record of the requests that were sent.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use crate::{Body, Error, Transport};

/// Keeps every request. It returns the same response to all, one response after the other, or the result of a function. Clones
/// share the record, so a test hands one to the code under test and asks the other.
///
/// ```
/// use bytes::Bytes;
/// use defender_transport::{Transport, testing::Capture};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = Capture::answering(Response::builder().status(201).body(r#"{"id":"1"}"#)?);
///
/// let request = Request::post("https://example.com/things").body(Bytes::from_static(b"{}"))?;
/// let response = transport.clone().send(request).await?;          // the code under test
///
/// assert_eq!(response.status(), 201);
/// assert_eq!(transport.only_request().uri().path(), "/things");
/// # Ok(())
/// # }
/// ```
///
/// Message of a test that expected more requests:
///
/// ```text
/// one request was expected, and 2 came:
///   POST https://example.com/things
///   GET https://example.com/things/1
/// ```
#[derive(Clone)]
pub struct Capture(Arc<Inner>);

/// Responds to a request, with the number of requests before it; `None` if no response is left.
type Answer = dyn Fn(&Request<Bytes>, usize) -> Option<Result<Response<Body>, Error>> + Send + Sync;

struct Inner {
    response: Box<Answer>,
    requests: Mutex<Vec<Request<Bytes>>>,
}

impl Capture {
    /// Returns a copy of `response` to every request.
    #[must_use]
    pub fn answering(response: Response<impl Into<Bytes>>) -> Self {
        let response: Response<Bytes> = response.map(Into::into);
        Self::with(move |_| Ok(response.clone().map(Body::from)))
    }

    /// Returns the first of `answers` to the first request, and so on.
    ///
    /// A request after the last of them panics, and the message lists the requests.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use defender_transport::{Transport, TransportExt, testing::{Capture, ManualClock}};
    /// use http::{Request, Response};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let busy = Response::builder().status(503).body("")?;
    /// let (server, clock) = (Capture::in_turn([busy, Response::new("fine")]), ManualClock::new());
    ///
    /// let transport = server.clone().retrying(clock.clone());
    /// let request = Request::get("https://example.com/").body(Bytes::new())?;
    /// assert_eq!(clock.run(transport.send(request)).await?.status(), 200);
    /// assert_eq!(server.requests().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_turn(answers: impl IntoIterator<Item = Response<impl Into<Bytes>>>) -> Self {
        let answers: Vec<Response<Bytes>> = answers.into_iter().map(|response| response.map(Into::into)).collect();
        Self::new(move |_, before| answers.get(before).map(|response| Ok(response.clone().map(Body::from))))
    }

    /// Responds to every request with the result of `respond`, which may be an error.
    #[must_use]
    pub fn with<F>(respond: F) -> Self
    where
        F: Fn(&Request<Bytes>) -> Result<Response<Body>, Error> + Send + Sync + 'static,
    {
        Self::new(move |request, _| Some(respond(request)))
    }

    fn new<F>(response: F) -> Self
    where
        F: Fn(&Request<Bytes>, usize) -> Option<Result<Response<Body>, Error>> + Send + Sync + 'static,
    {
        Self(Arc::new(Inner { response: Box::new(response), requests: Mutex::default() }))
    }

    /// Every request so far, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The only request.
    ///
    /// # Panics
    ///
    /// When there was none, or more than one; the message lists them.
    #[must_use]
    #[track_caller]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn only_request(&self) -> Request<Bytes> {
        let mut requests = self.requests();
        match (requests.pop(), requests.len()) {
            (Some(only), 0) => only,
            (None, _) => panic!("one request was expected, and none came"),
            (Some(last), others) => {
                requests.push(last);
                panic!("one request was expected, and {} came:{}", others + 1, list(&requests))
            }
        }
    }
}

/// A line each.
fn list(requests: &[Request<Bytes>]) -> String {
    requests.iter().fold(String::new(), |list, one| format!("{list}\n  {} {}", one.method(), one.uri()))
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("requests", &self.requests()).finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Transport for Capture {
    #[expect(clippy::panic, reason = "this is how a test fails")]
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let before = {
            let mut requests = self.0.requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.push(request.clone());
            requests.len() - 1
        };
        (self.0.response)(&request, before).unwrap_or_else(|| {
            panic!("{before} answers were given, and another request came:{}", list(&self.requests()))
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ErrorKind;

    fn send(transport: &Capture, path: &str) -> Result<Response<Body>, Error> {
        transport.send(Request::get(path).body(Bytes::new()).unwrap()).now_or_never().unwrap()
    }

    #[test]
    fn capture_keeps_requests_in_order() {
        let transport = Capture::answering(Response::builder().status(202).body("fine").unwrap());
        for path in ["/a", "/b"] {
            let response = send(&transport.clone(), path).unwrap();
            assert_eq!(response.status(), 202);
            assert_eq!(response.into_body().collect(4).now_or_never().unwrap().unwrap(), "fine");
        }
        assert_eq!(transport.requests().iter().map(|one| one.uri().path()).collect::<Vec<_>>(), ["/a", "/b"]);
    }

    #[test]
    fn response_may_depend_on_the_request() {
        let transport = Capture::with(|request| match request.uri().path() {
            "/down" => Err(Error::new(ErrorKind::Connect)),
            path => Ok(Response::new(Body::from(path.to_owned()))),
        });
        assert_eq!(send(&transport, "/down").unwrap_err().kind(), ErrorKind::Connect);
        assert_eq!(send(&transport, "/x").unwrap().into_body().collect(9).now_or_never().unwrap().unwrap(), "/x");
        assert_eq!(transport.requests().len(), 2);
    }

    /// Panic message of `run`.
    fn said<T: fmt::Debug>(run: impl FnOnce() -> T) -> String {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
        *panic
            .downcast::<String>()
            .or_else(|panic| panic.downcast::<&str>().map(|text| Box::new((*text).into())))
            .unwrap()
    }

    #[test]
    fn responses_in_turn_run_out() {
        let transport =
            Capture::in_turn([503, 200].map(|status| Response::builder().status(status).body("x").unwrap()));
        assert_eq!(["/a", "/b"].map(|path| send(&transport, path).unwrap().status().as_u16()), [503, 200]);
        let expected = "2 answers were given, and another request came:\n  GET /a\n  GET /b\n  GET /c";
        assert_eq!(said(|| send(&transport, "/c")), expected);
    }

    #[test]
    fn one_request_is_one_request() {
        let transport = Capture::answering(Response::new(""));
        let message = || said(|| transport.only_request());
        assert_eq!(message(), "one request was expected, and none came");
        send(&transport, "/a").unwrap();
        assert_eq!(transport.only_request().uri(), "/a");
        send(&transport, "/b").unwrap();
        assert_eq!(message(), "one request was expected, and 2 came:\n  GET /a\n  GET /b");
    }
}
