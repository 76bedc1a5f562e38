//! Faults on a connection, and their entries in the ledger.

use std::time::Duration;

use bytes::Bytes;
use defender_emulator::{Effect, Fault, Operation, RetryAfter};
use defender_transport::{Clock, Error, ErrorKind};
use http::Request;

use crate::driver::{Answer, Driver, MACHINE, ends};

async fn isolate(driver: &Driver) -> Result<Answer, Error> {
    let token = driver.token().await;
    let path = format!("/api/machines/{MACHINE}/isolate");
    ends(driver.try_afresh(driver.request_to_post(&path, &token, r#"{"Comment":"c"}"#))).await
}

/// The one fault of an isolation, its response, and its ledger entry: the status, and the effect.
async fn once(fault: Fault) -> (Result<Answer, Error>, u16, bool) {
    let driver = Driver::start().await;
    driver.emulator.fault(fault).on(Operation::Isolate).times(1);
    let came = isolate(&driver).await;
    let ledger = driver.emulator.ledger();
    assert_eq!(ledger.len(), 1, "{fault:?}");
    let done = matches!(ledger[0].effect, Effect::Created(_));
    let again = isolate(&driver).await.unwrap();
    assert_eq!(again.status, if done { 400 } else { 201 }, "{fault:?}: it is over, and what it did is there");
    (came, ledger[0].status, done)
}

#[tokio::test]
async fn cut_connection_leaves_a_true_ledger() {
    for (fault, expected) in [(Fault::ResetBeforeEffect, false), (Fault::ResetAfterEffect, true)] {
        let (came, status, done) = once(fault).await;
        let error = came.unwrap_err();
        assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, false), "{fault:?}");
        assert_eq!((status, done), (0, expected), "{fault:?}");
    }
}

#[tokio::test]
async fn incomplete_body_fails_after_the_effect() {
    for fault in [Fault::TruncatedBody, Fault::WrongContentLength] {
        let (came, status, done) = once(fault).await;
        assert_eq!(came.unwrap_err().kind(), ErrorKind::Interrupted, "{fault:?}");
        assert_eq!((status, done), (201, true), "{fault:?}");
    }
}

#[tokio::test]
async fn response_before_effect_has_no_effect() {
    for (fault, expected, retry_after) in [
        (Fault::Html502, 502, ""),
        (Fault::Status(503, RetryAfter::Absent), 503, ""),
        (Fault::Status(503, RetryAfter::Seconds(7)), 503, "7"),
        (Fault::TooManyRequests(RetryAfter::Date(60)), 429, "Thu, 01 Jan 2026 12:01:00 GMT"),
        (Fault::Unauthorized, 401, ""),
        (Fault::NotFound, 404, ""),
    ] {
        let (came, status, done) = once(fault).await;
        let came = came.unwrap();
        assert_eq!((came.status.as_u16(), came.header("retry-after")), (expected, retry_after), "{fault:?}");
        assert_eq!((status, done), (expected, false), "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_may_be_spoilt_after_the_effect() {
    for (fault, expected) in [
        (Fault::Html502AfterEffect, 502),
        (Fault::StatusAfterEffect(504, RetryAfter::Absent), 504),
        (Fault::GarbageJson, 201),
        (Fault::GoAway, 201),
    ] {
        let (came, status, done) = once(fault).await;
        let came = came.unwrap();
        assert_eq!((came.status.as_u16(), status, done), (expected, expected, true), "{fault:?}");
        let is_json = serde_json::from_slice::<serde_json::Value>(&came.body).is_ok();
        assert_eq!(is_json, expected == 504 || fault == Fault::GoAway, "{fault:?}");
    }
}

#[tokio::test]
async fn goaway_is_followed_by_a_new_connection() {
    let driver = Driver::start().await;
    driver.emulator.fault(Fault::GoAway).on(Operation::GetMachine).times(3);
    for _ in 0..6 {
        assert_eq!(driver.get(&format!("/api/machines/{MACHINE}")).await.status, 200);
    }
}

#[tokio::test]
async fn slow_bytes_come_by_the_clock() {
    let driver = Driver::start().await;
    driver.emulator.fault(Fault::SlowBytes(Duration::from_secs(1))).on(Operation::GetMachine).times(1);
    let path = format!("/api/machines/{MACHINE}");
    let request = driver.get(&path);
    let turn = async {
        while driver.clock.elapsed().as_secs() < 5_000 {
            driver.clock.advance_to_next();
            tokio::task::yield_now().await;
        }
    };
    let response = tokio::select! { response = request => response, () = turn => panic!("it never came") };
    assert_eq!(response.json()["id"], MACHINE);
    assert!(driver.clock.elapsed().as_secs() > 500, "a second for each byte");
}

#[tokio::test]
async fn no_answer_comes_from_what_hangs() {
    for (fault, expected) in [(Fault::Hang, false), (Fault::HangAfterEffect, true)] {
        let driver = Driver::start().await;
        driver.emulator.fault(fault).on(Operation::Isolate).times(1);
        let token = driver.token().await;
        let path = format!("/api/machines/{MACHINE}/isolate");
        let hanging = driver.try_afresh(driver.request_to_post(&path, &token, r#"{"Comment":"c"}"#));
        let received = async {
            // The entry is there before the response would be.
            while driver.emulator.ledger().first().is_none_or(|entry| expected && entry.effect == Effect::None) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            came = hanging => panic!("{fault:?}: {came:?}"),
            () = ends(received) => {}
        }
        let entry = &driver.emulator.ledger()[0];
        assert_eq!((entry.status, entry.effect != Effect::None), (0, expected), "{fault:?}");
    }
}

#[tokio::test]
async fn failed_connection_leaves_no_ledger_entry() {
    let driver = Driver::start().await;
    for fault in [Fault::RefuseConnection, Fault::TlsFailure] {
        driver.emulator.fault(fault).times(1);
        let request = Request::post(driver.url("/api/machines/x/isolate")).body(Bytes::new()).unwrap();
        let error = driver.try_afresh(request).await.unwrap_err();
        assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Connect, true), "{fault:?}");
    }
    assert_eq!(driver.emulator.ledger(), []);
    assert_eq!(isolate(&driver).await.unwrap().status, 201);
}

#[tokio::test]
async fn a_stream_that_is_refused_was_never_processed() {
    let driver = Driver::start().await;
    driver.emulator.fault(Fault::RefusedStream).on(Operation::Isolate).times(1);
    let error = isolate(&driver).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, true));
    assert_eq!(driver.emulator.ledger(), []);
    assert_eq!(isolate(&driver).await.unwrap().status, 201);
}
