//! Recovery by the journal when something else fails as well: reads, the journal itself, a second request.

use std::time::Duration;

use defender_actions::{DefenderClient, EntryKey, ErrorKind, Origin, Settlement, UnknownReason, transport::Clock};
use defender_emulator::{Fault, Operation};

use crate::{
    recording_journal::{Recording, client},
    world::{HOUR, MINUTE, World},
};

/// Drops an isolation after the service has accepted it.
async fn crash(world: &World, journal: &Recording) {
    world.emulator.fault(Fault::HangAfterEffect).on(Operation::Isolate).times(1);
    let client = client(world, journal);
    let isolate = client.machine(world.machine()).isolate("INC-1").key("k").valid_for(HOUR * 24).send();
    assert!(world.run_for(Duration::from_secs(1), isolate).await.is_none());
}

#[tokio::test]
async fn unreadable_list_leaves_the_entry_intended() {
    let world = World::new();
    let journal = Recording::new(&world);
    crash(&world, &journal).await;
    world.clock.advance(HOUR);
    let rule =
        world.emulator.fault(Fault::Status(403, defender_emulator::RetryAfter::Absent)).on(Operation::ListActions);
    let recovered = world.run(client(&world, &journal).recover_pending().send()).await.unwrap();
    let error = recovered[0].outcome.as_ref().unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::NotReadable), "{error}");
    assert_eq!(journal.entry_of("k").await.outcome, None);

    rule.stop();
    world.clock.advance(HOUR);
    let recovered = world.run(client(&world, &journal).recover_pending().send()).await.unwrap();
    assert_eq!(recovered[0].outcome.as_ref().unwrap().origin(), Origin::Recovered);
}

#[tokio::test]
async fn lost_response_without_reads_is_recovered_later() {
    let world = World::new();
    let journal = Recording::new(&world);
    let rule =
        world.emulator.fault(Fault::Status(403, defender_emulator::RetryAfter::Absent)).on(Operation::ListActions);
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Isolate).times(1);
    let isolate = client(&world, &journal).machine(world.machine()).isolate("INC-1").key("k").send();
    let error = world.run(isolate).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error}");
    assert_eq!(journal.entry_of("k").await.outcome, None);
    rule.stop();
    world.clock.advance(HOUR);
    let recovered = world.run(client(&world, &journal).recover_pending().send()).await.unwrap();
    assert_eq!(recovered[0].outcome.as_ref().unwrap().origin(), Origin::Recovered);
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn long_validity_does_not_lengthen_the_lease() {
    let world = World::new();
    let journal = Recording::new(&world);
    crash(&world, &journal).await; // its intent is valid for a day
    world.clock.advance(MINUTE * 20);
    let recovered = world.run(client(&world, &journal).recover_pending().send()).await.unwrap();
    assert_eq!(recovered.len(), 1);
}

#[tokio::test]
async fn failed_second_request_keeps_the_outcome_of_the_first() {
    let world = World::new();
    let journal = Recording::new(&world);
    let client = client(&world, &journal);
    let isolate = || client.machine(world.machine()).isolate("INC-1").key("k").send();
    let journal = journal.failing(["settle"]);
    let first = world.run(isolate()).await.unwrap_err();
    assert_eq!((first.kind(), first.action().is_some()), (ErrorKind::Journal, true), "{first}");
    let journal = journal.failing(["intend", "settle"]);
    let second = world.run(isolate()).await.unwrap_err();
    assert_eq!((second.kind(), second.never_sent()), (ErrorKind::Journal, true), "{second}");

    let recovered = world.run(client.recover_pending().send()).await.unwrap();
    assert_eq!(recovered[0].outcome.as_ref().unwrap().origin(), Origin::Created, "this process knows the outcome");
    assert!(matches!(journal.entry_of("k").await.outcome, Some(Settlement::Submitted { .. })));
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn late_intent_of_a_failed_call_is_settled_as_not_sent() {
    let world = World::new();
    let journal = Recording::new(&world);
    let client = client(&world, &journal);
    let journal = journal.failing(["intend", "settle"]);
    let error = world.run(client.machine(world.machine()).isolate("INC-1").key("k").send()).await.unwrap_err();
    assert!(error.never_sent(), "{error}");
    assert!(world.run(client.recover_pending().send()).await.unwrap().is_empty());
    // The database commits the intent after it was given up.
    journal.commit_late().await;
    assert!(world.run(client.recover_pending().send()).await.unwrap().is_empty());
    assert!(matches!(journal.entry_of("k").await.outcome, Some(Settlement::NotSent { .. })));
    assert_eq!(world.ledger().len(), 0);
}

/// A process reads an entry: an outcome that the journal did not take before is in it.
#[tokio::test]
async fn read_entry_has_the_kept_outcome() {
    for is_sent in [true, false] {
        let world = World::new();
        let journal = Recording::new(&world).failing(["settle"]);
        let journal = if is_sent { journal } else { journal.hanging(["intend"]) };
        let (client, other) = (client(&world, &journal), client(&world, &journal));
        let isolate = client.machine(world.machine()).isolate("INC-1").key("k").send();
        let error = world.run(isolate).await.unwrap_err();
        assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Journal, !is_sent), "{error}");
        let key = EntryKey::new("k").unwrap();
        assert_eq!(other.journal_entry(&key).await.unwrap().unwrap().outcome, None, "another process does not know");
        let outcome = client.journal_entry(&key).await.unwrap().unwrap().outcome;
        match &outcome {
            Some(Settlement::Submitted { origin: Origin::Created, .. }) if is_sent => {}
            Some(Settlement::NotSent { .. }) if !is_sent => {}
            other => panic!("sent: {is_sent}: {other:?}"),
        }
        assert_eq!(other.journal_entry(&key).await.unwrap().unwrap().outcome, outcome);
        assert_eq!(other.journal_entry(&EntryKey::generate()).await.unwrap(), None);
        assert_eq!(world.ledger().len(), usize::from(is_sent));
    }
}

