//! Resolving: machines of targets, waves, estimate and the number of calls.

use defender_actions::model::{Isolate, IsolationType, LiveResponse, LiveResponseCommand, Machine, RiskScore};
use defender_fleet::{ErrorKind, LeftOutReason, Plan, Targets};
use futures_util::TryStreamExt;
use serde_json::json;

use crate::world::{World, unrestrict};

const UPPER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn isolate() -> Isolate {
    Isolate::new("INC-1", IsolationType::Full).unwrap()
}

/// Targets that are left out, with their reasons.
fn left_out(plan: &Plan) -> Vec<(&str, &'static str)> {
    plan.left_out.iter().map(|left_out| (left_out.target.as_str(), left_out.reason.name())).collect()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.rows.iter().map(|row| row.name.as_deref().unwrap()).collect()
}

#[tokio::test]
async fn thousand_names_take_two_calls() {
    let world = World::machines(1_000);
    let records: Vec<Machine> = world.client().machines().stream().try_collect().await.unwrap();
    let given: Vec<_> = records.into_iter().map(|machine| machine.computer_dns_name.unwrap()).collect();
    world.calls();
    let plan = world.builder().targets(Targets::names(&given[..])).action(isolate()).max_machines(1_000);
    let plan = plan.waves([1, 10, 50]).halt_after(10).resolve().await.unwrap();
    assert_eq!(world.calls(), ["GET /api/machines", "GET /api/machineactions"]);
    assert_eq!(names(&plan), given, "{plan}");
    assert_eq!(plan.shortest_time.as_mins(), 9);
    assert_eq!(plan.halt_after, Some(10));
    let size = |wave| plan.rows.iter().filter(|row| row.wave == wave).count();
    assert_eq!([0, 1, 2, 20, 21].map(size), [1, 10, 50, 50, 39]);
}

#[tokio::test]
async fn five_thousand_ids_take_two_calls() {
    let world = World::machines(5_000);
    let plan = world.builder().targets(Targets::ids(world.emulator.machine_ids())).action(isolate());
    let plan = plan.max_machines(5_000).resolve().await.unwrap();
    assert_eq!((plan.rows.len(), world.calls().len()), (5_000, 2));
    assert_eq!(plan.shortest_time.as_mins(), 3 * 60 + 4);
}

#[tokio::test]
async fn estimate_follows_quota_of_action() {
    let world = World::machines(30);
    let session = LiveResponse::new("INC-1", [LiveResponseCommand::get_file("C:\\\\log.txt")]).unwrap();
    let plan = world.builder().targets(Targets::ids(world.emulator.machine_ids())).action(session);
    assert_eq!(plan.max_machines(30).resolve().await.unwrap().shortest_time.as_mins(), 2);
}

#[tokio::test]
async fn few_ids_are_read_by_filter() {
    let world = World::machines(200);
    let plan = world.builder().targets(Targets::ids(world.ids().into_iter().take(50))).action(isolate());
    let plan = plan.max_machines(50).resolve().await.unwrap();
    assert_eq!((plan.rows.len(), world.calls().len()), (50, 2), "{plan}");
    // A plan reads, and changes nothing.
    assert!(world.emulator.ledger().is_empty());
}

#[tokio::test]
async fn names_are_exact_or_left_out() {
    let world = World::of(
        &json!([
            {"id": "m1", "computerDnsName": "ws-1.contoso.com"},
            {"id": "m2", "computerDnsName": "WS-2", "lastSeen": "2025-12-01T00:00:00Z"},
            {"id": "m3", "computerDnsName": "ws-2", "lastSeen": "2025-12-31T00:00:00Z"},
            {"id": "m4", "computerDnsName": "ws-4"},
        ]),
        &json!([]),
    );
    let targets =
        Targets::names(["WS-4", "ws-1", "ws-2", "nobody", " ", "ws-4"]).and(Targets::ids(["m4", "m9", "a b"]));
    let plan = world.unrestrict(targets).resolve().await.unwrap();
    assert_eq!(names(&plan), ["ws-4"]);
    assert_eq!(
        left_out(&plan),
        [
            ("ws-1", "not found"),
            ("ws-2", "ambiguous"),
            ("nobody", "not found"),
            (" ", "invalid"),
            ("ws-4", "duplicate"),
            ("m4", "duplicate"),
            ("m9", "not found"),
            ("a b", "invalid"),
        ]
    );
    let LeftOutReason::NotFound { similar } = &plan.left_out[0].reason else { panic!("{plan}") };
    assert_eq!(similar[0].id.as_str(), "m1");
    let LeftOutReason::Ambiguous { candidates } = &plan.left_out[1].reason else { panic!("{plan}") };
    assert_eq!(candidates.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["m3", "m2"]);
    let shown = plan.left_out[1].to_string();
    assert!(shown.contains("give the id of one: m3 (ws-2, last seen 2025-12-31"), "{shown}");
}

