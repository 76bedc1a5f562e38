//! No secret is shown: every credential, over success and every kind of failure, over real TLS and with all that is traced.

mod endings;
mod flows;
mod net;

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use defender_auth::{Cloud, CredentialContext, ErrorKind};
use defender_transport::{Retry, TransportExt, testing::ManualClock};

pub(crate) use self::{
    endings::brought,
    flows::{FLOWS, Flow, World},
    net::Seen,
};
use self::{
    endings::{Ending, FAILURES, REFUSED, SILENT},
    flows::{PASSWORD, PEM},
    net::Traces,
};
use crate::support::{
    Folder,
    endpoint::{Ca, Endpoint},
    form,
    wire::{Wire, asked},
};

/// Findings in one cell of the matrix.
struct Found {
    leaks: Vec<&'static str>,
    /// Number of bytes that were searched.
    bytes: usize,
    /// True if the secrets reached the endpoint.
    arrived: bool,
    outcome: Result<(), ErrorKind>,
    speaks_of_the_wire: bool,
}

/// Sends `flow` to an endpoint that ends it so.
async fn cell(ca: &Ca, flow: &Flow, ending: &'static Ending, protocol: &str) -> Found {
    let (traces, clock) = (Traces::default(), ManualClock::new());
    let _kept = traces.keep();
    let tls = Endpoint::tls(ca, "127.0.0.1", protocol, |request| ending.reply(request)).await;
    let plain = Endpoint::plain(|request| ending.reply(request)).await;
    let closed = closed_port();
    let world = World {
        folder: Folder::new(),
        ending: ending.name,
        plain_port: if ending.arrives { plain.port } else { closed },
        busy: Arc::default(),
        made: Arc::default(),
    };
    let transport = Wire::trusting(&ca.pem);
    let port = if ending.arrives { tls.port } else { closed };
    let context = CredentialContext::new(
        transport.clone().traced(clock.clone()).shared(),
        Arc::new(clock.clone()),
        Cloud::Public,
    )
    .authority(format!("https://127.0.0.1:{port}"))
    .retry(Retry::default().attempts(2));

    let mut seen = Seen::default();
    let credential = flow.connect(&world, &mut seen, &context);
    let (busy, made): (Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>) = (Arc::clone(&world.busy), Arc::clone(&world.made));
    let is_idle = || busy.load(Ordering::Relaxed) == 0 && transport.waiting() <= tls.silent() + plain.silent();
    let outcome = asked(&credential, &clock, is_idle).await;
    seen.debug(&credential);
    seen.debug(&context);
    match &outcome {
        Ok(token) => seen.debug(token),
        Err(error) => seen.error(error),
    }
    let speaks_of_the_wire = traces.tells_of("h2") || traces.tells_of("hyper_util");
    seen.traces(&traces);

    let requests: Vec<_> = tls.requests().into_iter().chain(plain.requests()).collect();
    let mut secrets = made.lock().unwrap().clone();
    for request in &requests {
        let mut form = form(request);
        secrets.extend(["client_assertion", "code_verifier"].iter().filter_map(|name| form.remove(*name)));
    }
    secrets.extend(["canary", PASSWORD, "s%26cr"].map(str::to_owned));
    secrets.extend(PEM.lines().filter(|line| line.len() == 64).map(str::to_owned));
    let arrived = requests.iter().any(|request| secrets.iter().any(|secret| brought(request).contains(secret)));
    let outcome = outcome.map(drop).map_err(|error| error.kind());
    Found { leaks: seen.leaks(&secrets), bytes: seen.bytes(), arrived, outcome, speaks_of_the_wire }
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "what was checked is printed")]
async fn no_secret_is_shown_whatever_happens() {
    static WELL: Ending = Ending::well();
    let ca = Ca::new();
    let (mut cells, mut bytes, mut broken) = (0, 0, Vec::new());
    for flow in FLOWS {
        for (place, ending) in std::iter::once(&WELL).chain(FAILURES).enumerate() {
            let protocol = if place % 2 == 0 { "h2" } else { "http/1.1" };
            let found = cell(&ca, flow, ending, protocol).await;
            println!(
                "{:<30} {:<32} {:<9} {:?}, {} bytes",
                flow.name, ending.name, protocol, found.outcome, found.bytes
            );
            let is_well = ending.name == WELL.name || flow.name == "static";
            let mut wrong = |what: String| broken.push(format!("{}, {}: {what}", flow.name, ending.name));
            if !found.leaks.is_empty() {
                wrong(format!("a secret is in {:?}", found.leaks));
            }
            if found.outcome.is_ok() != is_well {
                wrong(format!("it ended with {:?}", found.outcome));
            }
            if found.arrived != (flow.sends && ending.name != REFUSED) {
                wrong(format!("a secret was sent: {}", found.arrived));
            }
            if flow.sends && ending.name != REFUSED && !found.speaks_of_the_wire {
                wrong("the transport traced nothing".to_owned());
            }
            if ending.name == SILENT && !is_well && found.outcome == Err(ErrorKind::Response) {
                wrong("a timeout is no response".to_owned());
            }
            (cells, bytes) = (cells + 1, bytes + found.bytes);
        }
    }
    println!(
        "{cells} cells, {} flows, {} failures and success, {bytes} bytes looked through",
        FLOWS.len(),
        FAILURES.len()
    );
    assert_eq!(broken, [""; 0]);
}
