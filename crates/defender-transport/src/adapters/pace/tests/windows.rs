//! The windows, as the server counts them.

use futures_util::{
    FutureExt, StreamExt,
    future::{self, Either},
    stream::FuturesUnordered,
};
use proptest::prelude::*;

use super::*;

/// One call: when it is made, how long the way there and back takes, and when its caller gives up.
#[derive(Clone, Debug)]
struct Call {
    made: Duration,
    there: Duration,
    back: Duration,
    broken: bool,
    patience: Option<Duration>,
}

fn arrivals_of(windows: &[(u32, u32)], calls: Vec<Call>) -> (Vec<Duration>, Duration) {
    let (clock, server) = after(windows, calls);
    (server.arrivals(), clock.elapsed())
}

fn order_of(windows: &[(u32, u32)], calls: Vec<Call>) -> Vec<usize> {
    after(windows, calls).1.order()
}

/// Clock and server once all calls have ended, each made through a clone of its own.
fn after(windows: &[(u32, u32)], calls: Vec<Call>) -> (ManualClock, Server) {
    let (clock, server, paced) = stage();
    let scope = scope(windows);
    let calls: FuturesUnordered<_> = calls
        .into_iter()
        .enumerate()
        .map(|(number, call)| {
            let response = if call.broken { Answer::Broken } else { Answer::Fine };
            let plan = Plan { number, there: call.there, back: call.back, response };
            let (request, paced, clock) = (request(&scope, plan), paced.clone(), clock.clone());
            async move {
                clock.sleep(call.made).await;
                let sent = pin!(paced.send(request));
                let given_up = match call.patience {
                    Some(patience) => clock.sleep(patience).left_future(),
                    None => future::pending().right_future(),
                };
                matches!(future::select(sent, given_up).await, Either::Left(_))
            }
        })
        .collect();
    block_on(&clock, calls.collect::<Vec<_>>());
    assert_eq!(clock.sleeping(), 0, "nobody waits any more");
    (clock, server)
}

