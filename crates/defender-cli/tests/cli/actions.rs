//! Single actions: what is waited for, and texts of others that would rewrite the terminal.

use std::{process::Stdio, time::Duration};

use defender_actions::transport::{Clock, SystemClock};
use defender_emulator::{Fault, Operation, Rows, State};

use crate::runs::{ACT, run_of, service};

const ID: &str = "979ac4badf0093988b3a84fa0b7690356afecec5";

/// Text of somebody else rewrites nothing of what a person confirms.
#[tokio::test(flavor = "multi_thread")]
async fn talk_has_no_control_characters() {
    let state = format!(
        r#"{{"machines": [{{"id": "{ID}", "computerDnsName": "x\u001b[2K\rThis cancels nothing", "osPlatform": "Windows11"}}]}}"#
    );
    let (_emulator, home) = service(|emulator| emulator.state(State::from_json(&state).unwrap())).await;
    let ran = home.run(&["isolate", "--id", ID, "--comment", "INC-4711", "--yes", "-o", "jsonl"]);
    let row: serde_json::Value = serde_json::from_str(ran.stdout.trim()).unwrap();
    let cancel = home.run(&["actions", "cancel", row["action_id"].as_str().unwrap(), "--comment", "x"]);
    assert!(cancel.stderr.contains("This cancels Isolate of x This cancels nothing in tenant"), "{cancel:?}");
    let run = run_of(&ran);
    let halted = home.run(&["halt", &run, "--reason", "wrong\u{1b}[2K\rlist"]);
    let report = home.run(&["report", &run]);
    assert!(report.stderr.contains("is halted: wrong list."), "{report:?}");
    for ran in [ran, cancel, halted, report] {
        assert!(!ran.stderr.contains(['\u{1b}', '\r']), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn action_that_was_read_is_printed() {
    let (_emulator, home) = service(|emulator| emulator).await;
    let ran = home.run(&["scan", ACT[0], "--comment", "INC-4711", "--yes", "-o", "jsonl"]);
    let row: serde_json::Value = serde_json::from_str(ran.stdout.trim()).unwrap();
    let (good, missing) = (row["action_id"].as_str().unwrap(), "00000000-0000-4000-8000-000000000000");
    for ids in [[good, missing], [missing, good]] {
        let ran = home.run(&[&["actions", "wait"], &ids[..], &["-o", "json"]].concat());
        let rows: Vec<serde_json::Value> = serde_json::from_str(&ran.stdout).unwrap_or_default();
        assert_eq!((ran.code(), rows.len()), (2, 1), "{ran:?}");
        assert!(ran.stderr.contains(&format!("Action {missing} was not waited for")), "{ran:?}");
    }
}

/// The time is that of the command, and not that of each action.
#[tokio::test(flavor = "multi_thread")]
async fn all_actions_have_one_deadline() {
    let (emulator, home) = service(|emulator| emulator).await;
    for machine in emulator.machine_ids() {
        emulator.machine_offline(machine);
    }
    let ids = emulator.machine_ids().join("\n");
    home.write("ids.txt", &ids);
    let mut scan = home.command(&["scan", "--ids-file", "ids.txt", "--even-if-inactive", "--comment", "x", "--yes"]);
    let mut scan = scan.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let clock = SystemClock::new();
    while emulator.ledger().len() < 3 {
        clock.sleep(Duration::from_millis(50)).await;
    }
    scan.kill().unwrap();
    scan.wait().unwrap();
    let listed = home.run(&["actions", "list", "-o", "jsonl"]).stdout;
    let rows = listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let ids: Vec<_> = rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let began = clock.elapsed();
    let wait = ["actions", "wait", &ids[0], &ids[1], &ids[2], "--at-most", "2m"];
    let ran = home.run(&wait);
    // Two minutes of the service take 6 s, and three times that 18 s.
    let took = clock.elapsed().saturating_sub(began);
    assert!(ran.code() == 2 && ran.stderr.matches("still ").count() >= 3, "{ran:?}");
    assert!(took < Duration::from_secs(14), "{took:?}");
}

/// A row that cannot be read hides no other.
#[tokio::test(flavor = "multi_thread")]
async fn unreadable_rows_are_left_out() {
    let (emulator, home) = service(|emulator| emulator.machines(40).rows(Rows::Seeded(4))).await;
    home.write("ids.txt", &emulator.machine_ids().join("\n"));
    // Some of the machines run another system than Windows, which has no restriction.
    for (verb, requests) in [("scan", 40), ("restrict", 60)] {
        let mut run = home.command(&[verb, "--ids-file", "ids.txt", "--max", "40", "--comment", "x", "--yes"]);
        let mut run = run.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        while emulator.ledger().len() < requests && run.try_wait().unwrap().is_none() {
            SystemClock::new().sleep(Duration::from_millis(50)).await;
        }
        run.kill().unwrap();
        run.wait().unwrap();
    }
    let ran = home.run(&["actions", "list", "-o", "jsonl", "--limit", "100"]);
    let (shown, left_out) = (ran.stdout.lines().count(), ran.stderr.matches("left out: ").count());
    assert!(shown > 0 && left_out > 0, "{ran:?}");
    assert!(ran.code() == 2 && shown + left_out >= 60, "{ran:?}");
    let ran = home.run(&["state"]);
    assert!(ran.code() == 2 && ran.stderr.contains("could not be read, and each may hide a state"), "{ran:?}");
}

/// The reason why a run stopped says less than the outcome of its actions.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_run_tells_of_unknown_outcomes() {
    let (emulator, home) = service(|emulator| emulator).await;
    emulator.fault(Fault::Html502).on(Operation::Isolate).times(1);
    emulator.fault(Fault::Unauthorized).on(Operation::Isolate);
    let isolate = ["isolate", ACT[0], ACT[1], "--comment", "INC-4711", "--wave", "1,rest", "--yes"];
    let ran = home.run(&isolate);
    assert!(ran.stderr.contains(" stopped. Once the cause is gone: "), "{ran:?}");
    assert_eq!(ran.code(), 3, "{ran:?}");
}
