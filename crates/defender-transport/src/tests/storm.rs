//! A thousand storms: partitions, delays, resets, silence, and a server that fails in every way it can. The judge is the
//! server's own record of what it received.

use std::{collections::BTreeMap, fmt, time::Duration};

use bytes::Bytes;
use fastrand::Rng;
use futures_util::{
    StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use http::{Method, Request, StatusCode};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::{
    ID, Paused, Protocol,
    network::Network,
    run,
    server::{Event, Server},
    tls, transport,
};
use crate::{
    Error, Retry, Roots, Transport, TransportExt,
    extensions::{Attempts, Idempotency, RateLimit, RateLimitScope, Read, Timeouts},
};

const SECOND: Duration = Duration::from_secs(1);
/// Tokio's timers have milliseconds, and each layer may have one that is up to a whole one late.
const LATE: Duration = Duration::from_millis(10);

/// Longest silence of a body, and the number of pieces of the longest body.
const IDLE: Duration = Duration::from_secs(30);
const PIECES: u32 = 11;

/// Behavior of a caller, as drawn from the seed.
#[derive(Clone, Debug)]
struct Call {
    id: usize,
    at: Duration,
    idempotency: Idempotency,
    total: Duration,
    size: usize,
    paced: bool,
    /// The body is read by the caller, as it comes.
    streams: bool,
    /// Time at which the caller drops the call.
    leaves: Option<Duration>,
}

/// Result of a call for its caller.
#[derive(Debug)]
enum Ended {
    Answer {
        status: StatusCode,
        attempts: u32,
        body: Bytes,
    },
    Broke(Error),
    /// The caller left.
    Left,
}

fn call(id: usize, random: &mut Rng) -> Call {
    let milliseconds = |random: &mut Rng, range| Duration::from_millis(random.u64(range));
    let largest = if random.u32(0..10) == 0 { 200_000 } else { 200 };
    Call {
        id,
        // Some come together.
        at: if random.bool() { milliseconds(random, 0..120_000) } else { SECOND * 20 * random.u32(0..6) },
        idempotency: if random.bool() { Idempotency::Idempotent } else { Idempotency::NonIdempotent },
        total: milliseconds(random, 5_000..150_000),
        size: random.usize(0..largest),
        paced: random.bool(),
        streams: random.u32(0..5) == 0,
        leaves: (random.u32(0..10) == 0).then(|| milliseconds(random, 0..20_000)),
    }
}

async fn make(call: &Call, url: &str, stack: &impl Transport) -> (Ended, Duration) {
    sleep(call.at).await;
    let began = Instant::now();
    let method = if call.idempotency == Idempotency::Idempotent { Method::GET } else { Method::POST };
    let mut request = Request::builder().method(method).uri(url).header(ID, call.id);
    request = request.extension(call.idempotency).extension(Timeouts::default().total(call.total));
    if call.streams {
        request = request.extension(Read::Stream);
    }
    if call.paced {
        let limits = vec![RateLimit { calls: 3, per: SECOND * 10 }, RateLimit { calls: 8, per: SECOND * 60 }];
        request = request.extension(RateLimitScope { key: "scope".into(), limits: limits.into() });
    }
    let sent = Box::pin(async {
        let response = stack.send(request.body(vec![b'x'; call.size].into()).unwrap()).await?;
        let (status, attempts) = (response.status(), Attempts::of(&response));
        Ok(Ended::Answer { status, attempts, body: response.into_body().collect(1 << 20).await? })
    });
    let leaves = Box::pin(sleep(call.leaves.unwrap_or(Duration::MAX)));
    let ended = match select(sent, leaves).await {
        Either::Left((ended, _)) => ended.unwrap_or_else(Ended::Broke),
        Either::Right(_) => Ended::Left,
    };
    (ended, began.elapsed())
}

/// Result of a storm.
struct Storm {
    calls: Vec<(Call, Ended, Duration)>,
    server: Server,
    after: Vec<(Call, Ended, Duration)>,
    /// Number of connections that are left at the end.
    open: usize,
}

/// Twelve calls in a storm, and two when it is over.
async fn storm(protocol: Protocol, seed: u64, tls: Option<&(TlsAcceptor, Roots)>) -> Storm {
    fastrand::seed(seed);
    let (network, server, clock) = (Network::stormy(seed), Server::new(protocol, seed), Paused::new());
    let server = tls.iter().fold(server, |server, (acceptor, _)| server.under(acceptor.clone()));
    let trusted = tls.map(|(_, roots)| roots.clone());
    let url = if tls.is_some() { "https://127.0.0.1/" } else { "http://127.0.0.1/" };
    let stack = transport(&network, &server, protocol, trusted).redirected().decompressed().deadline(clock.clone());
    let stack = stack.traced(clock.clone()).buffered().paced(clock.clone()).retrying(clock.clone());
    let stack = stack.policy(Retry::default().seed(seed));

    let mut random = Rng::with_seed(seed ^ 0xca11);
    let made = async |calls: Vec<Call>| {
        let calls: FuturesUnordered<_> = calls
            .into_iter()
            .map(async |call| {
                let (ended, took) = make(&call, url, &stack).await;
                (call, ended, took)
            })
            .collect();
        let mut ended: Vec<_> = calls.collect().await;
        ended.sort_by_key(|(call, ..)| call.id);
        ended
    };
    let calls = made((0..12).map(|id| call(id, &mut random)).collect()).await;
    network.heal();
    server.heal();
    let quiet = |id| Call {
        id,
        idempotency: Idempotency::Idempotent,
        at: Duration::ZERO,
        total: SECOND * 300,
        size: 100,
        paced: true,
        streams: false,
        leaves: None,
    };
    let after = made(vec![quiet(100), quiet(101)]).await;
    drop(stack);
    sleep(SECOND * 60).await;
    Storm { calls, server, after, open: network.open() }
}

impl Storm {
    /// Error in the end of a call, by the server's record.
    fn wrong(&self, call: &Call, ended: &Ended, took: Duration) -> Option<String> {
        let record = self.server.record(call.id);
        let count = |event| record.iter().filter(|one| **one == event).count();
        // How often it was received and not refused.
        let taken = count(Event::Heard) - count(Event::Refused);
        let effects = count(Event::Effect);
        let unless = |kept: bool, rule: &str| (!kept).then(|| rule.to_owned());
        // The reader of a stream takes the time that it takes, as long as it does not fall silent.
        let reading = if call.streams { IDLE * PIECES } else { Duration::ZERO };
        let always = || {
            unless(took <= call.total + reading + LATE, "it took longer than it may")
                .or_else(|| {
                    unless(
                        call.idempotency == Idempotency::Idempotent || taken <= 1,
                        "sent again, where it may have been done",
                    )
                })
                .or_else(|| unless(call.idempotency == Idempotency::Idempotent || effects <= 1, "done twice"))
        };
        let of_it = match ended {
            Ended::Answer { status, attempts, body } => {
                let own = std::str::from_utf8(body).ok().and_then(|text| text.split_whitespace().next()?.parse().ok());
                unless(own == Some(call.id), "a response to another request")
                    .or_else(|| unless(!status.is_success() || effects > 0, "well answered, and not done"))
                    .or_else(|| unless((1..=5).contains(attempts), "too many attempts"))
            }
            Ended::Broke(error) => unless(!error.never_sent() || taken == 0, "never sent, and received")
                .or_else(|| {
                    let done = error.response_status().is_some_and(|status| status.is_success());
                    unless(!done || effects > 0, "told that it took effect, and it did not")
                })
                .or_else(|| unless((1..=5).contains(&error.attempts()), "too many attempts")),
            Ended::Left => None,
        };
        let wrong = always().or(of_it)?;
        Some(format!("{wrong}: {call:?} ended as {ended:?} after {took:?}, where the server's record is {record:?}"))
    }

    fn judge(&self) -> Result<(), String> {
        for (call, ended, took) in &self.calls {
            self.wrong(call, ended, *took).map_or(Ok(()), Err)?;
        }
        for (call, ended, took) in &self.after {
            self.wrong(call, ended, *took).map_or(Ok(()), Err)?;
            if !matches!(ended, Ended::Answer { status: StatusCode::CREATED, .. }) {
                return Err(format!("after the storm: {call:?} ended as {ended:?} after {took:?}"));
            }
        }
        if self.open > 0 { Err(format!("{} connections are left", self.open)) } else { Ok(()) }
    }
}

/// The ends of the calls and the server's record, to be the same each time.
impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (call, ended, took) in self.calls.iter().chain(&self.after) {
            writeln!(f, "{call:?} {ended:?} {took:?}")?;
        }
        let all = self.server.all();
        let began = all.first().map(|(at, ..)| *at);
        all.iter().try_for_each(|(at, id, event)| writeln!(f, "{:?} {id} {event:?}", Some(*at - began.unwrap_or(*at))))
    }
}

