//! The observer gets each end once, and nothing that identifies a machine.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use defender_actions::{
    DefenderClient, EntryKey, ErrorKind, Holder, Intent, Journal, MemoryJournal, Observer,
    auth::StaticCredential,
    model::{ActionId, ScanType},
    observe::{ActionEnded, ActionOutcome, CallEnded, End, TokenRequestEnded, WaitEnded},
    transport::{
        ErrorKind as TransportErrorKind,
        extensions::CallStats,
        testing::{Capture, ManualClock},
    },
};
use defender_emulator::{ExternalIds, Fault, Operation, RetryAfter};
use futures_util::{StreamExt, future::join_all};
use http::Response;
use serde_json::{Value, json};

use crate::world::{HOUR, MINUTE, World};

/// Observed events, as text.
#[derive(Debug, Default)]
struct Seen {
    calls: Mutex<Vec<String>>,
    actions: Mutex<Vec<String>>,
    waits: Mutex<Vec<String>>,
    tokens: Mutex<Vec<String>>,
    /// Every event with all its fields.
    all: Mutex<Vec<String>>,
}

fn kind(end: End) -> String {
    end.error_type().unwrap_or_else(|| "Ok".to_owned())
}

impl Observer for Seen {
    fn call_ended(&self, ended: &CallEnded<'_>) {
        let CallEnded { method, template, status, end, attempts, throttled, .. } = ended;
        let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let line = format!("{method} {template} {status} {} attempts={attempts} throttled={throttled}", kind(*end));
        self.calls.lock().unwrap().push(line);
        self.all.lock().unwrap().push(format!("{ended:?}"));
    }

    fn action_ended(&self, ended: &ActionEnded<'_>) {
        let ActionEnded { task, action_type, outcome, end, attempts, .. } = ended;
        let (task, outcome) = (task.as_str(), outcome.as_str());
        let line = format!("{task} {action_type} {outcome} {} attempts={attempts}", kind(*end));
        self.actions.lock().unwrap().push(line);
        self.all.lock().unwrap().push(format!("{ended:?}"));
    }

    fn wait_ended(&self, ended: &WaitEnded<'_>) {
        let WaitEnded { action_type, status, end, .. } = ended;
        self.waits.lock().unwrap().push(format!("{action_type} {status} {}", kind(*end)));
        self.all.lock().unwrap().push(format!("{ended:?}"));
    }

    fn token_request_ended(&self, ended: &TokenRequestEnded) {
        self.tokens.lock().unwrap().push(format!("{:?} {:?}", ended.status, ended.error_type()));
        self.all.lock().unwrap().push(format!("{ended:?}"));
    }
}

/// Returns the events since the last call.
fn taken(events: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut *events.lock().unwrap())
}

fn observed(world: &World) -> (DefenderClient, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let client = world.builder_over(world.emulator.transport()).observer(Arc::clone(&seen)).build().unwrap();
    (client, seen)
}

#[tokio::test]
async fn each_action_is_observed_once() {
    let world = World::with(|emulator| emulator.pending_for(HOUR));
    let (client, seen) = observed(&world);
    let machine = client.machine(world.machine());

    world.emulator.fault(Fault::RefuseConnection).on(Operation::Isolate).times(2);
    let isolated = world.run(machine.isolate("c").send()).await.unwrap();
    assert_eq!(taken(&seen.actions), ["submit Isolate created Ok attempts=3"]);
    world.run(machine.isolate("c").send()).await.unwrap();
    assert_eq!(taken(&seen.actions), ["submit Isolate joined Ok attempts=1"]);
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Unisolate).times(1);
    let intent = machine.unisolate("c").intent().unwrap();
    world.run(machine.unisolate("c").send()).await.unwrap();
    assert_eq!(taken(&seen.actions), ["submit Unisolate recovered Ok attempts=1"]);
    world.run(world.client().recover(intent.clone()).send()).await.unwrap();
    assert_eq!(taken(&seen.actions), [""; 0], "another client has its own observer");
    world.emulator.fault(Fault::ResetBeforeEffect).on(Operation::Offboard).times(1);
    let unknown = world.run(machine.offboard("c").send()).await.unwrap_err();
    assert_eq!(taken(&seen.actions), ["submit Offboard unknown OutcomeUnknown attempts=1"]);
    let intents = [unknown.intent().unwrap().clone()];
    world.run(client.recover_all(intents).stream().collect::<Vec<_>>()).await;
    assert_eq!(taken(&seen.actions), ["recover Offboard unknown OutcomeUnknown attempts=0"]);
    world.emulator.fault(Fault::Status(403, RetryAfter::Absent)).on(Operation::Offboard);
    world.run(machine.offboard("c").send()).await.unwrap_err();
    assert_eq!(taken(&seen.actions), ["submit Offboard not_accepted Forbidden attempts=1"]);
    world.run(isolated.cancel("c").send()).await.unwrap();
    assert_eq!(taken(&seen.actions), ["cancel Isolate cancelled Ok attempts=1"]);
    world.run(isolated.cancel("c").send()).await.unwrap_err();
    assert_eq!(taken(&seen.actions), ["cancel _OTHER not_accepted Refused attempts=1"]);
    assert!(machine.isolate(" ").await.is_err());
    assert_eq!(taken(&seen.actions), [""; 0], "an invalid request is not reported");
}

