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
    let (clock, server, paced) = stage();
    let lane = lane(windows);
    let calls: FuturesUnordered<_> = calls
        .into_iter()
        .enumerate()
        .map(|(number, call)| {
            let answer = if call.broken { Answer::Broken } else { Answer::Fine };
            let plan = Plan { number, there: call.there, back: call.back, answer };
            let (request, paced, clock) = (request(&lane, plan), paced.clone(), clock.clone());
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
    (server.arrivals(), clock.elapsed())
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
    fn no_window_ever_holds_more_than_its_calls_as_the_server_counts_them(
        windows in any_windows(),
        calls in proptest::collection::vec(any_call(), 1..=200),
    ) {
        let (arrivals, _) = arrivals_of(&windows, calls);
        for (calls, per) in windows {
            fullest(&arrivals, calls, SECOND * per);
        }
    }

    #[test]
    fn at_no_latency_nobody_waits_longer_than_the_windows_ask(
        windows in any_windows(),
        made in proptest::collection::vec(milliseconds(0..200_000), 1..=200),
    ) {
        let call = |made| Call { made, there: Duration::ZERO, back: Duration::ZERO, broken: false, patience: None };
        let (arrivals, _) = arrivals_of(&windows, made.iter().copied().map(call).collect());
        prop_assert_eq!(arrivals, ideal(&windows, made));
    }
}

/// When calls go that are made at these times and go as soon as they may.
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

#[test]
fn ten_thousand_calls_at_random_latencies_keep_to_both_windows() {
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

#[test]
fn ten_thousand_calls_at_once_end_when_the_ideal_schedule_does() {
    let call = Call { made: SECOND, there: Duration::ZERO, back: Duration::ZERO, broken: false, patience: None };
    let (_, took) = arrivals_of(&[(100, 60), (1_500, 3_600)], vec![call; 10_000]);
    // Six hours of 1,500, and then 1,000 in ten batches of 100.
    let ideal = SECOND * (1 + 6 * 3_600 + 9 * 60);
    assert!(took >= ideal && took.as_secs_f64() <= ideal.as_secs_f64() * 1.001, "{took:?} where {ideal:?} is ideal");
}

#[test]
fn a_slot_is_held_until_its_window_has_passed_since_the_answer() {
    let (clock, server, paced) = stage();
    let lane = lane(&[(1, 60)]);
    let slow = Plan { there: SECOND * 2, back: SECOND * 20, ..plan(0) };
    block_on(&clock, future::join(paced.send(request(&lane, slow)), paced.send(request(&lane, plan(1))))).1.unwrap();
    assert_eq!(server.arrivals(), [SECOND * 2, SECOND * 82]);
}
