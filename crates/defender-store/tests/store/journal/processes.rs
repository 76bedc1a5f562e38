//! Worker processes that are killed at each step of an action.
#![cfg(unix)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use defender_actions::{Entry, Holder, Intended, Journal, Settled};
use defender_store::SqliteStore;

use super::world::{SECOND, created, intend, intent, key, record, take_over, unknown};
use crate::folder::Folder;

/// Variables of a worker process: what it does, and the file.
const WORKER: &str = "DEFENDER_JOURNAL_WORKER";
/// Lease of a worker.
const LEASE: Duration = Duration::from_millis(300);

/// A worker process, which is killed with the test.
struct Worker {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(folder: &Folder, order: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::processes::worker_does_what_it_is_told", "--nocapture"])
            .env(WORKER, format!("{order} in {}", folder.file().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    /// Waits until the worker has said this.
    fn wait_for(&mut self, said: &str) {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the worker ended before it said {said}");
            if line.trim_end().ends_with(said) {
                return;
            }
        }
    }

    /// Lets a worker that reads a line go on.
    fn go_on(&mut self) {
        writeln!(self.process.stdin.as_mut().unwrap()).unwrap();
    }

    /// Kills the worker, and returns the rest of what it has said.
    fn kill(mut self) -> String {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(text: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "\n{text}").and_then(|()| output.flush()).unwrap();
}

/// Waits until the process is killed, or its parent ends.
fn wait_for_the_end() {
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// The program of a worker: it does the steps of an action up to one of them. As a test of its own it does all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_does_what_it_is_told() {
    let Ok(order) = std::env::var(WORKER) else {
        let folder = Folder::new();
        let store = SqliteStore::open(folder.file()).await.unwrap();
        return steps(&store, "finished").await;
    };
    let (order, file) = order.split_once(" in ").unwrap();
    let store = SqliteStore::open(file).await.unwrap();
    if order == "many" {
        tokio::spawn(async move { many(&store).await });
    } else if order == "opens again" {
        let again = SqliteStore::open(file).await.unwrap();
        say("opened again");
        let _ = std::io::stdin().read_line(&mut String::new());
        steps(&store, "intended").await;
        say("intended");
        wait_for_the_end();
        drop(again);
    } else {
        steps(&store, order).await;
        say(order);
    }
    wait_for_the_end();
}

async fn steps(store: &SqliteStore, last: &str) {
    let holder = Holder::from_u128(1);
    for step in ["opened", "intended", "settled", "finished"] {
        match step {
            "intended" => {
                assert_eq!(store.intend(&key("first"), &intent(), holder, LEASE).await.unwrap(), Intended::New);
            }
            "settled" => {
                assert_eq!(store.settle(&key("first"), holder, &created("a")).await.unwrap(), Settled::Done);
            }
            "finished" => store.finish(&key("first"), &record("a", "Succeeded")).await.unwrap(),
            _ => {}
        }
        if step == last {
            return;
        }
    }
}

/// Writes entries until the process ends, and tells each before it is written and after.
async fn many(store: &SqliteStore) {
    for index in 0_u128.. {
        say(&format!("asks {index}"));
        store.intend(&key(&index.to_string()), &intent(), Holder::from_u128(index), LEASE).await.unwrap();
        say(&format!("has {index}"));
    }
}

/// What a worker leaves that was killed after this step.
async fn killed_after(step: &str) -> (Folder, SqliteStore, Option<Entry>) {
    let folder = Folder::new();
    let mut worker = Worker::start(&folder, step);
    worker.wait_for(step);
    worker.kill();
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let entry = store.entry(&key("first")).await.unwrap();
    (folder, store, entry)
}

#[expect(clippy::disallowed_methods, reason = "processes live in real time")]
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test]
async fn worker_killed_before_its_intent_leaves_nothing() {
    let (_folder, store, entry) = killed_after("opened").await;
    assert_eq!(entry, None);
    intend(&store, "first", SECOND).await;
}

/// The request may have been sent: the entry is recovered by another worker, once the lease is over, and its key is not free.
#[tokio::test]
async fn worker_killed_after_its_intent_is_recovered() {
    let (_folder, store, entry) = killed_after("intended").await;
    assert_eq!(entry.map(|entry| entry.outcome), Some(None));
    let other = store.intend(&key("first"), &intent(), Holder::generate(), SECOND).await.unwrap();
    assert!(matches!(other, Intended::Existing(_)), "{other:?}");
    let mut taken = take_over(&store).await;
    while taken.is_empty() {
        pass(LEASE / 10).await;
        taken = take_over(&store).await;
    }
    assert_eq!(taken, ["first"]);
    // It was taken over in time, and the killed worker has it no more.
    let settled = store.settle(&key("first"), Holder::from_u128(1), &unknown()).await.unwrap();
    assert_eq!(settled, Settled::NotHeld);
}

#[tokio::test]
async fn worker_killed_after_its_outcome_is_settled() {
    for (step, last) in [("settled", None), ("finished", Some(record("a", "Succeeded")))] {
        let (_folder, store, entry) = killed_after(step).await;
        assert_eq!(entry, Some(Entry::new(intent(), Some(created("a")), last)));
        pass(LEASE).await;
        assert_eq!(take_over(&store).await, [""; 0]);
    }
}

/// Kills at any moment, also between commit and response: what the worker knew is there, and what it asked for may be asked for again.
#[tokio::test]
async fn killed_worker_loses_no_intent() {
    for round in 0..8 {
        let folder = Folder::new();
        let mut worker = Worker::start(&folder, "many");
        worker.wait_for("has 5");
        pass(Duration::from_micros(700 * round)).await;
        let said = worker.kill();
        let last = |what: &str| said.lines().filter_map(|line| line.strip_prefix(what)?.parse::<u128>().ok()).max();
        let store = SqliteStore::open(folder.file()).await.unwrap();
        let had = last("has ").unwrap_or(5);
        let asked = last("asks ").unwrap_or(had);
        for index in 0..=had {
            assert!(store.entry(&key(&index.to_string())).await.unwrap().is_some(), "round {round}: intent {index}");
        }
        let repeat = store.intend(&key(&asked.to_string()), &intent(), Holder::from_u128(asked), LEASE).await.unwrap();
        assert!(matches!(repeat, Intended::New | Intended::Mine), "round {round}: {repeat:?}");
    }
}

/// A process that opens the file a second time keeps its locks. Without them, another process takes the log away under its connections:
/// SQLite before 3.51 as it closes the file, and a newer one in the exclusive mode. What is committed into that log afterwards is lost.
#[tokio::test]
async fn second_store_keeps_the_locks() {
    let folder = Folder::new();
    let mut worker = Worker::start(&folder, "opens again");
    worker.wait_for("opened again");
    let other = rusqlite::Connection::open(folder.file()).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    other.pragma_update(None, "locking_mode", "exclusive").unwrap();
    let mode: rusqlite::Result<String> = other.query_row("pragma journal_mode = delete", [], |row| row.get(0));
    worker.go_on();
    worker.wait_for("intended");
    worker.kill();
    drop(other);
    let other = rusqlite::Connection::open(folder.file()).unwrap();
    let there: i64 = other.query_row("select count(*) from entry where key = 'first'", [], |row| row.get(0)).unwrap();
    assert_eq!(there, 1, "a written intent is lost, and the log was taken away: {mode:?}");
    assert!(mode.is_err(), "the log of another process was taken away: {mode:?}");
}
