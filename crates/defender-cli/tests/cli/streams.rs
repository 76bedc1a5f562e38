//! Data on stdout, talk on stderr, and no colors where nobody sees them.

use crate::program::Home;

#[test]
fn data_and_talk_are_apart() {
    let home = Home::new();
    let ran = home.run(&["--demo", "find", "--tag", "servers", "-o", "jsonl"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    for line in ran.stdout.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["tenant"], "demo");
    }
    assert_eq!(ran.stdout.lines().count(), 2);
    assert!(ran.stderr.contains("no real machine is touched"), "{}", ran.stderr);
}

#[test]
fn pipes_get_no_escape_sequences() {
    let home = Home::new();
    for arguments in [&["--help"][..], &["nosuch"], &["--demo", "preflight"], &["--demo", "find", "nosuch"]] {
        let ran = home.run(arguments);
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    }
}

#[cfg(unix)]
#[test]
fn closed_pipe_is_no_failure() {
    let home = Home::new();
    let line = format!("'{}' --demo find --tag finance -o csv | true", crate::program::DEFENDER);
    let ran = std::process::Command::new("bash")
        .args(["-o", "pipefail", "-c", &line])
        .env_clear()
        .envs(home.environment())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
}