#[tokio::test]
async fn dropped_action_is_observed() {
    let world = World::new();
    let (client, seen) = observed(&world);
    let machine = client.machine(world.machine());
    drop(machine.isolate("c").send());
    assert_eq!(taken(&seen.actions), [""; 0], "a future that was never polled is no submission");
    world.emulator.fault(Fault::Hang).on(Operation::Isolate);
    assert!(world.run_for(Duration::from_secs(1), machine.isolate("c").send()).await.is_none());
    assert_eq!(taken(&seen.actions), ["submit Isolate unknown Dropped attempts=0"]);
    assert_eq!(taken(&seen.calls), ["POST /machines/{id}/isolate - Dropped attempts=1 throttled=0"]);
}

#[tokio::test]
async fn call_has_attempts_and_429s() {
    let world = World::new();
    let (client, seen) = observed(&world);
    let read = || client.machine(world.machine()).get().send();
    world.emulator.fault(Fault::TooManyRequests(RetryAfter::Seconds(7))).on(Operation::GetMachine).times(2);
    world.run(read()).await.unwrap();
    world.emulator.fault(Fault::Status(503, RetryAfter::Absent)).on(Operation::GetMachine).times(5);
    world.run(read()).await.unwrap_err();
    world.emulator.fault(Fault::GarbageJson).on(Operation::GetMachine).times(1);
    world.run(read()).await.unwrap_err();
    let calls = taken(&seen.calls);
    assert_eq!(calls[0], "GET /machines/{id} 200 Ok attempts=3 throttled=2");
    assert_eq!(calls[1], "GET /machines/{id} 503 Unavailable attempts=5 throttled=0");
    assert!(calls[2].starts_with("GET /machines/{id} 200 InvalidResponse attempts=1"), "{}", calls[2]);
}

/// Keeps the times of the last call.
#[derive(Debug, Default)]
struct Times(Mutex<Vec<(Duration, Duration, u32)>>);

impl Observer for Times {
    fn call_ended(&self, ended: &CallEnded<'_>) {
        self.0.lock().unwrap().push((ended.duration, ended.queue_wait, ended.attempts));
    }
}

#[tokio::test]
async fn queue_wait_is_part_of_duration() {
    let world = World::with(|emulator| emulator.machines(150));
    let times = Arc::new(Times::default());
    let client = world.builder_over(world.emulator.transport()).observer(Arc::clone(&times)).build().unwrap();
    let scans = world.machines().into_iter().map(|machine| {
        let scan = client.machine(machine).run_antivirus_scan("Monthly scan", ScanType::Quick);
        scan.timeout(Duration::from_secs(90)).send()
    });
    world.run(join_all(scans)).await;
    let waited = |from: Duration| times.0.lock().unwrap().iter().filter(|(_, waited, _)| *waited >= from).count();
    assert_eq!((waited(Duration::ZERO), waited(MINUTE)), (150, 50));
    assert!(times.0.lock().unwrap().iter().all(|(duration, waited, _)| duration >= waited));
    // A call whose turn does not come has no attempt.
    let scans = world.machines().into_iter().map(|machine| {
        let scan = client.machine(machine).run_antivirus_scan("Monthly scan", ScanType::Quick);
        scan.timeout(Duration::from_secs(5)).send()
    });
    world.run(join_all(scans)).await;
    assert!(times.0.lock().unwrap().iter().any(|(_, _, attempts)| *attempts == 0));
}

