//! Ctrl-C and SIGTERM beside the store: between the confirmation and the run, and while the store fails.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use defender_actions::transport::{Clock, SystemClock};
use defender_emulator::{Emulator, Fault, Operation, Outcome};
use rusqlite::Connection;

use crate::{
    program::Home,
    runs::{ACT, run_of, service},
    terminal::{CTRL_C, Terminal},
};

/// Time in which the program does what needs no store.
const MOMENT: Duration = Duration::from_millis(1_500);

/// Opens the store of the commands as another process would.
pub(crate) fn store(home: &Home) -> Connection {
    Connection::open(home.path("state/defender/runs.db")).unwrap()
}

/// Types the confirmation of a command while another process writes to the store, presses Ctrl-C, and lets the store go on.
async fn interrupted(home: &Home, arguments: &[&str]) -> Terminal {
    let mut terminal = Terminal::start(home, arguments);
    terminal.wait_for("Type 1 to ");
    let other = store(home);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    terminal.type_text("1\r");
    SystemClock::new().sleep(MOMENT).await;
    terminal.type_text(CTRL_C);
    SystemClock::new().sleep(MOMENT).await;
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(terminal.end(), 130, "{}", terminal.screen());
    assert!(terminal.screen().contains("interrupted: nothing was sent"), "{}", terminal.screen());
    terminal
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupt_after_confirmation_sends_nothing() {
    let (emulator, home) = service(|emulator| emulator).await;
    assert_eq!(home.run(&["report"]).code(), 0, "the store is created");
    interrupted(&home, &["isolate", ACT[0], "--comment", "INC-4711"]).await;
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupt_after_confirmed_retry_sends_nothing() {
    let (emulator, home) = service(|emulator| emulator).await;
    emulator.fault(Fault::Html502).on(Operation::Isolate).times(1);
    let run = run_of(&home.run(&["isolate", ACT[0], "--comment", "INC-4711", "--yes"]));
    let sent = emulator.ledger().len();
    let terminal = interrupted(&home, &["retry", &run, "--unknown"]).await;
    assert!(terminal.screen().contains(&format!("To go on: defender resume {run}")), "{}", terminal.screen());
    // The store may have planned the row again by then.
    let report = home.run(&["report", &run, "-o", "json"]).stdout;
    let rows: serde_json::Value = serde_json::from_str(&report).unwrap();
    let halted = store(&home).query_row("SELECT halted FROM run", [], |row| row.get::<_, Option<String>>(0));
    assert_eq!(halted.unwrap().as_deref(), Some("interrupted by the user"), "{rows}");
    assert_eq!(emulator.ledger().len(), sent, "{:?}", emulator.ledger());
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupt_after_confirmed_resume_halts_again() {
    let (emulator, home) = service(|emulator| emulator).await;
    emulator.outcome(Outcome::Failed { error_hresult: -1 }).on_machine(emulator.machine_ids()[0]).times(1);
    let isolate =
        ["isolate", ACT[0], ACT[1], "--comment", "INC-4711", "--wave", "1,rest", "--halt-after", "1", "--yes"];
    let run = run_of(&home.run(&isolate));
    let sent = emulator.ledger().len();
    interrupted(&home, &["resume", &run]).await;
    let halted = store(&home).query_row("SELECT halted FROM run", [], |row| row.get::<_, Option<String>>(0));
    assert_eq!((halted.unwrap().as_deref(), emulator.ledger().len()), (Some("interrupted by the user"), sent));
}

/// The request may be on its way, and a person wants to leave.
#[tokio::test(flavor = "multi_thread")]
async fn cancellation_is_interrupted() {
    let (emulator, home) = offline().await;
    let (mut child, ..) = begun(&home);
    child.kill().unwrap();
    child.wait().unwrap();
    let listed = home.run(&["actions", "list", "-o", "jsonl"]).stdout;
    let row: serde_json::Value = serde_json::from_str(listed.trim()).unwrap();
    let action = row["id"].as_str().unwrap();
    emulator.fault(Fault::Hang).on(Operation::CancelAction).times(1);
    let mut terminal = Terminal::start(&home, &["actions", "cancel", action, "--comment", "false positive"]);
    terminal.wait_for("Type 1 to ");
    terminal.type_text("1\r");
    SystemClock::new().sleep(MOMENT).await;
    terminal.type_text(CTRL_C);
    assert_eq!(terminal.end(), 130, "{}", terminal.screen());
    assert!(terminal.screen().contains("may have been sent"), "{}", terminal.screen());
}

/// Starts a run of two waves, waits until its first action is created, and returns the id of the run and the rest of its talk.
fn begun(home: &Home) -> (Child, String, impl Iterator<Item = String>) {
    let mut command = home.command(&[&["isolate", "--yes", "--wave", "1,rest"], &ACT[..]].concat());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let run = talk.find_map(|line| Some(line.strip_prefix("Run ")?.split(' ').next()?.to_owned())).unwrap();
    assert!(talk.any(|line| line.contains("created, action")));
    (child, run, talk)
}

/// Takes the runs of the store away.
fn lose_runs(home: &Home) {
    store(home).execute_batch("PRAGMA busy_timeout = 9000; ALTER TABLE run_row RENAME TO gone").unwrap();
}

async fn offline() -> (Emulator, Home) {
    let (emulator, home) = service(|emulator| emulator).await;
    emulator.machine_offline(emulator.machine_ids()[0]);
    (emulator, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_store_leaves_the_way_to_go_on() {
    let (_emulator, home) = offline().await;
    let (mut child, run, talk) = begun(&home);
    lose_runs(&home);
    let rest: Vec<_> = talk.collect();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{rest:?}");
    assert!(rest.iter().any(|line| line.ends_with(&format!("To go on: defender resume {run}"))), "{rest:?}");
    assert!(rest.last().unwrap().starts_with("error: "), "{rest:?}");
    let unread = format!("error: the report of run {run} cannot be read: ");
    assert!(rest.iter().any(|line| line.starts_with(&unread)), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupt_exits_with_130_without_a_store() {
    let (_emulator, home) = offline().await;
    let (mut child, run, mut talk) = begun(&home);
    let terminate = || assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    terminate();
    assert!(talk.any(|line| line.starts_with("Interrupted: nothing more is sent.")));
    lose_runs(&home);
    terminate();
    let rest: Vec<_> = talk.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.ends_with(&format!("To go on: defender resume {run}"))), "{rest:?}");
}

/// Another person resumes the run while this process waits for what was sent.
#[tokio::test(flavor = "multi_thread")]
async fn run_resumed_meanwhile_is_not_halted() {
    let (_emulator, home) = offline().await;
    let (mut child, run, mut talk) = begun(&home);
    let terminate = || assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    terminate();
    assert!(talk.any(|line| line.starts_with("Interrupted: nothing more is sent.")));
    let other = store(&home);
    other.execute_batch("PRAGMA busy_timeout = 9000").unwrap();
    let is_halted = || other.query_row("SELECT halted IS NOT NULL FROM run", [], |row| row.get::<_, bool>(0)).unwrap();
    while !is_halted() {
        SystemClock::new().sleep(Duration::from_millis(20)).await;
    }
    other.execute_batch("UPDATE run SET halted = NULL").unwrap();
    terminate();
    let rest: Vec<_> = talk.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    let resumed = format!("Run {run} was interrupted here, and is not halted: it was resumed meanwhile.");
    assert!(rest.iter().any(|line| line.starts_with(&resumed)), "{rest:?}");
}
