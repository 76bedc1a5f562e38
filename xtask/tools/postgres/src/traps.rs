//! Statements and settings that were wrong before they were right, each by itself.

use std::time::Duration;

use defender_transport::QuotaStore;
use futures_util::future::join_all;

use crate::world::{Outcome, World, ask, checks, describe, ended, ensure, ids, key, limit, one, text};

checks! {
    concurrent_asks_get_the_last_slot_once wrong_isolation_is_refused_by_the_function commits_are_synchronous
    grants_survive_a_killed_server time_is_taken_after_the_lock first_asks_of_a_key_may_race refusal_writes_nothing
    search_path_has_no_effect lock_has_a_timeout wait_of_an_empty_window_is_the_gates spare_is_at_most_the_free_slots
    old_slots_are_deleted refusal_closes_a_key_that_is_new
}

/// A lock in the statement that counts is too late: its snapshot is older.
async fn concurrent_asks_get_the_last_slot_once(world: &mut World) -> Outcome {
    let store = world.builder().connections(8).connect().await.map_err(text)?;
    for round in 0..20 {
        let (key, limits, asked) = (key(), limit(2, 100), ids(16));
        // The first ask of a key inserts rows, for which the others would wait even without a lock.
        ask(&store, &key, &ids(1), &limits).await.map_err(text)?;
        let asks = asked.iter().map(|id| ask(&store, &key, std::slice::from_ref(id), &limits));
        let granted: Vec<_> = join_all(asks).await.into_iter().collect::<Result<_, _>>().map_err(text)?;
        let granted: usize = granted.iter().map(|permits| permits.granted).sum();
        ensure!(granted == 1, "round {round}: {granted} of 16 permits for the last slot");
    }
    Ok(())
}

/// The server's default is repeatable read. The store does not use it, and the function refuses a client that does.
async fn wrong_isolation_is_refused_by_the_function(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let key = key();
    one(&store, &key).await.map_err(text)?;
    let call = format!(
        "select * from defender.quota_reserve('{key}', array[gen_random_uuid()], '{{5}}', '{{1000000}}', 1000000)"
    );
    for isolation in ["repeatable read", "serializable"] {
        let call = format!("begin isolation level {isolation}; {call}; commit");
        let Err(error) = world.sql(&call).await else { return Err(format!("a permit was granted in {isolation}")) };
        ensure!(
            error == format!("DS001: the isolation level is {isolation}, and the store needs read committed"),
            "{error}"
        );
    }
    let slots = world.slots(&key).await?;
    ensure!(slots == 1, "{slots} slots");
    world.sql(&format!("begin isolation level read committed; {call}; commit")).await
}

/// The server's default is off. A pooler may drop the setting of the session, so that the function sets it too.
async fn commits_are_synchronous(world: &mut World) -> Outcome {
    drop(world.store().await?);
    let client = world.client().await?;
    for (before, after) in [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")] {
        let begin = format!("begin isolation level read committed; set local synchronous_commit = {before}");
        client.batch_execute(&begin).await.map_err(describe)?;
        let call = "select from defender.quota_reserve('sync', array[gen_random_uuid()], '{5}', '{1000000}', 1000000)";
        client.batch_execute(call).await.map_err(describe)?;
        let row = client.query_one("select current_setting('synchronous_commit')", &[]).await.map_err(describe)?;
        let set: String = row.try_get(0).map_err(text)?;
        ensure!(set == after, "synchronous_commit was {before}, and is {set} at the commit of a grant");
        client.batch_execute("rollback").await.map_err(describe)?;
    }
    Ok(())
}

async fn grants_survive_a_killed_server(world: &mut World) -> Outcome {
    let store = world.store().await?;
    for round in 0..3 {
        let (key, limits, asked) = (key(), limit(100, 100), ids(40));
        // The first of them is known to be flushed by the last only if each is flushed.
        for id in &asked {
            ask(&store, &key, std::slice::from_ref(id), &limits).await.map_err(text)?;
        }
        world.server.kill().and_then(|()| world.server.launch()).map_err(|error| format!("{error:?}"))?;
        let slots = world.slots(&key).await?;
        ensure!(slots == 40, "round {round}: {slots} of 40 granted permits after the server was killed");
        ask(&store, &key, &asked, &limits).await.map_err(text)?;
        let slots = world.slots(&key).await?;
        ensure!(slots == 40, "round {round}: {slots} slots after a repeat of 40");
    }
    Ok(())
}

