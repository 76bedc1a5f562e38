//! Waits for many actions with few calls, in virtual time.

use std::time::Duration;

use defender_actions::{
    Awaited, DefenderClient, Error, ErrorKind,
    model::{ActionId, ActionStatus, MachineAction},
    transport::Clock,
};
use futures_util::{StreamExt, future::join};
use serde_json::json;

use crate::service::{Repeats, Service};

const MINUTE: Duration = Duration::from_secs(60);

fn foreign(service: &Service, count: usize) -> Vec<ActionId> {
    let one = |n| service.foreign(&json!({"machineId": format!("m{n}"), "type": "Isolate"})).parse().unwrap();
    (0..count).map(one).collect()
}

async fn wait_all(
    service: &Service,
    client: &DefenderClient,
    ids: Vec<ActionId>,
    at_most: Duration,
) -> Vec<(ActionId, Result<MachineAction, Error>)> {
    service.clock().run(client.wait_all(ids).at_most(at_most).stream().collect()).await
}

#[tokio::test]
async fn thousand_actions_cost_few_lists() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE);
    let mut ids = Vec::new();
    for _ in 0..1_000 {
        ids.extend(foreign(&service, 1));
        foreign(&service, 5);
    }
    let ended = wait_all(&service, &service.client(), ids.clone(), Duration::from_secs(3_600)).await;
    let mut succeeded: Vec<_> =
        ended.iter().filter(|(_, end)| end.is_ok()).map(|(id, _)| id.as_str().to_owned()).collect();
    succeeded.sort();
    let mut expected: Vec<_> = ids.iter().map(|id| id.as_str().to_owned()).collect();
    expected.sort();
    assert_eq!(succeeded, expected);
    assert!(service.reads().len() <= 60, "{} calls", service.reads().len());
    // From the second cycle on, the list begins at the oldest pending action.
    assert!(service.reads()[1].starts_with("/api/machineactions?$filter=creationDateTimeUtc%20ge%20"));
}

#[tokio::test]
async fn each_action_ends_once() {
    let service = Service::new(Repeats::Taken);
    let ids = foreign(&service, 3);
    service.end(ids[0].as_str(), "Succeeded");
    service.end(ids[1].as_str(), "Failed");
    let twice = ids.iter().chain(&ids).cloned().collect();
    let ended = wait_all(&service, &service.client(), twice, MINUTE).await;
    let outcomes: Vec<_> =
        ended.iter().map(|(id, end)| (id.clone(), end.as_ref().map_err(Error::kind).map(|_| ()))).collect();
    assert_eq!(outcomes.len(), 3);
    assert!(outcomes.contains(&(ids[0].clone(), Ok(()))));
    assert!(outcomes.contains(&(ids[1].clone(), Err(ErrorKind::ActionFailed))));
    assert!(outcomes.contains(&(ids[2].clone(), Err(ErrorKind::WaitTimeout))));
    let last_seen = ended.iter().find(|(id, _)| *id == ids[2]).unwrap().1.as_ref().unwrap_err().action();
    assert_eq!(last_seen.unwrap().status, ActionStatus::Pending);
    assert_eq!(service.clock().elapsed(), MINUTE);
}

#[tokio::test]
async fn unlisted_actions_are_read_singly() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE).hiding_from_lists();
    let ids = foreign(&service, 8);
    let ended = wait_all(&service, &service.client(), ids, Duration::from_secs(3_600)).await;
    assert_eq!(ended.iter().filter(|(_, end)| end.is_ok()).count(), 8);
    let reads = service.reads();
    let first_cycle = reads.iter().skip(1).take_while(|read| read.contains("/machineactions/")).count();
    assert_eq!(first_cycle, 5);
}

#[tokio::test]
async fn missing_action_delays_no_other() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE);
    let mut ids = foreign(&service, 1);
    ids.push("nobody".parse().unwrap());
    let ended = wait_all(&service, &service.client(), ids, Duration::from_secs(3_600)).await;
    assert!(ended[0].1.is_ok());
    assert!(ended[1].1.as_ref().unwrap_err().is_not_found());
    assert!((120..=180).contains(&service.clock().elapsed().as_secs()));
}

