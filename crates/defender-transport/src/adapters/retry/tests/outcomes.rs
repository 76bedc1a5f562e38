//! Every outcome, for requests that may be sent twice and for those that may not.

use http::StatusCode;

use super::*;
use crate::testing::{Capture, Fault, Faulty};

/// Reaction to an attempt that ended so, if the next one would succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It is sent again.
    Again,
    /// The response or the error is handed back as it came.
    Back,
}
use Then::{Again, Back};

fn broke(kind: ErrorKind, status: u16) -> Error {
    Error::new(kind).with_status(StatusCode::from_u16(status).unwrap())
}

/// Every row of the table: the outcome of an attempt, and the next step for a request that may be sent twice, and for
/// one that may not.
#[rustfmt::skip]
const TABLE: &[(&str, Outcome, Then, Then)] = &[
    //                                                                                                     Safe   Never
    // It was never sent, or never processed.
    ("no connection: DNS, refused, TLS, CONNECT refused", Fails(|| Error::new(ErrorKind::Connect)),              Again, Again),
    ("cancelled in the pool before a write",   Fails(|| Error::new(ErrorKind::Interrupted).not_sent()),    Again, Again),
    ("REFUSED_STREAM, GOAWAY below the stream", Fails(|| Error::new(ErrorKind::Interrupted).not_sent()),   Again, Again),
    ("no turn in time, but there is more time", Fails(|| Error::new(ErrorKind::Timeout).not_sent()),       Again, Again),
    ("no credential",                          Fails(|| Error::new(ErrorKind::Credential)),                      Again, Again),
    ("no credential, and it has tried",        Fails(|| Error::new(ErrorKind::Credential).permanent()),            Back,  Back),
    ("a request that cannot be sent",          Fails(|| Error::new(ErrorKind::Request)),                         Back,  Back),
    ("an unknown CA, a wrong proxy password",  Fails(|| Error::new(ErrorKind::Connect).permanent()),               Back,  Back),
    ("a client certificate that is refused",   Fails(|| Error::new(ErrorKind::Interrupted).permanent()),           Back,  Back),
    ("HTTP_1_1_REQUIRED",                      Fails(|| Error::new(ErrorKind::Interrupted).not_sent()),    Again, Again),
    ("no free stream in time",                 Fails(|| Error::new(ErrorKind::Connect).for_being_late()),        Again, Again),
    // The server refused it.
    ("429",                                    Status(429),                                                      Again, Again),
    ("425",                                    Status(425),                                                      Again, Again),
    ("429, and then a broken body",            Fails(|| broke(ErrorKind::Interrupted, 429)),                     Again, Again),
    ("425, and then a broken body",            Fails(|| broke(ErrorKind::Interrupted, 425)),                     Again, Again),
    ("429, and then silence",                  Fails(|| broke(ErrorKind::Timeout, 429)),                         Again, Again),
    ("429, and then too much",                 Fails(|| broke(ErrorKind::TooLarge, 429)),                        Again, Again),
    // It may have been processed.
    ("408",                                    Status(408),                                                      Again, Back),
    ("500",                                    Status(500),                                                      Again, Back),
    ("501",                                    Status(501),                                                      Again, Back),
    ("502",                                    Status(502),                                                      Again, Back),
    ("503",                                    Status(503),                                                      Again, Back),
    ("503 with a Retry-After",                 With(503, &[("retry-after", "1")]),                               Again, Back),
    ("504",                                    Status(504),                                                      Again, Back),
    ("505",                                    Status(505),                                                      Again, Back),
    ("599",                                    Status(599),                                                      Again, Back),
    ("408, and then a broken body",            Fails(|| broke(ErrorKind::Interrupted, 408)),                     Again, Back),
    ("502, and then a broken body",            Fails(|| broke(ErrorKind::Interrupted, 502)),                     Again, Back),
    ("timeout after sending",                  Fails(|| Error::new(ErrorKind::Timeout)),                         Again, Back),
    ("reset after sending",                    Fails(|| Error::new(ErrorKind::Interrupted)),                     Again, Back),
    ("what comes back is no HTTP",             Fails(|| Error::new(ErrorKind::Protocol)),                        Again, Back),
    ("a response that cannot be read",          Fails(|| Error::new(ErrorKind::Decode)),                          Again, Back),
    // An intermediary responded in the server's place.
    ("a response of another server",           Fails(|| Error::new(ErrorKind::ForeignResponse)),                 Again, Back),
    ("a block page with 201",                  Fails(|| broke(ErrorKind::ForeignResponse, 201)),                 Again, Back),
    ("a block page with 403",                  Fails(|| broke(ErrorKind::ForeignResponse, 403)),                 Again, Back),
    ("a gateway's own 429",                    Fails(|| broke(ErrorKind::ForeignResponse, 429)),                 Again, Back),
    ("a gateway's own 425",                    Fails(|| broke(ErrorKind::ForeignResponse, 425)),                 Again, Back),
    ("a portal's 401",                         Fails(|| broke(ErrorKind::ForeignResponse, 401)),                 Again, Back),
    // It was processed, and the response is lost.
    ("200, and then a reset",                  Fails(|| broke(ErrorKind::Interrupted, 200)),                     Again, Back),
    ("201, and then silence",                  Fails(|| broke(ErrorKind::Timeout, 201)),                         Again, Back),
    ("201, and then garbage",                  Fails(|| broke(ErrorKind::Decode, 201)),                          Again, Back),
    ("201, and then too much",                 Fails(|| broke(ErrorKind::TooLarge, 201)),                        Back,  Back),
    // The token was refused; a second time is another test.
    ("401",                                    Status(401),                                                      Again, Again),
    // The response stands.
    ("200",                                    Status(200),                                                      Back,  Back),
    ("201",                                    Status(201),                                                      Back,  Back),
    ("202",                                    Status(202),                                                      Back,  Back),
    ("204",                                    Status(204),                                                      Back,  Back),
    ("300",                                    Status(300),                                                      Back,  Back),
    ("301",                                    Status(301),                                                      Back,  Back),
    ("302",                                    Status(302),                                                      Back,  Back),
    ("303",                                    Status(303),                                                      Back,  Back),
    ("304",                                    Status(304),                                                      Back,  Back),
    ("307",                                    Status(307),                                                      Back,  Back),
    ("308",                                    Status(308),                                                      Back,  Back),
    ("301 with a Retry-After",                 With(301, &[("retry-after", "1")]),                               Back,  Back),
    ("400",                                    Status(400),                                                      Back,  Back),
    ("402",                                    Status(402),                                                      Back,  Back),
    ("403",                                    Status(403),                                                      Back,  Back),
    ("404",                                    Status(404),                                                      Back,  Back),
    ("407",                                    Status(407),                                                      Back,  Back),
    ("409",                                    Status(409),                                                      Back,  Back),
    ("410",                                    Status(410),                                                      Back,  Back),
    ("412",                                    Status(412),                                                      Back,  Back),
    ("413 with a Retry-After",                 With(413, &[("retry-after", "1")]),                               Back,  Back),
    ("423",                                    Status(423),                                                      Back,  Back),
    ("431",                                    Status(431),                                                      Back,  Back),
];