#[tokio::test]
async fn unknown_names_are_one_label() {
    let world = World::new();
    let (client, seen) = observed(&world);
    for path in ["/api/machines/m1/secretName", "/api/secretName", "/api/alerts/1/secretName/2"] {
        world.run(client.get::<Value>(path).send()).await.unwrap_err();
    }
    let calls = taken(&seen.calls);
    assert!(calls.iter().all(|call| call.starts_with("GET _OTHER 404 NotFound")), "{calls:?}");
    world.run(client.get::<Value>("/api/v1.0/MACHINES/m1").send()).await.unwrap_err();
    assert_eq!(taken(&seen.calls), ["GET /machines/{id} 404 NotFound attempts=1 throttled=0"]);
    let mut intent = serde_json::to_value(client.machine(world.machine()).isolate("c").intent().unwrap()).unwrap();
    let name = intent.as_object().unwrap().iter().find(|(_, value)| **value == "Isolate").unwrap().0.clone();
    intent[name] = json!("SecretName");
    let intent: Intent = serde_json::from_value(intent).unwrap();
    world.run(client.recover(intent).send()).await.unwrap_err();
    assert_eq!(taken(&seen.actions), ["recover _OTHER unknown OutcomeUnknown attempts=0"]);
    assert!(!format!("{seen:?}").to_lowercase().contains("secretname"), "{seen:?}");
}

#[tokio::test]
async fn each_wait_is_observed_once() {
    let world = World::new();
    let (client, seen) = observed(&world);
    let machine = client.machine(world.machine());
    let isolated = world.run(machine.isolate("c").send()).await.unwrap();
    world.run(isolated.wait().send()).await.unwrap();
    assert_eq!(taken(&seen.waits), ["Isolate Succeeded Ok"]);
    world.run(isolated.wait().updates().collect::<Vec<_>>()).await;
    assert_eq!(taken(&seen.waits), ["Isolate Succeeded Ok"]);
    let released = world.run(machine.unisolate("c").send()).await.unwrap();
    world.run(released.wait().at_most(Duration::from_millis(1)).send()).await.unwrap_err();
    assert_eq!(taken(&seen.waits), ["Unisolate Pending WaitTimeout"]);
    world.run(released.cancel("c").send()).await.unwrap();
    let unseen: ActionId = "00000000-0000-0000-0000-000000000000".parse().unwrap();
    let ids = [isolated.id().clone(), released.id().clone(), unseen];
    world.run(client.wait_all(ids).stream().collect::<Vec<_>>()).await;
    let mut waits = taken(&seen.waits);
    waits.sort();
    assert_eq!(waits, ["Isolate Succeeded Ok", "Unisolate Cancelled ActionFailed", "_OTHER _OTHER NotFound"]);
    let waiting = released.wait().at_most(HOUR).send();
    drop(waiting);
    assert_eq!(taken(&seen.waits), [""; 0]);
}

