//! Waiting for many actions with few calls, in virtual time.

use std::time::Duration;

use defender_actions::{
    DefenderClient, Error, ErrorKind,
    model::{ActionId, ActionStatus, MachineAction},
    transport::Clock,
};
use futures_util::StreamExt;
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
async fn a_thousand_actions_cost_a_list_a_cycle_though_five_thousand_others_lie_between() {
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
    // From the second cycle on, only what is as new as the oldest that is waited for is asked for.
    assert!(service.reads()[1].starts_with("/api/machineactions?$filter=creationDateTimeUtc%20ge%20"));
}

#[tokio::test]
async fn each_ends_as_it_would_alone_and_comes_once() {
    let service = Service::new(Repeats::Taken);
    let ids = foreign(&service, 3);
    service.end(ids[0].as_str(), "Succeeded");
    service.end(ids[1].as_str(), "Failed");
    let twice = ids.iter().chain(&ids).cloned().collect();
    let ended = wait_all(&service, &service.client(), twice, MINUTE).await;
    let told: Vec<_> =
        ended.iter().map(|(id, end)| (id.clone(), end.as_ref().map_err(Error::kind).map(|_| ()))).collect();
    assert_eq!(told.len(), 3);
    assert!(told.contains(&(ids[0].clone(), Ok(()))));
    assert!(told.contains(&(ids[1].clone(), Err(ErrorKind::ActionFailed))));
    assert!(told.contains(&(ids[2].clone(), Err(ErrorKind::WaitTimeout))));
    let carried = ended.iter().find(|(id, _)| *id == ids[2]).unwrap().1.as_ref().unwrap_err().action();
    assert_eq!(carried.unwrap().status, ActionStatus::Pending);
    assert_eq!(service.clock().elapsed(), MINUTE);
}

#[tokio::test]
async fn what_no_list_shows_is_read_by_itself_a_few_a_cycle() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE).hiding_from_lists();
    let ids = foreign(&service, 8);
    let ended = wait_all(&service, &service.client(), ids, Duration::from_secs(3_600)).await;
    assert_eq!(ended.iter().filter(|(_, end)| end.is_ok()).count(), 8);
    let reads = service.reads();
    let first_cycle = reads.iter().skip(1).take_while(|read| read.contains("/machineactions/")).count();
    assert_eq!(first_cycle, 5);
}

#[tokio::test]
async fn one_that_is_not_there_is_not_found_after_two_minutes_and_holds_up_nobody() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE);
    let mut ids = foreign(&service, 1);
    ids.push("nobody".parse().unwrap());
    let ended = wait_all(&service, &service.client(), ids, Duration::from_secs(3_600)).await;
    assert!(ended[0].1.is_ok());
    assert!(ended[1].1.as_ref().unwrap_err().is_not_found());
    assert!((120..=180).contains(&service.clock().elapsed().as_secs()));
}

#[tokio::test]
async fn record_that_vanishes_is_missed_from_then_on() {
    // Seen for 150 s, then missing for 60 s: less than the grace, whatever the wait has lasted.
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
async fn what_would_be_told_again_ends_all_of_them() {
    let service = Service::new(Repeats::Taken).refusing_lists();
    let ids = foreign(&service, 3);
    let ended = wait_all(&service, &service.client(), ids, MINUTE).await;
    assert_eq!(ended.len(), 3);
    for error in ended.iter().map(|(_, end)| end.as_ref().unwrap_err()) {
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        let problem = error.problem().expect("each error has what the service said");
        assert_eq!((problem.code().as_str(), problem.status()), ("Forbidden", 403));
    }
}

#[tokio::test]
async fn updates_show_each_change_once_and_end_with_the_outcome() {
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
async fn one_that_no_list_shows_does_not_make_every_list_a_whole_one() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(MINUTE);
    let mut ids = foreign(&service, 3);
    ids.push("nobody".parse().unwrap());
    let ended = wait_all(&service, &service.client(), ids, Duration::from_secs(3_600)).await;
    assert_eq!(ended.iter().filter(|(_, end)| end.is_ok()).count(), 3);
    let reads = service.reads();
    let whole = reads.iter().filter(|read| *read == "/api/machineactions").count();
    assert_eq!(whole, 1, "{reads:?}");
}

#[tokio::test]
async fn of_a_long_history_the_newest_pages_are_read_and_what_is_older_by_itself() {
    let world = crate::world::World::with(|emulator| emulator.history(500).page_size(10));
    let client = world.client();
    let all: Vec<_> = world.run(client.actions().stream().map(Result::unwrap).collect()).await;
    let ids: Vec<_> = [&all[3], &all[499]].into_iter().map(|action| action.id.clone()).collect();
    let began = world.clock.elapsed();
    let ended: Vec<_> = world.run(client.wait_all(ids.clone()).stream().collect()).await;
    let told: Vec<_> = ended.iter().map(|(id, _)| id.clone()).collect();
    // The one at once, and the other in the same cycle.
    assert_eq!((told, world.clock.elapsed()), (ids, began));
}