/// Seeds of the storms; more by the variable `STORMS`, and another first one by `STORM`. The even ones are over HTTP/1.1.
fn seeds() -> std::ops::Range<u64> {
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let first = number("STORM", 0);
    first..first + number("STORMS", 1_000)
}

/// Runs one storm, and returns the outcomes of its calls.
fn weathered(protocol: Protocol, seed: u64, tls: Option<&(TlsAcceptor, Roots)>) -> Vec<String> {
    let repeat = format!("STORM={seed} STORMS=1");
    // An hour in which nobody moves is a hang; no call may take five minutes.
    let storm = run(async { timeout(SECOND * 3_600, storm(protocol, seed, tls)).await });
    let storm = storm.unwrap_or_else(|_| panic!("{repeat}: it hangs"));
    storm.judge().unwrap_or_else(|wrong| panic!("{repeat}: {wrong}"));
    let word = |(call, ended, _): &(Call, Ended, Duration)| {
        let again = storm.server.record(call.id).windows(2).any(|two| two == [Event::Refused, Event::Heard]);
        word(call, ended, again)
    };
    storm.calls.iter().map(word).collect()
}

fn weather(protocol: Protocol) {
    let mut seen = BTreeMap::new();
    for seed in seeds().filter(|seed| (seed % 2 == 0) == (protocol == Protocol::Http1)) {
        for word in weathered(protocol, seed, None) {
            *seen.entry(word).or_insert(0_u64) += 1;
        }
    }
    // A judge that sees nothing is of no use.
    for word in [
        "NonIdempotent: answered 2",
        "NonIdempotent: answered 2, after a refusal",
        "NonIdempotent: answered 4",
        "NonIdempotent: answered 5",
        "NonIdempotent: Interrupted",
        "NonIdempotent: Timeout",
        "NonIdempotent: Interrupted after 2",
        "NonIdempotent: Timeout after 2",
        "NonIdempotent: Timeout, never sent",
        "NonIdempotent: left",
        "Idempotent: answered 2",
        "Idempotent: answered 2, after a refusal",
        "Idempotent: Interrupted",
        "Idempotent: Timeout",
        "Idempotent: Timeout, never sent",
    ] {
        assert!(seeds().count() < 1_000 || seen.contains_key(word), "no call ended as `{word}`: {seen:#?}");
    }
}

