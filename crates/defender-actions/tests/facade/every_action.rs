//! Every action on the emulator, from the call to its end: success, the documented errors, missing permissions.

use std::collections::BTreeSet;

use defender_actions::{
    BoxFuture, Error, ErrorKind, MachineHandle, Origin, Submitted,
    model::{ACTIONS, ActionStatus, ActionType, LiveResponseCommand, MachineAction, ScanType},
};
use defender_emulator::{Fault, MachineState, Operation, Outcome, RetryAfter};
use futures_util::TryStreamExt;

use crate::world::{HOUR, World};

/// Action under test: its call and the facts of its page.
struct Case {
    operation: Operation,
    segment: &'static str,
    body: &'static str,
    action_type: ActionType,
    role: &'static str,
    submit: fn(MachineHandle, &str) -> BoxFuture<Result<Submitted, Error>>,
    /// State of the machine after the action.
    effect: fn(&MachineState) -> bool,
}

const SHA1: &str = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";

fn cases() -> Vec<Case> {
    vec![
        Case {
            operation: Operation::UnrestrictCodeExecution,
            segment: "unrestrictCodeExecution",
            body: r#"{"Comment":"c"}"#,
            action_type: ActionType::UnrestrictCodeExecution,
            role: "Machine.RestrictExecution",
            submit: |machine, comment| machine.unrestrict_code_execution(comment).into_future(),
            effect: |machine| !machine.restricted,
        },
        Case {
            operation: Operation::RestrictCodeExecution,
            segment: "restrictCodeExecution",
            body: r#"{"Comment":"c"}"#,
            action_type: ActionType::RestrictCodeExecution,
            role: "Machine.RestrictExecution",
            submit: |machine, comment| machine.restrict_code_execution(comment).into_future(),
            effect: |machine| machine.restricted,
        },
        Case {
            operation: Operation::Isolate,
            segment: "isolate",
            body: r#"{"Comment":"c","IsolationType":"Full"}"#,
            action_type: ActionType::Isolate,
            role: "Machine.Isolate",
            submit: |machine, comment| machine.isolate(comment).into_future(),
            effect: |machine| machine.isolation.as_deref() == Some("Full"),
        },
        Case {
            operation: Operation::Isolate,
            segment: "isolate",
            body: r#"{"Comment":"c","IsolationType":"Selective"}"#,
            action_type: ActionType::Isolate,
            role: "Machine.Isolate",
            submit: |machine, comment| machine.isolate(comment).selective().into_future(),
            effect: |machine| machine.isolation.as_deref() == Some("Selective"),
        },
        Case {
            operation: Operation::Unisolate,
            segment: "unisolate",
            body: r#"{"Comment":"c"}"#,
            action_type: ActionType::Unisolate,
            role: "Machine.Isolate",
            submit: |machine, comment| machine.unisolate(comment).into_future(),
            effect: |machine| machine.isolation.is_none(),
        },
        Case {
            operation: Operation::RunAntiVirusScan,
            segment: "runAntiVirusScan",
            body: r#"{"Comment":"c","ScanType":"Full"}"#,
            action_type: ActionType::RunAntiVirusScan,
            role: "Machine.Scan",
            submit: |machine, comment| machine.run_antivirus_scan(comment, ScanType::Full).into_future(),
            effect: |_| true,
        },
        Case {
            operation: Operation::StopAndQuarantineFile,
            segment: "StopAndQuarantineFile",
            body: r#"{"Comment":"c","Sha1":"87662bc3d60e4200ceaf7aae249d1c343f4b83c9"}"#,
            action_type: ActionType::StopAndQuarantineFile,
            role: "Machine.StopAndQuarantine",
            submit: |machine, comment| machine.stop_and_quarantine_file(comment, SHA1.parse().unwrap()).into_future(),
            effect: |_| true,
        },
        Case {
            operation: Operation::CollectInvestigationPackage,
            segment: "collectInvestigationPackage",
            body: r#"{"Comment":"c"}"#,
            action_type: ActionType::CollectInvestigationPackage,
            role: "Machine.CollectForensics",
            submit: |machine, comment| machine.collect_investigation_package(comment).into_future(),
            effect: |_| true,
        },
        Case {
            operation: Operation::RunLiveResponse,
            segment: "runliveresponse",
            body: r#"{"Commands":[{"type":"GetFile","params":[{"key":"Path","value":"C:\\a.txt"}]}],"Comment":"c"}"#,
            action_type: ActionType::LiveResponse,
            role: "Machine.LiveResponse",
            submit: |machine, comment| {
                machine.run_live_response(comment, [LiveResponseCommand::get_file(r"C:\a.txt")]).into_future()
            },
            effect: |_| true,
        },
        Case {
            operation: Operation::Offboard,
            segment: "offboard",
            body: r#"{"Comment":"c"}"#,
            action_type: ActionType::Offboard,
            role: "Machine.Offboard",
            submit: |machine, comment| machine.offboard(comment).into_future(),
            effect: |machine| !machine.onboarded,
        },
    ]
}

