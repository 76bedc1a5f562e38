//! Guards: exclusions, suitability, state and permissions.

use defender_actions::model::{Isolate, IsolationType, Offboard, RunAntiVirusScan, ScanType, Unisolate};
use defender_fleet::{FleetAction, LeftOutReason, Plan, Targets};
use serde_json::{Value, json};

use crate::world::{World, unrestrict};

fn isolate(isolation_type: IsolationType) -> FleetAction {
    Isolate::new("INC-1", isolation_type).unwrap().into()
}

fn scan() -> FleetAction {
    RunAntiVirusScan::new("INC-1", ScanType::Quick).unwrap().into()
}

fn release() -> FleetAction {
    Unisolate::new("INC-1").unwrap().into()
}

fn machine(id: &str, fields: &Value) -> Value {
    let mut machine = json!({"id": id, "computerDnsName": id, "osPlatform": "Windows11"});
    machine.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    machine
}

/// Action that was requested and took effect this many minutes ago.
fn action(world: &World, (kind, machine, status): (&str, &str, &str), ago: i64) -> Value {
    let time = world.ago(ago);
    let mut action = json!({"type": kind, "machineId": machine, "status": status, "creationDateTimeUtc": time});
    if status != "Pending" {
        action["lastUpdateDateTimeUtc"] = json!(time);
    }
    if kind == "Isolate" {
        action["scope"] = json!("Full");
    }
    action
}

/// Plan of one action on the machines of a world.
async fn plan(world: &World, action: impl Into<FleetAction>) -> Plan {
    let targets = Targets::ids(world.emulator.machine_ids());
    world.builder().targets(targets).action(action).max_machines(1_000).resolve().await.unwrap()
}

fn kept(plan: &Plan) -> Vec<&str> {
    plan.rows.iter().map(|row| row.machine_id.as_str()).collect()
}

fn left_out(plan: &Plan) -> Vec<(&str, &'static str)> {
    plan.left_out
        .iter()
        .map(|left_out| (left_out.machine_id.as_ref().unwrap().as_str(), left_out.reason.name()))
        .collect()
}

#[tokio::test]
async fn exclusions_leave_machines_out() {
    let machines = json!([
        machine("m1", &json!({"machineTags": ["Critical "]})),
        machine("m2", &json!({"machineTags": ["lab"]})),
        machine("m3", &json!({"machineTags": ["hyper-v"]})),
    ]);
    let world = World::of(&machines, &json!([]));
    let plan = world
        .unrestrict(Targets::ids(["m1", "m2", "m3"]))
        .exclude_tag("critical")
        .exclude_tag("critical-2")
        .exclude_tag("Lab")
        .warn_tag("Hyper-V", "its virtual machines are concerned, too")
        .resolve()
        .await
        .unwrap();
    assert_eq!(kept(&plan), ["m3"]);
    assert_eq!(left_out(&plan), [("m1", "excluded"), ("m2", "excluded")]);
    assert_eq!(plan.left_out[1].reason, LeftOutReason::Excluded { by: "tag `Lab`".to_owned() });
    assert_eq!(plan.rows[0].warnings[0], "its virtual machines are concerned, too");
    assert!(plan.warnings.iter().any(|warning| warning.contains("tag `critical-2` concerns no target")), "{plan}");
}

#[tokio::test]
async fn unsuitable_machines_are_left_out() {
    let machines = json!([
        machine("m1", &json!({"healthStatus": "Inactive"})),
        machine("m2", &json!({"mergedIntoMachineId": "m3"})),
        machine("m3", &json!({})),
        machine("m4", &json!({"osPlatform": "Ubuntu"})),
        machine("m5", &json!({"onboardingStatus": "CanBeOnboarded"})),
        machine("m6", &json!({"isPotentialDuplication": true})),
    ]);
    let world = World::of(&machines, &json!([]));
    let unsuitable = ["m2", "m4", "m5"].map(|id| (id, "unsuitable"));
    let plan = plan(&world, unrestrict()).await;
    assert_eq!(kept(&plan), ["m3", "m6"]);
    assert_eq!(left_out(&plan), [&[("m1", "unsuitable")][..], &unsuitable].concat());
    assert!(plan.left_out[1].to_string().contains("the record was merged into m3"), "{plan}");
    assert!(plan.rows[1].warnings[0].contains("second record"));
    let builder = world.unrestrict(Targets::ids(world.emulator.machine_ids()));
    let plan = builder.even_if_inactive().resolve().await.unwrap();
    assert_eq!((kept(&plan), left_out(&plan)), (vec!["m1", "m3", "m6"], unsuitable.to_vec()));
    assert!(plan.rows[0].warnings[0].contains("not reported for a week"), "{plan}");
}

