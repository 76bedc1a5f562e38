//! Work whose instructions are counted: `instructions NAME COUNT`. `cargo xtask instructions` runs it under callgrind.
//!
//! The transport responds from memory and the clock is advanced by hand, so that each run does the same. Two runs that differ in
//! their count show the cost of a call.

mod service;

use std::{collections::HashMap, error::Error};

use defender_actions::{
    DefenderClient,
    auth::StaticCredential,
    model::{Action, ActionId, Limit, MachineAction, Match},
};
use defender_transport::testing::ManualClock;
use futures_util::{StreamExt, TryStreamExt, future::join_all};
use serde::Serialize;

use self::service::{COMMENT, Service, action_id};

type Anything = Box<dyn Error + Send + Sync>;

/// Restriction without a quota, so that no call waits.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Restrict {
    comment: &'static str,
}

impl Action for Restrict {
    const SEGMENT: &'static str = "restrictCodeExecution";
    const TYPE: &'static str = "RestrictCodeExecution";
    const PERMISSIONS: &'static [&'static str] = &["Machine.RestrictExecution"];
    const QUOTA: &'static [Limit] = &[];

    /// It has nothing but a comment.
    fn particulars(&self, _: &MachineAction) -> Option<Match> {
        Some(Match::Same)
    }
}

fn main() -> Result<(), Anything> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, count] = arguments.as_slice() else { return Err("a name and a count are needed".into()) };
    let count = count.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let clock = ManualClock::new();
    let service = Service::new(clock.clone());
    let client = DefenderClient::builder()
        // Length of a real token.
        .credential(StaticCredential::new("e30.eyJ9".repeat(150)))
        .transport(service.clone())
        .clock(clock.clone())
        .build()?;
    runtime.block_on(async {
        match work.as_str() {
            "post" => post(&client, count).await,
            "get" => get(&client, count).await,
            "page" => page(&client, &service, count).await,
            "wait" => wait(&client, &service, &clock, count).await,
            "lost" => lost(&client, &service, &clock, count).await,
            _ => Err(format!("unknown work `{work}`").into()),
        }
    })
}

/// Submits so many actions, one after the other.
async fn post(client: &DefenderClient, count: usize) -> Result<(), Anything> {
    for number in 0..count {
        client.machine(format!("{number:040x}").parse()?).perform(Restrict { comment: COMMENT }).await?;
    }
    Ok(())
}

/// Reads the record of an action so many times.
async fn get(client: &DefenderClient, count: usize) -> Result<(), Anything> {
    for number in 0..count {
        client.action(action_id(number).parse()?).get().await?;
    }
    Ok(())
}

/// Reads so many lists of 10,000 actions.
async fn page(client: &DefenderClient, service: &Service, count: usize) -> Result<(), Anything> {
    service.create(10_000);
    for _ in 0..count {
        let mut rows = 0;
        let mut pages = client.actions().pages();
        while let Some(page) = pages.try_next().await? {
            rows += page.value.len();
        }
        expect(rows, 10_000)?;
    }
    Ok(())
}

/// Waits for so many actions together, which end after a while.
async fn wait(client: &DefenderClient, service: &Service, clock: &ManualClock, count: usize) -> Result<(), Anything> {
    service.create(count);
    let ids: Vec<ActionId> = (0..count).map(|number| action_id(number).parse()).collect::<Result<_, _>>()?;
    let ends: HashMap<_, _> = clock.run(client.wait_all(ids).stream().collect()).await;
    expect(ends.values().filter(|end| end.is_ok()).count(), count)
}

/// Submits so many actions at the same time, whose responses are lost.
async fn lost(client: &DefenderClient, service: &Service, clock: &ManualClock, count: usize) -> Result<(), Anything> {
    service.lose_responses();
    let submit = |number: usize| -> Result<_, Anything> {
        Ok(client.machine(format!("{number:040x}").parse()?).perform(Restrict { comment: COMMENT }).send())
    };
    let all = (0..count).map(submit).collect::<Result<Vec<_>, _>>()?;
    let outcomes = clock.run(join_all(all)).await;
    if let Some(Err(error)) = outcomes.iter().find(|outcome| outcome.is_err()) {
        return Err(error.to_string().into());
    }
    expect(outcomes.len(), count)
}

fn expect(is: usize, should: usize) -> Result<(), Anything> {
    if is == should { Ok(()) } else { Err(format!("{is} instead of {should}").into()) }
}
