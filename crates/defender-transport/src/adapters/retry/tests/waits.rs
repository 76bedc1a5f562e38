//! Waits, bounds, and the layers that are informed.

use futures_util::FutureExt;
use http::{HeaderValue, StatusCode};

use super::*;
use crate::extensions::{RateLimit, RateLimitScope};

#[test]
fn wait_is_max_of_backoff_and_retry_after() {
    let retry = Retry::default().seed(1);
    let backoff = retry.wait(1, &mut retry.random());
    assert!(backoff > Duration::ZERO && backoff < SECOND);
    let shapes: [(&[_], _); 16] = [
        (&[], backoff),
        (&[("retry-after", "0")], backoff),
        (&[("retry-after", "7")], SECOND * 7),
        (&[("retry-after", "Thu, 01 Jan 2026 12:00:30 GMT")], SECOND * 30),
        (&[("retry-after", "Wed, 01 Jan 2025 12:00:20 GMT"), ("date", DATE)], SECOND * 20),
        (&[("retry-after", "Wed, 01 Jan 2025 12:00:20 GMT")], backoff),
        (&[("retry-after", "Wed, 01 Jan 2025 11:59:00 GMT"), ("date", DATE)], backoff),
        (&[("retry-after", "Wed, 01 Jan 2025 12:00:00 GMT"), ("date", DATE)], backoff),
        (&[("retry-after", "Thu, 01 Jan 2026 12:00:20 GMT"), ("date", "today")], SECOND * 20),
        (&[("retry-after", "soon")], backoff),
        (&[("retry-after", "")], backoff),
        (&[("retry-after", "-7")], backoff),
        (&[("retry-after", "1.5")], backoff),
        (&[("retry-after", " 7 ")], SECOND * 7),
        (&[("retry-after", "\t7")], SECOND * 7),
        (&[("retry-after", "7"), ("retry-after", "9")], SECOND * 9),
    ];
    for (headers, wait) in shapes {
        for (status, idempotency) in
            [(429, Idempotency::NonIdempotent), (429, Idempotency::Idempotent), (503, Idempotency::Idempotent)]
        {
            let (ended, sent) = call(retry, request(idempotency), &[With(status, headers)]);
            assert_eq!(
                (ended.unwrap().status(), times(&sent)),
                (StatusCode::OK, vec![Duration::ZERO, wait]),
                "{headers:?}"
            );
        }
    }
    let late = Fails(|| Error::new(ErrorKind::Timeout).not_sent().with_retry_after(SECOND * 9));
    assert_eq!(times(&call(retry, request(Idempotency::NonIdempotent), &[late]).1), [Duration::ZERO, SECOND * 9]);
}

#[test]
fn hopeless_wait_returns_the_response() {
    for wait in ["86400", " 86400 ", "300", "99999999999999999999999"] {
        let header: &'static [_] = vec![("retry-after", wait)].leak();
        let (ended, sent) = call(Retry::default(), request(Idempotency::Idempotent), &[With(429, header)]);
        let response = ended.unwrap();
        assert_eq!((response.status(), times(&sent)), (StatusCode::TOO_MANY_REQUESTS, vec![Duration::ZERO]), "{wait}");
        assert_eq!(response.headers().get("retry-after"), Some(&HeaderValue::from_static(wait)));
        assert_eq!(body(response), "1");
    }
    let late = Fails(|| Error::new(ErrorKind::Timeout).not_sent().with_retry_after(SECOND * 300));
    let error = call(Retry::default(), request(Idempotency::Idempotent), &[late]).0.unwrap_err();
    assert_eq!((error.attempts(), error.retry_after()), (1, Some(SECOND * 300)));
}

#[test]
fn last_attempt_returns_its_whole_response() {
    for (retry, sendings) in [(Retry::default(), 5), (Retry::default().attempts(2), 2), (Retry::once(), 1)] {
        let (ended, sent) = call(retry, request(Idempotency::Idempotent), &[Status(503); 9]);
        let response = ended.unwrap();
        assert_eq!(
            (response.status(), Attempts::of(&response), sent.len()),
            (StatusCode::SERVICE_UNAVAILABLE, sendings, sendings as usize)
        );
        assert_eq!(body(response), sendings.to_string());
        let resends: Vec<_> = sent.iter().map(|sent| sent.resends.map_or(0, |resends| resends.0)).collect();
        assert_eq!(resends, (0..sendings).collect::<Vec<_>>());
        let error = call(retry, request(Idempotency::Idempotent), &[Fails(|| Error::new(ErrorKind::Connect)); 9])
            .0
            .unwrap_err();
        assert_eq!((error.attempts(), error.never_sent()), (sendings, true));
    }
    assert_eq!(call(Retry::once(), request(Idempotency::Idempotent), &[Status(401)]).1.len(), 1);
    let final_401 = Retry::default().no_reauth();
    assert_eq!(call(final_401, request(Idempotency::Idempotent), &[Status(401)]).1.len(), 1);
}

#[test]
fn total_time_bounds_every_attempt() {
    let outcomes = [With(503, &[("retry-after", "4")]); 9];
    let seconds =
        |sent: &[Sent]| sent.iter().map(|sent| (sent.at.as_secs(), sent.total.unwrap().as_secs())).collect::<Vec<_>>();
    let policy = Retry::default().total(SECOND * 10);
    assert_eq!(seconds(&call(policy, request(Idempotency::Idempotent), &outcomes).1), [(0, 10), (4, 6), (8, 2)]);
    let mut own = request(Idempotency::Idempotent);
    own.extensions_mut().insert(Timeouts::default().total(SECOND * 5));
    assert_eq!(seconds(&call(policy, own, &outcomes).1), [(0, 5), (4, 1)]);
}

#[test]
fn dropped_call_sends_nothing_more() {
    let clock = ManualClock::new();
    let (transport, sent) = transport(&clock, &[Status(503); 9]);
    let transport = transport.retrying(clock.clone());
    for polls in 1..=4 {
        {
            let mut sending = transport.send(request(Idempotency::Idempotent));
            for _ in 0..polls {
                assert!(sending.as_mut().now_or_never().is_none());
                clock.advance_to_next();
            }
        }
        assert_eq!((clock.sleeping(), clock.advance_to_next()), (0, None));
        assert_eq!(std::mem::take(&mut *sent.lock().unwrap()).len(), polls);
    }
}

#[test]
fn every_attempt_waits_its_turn() {
    let window = |per| RateLimitScope { key: "scope".into(), limits: vec![RateLimit { calls: 1, per }].into() };
    let paced = |outcomes: &[Outcome], per| {
        let clock = ManualClock::new();
        let (transport, sent) = transport(&clock, outcomes);
        let transport = transport.paced(clock.clone()).retrying(clock.clone());
        let mut request = request(Idempotency::Idempotent);
        request.extensions_mut().insert(window(per));
        let ended = block_on(&clock, transport.send(request));
        (ended, times(&sent.lock().unwrap()))
    };
    let (ended, times) = paced(&[Status(401), Status(503)], SECOND * 10);
    assert_eq!((ended.unwrap().status(), times), (StatusCode::OK, vec![Duration::ZERO, SECOND * 10, SECOND * 20]));
    let (ended, times) = paced(&[Status(503)], SECOND * 400);
    assert_eq!(times, [Duration::ZERO], "there is no turn in five minutes");
    let error = ended.unwrap_err();
    assert_eq!((error.kind(), error.never_sent(), error.attempts()), (ErrorKind::Timeout, false, 2));
}
