//! Several processes that share the count of a store.

use std::ops::Range;

use futures_util::{
    FutureExt, StreamExt,
    future::{self, Either},
    stream::FuturesUnordered,
};
use proptest::prelude::*;

use super::*;
use crate::{
    TransportExt,
    extensions::QuotaKey,
    quota::{EndedPermit, MemoryQuotaStore, PermitRequest, Permits, QuotaStore, QuotaStoreError},
};

/// Store in memory whose calls fail or are slow by script.
#[derive(Clone, Debug)]
struct Store {
    memory: MemoryQuotaStore,
    clock: ManualClock,
    reserve: Arc<Mutex<VecDeque<Fault>>>,
    release: Arc<Mutex<VecDeque<Fault>>>,
    asks: Arc<Mutex<Vec<usize>>>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// The store does nothing.
    Lost,
    /// The store does it, and its response is lost.
    ResponseLost,
    /// The request is slow.
    Slow(Duration),
    /// The request is slow, and the response is lost.
    SlowAndLost(Duration),
    /// The response is slow.
    SlowResponse(Duration),
}

impl Store {
    fn new(clock: &ManualClock) -> Self {
        let memory = MemoryQuotaStore::new(clock.clone());
        Self { memory, clock: clock.clone(), reserve: Arc::default(), release: Arc::default(), asks: Arc::default() }
    }

    fn reserves(self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.reserve.lock().unwrap().extend(faults);
        self
    }

    fn releases(self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.release.lock().unwrap().extend(faults);
        self
    }

    async fn call<T>(
        &self,
        faults: &Mutex<VecDeque<Fault>>,
        call: impl Future<Output = Result<T, QuotaStoreError>>,
    ) -> Result<T, QuotaStoreError> {
        let fault = faults.lock().unwrap().pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::Lost => return Err(QuotaStoreError::new("the database is away")),
            Fault::Slow(time) | Fault::SlowAndLost(time) => self.clock.sleep(time).await,
            Fault::None | Fault::ResponseLost | Fault::SlowResponse(_) => {}
        }
        let response = call.await?;
        match fault {
            Fault::ResponseLost | Fault::SlowAndLost(_) => return Err(QuotaStoreError::new("the connection broke")),
            Fault::SlowResponse(time) => self.clock.sleep(time).await,
            Fault::None | Fault::Lost | Fault::Slow(_) => {}
        }
        Ok(response)
    }
}

#[async_trait]
impl QuotaStore for Store {
    async fn reserve(&self, request: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError> {
        self.asks.lock().unwrap().push(request.permits.len());
        self.call(&self.reserve, self.memory.reserve(request)).await
    }

    async fn release(&self, key: &QuotaKey, ended: &[EndedPermit]) -> Result<(), QuotaStoreError> {
        self.call(&self.release, self.memory.release(key, ended)).await
    }
}

/// Processes with one store and one server.
fn processes<const N: usize>(
    store: impl FnOnce(&ManualClock) -> Store,
) -> (ManualClock, Server, Store, [Paced<Server>; N]) {
    let (clock, server, paced) = stage();
    let store = store(&clock);
    let process =
        || Paced::new(paced.inner.clone(), clock.clone()).total(Duration::MAX).store(Arc::new(store.clone()), "app");
    (clock.clone(), server, store.clone(), std::array::from_fn(|_| process()))
}

fn send(paced: &Paced<Server>, scope: &RateLimitScope, plan: Plan) -> SendFuture<'static> {
    let (paced, request) = (paced.clone(), request(scope, plan));
    Box::pin(async move { paced.send(request).await })
}

