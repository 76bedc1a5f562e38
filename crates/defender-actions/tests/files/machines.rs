//! Machines on the emulator, and the traps of other clients.

use std::time::Duration;

use defender_actions::{
    ErrorKind, SuitabilityIssue,
    model::{DeviceValue, Isolate, LiveResponseCommand, Machine, RestrictCodeExecution, UpdateMachine},
};
use defender_emulator::{Fault, Operation, RetryAfter};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use crate::support::{World, forbidden, lines, over};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn page(rows: &[Value]) -> (u16, String) {
    (200, json!({ "value": rows }).to_string())
}

#[tokio::test]
async fn name_is_found_in_any_case() {
    let world = World::new();
    let id = world.emulator.machine_ids()[0].to_owned();
    for name in ["ws-eng-04.contoso.example", "WS-ENG-04.contoso.EXAMPLE", " ws-eng-04.contoso.example "] {
        let machine = world.run(world.defender.machines().find(name).into_future()).await.unwrap();
        assert_eq!(machine.id.as_str(), id, "{name}");
    }
    // The service's filters are case-sensitive, and no variant of the case is the machine's.
    let mixed = world.run(world.defender.machines().find("c-lab-31").into_future()).await.unwrap();
    assert_eq!(mixed.computer_dns_name.as_deref(), Some("C-Lab-31"));
}

#[tokio::test]
async fn name_prefix_is_not_found() {
    let world = World::new();
    let error = world.run(world.defender.machines().find("ws-eng-04").into_future()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.machines().len(), 2);
    let text = error.to_string();
    for id in &world.emulator.machine_ids()[..2] {
        assert!(text.contains(id), "{text}");
    }
    assert!(text.contains("last seen 2026-") && text.contains(", Active"), "{text}");
}

#[tokio::test]
async fn duplicate_name_is_ambiguous() {
    let rows = [
        json!({"id": "a1", "computerDnsName": "ws", "lastSeen": "2026-01-01T00:00:00Z", "healthStatus": "Active"}),
        json!({"id": "b2", "computerDnsName": "WS", "healthStatus": "Inactive", "isPotentialDuplication": true,
            "mergedIntoMachineId": "a1"}),
        json!({"id": "c3", "computerDnsName": "ws-2"}),
    ];
    let (defender, transport) = over(move |_| page(&rows));
    let error = defender.machines().find("ws").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert_eq!(error.machines().iter().map(|machine| machine.id.as_str()).collect::<Vec<_>>(), ["a1", "b2"]);
    let text = error.to_string();
    assert!(text.contains("a1 (ws, last seen 2026-01-01T00:00:00Z, Active)"), "{text}");
    assert!(text.contains("b2 (WS, never seen, Inactive, a potential duplicate, merged into a1)"), "{text}");
    assert_eq!(lines(&transport).len(), 1);
}

#[tokio::test]
async fn unreadable_namesake_is_not_skipped() {
    let (defender, _) =
        over(|_| page(&[json!({"id": "a1", "computerDnsName": "ws"}), json!({"computerDnsName": "WS"})]));
    assert_eq!(defender.machines().find("ws").await.unwrap_err().kind(), ErrorKind::InvalidResponse);
    let (defender, _) =
        over(|_| page(&[json!({"id": "a1", "computerDnsName": "ws"}), json!({"computerDnsName": "ws-2"})]));
    assert_eq!(defender.machines().find("ws").await.unwrap().id.as_str(), "a1");
}

#[tokio::test]
async fn trap_06_later_pages_are_read() {
    let world = World::with(|builder| builder.machines(25).page_size(10));
    let machines: Vec<Machine> = world.run(world.defender.machines().stream().try_collect()).await.unwrap();
    assert_eq!(machines.len(), 25);
    let pages: Vec<_> = world.run(world.defender.machines().pages().try_collect()).await.unwrap();
    assert_eq!(pages.iter().map(|page| page.value.len()).collect::<Vec<_>>(), [10, 10, 5]);
    // Without a link, the list continues with `$skip`.
    let (defender, transport) = over(|request| {
        let skipped = request.uri().query().unwrap_or_default().contains("$skip=2");
        if skipped { page(&[json!({"id": "c"})]) } else { page(&[json!({"id": "a"}), json!({"id": "b"})]) }
    });
    let machines: Vec<Machine> = defender.machines().page_size(2).stream().try_collect().await.unwrap();
    assert_eq!(machines.len(), 3);
    assert_eq!(lines(&transport), ["GET /api/machines?$top=2", "GET /api/machines?$top=2&$skip=2"]);
    // A machine on the second page is found by its name.
    let last = machines_of(&world).await.pop().unwrap().computer_dns_name.unwrap();
    world.run(world.defender.machines().find(last).into_future()).await.unwrap();
}

