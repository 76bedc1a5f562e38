//! A client on the emulator, in process, with a clock that is turned by hand; and one whose wire keeps what it sends.

use std::sync::Arc;

use bytes::Bytes;
use defender_actions::{
    DefenderClient, Error, ErrorKind,
    auth::{ClientSecretCredential, StaticCredential},
    transport::{
        Body,
        testing::{Capture, ManualClock},
    },
};
use defender_emulator::{Emulator, EmulatorBuilder};
use http::{Request, Response, header::AUTHORIZATION};

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) clock: ManualClock,
    pub(crate) defender: DefenderClient,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(set: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Self {
        let clock = ManualClock::new();
        let emulator = set(Emulator::builder().clock(Arc::new(clock.clone()))).in_process().unwrap();
        let secret = ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
        let defender = DefenderClient::builder()
            .credential(secret)
            .transport(emulator.transport())
            .clock(clock.clone())
            .base_url(emulator.base_url())
            .authority(emulator.authority())
            .audience(emulator.audience())
            .build()
            .unwrap();
        Self { emulator, clock, defender }
    }

    /// Runs to the end what may wait for this clock and for the disk.
    pub(crate) async fn run<F: Future>(&self, future: F) -> F::Output {
        driven(&self.clock, future).await
    }
}

/// Runs `future` to its end, and moves the clock to the next sleeper whenever the future has not moved on by itself.
pub(crate) async fn driven<F: Future>(clock: &ManualClock, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        // The disk has its own threads; what they do takes no time of this clock's.
        for _ in 0..100 {
            tokio::select! {
                biased;
                output = &mut future => return output,
                () = tokio::task::yield_now() => {}
            }
        }
        clock.advance_to_next();
    }
}

/// A client whose wire answers with what `answer` makes of each request, and keeps them.
pub(crate) fn over<F>(answer: F) -> (DefenderClient, Capture)
where
    F: Fn(&Request<Bytes>) -> (u16, String) + Send + Sync + 'static,
{
    let wire = Capture::with(move |request| {
        let (status, body) = answer(request);
        Ok(Response::builder().status(status).body(Body::from(body)).unwrap())
    });
    (client(&wire), wire)
}

pub(crate) fn client(wire: &Capture) -> DefenderClient {
    let credential = StaticCredential::new("t");
    let clock = ManualClock::new();
    DefenderClient::builder().credential(credential).transport(wire.clone()).clock(clock).build().unwrap()
}

/// Method, and path with query.
pub(crate) fn line(request: &Request<Bytes>) -> String {
    format!("{} {}", request.method(), request.uri().path_and_query().unwrap())
}

/// The lines of all that was sent, each of which had a token.
pub(crate) fn lines(wire: &Capture) -> Vec<String> {
    let requests = wire.requests();
    assert!(requests.iter().all(|request| request.headers()[AUTHORIZATION] == "Bearer t"));
    requests.iter().map(line).collect()
}

pub(crate) fn body(request: &Request<Bytes>) -> &str {
    std::str::from_utf8(request.body()).unwrap()
}

/// An error and all its causes, as a log would have them.
pub(crate) fn whole(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text} {next} {next:?}");
        cause = next.source();
    }
    text
}

/// That a call without its permission is [`ErrorKind::Forbidden`].
pub(crate) fn forbidden<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Forbidden, Some(403)), "{error}");
}
