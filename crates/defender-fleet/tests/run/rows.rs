//! The rows of a run, whatever the service does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use defender_actions::{
    MemoryJournal,
    transport::{Clock, testing::ManualClock},
};
use defender_emulator::{Duplicates, ErrorCode, Fault, Operation, Outcome, RetryAfter};
use defender_fleet::{ErrorKind, Fleet, ReportState as S, RetryRows, RowOrigin, RunEventKind as Kind, Stores, Tenants};
use defender_store::{MemoryRunStore, RunId};
use defender_transport::{
    EndedPermit, MemoryQuotaStore, PermitRequest, Permits, QuotaStore, QuotaStoreError, extensions::QuotaKey,
};
use futures_util::{StreamExt, future::join};

use crate::world::{World, counts, number};

const RELEASE: Operation = Operation::UnrestrictCodeExecution;

#[tokio::test]
async fn workers_share_a_run() {
    // Two of one process, and one of another.
    let world = World::new(250);
    let run = world.start(&world.release().waves(&[50])).await;
    let other = world.fleet().run(run.id()).await.unwrap();
    let all = join(join(run.finish(), run.finish()), other.finish());
    let ((first, second), third) = world.run(all).await;
    for report in [first, second, third] {
        assert_eq!(counts(&report.unwrap()), (250, 0, 0, 0));
    }
    world.each_machine_has_one_action();
    assert_eq!(world.entries().len(), 250);
    let report = run.report().await.unwrap();
    let mut workers = BTreeMap::<_, usize>::new();
    for row in &report.rows {
        *workers.entry(row.worker.clone().unwrap()).or_default() += 1;
    }
    assert!(workers.len() == 3 && workers.values().all(|rows| *rows >= 30), "{workers:?}");
    assert!(world.clock_seconds() < 150.0, "{}", world.clock_seconds());
}

#[tokio::test]
async fn faults_end_in_their_rows() {
    let world = World::new(40);
    let ids: Vec<_> = world.emulator.machine_ids().iter().map(|id| (*id).to_owned()).collect();
    let fault = |fault, id: &str| drop(world.emulator.fault(fault).on(RELEASE).on_machine(id).times(1));
    fault(Fault::ResetAfterEffect, &ids[0]);
    fault(Fault::ResetBeforeEffect, &ids[1]);
    fault(Fault::TooManyRequests(RetryAfter::Seconds(7)), &ids[2]);
    fault(Fault::Code(ErrorCode::DisallowedOperation), &ids[3]);
    fault(Fault::HangAfterEffect, &ids[4]);
    fault(Fault::RefuseConnection, &ids[5]);
    world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).on_machine(&*ids[6]);
    let run = world.start(&world.release()).await;
    let (events, report) = world.finish(&run).await;
    let of: Vec<_> = report.rows.iter().take(7).map(|row| (row.state, row.origin)).collect();
    assert_eq!(
        of,
        [
            (S::Succeeded, Some(RowOrigin::Recovered)),
            (S::Unknown, None),
            (S::Succeeded, Some(RowOrigin::Created)),
            (S::Failed, None),
            (S::Succeeded, Some(RowOrigin::Recovered)),
            (S::Succeeded, Some(RowOrigin::Created)),
            (S::Failed, Some(RowOrigin::Created)),
        ],
        "{report}"
    );
    assert_eq!(counts(&report), (37, 2, 1, 0));
    let unknown = report.rows[1].error.as_ref().unwrap();
    assert_eq!(unknown.kind, "outcome-unknown");
    assert!(events.iter().all(|event| event.tenant == "contoso" && event.run == *run.id()));
    assert_eq!(number(&events, |kind| matches!(kind, Kind::Failed { .. })), 2);
    assert_eq!(number(&events, |kind| matches!(kind, Kind::Unknown { .. })), 1);
    let line = events.iter().find(|event| matches!(event.kind, Kind::Unknown { .. })).unwrap().to_string();
    assert!(line.starts_with(&format!("tenant contoso run {}: till-1.contoso.example: unknown: ", run.id())), "{line}");
    for (sent, (machine, (posts, created))) in world.posts().into_iter().enumerate() {
        assert!(posts <= 1 && created <= 1, "{sent}: {machine} {posts}");
    }
}

