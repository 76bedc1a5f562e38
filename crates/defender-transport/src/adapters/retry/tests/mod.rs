//! A scripted transport, on a clock that takes no time.

mod outcomes;
mod waits;

use std::pin::pin;

use super::*;
use crate::{
    ErrorKind, TransportExt,
    testing::{ManualClock, MockTransport},
};
use futures_util::FutureExt;

const SECOND: Duration = Duration::from_secs(1);
/// A server whose clock is a year behind: ours begins at noon of 1 January 2026.
const DATE: &str = "Wed, 01 Jan 2025 12:00:00 GMT";

/// Outcome of one attempt.
#[derive(Clone, Copy)]
enum Outcome {
    Status(u16),
    /// With headers.
    With(u16, &'static [(&'static str, &'static str)]),
    Fails(fn() -> Error),
}
use Outcome::{Fails, Status, With};

/// An attempt, as the transport sees it.
struct Sent {
    at: Duration,
    resends: Option<Resends>,
    total: Option<Duration>,
    unauthorized: Option<Unauthorized>,
}

/// Extension that a layer beneath leaves in a response.
#[derive(Clone, Debug, PartialEq)]
struct Token(usize);

/// Ends each attempt by the script, and any after those with a 200. The body is the number of the attempt.
fn transport(clock: &ManualClock, outcomes: &[Outcome]) -> (MockTransport, Arc<Mutex<Vec<Sent>>>) {
    let (sent, clock, outcomes) = (Arc::default(), clock.clone(), outcomes.to_vec());
    let log: Arc<Mutex<Vec<Sent>>> = Arc::clone(&sent);
    let mut transport = MockTransport::new();
    transport.expect_send().returning(move |request| {
        let mut log = log.lock().unwrap();
        let extensions = request.extensions();
        log.push(Sent {
            at: clock.elapsed(),
            resends: extensions.get().copied(),
            total: extensions.get().and_then(|times: &Timeouts| times.total),
            unauthorized: extensions.get().cloned(),
        });
        let (status, headers) = match outcomes.get(log.len() - 1).copied().unwrap_or(Status(200)) {
            Status(status) => (status, &[][..]),
            With(status, headers) => (status, headers),
            Fails(error) => return Err(error()),
        };
        let mut response = Response::builder().status(status).extension(Token(log.len()));
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Ok(response.body(Body::from(log.len().to_string())).unwrap())
    });
    (transport, sent)
}

fn request(idempotency: Idempotency) -> Request<Bytes> {
    Request::put("https://example.com/").extension(idempotency).body(Bytes::from("body")).unwrap()
}

/// Outcome of a call, and the times of its attempts.
fn call(retry: Retry, request: Request<Bytes>, outcomes: &[Outcome]) -> (Result<Response<Body>, Error>, Vec<Sent>) {
    let clock = ManualClock::new();
    let (transport, sent) = transport(&clock, outcomes);
    let ended = block_on(&clock, transport.retrying(clock.clone()).policy(retry).send(request));
    assert_eq!(clock.sleeping(), 0);
    (ended, std::mem::take(&mut *sent.lock().unwrap()))
}

fn block_on<F: Future>(clock: &ManualClock, future: F) -> F::Output {
    let mut run = pin!(clock.run(future));
    loop {
        if let Some(output) = run.as_mut().now_or_never() {
            return output;
        }
    }
}

fn body(response: Response<Body>) -> Bytes {
    response.into_body().collect(1 << 20).now_or_never().unwrap().unwrap()
}

fn times(sent: &[Sent]) -> Vec<Duration> {
    sent.iter().map(|sent| sent.at).collect()
}
