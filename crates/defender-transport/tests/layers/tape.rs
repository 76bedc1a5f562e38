//! Requests that a tape takes, and its complaint about the rest.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper of a test fails as the test does")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use defender_transport::{
    Body, Error, ErrorKind, Transport,
    testing::{AnyBody, Tape},
};
use futures_util::FutureExt;
use http::{Request, Response};

fn send(tape: &Tape, request: Request<&'static str>) -> Result<Response<Body>, Error> {
    tape.send(request.map(Bytes::from)).now_or_never().unwrap()
}

fn get(url: &str) -> Request<&'static str> {
    Request::get(url).body("").unwrap()
}

fn post(body: &'static str) -> Request<&'static str> {
    Request::post("https://example.com/things").header("x-one", "1").body(body).unwrap()
}

fn status(status: u16) -> Response<&'static str> {
    Response::builder().status(status).body("").unwrap()
}

/// Complaint of the tape about a run that goes wrong.
fn complaint(run: impl FnOnce()) -> String {
    *catch_unwind(AssertUnwindSafe(run)).expect_err("a complaint").downcast::<String>().unwrap()
}

/// Returns true if the tape takes `actual` for `expected`.
fn takes(expected: Request<&'static str>, actual: Request<&'static str>) -> bool {
    catch_unwind(AssertUnwindSafe(|| {
        let tape = Tape::in_order().exchange(expected, status(200));
        send(&tape, actual).unwrap();
    }))
    .is_ok()
}

#[test]
fn exchanges_are_played_in_order() {
    let tape = Tape::in_order()
        .exchange(get("/a"), status(201))
        .failure(get("/a"), Error::new(ErrorKind::Connect))
        .exchange(get("/b"), status(202));
    assert_eq!(send(&tape.clone(), get("https://example.com/a")).unwrap().status(), 201);
    assert_eq!(send(&tape, get("/a")).unwrap_err().kind(), ErrorKind::Connect);
    assert_eq!(send(&tape, get("/b")).unwrap().status(), 202);
    tape.verify();
}

#[test]
fn wrong_order_fails_unless_any_order() {
    let on = |tape: Tape| tape.exchange(get("/a"), status(201)).exchange(get("/b"), status(202));
    let said = complaint(|| drop(send(&on(Tape::in_order()), get("/b"))));
    assert!(said.starts_with("request 1 is not what the tape expects as exchange 1 of 2:\n"), "{said}");
    let tape = on(Tape::in_any_order()).exchange(get("/b"), status(203));
    let statuses = ["/b", "/a", "/b"].map(|path| send(&tape, get(path)).unwrap().status().as_u16());
    assert_eq!(statuses, [202, 201, 203]);
    tape.verify();
}