#[tokio::test]
async fn each_token_request_is_observed() {
    let world = World::new();
    let (client, seen) = observed(&world);
    world.emulator.fault(Fault::Status(503, RetryAfter::Absent)).on(Operation::Token).times(1);
    world.run(client.machine(world.machine()).get().send()).await.unwrap();
    world.run(client.machine(world.machine()).get().send()).await.unwrap();
    assert_eq!(taken(&seen.tokens), [r#"Some(503) Some("503")"#, "Some(200) None"]);
    let (client, seen) = observed(&world);
    world.emulator.fault(Fault::RefuseConnection).on(Operation::Token);
    world.run(client.machine(world.machine()).get().send()).await.unwrap_err();
    let tokens = taken(&seen.tokens);
    assert!(
        tokens.iter().all(|token| *token == format!("None Some(\"{:?}\")", TransportErrorKind::Connect)),
        "{tokens:?}"
    );
    // Nothing was sent, and the call has failed.
    assert!(taken(&seen.calls)[0].starts_with("GET /machines/{id} - Credential"));
}

#[tokio::test]
async fn events_identify_no_machine() {
    let world = World::new();
    let (client, seen) = observed(&world);
    let machine = client.machine(world.machine());
    let isolated = world.run(machine.isolate("canary comment").send()).await.unwrap();
    let record = world.run(isolated.wait().send()).await.unwrap();
    world.run(machine.add_tag("canary tag").send()).await.unwrap();
    let name = record.computer_dns_name.unwrap();
    world.run(client.machines().find(&*name).send()).await.unwrap();
    world.emulator.fault(Fault::BlockPage(503)).on(Operation::Unisolate);
    world.run(machine.unisolate("canary comment").send()).await.unwrap_err();
    let all = seen.all.lock().unwrap();
    assert!(all.len() > 8);
    for event in &*all {
        let (emulator, event) = (&world.emulator, event.to_lowercase());
        let machine = world.machine();
        for secret in [
            "canary",
            "eyj",
            isolated.id().as_str(),
            machine.as_str(),
            &name.to_lowercase(),
            emulator.tenant_id(),
            emulator.client_id(),
            emulator.client_secret(),
            emulator.base_url(),
        ] {
            assert!(!event.contains(&secret.to_lowercase()), "{secret}: {event}");
        }
    }
}

#[tokio::test]
async fn client_without_observer_counts_nothing() {
    let sent = |client: DefenderClient, clock: ManualClock| async move {
        let action = client.action("a1".parse().unwrap());
        clock.run(action.get().send()).await.map_err(|error| error.kind()).err()
    };
    for is_observed in [false, true] {
        let transport = Arc::new(Capture::answering(Response::new("{}")));
        let clock = ManualClock::new();
        let builder = DefenderClient::builder().credential(StaticCredential::new("t")).clock(clock.clone());
        let builder = builder.transport(Arc::clone(&transport));
        let builder = if is_observed { builder.observer(Times::default()) } else { builder };
        assert_eq!(sent(builder.build().unwrap(), clock).await, Some(ErrorKind::InvalidResponse));
        let counted = transport.requests().iter().any(|request| request.extensions().get::<CallStats>().is_some());
        assert_eq!(counted, is_observed);
    }
}

/// Panics at each end of an action.
#[derive(Debug)]
struct Panics;

impl Observer for Panics {
    fn action_ended(&self, ended: &ActionEnded<'_>) {
        assert_eq!(ended.outcome, ActionOutcome::Unknown, "the observer panics");
    }
}

#[tokio::test]
async fn panic_of_observer_leaves_client_usable() {
    let world = Arc::new(World::new());
    let client = world.builder_over(world.emulator.transport()).observer(Panics).build().unwrap();
    let (theirs, acting) = (Arc::clone(&world), client.clone());
    let panicked = tokio::spawn(async move {
        let isolation = acting.machine(theirs.machine()).isolate("c").send();
        theirs.run(isolation).await.is_ok()
    });
    assert!(panicked.await.unwrap_err().is_panic());
    let count = world.run(client.actions().stream().collect::<Vec<_>>()).await;
    assert!(count.iter().any(|action| action.as_ref().unwrap().machine_id.as_ref() == Some(&world.machine())));
}

/// The journal has the action for another entry: what it denies was not reported.
#[tokio::test]
async fn recovery_is_reported_after_the_journal() {
    let world = World::with(|emulator| emulator.external_ids(ExternalIds::Absent));
    let journal = Arc::new(MemoryJournal::new(world.clock.clone()));
    let seen = Arc::new(Seen::default());
    let client = || {
        let builder = world.builder_over(world.emulator.transport()).journal(Arc::clone(&journal) as Arc<dyn Journal>);
        builder.observer(Arc::clone(&seen)).build().unwrap()
    };
    let isolate = client().machine(world.machine()).isolate("c");
    let intent = isolate.intent().unwrap();
    world.run(isolate.key("a").send()).await.unwrap();
    for (pending, key) in [(false, "b"), (true, "c")] {
        let key = EntryKey::new(key).unwrap();
        journal.intend(&key, &intent, Holder::generate(), MINUTE).await.unwrap();
        taken(&seen.actions);
        let client = client();
        let error = if pending {
            world.clock.advance(HOUR);
            world.run(client.recover_pending().send()).await.unwrap().remove(0).outcome.unwrap_err()
        } else {
            world.run(client.recover_entry(&key, intent.clone())).await.unwrap_err()
        };
        assert!(error.is_outcome_unknown(), "{error}");
        let reported = taken(&seen.actions);
        let is_unknown = |line: &String| line.starts_with("recover Isolate unknown ");
        assert!(!reported.is_empty() && reported.iter().all(is_unknown), "{reported:?}");
    }
}
