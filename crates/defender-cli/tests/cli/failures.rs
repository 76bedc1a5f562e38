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
    assert!(ran.stderr.contains("`defender halt aaaaaaaaaaaa` ends it"), "{ran:?}");
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
    // A run that is halted and has sent nothing does nothing.
    assert_eq!(home.run(&["halt", "aaaaaaaaaaaa"]).code(), 0);
    let ran = home.run(&["resume", &run, "--yes"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
}

/// The commands that started the runs at the same moment advise each person to resume the run of the other.
#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_a_plan_are_not_resumed_at_once() {
    let (emulator, home) = service(|emulator| emulator).await;
    let run = stored_run(&home);
    let other = "INSERT INTO run (id, tenant, document, halted, created_at)
             SELECT 'aaaaaaaaaaaa', tenant, document, 'the plan was run twice', 0 FROM run;
         CREATE TRIGGER resumed AFTER UPDATE OF halted ON run WHEN new.halted IS NULL AND new.id <> 'aaaaaaaaaaaa' BEGIN
             UPDATE run SET halted = NULL WHERE id = 'aaaaaaaaaaaa'; END";
    store(&home).execute_batch(other).unwrap();
    let ran = home.run(&["resume", &run, "--yes"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("run by another command, as run aaaaaaaaaaaa"), "{ran:?}");
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
    let halted = "SELECT halted FROM run WHERE id <> 'aaaaaaaaaaaa'";
    let halted: Option<String> = store(&home).query_row(halted, [], |row| row.get(0)).unwrap();
    assert_eq!(halted.as_deref(), Some("the plan has another run"));
}

/// A shared store may have any number of runs since the plan was made.
#[tokio::test(flavor = "multi_thread")]
async fn plan_is_found_behind_many_later_runs() {
    let (emulator, home) = service(|emulator| emulator).await;
    let plan = ["plan", "restrict", ACT[0], "--comment", "INC-4711", "--out", "plan.json"];
    assert_eq!(home.run(&plan).code(), 0);
    assert_eq!(home.run(&["apply", "plan.json", "--yes"]).code(), 0);
    assert_eq!(home.run(&["scan", ACT[0], "--comment", "INC-4711", "--yes"]).code(), 0);
    let later = "INSERT INTO run (id, tenant, document, created_at)
         WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 900)
         SELECT printf('%012x', n), tenant, document, 0 FROM (SELECT * FROM run ORDER BY number DESC LIMIT 1), number";
    store(&home).execute_batch(later).unwrap();
    let ran = home.run(&["apply", "plan.json", "--yes"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("the plan was run already"), "{ran:?}");
    assert_eq!(emulator.ledger().len(), 2, "{:?}", emulator.ledger());
}

/// Creates a run of which nothing was sent, and returns its id.
fn stored_run(home: &Home) -> String {
    assert_eq!(home.run(&["report"]).code(), 0, "the store is created");
    store(home).execute_batch(UNREADABLE_RUNS).unwrap();
    home.run(&[&["restrict", "--yes"], &ACT[..]].concat());
    store(home).execute_batch("DROP TRIGGER unreadable; UPDATE run_row SET state = 0").unwrap();
    store(home).query_row("SELECT id FROM run", [], |row| row.get::<_, String>(0)).unwrap()
}