/// `now()` is the time before the wait for the lock, so that a slot would be freed early.
async fn time_is_taken_after_the_lock(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let key = key();
    one(&store, &key).await.map_err(text)?;
    let holder = world.client().await?;
    hold_lock(&holder, &key.to_string()).await?;
    let waiting = tokio::spawn({
        let (store, key) = (store.clone(), key.clone());
        async move { one(&store, &key).await.map_err(text) }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let row = holder.query_one("select clock_timestamp()::text", &[]).await.map_err(describe)?;
    let held_until: String = row.try_get(0).map_err(text)?;
    holder.batch_execute("commit").await.map_err(describe)?;
    waiting.await.map_err(text)??;
    // The permit lapses after 100 seconds.
    let before = format!(
        "select count(*) from defender.quota_slot s join defender.quota_key q on q.id = s.key where q.name = '{key}' \
         and s.base > '{held_until}'::timestamptz + interval '100 s'"
    );
    let after = world.number(&before).await?;
    ensure!(after == 1, "{after} permits have a time after the wait for the lock");
    Ok(())
}

/// Takes the lock of a key in a transaction, as another process does.
pub(crate) async fn hold_lock(client: &tokio_postgres::Client, key: &str) -> Outcome {
    // The key of the lock is in the function alone.
    let call = format!(
        "begin isolation level read committed; \
         select from defender.quota_reserve('{key}', array[gen_random_uuid()], '{{1000}}', '{{1000000}}', 1000)"
    );
    client.batch_execute(&call).await.map_err(describe)
}

/// `insert … on conflict do nothing` with a select in the same statement does not see the row of another process.
async fn first_asks_of_a_key_may_race(world: &mut World) -> Outcome {
    let store = world.builder().connections(8).connect().await.map_err(text)?;
    for round in 0..60 {
        let key = key();
        let asks = join_all((0..8).map(|_| one(&store, &key))).await;
        for permits in asks {
            let granted = permits.map_err(text)?.granted;
            ensure!(granted == 1, "round {round}: {granted} permits");
        }
        let slots = world_slots(world, &key, round).await?;
        ensure!(slots == 8, "round {round}: {slots} slots for 8 permits");
    }
    Ok(())
}

/// Counts in some of the rounds: a connection takes longer than an ask.
async fn world_slots(
    world: &World,
    key: &defender_transport::extensions::QuotaKey,
    round: usize,
) -> Result<i64, String> {
    if round.is_multiple_of(20) { world.slots(key).await } else { Ok(8) }
}

/// A row lock is written to the log, so that a refusal would wait for the disk.
async fn refusal_writes_nothing(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let (key, limits) = (key(), limit(1, 100));
    ask(&store, &key, &ids(1), &limits).await.map_err(text)?;
    let client = world.client().await?;
    let position = async || {
        let row = client.query_one("select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8", &[]).await;
        row.map_err(describe)?.try_get::<_, i64>(0).map_err(text)
    };
    let mut least = i64::MAX;
    for _ in 0..10 {
        let before = position().await?;
        for _ in 0..50 {
            let granted = ask(&store, &key, &ids(1), &limits).await.map_err(text)?.granted;
            ensure!(granted == 0, "{granted} permits with one slot taken of one");
        }
        // The server writes by itself at times.
        least = least.min(position().await?.saturating_sub(before));
    }
    ensure!(least < 50, "50 refusals have written {least} bytes");
    Ok(())
}

/// Tables and functions of the same names come first in the path of the role.
async fn search_path_has_no_effect(world: &mut World) -> Outcome {
    drop(world.store().await?);
    world
        .sql(
            "create schema evil; \
             create table evil.quota_key (id bigint, name text); create table evil.quota_slot (id int); \
             create function evil.clock_timestamp() returns timestamptz language sql as 'select timestamptz ''1970-01-01'''; \
             create function evil.store_prepare() returns void language sql as 'select'; \
             alter role defender set search_path = evil, pg_catalog",
        )
        .await?;
    let (store, key) = (world.store().await?, key());
    let done = one(&store, &key).await.map_err(text);
    let call = format!(
        "begin isolation level read committed; \
         select from defender.quota_reserve('{key}', array[gen_random_uuid()], '{{10}}', '{{100000000}}', 100000000); commit"
    );
    let called = world.sql(&call).await;
    world.sql("alter role defender reset search_path; drop schema evil cascade").await?;
    done?;
    called?;
    let slots = world.slots(&key).await?;
    ensure!(slots == 2, "{slots} slots for 2 permits");
    Ok(())
}

/// A client that hangs with the lock stops the others for a bounded time only.
async fn lock_has_a_timeout(world: &mut World) -> Outcome {
    let store = world.builder().timeout(Duration::from_secs(2)).connect().await.map_err(text)?;
    let key = key();
    one(&store, &key).await.map_err(text)?;
    let holder = world.client().await?;
    hold_lock(&holder, &key.to_string()).await?;
    let Err(error) = one(&store, &key).await else { return Err("a permit was granted beside the lock".to_owned()) };
    crate::world::says(world, &error, &["another process holds the lock of the key", "55P03"])?;
    // Another key is free.
    one(&store, &crate::world::key()).await.map_err(text)?;
    holder.batch_execute("rollback").await.map_err(describe)?;
    one(&store, &key).await.map_err(text)?;
    // Without the settings of the store, the function has a timeout of its own.
    let client = world.client().await?;
    let call = format!(
        "begin isolation level read committed; \
         select from defender.quota_reserve('{key}', array[gen_random_uuid()], '{{10}}', '{{1000000}}', 1000)"
    );
    client.batch_execute(&call).await.map_err(describe)?;
    let row = client.query_one("select current_setting('lock_timeout')", &[]).await.map_err(describe)?;
    let set: String = row.try_get(0).map_err(text)?;
    ensure!(set == "5s", "the lock timeout is {set}");
    Ok(())
}

/// `least(x, null)` is x: with fewer slots than the limit has calls, the wait would be the window.
async fn wait_of_an_empty_window_is_the_gates(world: &mut World) -> Outcome {
    use defender_transport::PermitOutcome;

    let store = world.store().await?;
    let (key, limits, id) = (key(), limit(10, 1_000), ids(1));
    ask(&store, &key, &id, &limits).await.map_err(text)?;
    let refused = PermitOutcome::Refused { retry_after: Duration::from_secs(5) };
    let id = id.into_iter().next().ok_or("no id")?;
    store.release(&key, &ended(id, refused)).await.map_err(text)?;
    let wait = ask(&store, &key, &ids(1), &limits).await.map_err(text)?.retry_after.unwrap_or_default();
    ensure!(wait <= Duration::from_secs(5), "a wait of {wait:?} for a pause of 5 s and 9 free slots");
    Ok(())
}

async fn spare_is_at_most_the_free_slots(world: &mut World) -> Outcome {
    use defender_transport::{PermitOutcome, extensions::RateLimit};

    let (store, key) = (world.store().await?, key());
    let limits = |calls, millis| RateLimit { calls, per: Duration::from_millis(millis) };
    let (mine, other) = ([limits(7, 50), limits(11, 200)], [limits(9, 80)]);
    let client = world.client().await?;
    // Seen at the same time by one statement. The time only frees slots.
    let worst = format!(
        "select coalesce(min(l.calls - l.spare - (select count(*) from defender.quota_slot s where s.key = l.key \
         and s.base > clock_timestamp() - l.per * interval '1 microsecond')), 0) \
         from defender.quota_limit l join defender.quota_key q on q.id = l.key where q.name = '{key}'"
    );
    let mut under_way = Vec::new();
    for step in 0..300_usize {
        let asked = ids(1 + step % 3);
        let granted =
            ask(&store, &key, &asked, if step % 5 == 0 { &other } else { &mine }).await.map_err(text)?.granted;
        under_way.extend(asked.into_iter().take(granted));
        if step % 2 == 1 && !under_way.is_empty() {
            let id = under_way.remove(step % under_way.len());
            let outcome = if step % 7 == 0 { PermitOutcome::NeverSent } else { PermitOutcome::Answered };
            store.release(&key, &ended(id, outcome)).await.map_err(text)?;
        }
        let least: i64 = client.query_one(&worst, &[]).await.map_err(describe)?.try_get(0).map_err(text)?;
        ensure!(least >= 0, "step {step}: spare is {} more than the free slots", -least);
    }
    Ok(())
}

async fn old_slots_are_deleted(world: &mut World) -> Outcome {
    use defender_transport::{PermitOutcome, extensions::RateLimit};

    let (store, key) = (world.store().await?, key());
    let limits = [RateLimit { calls: 5, per: Duration::from_millis(20) }];
    for _ in 0..50 {
        let id = ids(1);
        let permits = ask(&store, &key, &id, &limits).await.map_err(text)?;
        if let Some(wait) = permits.retry_after {
            tokio::time::sleep(wait).await;
        }
        for id in id {
            store.release(&key, &ended(id, PermitOutcome::Answered)).await.map_err(text)?;
        }
    }
    let slots = world.slots(&key).await?;
    ensure!(slots <= 10, "{slots} slots of a limit of 5");
    tokio::time::sleep(Duration::from_millis(50)).await;
    store.prune().await.map_err(text)?;
    let slots = world.slots(&key).await?;
    ensure!(slots == 0, "{slots} slots after all windows are over");
    Ok(())
}

/// The store was lost, and a process reports the end of a request from before.
async fn refusal_closes_a_key_that_is_new(world: &mut World) -> Outcome {
    use defender_transport::PermitOutcome;

    let (store, key) = (world.store().await?, key());
    let refused = PermitOutcome::Refused { retry_after: Duration::from_secs(100) };
    for id in ids(1) {
        store.release(&key, &ended(id, refused)).await.map_err(text)?;
    }
    let granted = one(&store, &key).await.map_err(text)?.granted;
    ensure!(granted == 0, "{granted} permits after a 429");
    Ok(())
}
