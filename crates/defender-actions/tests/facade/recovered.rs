//! Each action of the list is recovered after a crash, from its intent alone.

use std::{collections::BTreeSet, time::Duration};

use defender_actions::{
    BoxFuture, DefenderClient, Error, ErrorKind, Intent, MachineHandle, Origin, Submitted,
    model::{ACTIONS, Action, IsolationType, LiveResponseCommand, MachineId, ScanType},
    transport::Clock,
};
use futures_util::future::select;
use serde_json::Value;

use crate::service::{Break, Repeats, Service};

type Asking = (Intent, BoxFuture<Result<Submitted, Error>>);
type Ask = fn(&MachineHandle) -> Asking;

fn asking<A: Action>(action: defender_actions::ActionRequest<A>) -> Asking {
    (action.intent().unwrap(), action.into_future())
}

/// Each action, by its type, with its particulars.
const CASES: &[(&str, Ask)] = &[
    ("UnrestrictCodeExecution", |machine| asking(machine.unrestrict_code_execution("c"))),
    ("RestrictCodeExecution", |machine| asking(machine.restrict_code_execution("c"))),
    ("Isolate", |machine| asking(machine.isolate("c").selective())),
    ("Unisolate", |machine| asking(machine.unisolate("c"))),
    ("RunAntiVirusScan", |machine| asking(machine.run_antivirus_scan("c", ScanType::Full))),
    ("StopAndQuarantineFile", |machine| {
        asking(machine.stop_and_quarantine_file("c", "87662bc3d60e4200ceaf7aae249d1c343f4b83c9".parse().unwrap()))
    }),
    ("CollectInvestigationPackage", |machine| asking(machine.collect_investigation_package("c"))),
    ("LiveResponse", |machine| asking(machine.run_live_response("c", [LiveResponseCommand::run_script("a.ps1")]))),
    ("Offboard", |machine| asking(machine.offboard("c"))),
];

/// Asks, and drops the future after the service has taken the action; then another client recovers the intent.
async fn after_a_crash(
    ask: Ask,
    client: fn(&Service) -> DefenderClient,
    change: fn(&mut Value),
) -> Result<Origin, ErrorKind> {
    let service = Service::new(Repeats::Taken).breaking([Break::Hanging]).spelling(change);
    let id: MachineId = "m1".parse().unwrap();
    let (intent, asking) = ask(&client(&service).machine(id));
    service.clock().run(select(asking, service.clock().sleep(Duration::from_secs(1)))).await;
    assert_eq!(service.ledger(), (1, 1));
    // Only what was written down is there after a crash.
    let intent: Intent = serde_json::from_str(&serde_json::to_string(&intent).unwrap()).unwrap();
    let outcome = service.clock().run(client(&service).recover(intent).send()).await;
    outcome.map(|submitted| submitted.origin()).map_err(|error| error.kind())
}

fn without_id(record: &mut Value) {
    record["externalId"] = Value::Null;
}

fn nothing(_record: &mut Value) {}

fn other_particulars(record: &mut Value) {
    record["scope"] = if record["type"] == "Isolate" { IsolationType::Full.as_str() } else { "Quick" }.into();
    record["relatedFileInfo"] = serde_json::json!({"fileIdentifier": "0".repeat(40), "fileIdentifierType": "Sha1"});
}

#[tokio::test]
async fn each_action_is_recovered() {
    let cased: BTreeSet<_> = CASES.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(cased, ACTIONS.iter().map(|action| action.action_type).collect());
    for (kind, ask) in CASES {
        let plain = after_a_crash(*ask, Service::client, without_id).await;
        // Two runs of one script are two runs.
        let expected = if *kind == "LiveResponse" { Err(ErrorKind::OutcomeUnknown) } else { Ok(Origin::Recovered) };
        assert_eq!(plain, expected, "{kind}");
        let generated = after_a_crash(*ask, Service::client_that_generates, nothing).await;
        assert_eq!(generated, Ok(Origin::Recovered), "{kind} with a generated id");
    }
}

#[tokio::test]
async fn action_with_other_particulars_is_not_recovered() {
    for (kind, ask) in CASES {
        let has_particulars = ["Isolate", "RunAntiVirusScan", "StopAndQuarantineFile"].contains(kind);
        let found = after_a_crash(*ask, Service::client, other_particulars).await;
        let is_taken = !has_particulars && *kind != "LiveResponse";
        assert_eq!(found.is_ok(), is_taken, "{kind}");
    }
}
