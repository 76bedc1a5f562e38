//! Statements and settings of the journal that were wrong before they were right, its migration, and its retention.

use std::time::Duration;

use defender_actions::{EntryKey, Holder, Intended, Journal, Settled};
use defender_store::StoreErrorKind;
use futures_util::future::join_all;
use tokio_postgres::Client;

use super::entries::{LEASE, count, created, entry_key, failed, intend, intent, is, record, scope, take_over, unknown};
use crate::world::{Outcome, World, checks, describe, ensure, one, says, text};

checks! {
    trap_d_first_intents_may_race trap_f_action_is_of_one_entry trap_b_journal_refuses_other_isolation
    trap_e_intents_are_committed_synchronously trap_c_lease_begins_at_the_call skipped_entries_are_taken_by_others
    journal_ignores_the_search_path journal_lock_has_a_timeout entry_of_a_newer_program_is_left_to_it damaged_entry_is_named
    damaged_entry_stops_no_recovery audit_query_of_the_readme_runs retention_uses_its_index
    first_schema_is_migrated needed_entries_are_kept
}

/// With `on conflict do nothing` and a select in the same statement, the loser of a race sees no row.
async fn trap_d_first_intents_may_race(world: &mut World) -> Outcome {
    let store = world.builder().connections(8).connect().await.map_err(text)?;
    let scope = scope();
    let intent = intent(&scope)?;
    for round in 0..100 {
        let key = entry_key();
        let intents = (0..6).map(|_| store.intend(&key, &intent, Holder::generate(), LEASE));
        let intents: Vec<_> = join_all(intents).await.into_iter().collect::<Result<_, _>>().map_err(text)?;
        let new = intents.iter().filter(|intended| **intended == Intended::New).count();
        let existing = intents.iter().filter(|intended| matches!(intended, Intended::Existing(_))).count();
        ensure!((new, existing) == (1, 5), "round {round}: {new} new and {existing} existing of 6 intents");
    }
    Ok(())
}

/// Writes an action to an entry in a transaction that is left open.
async fn settle_without_commit(client: &Client, (key, holder): &(EntryKey, Holder), action: &str) -> Outcome {
    let holder = holder.as_u128();
    let settle = format!(
        "begin isolation level read committed; \
         select from defender.entry_settle('{key}', '{holder:032x}', 1, '{{}}', 1, '{action}')"
    );
    client.batch_execute(&settle).await.map_err(describe)
}

