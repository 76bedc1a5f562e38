//! Worker processes that are killed at each step of an action, and two processes that share the journal.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use defender_actions::{EntryKey, Holder, Intended, Journal, JournalScope, Settled};
use defender_store::PostgresStore;

use super::entries::{created, entry_key, intent, record, scope, take_over, unknown};
use crate::world::{Outcome, World, checks, ensure, text};

checks! {
    worker_killed_before_its_intent_leaves_nothing worker_killed_after_its_intent_is_recovered
    worker_killed_after_its_outcome_is_settled killed_worker_loses_no_intent_of_postgres two_processes_recover_each_entry_once
}

/// First argument of a worker. The others are the URL, the tenant, the key, and what it does.
pub(crate) const WORKER: &str = "journal-worker";
/// Lease of a worker.
const LEASE: Duration = Duration::from_millis(800);

/// A worker process. It ends with this one.
struct Worker {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(world: &World, scope: &JournalScope, key: &EntryKey, order: &str) -> Result<Self, String> {
        let mut process = Command::new(std::env::current_exe().map_err(text)?)
            .args([WORKER, &world.server.url(world.server.port), &scope.tenant_id, key.as_str(), order])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(text)?;
        let output = BufReader::new(process.stdout.take().ok_or("no output")?);
        Ok(Self { process, output })
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(text)?;
        ensure!(!line.is_empty(), "a worker ended early");
        Ok(line.trim().to_owned())
    }

    fn wait_for(&mut self, said: &str) -> Outcome {
        while self.line()? != said {}
        Ok(())
    }

