//! Faults without a socket.

use std::sync::Arc;

use defender_emulator::{Emulator, ErrorCode, Fault, Operation};
use defender_transport::{ErrorKind, testing::ManualClock};
use serde_json::json;

use crate::{driver::MACHINE, here::Here};

fn isolate(here: &Here) -> Option<Result<crate::here::Came, defender_transport::Error>> {
    here.send("POST", &format!("/api/machines/{MACHINE}/isolate"), "application/json", r#"{"Comment":"c"}"#)
}

#[test]
fn refused_stream_leaves_no_ledger_entry() {
    let here = Here::with(|builder| builder);
    here.emulator.fault(Fault::RefusedStream).on(Operation::Isolate).times(1);
    let error = isolate(&here).unwrap().unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, true));
    assert_eq!(here.emulator.ledger(), []);
    assert_eq!(isolate(&here).unwrap().unwrap().status, 201);
}

#[test]
fn short_body_fails_in_process_too() {
    let here = Here::with(|builder| builder);
    here.emulator.fault(Fault::WrongContentLength).on(Operation::Isolate).times(1);
    let error = isolate(&here).unwrap().unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Interrupted, false));
}

#[test]
fn error_code_has_its_documented_status() {
    for (code, status) in [
        (ErrorCode::OsPlatformNotSupported, 400),
        (ErrorCode::DisabledFeature, 403),
        (ErrorCode::ResourceNotFound, 404),
        (ErrorCode::InternalServerError, 500),
    ] {
        let here = Here::with(|builder| builder);
        here.emulator.fault(Fault::Code(code)).on(Operation::Isolate).times(1);
        let came = isolate(&here).unwrap().unwrap();
        assert_eq!((came.status, &came.body["error"]["code"]), (status, &json!(code.as_str())));
        assert_eq!(code.status(), status);
    }
    let here = Here::with(|builder| builder);
    here.emulator.fault(Fault::Empty(401)).times(1);
    let came = isolate(&here).unwrap().unwrap();
    assert_eq!((came.status, came.raw.len()), (401, 0), "a gateway says nothing");
}

#[test]
fn the_sign_in_fails_in_entra_s_words() {
    let here = Here::with(|builder| builder);
    for (number, status, error) in [
        (7_000_222, 401, "invalid_client"),
        (7_000_112, 400, "unauthorized_client"),
        (65_001, 400, "invalid_grant"),
        (53_003, 400, "interaction_required"),
        (90_033, 503, "temporarily_unavailable"),
        (1, 500, "server_error"),
    ] {
        here.emulator.fault(Fault::SignIn(number)).times(1);
        let came = here.token_for(here.emulator.audience());
        assert_eq!((came.status, &came.body["error"]), (status, &json!(error)), "{number}");
        assert_eq!(came.body["error_codes"], json!([number]));
        assert!(came.body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{number}: ")));
    }
    here.emulator.fault(Fault::TooManyRequests(defender_emulator::RetryAfter::Seconds(60))).times(1);
    let came = here.token_for(here.emulator.audience());
    assert_eq!((came.status, &came.raw[..]), (429, &b"Too Many Requests"[..]), "as plain text");
    assert_eq!(came.headers["retry-after"], "60");
    // Elsewhere it means nothing.
    here.emulator.fault(Fault::SignIn(7_000_222)).times(1);
    assert_eq!(here.get("/api/machines").status, 200);
}

#[test]
fn chance_spoils_connections_too() {
    let clock = ManualClock::new();
    let emulator = Emulator::chaotic(3, 0.5).clock(Arc::new(clock.clone())).in_process().unwrap();
    let here = Here { emulator, clock, token: String::new() };
    let (mut never_sent, mut refused_stream) = (0, 0);
    for _ in 0..2_000 {
        if let Some(Err(error)) = here.send("GET", "/api/machines", "", "") {
            never_sent += usize::from(error.kind() == ErrorKind::Connect);
            refused_stream += usize::from(error.kind() == ErrorKind::Interrupted && error.never_sent());
        }
    }
    assert!((50..200).contains(&never_sent), "{never_sent} of two thousand");
    assert!((20..100).contains(&refused_stream), "{refused_stream} of two thousand");
}

#[test]
fn a_head_has_no_body() {
    let here = Here::with(|builder| builder);
    let came = here.send("HEAD", "/api/machines", "", "").unwrap().unwrap();
    assert_eq!((came.status, came.raw.len()), (200, 0));
}
