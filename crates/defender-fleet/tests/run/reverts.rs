//! Reverts of runs, and downloads of what they collected.

use std::time::Duration;

use defender_actions::model::{
    CollectInvestigationPackage, IsolationType, LiveResponse, LiveResponseCommand as Command, RunAntiVirusScan,
    ScanType,
};
use defender_actions::transport::Clock;
use defender_emulator::{Duplicates, Effect, ErrorCode, ExternalIds, Fault, Operation, Outcome, RetryAfter};
use defender_fleet::{ErrorKind, LeftOutReason, ReportState, RetryRows, RowOrigin};
use futures_util::future::join;

use crate::world::{Folder, World, counts};

/// A run with rows of every kind. Returns the world, the run, and the ids of its machines.
async fn mixed() -> (World, defender_fleet::Run, Vec<String>) {
    // The records have the generated id, no id, or the id of another product.
    let world = World::with(16, |emulator| emulator.external_ids(ExternalIds::Seeded(4)).duplicates(Duplicates::Join));
    let ids: Vec<_> = world.emulator.machine_ids().iter().map(|id| (*id).to_owned()).collect();
    let fault = |fault, id: &str| drop(world.emulator.fault(fault).on(Operation::Isolate).on_machine(id).times(1));
    let foreign = world.fleet().client("contoso").unwrap().machine(ids[0].parse().unwrap());
    let run = world.start(&world.isolate()).await;
    world.run(foreign.isolate("theirs").send()).await.unwrap();
    world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).on_machine(&*ids[1]);
    fault(Fault::Code(ErrorCode::DisallowedOperation), &ids[2]);
    fault(Fault::ResetBeforeEffect, &ids[3]);
    for id in &ids[4..12] {
        fault(Fault::ResetAfterEffect, id);
    }
    world.run(run.finish()).await.unwrap();
    (world, run, ids)
}