#[tokio::test]
async fn grace_starts_when_record_vanishes() {
    // Visible for 150 s, then missing for 60 s: less than the grace, for any length of the wait.
    let service = Service::new(Repeats::Taken).hiding_from_lists();
    let ids = foreign(&service, 1);
    let vanishes = async {
        service.clock().sleep(Duration::from_secs(150)).await;
        let missing = service.clone().hiding_records(true);
        service.clock().sleep(MINUTE).await;
        missing.hiding_records(false).end(ids[0].as_str(), "Succeeded");
    };
    let all = service.client().wait_all(ids.clone()).stream().collect::<Vec<_>>();
    let (ended, ()) = service.clock().run(futures_util::future::join(all, vanishes)).await;
    assert!(ended[0].1.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn permanent_error_ends_all_waits() {
    let service = Service::new(Repeats::Taken).refusing_lists();
    let ids = foreign(&service, 3);
    let ended = wait_all(&service, &service.client(), ids, MINUTE).await;
    assert_eq!(ended.len(), 3);
    for error in ended.iter().map(|(_, end)| end.as_ref().unwrap_err()) {
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        let problem = error.problem().expect("each error has the problem of the service");
        assert_eq!((problem.code().as_str(), problem.status()), ("Forbidden", 403));
    }
}

/// The list always exists: its 404 is of a gateway, and does not concern the actions.
#[tokio::test]
async fn missing_list_ends_waits_after_the_grace() {
    for (is_missing_for, is_ok) in [(MINUTE, true), (MINUTE * 3, false)] {
        let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE).failing_lists(404, json!({}));
        let ids = foreign(&service, 3);
        let client = service.client();
        let found_again = async {
            service.clock().sleep(is_missing_for).await;
            service.stop_failing_lists();
        };
        let waits = client.wait_all(ids).stream().collect::<Vec<_>>();
        let (ended, ()) = service.clock().run(join(waits, found_again)).await;
        assert_eq!(ended.len(), 3);
        for (_, end) in ended {
            assert_eq!(end.as_ref().map_err(Error::kind).err(), (!is_ok).then_some(ErrorKind::NotFound), "{end:?}");
        }
    }
}

#[tokio::test]
async fn updates_show_each_change_once() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE);
    let client = service.client();
    let submitted = client.machine("m1".parse().unwrap()).isolate("x").await.unwrap();
    let updates: Vec<_> = service.clock().run(submitted.wait().updates().collect()).await;
    let statuses: Vec<_> = updates.iter().map(|update| update.as_ref().unwrap().status.clone()).collect();
    assert_eq!(statuses, [ActionStatus::Pending, ActionStatus::Succeeded]);

    let submitted = client.machine("m2".parse().unwrap()).isolate("x").await.unwrap();
    service.end(submitted.id().as_str(), "Failed");
    let updates: Vec<_> = service.clock().run(submitted.wait().updates().collect()).await;
    assert_eq!(updates.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::ActionFailed);
    assert_eq!(updates.len(), 2);
}

#[tokio::test]
async fn unlisted_action_keeps_lists_short() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE);
    let mut ids = foreign(&service, 3);
    ids.push("nobody".parse().unwrap());
    let ended = wait_all(&service, &service.client(), ids, Duration::from_secs(3_600)).await;
    assert_eq!(ended.iter().filter(|(_, end)| end.is_ok()).count(), 3);
    let reads = service.reads();
    let unfiltered = reads.iter().filter(|read| *read == "/api/machineactions").count();
    assert_eq!(unfiltered, 1, "{reads:?}");
}

#[tokio::test]
async fn old_action_is_read_singly() {
    let world = crate::world::World::with(|emulator| emulator.history(500).page_size(10));
    let client = world.client();
    let all: Vec<_> = world.run(client.actions().stream().map(Result::unwrap).collect()).await;
    let ids: Vec<_> = [&all[3], &all[499]].into_iter().map(|action| action.id.clone()).collect();
    let began = world.clock.elapsed();
    let ended: Vec<_> = world.run(client.wait_all(ids.clone()).stream().collect()).await;
    let order: Vec<_> = ended.iter().map(|(id, _)| id.clone()).collect();
    // One action ends immediately, the other in the same cycle.
    assert_eq!((order, world.clock.elapsed()), (ids, began));
}

