//! Whatever is asked in whatever order, the ledger, the list and the single reads agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use defender_emulator::{Duplicates, Effect, Emulator, Fault, Outcome, Quotas};
use defender_transport::{Transport, testing::ManualClock};
use http::Request;
use proptest::prelude::*;
use serde_json::Value;

use crate::driver::encoded;

/// The number of changing requests in a sequence; reads come on top.
const REQUESTS: usize = 1_000;
const LAG: Duration = Duration::from_secs(2);
const SEGMENTS: [&str; 6] = [
    "isolate",
    "unisolate",
    "restrictCodeExecution",
    "unrestrictCodeExecution",
    "offboard",
    "collectInvestigationPackage",
];

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A machine is asked for an action.
    Act(usize, usize),
    /// One of the actions so far is cancelled.
    Cancel(usize),
    /// Time passes, in tenths of a second.
    Wait(u64),
    /// A machine goes, or comes back.
    Offline(usize),
    Online(usize),
    /// The next action ends otherwise, or its response is lost.
    Fails,
    Lost(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_usize, 0..SEGMENTS.len()).prop_map(|(machine, segment)| Step::Act(machine, segment)),
        2 => any::<usize>().prop_map(Step::Cancel),
        4 => (0..40_u64).prop_map(Step::Wait),
        1 => (0..3_usize).prop_map(Step::Offline),
        1 => (0..3_usize).prop_map(Step::Online),
        1 => Just(Step::Fails),
        1 => any::<bool>().prop_map(Step::Lost),
    ]
}

struct World {
    emulator: Emulator,
    clock: ManualClock,
    token: String,
    /// The request of each entry of the ledger.
    sent: usize,
}

