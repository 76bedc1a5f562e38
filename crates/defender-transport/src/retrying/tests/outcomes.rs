//! Every outcome, for requests that may be sent twice and for those that may not.

use http::StatusCode;

use super::*;
use crate::testing::{Capture, Fault, Faulty};

#[test]
fn each_outcome_is_sent_again_where_the_table_says_so() {
    #[rustfmt::skip]
    let table: &[(&str, Outcome, u32, u32)] = &[
        // What it is, and how often a safe request and another are sent when the second sending goes well.
        ("no connection: DNS, refused, TLS, proxy", Fails(|| Error::new(ErrorKind::Connect)), 2, 2),
        ("cancelled in the pool, REFUSED_STREAM, GOAWAY", Fails(|| Error::new(ErrorKind::Interrupted).before_sending()), 2, 2),
        ("no turn in time", Fails(|| Error::new(ErrorKind::Timeout).before_sending()), 2, 2),
        ("no credential", Fails(|| Error::new(ErrorKind::Credential)), 1, 1),
        ("a request that cannot be sent", Fails(|| Error::new(ErrorKind::Request)), 1, 1),
        ("too many", Status(429), 2, 2),
        ("too early", Status(425), 2, 2),
        ("too many, and then a broken body", Fails(|| Error::new(ErrorKind::Interrupted).after_head(StatusCode::TOO_MANY_REQUESTS)), 2, 2),
        ("timeout of the server", Status(408), 2, 1),
        ("500", Status(500), 2, 1),
        ("501", Status(501), 2, 1),
        ("502", Status(502), 2, 1),
        ("503", Status(503), 2, 1),
        ("504", Status(504), 2, 1),
        ("599", Status(599), 2, 1),
        ("a 5xx, and then a broken body", Fails(|| Error::new(ErrorKind::Interrupted).after_head(StatusCode::BAD_GATEWAY)), 2, 1),
        ("timeout after sending", Fails(|| Error::new(ErrorKind::Timeout)), 2, 1),
        ("reset after sending", Fails(|| Error::new(ErrorKind::Interrupted)), 2, 1),
        ("a 2xx, and then a reset", Fails(|| Error::new(ErrorKind::Interrupted).after_head(StatusCode::CREATED)), 2, 1),
        ("a 2xx, and then silence", Fails(|| Error::new(ErrorKind::Timeout).after_head(StatusCode::CREATED)), 2, 1),
        ("a 2xx, and then garbage", Fails(|| Error::new(ErrorKind::Decode).after_head(StatusCode::CREATED)), 2, 1),
        ("a 2xx, and then too much", Fails(|| Error::new(ErrorKind::TooLarge).after_head(StatusCode::CREATED)), 1, 1),
        ("401", Status(401), 2, 2),
        ("200", Status(200), 1, 1),
        ("202", Status(202), 1, 1),
        ("301", Status(301), 1, 1),
        ("304", Status(304), 1, 1),
        ("307", Status(307), 1, 1),
        ("400", Status(400), 1, 1),
        ("403", Status(403), 1, 1),
        ("404", Status(404), 1, 1),
        ("409", Status(409), 1, 1),
        ("410", Status(410), 1, 1),
        ("412", Status(412), 1, 1),
        ("431", Status(431), 1, 1),
    ];
    for &(what, outcome, safe, never) in table {
        for (resend, sendings) in [(Resend::Safe, safe), (Resend::Never, never)] {
            let (ended, sent) = call(Retry::default(), request(resend), &[outcome]);
            assert_eq!(sent.len(), sendings as usize, "{what}, {resend:?}");
            match (ended, outcome) {
                (Ok(answer), _) if sendings == 2 => {
                    assert_eq!((answer.status().as_u16(), Attempts::of(&answer)), (200, 2));
                }
                (Ok(answer), Status(status)) => {
                    assert_eq!((answer.status(), Attempts::of(&answer)), (StatusCode::from_u16(status).unwrap(), 1));
                }
                (Err(error), Fails(expected)) => {
                    assert_eq!(
                        (error.kind(), error.never_sent(), error.attempts()),
                        (expected().kind(), expected().never_sent(), 1)
                    );
                }
                (ended, _) => panic!("{what}, {resend:?}: {ended:?}"),
            }
        }
    }
}

#[test]
fn a_request_that_says_nothing_goes_by_its_method() {
    for (method, sendings) in [("GET", 2), ("HEAD", 2), ("POST", 1), ("PUT", 1), ("DELETE", 1)] {
        let request = Request::builder().method(method).uri("https://example.com/").body(Bytes::new()).unwrap();
        assert_eq!(call(Retry::default(), request, &[Status(503)]).1.len(), sendings, "{method}");
    }
}

#[test]
fn a_body_that_breaks_is_a_sending_that_broke() {
    for (resend, sendings) in [(Resend::Safe, 2), (Resend::Never, 1)] {
        let (clock, server) = (ManualClock::new(), Capture::answering(Response::new("hello, hello")));
        let wire = Faulty::scripted(server.clone(), [Fault::TruncateBody(3)]).collected().retrying(clock.clone());
        let ended = block_on(&clock, wire.send(request(resend)));
        assert_eq!(server.requests().len(), sendings);
        assert_eq!(ended.map_err(|error| error.answered()).err(), (sendings == 1).then_some(Some(StatusCode::OK)));
    }
}

#[test]
fn after_a_401_the_layers_beneath_are_told_once_and_at_once() {
    let challenged = With(401, &[("www-authenticate", "Bearer claims=\"e30=\""), ("www-authenticate", "Basic")]);
    let (ended, sent) = call(Retry::default(), request(Resend::Never), &[Status(429), challenged, Status(429)]);
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
        let (ended, sent) = call(Retry::default(), request(Resend::Safe), outcomes);
        let answer = ended.unwrap();
        assert_eq!((answer.status(), sent.len()), (StatusCode::UNAUTHORIZED, outcomes.len()));
        assert_eq!(Attempts::of(&answer) as usize, outcomes.len());
    }
}

#[test]
fn an_error_was_never_sent_only_if_no_sending_was() {
    let connect = Fails(|| Error::new(ErrorKind::Connect));
    let lost = Fails(|| Error::new(ErrorKind::Interrupted));
    for (first, resend, never_sent) in [
        (connect, Resend::Never, true),
        (Status(429), Resend::Never, true),
        (Status(401), Resend::Never, true),
        (lost, Resend::Safe, false),
        (Status(503), Resend::Safe, false),
    ] {
        let error = call(Retry::default().attempts(2), request(resend), &[first, connect]).0.unwrap_err();
        assert_eq!((error.kind(), error.never_sent(), error.attempts()), (ErrorKind::Connect, never_sent, 2));
    }
}
