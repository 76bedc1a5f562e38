//! A journal before and after each request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use defender_actions::{
    DefenderClient, Entry, EntryKey, ErrorKind, Holder, Journal, Origin, Settlement, UnknownReason,
    model::ActionStatus,
    transport::{Body, Clock, Error as TransportError, Transport},
};
use defender_emulator::{Fault, Operation, RetryAfter};

use crate::{
    recording_journal::{Recording, builder, client},
    world::{HOUR, MINUTE, World},
};

/// Drops the future of an isolation after the service has accepted it, as a crash does.
async fn crash(world: &World, client: &DefenderClient) {
    world.emulator.fault(Fault::HangAfterEffect).on(Operation::Isolate).times(1);
    let isolate = client.machine(world.machine()).isolate("INC-1").send();
    assert!(world.run_for(Duration::from_secs(1), isolate).await.is_none());
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn entry_follows_the_action() {
    let world = World::new();
    let journal = Recording::new(&world);
    let client = builder(&world, &journal).actor("soar").build().unwrap();
    let isolate = client.machine(world.machine()).isolate("c").ticket("CHG-12").send();
    let submitted = world.run(isolate).await.unwrap();
    let entry = journal.only().await;
    assert_eq!((entry.intent.actor.as_deref(), entry.intent.ticket.as_deref()), (Some("soar"), Some("CHG-12")));
    assert_eq!(entry.intent.tenant_id.as_deref(), Some(&*world.emulator.tenant_id().to_lowercase()));
    assert!(entry.intent.external_id().is_some(), "a journal generates external ids");
    let Some(Settlement::Submitted { origin: Origin::Created, action }) = entry.outcome else { panic!("{entry:?}") };
    assert_eq!((&action.id, entry.last), (submitted.id(), None));
    assert!(submitted.key().is_some() && !submitted.is_from_journal());
    world.run(submitted.wait().send()).await.unwrap();
    assert_eq!(journal.only().await.last.unwrap().status, ActionStatus::Succeeded);
}

#[tokio::test]
async fn intent_is_written_right_before_the_request() {
    let world = World::with(|emulator| emulator.machines(101));
    let journal = Recording::new(&world);
    let client = client(&world, &journal);
    // No token: nothing can be sent, and nothing is written.
    world.emulator.fault(Fault::SignIn(7_000_215)).times(1);
    let error = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!((error.kind(), journal.intents()), (ErrorKind::Credential, 0));
    // The last call is in the queue.
    let isolate = |machine| client.machine(machine).isolate("c").timeout(HOUR).send();
    let all = futures_util::future::join_all(world.machines().into_iter().map(isolate));
    assert!(world.run_for(MINUTE / 2, all).await.is_none());
    // The call without a token has used no slot of the queue.
    assert_eq!((journal.intents(), world.ledger().len()), (100, 100));
}

#[tokio::test]
async fn resent_request_has_one_intent() {
    let world = World::new();
    let journal = Recording::new(&world);
    world.emulator.fault(Fault::TooManyRequests(RetryAfter::Seconds(1))).on(Operation::Isolate).times(2);
    world.run(client(&world, &journal).machine(world.machine()).isolate("c").send()).await.unwrap();
    assert_eq!((journal.intents(), world.ledger().len()), (1, 3));
}

#[tokio::test]
async fn failed_journal_sends_nothing() {
    let world = World::new();
    let journal = Recording::new(&world).failing(["intend"]);
    let error = world.run(client(&world, &journal).machine(world.machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent(), error.is_retryable()), (ErrorKind::Journal, true, true));
    assert_eq!(world.ledger().len(), 0);
    let text = error.to_string();
    assert!(
        text.contains("the disk of the journal is full") && text.contains("then call again, which is safe"),
        "{text}"
    );
}

#[tokio::test]
async fn unwritten_outcome_is_recovered() {
    for is_same_process in [true, false] {
        let world = World::new();
        let journal = Recording::new(&world).failing(["settle"]);
        let client = client(&world, &journal);
        let error = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap_err();
        assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Journal, false));
        let id = error.action_id().unwrap().clone();
        assert!(error.to_string().contains("the service has accepted the action"), "{error}");
        let other = self::client(&world, &journal);
        assert!(world.run(other.recover_pending().send()).await.unwrap().is_empty(), "its lease runs");
        if is_same_process {
            // This process knows the outcome.
            let recovered = world.run(client.recover_pending().send()).await.unwrap();
            let submitted = recovered[0].outcome.as_ref().unwrap();
            assert_eq!((submitted.id(), submitted.origin()), (&id, Origin::Created));
        } else {
            world.clock.advance(HOUR);
            let recovered = world.run(other.recover_pending().send()).await.unwrap();
            let submitted = recovered[0].outcome.as_ref().unwrap();
            assert_eq!((submitted.id(), submitted.origin()), (&id, Origin::Recovered));
        }
        assert!(matches!(journal.only().await.outcome, Some(Settlement::Submitted { .. })));
        assert_eq!(world.ledger().len(), 1);
    }
}

