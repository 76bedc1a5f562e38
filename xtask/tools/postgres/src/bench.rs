//! Figures of the quota, and then of the journal, each beside a bare INSERT of the same run, with the goals that were set for them.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use defender_store::SqliteStore;
use defender_transport::{
    PermitRequest, QuotaStore,
    extensions::{QuotaKey, RateLimit},
};
use futures_util::future::join_all;

use crate::{
    journal,
    world::{Outcome, World, describe, ids, text},
};

/// Limits as the service has them, with a wider minute, so that the slots of the hour are what is used up.
const LIMITS: [RateLimit; 2] = [
    RateLimit { calls: 1_000, per: Duration::from_secs(60) },
    RateLimit { calls: 1_500, per: Duration::from_secs(3_600) },
];
/// Slots of each key that are taken before: so few that no measure fills a key.
const TAKEN: usize = 1_000;
/// Keys that are asked one by one, and keys that are asked for eight permits.
const KEYS: [usize; 2] = [100, 300];
/// Keys whose hour is full.
const FULL: usize = 100;
const TASKS: usize = 16;
const TURNS: usize = 300;
const SPAN: Duration = Duration::from_secs(4);

/// Measures, and prints.
pub(crate) async fn run(world: &mut World) -> Outcome {
    println!("| figure | measured | goal |\n|---|---|---|");
    postgres(world).await?;
    sqlite(world).await?;
    journal::bench::run(world).await?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("\nload average {}", load.split(' ').next().unwrap_or("unknown"));
    Ok(())
}

fn name(index: usize) -> QuotaKey {
    QuotaKey::from(format!("bench/{index}"))
}

async fn postgres(world: &mut World) -> Outcome {
    let store = world.builder().connections(TASKS).connect().await.map_err(text)?;
    let all = KEYS.iter().sum::<usize>();
    world
        .sql(&format!(
            "create table defender.bare (id uuid primary key, at timestamptz not null); \
             insert into defender.quota_key (name) select 'bench/' || i from generate_series(0, {all} + {FULL} - 1) i; \
             insert into defender.quota_slot select q.id, gen_random_uuid(), now() - (120 + i * 2) * interval '1 s', false \
             from defender.quota_key q, generate_series(1, case when substr(q.name, 7)::integer >= {all} then 1500 else {TAKEN} end) i \
             where q.name like 'bench/%'; \
             analyze; checkpoint"
        ))
        .await?;
    let asked = rate(&store, 0..KEYS[0], 1).await?;
    drop(store);
    let (again, each) = rate_and_cpu(world, 0..KEYS[0]).await?;
    println!("| PostgreSQL, asks for one permit, 16 connections | {asked:.0}/s, {again:.0}/s | at least 1,500/s |");
    println!("| PostgreSQL, time of the server's processors for one ask | {each:.3} ms | at most 0.35 ms |");
    let (refused, each) = rate_and_cpu(world, all..all + FULL).await?;
    println!("| PostgreSQL, asks of keys whose hour is full | {refused:.0}/s, {each:.3} ms of the server | none set |");
    let store = world.builder().connections(TASKS).connect().await.map_err(text)?;
    let permits = rate(&store, KEYS[0]..all, 8).await? * 8.0;
    println!("| PostgreSQL, permits in asks for eight, 16 connections | {permits:.0}/s | at least 10,000/s |");
    // One after the other, so that the neighbors weigh on both.
    let client = world.client().await?;
    client.batch_execute("set synchronous_commit = on").await.map_err(describe)?;
    let bare = client
        .prepare("insert into defender.bare values (gen_random_uuid(), clock_timestamp())")
        .await
        .map_err(describe)?;
    let (mut inserts, mut asks) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let began = Instant::now();
        client.execute(&bare, &[]).await.map_err(describe)?;
        inserts.push(began.elapsed());
        let began = Instant::now();
        ask(&store, &name(KEYS[0] + turn % KEYS[1]), 1).await?;
        asks.push(began.elapsed());
    }
    print_turns("PostgreSQL", &mut inserts, &mut asks, "under 3 ms, or at most 1.6");
    Ok(())
}

/// Asks, and returns the asks in a second and the time of the server's processors for one, in milliseconds.
async fn rate_and_cpu(world: &World, keys: Range<usize>) -> Result<(f64, f64), String> {
    let before = cpu(world).await;
    let store = world.builder().connections(TASKS).connect().await.map_err(text)?;
    let asked = rate(&store, keys, 1).await?;
    drop(store);
    let spent = cpu(world).await.saturating_sub(before);
    Ok((asked, spent.as_secs_f64() * 1e3 / (asked * SPAN.as_secs_f64())))
}