#[tokio::test]
async fn each_key_has_its_result() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE);
    let ids = foreign(&service, 2);
    let upper: ActionId = ids[0].as_str().to_uppercase().parse().unwrap();
    let keyed = [("a", &ids[0]), ("b", &ids[1]), ("c", &upper), ("a", &ids[0])];
    let ends: Vec<_> = service.clock().run(service.client().wait_all_keyed(keyed).stream().collect()).await;
    let mut keys: Vec<_> = ends.iter().map(|(key, end)| (*key, end.as_ref().unwrap().id.clone())).collect();
    keys.sort();
    let expected = [("a", &ids[0]), ("a", &ids[0]), ("b", &ids[1]), ("c", &ids[0])];
    assert_eq!(keys, expected.map(|(key, id)| (key, id.clone())));
}

#[tokio::test]
async fn updates_show_each_change_of_each_key() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE);
    let ids = foreign(&service, 2);
    let failing = service.foreign(&json!({"machineId": "m9", "type": "Isolate"})).parse::<ActionId>().unwrap();
    service.end(failing.as_str(), "Failed");
    let keyed = [(1, &ids[0]), (2, &ids[1]), (3, &ids[1]), (4, &failing)];
    let all: Vec<_> = service.clock().run(service.client().wait_all_keyed(keyed).updates().collect()).await;
    for key in 1..=3 {
        let statuses: Vec<_> = all
            .iter()
            .filter(|(own, _)| *own == key)
            .map(|(_, update)| update.as_ref().unwrap().status.clone())
            .collect();
        assert_eq!(statuses, [ActionStatus::Pending, ActionStatus::Succeeded], "{key}");
    }
    let failed: Vec<_> = all.iter().filter(|(own, _)| *own == 4).collect();
    assert_eq!((failed.len(), failed[0].1.as_ref().unwrap_err().kind()), (1, ErrorKind::ActionFailed));
}

#[tokio::test]
async fn submission_is_the_first_update() {
    let service = Service::new(Repeats::ReturnsFirst).with_actions_that_take(MINUTE);
    let client = service.client();
    let isolate = || client.machine("m1".parse().unwrap()).isolate("x");
    let (first, joined) = (isolate().await.unwrap(), isolate().await.unwrap());
    assert_eq!(first.id(), joined.id());
    // The first item of a submission is its record, before any read.
    let keyed = || [("first", &first), ("joined", &joined)];
    let mut updates = client.wait_all_keyed(keyed()).updates();
    for key in ["first", "joined"] {
        let (own, update) = service.clock().run(updates.next()).await.unwrap();
        assert_eq!((own, update.unwrap().status), (key, ActionStatus::Pending));
    }
    assert_eq!(service.reads().len(), 0);
    let ends: Vec<_> = service.clock().run(updates.collect()).await;
    assert!(ends.len() == 2 && ends.iter().all(|(_, end)| end.is_ok()), "{ends:?}");
}

/// A record of another machine is no end of a submission, while a wait by the id takes it.
#[tokio::test]
async fn submission_is_compared_under_its_key() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE);
    let client = service.client();
    let submitted = client.machine("m2".parse().unwrap()).isolate("x").await.unwrap();
    let service = service.spelling(|record| record["machineId"] = "m3".into());
    let ends = async |keyed| client.wait_all_keyed([(0, keyed)]).stream().collect::<Vec<_>>().await;
    let as_submitted = service.clock().run(ends(Awaited::from(&submitted))).await;
    assert_eq!(as_submitted[0].1.as_ref().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    let by_id = service.clock().run(ends(Awaited::from(submitted.id()))).await;
    assert!(by_id[0].1.is_ok());
}

#[tokio::test]
async fn every_key_times_out_with_its_record() {
    let service = Service::new(Repeats::Taken);
    let ids = foreign(&service, 1);
    let keyed = service.client().wait_all_keyed([(1, &ids[0]), (2, &ids[0])]).at_most(MINUTE);
    let ends: Vec<_> = service.clock().run(keyed.stream().collect()).await;
    assert_eq!(ends.len(), 2);
    for (_, end) in ends {
        let error = end.unwrap_err();
        assert_eq!((error.kind(), error.action_id()), (ErrorKind::WaitTimeout, Some(&ids[0])));
        assert_eq!(error.action().unwrap().status, ActionStatus::Pending);
    }
}

