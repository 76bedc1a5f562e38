//! Retries: what is counted, what is confirmed, and what is said of earlier attempts.

use defender_emulator::{ErrorCode, Fault, Operation, Outcome, RetryAfter};

use crate::{
    runs::{ACT, run_of, service},
    terminal::Terminal,
};

const ISOLATE: [&str; 5] = ["isolate", ACT[0], "--comment", "INC-4711", "--yes"];

/// A retry also goes on with what the halted run has not sent.
#[tokio::test(flavor = "multi_thread")]
async fn retry_confirms_all_that_is_sent() {
    let (emulator, home) = service(|emulator| emulator.machines(6)).await;
    emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).on_machine(emulator.machine_ids()[0]).times(1);
    home.write("ids.txt", &emulator.machine_ids().join("\n"));
    let isolate =
        ["isolate", "--ids-file", "ids.txt", "--comment", "INC-4711", "--wave", "1,rest", "--halt-after", "1"];
    let run = run_of(&home.run(&[&isolate[..], &["--yes"]].concat()));
    assert_eq!(emulator.ledger().len(), 1, "the run is halted: {:?}", emulator.ledger());
    let retry = |number: &str| {
        let mut terminal = Terminal::start(&home, &["retry", &run]);
        terminal.wait_for("or anything else to stop");
        terminal.type_text(&format!("{number}\r"));
        (terminal.end(), terminal.screen())
    };
    let (code, screen) = retry("1");
    assert_eq!((code, emulator.ledger().len()), (1, 1), "{screen}");
    assert!(screen.contains("1 machine again, and 5 machines that are not done"), "{screen}");
    let (code, screen) = retry("6");
    assert_eq!((code, emulator.ledger().len()), (0, 7), "{screen}");
}

/// The first request may still take effect after the second one was refused.
#[tokio::test(flavor = "multi_thread")]
async fn failed_row_with_unknown_attempt_is_retried() {
    let (emulator, home) = service(|emulator| emulator).await;
    emulator.fault(Fault::Html502).on(Operation::Isolate).times(1);
    let ran = home.run(&ISOLATE);
    assert_eq!(ran.code(), 3, "{ran:?}");
    let run = run_of(&ran);
    emulator.fault(Fault::Code(ErrorCode::DisallowedOperation)).on(Operation::Isolate).times(1);
    let ran = home.run(&["retry", &run, "--unknown", "--yes"]);
    assert!(ran.code() == 3 && ran.stderr.contains("1 failed"), "{ran:?}");
    let sent = emulator.ledger().len();
    let ran = home.run(&["retry", &run, "--yes"]);
    assert_eq!((ran.code(), emulator.ledger().len()), (3, sent), "{ran:?}");
    assert!(ran.stderr.contains(&format!("`defender retry {run} --unknown`")), "{ran:?}");
    let ran = home.run(&["retry", &run, "--unknown", "--yes"]);
    assert_eq!((ran.code(), emulator.ledger().len()), (0, sent + 1), "{ran:?}");
}

/// The list cannot be read, so that the second attempt is not sent and the first one stays unknown.
#[tokio::test(flavor = "multi_thread")]
async fn planned_row_with_unknown_attempt_is_unknown() {
    let (emulator, home) = service(|emulator| emulator).await;
    emulator.fault(Fault::Html502).on(Operation::Isolate).times(1);
    let run = run_of(&home.run(&ISOLATE));
    let away = emulator.fault(Fault::Status(503, RetryAfter::Absent)).on(Operation::ListActions);
    let ran = home.run(&["retry", &run, "--unknown", "--yes"]);
    assert_eq!(ran.code(), 3, "{ran:?}");
    away.stop();
    let ran = home.run(&["report", &run]);
    assert!(ran.stderr.contains("1 not done (1 of them may have been sent, and may still act)"), "{ran:?}");
    assert_eq!(ran.code(), 3, "{ran:?}");
    let ran = home.run(&["halt", &run]);
    assert!(ran.stderr.contains("0 ended, 1 may have been sent and go on, 0 not sent"), "{ran:?}");
}

/// The exit codes of later commands tell of an unknown name too.
#[tokio::test(flavor = "multi_thread")]
async fn left_out_target_fails_later_commands() {
    let (_emulator, home) = service(|emulator| emulator).await;
    let ran = home.run(&["isolate", ACT[0], "nosuch", "--comment", "INC-4711", "--yes"]);
    let run = run_of(&ran);
    let codes = ["report", "resume", "retry"].map(|command| home.run(&[command, &run]).code());
    assert_eq!((ran.code(), codes), (2, [2, 2, 2]), "{ran:?}");
}