#[test]
fn processes_share_one_window() {
    let (clock, server, store, [one, two]) = processes(Store::new);
    let scope = scope(&[(10, 1), (40, 10)]);
    let calls: FuturesUnordered<_> = (0..400)
        .map(|number| send([&one, &two][number % 2], &scope, Plan { back: Duration::from_millis(20), ..plan(number) }))
        .collect();
    block_on(&clock, calls.collect::<Vec<_>>());
    let arrivals = server.arrivals();
    assert_eq!((fullest(&arrivals, 10, SECOND), fullest(&arrivals, 40, SECOND * 10)), (10, 40));
    // Ten batches of 40 in windows of 10 s, each a little late by the time of a response.
    let took = arrivals.last().unwrap().as_secs_f64();
    assert!((93.0..=95.0).contains(&took), "{took}");
    let asks = store.asks.lock().unwrap();
    assert!(asks.len() <= 200, "the first of the queue asks for all: {} asks", asks.len());
}

/// Two processes with 2,000 calls each: an ideal schedule sends 1,500 an hour, 100 a minute.
#[test]
fn processes_use_the_whole_quota() {
    let (clock, server, store, [one, two]) = processes(Store::new);
    let scope = scope(&[(100, 60), (1_500, 3_600)]);
    let calls: FuturesUnordered<_> = (0..4_000)
        .map(|number| send([&one, &two][number % 2], &scope, Plan { back: Duration::from_millis(300), ..plan(number) }))
        .collect();
    block_on(&clock, calls.collect::<Vec<_>>());
    let arrivals = server.arrivals();
    assert_eq!((fullest(&arrivals, 100, SECOND * 60), fullest(&arrivals, 1_500, SECOND * 3_600)), (100, 1_500));
    let ideal = 2.0 * 3_600.0 + 9.0 * 60.0;
    let ratio = arrivals.last().unwrap().as_secs_f64() / ideal;
    assert!((1.0..=1.02).contains(&ratio), "{ratio} of the ideal time");
    let asks = store.asks.lock().unwrap().len();
    assert!(asks <= 400, "the first of each queue asks for all: {asks} asks");
}

#[test]
fn keys_of_owners_are_apart() {
    let (clock, server, store, [one]) = processes(Store::new);
    let other = Paced::new(server.clone(), clock.clone()).total(Duration::MAX).store(Arc::new(store), "other");
    let scope = scope(&[(1, 60)]);
    block_on(&clock, future::join(send(&one, &scope, plan(0)), send(&other, &scope, plan(1)))).0.unwrap();
    assert_eq!(server.arrivals(), [Duration::ZERO; 2]);
}

#[test]
fn failed_store_sends_nothing() {
    let (clock, server, _, [paced]) = processes(|clock| Store::new(clock).reserves([Fault::Lost]));
    let scope = scope(&[(10, 1)]);
    let error = block_on(&clock, send(&paced, &scope, plan(0))).unwrap_err();
    assert_eq!((error.kind(), error.never_sent(), error.is_permanent()), (ErrorKind::QuotaStore, true, false));
    assert_eq!(error.to_string(), "the quota store did not respond, so nothing was sent: the database is away");
    assert!(server.arrivals().is_empty());
    block_on(&clock, send(&paced, &scope, plan(1))).unwrap();
    assert_eq!(server.order(), [1]);
}

#[test]
fn one_failure_ends_all_that_were_asked_for() {
    let (clock, server, store, [paced]) =
        processes(|clock| Store::new(clock).reserves([Fault::None, Fault::Slow(SECOND), Fault::Lost]));
    let scope = scope(&[(1, 60)]);
    block_on(&clock, send(&paced, &scope, plan(0))).unwrap();
    let calls: FuturesUnordered<_> = (1..40).map(|number| send(&paced, &scope, plan(number))).collect();
    let ended: Vec<_> = block_on(&clock, calls.collect());
    assert!(ended.iter().all(|ended| ended.as_ref().unwrap_err().kind() == ErrorKind::QuotaStore), "{ended:?}");
    assert_eq!((server.order(), store.asks.lock().unwrap().len()), (vec![0], 3));
}