#[test]
fn retry_follows_outcome_table() {
    for &(row, outcome, safe, never) in TABLE {
        for (idempotency, then) in [(Idempotency::Idempotent, safe), (Idempotency::NonIdempotent, never)] {
            let (ended, sent) = call(Retry::default(), request(idempotency), &[outcome]);
            let done = if sent.len() == 1 { Back } else { Again };
            assert_eq!((done, sent.len()), (then, 1 + usize::from(then == Again)), "{row}, {idempotency:?}");
            match ended {
                Ok(response) => {
                    let expected = match (then, outcome) {
                        (Back, Status(status) | With(status, _)) => (status, 1),
                        _ => (200, 2),
                    };
                    assert_eq!(
                        (response.status().as_u16(), Attempts::of(&response)),
                        expected,
                        "{row}, {idempotency:?}"
                    );
                    assert_eq!(
                        body(response),
                        expected.1.to_string(),
                        "{row}, {idempotency:?}: the body of that sending"
                    );
                }
                Err(error) => {
                    let (Back, Fails(expected)) = (then, outcome) else { panic!("{row}, {idempotency:?}: {error:?}") };
                    let told = |error: &Error| (error.kind(), error.never_sent(), error.response_status());
                    assert_eq!(told(&error), told(&expected()), "{row}, {idempotency:?}");
                    assert_eq!(error.attempts(), 1, "{row}, {idempotency:?}");
                }
            }
        }
    }
}

#[test]
fn no_status_is_left_out() {
    for status in 200..=599 {
        for (idempotency, again) in [
            (Idempotency::Idempotent, matches!(status, 401 | 408 | 425 | 429 | 500..)),
            (Idempotency::NonIdempotent, matches!(status, 401 | 425 | 429)),
        ] {
            let sendings = call(Retry::default(), request(idempotency), &[Status(status)]).1.len();
            assert_eq!(sendings, 1 + usize::from(again), "{status}, {idempotency:?}");
        }
    }
}

