//! Failures of the store after something has happened: what has happened is still reported.

use defender_actions::transport::{Clock, SystemClock};

use crate::{
    interrupts::store,
    program::Home,
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
    let halted = format!("error: run {run} is halted, and nothing more is sent. Its state cannot be read: ");
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

/// A new plan is the way, so that no command to go on is shown.
#[tokio::test(flavor = "multi_thread")]
async fn lapsed_run_does_not_go_on() {
    let (emulator, mut home) = service(|emulator| emulator).await;
    let run = stored_run(&home);
    let origin = SystemClock::new().now() + std::time::Duration::from_secs(7_200);
    home.set("DEFENDER_TEST_CLOCK", format!("{origin},1"));
    let ran = home.run(&["resume", &run, "--yes"]);
    assert!(ran.code() != 0 && ran.stderr.contains("make another plan [plan-lapsed]"), "{ran:?}");
    assert!(!ran.stderr.contains("To go on"), "{ran:?}");
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
}

/// The command that created the run may have failed before it looked for another one.
#[tokio::test(flavor = "multi_thread")]
async fn run_beside_another_one_is_not_resumed() {
    let (emulator, home) = service(|emulator| emulator).await;
    let run = stored_run(&home);
    let other =
        "INSERT INTO run (id, tenant, document, created_at) SELECT 'aaaaaaaaaaaa', tenant, document, 0 FROM run";
    store(&home).execute_batch(other).unwrap();
    let ran = home.run(&["resume", &run, "--yes"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("run by another command, as run aaaaaaaaaaaa"), "{ran:?}");
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
    // A run that is halted and has sent nothing does nothing.
    store(&home).execute_batch("UPDATE run SET halted = 'lunch' WHERE id = 'aaaaaaaaaaaa'").unwrap();
    let ran = home.run(&["resume", &run, "--yes"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
}

/// Creates a run of which nothing was sent, and returns its id.
fn stored_run(home: &Home) -> String {
    assert_eq!(home.run(&["report"]).code(), 0, "the store is created");
    store(home).execute_batch(UNREADABLE_RUNS).unwrap();
    home.run(&[&["restrict", "--yes"], &ACT[..]].concat());
    store(home).execute_batch("DROP TRIGGER unreadable; UPDATE run_row SET state = 0").unwrap();
    store(home).query_row("SELECT id FROM run", [], |row| row.get::<_, String>(0)).unwrap()
}
