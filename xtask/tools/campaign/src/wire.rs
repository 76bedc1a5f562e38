//! The network between the clients and the emulator: it takes time, it may deliver late what was given up, and it marks each
//! request, so that what the emulator received can be told apart.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_emulator::InProcess;
use defender_transport::{Body, Clock, Error, Transport, testing::ManualClock};
use http::{HeaderValue, Method, Request, Response};
use tokio::sync::oneshot;

use super::{
    dice::Dice,
    executor::{Owner, Spawner},
};

/// Delay of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Latency {
    /// No time.
    None,
    /// Up to so long each way; and of a hundred requests so many arrive so late that the client has given up.
    UpTo { each_way: Duration, late: u64 },
}

impl Latency {
    /// The longest delay of a response.
    pub(crate) fn most(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::UpTo { each_way, .. } => each_way,
        }
    }
}

/// Beyond every limit that a client has for an attempt.
const LATE: Duration = Duration::from_secs(25);
/// And so much later at most.
const LATER: Duration = Duration::from_secs(125);

/// Path of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passage {
    pub(crate) client: u32,
    pub(crate) departed: Duration,
    /// Its attempt had been given up before it arrived.
    pub(crate) given_up: bool,
    /// The head of a response reached the client.
    pub(crate) delivered: bool,
    /// Time at which the attempt ended, with a head or without.
    pub(crate) ended: Option<Duration>,
}

/// State that all transports to one emulator share.
#[derive(Debug)]
pub(crate) struct Network {
    emulator: InProcess,
    clock: ManualClock,
    spawner: Spawner,
    latency: Latency,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    /// For which submission the future that is being polled was made.
    tag: Option<Arc<str>>,
    /// Number of requests of each tag and each client.
    sent: BTreeMap<String, u32>,
    passages: BTreeMap<String, Passage>,
}

impl Network {
    pub(crate) fn new(emulator: InProcess, clock: ManualClock, spawner: Spawner, latency: Latency, dice: Dice) -> Self {
        let state = State { dice, tag: None, sent: BTreeMap::new(), passages: BTreeMap::new() };
        Self { emulator, clock, spawner, latency, state: Mutex::new(state) }
    }

    /// Path of each request, by its id.
    pub(crate) fn passages(&self) -> BTreeMap<String, Passage> {
        self.state().passages.clone()
    }

    /// `future`, with this tag on each POST of an action that is sent while it is polled.
    pub(crate) async fn tagged<F: Future>(&self, tag: Arc<str>, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context: &mut Context<'_>| -> Poll<F::Output> {
            let before = self.state().tag.replace(Arc::clone(&tag));
            let polled = future.as_mut().poll(context);
            self.state().tag = before;
            polled
        })
        .await
    }

    /// Marks a request that is sent now, and returns its id.
    fn depart(&self, request: &mut Request<Bytes>, client: u32) -> String {
        let state = &mut *self.state();
        let changes = request.method() == Method::POST && request.uri().path().starts_with("/api/");
        let mark = match &state.tag {
            Some(tag) if changes => tag.to_string(),
            _ => format!("client{client}"),
        };
        let nth = state.sent.entry(mark.clone()).or_default();
        *nth += 1;
        let id = format!("{mark}.{nth}");
        if let Ok(value) = HeaderValue::try_from(&id) {
            request.headers_mut().insert("client-request-id", value);
        }
        let passage = Passage { client, departed: self.clock.elapsed(), ..Passage::default() };
        state.passages.insert(id.clone(), passage);
        id
    }

    fn note(&self, id: &str, change: impl FnOnce(&mut Passage)) {
        if let Some(passage) = self.state().passages.get_mut(id) {
            change(passage);
        }
    }

    /// Delays of the next request and of its response; true if the request arrives even when given up.
    fn draw(&self) -> Option<(Duration, Duration, bool)> {
        let Latency::UpTo { each_way, late } = self.latency else { return None };
        let dice = &mut self.state().dice;
        let there = if dice.percent(late) { LATE + dice.up_to(LATER) } else { dice.up_to(each_way) };
        Some((there, dice.up_to(each_way), dice.percent(60)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way of one client.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) network: Arc<Network>,
    pub(crate) client: u32,
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let network = &self.network;
        let id = network.depart(&mut request, self.client);
        let answer = match network.draw() {
            None => network.emulator.send(request).await,
            Some((there, back, arrives)) => {
                let trip = Arc::new(Trip::default());
                let (answered, answer) = oneshot::channel();
                let (network, travels) = (Arc::clone(network), Arc::clone(&trip));
                let _waits = Waits { trip, network: Arc::clone(&network), id: id.clone() };
                self.network.spawner.spawn(Owner::Network, id.clone(), async move {
                    network.clock.sleep(there).await;
                    if !travels.arrives(arrives) {
                        return;
                    }
                    let answer = network.emulator.send(request).await;
                    network.clock.sleep(back).await;
                    let _nobody_waits_any_more = answered.send(answer);
                });
                match answer.await {
                    Ok(answer) => answer,
                    // The trip ends only with a response, unless all ends.
                    Err(_) => std::future::pending().await,
                }
            }
        };
        let now = network.clock.elapsed();
        network.note(&id, |passage| (passage.delivered, passage.ended) = (answer.is_ok(), Some(now)));
        answer
    }
}

/// A request on its way.
#[derive(Debug, Default)]
struct Trip(Mutex<Way>);

#[derive(Debug, Default)]
struct Way {
    arrived: bool,
    given_up: bool,
}

impl Trip {
    /// Returns true if it arrives; a given-up request arrives if `though_given_up`.
    fn arrives(&self, though_given_up: bool) -> bool {
        let mut way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        way.arrived = !way.given_up || though_given_up;
        way.arrived
    }
}

/// A client waits for the response, until this is dropped.
struct Waits {
    trip: Arc<Trip>,
    network: Arc<Network>,
    id: String,
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut way = self.trip.0.lock().unwrap_or_else(PoisonError::into_inner);
        way.given_up = true;
        let now = self.network.clock.elapsed();
        self.network.note(&self.id, |passage| passage.ended = passage.ended.or(Some(now)));
        if !way.arrived {
            self.network.note(&self.id, |passage| passage.given_up = true);
        }
    }
}