#[tokio::test]
async fn events_follow_the_row() {
    let world = World::new(5);
    let run = world.start(&world.release()).await;
    let (events, _) = world.finish(&run).await;
    for index in 0..5 {
        let of_row: Vec<_> = events
            .iter()
            .filter_map(|event| match &event.kind {
                Kind::Sent { row } if row.index == index => Some("sent"),
                Kind::Submitted { row, .. } if row.index == index => Some("submitted"),
                Kind::Succeeded { row, .. } if row.index == index => Some("succeeded"),
                _ => None,
            })
            .collect();
        assert_eq!(of_row, ["sent", "submitted", "succeeded"]);
    }
    assert!(matches!(events[0].kind, Kind::Started { counts } if counts.open() == 5));
}

/// A retry sends a new intent, and the row has the old one in its history.
#[tokio::test]
async fn retry_begins_another_attempt() {
    let world = World::new(4);
    let ids: Vec<_> = world.emulator.machine_ids().iter().map(|id| (*id).to_owned()).collect();
    let fault = |fault, id: &str| drop(world.emulator.fault(fault).on(RELEASE).on_machine(id).times(1));
    fault(Fault::ResetBeforeEffect, &ids[0]);
    fault(Fault::Code(ErrorCode::DisallowedOperation), &ids[1]);
    world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).on_machine(&*ids[2]).times(1);
    let run = world.start(&world.release()).await;
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (1, 2, 1, 0));
    for (rows, number, then) in [(RetryRows::Unknown, 1, (2, 2, 0, 0)), (RetryRows::Failed, 2, (4, 0, 0, 0))] {
        assert_eq!(run.retry(rows).await.unwrap(), number);
        let report = world.run(run.finish()).await.unwrap();
        assert_eq!(counts(&report), then);
        assert_eq!(run.retry(rows).await.unwrap(), 0);
    }
    let report = run.report().await.unwrap();
    for (row, kind) in [(0, "outcome-unknown"), (1, "forbidden"), (2, "action-failed")] {
        let row = &report.rows[row];
        let earlier: Vec<_> = row.earlier.iter().map(|attempt| attempt.number).collect();
        assert_eq!((row.attempts, earlier), (2, vec![1]));
        assert_eq!(row.earlier[0].error.as_ref().unwrap().kind, kind);
        assert_eq!((row.origin, row.error.is_none()), (Some(RowOrigin::Created), true));
        assert_ne!(Some(&row.earlier[0].key), row.key.as_ref());
    }
    let created: Vec<_> = world.posts().into_values().map(|(_, created)| created).collect();
    assert_eq!(created.iter().sum::<usize>(), 5, "one action failed, and was done again");
}

/// The action of an unknown row became visible after its search: the retry finds it, and sends nothing.
#[tokio::test]
async fn retry_looks_before_it_sends() {
    let world = World::with(3, |emulator| emulator.read_lag(Duration::from_secs(400)));
    let id = world.emulator.machine_ids()[0].to_owned();
    world.emulator.fault(Fault::ResetAfterEffect).on(RELEASE).on_machine(id).times(1);
    let run = world.start(&world.release()).await;
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(report.counts.unknown, 3, "the lists lag: {report}");
    let posts = world.entries().len();
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(run.retry(RetryRows::Unknown).await.unwrap(), 3);
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!((counts(&report), world.entries().len()), ((3, 0, 0, 0), posts), "{report}");
    assert_eq!(report.rows[0].origin, Some(RowOrigin::Recovered));
    assert_eq!(report.rows[1].origin, Some(RowOrigin::Created));
    world.each_machine_has_one_action();
}

#[tokio::test]
async fn action_in_progress_is_joined() {
    let world = World::with(3, |emulator| emulator.duplicates(Duplicates::Join).pending_for(Duration::from_secs(60)));
    let machine = world.emulator.machine_ids()[0].to_owned();
    let foreign = world.fleet().client("contoso").unwrap().machine(machine.parse().unwrap());
    let theirs = world.run(foreign.unrestrict_code_execution("theirs").send()).await.unwrap();
    let run = world.start(&world.release()).await;
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (3, 0, 0, 0));
    assert_eq!(
        (report.rows[0].origin, report.rows[0].action_id.as_ref()),
        (Some(RowOrigin::Joined), Some(theirs.id()))
    );
    assert_eq!(report.rows[1].origin, Some(RowOrigin::Created));
}

/// Quota whose database is away for some minutes.
#[derive(Debug)]
struct Away {
    quota: MemoryQuotaStore,
    clock: ManualClock,
}

