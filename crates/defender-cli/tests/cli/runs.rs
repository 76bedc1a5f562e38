//! Runs of an emulator in another process, with the store in a file: every command on a run, and each exit code.

use std::{sync::Arc, time::Duration};

use defender_actions::transport::{Clock, SystemClock};
use defender_emulator::{Emulator, EmulatorBuilder, FastClock, Fault, Operation, Outcome};

use crate::{
    program::{Home, Ran},
    transcripts::transcript,
};

const SPEED: u32 = 20;
const ACT: [&str; 4] = ["ws-eng-04.contoso.example", "ws-eng-042.contoso.example", "--comment", "INC-4711"];

async fn service(set: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> (Emulator, Home) {
    let origin = SystemClock::new().now();
    let clock = Arc::new(FastClock::since(origin, SPEED));
    let emulator = Emulator::builder().clock(clock).pending_for(Duration::ZERO).running_for(Duration::from_secs(2));
    let emulator = set(emulator).start().await.unwrap();
    let mut home = Home::new();
    home.sign_in(&emulator);
    home.set("DEFENDER_TEST_CLOCK", format!("{origin},{SPEED}"));
    (emulator, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn life_of_a_run() {
    let (emulator, home) = service(|emulator| emulator).await;
    emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).on_machine(emulator.machine_ids()[1]).times(1);
    transcript(
        "runs",
        &home,
        &[
            ("report", ""),
            ("restrict - --comment INC-4711 --dry-run", "# from the ticket\nws-eng-04.contoso.example\nnosuch\n"),
            ("restrict ws-eng-04.contoso.example --comment INC-4711", ""),
            ("restrict ws-eng-04.contoso.example --comment INC-4711 --max 0 --yes", ""),
            (
                "restrict ws-eng-04.contoso.example ws-eng-042.contoso.example --comment INC-4711 --ticket CHG-12 --wave 1,rest --yes",
                "",
            ),
            ("report", ""),
            ("report RUN -o csv", ""),
            ("retry RUN --unknown --yes", ""),
            ("retry RUN", ""),
            ("retry RUN --yes", ""),
            ("halt RUN --reason 'wrong list'", ""),
            ("report RUN", ""),
            ("resume RUN", ""),
            ("state -o csv", ""),
            ("revert RUN --comment 'INC-4711: false positive' --dry-run", ""),
            ("revert RUN --comment 'INC-4711: false positive' --yes", ""),
            ("state", ""),
            ("plan collect ws-eng-04.contoso.example --comment INC-4711 --out plan.json", ""),
            ("apply plan.json", ""),
            ("apply plan.json --approver jo@contoso.example --ticket CHG-13 --yes -o json", ""),
            ("revert RUN --comment x --yes", ""),
        ],
    );
    // A plan that was changed by hand is refused.
    let plan = std::fs::read_to_string(home.path("plan.json")).unwrap();
    home.write("plan.json", &plan.replace("ws-eng-04.", "ws-eng-05."));
    let ran = home.run(&["apply", "plan.json", "--yes"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("was changed"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn release_is_undone_with_a_type() {
    let (emulator, home) = service(|emulator| emulator).await;
    let id = |ran: &Ran| {
        let line = ran.stderr.lines().find_map(|line| line.strip_prefix("Run ")?.split(' ').next());
        line.unwrap_or_else(|| panic!("{ran:?}")).to_owned()
    };
    let isolated = home.run(&[&["isolate", "--yes"], &ACT[..]].concat());
    let released = home.run(&[&["unisolate", "--yes"], &ACT[..]].concat());
    assert_eq!((isolated.code(), released.code()), (0, 0), "{isolated:?} {released:?}");
    let sent = emulator.ledger().len();
    for (run, options, text) in [
        (id(&released), &[][..], "add --type full, --type selective or --type unmanaged-device"),
        (id(&isolated), &["--type", "full"], "--type is for a run that released machines"),
    ] {
        let ran = home.run(&[&["revert", &run, "--comment", "INC-4711", "--yes"], options].concat());
        assert_eq!(ran.code(), 1, "{ran:?}");
        assert!(ran.stderr.contains(text), "{ran:?}");
    }
    assert_eq!(emulator.ledger().len(), sent);
    let revert = ["revert", &id(&released), "--comment", "INC-4711", "--yes", "--type", "selective"];
    let ran = home.run(&revert);
    assert_eq!(ran.code(), 0, "{ran:?}");
    let ledger = emulator.ledger();
    assert_eq!(ledger.len(), sent + 2, "{ledger:?}");
    assert!(ledger[sent..].iter().all(|entry| entry.body.contains("\"Selective\"")), "{ledger:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_outcome_exits_with_3() {
    let (emulator, home) = service(|emulator| emulator).await;
    emulator.fault(Fault::Html502).on(Operation::Isolate).times(1);
    let ran = home.run(&[&["isolate", "--yes"], &ACT[..]].concat());
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert!(ran.stdout.contains("unknown") && ran.stderr.contains("1 unknown"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_permission_exits_with_4() {
    let (emulator, home) = service(|emulator| emulator.without_role("Machine.Isolate")).await;
    let ran = home.run(&[&["isolate", "--yes"], &ACT[..]].concat());
    assert_eq!(ran.code(), 4, "{ran:?}");
    assert!(ran.stderr.contains("nothing was sent") && ran.stderr.contains("Machine.Isolate"), "{ran:?}");
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
    let ran = home.run(&["preflight", "-o", "csv"]);
    assert_eq!(ran.code(), 4, "{ran:?}");
    let row = ran.stdout.lines().find(|line| line.contains(",Isolate,")).unwrap();
    assert!(row.contains(",no,Machine.Isolate,") && row.contains("Response (manage)"), "{row}");
    assert!(row.contains("Active remediation actions"), "{row}");
}

/// Whatever a command lacks, it sends nothing without a confirmation.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_without_confirmation() {
    let (emulator, home) = service(|emulator| emulator).await;
    for verb in ["isolate", "unisolate", "restrict", "unrestrict", "scan", "collect", "offboard"] {
        let ran = home.run(&[&[verb], &ACT[..]].concat());
        assert_eq!(ran.code(), 1, "{verb}: {ran:?}");
        assert!(ran.stderr.contains("nothing was sent") && ran.stderr.contains("--yes"), "{ran:?}");
        assert_eq!(home.run(&[&[verb, "--dry-run"], &ACT[..]].concat()).code(), 0);
    }
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
}

/// SIGTERM halts a run as Ctrl-C does, and another process goes on with it.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn terminated_run_is_resumed() {
    use std::io::{BufRead, BufReader};

    let (emulator, home) = service(|emulator| emulator.running_for(Duration::from_secs(60))).await;
    let arguments = [&["isolate", "--yes", "--wave", "1,rest"], &ACT[..]].concat();
    let mut command = home.command(&arguments);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let run = talk.find_map(|line| Some(line.strip_prefix("Run ")?.split(' ').next()?.to_owned())).unwrap();
    assert!(talk.any(|line| line.contains("created, action")));
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let rest: Vec<_> = talk.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.ends_with(&format!("To go on: defender resume {run}"))), "{rest:?}");
    assert_eq!(emulator.ledger().len(), 1, "the second wave was not sent");
    assert_eq!(home.run(&["resume", &run]).code(), 1, "a resumed run sends, so that it is confirmed");
    let ran = home.run(&["resume", &run, "--yes"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(emulator.ledger().len(), 2, "{:?}", emulator.ledger());
}
