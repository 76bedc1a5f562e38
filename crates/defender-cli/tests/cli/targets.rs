//! Targets that are blank, and lists that are empty.

use crate::runs::{ACT, service};

#[tokio::test(flavor = "multi_thread")]
async fn blank_target_is_left_out() {
    let (emulator, home) = service(|emulator| emulator).await;
    for (target, reason) in [("", "the name is blank"), (" ", "the name is blank"), ("#x", "not found")] {
        let scan = ["scan", ACT[0], target, "--comment", "INC-4711", "--yes", "-o", "csv"];
        let ran = home.run(&scan);
        assert_eq!(ran.code(), 2, "{target:?}: {ran:?}");
        assert!(ran.stdout.contains("left out") && ran.stdout.contains(reason), "{target:?}: {ran:?}");
        assert!(ran.stdout.contains("argument:2"), "{target:?}: {ran:?}");
    }
    let sent = emulator.ledger().len();
    // An unset variable must not stand for a tag, a filter or an exclusion.
    for option in ["--tag", "--filter", "--exclude-tag"] {
        let ran = home.run(&["scan", ACT[0], option, " ", "--comment", "INC-4711", "--yes"]);
        assert!(ran.code() == 1 && ran.stderr.contains("it is blank"), "{option}: {ran:?}");
    }
    assert_eq!(emulator.ledger().len(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_list_is_named() {
    let (emulator, home) = service(|emulator| emulator).await;
    home.write("empty.txt", "# none yet\n\n");
    home.write("head.csv", "name;site\n");
    for (list, name) in [
        (&["--ids-file", "empty.txt"][..], "`empty.txt`"),
        (&["--csv", "head.csv:name"], "`head.csv`"),
        (&["-"], "`stdin`"),
        (&["--ids-file", "-"], "`stdin`"),
        (&["--csv", "head.csv:name", ACT[0]], "`head.csv`"),
    ] {
        let ran = home.run(&[&["scan", "--comment", "INC-4711", "--yes"], list].concat());
        assert_eq!(ran.code(), 1, "{ran:?}");
        assert!(ran.stderr.contains(&format!("{name} has no target")) && !ran.stderr.contains(".targets"), "{ran:?}");
    }
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
}
