//! Runs of an emulator in another process, with the store in a file: every command on a run, and each exit code.

use std::{sync::Arc, time::Duration};

use defender_actions::transport::{Clock, SystemClock};
use defender_emulator::{Emulator, EmulatorBuilder, FastClock, Fault, Operation, Outcome};

use crate::{
    program::{Home, Ran},
    transcripts::transcript,
};

const SPEED: u32 = 20;
pub(crate) const ACT: [&str; 4] = ["ws-eng-04.contoso.example", "ws-eng-042.contoso.example", "--comment", "INC-4711"];

pub(crate) async fn service(set: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> (Emulator, Home) {
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
    // The command that a plan names is one line of a shell.
    let named = home.run(&[&["plan", "restrict", "--out", "a plan.json"], &ACT[..]].concat());
    let quoted = if cfg!(windows) { "\"a plan.json\"" } else { "'a plan.json'" };
    assert!(named.stderr.contains(&format!("Run it by `defender apply {quoted}`")), "{named:?}");
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
    let isolated = home.run(&[&["isolate", "--yes"], &ACT[..]].concat());
    let released = home.run(&[&["unisolate", "--yes"], &ACT[..]].concat());
    assert_eq!((isolated.code(), released.code()), (0, 0), "{isolated:?} {released:?}");
    let sent = emulator.ledger().len();
    for (run, options, text) in [
        (run_of(&released), &[][..], "add --type full, --type selective or --type unmanaged-device"),
        (run_of(&isolated), &["--type", "full"], "--type is for a run that released machines"),
    ] {
        let ran = home.run(&[&["revert", &run, "--comment", "INC-4711", "--yes"], options].concat());
        assert_eq!(ran.code(), 1, "{ran:?}");
        assert!(ran.stderr.contains(text), "{ran:?}");
    }
    assert_eq!(emulator.ledger().len(), sent);
    let revert = ["revert", &run_of(&released), "--comment", "INC-4711", "--yes", "--type", "selective"];
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
    assert_eq!(emulator.ledger().len(), 1, "the second wave was not sent");
    assert!(rest.iter().any(|line| line.ends_with(&format!("To go on: defender resume {run}"))), "{rest:?}");
    assert_eq!(home.run(&["resume", &run]).code(), 1, "a resumed run sends, so that it is confirmed");
    let ran = home.run(&["resume", &run, "--yes"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(emulator.ledger().len(), 2, "{:?}", emulator.ledger());
}

/// Returns the id of the run of a command.
pub(crate) fn run_of(ran: &Ran) -> String {
    let line = ran.stderr.lines().find_map(|line| line.strip_prefix("Run ")?.split(' ').next());
    line.unwrap_or_else(|| panic!("{ran:?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_is_shown_and_runs_once() {
    let (emulator, home) = service(|emulator| emulator).await;
    let planned = home.run(&[&["plan", "restrict", "--out", "plan.json"], &ACT[..]].concat());
    assert_eq!(planned.code(), 0, "{planned:?}");
    let shown = home.run(&["apply", "plan.json", "--dry-run", "-o", "csv"]);
    assert_eq!((shown.code(), &shown.stdout), (0, &home.run(&["apply", "plan.json", "--dry-run", "-o", "csv"]).stdout));
    assert!(shown.stderr.contains("Nothing was sent."), "{shown:?}");
    let other = home.run(&["--tenant", "other", "apply", "plan.json", "--yes"]);
    assert!(other.code() == 1 && other.stderr.contains("--tenant names `other`"), "{other:?}");
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
    let ran = home.run(&["apply", "plan.json", "--yes"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    let again = home.run(&["apply", "plan.json", "--yes"]);
    assert_eq!(again.code(), 1, "{again:?}");
    assert!(again.stderr.contains(&format!("the plan was run already, as run {}", run_of(&ran))), "{again:?}");
    assert_eq!(emulator.ledger().len(), 2, "{:?}", emulator.ledger());
}

/// At most one of several commands that start at the same moment sends anything.
#[tokio::test(flavor = "multi_thread")]
async fn plan_runs_once_at_a_time() {
    let (emulator, home) = service(|emulator| emulator).await;
    assert_eq!(home.run(&[&["plan", "restrict", "--out", "plan.json"], &ACT[..]].concat()).code(), 0);
    let codes: Vec<_> = std::thread::scope(|scope| {
        let apply = || scope.spawn(|| home.run(&["apply", "plan.json", "--yes"]));
        [apply(), apply(), apply()].map(|ran| ran.join().unwrap()).into_iter().collect()
    });
    let refused =
        codes.iter().filter(|ran| ran.code() == 1 && ran.stderr.contains("nothing was sent: the plan was run")).count();
    let done = codes.iter().filter(|ran| ran.code() == 0).count();
    assert!(done <= 1 && refused + done == 3, "{codes:?}");
    assert_eq!(emulator.ledger().len(), 2 * done, "{:?}", emulator.ledger());
}

#[tokio::test(flavor = "multi_thread")]
async fn list_of_lines_is_no_csv_file() {
    let (emulator, home) = service(|emulator| emulator).await;
    home.write("hosts.csv", "name;site\nws-eng-04.contoso.example;a\n");
    let ran = home.run(&["restrict", "--ids-file", "hosts.csv", "--comment", "INC-4711", "--yes"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    let why = "its first line is `name;site`; name one of its columns: `--csv FILE:COLUMN`";
    assert!(ran.stderr.contains(why), "{ran:?}");
    let ran = home.run(&[
        "restrict",
        "--csv",
        "hosts.csv:name",
        "nosuch-1",
        "nosuch-2",
        "--comment",
        "INC-4711",
        "--dry-run",
        "-o",
        "csv",
    ]);
    assert!(ran.stdout.contains("argument:1") && ran.stdout.contains("argument:2"), "{ran:?}");
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
}

#[tokio::test(flavor = "multi_thread")]
async fn tenant_of_a_run_must_agree() {
    let (emulator, home) = service(|emulator| emulator).await;
    let run = run_of(&home.run(&[&["restrict", "--yes"], &ACT[..]].concat()));
    for command in
        [&["report"][..], &["halt"], &["resume", "--yes"], &["retry", "--yes"], &["revert", "--comment", "x", "--yes"]]
    {
        let ran = home.run(&[&["--tenant", "other"], command, &[&run]].concat());
        assert_eq!(ran.code(), 1, "{ran:?}");
        assert!(ran.stderr.contains("and --tenant names `other`"), "{ran:?}");
    }
    assert_eq!(emulator.ledger().len(), 2, "{:?}", emulator.ledger());
}

#[tokio::test(flavor = "multi_thread")]
async fn collected_files_are_downloaded() {
    let (emulator, home) = service(|emulator| emulator).await;
    let ran = home.run(&[&["collect", "--yes"], &ACT[..]].concat());
    let run = run_of(&ran);
    assert!(ran.stderr.contains(&format!("`defender download {run} --to FOLDER`")), "{ran:?}");
    for _ in 0..2 {
        let ran = home.run(&["download", &run, "--to", "evidence", "-o", "jsonl"]);
        assert_eq!(ran.code(), 0, "{ran:?}");
        let rows: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len(), 2, "{ran:?}");
        for row in rows {
            let file = home.path(row["file"].as_str().unwrap());
            assert!(file.extension().is_some_and(|extension| extension == "zip") && file.exists(), "{row}");
        }
    }
    let empty = home.run(&["live-response", ACT[0], "--run", "nosuch.ps1", "--comment", "INC-4711", "--yes"]);
    let ran = home.run(&["download", &run_of(&empty), "--to", "evidence"]);
    assert!(ran.code() == 2 && ran.stderr.contains("there is no file"), "{ran:?}");
    let restricted = run_of(&home.run(&[&["restrict", "--yes"], &ACT[..]].concat()));
    let ran = home.run(&["download", &restricted, "--to", "evidence"]);
    assert!(ran.code() == 1 && ran.stderr.contains("RestrictCodeExecution has no results"), "{ran:?}");
    emulator.fault(Fault::SignIn(7_000_222));
    let ran = home.run(&["download", &run, "--to", "elsewhere"]);
    assert!(ran.code() == 4 && ran.stderr.contains("2 missing"), "{ran:?}");
}

/// Examples of the help with `jq` select by fields and values that the data has.
#[tokio::test(flavor = "multi_thread")]
async fn examples_name_fields_of_the_data() {
    let (_emulator, home) = service(|emulator| emulator.without_role("Machine.Offboard")).await;
    let run = run_of(&home.run(&[&["restrict", "--yes"], &ACT[..]].concat()));
    for (command, arguments) in
        [("report", vec!["report", &run]), ("preflight", vec!["preflight"]), ("state", vec!["state"])]
    {
        let help = home.run(&[command, "--help"]).stdout;
        let example =
            help.lines().find_map(|line| line.split_once("jq ")).unwrap_or_else(|| panic!("{help}")).1.to_owned();
        let data = home.run(&[&arguments[..], &["-o", "json"]].concat()).stdout;
        let rows: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&data).unwrap();
        let words = example.split(['(', ' ', '|', ')', '\'', '[']);
        for field in
            words.filter_map(|word| word.strip_prefix('.')).filter(|field| !field.is_empty() && !field.starts_with(']'))
        {
            assert!(rows[0].contains_key(field), "{command}: {field} of {example}");
        }
        // `select(.FIELD != "VALUE")`
        if let Some((field, rest)) = example.split_once(" != \"") {
            let (field, value) = (field.rsplit('.').next().unwrap(), rest.split('"').next().unwrap());
            assert!(rows.iter().any(|row| row[field] == value), "{command}: no row has {value} in {field}");
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn approver_without_name_is_a_number() {
    let (_emulator, mut home) = service(|emulator| emulator).await;
    for variable in ["USER", "LOGNAME", "USERNAME"] {
        home.set(variable, "");
    }
    let ran = home.run(&[&["restrict", "--yes", "-o", "jsonl"], &ACT[..]].concat());
    assert!(ran.stdout.contains("\"approver\":\"uid "), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn file_is_no_name_of_a_machine() {
    let (emulator, home) = service(|emulator| emulator).await;
    home.write("hosts.csv", "name\nws-eng-04.contoso.example\n");
    let ran = home.run(&["restrict", "hosts.csv", "--comment", "INC-4711", "--yes"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.stderr.contains("give --csv hosts.csv:COLUMN or --ids-file hosts.csv"), "{ran:?}");
    assert!(emulator.ledger().is_empty());
}

/// Halt and report tell what was sent from what was not, and a resumption says for what it waits.
#[tokio::test(flavor = "multi_thread")]
async fn halt_tells_what_was_sent() {
    use std::io::{BufRead, BufReader};

    let (emulator, home) = service(|emulator| emulator).await;
    emulator.machine_offline(emulator.machine_ids()[0]);
    let mut command = home.command(&[&["isolate", "--yes", "--wave", "1,rest"], &ACT[..]].concat());
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let run = talk.find_map(|line| Some(line.strip_prefix("Run ")?.split(' ').next()?.to_owned())).unwrap();
    assert!(talk.any(|line| line.contains("created, action")));
    let halted = home.run(&["halt", &run]).stderr;
    assert!(halted.contains("Of 2 machines: 0 ended, 1 may have been sent and go on, 1 not sent."), "{halted}");
    child.kill().unwrap();
    child.wait().unwrap();
    let report = home.run(&["report", &run]).stderr;
    assert!(report.contains("2 not done (1 of them may have been sent, and may still act)"), "{report}");
    emulator.machine_online(emulator.machine_ids()[0]);
    let ran = home.run(&["resume", &run, "--yes"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(
        ran.stderr.contains("1 action may have been sent") && ran.stderr.contains("lease of 90 seconds"),
        "{ran:?}"
    );
    assert_eq!(emulator.ledger().len(), 2, "{:?}", emulator.ledger());
    let halted = home.run(&["halt", &run]).stderr;
    assert!(halted.contains("has ended already"), "{halted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmation_lists_all_machines() {
    for (machines, listed) in [(30, 30), (60, 20)] {
        let (emulator, home) = service(|emulator| emulator.machines(machines)).await;
        home.write("ids.txt", &emulator.machine_ids().join("\n"));
        let ran = home.run(&["scan", "--ids-file", "ids.txt", "--max", "100", "--comment", "INC-4711"]);
        let lines = ran.stderr.lines().filter(|line| line.starts_with("  wave 1 ")).count();
        assert_eq!((ran.code(), lines), (1, listed), "{ran:?}");
        assert_eq!(
            ran.stderr.contains("All machines and targets: the same command with --dry-run"),
            listed == 20,
            "{ran:?}"
        );
        assert!(emulator.ledger().is_empty());
    }
}