impl Case {
    async fn submit(&self, world: &World) -> Result<Submitted, Error> {
        world.run((self.submit)(world.client().machine(world.machine()), "c")).await
    }
}

#[tokio::test]
async fn each_action_runs_to_success() {
    let cased: BTreeSet<_> = cases().iter().map(|case| case.action_type.as_str().to_owned()).collect();
    let all: BTreeSet<_> = ACTIONS.iter().map(|action| action.action_type.to_owned()).collect();
    assert_eq!(cased, all, "`cases` of this file has a case for each action");
    for case in cases() {
        let world = World::new();
        let submitted = case.submit(&world).await.unwrap();
        assert_eq!(submitted.origin(), Origin::Created, "{}", case.segment);
        assert_eq!(submitted.action().action_type, case.action_type);
        assert_eq!(submitted.action().requestor_comment.as_deref(), Some("c "), "the service adds a blank");
        assert_eq!(submitted.action().machine_id, Some(world.machine()));
        let done = world.run(submitted.wait().send()).await.unwrap();
        assert_eq!((done.status, done.id), (ActionStatus::Succeeded, submitted.id().clone()), "{}", case.segment);

        let ledger = world.ledger();
        let [entry] = ledger.entries() else { panic!("{}: {ledger:?}", case.segment) };
        assert_eq!(entry.method, "POST");
        assert_eq!(entry.path, format!("/api/machines/{}/{}", world.machine(), case.segment));
        assert_eq!(entry.body, case.body);
        assert_eq!(entry.content_type.as_deref(), Some("application/json"));
        assert!(entry.authorization_present);
        let machine = world.emulator.machine(world.machine().as_str()).unwrap();
        assert!((case.effect)(&machine), "{}: {machine:?}", case.segment);
    }
}

#[tokio::test]
async fn failed_action_error_has_record() {
    for case in cases() {
        for (outcome, status) in [
            (Outcome::Failed { error_hresult: -2_147_024_891 }, ActionStatus::Failed),
            (Outcome::TimedOut, ActionStatus::TimeOut),
            (Outcome::Cancelled, ActionStatus::Cancelled),
        ] {
            let world = World::new();
            world.emulator.outcome(outcome);
            let submitted = case.submit(&world).await.unwrap();
            let error = world.run(submitted.wait().poll(HOUR, HOUR).at_most(HOUR * 100).send()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ActionFailed, "{}", case.segment);
            assert_eq!(error.action().unwrap().status, status, "{}", case.segment);
        }
    }
}

#[tokio::test]
async fn missing_permission_is_forbidden() {
    for case in cases() {
        let mut world = World::with(|emulator| emulator.without_role(case.role));
        if case.operation == Operation::StopAndQuarantineFile {
            // The page of the action lists the read permissions as well.
            world = World::with(|emulator| {
                let emulator = emulator.without_role(case.role).without_role("Machine.Read.All");
                emulator.without_role("Machine.ReadWrite.All")
            });
        }
        let error = case.submit(&world).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Forbidden, Some(403)), "{}", case.segment);
        assert!(!error.never_sent() && !error.is_retryable());
        assert!(error.problem().unwrap().message().unwrap().contains(case.role), "{}: {error}", case.segment);
        assert!(error.target().is_some(), "{}: {error}", case.segment);
        assert_eq!(world.ledger().created(0).len(), 0);
    }
}