#[async_trait::async_trait]
impl QuotaStore for Away {
    async fn reserve(&self, request: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError> {
        if (30..600).contains(&self.clock.elapsed().as_secs()) {
            return Err(QuotaStoreError::new("the database quota.example does not respond"));
        }
        self.quota.reserve(request).await
    }

    async fn release(&self, key: &QuotaKey, ended: &[EndedPermit]) -> Result<(), QuotaStoreError> {
        self.quota.release(key, ended).await
    }
}

#[tokio::test]
async fn store_error_ends_the_worker() {
    let world = World::new(200);
    let clock = world.clock.clone();
    let quota = Away { quota: MemoryQuotaStore::new(clock.clone()), clock: clock.clone() };
    let stores =
        Stores::new(Arc::new(MemoryJournal::new(clock.clone())), Arc::new(quota), Arc::new(MemoryRunStore::new(clock)));
    let world = world.with_stores(stores);
    let run = world.start(&world.release()).await;
    let events: Vec<_> = world.run(run.events().collect::<Vec<_>>()).await;
    let error = events.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    assert_eq!(error.service().unwrap().kind(), defender_actions::ErrorKind::QuotaStore);
    let text = error.to_string();
    assert!(text.contains("tenant `contoso`") && text.contains(run.id().as_str()), "{text}");
    assert_eq!(events.iter().filter(|event| event.is_err()).count(), 1);
    let sent = world.entries().len();
    assert!((1..200).contains(&sent), "{sent}");
    let report = run.report().await.unwrap();
    assert_eq!((report.counts.sending, report.counts.failed, report.counts.unknown), (0, 0, 0), "{report}");
    // The rows that were left are free at once.
    world.clock.advance(Duration::from_secs(600));
    let began = world.clock.elapsed();
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (200, 0, 0, 0));
    assert!(world.clock.elapsed().saturating_sub(began) < Duration::from_secs(80));
    world.each_machine_has_one_action();
}

#[tokio::test]
async fn tenants_have_runs_at_once() {
    // Two tenants are two emulators with one clock and common stores.
    let first = World::with(150, |emulator| emulator.ids(1));
    let second = World::with(150, |emulator| emulator.ids(2).clock(Arc::new(first.clock.clone())));
    let second = World { clock: first.clock.clone(), stores: first.stores.clone(), ..second };
    let tenants = Tenants::default().with(first.tenant("contoso")).with(second.tenant("fabrikam"));
    let fleet = Fleet::new(tenants, first.stores.clone());
    let plans = (first.release().approved(), second.release().of("fabrikam").approved());
    let (one, two) = (fleet.start(&plans.0).await.unwrap(), fleet.start(&plans.1).await.unwrap());
    let (one_ended, two_ended) = first.run(join(one.finish(), two.finish())).await;
    for (report, tenant) in [(one_ended.unwrap(), "contoso"), (two_ended.unwrap(), "fabrikam")] {
        assert_eq!((counts(&report), report.tenant.as_str()), ((150, 0, 0, 0), tenant));
        assert!(report.rows.iter().all(|row| row.tenant == tenant));
    }
    first.each_machine_has_one_action();
    second.each_machine_has_one_action();
    let runs = fleet.runs(9).await.unwrap();
    let tenants: Vec<_> = runs.iter().map(|run| (run.tenant.as_str(), run.counts.succeeded)).collect();
    assert_eq!(tenants, [("fabrikam", 150), ("contoso", 150)]);
}

#[tokio::test]
async fn run_is_found_by_its_id() {
    let world = World::new(3);
    let run = world.start(&world.release()).await;
    let found = world.fleet().run(run.id()).await.unwrap();
    assert_eq!((found.tenant(), found.approved()), ("contoso", run.approved()));
    assert_eq!(world.reads(), 0, "nothing was sent");
    let unknown = world.fleet().run(&RunId::new("none").unwrap()).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UnknownRun);
    let nobody = Fleet::new(Tenants::default(), world.stores.clone());
    assert_eq!(nobody.run(run.id()).await.unwrap_err().kind(), ErrorKind::UnknownTenant);
    let other = Fleet::new(Tenants::default().with(world.tenant_with_id("contoso", "other")), world.stores.clone());
    let error = other.run(run.id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PlanOfAnotherTenant);
    assert!(error.to_string().contains("other"), "{error}");
    assert!(run.events().next().await.unwrap().is_ok());
}