#[tokio::test]
async fn machines_in_the_state_are_left_out() {
    let mut world = World::machines(0);
    let actions = json!([
        action(&world, ("Isolate", "m1", "Succeeded"), 60),
        action(&world, ("Isolate", "m2", "Succeeded"), 60),
        action(&world, ("Unisolate", "m2", "Succeeded"), 30),
        action(&world, ("Isolate", "m3", "Failed"), 60),
        action(&world, ("Isolate", "m4", "Succeeded"), 60),
        action(&world, ("Unisolate", "m4", "Pending"), 1),
        action(&world, ("Isolate", "m5", "Pending"), 1),
    ]);
    let machines: Vec<_> = (1..=6).map(|number| machine(&format!("m{number}"), &json!({"offline": true}))).collect();
    world = World::of(&json!(machines), &actions);
    let isolating = plan(&world, isolate(IsolationType::Full)).await;
    assert_eq!(kept(&isolating), ["m2", "m3", "m5", "m6"], "{isolating}");
    assert_eq!(left_out(&isolating), [("m1", "already done"), ("m4", "inverse pending")]);
    assert!(
        isolating.left_out[0].to_string().contains("isolated (Full) since 2026-01-01T11:00:00Z, by action"),
        "{isolating}"
    );
    assert!(isolating.rows[2].warnings[0].contains("of the same type is Pending"), "{isolating}");
    assert_eq!(isolating.history_from.unwrap().to_string(), "2026-01-01T11:00:00Z");

    let releasing = plan(&world, release()).await;
    assert_eq!(kept(&releasing), ["m1", "m3", "m4", "m6"], "{releasing}");
    assert_eq!(left_out(&releasing), [("m2", "already done"), ("m5", "inverse pending")]);
    assert!(releasing.rows[1].warnings[0].contains("the history shows no isolation"), "{releasing}");

    let again = world.builder().targets(Targets::ids(["m1"])).action(isolate(IsolationType::Full));
    let again = again.even_if_already_done().resolve().await.unwrap();
    assert!(again.rows[0].warnings[0].contains("isolated (Full)"), "{again}");
    // Another type of isolation is another state.
    let selective = plan(&world, isolate(IsolationType::Selective)).await;
    assert!(selective.rows[0].warnings[0].contains("it is isolated (Full)"), "{selective}");
}

#[tokio::test]
async fn pending_scan_is_a_warning() {
    let mut world = World::machines(0);
    let actions = json!([
        action(&world, ("RunAntiVirusScan", "m1", "Pending"), 1),
        action(&world, ("RunAntiVirusScan", "m2", "Succeeded"), 60),
    ]);
    let machines = ["m1", "m2"].map(|id| machine(id, &json!({"offline": true})));
    world = World::of(&json!(machines), &actions);
    let plan = plan(&world, scan()).await;
    assert_eq!(plan.rows.iter().map(|row| row.warnings.len()).collect::<Vec<_>>(), [1, 0], "{plan}");
}

#[tokio::test]
async fn hundredth_containment_is_warned_of() {
    let mut world = World::machines(0);
    let contained = |number: i64| {
        let mut action = action(&world, ("Isolate", &format!("m{number}"), "Succeeded"), number);
        action["scope"] = json!("UnManagedDevice");
        action
    };
    let actions: Vec<_> = (1..=98).map(contained).collect();
    let unknown = json!({"onboardingStatus": "CanBeOnboarded"});
    let machines: Vec<_> = (1..=102).map(|number| machine(&format!("m{number}"), &unknown)).collect();
    world = World::of(&json!(machines), &json!(actions));
    for (ids, warned) in [(99..=100, false), (99..=101, true)] {
        let targets = Targets::ids(ids.map(|number| format!("m{number}")));
        let plan = world.builder().targets(targets).action(isolate(IsolationType::UnManagedDevice));
        let plan = plan.resolve().await.unwrap();
        let is_warned = plan.warnings.iter().any(|warning| warning.starts_with("98 devices are contained"));
        assert_eq!(is_warned, warned, "{plan}");
    }
}

#[tokio::test]
async fn cautions_are_counted_once() {
    let world = World::machines(60);
    let plan = plan(&world, isolate(IsolationType::Full)).await;
    assert!(plan.rows.iter().all(|row| row.warnings.is_empty()), "{plan}");
    let shown = plan.to_string();
    assert!(
        shown.contains(
            "isolation of Linux ends by itself after seven days, and editing iptables lifts it (20 machines)"
        ),
        "{shown}"
    );
}

#[tokio::test]
async fn missing_permission_is_told() {
    let world = World::with(|emulator| emulator.without_role("Machine.RestrictExecution"));
    let plan = world.plan().await;
    assert_eq!(plan.permissions.any_of, ["Machine.RestrictExecution"]);
    assert!(plan.permissions.missing[0].contains("Machine.RestrictExecution"), "{plan}");
    assert!(plan.to_string().contains("  missing   UnrestrictCodeExecution requires"), "{plan}");
}

#[tokio::test]
async fn offboarding_is_warned_of() {
    let plan = plan(&World::machines(3), Offboard::new("INC-1").unwrap()).await;
    assert_eq!(plan.warnings, ["no action of the API undoes an offboarding"]);
}

#[tokio::test]
async fn too_many_machines_are_told() {
    let world = World::machines(60);
    let plan = world.unrestrict(Targets::ids(world.emulator.machine_ids())).resolve().await.unwrap();
    assert_eq!((plan.max_machines, plan.rows.len()), (25, 40));
    assert!(plan.warnings[0].contains("40 machines and its maximum is 25"), "{plan}");
}