async fn sqlite(world: &World) -> Outcome {
    let file = world.folder.0.join("bench.db");
    let store = SqliteStore::open(&file).await.map_err(text)?;
    let mut other = rusqlite::Connection::open(&file).map_err(text)?;
    other.pragma_update(None, "synchronous", "FULL").map_err(text)?;
    seed(&mut other)?;
    let (mut inserts, mut asks) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let began = Instant::now();
        insert(&other)?;
        inserts.push(began.elapsed());
        let began = Instant::now();
        ask(&store, &name(turn % KEYS[0]), 1).await?;
        asks.push(began.elapsed());
    }
    print_turns("SQLite", &mut inserts, &mut asks, "under 1 ms");
    let asked = rate(&store, 0..KEYS[0], 1).await?;
    println!("| SQLite, asks for one permit, 16 tasks of one process | {asked:.0}/s | none set |");
    Ok(())
}

fn seed(connection: &mut rusqlite::Connection) -> Outcome {
    let now = defender_transport::Clock::now(&defender_transport::SystemClock::new()).as_microsecond();
    let transaction = connection.transaction().map_err(text)?;
    transaction.execute_batch("create table bare (id blob primary key, at integer) without rowid").map_err(text)?;
    for key in 0..KEYS[0] {
        transaction.execute("insert into quota_key (name) values (?1)", [name(key).as_str()]).map_err(text)?;
        let id = transaction.last_insert_rowid();
        let slots = format!(
            "insert into quota_slot with recursive n (i) as (select 1 union all select i + 1 from n where i < {TAKEN}) \
             select {id}, randomblob(16), {now} - 120000000 - i * 2400000, 0 from n"
        );
        transaction.execute(&slots, []).map_err(text)?;
    }
    transaction.commit().map_err(text)
}

fn insert(connection: &rusqlite::Connection) -> Outcome {
    let mut bare = connection.prepare_cached("insert into bare values (randomblob(16), 0)").map_err(text)?;
    bare.execute([]).map(drop).map_err(text)
}

/// Asks each second by as many tasks as there are connections, over random keys.
async fn rate<S>(store: &S, keys: Range<usize>, permits: usize) -> Result<f64, String>
where
    S: QuotaStore + Clone + 'static,
{
    let count = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let tasks = (0..TASKS).map(|_| {
        let (store, keys, count) = (store.clone(), keys.clone(), Arc::clone(&count));
        tokio::spawn(async move {
            while began.elapsed() < SPAN {
                ask(&store, &name(fastrand::usize(keys.clone())), permits).await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, String>(())
        })
    });
    for task in join_all(tasks).await {
        task.map_err(text)??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure")]
    let asked = count.load(Ordering::Relaxed) as f64;
    Ok(asked / began.elapsed().as_secs_f64())
}

async fn ask(store: &impl QuotaStore, key: &QuotaKey, permits: usize) -> Outcome {
    let permits = ids(permits);
    let request = PermitRequest { key, limits: &LIMITS, permits: &permits, hold: Duration::from_secs(40) };
    store.reserve(&request).await.map(drop).map_err(text)
}

fn print_turns(engine: &str, inserts: &mut [Duration], asks: &mut [Duration], goal: &str) {
    let (bare, asked) = (median(inserts), median(asks));
    let ratio = asked.as_secs_f64() / bare.as_secs_f64();
    println!(
        "| {engine}, an ask and a bare INSERT, taking turns | {:.2} ms and {:.2} ms, ratio {ratio:.2} | {goal} |",
        asked.as_secs_f64() * 1e3,
        bare.as_secs_f64() * 1e3
    );
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Processor time of the server's processes that have ended: those of the connections that were closed.
async fn cpu(world: &World) -> Duration {
    // The server ends the process of a connection a little later.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stat = world.server.process().map(|id| std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default());
    let ticks = stat.as_deref().and_then(|stat| {
        // After the name in parentheses: state is the first field, and cutime and cstime are the 14th and 15th.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
        ticks(13)?.checked_add(ticks(14)?)
    });
    // A tick is ten milliseconds on every Linux.
    Duration::from_millis(ticks.unwrap_or_default().saturating_mul(10))
}