#[test]
fn lost_grant_frees_its_slot() {
    let (clock, server, _, [paced]) = processes(|clock| Store::new(clock).reserves([Fault::ResponseLost]));
    let scope = scope(&[(1, 60)]);
    block_on(&clock, send(&paced, &scope, plan(0))).unwrap_err();
    block_on(&clock, send(&paced, &scope, plan(1))).unwrap();
    assert_eq!((server.order(), clock.elapsed()), (vec![1], Duration::ZERO));
}

#[test]
fn dropped_asker_frees_its_slot() {
    let (clock, server, _, [paced]) =
        processes(|clock| Store::new(clock).reserves([Fault::None, Fault::Slow(SECOND), Fault::Slow(SECOND * 2)]));
    let scope = scope(&[(2, 60)]);
    block_on(&clock, send(&paced, &scope, plan(0))).unwrap();
    let (mut asker, mut next) = (send(&paced, &scope, plan(1)), send(&paced, &scope, plan(2)));
    assert!(poll(asker.as_mut()).is_pending() && poll(next.as_mut()).is_pending());
    drop(asker);
    block_on(&clock, next).unwrap();
    assert_eq!((server.order(), server.arrivals()), (vec![0, 2], vec![Duration::ZERO, SECOND * 2]));
}

/// The report of a call that was dropped may come to the store before its permit is granted, in a response that may be lost.
#[test]
fn permit_that_is_granted_after_its_report_is_freed() {
    for (ask, is_lost) in [(Fault::Slow(SECOND * 2), false), (Fault::SlowAndLost(SECOND * 2), true)] {
        let slow = [Fault::None, Fault::Slow(SECOND), ask];
        let (clock, server, _, [one, two]) = processes(|clock| Store::new(clock).reserves(slow));
        let scope = scope(&[(4, 60)]);
        let mut first = send(&one, &scope, Plan { back: SECOND * 2, ..plan(0) });
        let [mut second, mut third, mut fourth] = [1, 2, 3].map(|number| send(&one, &scope, plan(number)));
        for call in [&mut first, &mut second, &mut third, &mut fourth] {
            assert!(poll(call.as_mut()).is_pending());
        }
        block_on(&clock, second).unwrap();
        assert!(poll(third.as_mut()).is_pending(), "it asks for itself and the fourth, from 1 to 3");
        drop(fourth);
        // At 2 its end is reported.
        assert_eq!(block_on(&clock, future::join(first, third)).1.is_err(), is_lost);
        // The next ask of this process reports the rest.
        if is_lost {
            block_on(&clock, send(&one, &scope, plan(2))).unwrap();
        }
        block_on(&clock, send(&two, &scope, plan(4))).unwrap();
        assert_eq!((server.order(), clock.elapsed()), (vec![0, 1, 2, 4], SECOND * 3));
    }
}

#[test]
fn call_without_connection_frees_its_slot() {
    let (clock, server, _, [paced]) = processes(Store::new);
    let scope = scope(&[(1, 60)]);
    let refused = Plan { response: Answer::NotConnected, ..plan(0) };
    block_on(&clock, send(&paced, &scope, refused)).unwrap_err();
    block_on(&clock, send(&paced, &scope, plan(1))).unwrap();
    assert_eq!((server.order().last(), clock.elapsed()), (Some(&1), Duration::ZERO));
}

/// The store counts the first call as ended when the second asks, and names a wait of a minute.
#[test]
fn unsent_call_ends_the_named_wait() {
    let (clock, server, _, [one, two]) = processes(Store::new);
    let scope = scope(&[(1, 60)]);
    let refused = Plan { back: SECOND, response: Answer::NotConnected, ..plan(0) };
    let calls = [send(&one, &scope, refused), send(&one, &scope, plan(1)), send(&two, &scope, plan(2))];
    let calls: FuturesUnordered<_> = calls.into_iter().collect();
    block_on(&clock, calls.collect::<Vec<_>>());
    // The other process does not know of the free slot, and asks when its wait is over.
    assert_eq!(server.arrivals(), [Duration::ZERO, SECOND, SECOND * 61]);
}