#[tokio::test]
async fn missing_machine_is_not_found() {
    for case in cases() {
        let world = World::new();
        let nowhere = world.client().machine("0000000000000000000000000000000000000000".parse().unwrap());
        let error = world.run((case.submit)(nowhere, "c")).await.unwrap_err();
        assert!(error.is_not_found(), "{}: {error}", case.segment);
        assert_eq!(error.status(), Some(404));
    }
}

#[tokio::test]
async fn action_without_comment_is_not_sent() {
    for case in cases() {
        let world = World::new();
        let error = world.run((case.submit)(world.client().machine(world.machine()), " ")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request, "{}", case.segment);
        assert!(error.never_sent());
        assert_eq!(world.ledger().len(), 0);
    }
}

#[tokio::test]
async fn pending_action_but_no_session_joins() {
    for case in cases() {
        let world = World::with(|emulator| emulator.pending_for(HOUR));
        let first = case.submit(&world).await.unwrap();
        match case.submit(&world).await {
            Ok(second) => {
                assert_ne!(case.operation, Operation::RunLiveResponse);
                assert_eq!((second.origin(), second.id()), (Origin::Joined, first.id()), "{}", case.segment);
            }
            Err(error) => {
                assert_eq!(case.operation, Operation::RunLiveResponse, "{error}");
                assert_eq!(error.kind(), ErrorKind::AlreadyInProgress);
                assert_eq!(error.action_id(), Some(first.id()));
            }
        }
        assert_eq!(world.ledger().created(0).len(), 1, "{}", case.segment);
    }
}

#[tokio::test]
async fn service_errors_map_to_kinds() {
    for case in cases() {
        for (fault, kind, posts) in [
            (Fault::Status(400, RetryAfter::Absent), ErrorKind::Refused, 1),
            (Fault::Unauthorized, ErrorKind::Unauthorized, 2),
            (Fault::Status(410, RetryAfter::Absent), ErrorKind::Retired, 1),
            (Fault::TooManyRequests(RetryAfter::Seconds(1)), ErrorKind::Throttled, 5),
            (Fault::Status(500, RetryAfter::Absent), ErrorKind::OutcomeUnknown, 1),
        ] {
            let world = World::new();
            world.emulator.fault(fault).on(case.operation);
            let error = case.submit(&world).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{} {fault:?}", case.segment);
            assert_eq!(world.ledger().len(), posts, "{} {fault:?}", case.segment);
            assert_eq!(error.attempts(), u32::try_from(posts).unwrap(), "{} {fault:?}", case.segment);
        }
    }
}

const ACTION_ROLES: [&str; 7] = [
    "Machine.CollectForensics",
    "Machine.Isolate",
    "Machine.RestrictExecution",
    "Machine.Scan",
    "Machine.Offboard",
    "Machine.StopAndQuarantine",
    "Machine.LiveResponse",
];

