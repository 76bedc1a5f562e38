//! Figures of the journal, each beside a bare INSERT of the same text in the same run.

use std::{
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use defender_actions::{Intent, Journal};
use defender_store::SqliteStore;
use futures_util::future::join_all;

use super::entries::{LEASE, created, intend, intent, record, scope};
use crate::world::{Outcome, World, describe, text};

/// First argument of a worker. The others are the file, and its number.
pub(crate) const WORKER: &str = "journal-bench";
const TURNS: usize = 1_000;
/// Tasks of a process, and entries of a task.
const TASKS: usize = 8;
const ENTRIES: usize = 100;
/// Entries whose size is measured.
const SIZED: usize = 3_000;

/// Measures, and prints.
pub(crate) async fn run(world: &World) -> Outcome {
    sqlite(world).await?;
    two_processes(world)?;
    postgres(world).await
}

async fn sqlite(world: &World) -> Outcome {
    let file = world.folder.0.join("bench-journal.db");
    let store = SqliteStore::open(&file).await.map_err(text)?;
    let other = rusqlite::Connection::open(&file).map_err(text)?;
    other.pragma_update(None, "synchronous", "FULL").map_err(text)?;
    other.execute_batch("create table bare (id integer primary key, v text not null)").map_err(text)?;
    let scope = scope();
    let same = serde_json::to_string(&intent(&scope)?).map_err(text)?;
    let (mut inserts, mut intents, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let began = Instant::now();
        other
            .prepare_cached("insert into bare (v) values (?1)")
            .and_then(|mut bare| bare.execute([&same]))
            .map_err(text)?;
        inserts.push(began.elapsed());
        let began = Instant::now();
        let (key, holder) = intend(&store, &scope, LEASE).await?;
        intents.push(began.elapsed());
        let outcome = created(&turn.to_string())?;
        let began = Instant::now();
        store.settle(&key, holder, &outcome).await.map_err(text)?;
        outcomes.push(began.elapsed());
    }
    let bare = quantile(&mut inserts, 50);
    print("SQLite, an intent and a bare INSERT, taking turns", bare, &mut intents, "under 1 ms, ratio at most 1.5");
    print("SQLite, an outcome and a bare INSERT, taking turns", bare, &mut outcomes, "none set");
    drop((store, other));
    sqlite_size(&file.with_extension("size")).await
}

async fn sqlite_size(file: &Path) -> Outcome {
    let store = SqliteStore::open(file).await.map_err(text)?;
    let pages = || -> Result<i64, String> {
        let other = rusqlite::Connection::open(file).map_err(text)?;
        let number =
            |name: &str| other.query_row(&format!("pragma {name}"), [], |row| row.get::<_, i64>(0)).map_err(text);
        Ok(number("page_count")? * number("page_size")?)
    };
    let before = pages()?;
    fill(&store).await?;
    let bytes = pages()?.saturating_sub(before) / i64::try_from(SIZED).map_err(text)?;
    println!("| SQLite, size of an entry that has ended | {bytes} bytes | none set |");
    Ok(())
}

/// Writes entries to their end, as of a typical action.
async fn fill(journal: &(impl Journal + Clone + 'static)) -> Outcome {
    let tasks = (0..TASKS).map(|task| {
        let journal = journal.clone();
        tokio::spawn(async move {
            let scope = scope();
            for index in 0..SIZED / TASKS {
                let (key, holder) = intend(&journal, &scope, LEASE).await?;
                let id = format!("{task:08}-1ccc-4342-acf3-{index:012}");
                let action = |status: &str| {
                    let mut action = record(&id, status)?;
                    action.computer_dns_name = Some("workstation-0815.contoso.example".to_owned());
                    action.requestor_comment = Some("INC-4711: cleaned and validated".to_owned());
                    action.requestor = Some("0b0e1f7c-7c1c-4e59-9b7c-5d5e2f0a1b2c".to_owned());
                    Ok::<_, String>(action)
                };
                let outcome = defender_actions::Settlement::Submitted {
                    origin: defender_actions::Origin::Created,
                    action: Box::new(action("Pending")?),
                };
                journal.settle(&key, holder, &outcome).await.map_err(text)?;
                journal.finish(&key, &action("Succeeded")?).await.map_err(text)?;
            }
            Ok::<_, String>(())
        })
    });
    for done in join_all(tasks).await {
        done.map_err(text)??;
    }
    Ok(())
}

/// Two processes write entries to one file, each with several tasks.
fn two_processes(world: &World) -> Outcome {
    let file = world.folder.0.join("bench-processes.db");
    let program = std::env::current_exe().map_err(text)?;
    let began = Instant::now();
    let workers = (0..2).map(|number: u8| {
        let mut command = Command::new(&program);
        command.args([WORKER.as_ref(), file.as_os_str(), number.to_string().as_ref()]).stdout(Stdio::piped()).spawn()
    });
    let workers: Vec<_> = workers.collect::<Result<_, _>>().map_err(text)?;
    let (mut intents, mut outcomes) = (Vec::new(), Vec::new());
    for worker in workers {
        let said = worker.wait_with_output().map_err(text)?;
        for line in String::from_utf8_lossy(&said.stdout).lines() {
            let (what, micros) = line.split_once(' ').ok_or("a line of a worker has no number")?;
            let time = Duration::from_micros(micros.parse().map_err(text)?);
            if what == "intent" { intents.push(time) } else { outcomes.push(time) }
        }
    }
    let rate = f64::from(u32::try_from(intents.len()).map_err(text)?) / began.elapsed().as_secs_f64();
    if intents.len() != 2 * TASKS * ENTRIES {
        return Err(format!("{} of {} intents were written by two processes", intents.len(), 2 * TASKS * ENTRIES));
    }
    for (what, times, goal) in
        [("an intent", &mut intents, "median under 3 ms, none over 1 s"), ("an outcome", &mut outcomes, "none set")]
    {
        let [median, late, worst] = [50, 99, 100].map(|part| millis(quantile(times, part)));
        println!(
            "| SQLite, {what} of two processes with {TASKS} tasks each | median {median:.2} ms, p99 {late:.2} ms, longest {worst:.2} ms | {goal} |"
        );
    }
    println!("| SQLite, entries of two processes | {rate:.0}/s | none set |");
    Ok(())
}

/// The program of a worker: it prints the time of each call.
pub(crate) fn work(arguments: &[String]) -> ExitCode {
    let [file, number] = arguments else { return ExitCode::from(2) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(text).and_then(|runtime| {
        runtime.block_on(async {
            let store = SqliteStore::open(file).await.map_err(text)?;
            let tasks = (0..TASKS).map(|task| tokio::spawn(entries(store.clone(), format!("{number}-{task}"))));
            for done in join_all(tasks).await {
                for (what, time) in done.map_err(text)?? {
                    println!("{what} {}", time.as_micros());
                }
            }
            Ok::<_, String>(())
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("worker: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn entries(store: SqliteStore, name: String) -> Result<Vec<(&'static str, Duration)>, String> {
    let (scope, mut times) = (scope(), Vec::new());
    for index in 0..ENTRIES {
        let began = Instant::now();
        let (key, holder) = intend(&store, &scope, LEASE).await?;
        times.push(("intent", began.elapsed()));
        let outcome = created(&format!("{name}-{index}"))?;
        let began = Instant::now();
        store.settle(&key, holder, &outcome).await.map_err(text)?;
        times.push(("outcome", began.elapsed()));
    }
    Ok(times)
}

async fn postgres(world: &World) -> Outcome {
    let (store, scope) = (world.builder().connections(TASKS * 2).connect().await.map_err(text)?, scope());
    let client = world.client().await?;
    let create = "create table if not exists defender.bare_text (id bigserial primary key, v text not null); \
                  set synchronous_commit = on";
    client.batch_execute(create).await.map_err(describe)?;
    let bare = client.prepare("insert into defender.bare_text (v) values ($1)").await.map_err(describe)?;
    let new: Intent = intent(&scope)?;
    let same = serde_json::to_string(&new).map_err(text)?;
    let (mut inserts, mut intents) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let began = Instant::now();
        client.execute(&bare, &[&same]).await.map_err(describe)?;
        inserts.push(began.elapsed());
        let began = Instant::now();
        intend(&store, &scope, LEASE).await?;
        intents.push(began.elapsed());
    }
    let bare = quantile(&mut inserts, 50);
    print("PostgreSQL, an intent and a bare INSERT, taking turns", bare, &mut intents, "none set");
    let size = "select pg_total_relation_size('defender.entry')";
    client.batch_execute("truncate defender.entry; vacuum full defender.entry").await.map_err(describe).ok();
    let before = world.number(size).await?;
    let began = Instant::now();
    fill(&store).await?;
    let rate = f64::from(u32::try_from(SIZED).map_err(text)?) / began.elapsed().as_secs_f64();
    world.sql("vacuum full defender.entry").await?;
    let bytes = world.number(size).await?.saturating_sub(before) / i64::try_from(SIZED).map_err(text)?;
    println!("| PostgreSQL, entries from intent to end, {TASKS} tasks | {rate:.0}/s | none set |");
    println!("| PostgreSQL, size of an entry that has ended | {bytes} bytes | none set |");
    Ok(())
}

fn print(what: &str, bare: Duration, times: &mut [Duration], goal: &str) {
    let [median, late] = [50, 99].map(|part| quantile(times, part));
    let ratio = median.as_secs_f64() / bare.as_secs_f64();
    println!(
        "| {what} | {:.3} ms and {:.3} ms, ratio {ratio:.2}; p99 {:.2} ms | {goal} |",
        millis(median),
        millis(bare),
        millis(late)
    );
}

/// The time that this percentage of the calls needs at most.
fn quantile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
