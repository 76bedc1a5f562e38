//! The state of machines, read from the service.

use defender_fleet::Targets;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn state_is_read_in_two_calls() {
    let now = World::machines(0);
    let day = 24 * 60;
    let actions = json!([
        {"type": "Isolate", "machineId": "m1", "status": "Succeeded", "scope": "Full", "creationDateTimeUtc": now.ago(8 * day),
         "lastUpdateDateTimeUtc": now.ago(8 * day)},
        {"type": "Isolate", "machineId": "m2", "status": "Succeeded", "scope": "Full", "creationDateTimeUtc": now.ago(8 * day),
         "lastUpdateDateTimeUtc": now.ago(8 * day)},
        {"type": "RestrictCodeExecution", "machineId": "m3", "status": "Succeeded", "creationDateTimeUtc": now.ago(9 * day),
         "lastUpdateDateTimeUtc": now.ago(9 * day)},
        {"type": "RunAntiVirusScan", "machineId": "m4", "status": "Succeeded", "creationDateTimeUtc": now.ago(10 * day),
         "lastUpdateDateTimeUtc": now.ago(10 * day)},
        {"type": "Unisolate", "machineId": "m4", "status": "Pending", "creationDateTimeUtc": now.ago(1)},
    ]);
    let machines = json!([
        {"id": "m1", "computerDnsName": "a", "osPlatform": "Windows11"},
        {"id": "m2", "computerDnsName": "b", "osPlatform": "macOS"},
        {"id": "m3", "computerDnsName": "c", "osPlatform": "Windows11"},
        {"id": "m4", "computerDnsName": "d", "osPlatform": "Windows11", "offline": true},
    ]);
    let world = World::of(&machines, &actions);
    let state = world.fleet().state_now("contoso").await.unwrap();
    assert_eq!(world.calls(), ["GET /api/machineactions", "GET /api/machines"]);
    let ids: Vec<_> = state.machines.iter().map(|machine| machine.machine_id.as_str()).collect();
    assert_eq!(ids, ["m1", "m3", "m4"], "{state}");
    assert_eq!(state.oldest.as_ref().unwrap().machine_id.as_ref().unwrap().as_str(), "m3");
    assert_eq!(state.actions, 4);
    let shown = state.to_string();
    assert!(shown.contains("m1 a, isolated (Full) since 2025-12-24T12:00:00Z\n"), "{shown}");
    assert!(shown.contains("m4 d, Unisolate is Pending\n"), "{shown}");
    assert!(shown.ends_with("4 actions read, the oldest of 2025-12-23T12:00:00Z"), "{shown}");
}

#[tokio::test]
async fn run_changes_the_state() {
    let world = World::machines(3);
    let machine = world.client().machine(world.ids()[0].clone());
    machine.restrict_code_execution("INC-1").await.unwrap().wait().await.unwrap();
    let state = world.fleet().state_now("contoso").await.unwrap();
    assert!(state.machine(world.emulator.machine_ids()[0]).unwrap().restriction.is_some(), "{state}");
    assert!(world.emulator.machine(world.emulator.machine_ids()[0]).unwrap().restricted);
    let plan = world.unrestrict(Targets::ids(world.emulator.machine_ids())).resolve().await.unwrap();
    assert!(plan.rows[0].warnings.is_empty(), "{plan}");
    machine.unrestrict_code_execution("INC-1").await.unwrap().wait().await.unwrap();
    assert!(world.fleet().state_now("contoso").await.unwrap().machines.is_empty());
}