#[test]
fn only_stated_parts_must_match() {
    let json = r#"{"a":1,"b":[true,null]}"#;
    assert!(takes(post(json), post("{ \"b\": [true, null],\r\n \"a\": 1 }")));
    assert!(!takes(post(json), post(r#"{"a":1,"b":[null,true]}"#)));
    assert!(!takes(post(json), post(r#"{"a":"1","b":[true,null]}"#)));
    assert!(!takes(post(json), post("")));
    assert!(!takes(post(""), post(json)), "no body is no body");
    assert!(takes(post("a=1&b=2"), post("a=1&b=2")));
    assert!(!takes(post("a=1&b=2"), post("a=1&b=2\n")), "bytes are bytes, though they look alike");

    let any = Request::post("/things").extension(AnyBody).body("").unwrap();
    assert!(takes(any, post(json)));
    let stated = |name| Request::post("/things").header(name, "1").body("").unwrap();
    assert!(takes(stated("x-one"), post("")));
    assert!(!takes(stated("x-two"), post("")));
    let twice = Request::post("/things").header("x-one", "1").header("x-one", "1").body("").unwrap();
    assert!(!takes(twice, post("")));

    assert!(takes(get("https://EXAMPLE.com/a?x=1"), get("https://example.com/a?x=1")));
    assert!(takes(get("/a?x=1"), get("https://example.com/a?x=1")));
    for other in ["https://example.com/a", "https://example.com/a?x=2", "http://example.com/a?x=1", "https://b/a?x=1"] {
        assert!(!takes(get("https://example.com/a?x=1"), get(other)), "{other}");
    }
    assert!(!takes(get("/a"), Request::head("/a").body("").unwrap()));
}

#[test]
fn mismatch_is_shown_beside_expectation() {
    let tape =
        Tape::in_order().exchange(get("/a"), status(200)).exchange(post(r#"{"Name":"x","Size":1}"#), status(201));
    send(&tape, get("/a")).unwrap();
    let said = complaint(|| drop(send(&tape, post(r#"{"Name":"y","Size":1}"#))));
    let lines = [
        "request 2 is not what the tape expects as exchange 2 of 2:",
        "                expected                   | actual",
        "  method        POST                       | POST",
        "  url           https://example.com/things | https://example.com/things",
        "  header x-one  1                          | 1",
        "  body          {                          | {",
        "!                 \"Name\": \"x\",             |   \"Name\": \"y\",",
        "                  \"Size\": 1                |   \"Size\": 1",
        "                }                          | }",
    ];
    let expected = lines.join("\n");
    assert_eq!(said, expected);
    assert_eq!(complaint(|| tape.verify()), expected, "it is told again, since a task may have swallowed it");
    assert_eq!(complaint(|| drop(tape)), expected);
}

#[test]
fn of_several_the_nearest_is_shown() {
    let tape = Tape::in_any_order().exchange(get("/a"), status(200)).exchange(post("{}"), status(201));
    let said = complaint(move || drop(send(&tape, post("[]"))));
    let lines = [
        "request 1 is nothing that is left on the tape:",
        "  1: GET /a",
        "  2: POST https://example.com/things",
        "the nearest is 2:",
        "                expected                   | actual",
        "  method        POST                       | POST",
        "  url           https://example.com/things | https://example.com/things",
        "  header x-one  1                          | 1",
        "! body          {}                         | []",
    ];
    assert_eq!(said, lines.join("\n"));
}

#[test]
fn missing_and_binary_parts_are_shown() {
    let expected = Request::post("/a").header("x-two", "2").body("a\n").unwrap();
    let tape = Tape::in_order().exchange(expected, status(200));
    let came = Request::get("https://example.com/a?x").body(Bytes::from_static(b"a")).unwrap();
    let said = complaint(move || drop(tape.send(came).now_or_never()));
    let lines = [
        "request 1 is not what the tape expects as exchange 1 of 1:",
        "                expected | actual",
        "! method        POST     | GET",
        "! url           /a       | /a?x",
        "! header x-two  2        | (absent)",
        "  body          a        | a",
        "! body's bytes  a\\n      | a",
    ];
    assert_eq!(said, lines.join("\n"));

    let tape = Tape::in_order().exchange(Request::get("/a").body(vec![0xff, 0xfe]).unwrap(), status(200));
    let said = complaint(move || drop(send(&tape, get("/a"))));
    assert!(said.ends_with("! body    \\xff\\xfe |"), "{said}");
}

#[test]
fn a_tape_that_ended_plays_no_more() {
    let tape = Tape::in_order();
    let said = complaint(move || drop(send(&tape, get("/a"))));
    assert_eq!(said, "request 1 comes after the end of the tape: GET /a");
}

#[test]
fn unplayed_exchanges_fail_verify_and_drop() {
    let tape = || Tape::in_order().exchange(get("/a"), status(200)).exchange(get("/b"), status(200));
    let expected = "not all of the tape was played; of 2 exchanges these are left:\n  2: GET /b";
    let verified = complaint(|| {
        let tape = tape();
        send(&tape, get("/a")).unwrap();
        tape.verify();
    });
    let dropped = complaint(|| {
        let tape = tape();
        send(&tape.clone(), get("/a")).unwrap();
        drop(tape);
    });
    assert_eq!((verified.as_str(), dropped.as_str()), (expected, expected));
}