impl World {
    fn new(duplicates: Duplicates) -> Self {
        let clock = ManualClock::new();
        let builder = Emulator::builder().clock(Arc::new(clock.clone())).token_lifetime(Duration::from_secs(1 << 30));
        let builder = builder.duplicates(duplicates).quotas(Quotas::Off).read_lag(LAG).page_size(40);
        let mut world = Self { emulator: builder.in_process().unwrap(), clock, token: String::new(), sent: 0 };
        let emulator = &world.emulator;
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}%2F.default",
            emulator.client_id(),
            encoded(emulator.client_secret()),
            encoded(emulator.audience())
        );
        let path = format!("/{}/oauth2/v2.0/token", emulator.tenant_id());
        let (_, body) = world.call("POST", &path, &form, "application/x-www-form-urlencoded").unwrap();
        body["access_token"].as_str().unwrap().clone_into(&mut world.token);
        world
    }

    /// The response, unless it is lost.
    fn call(&self, method: &str, path: &str, body: &str, kind: &str) -> Option<(u16, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.emulator.base_url()))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", kind)
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap();
        let exchange = pin!(async {
            let response = self.emulator.transport().send(request).await.ok()?;
            let status = response.status().as_u16();
            let body = response.into_body().collect(1 << 24).await.ok()?;
            Some((status, serde_json::from_slice(&body).unwrap_or_default()))
        });
        match exchange.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(came) => came,
            Poll::Pending => None,
        }
    }

    fn post(&mut self, path: &str, body: &str) -> Option<(u16, Value)> {
        self.sent += 1;
        self.call("POST", path, body, "application/json")
    }

    fn made(&self) -> Vec<String> {
        let made = self.emulator.ledger().into_iter().filter_map(|entry| match entry.effect {
            Effect::Created(id) => Some(id),
            _ => None,
        });
        made.collect()
    }

    fn take(&mut self, step: Step) {
        let machine = |place: usize| self.emulator.machine_ids()[place].to_owned();
        match step {
            Step::Act(place, segment) => {
                let path = format!("/api/machines/{}/{}", machine(place), SEGMENTS[segment]);
                self.post(&path, r#"{"Comment":"c"}"#);
            }
            Step::Cancel(place) => {
                let made = self.made();
                if !made.is_empty() {
                    let path = format!("/api/machineactions/{}/cancel", made[place % made.len()]);
                    self.post(&path, "{}");
                }
            }
            Step::Wait(tenths) => self.clock.advance(Duration::from_millis(tenths * 100)),
            Step::Offline(place) => assert!(self.emulator.machine_offline(&machine(place))),
            Step::Online(place) => assert!(self.emulator.machine_online(&machine(place))),
            Step::Fails => drop(self.emulator.outcome(Outcome::Failed { error_hresult: -1 }).times(1)),
            Step::Lost(after) => {
                let fault = if after { Fault::ResetAfterEffect } else { Fault::ResetBeforeEffect };
                self.emulator.fault(fault).times(1);
                let path = format!("/api/machines/{}/isolate", machine(0));
                assert!(self.post(&path, r#"{"Comment":"lost"}"#).is_none());
            }
        }
    }

    /// The whole list, page by page.
    fn list(&self, query: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut path = format!("/api/machineactions?{query}");
        loop {
            let (status, page) = self.call("GET", &path, "", "application/json").unwrap();
            assert_eq!(status, 200, "{page}");
            rows.extend(page["value"].as_array().unwrap().iter().cloned());
            match page["@odata.nextLink"].as_str() {
                Some(link) => link.strip_prefix(self.emulator.base_url()).unwrap().clone_into(&mut path),
                None => return rows,
            }
        }
    }

    /// Facts that hold at any moment, whatever the lag hides.
    fn check(&self, duplicates: Duplicates) {
        let ledger = self.emulator.ledger();
        assert_eq!(ledger.len(), self.sent, "each POST is written down once");
        let made = self.made();
        let unique: BTreeSet<_> = made.iter().collect();
        assert_eq!(unique.len(), made.len(), "no action is made twice");
        let rows = self.list("");
        let ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        let newest_first: Vec<_> = made.iter().rev().filter(|id| ids.contains(id)).cloned().collect();
        assert_eq!(ids, newest_first, "the list has what was made, newest first");
        for row in &rows {
            let path = format!("/api/machineactions/{}", row["id"].as_str().unwrap());
            let (status, mut read) = self.call("GET", &path, "", "application/json").unwrap();
            read.as_object_mut().unwrap().remove("@odata.context");
            assert_eq!((status, &read), (200, row), "a read and the list agree");
        }
        let statuses = ["Pending", "InProgress", "Succeeded", "Failed", "TimeOut", "Cancelled"];
        let by_status = |status: &str| self.list(&format!("$filter=status%20eq%20'{status}'"));
        assert_eq!(statuses.into_iter().map(|status| by_status(status).len()).sum::<usize>(), rows.len());
        if duplicates != Duplicates::Accept {
            let mut active: BTreeMap<_, usize> = BTreeMap::new();
            for row in rows.iter().filter(|row| row["status"] == "Pending" || row["status"] == "InProgress") {
                *active.entry((row["machineId"].to_string(), row["type"].to_string())).or_default() += 1;
            }
            assert!(active.values().all(|count| *count == 1), "{active:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_the_list_and_the_reads_agree(steps in prop::collection::vec(step(), 2_500), kind in 0..3_usize) {
        let duplicates = [Duplicates::Refuse, Duplicates::Join, Duplicates::Accept][kind];
        let mut world = World::new(duplicates);
        for (number, step) in steps.into_iter().enumerate() {
            if world.sent == REQUESTS {
                break;
            }
            world.take(step);
            if number % 400 == 399 {
                world.check(duplicates);
            }
        }
        prop_assert_eq!(world.sent, REQUESTS);
        // After the lag, everything that was made is there.
        world.clock.advance(LAG);
        world.check(duplicates);
        prop_assert_eq!(world.list("").len(), world.made().len());
        // And in the end, everything has ended.
        world.clock.advance(Duration::from_secs(4 * 24 * 3_600));
        let filter = "$filter=status%20eq%20'Pending'%20or%20status%20eq%20'InProgress'";
        prop_assert_eq!(world.list(filter).len(), 0);
    }
}
