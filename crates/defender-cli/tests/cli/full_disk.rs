//! Reports that cannot be printed: the exit code still tells of the actions.

use std::{fs::File, process::Stdio};

use defender_emulator::{Fault, Operation};

use crate::{
    program::Home,
    runs::{ACT, service},
};

/// Runs a command whose stdout is a full disk, and returns its exit code and its stderr.
fn run_on_full_disk(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = home.command(arguments).stdin(Stdio::null()).stdout(full).output().unwrap();
    (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_keeps_exit_code() {
    let (emulator, mut home) = service(|emulator| emulator).await;
    emulator.fault(Fault::Html502).on(Operation::Isolate).times(1);
    let (code, talk) = run_on_full_disk(&home, &[&["isolate", "--yes"], &ACT[..]].concat());
    assert_eq!(code, Some(3), "{talk}");
    assert!(talk.contains("error: cannot write to standard output") && talk.contains("1 unknown"), "{talk}");
    let run = talk.lines().find_map(|line| line.strip_prefix("Run ")?.split(' ').next()).unwrap();
    assert!(talk.contains(&format!("The report again: `defender report {run}`")), "{talk}");
    let (code, talk) = run_on_full_disk(&home, &["report", run]);
    assert!(code == Some(3) && talk.contains("1 unknown"), "{talk}");
    // A success that cannot be printed is no success.
    let (code, talk) = run_on_full_disk(&home, &[&["restrict", "--yes"], &ACT[..]].concat());
    assert!(code == Some(2) && talk.contains("2 succeeded"), "{talk}");
    home.set("AZURE_CLIENT_SECRET", "wrong");
    let (code, talk) =
        run_on_full_disk(&home, &["actions", "wait", "00000000-0000-4000-8000-000000000000", "-o", "json"]);
    assert!(code == Some(4) && talk.contains("error: cannot write to standard output"), "{talk}");
}
