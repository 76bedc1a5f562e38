//! The queue: order, time, and dropped calls.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::Wake,
};

use futures_util::{
    FutureExt, StreamExt, future,
    stream::{FuturesOrdered, FuturesUnordered},
};

use super::*;

#[test]
fn clones_share_one_queue_in_order() {
    let (clock, server, paced) = stage();
    let (scope, other) = (scope(&[(2, 10)]), paced.clone());
    let calls: FuturesOrdered<_> = (0..50)
        .map(|number| [&paced, &other][number % 2].send(request(&scope, Plan { back: SECOND, ..plan(number) })))
        .collect();
    block_on(&clock, calls.collect::<Vec<_>>());
    assert_eq!(server.order(), (0..50).collect::<Vec<_>>());
    assert_eq!(*server.arrivals().last().unwrap(), SECOND * 11 * 24);
}

#[test]
fn nobody_overtakes_by_being_polled_first() {
    let (clock, server, paced) = stage();
    let scope = scope(&[(1, 60)]);
    paced.send(request(&scope, plan(0))).now_or_never().unwrap().unwrap();
    let mut waiting: Vec<_> = (1..4).map(|number| paced.send(request(&scope, plan(number)))).collect();
    assert!(waiting.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    clock.advance(SECOND * 60);
    let mut newcomer = paced.send(request(&scope, plan(4)));
    assert!(poll(newcomer.as_mut()).is_pending(), "there is room, and it is another's");
    assert!(waiting.iter_mut().skip(1).rev().all(|call| poll(call.as_mut()).is_pending()));
    assert!(poll(waiting[0].as_mut()).is_ready());
    assert_eq!(server.order(), [0, 1]);
}

#[test]
fn lanes_are_independent() {
    let (_, server, paced) = stage();
    let (one, two) = (scope(&[(1, 60)]), RateLimitScope { key: "other".into(), ..scope(&[(1, 60)]) });
    for scope in [&one, &two] {
        paced.send(request(scope, plan(0))).now_or_never().unwrap().unwrap();
        assert!(paced.send(request(scope, plan(0))).now_or_never().is_none());
    }
    for _ in 0..1_000 {
        let mut free = request(&one, plan(0));
        free.extensions_mut().remove::<RateLimitScope>();
        paced.send(free).now_or_never().unwrap().unwrap();
    }
    assert_eq!(server.order().len(), 1_002);
}

#[test]
fn hopeless_wait_fails_at_once() {
    let (clock, server, paced) = stage();
    let scope = scope(&[(2, 60)]);
    for number in 0..2 {
        paced.send(request(&scope, plan(number))).now_or_never().unwrap().unwrap();
    }
    clock.advance(SECOND * 10);
    let (mut third, mut fourth) =
        (pin!(paced.send(request(&scope, plan(2)))), pin!(paced.send(request(&scope, plan(3)))));
    assert!(poll(third.as_mut()).is_pending() && poll(fourth.as_mut()).is_pending());
    // Two go at 60, and so this one at 120 at the earliest, which is in 110.
    let too_late = within(SECOND * 109, request(&scope, plan(4)));
    let error = paced.send(too_late).now_or_never().expect("it cannot come in time").unwrap_err();
    assert_eq!((error.kind(), error.never_sent(), error.retry_after()), (ErrorKind::Timeout, true, Some(SECOND * 110)));
    assert_eq!(error.to_string(), "timed out: the turn in the queue `scope` comes in 110s at the earliest");
    let in_time = paced.send(within(SECOND * 110, request(&scope, plan(5))));
    block_on(&clock, future::join3(third, fourth, in_time)).2.unwrap();
    assert_eq!((server.order(), clock.elapsed()), (vec![0, 1, 2, 3, 5], SECOND * 120));
}

#[test]
fn wait_ends_once_it_is_hopeless() {
    let (clock, server, paced) = stage();
    let scope = scope(&[(1, 60)]);
    // Nobody can know how long the first one takes.
    let slow = paced.send(request(&scope, Plan { back: SECOND * 50, ..plan(0) }));
    let hasty = paced.clone().total(SECOND * 100);
    let second = async {
        let error = hasty.send(request(&scope, plan(1))).await.unwrap_err();
        (error, clock.elapsed())
    };
    let third = paced.send(request(&scope, plan(2)));
    let (error, at) = block_on(&clock, future::join3(slow, second, third)).1;
    assert!(error.never_sent());
    assert_eq!((error.retry_after(), at), (Some(SECOND * 60), SECOND * 50), "at 50 it is certain");
    assert_eq!((server.order(), clock.elapsed()), (vec![0, 2], SECOND * 110));
}

#[test]
fn calls_without_connection_use_no_quota() {
    let (clock, server, paced) = stage();
    let scope = scope(&[(1, 60)]);
    let refused = Plan { back: SECOND, response: Answer::NotConnected, ..plan(0) };
    let (first, second) = (paced.send(request(&scope, refused)), paced.send(request(&scope, plan(1))));
    let (first, second) = block_on(&clock, future::join(first, second));
    assert_eq!((first.unwrap_err().kind(), second.is_ok()), (ErrorKind::Connect, true));
    assert_eq!(server.arrivals(), [Duration::ZERO, SECOND], "the second goes once the first has no connection");
    // The second was counted.
    block_on(&clock, paced.send(request(&scope, plan(2)))).unwrap();
    assert_eq!(clock.elapsed(), SECOND * 61);
}

#[test]
fn wait_ends_at_its_time_limit() {
    let (clock, _, paced) = stage();
    let scope = scope(&[(1, 60)]);
    let mut endless = pin!(paced.send(request(&scope, Plan { back: Duration::MAX, ..plan(0) })));
    assert!(poll(endless.as_mut()).is_pending());
    let error = block_on(&clock, paced.clone().total(SECOND * 100).send(request(&scope, plan(1)))).unwrap_err();
    assert_eq!((error.never_sent(), error.retry_after()), (true, Some(SECOND * 60)));
    assert_eq!((clock.elapsed(), clock.sleeping()), (SECOND * 100, 1));
}

#[test]
fn remaining_time_is_handed_on() {
    #[derive(Debug)]
    struct Left(Mutex<Vec<Option<Duration>>>);

    #[async_trait]
    impl Transport for Left {
        async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
            let left = request.extensions().get::<Timeouts>().and_then(|times| times.total);
            self.0.lock().unwrap().push(left);
            Ok(Response::new(Body::empty()))
        }
    }

    let (clock, left) = (ManualClock::new(), Left(Mutex::default()));
    let (paced, scope) = (Paced::new(&left, clock.clone()), scope(&[(1, 60)]));
    for request in [request(&scope, plan(0)), within(SECOND * 100, request(&scope, plan(1)))] {
        block_on(&clock, paced.send(request)).unwrap();
    }
    assert_eq!(*left.0.lock().unwrap(), [None, Some(SECOND * 40)]);
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn dropped_call_leaves_the_queue() {
    let mut polls_of_a_whole_call = 0;
    for (before, polls) in (0..4).flat_map(|before| (0..20).map(move |polls| (before, polls))) {
        let (clock, server, paced) = stage();
        let scope = scope(&[(2, 10)]);
        let call = |number| paced.send(request(&scope, Plan { there: SECOND, back: SECOND, ..plan(number) }));
        let mut others: FuturesUnordered<_> = (0..before).map(call).collect();
        while others.next().now_or_never().flatten().is_some() {}
        let mut dropped = call(98);
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        for step in 0..polls {
            if dropped.as_mut().poll(&mut Context::from_waker(&Arc::clone(&woken).into())).is_ready() {
                break;
            }
            polls_of_a_whole_call = polls_of_a_whole_call.max(step + 2);
            if step == 0 {
                others.push(call(99)); // Somebody is behind it.
            }
            while others.next().now_or_never().flatten().is_some() {}
            if !woken.0.swap(false, Ordering::Relaxed) {
                clock.advance_to_next();
            }
        }
        drop(dropped);
        // The remaining calls come to an end, or `run` would see that nobody sleeps.
        block_on(&clock, others.collect::<Vec<_>>());
        let queue = paced.shared.queue(&scope);
        assert_eq!(queue.waiting(), 0, "{before} before, dropped after {polls} polls");
        assert!(clock.sleeping() == 0 && queue.is_idle(clock.elapsed() + SECOND * 10));
        fullest(&server.arrivals(), 2, SECOND * 10);
    }
    assert!((3..20).contains(&polls_of_a_whole_call), "{polls_of_a_whole_call} polls are one call");
}

#[test]
fn dropped_call_keeps_slot_once_sent() {
    let (clock, server, paced) = stage();
    let scope = scope(&[(1, 60)]);
    {
        let mut gone = pin!(paced.send(request(&scope, Plan { there: SECOND * 9, ..plan(0) })));
        assert!(poll(gone.as_mut()).is_pending());
        clock.advance(SECOND * 4);
        let mut waiting = pin!(paced.send(request(&scope, plan(1))));
        assert!(poll(waiting.as_mut()).is_pending());
    }
    block_on(&clock, paced.send(request(&scope, plan(2)))).unwrap();
    assert_eq!((server.order(), clock.elapsed()), (vec![2], SECOND * 64), "its try ended at four");
}

#[test]
fn only_idle_lanes_are_forgotten() {
    let (clock, server, paced) = stage();
    let named = |name: String| RateLimitScope { key: name.into(), ..scope(&[(1, 60)]) };
    let busy = named("busy".into());
    for number in 2..10_000 {
        paced.send(request(&named(number.to_string()), plan(number))).now_or_never().unwrap().unwrap();
        let _ = paced.send(request(&busy, plan(1))).now_or_never();
        clock.advance(SECOND * 10);
    }
    let scopes = paced.shared.scopes.len();
    assert!(scopes <= FEW, "{scopes} scopes");
    let times = server.order().into_iter().filter(|&number| number == 1).count();
    assert_eq!(times, 9_998_usize.div_ceil(6), "once a minute");
}
