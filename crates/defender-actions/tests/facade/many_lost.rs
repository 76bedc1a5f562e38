//! Many lost responses at one time: they share one list, and no outcome stays unknown for lack of calls.

use std::time::Duration;

use defender_actions::{Intent, Origin, UnknownReason, model::MachineId};
use futures_util::{
    StreamExt,
    future::{join, join_all},
};
use serde_json::json;

use crate::service::{Break, Repeats, Service};

fn machine(number: usize) -> MachineId {
    format!("m{number}").parse().unwrap()
}

#[tokio::test]
async fn lost_responses_share_one_list() {
    let calls = |lost: usize| async move {
        let service = Service::new(Repeats::Taken).with_lag(Duration::from_secs(20));
        let service = service.breaking((0..lost).map(|_| Break::AfterTheEffect));
        let client = service.client();
        let all = (0..lost).map(|number| client.machine(machine(number)).isolate("c").timeout(Duration::MAX).send());
        let outcomes = service.clock().run(join_all(all)).await;
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().unwrap().origin() == Origin::Recovered));
        (service.reads().len(), service.clock().elapsed_minutes())
    };
    let (five, few_minutes) = calls(5).await;
    assert!(five <= 8 && few_minutes == 0, "{five} calls in {few_minutes} minutes");
    // They are sent over nine minutes, a hundred a minute.
    let (many, minutes) = calls(1_000).await;
    assert!(many <= 12 * (9 + 1) && minutes <= 10, "{many} calls in {minutes} minutes");
}

#[tokio::test]
async fn many_intents_need_few_calls() {
    let service = Service::new(Repeats::Taken);
    let client = service.client();
    let intents: Vec<Intent> = (0..500)
        .map(|number| {
            service.foreign(&json!({
                "machineId": machine(number), "type": "Isolate", "requestorComment": "c", "scope": null,
            }));
            client.machine(machine(number)).isolate("c").intent().unwrap()
        })
        .collect();
    let lost = client.machine(machine(500)).isolate("c").intent().unwrap();
    let all = client.recover_all(intents.into_iter().chain([lost])).stream().collect::<Vec<_>>();
    let outcomes = service.clock().run(all).await;
    let (found, unknown): (Vec<_>, Vec<_>) = outcomes.iter().partition(|(_, outcome)| outcome.is_ok());
    assert_eq!((found.len(), unknown.len()), (500, 1));
    assert_eq!(unknown[0].1.as_ref().unwrap_err().reason(), Some(UnknownReason::NothingFound));
    assert_eq!(unknown[0].0.machine_id, machine(500));
    assert!(service.reads().len() <= 16, "{} calls", service.reads().len());
    assert!(service.clock().elapsed_minutes() <= 2);
}

#[tokio::test]
async fn search_waits_in_own_queue() {
    // The application's own lists have used up the quota of the hour.
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    let client = service.client();
    for _ in 0..1_500 {
        service.clock().run(client.actions().stream().collect::<Vec<_>>()).await;
    }
    let lost = client.machine(machine(1)).isolate("c").send();
    assert_eq!(service.clock().run(lost).await.unwrap().origin(), Origin::Recovered);
    assert!((59..=62).contains(&service.clock().elapsed_minutes()), "{}", service.clock().elapsed_minutes());
}

#[tokio::test]
async fn reading_submission_can_be_dropped() {
    let service = Service::new(Repeats::Taken).with_lag(Duration::from_secs(30));
    let service = service.breaking([Break::AfterTheEffect, Break::AfterTheEffect]);
    let client = service.client();
    let first = client.machine(machine(1)).isolate("c").send();
    let dropped = async {
        let given_up = Box::pin(defender_actions::transport::Clock::sleep(service.clock(), Duration::from_secs(3)));
        drop(futures_util::future::select(Box::pin(first), given_up).await);
    };
    let (outcome, ()) =
        Box::pin(service.clock().run(join(client.machine(machine(2)).isolate("c").send(), dropped))).await;
    assert_eq!(outcome.unwrap().origin(), Origin::Recovered);
}

/// Whole minutes since the clock was created.
trait Minutes {
    fn elapsed_minutes(&self) -> u64;
}

impl Minutes for defender_actions::transport::testing::ManualClock {
    fn elapsed_minutes(&self) -> u64 {
        defender_actions::transport::Clock::elapsed(self).as_secs() / 60
    }
}
