//! Every action of the registry is recovered after a crash, from its intent alone.

use std::{collections::BTreeSet, time::Duration};

use defender_actions::{
    BoxFuture, DefenderClient, Error, ErrorKind, Intent, MachineHandle, Origin, Submitted,
    model::{ACTIONS, Action, IsolationType, LiveResponseCommand, MachineId, ScanType},
    transport::Clock,
};
use futures_util::future::select;
use serde_json::Value;

use crate::service::{Break, Repeats, Service};

type Submission = (Intent, BoxFuture<Result<Submitted, Error>>);
type Submit = fn(&MachineHandle) -> Submission;

fn submission<A: Action>(action: defender_actions::ActionRequest<A>) -> Submission {
    (action.intent().unwrap(), action.into_future())
}

/// Every action by its type, with its particulars.
const CASES: &[(&str, Submit)] = &[
    ("UnrestrictCodeExecution", |machine| submission(machine.unrestrict_code_execution("c"))),
    ("RestrictCodeExecution", |machine| submission(machine.restrict_code_execution("c"))),
    ("Isolate", |machine| submission(machine.isolate("c").selective())),
    ("Unisolate", |machine| submission(machine.unisolate("c"))),
    ("RunAntiVirusScan", |machine| submission(machine.run_antivirus_scan("c", ScanType::Full))),
    ("StopAndQuarantineFile", |machine| {
        submission(machine.stop_and_quarantine_file("c", "87662bc3d60e4200ceaf7aae249d1c343f4b83c9".parse().unwrap()))
    }),
    ("CollectInvestigationPackage", |machine| submission(machine.collect_investigation_package("c"))),
    ("LiveResponse", |machine| submission(machine.run_live_response("c", [LiveResponseCommand::run_script("a.ps1")]))),
    ("Offboard", |machine| submission(machine.offboard("c"))),
];

/// Drops the future after the service has accepted the action, and recovers the intent with another client.
async fn after_a_crash(
    submit: Submit,
    client: fn(&Service) -> DefenderClient,
    change: fn(&mut Value),
) -> Result<Origin, ErrorKind> {
    let service = Service::new(Repeats::Taken).breaking([Break::Hanging]).spelling(change);
    let id: MachineId = "m1".parse().unwrap();
    let (intent, submission) = submit(&client(&service).machine(id));
    service.clock().run(select(submission, service.clock().sleep(Duration::from_secs(1)))).await;
    assert_eq!(service.ledger(), (1, 1));
    // Only the serialized intent survives the crash.
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
async fn every_action_is_recovered() {
    let cased: BTreeSet<_> = CASES.iter().map(|(kind, _)| *kind).collect();
    let all = ACTIONS.iter().map(|action| action.action_type).collect();
    assert_eq!(cased, all, "`CASES` of this file has a case for each action");
    for (kind, submit) in CASES {
        let plain = after_a_crash(*submit, Service::client, without_id).await;
        // Two runs of one script are different actions.
        let expected = if *kind == "LiveResponse" { Err(ErrorKind::OutcomeUnknown) } else { Ok(Origin::Recovered) };
        assert_eq!(plain, expected, "{kind}");
        let generated = after_a_crash(*submit, Service::client_that_generates, nothing).await;
        assert_eq!(generated, Ok(Origin::Recovered), "{kind} with a generated id");
    }
}

#[tokio::test]
async fn other_particulars_are_not_recovered() {
    for (kind, submit) in CASES {
        let has_particulars = ["Isolate", "RunAntiVirusScan", "StopAndQuarantineFile"].contains(kind);
        let found = after_a_crash(*submit, Service::client, other_particulars).await;
        let is_recovered = !has_particulars && *kind != "LiveResponse";
        assert_eq!(found.is_ok(), is_recovered, "{kind}");
    }
}