#[tokio::test]
async fn ignored_skip_is_an_error() {
    let (defender, transport) = over(|_| page(&[json!({"id": "a"}), json!({"id": "b"})]));
    let machines: Vec<_> = defender.machines().page_size(2).stream().collect().await;
    let [Ok(_), Ok(_), Err(error)] = machines.as_slice() else { panic!("{machines:?}") };
    assert_eq!((error.kind(), transport.requests().len()), (ErrorKind::InvalidResponse, 12));
}

async fn machines_of(world: &World) -> Vec<Machine> {
    world.run(world.defender.machines().stream().try_collect()).await.unwrap()
}

#[tokio::test]
async fn trap_07_name_quote_is_escaped() {
    let name = "x' or computerDnsName ne '";
    let (defender, transport) = over(|request| match request.uri().path() {
        "/api/machines" => page(&[]),
        _ => (404, String::new()),
    });
    assert!(defender.machines().find(name).await.unwrap_err().is_not_found());
    let sent = lines(&transport);
    assert!(sent[0].starts_with(
        "GET /api/machines?$filter=startswith%28computerDnsName%2C%27x%27%27%20or%20computerDnsName%20ne%20%27%27%27%29"
    ));
    assert_eq!(sent[1], "GET /api/machines/x%27%20or%20computerDnsName%20ne%20%27");
    let world = World::new();
    assert!(world.run(world.defender.machines().find(name).into_future()).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn trap_08_unsafe_name_is_refused() {
    let (defender, transport) = over(|request| {
        assert_eq!(request.uri().path(), "/api/machines", "only the filtered list is requested");
        page(&[])
    });
    for name in ["../offboard", "a/b", "a\\b"] {
        assert_eq!(defender.machines().get(name).await.unwrap_err().kind(), ErrorKind::Request);
        assert!(defender.machines().find(name).await.unwrap_err().is_not_found());
    }
    assert_eq!(transport.requests().len(), 3);
    for id in ["", "..", "a/b", "a?b", "a%2fb"] {
        assert!(id.parse::<defender_actions::model::MachineId>().is_err(), "{id}");
    }
}

#[tokio::test]
async fn trap_12_missing_tags_are_accepted() {
    let (defender, _) =
        over(|_| page(&[json!({"id": "a", "machineTags": null}), json!({"id": "b", "machineTags": []})]));
    let machines: Vec<Machine> = defender.machines().stream().try_collect().await.unwrap();
    assert_eq!((machines.len(), &machines[0].machine_tags), (2, &None));
}

#[tokio::test]
async fn trap_24_entra_id_is_rejected() {
    let world = World::new();
    let machine = world.run(world.defender.machines().find("ws-eng-04.contoso.example").into_future()).await.unwrap();
    let in_entra = machine.aad_device_id.unwrap();
    assert_ne!(machine.id.as_str(), in_entra);
    // Neither a name nor an id.
    assert!(world.run(world.defender.machines().find(&*in_entra).into_future()).await.unwrap_err().is_not_found());
    let by_it = world.defender.machine(in_entra.parse().unwrap());
    assert!(world.run(by_it.get().into_future()).await.unwrap_err().is_not_found());
    assert!(world.run(by_it.isolate("c").into_future()).await.unwrap_err().is_not_found());
    // A record of another machine is rejected.
    let (defender, _) = over(|_| (200, r#"{"id":"b2","computerDnsName":"m1","aadDeviceId":"m1"}"#.to_owned()));
    let error = defender.machine("m1".parse().unwrap()).get().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    // The only machine that the search returns has another name.
    let (defender, _) = over(|request| match request.uri().path() {
        "/api/machines" => page(&[json!({"id": "b2", "computerDnsName": "ws-eng-042"})]),
        _ => (404, String::new()),
    });
    let error = defender.machines().find("ws-eng-04").await.unwrap_err();
    assert_eq!((error.kind(), error.machines().len()), (ErrorKind::NotFound, 1));
}

#[tokio::test]
async fn no_machines_is_an_empty_list() {
    let world = World::with(|builder| builder.machines(0));
    assert_eq!(world.run(world.defender.machines().stream().count()).await, 0);
    assert_eq!(world.run(world.defender.machines().pages().count()).await, 1);
    world.emulator.fault(Fault::Status(400, RetryAfter::Absent)).on(Operation::ListMachines).times(1);
    let error = world.run(world.defender.machines().stream().try_collect::<Vec<_>>()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn record_is_read_by_id_or_name() {
    let world = World::new();
    let id = world.emulator.machine_ids()[2];
    let by_id = world.run(world.defender.machine(id.parse().unwrap()).get().into_future()).await.unwrap();
    let by_name = world.run(world.defender.machines().get("c-lab-31").into_future()).await.unwrap();
    assert_eq!(by_id, by_name);
    assert!(world.run(world.defender.machines().get("nobody").into_future()).await.unwrap_err().is_not_found());
    let error = world.run(world.defender.machine("nobody".parse().unwrap()).get().into_future()).await.unwrap_err();
    assert_eq!((error.kind(), error.code().unwrap().as_str()), (ErrorKind::NotFound, "ResourceNotFound"));
}

#[tokio::test]
async fn address_and_tag_find_machines() {
    let world = World::new();
    let machines = world.defender.machines();
    let one = world.run(machines.find_by_ip("10.0.0.4".parse().unwrap()).one().into_future()).await.unwrap();
    assert_eq!(one.id.as_str(), world.emulator.machine_ids()[0]);
    let long_ago = "2025-01-01T00:00:00Z".parse().unwrap();
    let ago = machines.find_by_ip_at("10.0.0.4".parse().unwrap(), long_ago).one();
    assert_eq!(world.run(ago.into_future()).await.unwrap_err().kind(), ErrorKind::Refused);
    let nobody = machines.find_by_ip("192.0.2.1".parse().unwrap()).one();
    assert!(world.run(nobody.into_future()).await.unwrap_err().is_not_found());

    let tagged: Vec<_> = world.run(machines.find_by_tag("Engineering").stream().try_collect()).await.unwrap();
    assert_eq!(tagged.len(), 1);
    assert_eq!(world.run(machines.find_by_tag("engin").stream().count()).await, 0);
    assert_eq!(world.run(machines.find_by_tag_prefix("Engin").stream().count()).await, 1);
    let ids: Vec<_> = machines_of(&world).await.into_iter().map(|machine| machine.id).collect();
    world.run(machines.add_tag("all", ids).into_future()).await.unwrap();
    let error = world.run(machines.find_by_tag("all").one().into_future()).await.unwrap_err();
    assert_eq!((error.kind(), error.machines().len()), (ErrorKind::Ambiguous, 3));
}

#[tokio::test]
async fn machine_record_is_changed() {
    let world = World::new();
    let id: defender_actions::model::MachineId = world.emulator.machine_ids()[1].parse().unwrap();
    let machine = world.defender.machine(id.clone());
    let tagged = world.run(machine.add_tag("x").into_future()).await.unwrap();
    assert!(tagged.machine_tags.unwrap().contains(&"x".to_owned()));
    let untagged = world.run(machine.remove_tag("x").into_future()).await.unwrap();
    assert!(!untagged.machine_tags.unwrap().contains(&"x".to_owned()));
    let valued = world.run(machine.set_device_value(DeviceValue::High).into_future()).await.unwrap();
    assert_eq!(valued.device_value, Some(DeviceValue::High));
    let update = UpdateMachine::new().machine_tags(["a", "b"]).device_value(DeviceValue::Low);
    let updated = world.run(machine.update(update).into_future()).await.unwrap();
    assert_eq!((updated.device_value, updated.machine_tags.unwrap().len()), (Some(DeviceValue::Low), 2));
    let nobody = world.defender.machine("nobody".parse().unwrap());
    assert!(world.run(nobody.add_tag("x").into_future()).await.unwrap_err().is_not_found());
    assert!(world.run(nobody.set_device_value(DeviceValue::Low).into_future()).await.unwrap_err().is_not_found());
    let update = nobody.update(UpdateMachine::new().machine_tags(["a"]));
    assert!(world.run(update.into_future()).await.unwrap_err().is_not_found());
    let some = world.defender.machines().add_tag("x", [id, "nobody".parse().unwrap()]);
    assert!(world.run(some.into_future()).await.unwrap_err().is_not_found());
    let unknown = machine.set_device_value(DeviceValue::from("Enormous"));
    assert_eq!(world.run(unknown.into_future()).await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn missing_permission_is_forbidden() {
    let world = World::with(|builder| builder.without_role("Machine.Read.All").without_role("Machine.ReadWrite.All"));
    let machine = world.defender.machine(world.emulator.machine_ids()[0].parse().unwrap());
    let machines = world.defender.machines();
    forbidden(world.run(machines.stream().try_collect::<Vec<_>>()).await);
    forbidden(world.run(machines.find("x").into_future()).await);
    forbidden(world.run(machines.get("x").into_future()).await);
    forbidden(world.run(machines.find_by_tag("x").one().into_future()).await);
    forbidden(world.run(machines.find_by_ip("10.0.0.4".parse().unwrap()).one().into_future()).await);
    forbidden(world.run(machine.get().into_future()).await);
    forbidden(world.run(machine.check::<RestrictCodeExecution>().into_future()).await);
    forbidden(world.run(machine.isolate("c").check_machine().into_future()).await);

    let world = World::with(|builder| builder.without_role("Machine.ReadWrite.All"));
    let machine = world.defender.machine(world.emulator.machine_ids()[0].parse().unwrap());
    forbidden(world.run(machine.add_tag("x").into_future()).await);
    forbidden(world.run(machine.remove_tag("x").into_future()).await);
    forbidden(world.run(machine.set_device_value(DeviceValue::Low).into_future()).await);
    forbidden(world.run(machine.update(UpdateMachine::new().machine_tags(["a"])).into_future()).await);
    forbidden(world.run(world.defender.machines().add_tag("x", [machine.id().clone()]).into_future()).await);
    assert!(world.emulator.ledger().iter().all(|entry| entry.status == 403));
}

#[tokio::test]
async fn unsuitable_machine_gets_no_action() {
    let world = World::new();
    let ids: Vec<String> = world.emulator.machine_ids().into_iter().map(str::to_owned).collect();
    let [windows, gone, linux] = [&ids[0], &ids[1], &ids[2]].map(|id| world.defender.machine(id.parse().unwrap()));
    world.emulator.machine_offline(&ids[1]);
    world.clock.advance(DAY * 8);

    world.run(windows.restrict_code_execution("c").check_machine().into_future()).await.unwrap();
    let error = world.run(gone.isolate("c").check_machine().into_future()).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::UnsuitableMachine, true));
    assert!(crate::support::error_chain(&error).contains("has not reported for a week"));
    assert_eq!(error.machines()[0].id, *gone.id());
    let error = world.run(linux.restrict_code_execution("c").check_machine().into_future()).await.unwrap_err();
    assert!(
        crate::support::error_chain(&error).contains("the system (RedHatEnterpriseLinux) does not support the action")
    );
    assert_eq!(world.emulator.ledger().len(), 1, "nothing but the fit machine's action was sent");
    // A supported machine gets the action, and an unchecked one as well.
    let script = [LiveResponseCommand::run_script("a.sh")];
    world.run(linux.run_live_response("c", script).check_machine().into_future()).await.unwrap();
    world.run(gone.isolate("c").into_future()).await.unwrap();
    // A caution does not block the action; an excluded scope does.
    let known = world.run(linux.check::<Isolate>().into_future()).await.unwrap();
    assert!(
        known.iter().all(SuitabilityIssue::is_caution) && known[0].to_string().contains("after seven days"),
        "{known:?}"
    );
    let error = world.run(linux.isolate("c").selective().check_machine().into_future()).await.unwrap_err();
    assert!(error.to_string().contains("the system (RedHatEnterpriseLinux) does not support the action"), "{error}");
    world.run(linux.isolate("c").check_machine().into_future()).await.unwrap();
    assert_eq!(world.run(gone.check::<RestrictCodeExecution>().into_future()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn record_of_other_machine_is_rejected() {
    for (id, ours) in [("m1", true), ("M1", true), ("m2", false), ("", false)] {
        let (defender, _) = over(move |_| (200, json!({"id": id, "computerDnsName": "m1"}).to_string()));
        let machine = defender.machine("m1".parse().unwrap());
        let update = UpdateMachine::new().machine_tags(["a"]);
        for changed in [
            machine.add_tag("a").await,
            machine.remove_tag("a").await,
            machine.set_device_value(DeviceValue::High).await,
            machine.update(update).await,
        ] {
            match changed {
                Ok(_) => assert!(ours, "accepted as its own: {id}"),
                Err(error) => {
                    assert!(
                        !ours && error.kind() == ErrorKind::InvalidResponse && error.is_retryable(),
                        "{id}: {error}"
                    );
                    assert!(
                        id.is_empty() || error.to_string().contains("is about another machine, m2; call again"),
                        "{error}"
                    );
                }
            }
        }
    }
    // A read by name accepts only the record of this machine.
    let (defender, _) = over(|_| (200, r#"{"id":"m2","computerDnsName":"ws-2"}"#.to_owned()));
    let error = defender.machines().get("ws-1").await.unwrap_err();
    assert!(error.to_string().contains("another machine, m2"), "{error}");
}

#[tokio::test]
async fn bulk_tag_is_checked_per_machine() {
    for (rows, expected) in [
        (json!([{"id": "m1"}, {"id": "m2"}]), None),
        (json!([{"id": "M2"}, {"id": "m1"}, {"id": "m1"}]), None),
        (json!([{"id": "m1"}, {"id": "m2", "machineTags": 5}]), None),
        (json!([{"id": "m1"}]), Some("does not list m2,")),
        (json!([{"id": "m1"}, {"machineTags": []}]), Some("does not list m2,")),
        (json!([{"id": "m1"}, {"id": "m2"}, {"id": "m3"}]), Some("another machine, m3")),
        (json!([]), Some("does not list m1, m2,")),
    ] {
        let page = json!({ "value": rows }).to_string();
        let (defender, _) = over(move |_| (200, page.clone()));
        let ids = || ["m1", "M2"].map(|id| id.parse().unwrap());
        for tagged in [defender.machines().add_tag("x", ids()).await, defender.machines().remove_tag("x", ids()).await]
        {
            match (tagged, expected) {
                (Ok(_), None) => {}
                (Err(error), Some(expected)) => {
                    assert!(error.to_string().to_lowercase().contains(expected), "{rows}: {error}");
                    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidResponse, true));
                    assert_eq!(
                        error.machines().len(),
                        rows.as_array().unwrap().iter().filter(|row| row["id"].is_string()).count()
                    );
                }
                (tagged, _) => panic!("{rows}: {tagged:?}"),
            }
        }
    }
    // Of many missing machines, the error names some.
    let (defender, _) = over(|_| (200, r#"{"value":[]}"#.to_owned()));
    let ids = (100..600).map(|id: u32| id.to_string().parse().unwrap());
    let error = defender.machines().add_tag("x", ids).await.unwrap_err();
    assert!(error.to_string().contains("100, 101, 102, 103, 104 and 495 more,"), "{error}");
}

#[tokio::test]
async fn found_machine_leads_to_its_handle() {
    let (defender, wire) = over(|_| (200, r#"{"value":[{"id":"m1","computerDnsName":"ws-1"}]}"#.to_owned()));
    let found = defender.machines().find("ws-1").await.unwrap();
    let request = defender.machine_of(&found).isolate("c").request().unwrap();
    assert_eq!((request.uri().path(), wire.requests().len()), ("/api/machines/m1/isolate", 1));
}
