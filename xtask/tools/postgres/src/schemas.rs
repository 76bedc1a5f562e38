//! Schemas that are missing, newer or another program's, and permissions.

use defender_store::{PostgresStore, StoreErrorKind};
use futures_util::future::join_all;

use crate::world::{Outcome, World, checks, ensure, key, one, refused, says, text};

checks! {
    new_schema_may_be_made_at_once newer_schema_is_refused schema_of_another_program_stays_as_it_is
    documented_grants_are_enough missing_grants_are_an_error names_are_compared_by_their_bytes
}

async fn new_schema_may_be_made_at_once(world: &mut World) -> Outcome {
    for stores in join_all((0..8).map(|_| world.builder().schema("at_once").connect())).await {
        stores.map_err(text)?;
    }
    let rows = world.number("select count(*) from at_once.meta").await?;
    ensure!(rows == 1, "{rows} rows in meta");
    world.sql("drop schema at_once cascade").await
}

async fn newer_schema_is_refused(world: &mut World) -> Outcome {
    drop(world.builder().schema("newer").connect().await.map_err(text)?);
    world.sql("update newer.meta set schema_version = 99").await?;
    let error = refused(world.builder().schema("newer").connect().await)?;
    ensure!(error.kind() == StoreErrorKind::Schema, "{error:?}");
    says(world, &error, &["localhost:", "/postgres, schema newer", "has version 99", "update the program"])?;
    world.sql("drop schema newer cascade").await
}

async fn schema_of_another_program_stays_as_it_is(world: &mut World) -> Outcome {
    for theirs in [
        "create table theirs.quota_slot (id int)",
        "create table theirs.meta (schema_version int not null)",
        "create table theirs.meta (program text, schema_version int); insert into theirs.meta values ('other', 1)",
    ] {
        world.sql(&format!("create schema theirs; {theirs}")).await?;
        let error = refused(world.builder().schema("theirs").connect().await)?;
        ensure!(error.kind() == StoreErrorKind::Schema, "{error:?}");
        says(world, &error, &["the tables belong to another program"])?;
        let relations =
            world.number("select count(*) from pg_class where relnamespace = 'theirs'::regnamespace").await?;
        ensure!(relations == 1, "{relations} relations in the schema of another program");
        world.sql("drop schema theirs cascade").await?;
    }
    Ok(())
}

/// The grants of the README: a worker owns nothing and may create nothing.
async fn documented_grants_are_enough(world: &mut World) -> Outcome {
    let store = world.store_of_worker().await?;
    let granted = one(&store, &key()).await.map_err(text)?.granted;
    ensure!(granted == 1, "{granted} permits");
    store.prune().await.map_err(text)?;
    world.drop_worker().await
}

async fn missing_grants_are_an_error(world: &mut World) -> Outcome {
    drop(world.store().await?);
    world.sql("create role worker login password 'worker-secret'").await?;
    let url = world.server.url_of("worker", "worker-secret", world.server.port);
    let error = refused(PostgresStore::connect(&url).await)?;
    ensure!(error.kind() == StoreErrorKind::Configuration, "{error:?}");
    says(world, &error, &["the user lacks a permission", "grant what the README"])?;
    world.drop_worker().await
}

/// An index in the collation of the database has a name twice once the operating system sorts it elsewhere. The schema is new, or was
/// migrated from the first version.
async fn names_are_compared_by_their_bytes(world: &mut World) -> Outcome {
    let first = include_str!("../../../../crates/defender-store/src/schema/postgres.sql");
    let first = first.replace("@schema@", "bytes").replace("@lock@", "7");
    for before in ["", &format!("create schema bytes; {first}; insert into bytes.meta values ('defender-store', 1)")] {
        world.sql(before).await?;
        let store = world.builder().schema("bytes").connect().await.map_err(text)?;
        let columns = |collation: &str| {
            format!(
                "select count(*) from pg_index i join pg_class c on c.oid = i.indexrelid, unnest(i.indcollation) o \
                 where c.relnamespace = 'bytes'::regnamespace and o <> 0 and o {collation} 'pg_catalog.\"C\"'::regcollation"
            )
        };
        let (others, bytes) = (world.number(&columns("<>")).await?, world.number(&columns("=")).await?);
        ensure!(
            (others, bytes) == (0, 6),
            "{others} names of indexes are in the collation of the database, {bytes} in C"
        );
        for (key, granted) in [("key", 1), ("KEY", 1), ("key", 0)] {
            let there =
                crate::world::ask(&store, &key.into(), &crate::world::ids(1), &crate::world::limit(1, 100)).await;
            let there = there.map_err(text)?.granted;
            ensure!(there == granted, "{there} permits of the key `{key}`, and not {granted}");
        }
        world.sql("drop schema bytes cascade").await?;
    }
    Ok(())
}
