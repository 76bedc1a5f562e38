//! A client on the emulator in process with a manual clock, and a client whose transport records requests.

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

    /// Runs a future that may wait for this clock and for the disk.
    pub(crate) async fn run<F: Future>(&self, future: F) -> F::Output {
        driven(&self.clock, future).await
    }
}

/// Runs `future` to its end, and advances the clock to the next sleeper whenever the future has not progressed by itself.
pub(crate) async fn driven<F: Future>(clock: &ManualClock, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        // The disk has its own threads, whose work takes no time of this clock.
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

/// Client whose transport responds by `respond` and records the requests.
pub(crate) fn over<F>(respond: F) -> (DefenderClient, Capture)
where
    F: Fn(&Request<Bytes>) -> (u16, String) + Send + Sync + 'static,
{
    let transport = Capture::with(move |request| {
        let (status, body) = respond(request);
        Ok(Response::builder().status(status).body(Body::from(body)).unwrap())
    });
    (client(&transport), transport)
}

pub(crate) fn client(transport: &Capture) -> DefenderClient {
    let credential = StaticCredential::new("t");
    let clock = ManualClock::new();
    DefenderClient::builder().credential(credential).transport(transport.clone()).clock(clock).build().unwrap()
}

/// Method, and path with query.
pub(crate) fn line(request: &Request<Bytes>) -> String {
    format!("{} {}", request.method(), request.uri().path_and_query().unwrap())
}

/// Lines of all sent requests. Asserts that each had a token.
pub(crate) fn lines(transport: &Capture) -> Vec<String> {
    let requests = transport.requests();
    assert!(requests.iter().all(|request| request.headers()[AUTHORIZATION] == "Bearer t"));
    requests.iter().map(line).collect()
}

pub(crate) fn body(request: &Request<Bytes>) -> &str {
    std::str::from_utf8(request.body()).unwrap()
}

/// An error and all its causes, as a log would print them.
pub(crate) fn error_chain(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text} {next} {next:?}");
        cause = next.source();
    }
    text
}

/// Asserts that a call without its permission is [`ErrorKind::Forbidden`].
pub(crate) fn forbidden<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Forbidden, Some(403)), "{error}");
}