#[tokio::test]
async fn list_error_ends_every_key() {
    let service = Service::new(Repeats::Taken).refusing_lists();
    let ids = foreign(&service, 1);
    let keyed = service.client().wait_all_keyed([(1, &ids[0]), (2, &ids[0])]);
    let ends: Vec<_> = service.clock().run(keyed.stream().collect()).await;
    assert_eq!(ends.iter().map(|(_, end)| end.as_ref().unwrap_err().status()).collect::<Vec<_>>(), [Some(403); 2]);
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn ended_submission_needs_no_read() {
    let service = Service::new(Repeats::ReturnsFirst);
    let client = service.client();
    let submitted = client.machine("m1".parse().unwrap()).isolate("x").await.unwrap();
    service.end(submitted.id().as_str(), "Succeeded");
    let record = service.clock().run(client.action(submitted.id().clone()).get().into_future()).await.unwrap();
    let (reads, made) =
        (service.reads().len(), defender_actions::testing::submitted(&client, record, submitted.origin()));
    let ends: Vec<_> = service.clock().run(client.wait_all_keyed([((), made)]).stream().collect()).await;
    assert!(ends[0].1.is_ok() && service.reads().len() == reads);
}

/// Actions that are added while others are waited for share the lists.
#[tokio::test]
async fn growing_set_shares_lists() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE);
    let client = service.client();
    let mut set = client.wait_set();
    let (mut ends, mut reads) = (Vec::new(), 0);
    for round in 0..20_u32 {
        for id in foreign(&service, if round < 10 { 10 } else { 0 }) {
            set.add(round, id);
        }
        ends.extend(service.clock().run(set.read()).await);
        reads += 1;
        service.clock().run(service.clock().sleep(Duration::from_secs(15))).await;
    }
    assert_eq!((ends.len(), set.len(), set.is_empty()), (100, 0, true));
    assert!(ends.iter().all(|(_, end)| end.is_ok()));
    assert!(service.reads().len() < reads, "an empty set reads nothing: {}", service.reads().len());
    // The first actions ended first.
    assert!(ends.windows(2).all(|pair| pair[0].0 <= pair[1].0));
}

#[tokio::test]
async fn set_keeps_the_grace_of_each_action() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE * 60);
    let client = service.client();
    let mut set = client.wait_set();
    set.add("known", foreign(&service, 1).remove(0));
    service.clock().run(service.clock().sleep(MINUTE * 10)).await;
    set.add("nobody", "nobody".parse::<ActionId>().unwrap());
    assert_eq!(service.clock().run(set.read()).await.len(), 0, "a new action may appear within two minutes");
    service.clock().run(service.clock().sleep(MINUTE * 3)).await;
    let ends = service.clock().run(set.read()).await;
    assert_eq!((ends.len(), ends[0].0, ends[0].1.as_ref().unwrap_err().is_not_found()), (1, "nobody", true));
}

#[tokio::test]
async fn ended_action_of_a_set_is_returned() {
    let service = Service::new(Repeats::Taken);
    let ids = foreign(&service, 2);
    service.end(ids[0].as_str(), "Succeeded");
    service.end(ids[1].as_str(), "Failed");
    let client = service.client();
    let mut set = client.wait_set();
    assert!(service.clock().run(set.read()).await.is_empty() && service.reads().is_empty());
    set.add(0, &ids[0]);
    set.add(1, &ids[1]);
    set.add(2, &ids[1]);
    let mut ends = service.clock().run(set.read()).await;
    ends.sort_by_key(|(key, _)| *key);
    let kinds: Vec<_> = ends.iter().map(|(key, end)| (*key, end.as_ref().map(|_| ()).map_err(Error::kind))).collect();
    assert_eq!(kinds, [(0, Ok(())), (1, Err(ErrorKind::ActionFailed)), (2, Err(ErrorKind::ActionFailed))]);
}