#[tokio::test]
async fn dropped_call_is_recovered_by_another_process() {
    let world = World::new();
    let journal = Recording::new(&world);
    crash(&world, &client(&world, &journal)).await;
    world.clock.advance(HOUR);
    let (one, two) = (client(&world, &journal), client(&world, &journal));
    let (one, two) =
        world.run(futures_util::future::join(one.recover_pending().send(), two.recover_pending().send())).await;
    let recovered: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
    assert_eq!(recovered.len(), 1, "each entry is taken by one process");
    assert_eq!(recovered[0].outcome.as_ref().unwrap().origin(), Origin::Recovered);
    assert!(matches!(journal.only().await.outcome, Some(Settlement::Submitted { origin: Origin::Recovered, .. })));
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn unsent_intent_ends_as_unknown() {
    let world = World::new();
    let journal = Recording::new(&world);
    let client = client(&world, &journal);
    let intent = client.machine(world.machine()).isolate("c").intent().unwrap();
    journal.intend(&EntryKey::new("k").unwrap(), &intent, Holder::generate(), Duration::ZERO).await.unwrap();
    let recovered = world.run(client.recover_pending().send()).await.unwrap();
    assert_eq!(recovered[0].outcome.as_ref().unwrap_err().reason(), Some(UnknownReason::NothingFound));
    assert!(matches!(journal.only().await.outcome, Some(Settlement::Unknown { .. })));
    // A person decides, and not the library.
    let again = world.run(client.machine(world.machine()).isolate("c").key("k").send()).await;
    assert_eq!(again.err().and_then(|error| error.reason()), Some(UnknownReason::EarlierRequest));
    assert_eq!(world.ledger().len(), 0);
}

#[tokio::test]
async fn second_request_with_a_key_is_not_sent() {
    let world = World::new();
    let journal = Recording::new(&world);
    let isolate = || client(&world, &journal).machine(world.machine()).isolate("c").key("run-7/m1").send();
    let first = world.run(isolate()).await.unwrap();
    let second = world.run(isolate()).await.unwrap();
    assert_eq!((first.id(), first.is_from_journal()), (second.id(), false));
    assert!(second.is_from_journal() && second.origin() == Origin::Created);
    assert_eq!(world.ledger().len(), 1);
    // The same key for another action.
    let other = client(&world, &journal).machine(world.machine()).unisolate("c").key("run-7/m1").send();
    let error = world.run(other).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Request, true));
    assert!(
        error.to_string().contains("the journal key `run-7/m1` is of another action: Isolate of machine"),
        "{error}"
    );
    let error =
        world.run(client(&world, &journal).machine(world.machine()).isolate("c").key(" ").send()).await.unwrap_err();
    assert!(error.to_string().contains("the journal key is blank"), "{error}");
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn key_in_progress_is_not_sent_again() {
    let world = World::new();
    let journal = Recording::new(&world);
    world.emulator.fault(Fault::HangAfterEffect).on(Operation::Isolate).times(1);
    let isolate = || client(&world, &journal).machine(world.machine()).isolate("c").key("k").send();
    assert!(world.run_for(Duration::from_secs(1), isolate()).await.is_none());
    let error = world.run(isolate()).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::OutcomeUnknown, Some(UnknownReason::EarlierRequest)));
    assert!(error.to_string().contains("so nothing was sent; call `recover_pending()`"), "{error}");
    assert_eq!(world.ledger().len(), 1);
    world.clock.advance(HOUR);
    world.run(client(&world, &journal).recover_pending().send()).await.unwrap();
    assert!(world.run(isolate()).await.unwrap().is_from_journal());
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn key_without_effect_is_sent_again() {
    let world = World::new();
    let journal = Recording::new(&world);
    let isolate = || client(&world, &journal).machine(world.machine()).isolate("c").key("k").send();
    let disabled = Fault::Code(defender_emulator::ErrorCode::DisabledFeature);
    for (fault, times) in [(Fault::RefuseConnection, 5), (disabled, 1)] {
        world.emulator.fault(fault).on(Operation::Isolate).times(times);
        let error = world.run(isolate()).await.unwrap_err();
        assert!(!error.is_outcome_unknown(), "{error}");
    }
    assert_eq!(world.run(isolate()).await.unwrap().origin(), Origin::Created);
}