/// Two holders report one action at once. A second statement of either would wait, and the index decides.
async fn trap_f_action_is_of_one_entry(world: &mut World) -> Outcome {
    let (store, scope) = (world.store().await?, scope());
    let (first, second) = (intend(&store, &scope, LEASE).await?, intend(&store, &scope, LEASE).await?);
    // The first has written its action, and has not committed.
    let other = world.client().await?;
    settle_without_commit(&other, &first, "a").await?;
    let waiting = tokio::spawn({
        let (store, outcome) = (store.clone(), created("A")?);
        let (key, holder) = second.clone();
        async move { store.settle(&key, holder, &outcome).await.map_err(text) }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    ensure!(!waiting.is_finished(), "an action was reported twice");
    other.batch_execute("commit").await.map_err(describe)?;
    let settled = waiting.await.map_err(text)??;
    ensure!(settled == Settled::ClaimedBy(first.0.clone()), "the action of another entry was {settled:?}");
    // If the first is rolled back, the action is free.
    let (third, fourth) = (intend(&store, &scope, LEASE).await?, intend(&store, &scope, LEASE).await?);
    settle_without_commit(&other, &third, "b").await?;
    let outcome = created("b")?;
    let (settled, rolled_back) = tokio::join!(store.settle(&fourth.0, fourth.1, &outcome), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        other.batch_execute("rollback").await
    });
    rolled_back.map_err(describe)?;
    let settled = settled.map_err(text)?;
    ensure!(settled == Settled::Done, "an action that was rolled back was {settled:?}");
    Ok(())
}

/// The server's default is repeatable read. The store does not use it, and the functions refuse a client that does.
async fn trap_b_journal_refuses_other_isolation(world: &mut World) -> Outcome {
    let (store, scope) = (world.store().await?, scope());
    let (key, holder) = intend(&store, &scope, LEASE).await?;
    let holder = format!("{:032x}", holder.as_u128());
    for call in [
        format!("entry_intend('{key}-2', 'a', 't', '{{}}', 2, '{holder}', 1000000)"),
        format!("entry_settle('{key}', '{holder}', 4, '{{}}', null, null)"),
        format!("entry_finish('{key}', '{{}}')"),
        format!("entry_take_over('a', 't', '{holder}', 1, 1, 2, false)"),
        "entry_prune(1, 1, 1, 1)".to_owned(),
    ] {
        for isolation in ["repeatable read", "serializable"] {
            let done = world.sql(&format!("begin isolation level {isolation}; select defender.{call}; commit")).await;
            let expected = format!("DS001: the isolation level is {isolation}, and the store needs read committed");
            is(done == Err(expected), format!("{call} in {isolation}: {done:?}"))?;
        }
    }
    let entry = store.entry(&key).await.map_err(text)?;
    ensure!(entry.is_some_and(|entry| entry.outcome.is_none()), "a refused function has changed an entry");
    Ok(())
}

/// The server's default is off: the function sets it for its transaction, also behind a pooler. A killed server has each intent.
async fn trap_e_intents_are_committed_synchronously(world: &mut World) -> Outcome {
    let (store, scope) = (world.store().await?, scope());
    let (first, holder) = intend(&store, &scope, LEASE).await?;
    let client = world.client().await?;
    let holder = format!("{:032x}", holder.as_u128());
    for call in [
        format!("entry_intend('{first}-2', 'a', 't', '{{}}', 2, '{holder}', 1000000)"),
        format!("entry_settle('{first}', '{holder}', 4, '{{}}', null, null)"),
        format!("entry_finish('{first}', '{{}}')"),
        format!("entry_take_over('a', 't', '{holder}', 1, 1, 2, false)"),
    ] {
        client
            .batch_execute(&format!(
                "begin isolation level read committed; set local synchronous_commit = off; select defender.{call}"
            ))
            .await
            .map_err(describe)?;
        let row = client.query_one("select current_setting('synchronous_commit')", &[]).await.map_err(describe)?;
        let set: String = row.try_get(0).map_err(text)?;
        client.batch_execute("rollback").await.map_err(describe)?;
        ensure!(set == "on", "synchronous_commit is {set} at the commit of {call}");
    }
    for round in 0..3 {
        let mut written = Vec::new();
        for _ in 0..20 {
            written.push(intend(&store, &scope, LEASE).await?);
        }
        for (index, (key, holder)) in written.iter().enumerate().take(10) {
            store.settle(key, *holder, &created(&format!("{round}-{index}"))?).await.map_err(text)?;
        }
        world.server.kill().and_then(|()| world.server.launch()).map_err(|error| format!("{error:?}"))?;
        for (index, (key, _)) in written.iter().enumerate() {
            let entry = store.entry(key).await.map_err(text)?;
            let is_settled = entry.map(|entry| entry.outcome.is_some());
            is(is_settled == Some(index < 10), format!("round {round}: entry {index} is settled: {is_settled:?}"))?;
        }
    }
    Ok(())
}

/// `now()` is the start of the transaction, so that a lease would end early.
async fn trap_c_lease_begins_at_the_call(world: &mut World) -> Outcome {
    drop(world.store().await?);
    let (client, scope) = (world.client().await?, scope());
    client.batch_execute("begin isolation level read committed").await.map_err(describe)?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let holder = format!("{:032x}", Holder::generate().as_u128());
    let call =
        format!("select defender.entry_intend('{0}', 'a', '{0}', '{{}}', 2, '{holder}', 10000000)", scope.tenant_id);
    client.batch_execute(&call).await.map_err(describe)?;
    let lease = format!(
        "select intended_at >= now() + interval '300 ms' and lease_until = intended_at + interval '10 s' \
         from defender.entry where tenant = '{}'",
        scope.tenant_id
    );
    let is_right: bool = client.query_one(&lease, &[]).await.map_err(describe)?.try_get(0).map_err(text)?;
    client.batch_execute("commit").await.map_err(describe)?;
    ensure!(is_right, "the lease began with the transaction, and not with the call");
    Ok(())
}

/// An entry that another asker is taking is skipped, and not waited for.
async fn skipped_entries_are_taken_by_others(world: &mut World) -> Outcome {
    let (store, scope) = (world.store().await?, scope());
    let (first, _) = intend(&store, &scope, Duration::ZERO).await?;
    let (second, _) = intend(&store, &scope, Duration::ZERO).await?;
    let other = world.client().await?;
    other
        .batch_execute(&format!(
            "begin isolation level read committed; select from defender.entry where key = '{first}' for update"
        ))
        .await
        .map_err(describe)?;
    let taken = tokio::time::timeout(Duration::from_secs(2), take_over(&store, &scope)).await;
    let taken = taken.map_err(|_| "an asker waits for another")??;
    ensure!(taken == [second], "{taken:?} were taken over beside a locked entry");
    other.batch_execute("rollback").await.map_err(describe)?;
    let taken = take_over(&store, &scope).await?;
    ensure!(taken == [first], "{taken:?} were taken over after the lock");
    Ok(())
}

/// Tables and functions of the same names come first in the path of the role.
async fn journal_ignores_the_search_path(world: &mut World) -> Outcome {
    drop(world.store().await?);
    world
        .sql(
            "create schema evil; create table evil.entry (key text primary key); \
             create function evil.clock_timestamp() returns timestamptz language sql as 'select timestamptz ''1970-01-01'''; \
             create function evil.store_prepare() returns void language sql as 'select'; \
             alter role defender set search_path = evil, pg_catalog",
        )
        .await?;
    let scope = scope();
    let store = world.store().await?;
    let done = async {
        let (key, holder) = intend(&store, &scope, LEASE).await?;
        let settled = store.settle(&key, holder, &created("a")?).await.map_err(text)?;
        ensure!(settled == Settled::Done, "{settled:?}");
        store.finish(&key, &record("a", "Succeeded")?).await.map_err(text)?;
        take_over(&store, &scope).await.map(drop)?;
        store.prune_entries(LEASE * 1_000).await.map(drop).map_err(text)
    };
    let done = done.await;
    world.sql("alter role defender reset search_path; drop schema evil cascade").await?;
    done?;
    let entries = count(world, &scope).await?;
    ensure!(entries == 1, "{entries} entries");
    Ok(())
}

/// A client that hangs with an entry stops the others for a bounded time only.
async fn journal_lock_has_a_timeout(world: &mut World) -> Outcome {
    let store = world.builder().timeout(Duration::from_secs(2)).connect().await.map_err(text)?;
    let scope = scope();
    let (key, holder) = intend(&store, &scope, LEASE).await?;
    let other = world.client().await?;
    let lock =
        format!("begin isolation level read committed; select from defender.entry where key = '{key}' for update");
    other.batch_execute(&lock).await.map_err(describe)?;
    let error = failed(store.settle(&key, holder, &unknown()).await, StoreErrorKind::Unavailable)?;
    says(
        world,
        &error,
        &["cannot write an outcome: PostgreSQL at localhost:", "another process holds the lock", "55P03"],
    )?;
    intend(&store, &scope, LEASE).await?;
    other.batch_execute("rollback").await.map_err(describe)?;
    let settled = store.settle(&key, holder, &unknown()).await.map_err(text)?;
    ensure!(settled == Settled::Done, "{settled:?}");
    Ok(())
}

async fn entry_of_a_newer_program_is_left_to_it(world: &mut World) -> Outcome {
    let (store, scope) = (world.store().await?, scope());
    let (newer, _) = intend(&store, &scope, Duration::ZERO).await?;
    let (ours, _) = intend(&store, &scope, Duration::ZERO).await?;
    let (this, next) = (defender_actions::Intent::VERSION, defender_actions::Intent::VERSION + 1);
    world
        .sql(&format!(
            "begin isolation level read committed; update defender.entry set version = {next}, \
             intent = replace(intent, '\"version\":{this}', '\"version\":{next}') where key = '{newer}'; commit"
        ))
        .await?;
    let taken = take_over(&store, &scope).await?;
    ensure!(taken == [ours], "{taken:?} were taken over by an older program");
    let tries = format!("select tries from defender.entry where key = '{newer}'");
    let row = world.client().await?.query_one(&tries, &[]).await.map_err(describe)?;
    let tries: i32 = row.try_get(0).map_err(text)?;
    ensure!(tries == 0, "an older program has taken over the entry");
    let error =
        failed(store.intend(&newer, &intent(&scope)?, Holder::generate(), LEASE).await, StoreErrorKind::Storage)?;
    says(world, &error, &[&format!("entry `{newer}`"), "update the program"])
}

async fn damaged_entry_is_named(world: &mut World) -> Outcome {
    let (store, scope) = (world.store().await?, scope());
    let (key, _) = intend(&store, &scope, LEASE).await?;
    world.sql(&format!("update defender.entry set intent = '{{' where key = '{key}'")).await?;
    let error = failed(store.entry(&key).await, StoreErrorKind::Storage)?;
    says(
        world,
        &error,
        &["cannot read the journal: PostgreSQL at localhost:", &format!("entry `{key}`"), "restore a backup"],
    )
}

/// The recovery of the others goes on.
async fn damaged_entry_stops_no_recovery(world: &mut World) -> Outcome {
    let (store, scope) = (world.store().await?, scope());
    let (damaged, _) = intend(&store, &scope, Duration::ZERO).await?;
    let (readable, _) = intend(&store, &scope, Duration::ZERO).await?;
    world.sql(&format!("update defender.entry set intent = '{{' where key = '{damaged}'")).await?;
    let taken = take_over(&store, &scope).await?;
    ensure!(taken == [readable], "{taken:?} were taken over beside a damaged entry");
    let again = format!("update defender.entry set lease_until = '-infinity' where key = '{damaged}'");
    world.sql(&format!("begin isolation level read committed; {again}; commit")).await?;
    let taken = store.claim_unsettled(&scope, Holder::generate(), LEASE, 10).await;
    let error = failed(taken, StoreErrorKind::Storage)?;
    says(world, &error, &[&format!("entry `{damaged}`")])
}

/// A comment with NUL is in the text of an intent, and PostgreSQL reads no such JSON.
async fn audit_query_of_the_readme_runs(world: &mut World) -> Outcome {
    let readme = include_str!("../../../../../crates/defender-store/README.md");
    let query = readme.split("```sql").filter_map(|part| part.split("```").next());
    let query =
        query.into_iter().find(|block| block.contains("->> 'ticket'")).ok_or("the README has no audit query")?;
    let query = query.replace("defender.entry", "audit.entry");
    let (store, scope) = (world.builder().schema("audit").connect().await.map_err(text)?, scope());
    let (key, mut new) = (entry_key(), intent(&scope)?);
    new.body = serde_json::json!({"Comment": "a\0b"});
    store.intend(&key, &new, Holder::generate(), LEASE).await.map_err(text)?;
    let there = store.entry(&key).await.map_err(text)?;
    ensure!(there.is_some_and(|entry| entry.intent == new), "an intent with NUL was changed");
    intend(&store, &scope, LEASE).await?;
    let rows = world.client().await?.query(query.trim().trim_end_matches(';'), &[]).await.map_err(describe)?;
    let tenants: Vec<&str> = rows.iter().map(|row| row.try_get(1)).collect::<Result<_, _>>().map_err(text)?;
    let count = tenants.iter().filter(|tenant| **tenant == scope.tenant_id).count();
    world.sql("drop schema audit cascade").await?;
    ensure!(count == 1, "{count} of the intents of the tenant are in the audit record, and one of two has no NUL");
    Ok(())
}

/// Entries that stay are not read, however many they are.
async fn retention_uses_its_index(world: &mut World) -> Outcome {
    drop(world.store().await?);
    world
        .sql(
            "begin isolation level read committed; \
             insert into defender.entry (key, api, tenant, state, intent, version, holder, lease_until, intended_at, settled_at) \
             select 'retention-' || i, 'a', 'retention', 2, '{}', 2, gen_random_uuid(), now(), now(), now() \
             from generate_series(1, 20000) i; commit; analyze defender.entry",
        )
        .await?;
    let client = world.client().await?;
    let prune =
        "begin isolation level read committed; select defender.entry_prune(3600000000, 3600000000, 3600000000, 1000)";
    client.batch_execute(prune).await.map_err(describe)?;
    let read =
        "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relid = 'defender.entry'::regclass";
    let read: i64 = client.query_one(read, &[]).await.map_err(describe)?.try_get(0).map_err(text)?;
    client.batch_execute("rollback").await.map_err(describe)?;
    world.sql("delete from defender.entry where tenant = 'retention'").await?;
    ensure!(read < 5_000, "{read} entries were read of 20000 that stay");
    Ok(())
}

/// A database of the version before the journal, with slots that must stay.
async fn first_schema_is_migrated(world: &mut World) -> Outcome {
    let first = include_str!("../../../../../crates/defender-store/src/schema/postgres.sql");
    let first = first.replace("@schema@", "first").replace("@lock@", "7");
    world
        .sql(&format!(
            "create schema first; {first}; insert into first.meta values ('defender-store', 1); \
             insert into first.quota_key (name) values ('key'); insert into first.quota_limit values (1, 10, 100000000, 1); \
             insert into first.quota_slot \
             select 1, gen_random_uuid(), clock_timestamp(), false from generate_series(1, 9)"
        ))
        .await?;
    let stores = join_all((0..4).map(|_| world.builder().schema("first").connect())).await;
    let stores: Vec<_> = stores.into_iter().collect::<Result<_, _>>().map_err(text)?;
    let [store, ..] = stores.as_slice() else { return Err("no store was made".to_owned()) };
    let version = world.number("select schema_version::bigint from first.meta").await?;
    ensure!(version == 2, "the schema has version {version}");
    let key = "key".into();
    let granted = [one(store, &key).await.map_err(text)?.granted, one(store, &key).await.map_err(text)?.granted];
    ensure!(granted == [1, 0], "{granted:?} permits with nine of ten slots taken before the migration");
    intend(store, &scope(), LEASE).await?;
    world.sql("drop schema first cascade").await
}

async fn needed_entries_are_kept(world: &mut World) -> Outcome {
    let (store, scope, other) = (world.store().await?, scope(), scope());
    let age = |key: &str, days: u32| {
        format!(
            "update defender.entry set intended_at = intended_at - interval '{days} d', \
             settled_at = settled_at - interval '{days} d', finished_at = finished_at - interval '{days} d' where {key}"
        )
    };
    let not_sent = defender_actions::Settlement::NotSent { error: "e".to_owned() };
    let refused = defender_actions::Settlement::Refused { error: "e".to_owned() };
    let mut keys = Vec::new();
    for outcome in [Some(not_sent), Some(refused), Some(unknown()), Some(created("a")?), Some(created("b")?), None] {
        let of = if outcome.is_some() { &scope } else { &other };
        let (key, holder) = intend(&store, of, LEASE).await?;
        if let Some(outcome) = outcome {
            store.settle(&key, holder, &outcome).await.map_err(text)?;
        }
        keys.push((key, holder));
    }
    let [_, _, _, _, finished, open] = keys.as_slice() else { return Err("no keys".to_owned()) };
    store.finish(&finished.0, &record("b", "Succeeded")?).await.map_err(text)?;
    // A settled entry beside an intended one.
    let (beside, holder) = intend(&store, &other, LEASE).await?;
    store
        .settle(&beside, holder, &defender_actions::Settlement::NotSent { error: "e".to_owned() })
        .await
        .map_err(text)?;
    let tenants = format!("tenant in ('{}', '{}')", scope.tenant_id, other.tenant_id);
    let day = Duration::from_secs(24 * 3_600);
    let left = async || -> Result<(i64, i64), String> {
        store.prune_entries(day * 30).await.map_err(text)?;
        Ok((count(world, &scope).await?, count(world, &other).await?))
    };
    world.sql(&age(&tenants, 29)).await?;
    let kept = left().await?;
    ensure!(kept == (5, 2), "{kept:?} entries after 29 days, of 5 and 2");
    world.sql(&age(&tenants, 2)).await?;
    let kept = left().await?;
    ensure!(
        kept == (2, 2),
        "{kept:?} entries after 31 days: the unknown, the unfinished, and those beside an intended one"
    );
    world.sql(&age(&tenants, 150)).await?;
    let kept = left().await?;
    ensure!(kept == (1, 2), "{kept:?} entries after 181 days: the unknown, and those beside an intended one");
    store.settle(&open.0, open.1, &unknown()).await.map_err(text)?;
    let kept = left().await?;
    ensure!(kept == (1, 1), "{kept:?} entries once nothing is intended");
    Ok(())
}