#[tokio::test]
async fn tags_and_filters_are_targets() {
    let world = World::of(
        &json!([
            {"id": "m1", "computerDnsName": "a", "machineTags": ["lab"]},
            {"id": "m2", "computerDnsName": "b", "machineTags": ["lab", "wave-2"]},
            {"id": "m3", "computerDnsName": "c", "riskScore": "High"},
            {"id": "m4", "computerDnsName": "d"},
        ]),
        &json!([]),
    );
    let risky = Targets::filter(Machine::RISK_SCORE.eq(RiskScore::High));
    let plan = world.unrestrict(Targets::tag("wave-2").and(Targets::tag("lab")).and(risky));
    let plan = plan.resolve().await.unwrap();
    assert_eq!(names(&plan), ["b", "a", "c"]);
    assert_eq!(left_out(&plan), [("b", "duplicate")]);
    assert_eq!(plan.left_out[0].source.as_deref(), Some("tag `lab`"));
}

#[tokio::test]
async fn ids_have_no_letter_case() {
    let world = World::of(&json!([{"id": UPPER.to_lowercase(), "computerDnsName": "a"}]), &json!([]));
    for count in [1, 60] {
        // More than fifty ids are looked up in the list of all machines.
        let more = (1..count).map(|number| format!("{number:040x}"));
        let targets = Targets::ids([UPPER.to_owned()]).and(Targets::ids(more));
        let plan = world.unrestrict(targets).resolve().await.unwrap();
        assert_eq!(plan.rows.len(), 1, "{plan}");
    }
}

#[tokio::test]
async fn incomplete_settings_are_refused() {
    let world = World::machines(3);
    let all = || world.unrestrict(Targets::ids(world.emulator.machine_ids()));
    for (builder, why) in [
        (world.builder().targets(Targets::tag("a")), "no action"),
        (world.builder().action(unrestrict()), "no targets"),
        (all().waves([1, 0]), "a wave of 0 machines"),
        (all().halt_after(0), "halts after 0 failures"),
    ] {
        let error = builder.resolve().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(world.calls().is_empty());
    let error = world.fleet().plan("Contoso").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTenant);
    assert!(error.to_string().contains("there is no tenant `Contoso`; the tenants are: contoso"), "{error}");
}

#[tokio::test]
async fn failed_read_names_the_tenant() {
    let world = World::with(|emulator| emulator.without_role("Machine.Read.All").without_role("Machine.ReadWrite.All"));
    let error = world.unrestrict(Targets::ids(world.emulator.machine_ids())).resolve().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.service().unwrap().kind()),
        (ErrorKind::Service, defender_actions::ErrorKind::Forbidden)
    );
    assert!(error.to_string().contains("tenant `contoso`"), "{error}");
}

#[tokio::test]
async fn summary_is_readable() {
    let world = World::machines(6);
    let plan = world.unrestrict(Targets::ids(world.emulator.machine_ids()).and(Targets::names(["nobody"])));
    let plan = plan.waves([1, 2]).halt_after(1).resolve().await.unwrap();
    let shown = plan.to_string();
    for line in [
        "UnrestrictCodeExecution on 4 of 7 targets in `contoso`",
        "  comment   INC-4711: cleaned and validated",
        "  waves     1, 2, 1",
        "  halts     after 1 failed or unknown machines",
        "  needs     Machine.RestrictExecution (the token has it)",
        "left out: 1 not found, 2 unsuitable",
        "  wave 1 1e5bc9d7e413ddd7902c2932e418702b84d0cc07 ws-eng-04.contoso.example",
    ] {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line} is not in\n{shown}");
    }
}