#[tokio::test]
async fn one_action_is_not_recovered_twice() {
    let world = World::new();
    let journal = Recording::new(&world);
    let plain = || builder(&world, &journal).external_ids(defender_actions::ExternalIds::AsGiven).build().unwrap();
    crash(&world, &plain()).await;
    // An equal intent of another process, which died before its request.
    let equal = plain().machine(world.machine()).isolate("INC-1").intent().unwrap();
    journal.intend(&EntryKey::generate(), &equal, Holder::generate(), Duration::ZERO).await.unwrap();
    world.clock.advance(HOUR);
    let (one, two) = (plain(), plain());
    let mut found = 0;
    for client in [one, two] {
        for recovered in world.run(client.recover_pending().send()).await.unwrap() {
            found += usize::from(recovered.outcome.is_ok());
        }
    }
    assert!(found <= 1, "{found} entries report one action");
}

#[tokio::test]
async fn tenants_are_apart() {
    let world = World::new();
    let journal = Recording::new(&world);
    crash(&world, &client(&world, &journal)).await;
    world.clock.advance(HOUR);
    let token = defender_actions::auth::StaticCredential::new("token");
    let other = builder(&world, &journal).credential(token).tenant_id("0e8a5c1f-0000-4000-8000-000000000000");
    let other = other.build().unwrap();
    assert!(world.run(other.recover_pending().send()).await.unwrap().is_empty());
    let intent = journal.only().await.intent;
    let error = world.run(other.recover(intent).send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request);
    assert!(error.to_string().contains("use the client of that tenant"), "{error}");
}

#[tokio::test]
async fn recovery_needs_a_journal() {
    let world = World::new();
    let error = world.run(world.client().recover_pending().send()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid configuration: the client has no journal; set one with `.journal(..)` [configuration]"
    );
    let journal = Recording::new(&world).failing(["claim_unsettled"]);
    let error = world.run(client(&world, &journal).recover_pending().send()).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Journal, true));
}

#[tokio::test]
async fn unwritten_refusal_is_no_open_entry() {
    let world = World::new();
    let journal = Recording::new(&world).failing(["settle"]);
    let client = client(&world, &journal);
    world.emulator.fault(Fault::Code(defender_emulator::ErrorCode::DisabledFeature)).on(Operation::Isolate).times(1);
    let error = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!((error.kind(), journal.only().await.outcome), (ErrorKind::Forbidden, None));
    assert!(world.run(client.recover_pending().send()).await.unwrap().is_empty());
    assert!(matches!(journal.only().await.outcome, Some(Settlement::Refused { .. })));
}