#[tokio::test]
async fn revert_undoes_what_is_ours() {
    let (world, run, ids) = mixed().await;
    let report = run.report().await.unwrap();
    let origin = |row: usize| report.rows[row].origin;
    assert_eq!(origin(0), Some(RowOrigin::Joined));
    assert_eq!((report.rows[1].state, report.rows[2].state), (ReportState::Failed, ReportState::Failed));
    assert_eq!(report.rows[3].state, ReportState::Unknown);
    let recovered = |of| (4..12).filter(|row| origin(*row) == Some(of)).map(|row| ids[row].clone()).collect::<Vec<_>>();
    let (by_id, by_comment) = (recovered(RowOrigin::Recovered), recovered(RowOrigin::RecoveredByComment));
    assert!(
        by_id.len() >= 2 && by_comment.len() >= 2,
        "by id {}, by comment {}: {report}",
        by_id.len(),
        by_comment.len()
    );
    let created: Vec<_> =
        (12..16).filter(|row| origin(*row) == Some(RowOrigin::Created)).map(|row| ids[row].clone()).collect();
    assert!(created.len() >= 2, "{report}");

    let ours: Vec<_> = by_id.into_iter().chain(created).collect();
    let plan = world.run(run.revert("INC-4711: false positive").into_future()).await.unwrap();
    assert_eq!((plan.action.action_type(), plan.reverts.as_deref()), ("Unisolate", Some(run.id().as_str())));
    assert_eq!(plan.action.comment(), "INC-4711: false positive");
    let planned = |plan: &defender_fleet::Plan| {
        let mut ids: Vec<_> = plan.rows.iter().map(|row| row.machine_id.to_string()).collect();
        ids.sort();
        ids
    };
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(planned(&plan), sorted(ours.clone()), "{plan:#}");
    let why = |id: &str| {
        let left_out = plan.left_out.iter().find(|row| row.machine_id.as_ref().is_some_and(|of| of.as_str() == id));
        match &left_out.unwrap().reason {
            LeftOutReason::NotOurs { message } => message.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert!(why(&ids[0]).starts_with("the run joined action "));
    assert!(why(&ids[1]).contains("of the run ended as Failed; look at the machine: "), "{}", why(&ids[1]));
    assert!(why(&ids[2]).starts_with("the run did nothing on the machine: ") && why(&ids[2]).contains("[forbidden]"));
    assert!(why(&ids[3]).starts_with("the outcome is unknown, so look at the machine: "));
    assert!(why(&by_comment[0]).ends_with("was recovered by its comment alone; `.even_if_not_ours()` includes it"));
    assert_eq!(plan.left_out.len(), 16 - ours.len());

    let wider = run.revert("INC-4711: false positive").even_if_not_ours();
    let wider = world.run(wider.into_future()).await.unwrap();
    assert_eq!(planned(&wider), sorted(ours.iter().chain(&by_comment).cloned().collect()));

    let before = world.entries().len();
    let undone = world.fleet().start(&plan.approved_by("jo@contoso.example", "CHG-13").unwrap()).await.unwrap();
    let report = world.run(undone.finish()).await.unwrap();
    assert_eq!(report.reverts.as_deref(), Some(run.id().as_str()));
    assert_eq!((counts(&report).0 as usize, report.counts.left_out as usize), (ours.len(), 16 - ours.len()));
    let released: Vec<_> = world.entries()[before..]
        .iter()
        .filter(|e| matches!(e.effect, Effect::Created(_)))
        .map(|entry| entry.path.split('/').rev().nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(sorted(released), sorted(ours), "nothing else was released");
}

/// A person plans the rows that did not succeed again, and halts the run before they are sent.
#[tokio::test]
async fn unsent_retry_keeps_its_attempts() {
    for is_begun in [false, true] {
        let (world, run, ids) = mixed().await;
        run.retry(RetryRows::Failed).await.unwrap();
        run.retry(RetryRows::Unknown).await.unwrap();
        let halts = async {
            world.clock.sleep(Duration::from_secs(600)).await;
            run.halt("lunch").await.unwrap();
        };
        if is_begun {
            // The worker takes the rows, and puts them back.
            world.emulator.fault(Fault::TooManyRequests(RetryAfter::Seconds(3_000))).on(Operation::Isolate);
            world.run(join(run.finish(), halts)).await.0.unwrap();
        } else {
            world.run(halts).await;
        }
        let report = run.report().await.unwrap();
        let row = |id: &str| {
            report.rows.iter().find(|row| row.machine_id.as_ref().is_some_and(|of| of.as_str() == id)).unwrap()
        };
        let are_unknown = ids[1..4].iter().map(|id| (row(id).state, row(id).has_unknown_outcome(), row(id).attempts));
        let (planned, attempts) = (ReportState::Planned, 1 + u32::from(is_begun));
        assert_eq!(
            are_unknown.collect::<Vec<_>>(),
            [(planned, false, attempts), (planned, false, attempts), (planned, true, attempts)],
            "{report}"
        );
        let error = row(&ids[3]).error.as_ref().unwrap();
        let expected = "the outcome of attempt 1 is unknown, and its retry was not sent; look at the machine: ";
        assert!(error.kind == "outcome-unknown" && error.message.starts_with(expected), "{error:?}");
        let plan = world.run(run.revert("INC-4711: false positive").into_future()).await.unwrap();
        let why = |id: &str| {
            let left_out = plan.left_out.iter().find(|row| row.machine_id.as_ref().is_some_and(|of| of.as_str() == id));
            left_out.unwrap().reason.to_string()
        };
        assert!(why(&ids[3]).contains(expected), "{}", why(&ids[3]));
        assert!(
            why(&ids[2]).contains("the run did nothing on the machine, and its retry was not sent: "),
            "{}",
            why(&ids[2])
        );
        assert!(
            why(&ids[1]).contains("ended as Failed, and its retry was not sent; look at the machine: "),
            "{}",
            why(&ids[1])
        );
    }
}

#[tokio::test]
async fn action_without_inverse_stays() {
    let world = World::new(3);
    let run = world.start(&world.plan(RunAntiVirusScan::new("Monthly scan", ScanType::Quick).unwrap())).await;
    let error = run.revert("undo").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = error.to_string();
    assert!(text.contains("RunAntiVirusScan has no inverse") && text.contains("tenant `contoso`"), "{text}");
    let run = world.start(&world.isolate()).await;
    assert_eq!(run.revert("  ").await.unwrap_err().kind(), ErrorKind::Configuration);
}

/// Somebody isolated one machine before the run, and another one again after it.
#[tokio::test]
async fn revert_keeps_other_isolations() {
    let world = World::new(3);
    let ids: Vec<_> = world.emulator.machine_ids().iter().map(|id| (*id).to_owned()).collect();
    let fleet = world.fleet();
    let theirs = |id: &str, comment: &str| {
        let request = fleet.client("contoso").unwrap().machine(id.parse().unwrap()).isolate(comment);
        let clock = world.clock.clone();
        async move {
            let submitted = request.send().await.unwrap();
            clock.sleep(Duration::from_secs(60)).await;
            submitted.id().to_string()
        }
    };
    let earlier = world.run(theirs(&ids[0], "theirs, before")).await;
    let run = world.start(&world.isolate()).await;
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (3, 0, 0, 0));
    assert!(report.rows.iter().all(|row| row.origin == Some(RowOrigin::Created)));
    world.clock.advance(Duration::from_secs(60));
    let later = world.run(theirs(&ids[1], "theirs, after")).await;
    let plan = world.run(run.revert("INC-4711: false positive").into_future()).await.unwrap();
    let planned: Vec<_> = plan.rows.iter().map(|row| row.machine_id.as_str()).collect();
    assert_eq!(planned, [ids[2].as_str()], "{plan:#}");
    for (id, action) in [(&ids[0], &earlier), (&ids[1], &later)] {
        let left_out = plan.left_out.iter().find(|row| row.machine_id.as_ref().is_some_and(|of| of.as_str() == *id));
        let reason = &left_out.unwrap().reason;
        assert!(
            matches!(reason, LeftOutReason::NotOurs { message } if message.contains(action.as_str())),
            "{reason:?}"
        );
    }
}

#[tokio::test]
async fn reverted_release_needs_a_type() {
    let world = World::new(3);
    let run = world.start(&world.isolate()).await;
    world.run(run.finish()).await.unwrap();
    let plan = world.run(run.revert("false positive").into_future()).await.unwrap();
    let released = world.fleet().start(&plan.approved_by("jo@contoso.example", "CHG-13").unwrap()).await.unwrap();
    assert_eq!(counts(&world.run(released.finish()).await.unwrap()), (3, 0, 0, 0));
    let error = released.revert("ransomware after all").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("`.isolation_type(..)`"), "{error}");
    let revert = released.revert("ransomware after all").isolation_type(IsolationType::Selective);
    let plan = world.run(revert.into_future()).await.unwrap();
    // The Linux server does not support it.
    assert_eq!((plan.rows.len(), plan.action.body()["IsolationType"].as_str()), (2, Some("Selective")), "{plan:#}");
}

#[tokio::test]
async fn running_action_is_not_undone() {
    let world = World::with(3, |emulator| emulator.pending_for(Duration::from_secs(600)));
    let run = world.start(&world.isolate()).await;
    let mut events = run.events();
    let submitted = async {
        let mut submitted = 0;
        while submitted < 3 {
            let event = futures_util::StreamExt::next(&mut events).await.unwrap().unwrap();
            submitted += usize::from(matches!(event.kind, defender_fleet::RunEventKind::Submitted { .. }));
        }
    };
    world.run(submitted).await;
    let plan = world.run(run.revert("undo").into_future()).await.unwrap();
    assert_eq!((plan.rows.len(), plan.left_out.len()), (0, 3));
    assert!(plan.left_out.iter().all(|row| matches!(row.reason, LeftOutReason::InversePending { .. })));
}

#[tokio::test]
async fn packages_are_saved_by_machine() {
    let (world, folder) = (World::new(3), Folder::new());
    let broken = world.emulator.machine_ids()[2].to_owned();
    world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).on_machine(&*broken);
    let action = CollectInvestigationPackage::new("INC-4711: evidence").unwrap();
    let run = world.start(&world.plan(action)).await;
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (2, 1, 0, 0));
    world.emulator.fault(Fault::Status(503, RetryAfter::Absent)).on(Operation::GetPackageUri).times(10);
    let first = world.driven(run.download(folder.path())).await.unwrap();
    let errors: Vec<_> = first.iter().flat_map(|row| &row.errors).map(|error| error.kind.as_str()).collect();
    assert_eq!((first.len(), errors), (2, vec!["unavailable"; 2]));
    let rows = world.driven(run.download(folder.path())).await.unwrap();
    for row in &rows {
        assert_eq!((row.tenant.as_str(), row.errors.len(), row.files.len()), ("contoso", 0, 1), "{row:?}");
        assert_eq!(row.files[0], folder.path().join(row.machine_id.as_str()).join(format!("{}.zip", row.action_id)));
        assert!(std::fs::read(&row.files[0]).unwrap().starts_with(b"PK\x03\x04"));
    }
    // A file that is there is kept.
    std::fs::write(&rows[0].files[0], "kept").unwrap();
    let reads = world.reads();
    let again = world.driven(run.download(folder.path())).await.unwrap();
    assert_eq!((again, world.reads()), (rows.clone(), reads));
    assert_eq!(std::fs::read(&rows[0].files[0]).unwrap(), b"kept");
    // A later run collects the packages anew.
    let later = world.start(&world.plan(CollectInvestigationPackage::new("INC-4712: evidence").unwrap())).await;
    world.run(later.finish()).await.unwrap();
    let of_later = world.driven(later.download(folder.path())).await.unwrap();
    assert!(of_later.iter().zip(&rows).all(|(later, row)| later.files.len() == 1 && later.files != row.files));
    assert_ne!(std::fs::read(&of_later[0].files[0]).unwrap(), b"kept");
}

#[tokio::test]
async fn session_results_are_saved_by_command() {
    let world = World::with(3, |emulator| emulator.library_file("tool.exe", "x").library_file("a.ps1", "y"));
    let folder = Folder::new();
    let commands = [Command::put_file("tool.exe"), Command::run_script("a.ps1"), Command::get_file(r"C:\temp\out.txt")];
    let run = world.start(&world.plan(LiveResponse::new("INC-4711: evidence", commands).unwrap())).await;
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (3, 0, 0, 0));
    let rows = world.driven(run.download(folder.path())).await.unwrap();
    for row in &rows {
        let results = folder.path().join(row.machine_id.as_str()).join(row.action_id.as_str());
        assert_eq!(row.files, [results.join("1.json"), results.join("2.file")], "{row:?}");
        let transcript = std::fs::read_to_string(&row.files[0]).unwrap();
        assert!(transcript.contains("a.ps1"), "{transcript}");
        assert_eq!(std::fs::read_to_string(&row.files[1]).unwrap(), "Contents of C:\\temp\\out.txt\r\n");
    }
    let isolated = world.start(&world.isolate()).await;
    let error = isolated.download(folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("Isolate has no results to download"), "{error}");
}