#[test]
fn broken_response_status_tells_the_effect() {
    for (status, took_effect) in [(200, true), (201, true), (408, false), (502, false)] {
        for fault in [Fault::TruncateBody(3), Fault::StallBody(3)] {
            let response = Response::builder().status(status).body("hello, hello").unwrap();
            let (clock, server) = (ManualClock::new(), Capture::answering(response));
            let transport = Faulty::scripted(server.clone(), [fault]);
            let transport = transport.deadline(clock.clone()).buffered().retrying(clock.clone());
            let error = block_on(&clock, transport.send(request(Idempotency::NonIdempotent))).unwrap_err();
            assert_eq!(
                error.response_status().map(|answered| answered.is_success()),
                Some(took_effect),
                "{status}, {fault:?}"
            );
            assert_eq!((error.never_sent(), error.attempts(), server.requests().len()), (false, 1, 1));
        }
    }
}

#[test]
fn unmarked_request_is_judged_by_method() {
    for (method, sendings) in [("GET", 2), ("HEAD", 2), ("POST", 1), ("PUT", 1), ("DELETE", 1)] {
        let request = Request::builder().method(method).uri("https://example.com/").body(Bytes::new()).unwrap();
        assert_eq!(call(Retry::default(), request, &[Status(503)]).1.len(), sendings, "{method}");
    }
}

#[test]
fn broken_body_is_a_broken_attempt() {
    for (idempotency, sendings) in [(Idempotency::Idempotent, 2), (Idempotency::NonIdempotent, 1)] {
        let (clock, server) = (ManualClock::new(), Capture::answering(Response::new("hello, hello")));
        let transport = Faulty::scripted(server.clone(), [Fault::TruncateBody(3)]).buffered().retrying(clock.clone());
        let ended = block_on(&clock, transport.send(request(idempotency)));
        assert_eq!(server.requests().len(), sendings);
        assert_eq!(
            ended.map_err(|error| error.response_status()).err(),
            (sendings == 1).then_some(Some(StatusCode::OK))
        );
    }
}

#[test]
fn first_401_is_retried_at_once() {
    let challenged = With(401, &[("www-authenticate", "Bearer claims=\"e30=\""), ("www-authenticate", "Basic")]);
    let (ended, sent) =
        call(Retry::default(), request(Idempotency::NonIdempotent), &[Status(429), challenged, Status(429)]);
    assert_eq!((ended.unwrap().status(), sent.len()), (StatusCode::OK, 4));
    let told: Vec<_> = sent.iter().map(|sent| sent.unauthorized.is_some()).collect();
    assert_eq!(told, [false, false, true, false]);
    let unauthorized = sent[2].unauthorized.as_ref().unwrap();
    assert_eq!(unauthorized.challenge.as_deref(), Some("Bearer claims=\"e30=\", Basic"));
    assert_eq!(unauthorized.left.get(), Some(&Token(2)), "whose sending was refused");
    assert_eq!(sent[2].at, sent[1].at);
}

#[test]
fn the_second_401_is_the_answer() {
    for outcomes in [&[Status(401), Status(401)][..], &[Status(401), Status(503), Status(401)]] {
        let (ended, sent) = call(Retry::default(), request(Idempotency::Idempotent), outcomes);
        let response = ended.unwrap();
        assert_eq!((response.status(), sent.len()), (StatusCode::UNAUTHORIZED, outcomes.len()));
        assert_eq!(Attempts::of(&response) as usize, outcomes.len());
    }
}

#[test]
fn never_sent_covers_every_attempt() {
    let connect = Fails(|| Error::new(ErrorKind::Connect));
    let lost = Fails(|| Error::new(ErrorKind::Interrupted));
    for (first, idempotency, never_sent) in [
        (connect, Idempotency::NonIdempotent, true),
        (Status(429), Idempotency::NonIdempotent, true),
        (Status(401), Idempotency::NonIdempotent, true),
        (lost, Idempotency::Idempotent, false),
        (Status(503), Idempotency::Idempotent, false),
    ] {
        let error = call(Retry::default().attempts(2), request(idempotency), &[first, connect]).0.unwrap_err();
        assert_eq!((error.kind(), error.never_sent(), error.attempts()), (ErrorKind::Connect, never_sent, 2));
    }
}
