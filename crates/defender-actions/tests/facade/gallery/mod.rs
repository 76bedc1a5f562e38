//! What an on-call analyst reads: each fault in one line, which says what failed, on what, why and what to do.
//!
//! Each comes from the real client, with real credentials and layers, over the emulator, over real sockets on this machine, or over
//! responses made of data. The lines are kept in a file, so that a change is seen and read.

mod files;
mod network;
mod outcomes;
mod service;
mod sign_in;

use std::fmt::Write;

use bytes::Bytes;
use defender_actions::{
    DefenderClient, Error,
    auth::StaticCredential,
    model::MachineId,
    transport::{
        Body, Error as Broken,
        testing::{Capture, ManualClock},
    },
};
use http::{Request, Response};

use crate::world::World;

/// A fault and the error that comes of it.
type Fault = (&'static str, Error);

type Answer = Result<Response<Body>, Broken>;

/// An emulator with the same ids each time.
fn world() -> World {
    World::with(|emulator| emulator.ids(1))
}

/// A client over a wire made of data.
struct Canned {
    client: DefenderClient,
    clock: ManualClock,
}

impl Canned {
    fn new(answer: impl Fn(&Request<Bytes>) -> Response<Body> + Send + Sync + 'static) -> Self {
        Self::ending(move |request| Ok(answer(request)))
    }

    fn ending(answer: impl Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static) -> Self {
        let (wire, clock) = (Capture::with(answer), ManualClock::new());
        let builder = DefenderClient::builder().credential(StaticCredential::new("a-token")).transport(wire);
        Self { client: builder.clock(clock.clone()).build().unwrap(), clock }
    }

    fn responding(status: u16, kind: &'static str, body: &'static str) -> Self {
        Self::new(move |_| response(status, kind, body))
    }

    async fn run<F: Future>(&self, future: F) -> F::Output {
        self.clock.run(future).await
    }

    /// The error of a read.
    async fn reading(self) -> Error {
        self.run(self.client.action("a1".parse().unwrap()).get().send()).await.unwrap_err()
    }

    /// The error of an action.
    async fn isolating(self) -> Error {
        self.run(self.client.machine(machine()).isolate("Ransomware").send()).await.unwrap_err()
    }
}

fn machine() -> MachineId {
    "d0f7c1b2a3948576e1f0a9b8c7d6e5f403122134".parse().unwrap()
}

fn response(status: u16, kind: &str, body: impl Into<Bytes>) -> Response<Body> {
    Response::builder().status(status).header("content-type", kind).body(Body::from(body.into())).unwrap()
}

const JSON: &str = "application/json";

/// The words by which a line says what to do.
const ADVICE: [&str; 37] = [
    "undo ",
    "must ",
    "try again",
    "add ",
    "ask ",
    "call again",
    "check ",
    "choose ",
    "compare ",
    "correct ",
    "do not ",
    "download it again",
    "fix ",
    "free ",
    "give ",
    "go through",
    "grant ",
    "keep ",
    "let ",
    "look ",
    "make ",
    "narrow ",
    "put ",
    "raise ",
    "say ",
    "send ",
    "set ",
    "submit ",
    "turn ",
    "turn on",
    "update ",
    "use ",
    "wait ",
    "it takes ",
    "to act all the same",
    "recover ",
    "remove ",
];

#[tokio::test]
async fn every_fault_says_what_to_do() {
    let mut faults = sign_in::faults().await;
    faults.extend(service::faults().await);
    faults.extend(network::faults().await);
    faults.extend(outcomes::faults().await);
    faults.extend(files::faults().await);
    assert!(faults.len() >= 30, "{}", faults.len());
    let (mut gallery, mut poor) = (String::new(), Vec::new());
    for (fault, error) in &faults {
        let line = steady(&error.to_string());
        if !ADVICE.iter().any(|advice| line.contains(advice)) {
            poor.push(format!("{fault} says nothing of what to do: {line}"));
        }
        if line.contains(['\n', '\r', '\u{1b}']) || line.len() > 1_200 || line.contains("a-token") {
            poor.push(format!("{fault} is not one plain line: {line}"));
        }
        writeln!(gallery, "{fault}\n  {line}").unwrap();
    }
    assert_eq!(poor, [""; 0]);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gallery.txt");
    if std::env::var_os("WRITE_GALLERY").is_some() {
        std::fs::write(path, &gallery).unwrap();
    }
    assert_eq!(gallery, std::fs::read_to_string(path).unwrap(), "if it is meant, run this with WRITE_GALLERY=1");
}

/// The whole chain has all that the line has, and no source is told twice.
#[tokio::test]
async fn chain_repeats_nothing() {
    for (fault, error) in sign_in::faults().await.into_iter().chain(outcomes::faults().await) {
        let (line, whole, debug) = (error.to_string(), format!("{error:#}"), format!("{error:?}"));
        let mut source = std::error::Error::source(&error);
        while let Some(next) = source {
            let text = next.to_string();
            assert!(whole.contains(&text) && !line.contains(&text), "{fault}: {text} in {line}");
            source = next.source();
        }
        assert!(!debug.contains("None") && !debug.contains("Some("), "{fault}: {debug}");
    }
}

/// The line without what is another each time: ports of this machine, and ids and times of requests.
fn steady(line: &str) -> String {
    let is_id = |c: char| c.is_ascii_hexdigit() || c == '-';
    let line = masked(line, "127.0.0.1:", "PORT", |c| c.is_ascii_digit());
    let line = masked(&line, "(target ", "ID", is_id);
    let line = masked(&line, "Trace ID: ", "ID", is_id);
    let line = masked(&line, "Correlation ID: ", "ID", is_id);
    let line = masked(&line, "Correlation id: ", "ID", is_id);
    masked(&line, "Timestamp: 2026-01-01 ", "TIME", |c| c.is_ascii_digit() || matches!(c, ':' | 'Z'))
}

/// The line with `mask` in place of such characters after each `marker`.
fn masked(line: &str, marker: &str, mask: &str, fits: impl Fn(char) -> bool) -> String {
    let mut parts = line.split(marker);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        write!(masked, "{marker}{mask}{}", part.trim_start_matches(&fits)).unwrap();
    }
    masked
}

/// Builds a client over this wire as another process would, with another credential.
fn with_credential(
    world: &World,
    credential: impl defender_actions::auth::IntoCredential + Send + 'static,
) -> DefenderClient {
    world.builder_over(world.emulator.transport()).credential(credential).build().unwrap()
}

/// The error of reading an action.
async fn reading(world: &World, client: &DefenderClient) -> Error {
    world.run(client.action("a1".parse().unwrap()).get().send()).await.unwrap_err()
}

/// A wire that fails so.
fn failing(error: impl Fn() -> Broken + Send + Sync + 'static) -> Canned {
    Canned::ending(move |_| Err(error()))
}