#[tokio::test]
async fn run_survives_an_outage() {
    for minutes in [5, 60] {
        let world = World::new(120);
        let run = world.start(&world.release().waves(&[10])).await;
        let mut events = run.events();
        while world.entries().len() < 10 {
            world.run(events.next()).await.unwrap().unwrap();
        }
        let outage = world.emulator.fault(Fault::RefuseConnection).on(RELEASE);
        let ends = async {
            world.clock.sleep(Duration::from_secs(minutes * 60)).await;
            outage.stop();
        };
        let (events, ()) = world.run(join(events.collect::<Vec<_>>(), ends)).await;
        let report = run.report().await.unwrap();
        if minutes == 5 {
            assert_eq!(counts(&report), (120, 0, 0, 0));
            let events: Vec<_> = events.into_iter().map(Result::unwrap).collect();
            let line = events.iter().find(|event| matches!(event.kind, Kind::WaitingForService { .. })).unwrap();
            assert!(line.to_string().contains("waits for the service until about "), "{line}");
        } else {
            let error = events.last().unwrap().as_ref().unwrap_err();
            assert_eq!(error.service().unwrap().kind(), defender_actions::ErrorKind::ConnectFailed);
            assert_eq!(counts(&report), (10, 0, 0, 110), "nothing failed, and nothing is unknown");
            assert_eq!(counts(&world.run(run.finish()).await.unwrap()), (120, 0, 0, 0));
        }
        world.each_machine_has_one_action();
    }
}

#[tokio::test]
async fn outage_after_a_read_is_another_one() {
    let minute = Duration::from_secs(60);
    let world = World::with(4, |emulator| emulator.running_for(minute * 3));
    let run = world.start(&world.release().waves(&[2])).await;
    let rows = run.report().await.unwrap().rows;
    let late = rows[1].machine_id.as_ref().unwrap().to_string();
    let path = format!("/{late}/");
    let delay = move |post: &str| (if post.contains(&path) { minute / 6 } else { Duration::ZERO }, Duration::ZERO);
    let run = world.on_post(Arc::new(delay)).fleet().run(run.id()).await.unwrap();
    let outages = async {
        // The second request of the first wave meets an outage, and is refused after it.
        world.clock.sleep(minute / 12).await;
        let first = world.emulator.fault(Fault::RefuseConnection).on(RELEASE);
        world.clock.sleep(minute).await;
        first.stop();
        world.emulator.fault(Fault::Code(ErrorCode::DisallowedOperation)).on(RELEASE).on_machine(late).times(1);
        // The second wave meets another outage, soon after the action of the first request was seen to end.
        world.clock.sleep(minute).await;
        let second = world.emulator.fault(Fault::RefuseConnection).on(RELEASE);
        world.clock.sleep(minute * 21 / 2).await;
        second.stop();
    };
    let (report, ()) = world.run(join(run.finish(), outages)).await;
    assert_eq!(counts(&report.unwrap()), (3, 1, 0, 0));
}

/// No list can be read for some minutes: the row is not unknown, but searched for until one can.
#[tokio::test]
async fn search_waits_for_readable_lists() {
    for minutes in [8, 60] {
        let world = World::new(3);
        let id = world.emulator.machine_ids()[0].to_owned();
        world.emulator.fault(Fault::ResetAfterEffect).on(RELEASE).on_machine(id).times(1);
        let unreadable = world.emulator.fault(Fault::Status(503, RetryAfter::Absent)).on(Operation::ListActions);
        let run = world.start(&world.release()).await;
        let ends = async {
            world.clock.sleep(Duration::from_secs(minutes * 60)).await;
            unreadable.stop();
        };
        let (events, ()) = world.run(join(run.events().collect::<Vec<_>>(), ends)).await;
        let report = run.report().await.unwrap();
        if minutes == 60 {
            assert_eq!(events.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Service);
            assert_eq!((report.rows[0].state, report.counts.unknown), (S::Sending, 0), "{report}");
            let key = format!("run/{}/0/1", run.id());
            assert_eq!((report.rows[0].attempts, report.rows[0].key.as_deref()), (1, Some(&*key)));
            world.run(run.finish()).await.unwrap();
        }
        let report = run.report().await.unwrap();
        assert_eq!(counts(&report), (3, 0, 0, 0), "{report}");
        assert_eq!(report.rows[0].origin, Some(RowOrigin::Recovered));
        world.each_machine_has_one_action();
    }
}