fn milliseconds(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn any_call() -> impl Strategy<Value = Call> {
    let latency = || prop_oneof![Just(Duration::ZERO), milliseconds(0..500), milliseconds(0..40_000)];
    let patience = proptest::option::weighted(0.2, milliseconds(0..60_000));
    (milliseconds(0..200_000), latency(), latency(), proptest::bool::weighted(0.1), patience)
        .prop_map(|(made, there, back, broken, patience)| Call { made, there, back, broken, patience })
}

fn any_windows() -> impl Strategy<Value = Vec<(u32, u32)>> {
    proptest::collection::vec((1_u32..40, 1_u32..120), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    /// 10,000 calls at the most, and half of that as a rule.
    #[test]
    fn server_counts_no_window_overrun(
        windows in any_windows(),
        calls in proptest::collection::vec(any_call(), 1..=200),
    ) {
        let (arrivals, _) = arrivals_of(&windows, calls);
        for (calls, per) in windows {
            fullest(&arrivals, calls, SECOND * per);
        }
    }

    #[test]
    fn waits_without_latency_are_minimal(
        windows in any_windows(),
        made in proptest::collection::vec(milliseconds(0..200_000), 1..=200),
    ) {
        let call = |made| Call { made, there: Duration::ZERO, back: Duration::ZERO, broken: false, patience: None };
        let (arrivals, _) = arrivals_of(&windows, made.iter().copied().map(call).collect());
        prop_assert_eq!(arrivals, ideal(&windows, made));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    /// Calls go in the order in which they were made, if others are dropped, break, or take long; through any clone.
    #[test]
    fn remaining_calls_keep_their_order(
        windows in any_windows(),
        mut calls in proptest::collection::vec(any_call(), 1..=200),
    ) {
        calls.sort_by_key(|call| call.made);
        for call in &mut calls {
            call.there = Duration::ZERO; // Those that go at one moment are to arrive as they went.
        }
        let order = order_of(&windows, calls);
        prop_assert!(order.is_sorted(), "{order:?}");
    }
}

/// Ideal schedule of calls that are made at these times and go as soon as they may.
fn ideal(windows: &[(u32, u32)], mut made: Vec<Duration>) -> Vec<Duration> {
    made.sort_unstable();
    let mut went: Vec<Duration> = Vec::new();
    for made in made {
        let room = windows
            .iter()
            .filter_map(|&(calls, per)| Some(went[went.len().checked_sub(calls as usize)?] + SECOND * per));
        went.push(room.fold(made, Duration::max));
    }
    went
}

/// 10,000 calls on a schedule of its own: bursts or a trickle, quick or slow, of which some break and some are dropped.
fn ten_thousand_at_random(seed: u64) -> (Vec<(u32, u32)>, Vec<Call>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let windows = (0..random.usize(1..4)).map(|_| (random.u32(1..2_000), random.u32(1..4_000))).collect();
    let (span, quick, slow) = (random.u64(1..20_000_000), random.u64(1..1_000), random.u64(1..60_000));
    let (one_slow_in, bursts) = (random.u64(2..20), random.u64(1..200));
    let mut milliseconds = |below| Duration::from_millis(random.u64(0..below));
    let mut beginnings: Vec<_> = (0..bursts).map(|_| milliseconds(span)).collect();
    beginnings.push(Duration::ZERO);
    let call = |number: u64| {
        let beginning = beginnings[usize::try_from(number % (bursts + 1)).unwrap()];
        Call {
            made: if number.is_multiple_of(3) { milliseconds(span) } else { beginning },
            there: milliseconds(if number.is_multiple_of(one_slow_in) { slow } else { quick }),
            back: milliseconds(if number % one_slow_in == 1 { slow } else { quick }),
            broken: number.is_multiple_of(50),
            patience: number.is_multiple_of(20).then(|| milliseconds(600_000)),
        }
    };
    (windows, (0..10_000).map(call).collect())
}

#[test]
fn many_calls_on_any_schedule_keep_windows() {
    for seed in 0..4 {
        let (windows, calls) = ten_thousand_at_random(seed);
        let (arrivals, _) = arrivals_of(&windows, calls);
        assert!(arrivals.len() >= 9_500, "seed {seed}: those that were not dropped have come");
        let held = windows.iter().map(|&(calls, per)| held(&arrivals, SECOND * per) <= calls as usize);
        assert!(held.into_iter().all(|kept| kept), "seed {seed}: {windows:?}");
    }
}

#[test]
fn many_calls_at_random_latency_keep_windows() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut milliseconds = move |below| Duration::from_millis(random.u64(0..below));
    let calls = (0..10_000).map(|number| Call {
        made: milliseconds(20_000_000),
        there: milliseconds(if number % 10 == 0 { 30_000 } else { 300 }),
        back: milliseconds(if number % 7 == 0 { 30_000 } else { 300 }),
        broken: number % 50 == 0,
        patience: (number % 20 == 0).then(|| milliseconds(600_000)),
    });
    let (arrivals, _) = arrivals_of(&[(100, 60), (1_500, 3_600)], calls.collect());
    assert!(arrivals.len() > 9_000);
    fullest(&arrivals, 100, SECOND * 60);
    assert_eq!(fullest(&arrivals, 1_500, SECOND * 3_600), 1_500, "the quota is kept, and used");
}

/// At no latency, the ideal schedule is the one that sends each call the moment every window has room.
#[test]
fn many_calls_without_latency_run_on_schedule() {
    for seed in 0..4 {
        let (windows, calls) = ten_thousand_at_random(seed);
        let made = calls.iter().map(|call| call.made).collect();
        let at_once = |call: Call| Call { there: Duration::ZERO, back: Duration::ZERO, patience: None, ..call };
        let (_, took) = arrivals_of(&windows, calls.into_iter().map(at_once).collect());
        let ideal = *ideal(&windows, made).last().unwrap();
        let ratio = took.as_secs_f64() / ideal.as_secs_f64();
        assert!(took >= ideal && ratio <= 1.001, "seed {seed}, {windows:?}: {took:?} where {ideal:?} is ideal");
    }
}

#[test]
fn many_simultaneous_calls_end_on_schedule() {
    let call = Call { made: SECOND, there: Duration::ZERO, back: Duration::ZERO, broken: false, patience: None };
    let (_, took) = arrivals_of(&[(100, 60), (1_500, 3_600)], vec![call; 10_000]);
    // Six hours of 1,500, and then 1,000 in ten batches of 100.
    let ideal = SECOND * (1 + 6 * 3_600 + 9 * 60);
    assert!(took >= ideal && took.as_secs_f64() <= ideal.as_secs_f64() * 1.001, "{took:?} where {ideal:?} is ideal");
}

#[test]
fn slot_is_held_after_the_response() {
    let (clock, server, paced) = stage();
    let scope = scope(&[(1, 60)]);
    let slow = Plan { there: SECOND * 2, back: SECOND * 20, ..plan(0) };
    block_on(&clock, future::join(paced.send(request(&scope, slow)), paced.send(request(&scope, plan(1))))).1.unwrap();
    assert_eq!(server.arrivals(), [SECOND * 2, SECOND * 82]);
}
