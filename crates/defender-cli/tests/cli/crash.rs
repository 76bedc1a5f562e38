//! A process that is killed in the middle of a run, and the one that resumes it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use defender_actions::transport::{Clock, SystemClock};
use defender_emulator::{Effect, Emulator, FastClock};

use crate::program::Home;

/// Speed of the clock of service and program: the lease of the dead process lasts 90 s of it.
const SPEED: u32 = 20;
const MACHINES: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn killed_run_is_resumed_without_repeats() {
    let origin = SystemClock::new().now();
    let clock = Arc::new(FastClock::since(origin, SPEED));
    let emulator = Emulator::builder().clock(clock).machines(u32::try_from(MACHINES).unwrap());
    let emulator = emulator.pending_for(Duration::ZERO).running_for(Duration::from_secs(10)).start().await.unwrap();
    let mut home = Home::new();
    home.sign_in(&emulator);
    home.set("DEFENDER_TEST_CLOCK", format!("{origin},{SPEED}"));
    home.write("ids.txt", &emulator.machine_ids().join("\n"));
    let arguments =
        ["collect", "--ids-file", "ids.txt", "--comment", "INC-4711", "--max", "200", "--wave", "20,rest", "--yes"];
    let mut command = home.command(&arguments);
    let mut first = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut talk = BufReader::new(first.stderr.take().unwrap()).lines().map_while(Result::ok);
    let run = talk.find_map(|line| Some(line.strip_prefix("Run ")?.split(' ').next()?.to_owned())).unwrap();
    let created = talk.filter(|line| line.contains("created, action")).take(60).count();
    // SIGKILL, which no code of the process sees.
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(created, 60);
    let sent = posts(&emulator).len();
    assert!((60..MACHINES).contains(&sent), "{sent} were sent before the kill");

    let mut ran = home.run(&["resume", &run, "--yes", "-o", "jsonl"]);
    // A process that dies between an intent and its request leaves a row of which nobody knows that nothing was sent. A person decides.
    let unknown = ran.stdout.lines().filter(|line| line.contains("\"unknown\"")).count();
    assert_eq!(ran.code(), if unknown == 0 { 0 } else { 3 }, "{}", ran.stderr);
    assert_eq!(posts(&emulator).len() + unknown, MACHINES, "an unknown row was sent: {}", ran.stdout);
    if unknown > 0 {
        ran = home.run(&["retry", &run, "--unknown", "--yes", "-o", "jsonl"]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
    }
    let rows: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), MACHINES);
    for row in &rows {
        assert_eq!((row["state"].as_str(), row["run"].as_str()), (Some("succeeded"), Some(run.as_str())), "{row}");
        assert!(row["action_id"].is_string() && row["machine"].is_string(), "{row}");
    }
    let posts = posts(&emulator);
    assert_eq!(posts.len(), MACHINES, "each machine has a request");
    let repeated: Vec<_> = posts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(repeated.is_empty(), "sent twice: {repeated:?}");
    let ran = home.run(&["report", &run, "-o", "csv"]);
    assert_eq!((ran.code(), ran.stdout.lines().count()), (0, MACHINES + 1), "{}", ran.stderr);
}

/// Number of the requests of each path that created an action.
fn posts(emulator: &Emulator) -> BTreeMap<String, u32> {
    let mut posts = BTreeMap::new();
    for entry in emulator.ledger() {
        if entry.method == "POST" && matches!(entry.effect, Effect::Created(_)) {
            *posts.entry(entry.path).or_default() += 1;
        }
    }
    posts
}
