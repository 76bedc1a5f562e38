//! A journal that keeps hashes in place of bodies.

use std::sync::Arc;

use defender_actions::{
    DefenderClient, DefenderClientBuilder, Entry, EntryKey, ErrorKind, ExternalIds, Journal, JournalBody,
    MemoryJournal, Origin, Settlement, UnknownReason, model::LiveResponseCommand,
};
use defender_emulator::{Fault, Operation};

use crate::world::{HOUR, MINUTE, World};

const SECRET: &str = "-Password hunter2";

fn builder(world: &World, journal: &MemoryJournal) -> DefenderClientBuilder {
    let builder = world.builder_over(world.emulator.transport()).journal(Arc::new(journal.clone()));
    builder.journal_body(JournalBody::Hash)
}

async fn run(
    world: &World,
    client: &DefenderClient,
    args: &str,
) -> Result<defender_actions::Submitted, defender_actions::Error> {
    let script = LiveResponseCommand::run_script("clean.ps1").args(args);
    world.run(client.machine(world.machine()).run_live_response("c", [script]).key("k").send()).await
}

async fn entry(journal: &MemoryJournal) -> Entry {
    journal.entry(&EntryKey::new("k").unwrap()).await.unwrap().unwrap()
}

#[tokio::test]
async fn journal_has_no_parameter_of_a_script() {
    let world = World::with(|emulator| emulator.library_file("clean.ps1", "exit 0"));
    let journal = MemoryJournal::new(world.clock.clone());
    let submitted = run(&world, &builder(&world, &journal).build().unwrap(), SECRET).await.unwrap();
    assert!(submitted.action().commands.is_some(), "the caller has all");
    world.run(submitted.wait().into_future()).await.unwrap();
    let entry = entry(&journal).await;
    let Some(Settlement::Submitted { action, .. }) = &entry.outcome else { panic!("{entry:?}") };
    assert_eq!((&action.id, action.commands.as_ref()), (submitted.id(), None));
    assert!(entry.last.is_some());
    let all = format!("{entry:?}{}", serde_json::to_string(&entry.intent).unwrap());
    assert!(!all.contains("hunter2") && all.contains("ParticularsSha256"), "{all}");
    assert!(world.ledger().entries()[0].body.contains("hunter2"), "the service gets the body");
}

#[tokio::test]
async fn hashed_intent_is_recovered_by_its_id() {
    let world = World::new();
    let journal = MemoryJournal::new(world.clock.clone());
    let client = || builder(&world, &journal).build().unwrap();
    world.emulator.fault(Fault::HangAfterEffect).on(Operation::RunLiveResponse).times(1);
    let script = LiveResponseCommand::run_script("clean.ps1").args(SECRET);
    let first = client();
    let lost = first.machine(world.machine()).run_live_response("c", [script]).key("k").send();
    assert!(world.run_for(MINUTE / 60, lost).await.is_none());
    world.clock.advance(HOUR);
    let recovered = world.run(client().recover_pending().send()).await.unwrap();
    assert_eq!(recovered[0].outcome.as_ref().unwrap().origin(), Origin::Recovered);
}

#[tokio::test]
async fn key_is_compared_with_the_hash() {
    let world = World::new();
    let journal = MemoryJournal::new(world.clock.clone());
    let client = || builder(&world, &journal).build().unwrap();
    let first = run(&world, &client(), SECRET).await.unwrap();
    let again = run(&world, &client(), SECRET).await.unwrap();
    assert_eq!((again.id(), again.is_from_journal()), (first.id(), true));
    let other = run(&world, &client(), "-Password other").await.unwrap_err();
    assert_eq!((other.kind(), other.never_sent()), (ErrorKind::Request, true), "{other}");
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn unsent_hashed_intent_ends_as_unknown() {
    let world = World::new();
    let journal = MemoryJournal::new(world.clock.clone());
    let client = builder(&world, &journal).build().unwrap();
    let intent = client.machine(world.machine()).isolate("c").intent().unwrap();
    let (key, holder) = (EntryKey::new("k").unwrap(), defender_actions::Holder::generate());
    journal.intend(&key, &intent, holder, MINUTE).await.unwrap();
    world.clock.advance(HOUR);
    let recovered = world.run(client.recover_pending().send()).await.unwrap();
    let error = recovered[0].outcome.as_ref().unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::NothingFound), "{error}");
}

#[tokio::test]
async fn hash_needs_generated_ids() {
    let world = World::new();
    let journal = MemoryJournal::new(world.clock.clone());
    let error = builder(&world, &journal).external_ids(ExternalIds::AsGiven).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("generated external ids"), "{error}");
}