#[test]
fn slot_given_back_during_ask_is_used() {
    let slow = [Fault::None, Fault::SlowResponse(SECOND * 2)];
    let (clock, server, _, [paced]) = processes(|clock| Store::new(clock).reserves(slow));
    let scope = scope(&[(1, 60)]);
    let refused = Plan { back: SECOND, response: Answer::NotConnected, ..plan(0) };
    let calls = future::join(send(&paced, &scope, refused), send(&paced, &scope, plan(1)));
    block_on(&clock, calls).1.unwrap();
    assert_eq!(server.arrivals(), [Duration::ZERO, SECOND * 2], "the response is older than the free slot");
}

/// The first ask is for one call, and the second for three, of which two get a permit.
#[test]
fn permit_of_a_dropped_call_goes_to_the_next() {
    for is_dropped_early in [true, false] {
        let slow = [Fault::Slow(SECOND), Fault::Slow(SECOND)];
        let (clock, server, _, [paced]) = processes(|clock| Store::new(clock).reserves(slow));
        let scope = scope(&[(3, 60)]);
        let [mut first, mut second, mut third, mut fourth] =
            [0, 1, 2, 3].map(|number| send(&paced, &scope, plan(number)));
        for call in [&mut first, &mut second, &mut third, &mut fourth] {
            assert!(poll(call.as_mut()).is_pending());
        }
        block_on(&clock, first).unwrap();
        assert!(poll(second.as_mut()).is_pending(), "it asks, from 1 to 2");
        let third = (!is_dropped_early).then_some(third);
        block_on(&clock, second).unwrap();
        drop(third);
        block_on(&clock, fourth).unwrap();
        assert_eq!((server.order(), clock.elapsed()), (vec![0, 1, 3], SECOND * 2), "dropped early: {is_dropped_early}");
    }
}

#[test]
fn dropped_call_keeps_its_slot() {
    let (clock, server, _, [one, two]) = processes(Store::new);
    let scope = scope(&[(1, 60)]);
    let mut sent = send(&one, &scope, Plan { back: SECOND * 50, ..plan(0) });
    assert!(poll(sent.as_mut()).is_pending());
    clock.advance(SECOND * 10);
    drop(sent);
    // The process does nothing more: the permit lapses after 70 s.
    block_on(&clock, send(&two, &scope, plan(1))).unwrap();
    assert_eq!(server.arrivals(), [Duration::ZERO, SECOND * 130]);
}

#[test]
fn process_that_asks_again_reports_its_ends() {
    let (clock, server, _, [one, two]) = processes(|clock| Store::new(clock).releases([Fault::Lost]));
    let (busy, other) = (scope(&[(1, 60)]), scope(&[(1, 60)]));
    block_on(&clock, send(&one, &busy, plan(0))).unwrap();
    clock.advance(SECOND * 5);
    // The report was lost, and is repeated before the ask; the end counts from its own time.
    let (first, second) = (send(&one, &other, plan(1)), send(&two, &other, plan(2)));
    block_on(&clock, future::join(first, second)).0.unwrap();
    assert_eq!(server.arrivals(), [Duration::ZERO, SECOND * 60, SECOND * 120]);
}

#[test]
fn late_grant_is_not_used() {
    let (clock, server, _, [paced]) = processes(|clock| Store::new(clock).reserves([Fault::Slow(SECOND * 31)]));
    let scope = scope(&[(1, 600)]);
    let error = block_on(&clock, send(&paced, &scope, plan(0))).unwrap_err();
    assert_eq!((error.kind(), clock.elapsed()), (ErrorKind::QuotaStore, SECOND * 30));
    assert!(error.to_string().contains("no response within 30s"), "{error}");
    block_on(&clock, send(&paced, &scope, plan(1))).unwrap();
    assert_eq!(server.arrivals(), [SECOND * 30], "its slot is free");
}