/// Transport that counts its requests.
#[derive(Clone, Debug)]
struct Counting<T>(T, Arc<AtomicUsize>);

#[async_trait::async_trait]
impl<T: Transport> Transport for Counting<T> {
    async fn send(&self, request: http::Request<bytes::Bytes>) -> Result<http::Response<Body>, TransportError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.send(request).await
    }
}

#[tokio::test]
async fn many_entries_are_recovered_with_few_calls() {
    let world = World::with(|emulator| emulator.machines(500));
    let journal = Recording::new(&world);
    let transport = Counting(world.emulator.transport(), Arc::default());
    let client = world.builder_over(transport.clone()).journal(Arc::new(journal.clone())).build().unwrap();
    world.emulator.fault(Fault::HangAfterEffect).on(Operation::RunAntiVirusScan).times(500);
    let scan = |machine| {
        client.machine(machine).run_antivirus_scan("c", defender_actions::model::ScanType::Quick).timeout(HOUR)
    };
    let scans = futures_util::future::join_all(world.machines().into_iter().map(|machine| scan(machine).send()));
    world.run_for(MINUTE * 6, scans).await;
    world.clock.advance(HOUR * 2);
    let before = transport.1.load(Ordering::SeqCst);
    let recovered = world.run(client.recover_pending().send()).await.unwrap();
    assert!(recovered.iter().all(|recovered| recovered.outcome.is_ok()));
    let reads = transport.1.load(Ordering::SeqCst) - before;
    assert!(reads <= 30, "{reads} calls for {} entries", recovered.len());
}

#[tokio::test]
async fn late_intent_is_not_sent() {
    let world = World::new();
    let journal = Recording::new(&world).hanging(["intend"]);
    let isolate = client(&world, &journal).machine(world.machine()).isolate("c").timeout(MINUTE).key("k").send();
    let error = world.run(isolate).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Journal, true));
    assert!(error.to_string().contains("no response of the journal within 60s"), "{error}");
    assert_eq!((world.ledger().len(), world.clock.elapsed()), (0, MINUTE));
    // The journal has the intent, and that nothing was sent: the key may be used again.
    world.run(client(&world, &journal).machine(world.machine()).isolate("c").key("k").send()).await.unwrap();
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn hung_journal_keeps_the_outcome() {
    let world = World::new();
    let journal = Recording::new(&world).hanging(["settle"]);
    let client = client(&world, &journal);
    let error = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent(), world.clock.elapsed()), (ErrorKind::Journal, false, MINUTE / 2));
    let recovered = world.run(client.recover_pending().send()).await.unwrap();
    assert_eq!(recovered[0].outcome.as_ref().unwrap().id(), error.action_id().unwrap());
}

