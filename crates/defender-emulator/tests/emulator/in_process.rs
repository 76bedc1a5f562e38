//! The emulator without a socket, without a runtime, and with a clock turned by hand.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use defender_emulator::{Effect, Emulator, EmulatorBuilder, Fault, Operation};
use defender_transport::{Clock, Error, ErrorKind, Transport, testing::ManualClock};
use http::Request;
use serde_json::Value;

use crate::driver::{MACHINE, encoded};

/// Runs what waits for nothing; `None` where it waits.
fn ready<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

struct Here {
    emulator: Emulator,
    clock: ManualClock,
    token: String,
}

impl Here {
    fn with(set_up: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Self {
        let clock = ManualClock::new();
        let emulator = set_up(Emulator::builder().clock(Arc::new(clock.clone()))).in_process().unwrap();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}%2F.default",
            emulator.client_id(),
            encoded(emulator.client_secret()),
            encoded(emulator.audience())
        );
        let url = format!("{}/{}/oauth2/v2.0/token", emulator.authority(), emulator.tenant_id());
        let request = Request::post(url).header("Content-Type", "application/x-www-form-urlencoded");
        let response = send(&emulator, request.body(form.into()).unwrap()).unwrap().unwrap();
        let token = response.1["access_token"].as_str().unwrap().to_owned();
        Self { emulator, clock, token }
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Option<Result<(u16, Value), Error>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.emulator.base_url()))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json");
        send(&self.emulator, request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap())
    }

    fn isolate(&self) -> Option<Result<(u16, Value), Error>> {
        self.call("POST", &format!("/api/machines/{MACHINE}/isolate"), r#"{"Comment":"c"}"#)
    }
}

fn send(emulator: &Emulator, request: Request<Bytes>) -> Option<Result<(u16, Value), Error>> {
    ready(async {
        let response = emulator.transport().send(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect(1 << 20).await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    })
}

#[test]
fn an_action_is_made_and_followed_without_a_runtime() {
    let here = Here::with(|builder| builder);
    let (status, action) = here.isolate().unwrap().unwrap();
    assert_eq!(status, 201);
    here.clock.advance(Duration::from_secs(3));
    let path = format!("/api/machineactions/{}", action["id"].as_str().unwrap());
    let (_, read) = here.call("GET", &path, "").unwrap().unwrap();
    assert_eq!(read["status"], "Succeeded");
    assert_eq!(read["@odata.context"], "https://defender-emulator.test/api/$metadata#MachineActions/$entity");
    assert_eq!(here.emulator.ca_pem(), "");
}

#[test]
fn another_address_is_not_here() {
    let here = Here::with(|builder| builder);
    for url in ["https://example.com/api/machines", "http://defender-emulator.test/api/machines"] {
        let error = send(&here.emulator, Request::get(url).body(Bytes::new()).unwrap()).unwrap().unwrap_err();
        assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Connect, true), "{url}");
    }
}

#[test]
fn network_fault_is_an_error_in_process() {
    for (fault, kind, received, done) in [
        (Fault::RefuseConnection, ErrorKind::Connect, 0, false),
        (Fault::TlsFailure, ErrorKind::Connect, 0, false),
        (Fault::ResetBeforeEffect, ErrorKind::Interrupted, 1, false),
        (Fault::ResetAfterEffect, ErrorKind::Interrupted, 1, true),
        (Fault::TruncatedBody, ErrorKind::Interrupted, 1, true),
    ] {
        let here = Here::with(|builder| builder);
        here.emulator.fault(fault).on(Operation::Isolate).times(1);
        here.call("GET", "/api/machines", "").unwrap().unwrap();
        assert_eq!(here.isolate().unwrap().unwrap_err().kind(), kind, "{fault:?}");
        let ledger = here.emulator.ledger();
        assert_eq!(ledger.len(), received, "{fault:?}");
        assert_eq!(ledger.iter().any(|entry| entry.effect != Effect::None), done, "{fault:?}");
    }
}

#[test]
fn slow_response_waits_for_the_clock() {
    let here = Here::with(|builder| builder);
    here.emulator.fault(Fault::HangAfterEffect).on(Operation::Isolate).times(1);
    assert!(here.isolate().is_none());
    assert!(matches!(here.emulator.ledger()[0].effect, Effect::Created(_)));
    here.emulator.fault(Fault::SlowBytes(Duration::from_secs(1))).times(1);
    let url = format!("{}/api/none", here.emulator.base_url());
    let transport = here.emulator.transport();
    let read = here.clock.run(async {
        let response = transport.send(Request::get(url).body(Bytes::new()).unwrap()).await.unwrap();
        response.into_body().collect(1 << 20).await.unwrap().len()
    });
    let (mut read, mut context) = (pin!(read), Context::from_waker(Waker::noop()));
    // The runner wakes its task between two sleeps.
    let length = (0..10_000).find_map(|_| match read.as_mut().poll(&mut context) {
        Poll::Ready(length) => Some(length),
        Poll::Pending => None,
    });
    assert_eq!(here.clock.elapsed().as_secs(), u64::try_from(length.unwrap()).unwrap());
}

#[test]
fn chaos_by_seed_spoils_its_share() {
    let emulator = Emulator::builder().clock(Arc::new(ManualClock::new())).chaotic(11, 0.3).in_process().unwrap();
    let url = format!("{}/api/machines", emulator.base_url());
    let request = || Request::get(&url).body(Bytes::new()).unwrap();
    let spoilt = (0..300)
        .map(|_| send(&emulator, request()))
        .filter(|came| !matches!(came, Some(Ok((401, body))) if body["error"]["code"] == "Unauthorized"))
        .count();
    // Some faults leave such a response as it is: a revoked token, a slow one, a last one.
    assert!((50..110).contains(&spoilt), "{spoilt}");
}