/// The journal is away while an entry is read whose outcome only this process knows.
#[tokio::test]
async fn read_entry_waits_for_the_journal() {
    for is_sent in [true, false] {
        let world = World::new();
        let journal = Recording::new(&world).failing(["settle"]);
        let journal = if is_sent { journal } else { journal.hanging(["intend"]) };
        let client = client(&world, &journal);
        let isolate = client.machine(world.machine()).isolate("INC-1").key("k").send();
        world.run(isolate).await.unwrap_err();
        let (key, began) = (EntryKey::new("k").unwrap(), world.clock.elapsed());
        let journal = journal.failing(["settle"; 31]);
        let error = world.run(client.journal_entry(&key)).await.unwrap_err();
        assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Journal, !is_sent), "{error}");
        assert_eq!(world.clock.elapsed().saturating_sub(began), MINUTE);
        let _journal = journal.failing(["settle"; 29]);
        assert!(world.run(client.journal_entry(&key)).await.unwrap().unwrap().outcome.is_some());
        // There is nothing left to wait for.
        let began = world.clock.elapsed();
        world.run(client.journal_entry(&key)).await.unwrap();
        assert_eq!(world.clock.elapsed(), began);
    }
}

/// A program writes all that the journal did not take, before it ends.
#[tokio::test]
async fn flushed_journal_has_each_outcome() {
    let world = World::new();
    let journal = Recording::new(&world).failing(["settle"; 2]).hanging(["intend"; 2]);
    let (client, other) = (client(&world, &journal), client(&world, &journal));
    let keys = ["a", "b"].map(|key| EntryKey::new(key).unwrap());
    for key in &keys {
        let isolate = client.machine(world.machine()).isolate("INC-1").key(key.as_str()).send();
        assert!(world.run(isolate).await.unwrap_err().never_sent());
    }
    let _journal = journal.failing(["settle"]);
    let error = world.run(client.flush_journal()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Journal, true), "{error}");
    world.run(client.flush_journal()).await.unwrap();
    for key in &keys {
        let outcome = other.journal_entry(key).await.unwrap().unwrap().outcome;
        assert!(matches!(outcome, Some(Settlement::NotSent { .. })), "{key}: {outcome:?}");
    }
    assert_eq!(world.ledger().len(), 0);
}

/// The entry of a key belongs to another call by now.
#[tokio::test]
async fn kept_outcome_is_of_its_holder_alone() {
    let world = World::new();
    let journal = Recording::new(&world).failing(["intend", "settle"]);
    let (client, other) = (client(&world, &journal), client(&world, &journal));
    let isolate = |client: &DefenderClient| client.machine(world.machine()).isolate("INC-1").key("k").send();
    let error = world.run(isolate(&client)).await.unwrap_err();
    assert!(error.never_sent(), "{error}");
    world.emulator.fault(Fault::HangAfterEffect).on(Operation::Isolate).times(1);
    assert!(world.run_for(Duration::from_secs(1), isolate(&other)).await.is_none(), "the request is on its way");
    let key = EntryKey::new("k").unwrap();
    assert_eq!(client.journal_entry(&key).await.unwrap().unwrap().outcome, None);
}

#[tokio::test]
async fn entry_needs_a_journal() {
    let world = World::new();
    let client = world.builder_over(world.emulator.transport()).build().unwrap();
    let error = client.journal_entry(&EntryKey::generate()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("`.journal(..)`"), "{error}");
    assert_eq!(client.flush_journal().await.unwrap_err().kind(), ErrorKind::Configuration);
}
