//! Failures of the store after something has happened: what has happened is still reported.

use defender_actions::transport::{Clock, SystemClock};

use crate::{
    interrupts::store,
    runs::{ACT, run_of, service},
};

/// Lets each later run of the store be unreadable once it was created.
const UNREADABLE_RUNS: &str =
    "CREATE TRIGGER unreadable AFTER INSERT ON run_row BEGIN UPDATE run_row SET state = 9 WHERE run = new.run; END";

#[tokio::test(flavor = "multi_thread")]
async fn stored_halt_is_reported_without_state() {
    let (_emulator, home) = service(|emulator| emulator).await;
    let run = run_of(&home.run(&[&["restrict", "--yes"], &ACT[..]].concat()));
    let trigger = "CREATE TRIGGER broken AFTER UPDATE OF halted ON run BEGIN UPDATE run_row SET state = 9; END";
    store(&home).execute_batch(trigger).unwrap();
    let ran = home.run(&["halt", &run]);
    assert_eq!(ran.code(), 2, "{ran:?}");
    let halted = format!("error: run {run} is halted: nothing more is sent, and its state cannot be read; ");
    assert!(ran.stderr.contains(&halted) && ran.stderr.contains("[store]"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_store_names_created_run() {
    let (emulator, home) = service(|emulator| emulator).await;
    assert_eq!(home.run(&["report"]).code(), 0, "the store is created");
    store(&home).execute_batch(UNREADABLE_RUNS).unwrap();
    let ran = home.run(&[&["restrict", "--yes"], &ACT[..]].concat());
    assert_eq!(ran.code(), 2, "{ran:?}");
    let run = store(&home).query_row("SELECT id FROM run", [], |row| row.get::<_, String>(0)).unwrap();
    let stored = format!("Run {run} is stored, and nothing of it was sent. To go on: defender resume {run}");
    assert!(ran.stderr.contains(&stored), "{ran:?}");
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
}

/// Going on with the second run would send each action again.
#[tokio::test(flavor = "multi_thread")]
async fn second_run_is_not_to_be_resumed() {
    let (emulator, home) = service(|emulator| emulator).await;
    assert_eq!(home.run(&["report"]).code(), 0, "the store is created");
    let triggers = "CREATE TRIGGER other AFTER INSERT ON run WHEN new.id <> 'aaaaaaaaaaaa' BEGIN
         INSERT INTO run (id, tenant, document, created_at) VALUES ('aaaaaaaaaaaa', new.tenant, new.document, 0);
         END;
         CREATE TRIGGER unhalted BEFORE UPDATE OF halted ON run BEGIN SELECT RAISE(ABORT, 'disk is broken'); END";
    store(&home).execute_batch(triggers).unwrap();
    let ran = home.run(&[&["restrict", "--yes"], &ACT[..]].concat());
    assert!(ran.code() == 1 && ran.stderr.contains("another command at the same time, as run aaaaaaaaaaaa"), "{ran:?}");
    assert!(ran.stderr.contains("of this command is not halted, do not resume it"), "{ran:?}");
    assert!(ran.stderr.contains("disk is broken") && !ran.stderr.contains("To go on"), "{ran:?}");
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
}

/// The refusal comes before the confirmation, and the halt stays.
#[tokio::test(flavor = "multi_thread")]
async fn lapsed_run_is_refused_unconfirmed() {
    let (_emulator, mut home) = service(|emulator| emulator).await;
    assert_eq!(home.run(&["report"]).code(), 0, "the store is created");
    store(&home).execute_batch(UNREADABLE_RUNS).unwrap();
    home.run(&[&["restrict", "--yes"], &ACT[..]].concat());
    let mend = "DROP TRIGGER unreadable; UPDATE run_row SET state = 0; UPDATE run SET halted = 'wrong list'";
    store(&home).execute_batch(mend).unwrap();
    let run = store(&home).query_row("SELECT id FROM run", [], |row| row.get::<_, String>(0)).unwrap();
    let origin = SystemClock::new().now() + std::time::Duration::from_secs(7_200);
    home.set("DEFENDER_TEST_CLOCK", format!("{origin},1"));
    let ran = home.run(&["resume", &run]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("lapsed at") && ran.stderr.contains("make another plan [plan-lapsed]"), "{ran:?}");
    assert!(!ran.stderr.contains("To go on"), "{ran:?}");
    let halted = store(&home).query_row("SELECT halted FROM run", [], |row| row.get::<_, Option<String>>(0)).unwrap();
    assert_eq!(halted.as_deref(), Some("wrong list"), "{ran:?}");
}
