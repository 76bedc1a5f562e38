//! Tests without a network: with a mock, with a tape, and with the emulator in process. They take no real time.

use std::{sync::Arc, time::Duration};

use defender_actions::{
    DefenderClient, ErrorKind,
    auth::{ClientSecretCredential, StaticCredential},
    model::ActionStatus,
};
use defender_emulator::Emulator;
use defender_transport::{
    Body, Clock, Transport,
    testing::{ManualClock, MockTransport, Tape},
};
use facade_tests::release;
use http::{Request, Response, StatusCode};

fn client(transport: impl Transport + 'static, clock: &ManualClock) -> DefenderClient {
    let client = DefenderClient::builder().credential(StaticCredential::new("token")).transport(transport);
    client.clock(clock.clone()).build().unwrap()
}

#[tokio::test]
async fn refusal_reaches_the_caller() {
    let mut transport = MockTransport::new();
    transport.expect_send().times(1).returning(|_| {
        let mut response = Response::new(Body::from(r#"{"error": {"code": "Forbidden", "message": "No role"}}"#));
        *response.status_mut() = StatusCode::FORBIDDEN;
        Ok(response)
    });
    let clock = ManualClock::new();
    let refused = clock.run(release(&client(transport, &clock), "m1".parse().unwrap())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn release_is_sent_and_awaited() {
    let record =
        |status: &str| format!(r#"{{"id": "a1", "type": "Unisolate", "machineId": "m1", "status": "{status}"}}"#);
    let tape = Tape::in_order()
        .exchange(
            Request::post("/api/machines/m1/unisolate").body(r#"{"Comment": "False positive"}"#).unwrap(),
            Response::builder().status(201).body(record("Pending")).unwrap(),
        )
        .exchange(Request::get("/api/machineactions/a1").body("").unwrap(), Response::new(record("Succeeded")));
    let clock = ManualClock::new();
    let status = clock.run(release(&client(tape.clone(), &clock), "m1".parse().unwrap())).await.unwrap();
    assert_eq!(status, ActionStatus::Succeeded);
    tape.verify();
}

#[tokio::test]
async fn emulated_service_releases_the_machine() {
    let clock = ManualClock::new();
    let emulator = Emulator::builder().clock(Arc::new(clock.clone())).in_process().unwrap();
    let credential = ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
    let defender = DefenderClient::builder()
        .base_url(emulator.base_url())
        .authority(emulator.authority())
        .credential(credential)
        .transport(emulator.transport())
        .clock(clock.clone())
        .build()
        .unwrap();
    let machine = emulator.machine_ids()[0].parse().unwrap();
    assert_eq!(clock.run(release(&defender, machine)).await.unwrap(), ActionStatus::Succeeded);
    assert!(clock.elapsed() < Duration::from_secs(3_600));
}