/// A repeat of an ask does not extend the permit, so the time of the first ask counts.
#[test]
fn permit_lapses_from_its_first_ask() {
    let slow = [SECOND, SECOND * 20, SECOND * 20].map(Fault::Slow);
    let (clock, server, store, [paced]) = processes(|clock| Store::new(clock).reserves(slow));
    let scope = scope(&[(10, 1)]);
    let calls = future::join3(
        send(&paced, &scope, plan(0)),
        paced.send(within(SECOND * 15, request(&scope, plan(1)))),
        send(&paced, &scope, plan(2)),
    );
    let (_, second, third) = block_on(&clock, calls);
    assert_eq!((second.unwrap_err().kind(), third.is_ok()), (ErrorKind::Timeout, true));
    // The third was asked for at 1, 15 and 35: the response at 35 is of a permit that has lapsed at 31.
    assert_eq!(*store.asks.lock().unwrap(), [1, 2, 1, 1]);
    assert_eq!(server.arrivals(), [SECOND, SECOND * 35]);
}

#[test]
fn store_without_a_time_is_asked_in_intervals() {
    /// Store that grants nothing, and names no time.
    #[derive(Debug, Default)]
    struct Full(Mutex<usize>);

    #[async_trait]
    impl QuotaStore for Full {
        async fn reserve(&self, _: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError> {
            *self.0.lock().unwrap() += 1;
            Ok(Permits { granted: 0, retry_after: None })
        }

        async fn release(&self, _: &QuotaKey, _: &[EndedPermit]) -> Result<(), QuotaStoreError> {
            Ok(())
        }
    }

    let (clock, server, _) = stage();
    let full = Arc::new(Full::default());
    let store: Arc<dyn QuotaStore> = Arc::clone(&full) as _;
    let paced = Paced::new(server, clock.clone()).store(store, "app");
    let request = within(SECOND, request(&scope(&[(10, 1)]), plan(0)));
    assert_eq!(block_on(&clock, paced.send(request)).unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(*full.0.lock().unwrap(), 100);
}

#[test]
fn suspended_process_sends_nothing() {
    for (seconds, is_sent) in [(29, true), (30, false)] {
        let (clock, server, _) = stage();
        let inner = server.clone().deadline(clock.clone());
        let suspended = Suspended { inner, clock: clock.clone(), time: SECOND * seconds };
        let paced = Paced::new(suspended, clock.clone()).store(Arc::new(Store::new(&clock)), "app");
        let ended = block_on(&clock, paced.send(request(&scope(&[(10, 1)]), plan(0))));
        assert_eq!((ended.is_ok(), server.arrivals().len()), (is_sent, usize::from(is_sent)));
        if let Err(error) = ended {
            assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Timeout, true));
            assert!(error.to_string().contains("the permit of the quota lapsed"), "{error}");
        }
    }
}

#[test]
fn late_store_ends_at_the_call_limit() {
    let (clock, server, _, [paced]) = processes(|clock| Store::new(clock).reserves([Fault::Slow(SECOND * 600)]));
    let request = within(SECOND * 5, request(&scope(&[(10, 1)]), plan(0)));
    let error = block_on(&clock, paced.send(request)).unwrap_err();
    assert_eq!((error.kind(), error.never_sent(), clock.elapsed()), (ErrorKind::Timeout, true, SECOND * 5));
    assert!(server.arrivals().is_empty());
}

#[test]
fn slow_report_delays_a_response_by_a_second() {
    let (clock, _, _, [paced]) = processes(|clock| Store::new(clock).releases([Fault::Slow(SECOND * 600)]));
    block_on(&clock, send(&paced, &scope(&[(10, 1)]), plan(0))).unwrap();
    assert_eq!(clock.elapsed(), SECOND);
}