    /// Kills the worker, and returns the rest of what it has said.
    fn kill(mut self) -> Result<String, String> {
        self.process.kill().and_then(|()| self.process.wait()).map_err(text)?;
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).map_err(text)?;
        Ok(rest)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program of a worker.
pub(crate) fn work(arguments: &[String]) -> ExitCode {
    let [url, tenant, key, order] = arguments else { return ExitCode::from(2) };
    let scope = JournalScope::new("https://api.security.microsoft.com/", tenant);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(text).and_then(|runtime| {
        runtime.block_on(async {
            let store = PostgresStore::connect(url).await.map_err(text)?;
            match order.as_str() {
                "many" => {
                    let (scope, key) = (scope.clone(), key.clone());
                    tokio::spawn(async move { many(&store, &scope, &key).await });
                }
                "recover" => recover(&store, &scope).await?,
                step => steps(&store, &scope, key, step).await?,
            }
            say(order);
            // Without a parent nobody writes to the input, and nobody kills this process.
            let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
            Ok(())
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err::<_, String>(why) => {
            eprintln!("worker: {why}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{text}").and_then(|()| output.flush());
}

/// Does the steps of an action up to this one.
async fn steps(store: &PostgresStore, scope: &JournalScope, key: &str, last: &str) -> Outcome {
    let (key, holder) = (EntryKey::new(key).ok_or("no key")?, Holder::from_u128(1));
    for step in ["opened", "intended", "settled", "finished"] {
        match step {
            "intended" => {
                let intended = store.intend(&key, &intent(scope)?, holder, LEASE).await.map_err(text)?;
                ensure!(intended == Intended::New, "{intended:?}");
            }
            "settled" => {
                let settled = store.settle(&key, holder, &created("a")?).await.map_err(text)?;
                ensure!(settled == Settled::Done, "{settled:?}");
            }
            "finished" => store.finish(&key, &record("a", "Succeeded")?).await.map_err(text)?,
            _ => {}
        }
        if step == last {
            break;
        }
    }
    Ok(())
}

/// Writes intents until the process ends, and tells each before it is written and after.
async fn many(store: &PostgresStore, scope: &JournalScope, key: &str) -> Outcome {
    for index in 0_u128.. {
        say(&format!("asks {index}"));
        let key = EntryKey::new(&format!("{key}-{index}")).ok_or("no key")?;
        store.intend(&key, &intent(scope)?, Holder::from_u128(index), LEASE).await.map_err(text)?;
        say(&format!("has {index}"));
    }
    Ok(())
}

/// Takes over entries until none is left, and tells each.
async fn recover(store: &PostgresStore, scope: &JournalScope) -> Outcome {
    let mut empty = 0;
    while empty < 20 {
        let lease = Duration::from_secs(100);
        let taken = store.claim_unsettled(scope, Holder::generate(), lease, 3).await.map_err(text)?;
        empty = if taken.is_empty() { empty + 1 } else { 0 };
        for entry in taken {
            say(&format!("took {}", entry.key));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Lets a worker do the steps up to this one, and kills it.
async fn killed_after(world: &World, scope: &JournalScope, step: &str) -> Result<(PostgresStore, EntryKey), String> {
    let (store, key) = (world.store().await?, entry_key());
    let mut worker = Worker::start(world, scope, &key, step)?;
    worker.wait_for(step)?;
    worker.kill()?;
    Ok((store, key))
}

async fn worker_killed_before_its_intent_leaves_nothing(world: &mut World) -> Outcome {
    let scope = scope();
    let (store, key) = killed_after(world, &scope, "opened").await?;
    let entry = store.entry(&key).await.map_err(text)?;
    ensure!(entry.is_none(), "{entry:?}");
    Ok(())
}

/// The request may have been sent: the entry is recovered by another worker, once the lease is over, and its key is not free.
async fn worker_killed_after_its_intent_is_recovered(world: &mut World) -> Outcome {
    let scope = scope();
    let began = Instant::now();
    let (store, key) = killed_after(world, &scope, "intended").await?;
    let intended = store.intend(&key, &intent(&scope)?, Holder::generate(), LEASE).await.map_err(text)?;
    ensure!(matches!(intended, Intended::Existing(_)), "the key of a dead worker was {intended:?}");
    let mut taken = take_over(&store, &scope).await?;
    ensure!(taken.is_empty() || began.elapsed() > LEASE, "{taken:?} was taken over in the time of its lease");
    if taken.is_empty() {
        tokio::time::sleep(LEASE).await;
        taken = take_over(&store, &scope).await?;
    }
    ensure!(taken == [key.clone()], "{taken:?} was taken over after the lease");
    let settled = store.settle(&key, Holder::from_u128(1), &unknown()).await.map_err(text)?;
    ensure!(settled == Settled::NotHeld, "an outcome of the dead worker was {settled:?}");
    Ok(())
}

async fn worker_killed_after_its_outcome_is_settled(world: &mut World) -> Outcome {
    for (step, last) in [("settled", None), ("finished", Some(record("a", "Succeeded")?))] {
        let scope = scope();
        let (store, key) = killed_after(world, &scope, step).await?;
        let entry = store.entry(&key).await.map_err(text)?.ok_or("no entry")?;
        ensure!(entry.outcome == Some(created("a")?) && entry.last == last, "{step}: {entry:?}");
        tokio::time::sleep(LEASE).await;
        let taken = take_over(&store, &scope).await?;
        ensure!(taken.is_empty(), "{taken:?} was taken over, and has an outcome");
    }
    Ok(())
}

/// Kills at any moment, also between commit and response: what the worker knew is there, and what it asked for may be asked for again.
async fn killed_worker_loses_no_intent_of_postgres(world: &mut World) -> Outcome {
    for round in 0..6 {
        let (scope, key, store) = (scope(), entry_key(), world.store().await?);
        let mut worker = Worker::start(world, &scope, &key, "many")?;
        worker.wait_for("has 5")?;
        tokio::time::sleep(Duration::from_micros(1_300 * round)).await;
        let said = worker.kill()?;
        let last = |what: &str| said.lines().filter_map(|line| line.strip_prefix(what)?.parse::<u128>().ok()).max();
        let had = last("has ").unwrap_or(5);
        let asked = last("asks ").unwrap_or(had);
        let key = |index: u128| EntryKey::new(&format!("{key}-{index}")).ok_or("no key");
        for index in 0..=had {
            let entry = store.entry(&key(index)?).await.map_err(text)?;
            ensure!(entry.is_some(), "round {round}: intent {index} is lost");
        }
        let repeat =
            store.intend(&key(asked)?, &intent(&scope)?, Holder::from_u128(asked), LEASE).await.map_err(text)?;
        ensure!(matches!(repeat, Intended::New | Intended::Mine), "round {round}: {repeat:?}");
    }
    Ok(())
}

async fn two_processes_recover_each_entry_once(world: &mut World) -> Outcome {
    const COUNT: usize = 200;

    let (scope, store) = (scope(), world.store().await?);
    for _ in 0..COUNT {
        super::entries::intend(&store, &scope, Duration::ZERO).await?;
    }
    let key = entry_key();
    let mut workers = Vec::new();
    for _ in 0..2 {
        workers.push(Worker::start(world, &scope, &key, "recover")?);
    }
    let (mut taken, mut shares) = (Vec::new(), Vec::new());
    for mut worker in workers {
        let before = taken.len();
        loop {
            let line = worker.line()?;
            let Some(key) = line.strip_prefix("took ") else { break };
            taken.push(key.to_owned());
        }
        shares.push(taken.len() - before);
    }
    let all = taken.len();
    taken.sort();
    taken.dedup();
    ensure!(
        all == COUNT && taken.len() == COUNT,
        "{COUNT} entries were taken over {all} times, {} of them",
        taken.len()
    );
    ensure!(shares.iter().all(|share| *share > 0), "one process has taken over all: {shares:?}");
    Ok(())
}