/// Outcome of a call, in few words.
fn word(call: &Call, ended: &Ended, again: bool) -> String {
    let ended = match ended {
        Ended::Answer { status, .. } => format!("answered {}", status.as_u16() / 100),
        Ended::Broke(error) => match error.response_status() {
            _ if error.never_sent() => format!("{:?}, never sent", error.kind()),
            Some(status) => format!("{:?} after {}", error.kind(), status.as_u16() / 100),
            None => format!("{:?}", error.kind()),
        },
        Ended::Left => "left".to_owned(),
    };
    format!("{:?}: {ended}{}", call.idempotency, if again { ", after a refusal" } else { "" })
}

#[test]
fn storms_over_http_1() {
    weather(Protocol::Http1);
}

#[test]
fn storms_over_http_2() {
    weather(Protocol::Http2);
}

/// Handshakes are cut, delayed and forgotten as everything else is. Fewer, since each costs what a storm does otherwise.
#[test]
fn storms_under_tls() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let tls = tls(protocol);
        let storms = seeds().filter(|seed| (seed % 2 == 0) == (protocol == Protocol::Http1)).step_by(10);
        storms.for_each(|seed| drop(weathered(protocol, seed, Some(&tls))));
    }
}

#[test]
fn seeded_storm_is_reproducible() {
    for (protocol, seed) in (0..10).flat_map(|seed| [(Protocol::Http1, seed), (Protocol::Http2, seed)]) {
        let told = || run(storm(protocol, seed, None)).to_string();
        assert_eq!(told(), told(), "{protocol:?}, {seed}");
    }
    let tls = tls(Protocol::Http2);
    let told = || run(storm(Protocol::Http2, 11, Some(&tls))).to_string();
    assert_eq!(told(), told(), "under TLS");
}