#[tokio::test]
async fn only_pending_action_is_cancelled() {
    let world = World::with(|emulator| emulator.pending_for(HOUR));
    let client = world.client();
    let submitted = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap();
    let record = world.run(submitted.cancel("False positive").send()).await.unwrap();
    assert_eq!((record.id, record.status), (submitted.id().clone(), ActionStatus::Cancelled));
    assert_eq!(record.cancellation_comment.as_deref(), Some("False positive"));
    let error = world.run(submitted.wait().send()).await.unwrap_err();
    assert_eq!((error.kind(), &error.action().unwrap().status), (ErrorKind::ActionFailed, &ActionStatus::Cancelled));

    let second = world.run(client.action(submitted.id().clone()).cancel("Again").send()).await.unwrap_err();
    assert_eq!((second.kind(), second.status()), (ErrorKind::Refused, Some(400)));
    let nowhere = client.action("00000000-0000-0000-0000-000000000000".parse().unwrap());
    assert!(world.run(nowhere.cancel("Nothing").send()).await.unwrap_err().is_not_found());
    let last = world.ledger();
    let paths: Vec<_> = last.entries().iter().skip(1).map(|entry| (entry.path.clone(), entry.body.clone())).collect();
    let cancel =
        |id: &str, comment| (format!("/api/machineactions/{id}/cancel"), format!(r#"{{"Comment":"{comment}"}}"#));
    let id = submitted.id().as_str();
    let none = "00000000-0000-0000-0000-000000000000";
    assert_eq!(paths, [cancel(id, "False positive"), cancel(id, "Again"), cancel(none, "Nothing")]);
}

#[tokio::test]
async fn any_action_permission_allows_cancel() {
    for allowed in ACTION_ROLES.into_iter().map(Some).chain([None]) {
        let world = World::with(|emulator| {
            let without = ACTION_ROLES.into_iter().filter(|role| Some(*role) != allowed);
            without.fold(emulator, defender_emulator::EmulatorBuilder::without_role)
        });
        let nowhere = world.client().action("00000000-0000-0000-0000-000000000000".parse().unwrap());
        let error = world.run(nowhere.cancel("Nothing").send()).await.unwrap_err();
        let expected = if allowed.is_some() { ErrorKind::NotFound } else { ErrorKind::Forbidden };
        assert_eq!(error.kind(), expected, "{allowed:?}");
    }
}

#[tokio::test]
async fn lost_cancel_response_is_recovered() {
    for (fault, cancelled) in [
        (Fault::ResetAfterEffect, true),
        (Fault::HangAfterEffect, true),
        (Fault::Html502AfterEffect, true),
        (Fault::TruncatedBody, true),
        (Fault::GarbageJson, true),
        (Fault::ResetBeforeEffect, false),
        (Fault::Html502, false),
    ] {
        let world = World::with(|emulator| emulator.pending_for(HOUR));
        let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
        world.emulator.fault(fault).on(Operation::CancelAction).times(1);
        let outcome = world.run(submitted.cancel("False positive").send()).await;
        assert_eq!(world.ledger().len(), 2, "{fault:?}");
        match outcome {
            Ok(record) => assert!(cancelled && record.status == ActionStatus::Cancelled, "{fault:?}"),
            Err(error) => {
                assert!(!cancelled && error.is_outcome_unknown(), "{fault:?}: {error}");
                assert_eq!(error.action().unwrap().status, ActionStatus::Pending);
            }
        }
    }
    // The action ended while the cancel request was on its way.
    let world = World::new();
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    world.emulator.fault(Fault::Hang).on(Operation::CancelAction).times(1);
    let error = world.run(submitted.cancel("Too late").send()).await.unwrap_err();
    assert_eq!((error.kind(), &error.action().unwrap().status), (ErrorKind::Refused, &ActionStatus::Succeeded));
}

#[tokio::test]
async fn reading_needs_read_permission() {
    let world = World::new();
    let client = world.client();
    let id = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap().id().clone();
    assert_eq!(world.run(client.action(id.clone()).get().send()).await.unwrap().id, id);
    let listed: Vec<MachineAction> = world.run(client.actions().stream().try_collect()).await.unwrap();
    assert_eq!(listed.iter().map(|action| &action.id).collect::<Vec<_>>(), [&id]);
    let nowhere = client.action("00000000-0000-0000-0000-000000000000".parse().unwrap());
    assert!(world.run(nowhere.get().send()).await.unwrap_err().is_not_found());

    let world = World::with(|emulator| {
        emulator.without_role("Machine.Read.All").without_role("Machine.ReadWrite.All").pending_for(HOUR)
    });
    let client = world.client();
    let submitted = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap();
    let error = world.run(client.actions().stream().try_collect::<Vec<_>>()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    // A wait ends immediately, with the record as last seen.
    let error = world.run(submitted.wait().send()).await.unwrap_err();
    assert_eq!((error.kind(), error.action_id()), (ErrorKind::Forbidden, Some(submitted.id())));
    // A second request ends as well: the first causes its refusal and cannot be read.
    let error = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!((error.kind(), error.action_id()), (ErrorKind::AlreadyInProgress, None));
}
