//! Calls without words of their own: they stay on the API's host and below its prefix, and in the quota.

use std::time::Duration;

use defender_actions::{
    DefenderClient, ErrorKind,
    auth::StaticCredential,
    transport::{Clock, testing::MockTransport},
};
use defender_emulator::{Fault, Operation};
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn a_get_and_a_post_are_made_and_their_answers_read() {
    let world = World::new();
    let client = world.client();
    let made: Value = world
        .run(client.post(format!("/api/machines/{}/isolate", world.machine()), &json!({"Comment": "c"})).send())
        .await
        .unwrap();
    let id = made["id"].as_str().unwrap();
    let read: Value = world.run(client.get(format!("/api/machineactions/{id}")).send()).await.unwrap();
    assert_eq!(read["id"], made["id"]);
    let whole = format!("{}/api/machineactions?$top=1&$filter=type%20eq%20'Isolate'", world.emulator.base_url());
    let listed: Value = world.run(client.get(whole).send()).await.unwrap();
    assert_eq!(listed["value"][0]["id"], made["id"]);
}

#[tokio::test]
async fn what_leaves_the_host_or_the_prefix_is_refused_before_anything_is_sent() {
    // A mock that expects nothing fails the test when it is called.
    let wire = MockTransport::new();
    let client = DefenderClient::builder().credential(StaticCredential::new("t")).transport(wire).build().unwrap();
    for path in [
        "",
        "/",
        "/api",
        "machineactions",
        "/machineactions",
        "/apix/machineactions",
        "/api/../secrets",
        "/api/machines/..",
        "/api/./machines",
        "/api/%2e%2e/secrets",
        "/api/machines%2f..",
        "/api//evil.example.com",
        "//evil.example.com/api/machineactions",
        "https://evil.example.com/api/machineactions",
        "http://api.security.microsoft.com/api/machineactions",
        "https://api.security.microsoft.com:8443/api/machineactions",
        "https://api.security.microsoft.com.evil.example.com/api/machineactions",
        "https://user@api.security.microsoft.com/api/machineactions",
        "https://login.microsoftonline.com/api/x",
        "/api/a b",
    ] {
        for error in [
            client.get::<Value>(path).await.unwrap_err(),
            client.post::<Value>(path, &json!({})).await.unwrap_err(),
            client.get::<Value>(path).request().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Request, "{path}");
            assert!(error.never_sent(), "{path}");
        }
    }
    assert!(client.get::<Value>("https://API.security.microsoft.com:443/api/machineactions").request().is_ok());
}

#[tokio::test]
async fn a_post_is_sent_once_and_a_get_again() {
    let world = World::new();
    let client = world.client();
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Isolate).times(1);
    let path = format!("/api/machines/{}/isolate", world.machine());
    let error = world.run(client.post::<Value>(path, &json!({"Comment": "c"})).send()).await.unwrap_err();
    assert!(error.is_outcome_unknown() && !error.is_retryable());
    assert_eq!(world.ledger().len(), 1);
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::ListActions).times(1);
    assert!(world.run(client.get::<Value>("/api/machineactions").send()).await.is_ok());
    world.emulator.fault(Fault::Hang).on(Operation::ListActions).times(1);
    let began = world.clock.elapsed();
    let late = client.get::<Value>("/api/machineactions").timeout(Duration::from_secs(3));
    assert_eq!(world.run(late.send()).await.unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(world.clock.elapsed().saturating_sub(began).as_secs(), 3);
}

#[tokio::test]
async fn raw_and_typed_calls_of_one_operation_share_its_quota_in_any_spelling() {
    let world = World::with(|emulator| emulator.machines(60));
    let client = world.client();
    for machine in world.machines() {
        world.run(client.machine(machine.clone()).isolate("c").send()).await.unwrap();
        let again = client.post::<Value>(format!("/api/v1.0/MACHINES/{machine}/Isolate"), &json!({"Comment": "c"}));
        // It is refused because of the first, and not for being too much.
        assert_eq!(world.run(again.send()).await.unwrap_err().status(), Some(400));
    }
    assert!(world.ledger().entries().iter().all(|entry| entry.status != 429));
    assert!(world.clock.elapsed() >= Duration::from_secs(60));
}
