//! What was sent, kept.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use crate::{Body, Error, Transport};

/// Keeps every request, and answers each alike or as a function says. Clones share what was kept, so a test hands one to
/// what it tests and asks the other.
///
/// ```
/// use bytes::Bytes;
/// use defender_transport::{Transport, testing::Capture};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let wire = Capture::answering(Response::builder().status(201).body(r#"{"id":"1"}"#)?);
///
/// let request = Request::post("https://example.com/things").body(Bytes::from_static(b"{}"))?;
/// let answer = wire.clone().send(request).await?;          // here stands what is tested
///
/// assert_eq!(answer.status(), 201);
/// assert_eq!(wire.only_request().uri().path(), "/things");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Capture(Arc<Inner>);

type Answer = dyn Fn(&Request<Bytes>) -> Result<Response<Body>, Error> + Send + Sync;

struct Inner {
    answer: Box<Answer>,
    requests: Mutex<Vec<Request<Bytes>>>,
}

impl Capture {
    /// Answers every request with a copy of `answer`.
    #[must_use]
    pub fn answering(answer: Response<impl Into<Bytes>>) -> Self {
        let answer: Response<Bytes> = answer.map(Into::into);
        Self::with(move |_| Ok(answer.clone().map(Body::from)))
    }

    /// Answers every request with what `answer` makes of it, an error if it likes.
    #[must_use]
    pub fn with<F>(answer: F) -> Self
    where
        F: Fn(&Request<Bytes>) -> Result<Response<Body>, Error> + Send + Sync + 'static,
    {
        Self(Arc::new(Inner { answer: Box::new(answer), requests: Mutex::default() }))
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
                let lines: Vec<_> = requests.iter().map(|one| format!("  {} {}", one.method(), one.uri())).collect();
                panic!("one request was expected, and {} came:\n{}", others + 1, lines.join("\n"))
            }
        }
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("requests", &self.requests()).finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Transport for Capture {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let answer = (self.0.answer)(&request);
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        answer
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ErrorKind;

    fn send(wire: &Capture, path: &str) -> Result<Response<Body>, Error> {
        wire.send(Request::get(path).body(Bytes::new()).unwrap()).now_or_never().unwrap()
    }

    #[test]
    fn every_request_is_kept_in_order_and_answered_alike() {
        let wire = Capture::answering(Response::builder().status(202).body("fine").unwrap());
        for path in ["/a", "/b"] {
            let answer = send(&wire.clone(), path).unwrap();
            assert_eq!(answer.status(), 202);
            assert_eq!(answer.into_body().collect(4).now_or_never().unwrap().unwrap(), "fine");
        }
        assert_eq!(wire.requests().iter().map(|one| one.uri().path()).collect::<Vec<_>>(), ["/a", "/b"]);
    }

    #[test]
    fn an_answer_may_be_made_of_its_request_and_may_be_an_error() {
        let wire = Capture::with(|request| match request.uri().path() {
            "/down" => Err(Error::new(ErrorKind::Connect)),
            path => Ok(Response::new(Body::from(path.to_owned()))),
        });
        assert_eq!(send(&wire, "/down").unwrap_err().kind(), ErrorKind::Connect);
        assert_eq!(send(&wire, "/x").unwrap().into_body().collect(9).now_or_never().unwrap().unwrap(), "/x");
        assert_eq!(wire.requests().len(), 2);
    }

    #[test]
    fn one_request_is_one_request() {
        let wire = Capture::answering(Response::new(""));
        let message = || {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wire.only_request())).unwrap_err();
            *panic
                .downcast::<String>()
                .or_else(|panic| panic.downcast::<&str>().map(|text| Box::new((*text).into())))
                .unwrap()
        };
        assert_eq!(message(), "one request was expected, and none came");
        send(&wire, "/a").unwrap();
        assert_eq!(wire.only_request().uri(), "/a");
        send(&wire, "/b").unwrap();
        assert_eq!(message(), "one request was expected, and 2 came:\n  GET /a\n  GET /b");
    }
}
