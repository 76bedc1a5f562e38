//! Bodies that are read inside the attempt.

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;

use crate::{
    Body, Error, Transport,
    extensions::{self, Read},
    retry_after,
    transport::SendFuture,
};

/// Reads the body of a response before handing the response on, so that a body that breaks is an attempt that broke.
///
/// It goes by the request's [`Read`]: `Whole(limit)`, which is also the default of a request without a mark, is read here;
/// `Stream` is handed on as it comes. A response of any status is read alike. The body is one piece of memory, and
/// reading it again cannot fail.
///
/// If the body breaks off, is too large or cannot be decoded, the error has the status of the head,
/// [`Error::response_status`], and the time that it asked to wait. After a 2xx, the request took effect, though the server's
/// response is lost.
#[derive(Debug)]
pub struct Buffered<T> {
    inner: T,
}

impl<T> Buffered<T> {
    /// Wraps `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Buffered<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let read = extensions::of::<Read, _>(&request).copied().unwrap_or_default();
        let exchange = self.inner.send(request);
        let Read::Whole(limit) = read else { return exchange };
        Box::pin(async move {
            let outcome = exchange.await;
            match outcome {
                // Boxed: most bodies are there with their heads, and the room of this future would be moved for them too.
                Ok(response) if !response.body().is_whole_within(limit) => Box::pin(collect(response, limit)).await,
                outcome => outcome,
            }
        })
    }
}

async fn collect(mut response: Response<Body>, limit: usize) -> Result<Response<Body>, Error> {
    let body = std::mem::take(response.body_mut());
    let whole = body.collect(limit).await.map_err(|error| broke(error, &response))?;
    *response.body_mut() = Body::from(whole);
    Ok(response)
}

/// Adds the status and the wait of the head to an error.
fn broke(error: Error, head: &Response<Body>) -> Error {
    let error = error.with_status(head.status());
    // No clock is at hand, so a date counts only beside the response's own.
    match retry_after(head.headers(), Timestamp::MAX).filter(|wait| !wait.is_zero()) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use futures_util::FutureExt;
    use http::StatusCode;
    use http_body::Body as _;

    use super::*;
    use crate::{
        ErrorKind,
        testing::{Capture, Fault, Faulty, Never},
    };

    fn ask(read: Option<Read>) -> Request<Bytes> {
        let mut request = Request::post("https://example.com/").body(Bytes::new()).unwrap();
        if let Some(read) = read {
            request.extensions_mut().insert(read);
        }
        request
    }

    fn created() -> Capture {
        Capture::answering(Response::builder().status(201).body("hello, hello").unwrap())
    }

    #[test]
    fn broken_body_error_has_the_status() {
        for read in [None, Some(Read::Whole(1 << 10))] {
            let transport = Buffered::new(Faulty::scripted(created(), [Fault::TruncateBody(3)]));
            let error = transport.send(ask(read)).now_or_never().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Interrupted);
            assert_eq!(error.response_status(), Some(StatusCode::CREATED));
            assert!(!error.never_sent());
        }
    }

    #[test]
    fn oversized_body_error_has_the_status() {
        let error = Buffered::new(created()).send(ask(Some(Read::Whole(11)))).now_or_never().unwrap().unwrap_err();
        assert_eq!((error.kind(), error.response_status()), (ErrorKind::TooLarge, Some(StatusCode::CREATED)));
        let limit = 4 << 20;
        let large = Buffered::new(Capture::answering(Response::new(vec![0_u8; limit + 1])));
        assert_eq!(large.send(ask(None)).now_or_never().unwrap().unwrap_err().kind(), ErrorKind::TooLarge);
        let fits = Buffered::new(Capture::answering(Response::new(vec![0_u8; limit])));
        fits.send(ask(None)).now_or_never().unwrap().unwrap();
    }

    #[test]
    fn collected_body_is_whole_under_its_head() {
        let response = Buffered::new(created()).send(ask(None)).now_or_never().unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.body().size_hint().exact(), Some(12));
        assert_eq!(response.into_body().collect(12).now_or_never().unwrap().unwrap(), "hello, hello");
    }

    #[test]
    fn broken_body_keeps_retry_after() {
        let date = ("date", "Wed, 01 Jan 2025 12:00:00 GMT");
        for (headers, wait) in [
            (&[("retry-after", "7")][..], Some(7)),
            (&[("retry-after", "Wed, 01 Jan 2025 12:00:20 GMT"), date], Some(20)),
            (&[("retry-after", "Wed, 01 Jan 2025 12:00:20 GMT")], None),
            (&[("retry-after", "soon")], None),
            (&[], None),
        ] {
            let response = headers
                .iter()
                .fold(Response::builder().status(429), |response, &(name, value)| response.header(name, value));
            let server = Capture::answering(response.body("hello").unwrap());
            let transport = Buffered::new(Faulty::scripted(server, [Fault::TruncateBody(3)]));
            let error = transport.send(ask(None)).now_or_never().unwrap().unwrap_err();
            assert_eq!(error.retry_after().map(|wait| wait.as_secs()), wait, "{headers:?}");
        }
    }

    #[test]
    fn stream_is_handed_on_unread() {
        let transport = Buffered::new(Faulty::scripted(created(), [Fault::StallBody(3)]));
        let response = transport.send(ask(Some(Read::Stream))).now_or_never().unwrap().unwrap();
        assert!(response.into_body().collect(100).now_or_never().is_none(), "it is read by who wants it");
    }

    #[test]
    fn error_without_response_has_no_status() {
        let error = Buffered::new(Faulty::scripted(Never, [Fault::ErrorBefore(ErrorKind::Interrupted)]))
            .send(ask(None))
            .now_or_never()
            .unwrap()
            .unwrap_err();
        assert_eq!(error.response_status(), None);
    }
}