#[test]
fn hopeless_place_fails_at_once() {
    let (clock, _, _, [paced]) = processes(|clock| Store::new(clock).reserves([Fault::Slow(SECOND)]));
    let scope = scope(&[(2, 60)]);
    let mut waiting: Vec<_> = (0..4).map(|number| send(&paced, &scope, plan(number))).collect();
    assert!(waiting.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    // Four are before it, so it goes at 120 at the earliest.
    let error = paced.send(within(SECOND * 119, request(&scope, plan(4)))).now_or_never().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Timeout, Some(SECOND * 120)));
    drop(clock);
}

#[test]
fn refusal_closes_the_key_for_all() {
    let (clock, server, _, [one, two]) = processes(Store::new);
    let scope = scope(&[(100, 1)]);
    block_on(&clock, send(&one, &scope, Plan { response: Answer::TooMany(Some("10")), ..plan(0) })).unwrap();
    let calls: FuturesUnordered<_> =
        (1..12).map(|number| send([&one, &two][number % 2], &scope, Plan { back: SECOND, ..plan(number) })).collect();
    block_on(&clock, calls.collect::<Vec<_>>());
    let arrivals = server.arrivals();
    assert_eq!(arrivals[..2], [Duration::ZERO, SECOND * 10], "one probe");
    assert!(arrivals[2..].iter().all(|&at| (SECOND * 11..=SECOND * 12).contains(&at)), "{arrivals:?}");
}

#[test]
fn limits_of_two_versions_are_both_kept() {
    let (clock, server, _, [old, new]) = processes(Store::new);
    let (wide, narrow) = (scope(&[(10, 1), (20, 100)]), scope(&[(2, 1)]));
    let calls: FuturesUnordered<_> = (0..30)
        .map(|number| if number % 2 == 0 { send(&old, &wide, plan(number)) } else { send(&new, &narrow, plan(number)) })
        .collect();
    block_on(&clock, calls.collect::<Vec<_>>());
    assert_eq!(server.order().len(), 30);
    fullest(&server.arrivals(), 10, SECOND);
}

/// Layer in which the process is suspended.
#[derive(Debug)]
struct Suspended<T> {
    inner: T,
    clock: ManualClock,
    time: Duration,
}

#[async_trait]
impl<T: Transport> Transport for Suspended<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        self.clock.sleep(self.time).await;
        self.inner.send(request).await
    }
}

fn milliseconds(range: Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    /// Three processes, of whose calls some break or are dropped, before a store that fails at random.
    #[test]
    fn server_counts_no_overrun_by_processes(
        windows in proptest::collection::vec((1_u32..40, 1_u32..120), 1..4),
        calls in proptest::collection::vec(
            (milliseconds(0..200_000), milliseconds(0..40_000), milliseconds(0..5_000), any::<bool>(),
             proptest::option::weighted(0.2, milliseconds(0..60_000))),
            1..=120,
        ),
        faults in proptest::collection::vec(
            prop_oneof![
                6 => Just(Fault::None), 1 => Just(Fault::Lost), 1 => Just(Fault::ResponseLost),
                1 => milliseconds(0..40_000).prop_map(Fault::Slow),
            ],
            0..60,
        ),
    ) {
        let (clock, server, _, processes) =
            processes::<3>(|clock| Store::new(clock).reserves(faults.clone()).releases(faults));
        let scope = scope(&windows);
        let calls: FuturesUnordered<_> = calls
            .into_iter()
            .enumerate()
            .map(|(number, (made, there, back, is_broken, patience))| {
                let response = if is_broken { Answer::Broken } else { Answer::Fine };
                let sent = send(&processes[number % 3], &scope, Plan { number, there, back, response });
                let clock = clock.clone();
                async move {
                    clock.sleep(made).await;
                    let given_up = match patience {
                        Some(patience) => clock.sleep(patience).left_future(),
                        None => future::pending().right_future(),
                    };
                    matches!(future::select(sent, given_up).await, Either::Left(_))
                }
            })
            .collect();
        block_on(&clock, calls.collect::<Vec<_>>());
        let arrivals = server.arrivals();
        for (calls, per) in windows {
            fullest(&arrivals, calls, SECOND * per);
        }
    }
}
