//! The gate that a 429 closes.

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};

use super::*;

#[test]
fn lane_closes_for_retry_after() {
    // The clock begins at noon of 1 January 2026.
    for (wait, seconds) in [
        (Answer::TooMany(Some("7")), 7),
        (Answer::TooMany(Some("\t7 ")), 7),
        (Answer::TooMany(Some("0")), 0),
        (Answer::TooMany(Some("Thu, 01 Jan 2026 12:00:30 GMT")), 30),
        (Answer::TooMany(Some("Thu, 01 Jan 2026 11:00:00 GMT")), 0),
        (Answer::TooManyAYearAgo("Wed, 01 Jan 2025 12:00:20 GMT"), 20),
        (Answer::TooManyAYearAgo("Wed, 01 Jan 2025 11:59:00 GMT"), 0),
        (Answer::TooMany(Some("900")), 900),
        (Answer::TooMany(Some("86400")), 900),
        (Answer::TooMany(Some("99999999999999999999999")), 900),
        (Answer::TooMany(Some("Fri, 01 Jan 2027 12:00:00 GMT")), 60),
        (Answer::TooMany(Some("soon")), 60),
        (Answer::TooMany(Some("-7")), 60),
        (Answer::TooMany(Some("")), 60),
        (Answer::TooMany(None), 60),
    ] {
        let (clock, server, paced) = stage();
        let scope = scope(&[(100, 1)]);
        let response = paced.send(request(&scope, Plan { response: wait, ..plan(0) }));
        assert_eq!(response.now_or_never().unwrap().unwrap().status(), 429, "it is handed on");
        block_on(&clock, paced.send(request(&scope, plan(1)))).unwrap();
        assert_eq!(server.arrivals(), [Duration::ZERO, SECOND * seconds], "{wait:?}");
    }
}

#[test]
fn broken_429_body_closes_the_lane() {
    let (clock, server, paced) = stage();
    let scope = scope(&[(100, 1)]);
    let broken = paced.send(request(&scope, Plan { response: Answer::TooManyAndBroken, ..plan(0) }));
    broken.now_or_never().unwrap().unwrap_err();
    block_on(&clock, paced.send(request(&scope, plan(1)))).unwrap();
    assert_eq!(server.arrivals(), [Duration::ZERO, SECOND * 60]);
}

/// Times of twelve calls, of which the first gets a 429 with 10 s and the others get a response after one second.
fn after_a_429(probes: &[Answer]) -> Vec<Duration> {
    let (clock, server, paced) = stage();
    let scope = scope(&[(100, 1)]);
    let refused = Plan { response: Answer::TooMany(Some("10")), ..plan(0) };
    paced.send(request(&scope, refused)).now_or_never().unwrap().unwrap();
    let calls: FuturesUnordered<_> = (0..11)
        .map(|number| {
            let response = probes.get(number).copied().unwrap_or_default();
            paced.send(request(&scope, Plan { back: SECOND, response, ..plan(number + 1) }))
        })
        .collect();
    block_on(&clock, calls.collect::<Vec<_>>());
    assert_eq!(server.order(), (0..12).collect::<Vec<_>>());
    server.arrivals()
}

fn at(seconds: &[(u32, usize)]) -> Vec<Duration> {
    seconds.iter().flat_map(|&(second, calls)| vec![SECOND * second; calls]).collect()
}

#[test]
fn one_probe_goes_while_others_wait() {
    assert_eq!(after_a_429(&[]), at(&[(0, 1), (10, 1), (11, 10)]));
}

#[test]
fn refused_probe_keeps_the_lane_closed() {
    let again = [Answer::TooMany(Some("20")), Answer::TooMany(None)];
    assert_eq!(after_a_429(&again), at(&[(0, 1), (10, 1), (31, 1), (92, 1), (93, 8)]));
}

#[test]
fn lost_probe_is_followed_by_another() {
    assert_eq!(after_a_429(&[Answer::Broken]), at(&[(0, 1), (10, 1), (11, 1), (12, 9)]));
}

#[test]
fn gate_ends_waits_beyond_their_limit() {
    let (clock, server, paced) = stage();
    let scope = scope(&[(1, 5)]);
    let refused = request(&scope, Plan { back: SECOND, response: Answer::TooMany(None), ..plan(0) });
    // The short one is not the first in the queue, which is woken for everything.
    let (long, short) = (request(&scope, plan(1)), request(&scope, plan(2)));
    let calls: FuturesUnordered<_> = [refused, within(SECOND * 61, long), within(SECOND * 60, short)]
        .into_iter()
        .map(|request| async {
            let ended = paced.send(request).await;
            (ended.err().map(|error| error.retry_after()), clock.elapsed())
        })
        .collect();
    let ended: Vec<_> = block_on(&clock, calls.collect());
    let too_late = (Some(Some(SECOND * 65)), SECOND);
    assert_eq!(ended, [(None, SECOND), too_late, (None, SECOND * 61)], "at once, and not when the time is over");
    assert_eq!(server.order(), [0, 1]);
}