/// A journal that hangs holds back neither the end of an action nor a program that starts.
#[tokio::test]
async fn hung_journal_ends_each_call() {
    let world = World::new();
    let journal = Recording::new(&world).hanging(["finish", "entry", "claim_unsettled"]);
    let client = client(&world, &journal);
    let submitted = world.run(client.machine(world.machine()).isolate("c").key("k").send()).await.unwrap();
    assert!(world.run(submitted.wait().at_most(HOUR).send()).await.is_ok());
    let error = world.run(client.journal_entry(&EntryKey::new("k").unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Journal);
    assert_eq!(world.run(client.recover_pending().send()).await.unwrap_err().kind(), ErrorKind::Journal);
    assert!(world.clock.elapsed() < HOUR, "{:?}", world.clock.elapsed());
}

#[tokio::test]
async fn outcome_survives_a_dropped_future() {
    let world = World::new();
    let journal = Recording::new(&world).hanging(["settle"]);
    let client = client(&world, &journal);
    let isolate = client.machine(world.machine()).isolate("c").send();
    assert!(world.run_for(Duration::from_secs(1), isolate).await.is_none());
    assert_eq!((world.ledger().len(), journal.only().await.outcome), (1, None));
    // A stream that is dropped before its first poll takes nothing with it.
    drop(client.recover_pending().stream());
    let recovered = world.run(client.recover_pending().send()).await.unwrap();
    assert_eq!(recovered[0].outcome.as_ref().unwrap().origin(), Origin::Created);
    assert!(world.run(client.recover_pending().send()).await.unwrap().is_empty());
}

#[tokio::test]
async fn key_of_another_service_is_refused() {
    let (rehearsal, world) = (World::new(), World::new());
    let journal = Recording::new(&world);
    let emulator = &rehearsal.emulator;
    let in_rehearsal = builder(&rehearsal, &journal).clock(world.clock.clone()).prefix("/rehearsal").build().unwrap();
    // The rehearsal has another base URL, the same tenant and the same machines.
    let intent = in_rehearsal.machine(rehearsal.machine()).isolate("c").intent().unwrap();
    journal.intend(&EntryKey::new("k").unwrap(), &intent, Holder::generate(), HOUR).await.unwrap();
    let error = world.run(client(&world, &journal).machine(world.machine()).isolate("c").key("k").send()).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Request, true));
    assert!(error.to_string().contains(emulator.base_url()) && error.to_string().contains("/rehearsal"), "{error}");
}

#[tokio::test]
async fn entry_that_cannot_be_settled_is_returned_once() {
    let world = World::new();
    let journal = Recording::new(&world);
    crash(&world, &client(&world, &journal)).await;
    world.clock.advance(HOUR);
    let journal = journal.failing(vec!["settle"; 100]);
    // Each lease ends before the next claim.
    let other = client(&world, &journal);
    let recovered = world.run(other.recover_pending().send()).await.unwrap();
    assert_eq!(recovered.len(), 1);
    assert_eq!(recovered[0].outcome.as_ref().unwrap_err().kind(), ErrorKind::Journal);
}

#[tokio::test]
async fn journal_decides_on_further_attempts() {
    let world = World::new();
    let journal = Recording::new(&world).failing(["may_resend"]);
    let client = client(&world, &journal);
    world.emulator.fault(Fault::TooManyRequests(RetryAfter::Seconds(5))).on(Operation::Isolate).times(2);
    let isolate = || client.machine(world.machine()).isolate("c").key("k").send();
    let error = world.run(isolate()).await.unwrap_err();
    assert_eq!((error.never_sent(), world.ledger().len()), (true, 1), "{error}");
    assert!(error.to_string().contains("the journal allows no further attempt"), "{error}");
    assert!(matches!(journal.only().await.outcome, Some(Settlement::NotSent { .. })));
    // Nothing happened, so that the key may be used again; the journal allows its second attempt.
    assert_eq!(world.run(isolate()).await.unwrap().origin(), Origin::Created);
    assert_eq!(world.ledger().len(), 3);
}

#[tokio::test]
async fn entry_leads_to_its_action() {
    let world = World::new();
    let journal = Recording::new(&world);
    let first = client(&world, &journal);
    let submitted = world.run(first.machine(world.machine()).isolate("c").send()).await.unwrap();
    let (key, entry) = (submitted.key().unwrap().clone(), journal.only().await);
    let later = client(&world, &journal).submitted(&key, entry.clone()).unwrap();
    assert_eq!((later.id(), later.origin(), later.is_from_journal()), (submitted.id(), Origin::Created, true));
    assert!(world.run(later.wait().into_future()).await.is_ok());
    assert!(journal.only().await.last.is_some(), "the wait writes the last record");
    let open = Entry::new(entry.intent, None, None);
    assert!(first.submitted(&key, open).is_none());
}
