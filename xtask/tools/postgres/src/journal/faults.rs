//! Faults of the server and of the way to it, under the journal.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use defender_actions::{EntryKey, Holder, Intended, Journal, Settled};
use defender_store::{PostgresStore, StoreErrorKind};

use super::entries::{LEASE, count, created, entry_key, failed, intend, intent, is, scope, take_over, unknown};
use crate::{
    proxy::{Mode, Proxy},
    world::{Outcome, World, checks, ensure, says, text},
};

checks! {
    stopped_server_takes_no_intent killed_server_loses_no_intent lost_intent_is_mine lost_outcome_is_done lost_claim_is_returned_again
    read_only_server_takes_no_intent full_disk_takes_no_intent workers_share_the_journal_by_the_grants
}

#[expect(clippy::needless_pass_by_value, reason = "it is the last use of a failure")]
fn stopped(failure: xtask::Failure) -> String {
    format!("{failure:?}")
}

async fn stopped_server_takes_no_intent(world: &mut World) -> Outcome {
    let (store, scope) = (world.store().await?, scope());
    intend(&store, &scope, LEASE).await?;
    world.server.stop().map_err(stopped)?;
    let (key, holder) = (entry_key(), Holder::generate());
    let error = failed(store.intend(&key, &intent(&scope)?, holder, LEASE).await, StoreErrorKind::Unavailable)?;
    says(
        world,
        &error,
        &["cannot write an intent: PostgreSQL at localhost:", "does not respond", "check that it runs"],
    )?;
    world.server.launch().map_err(stopped)?;
    let intended = store.intend(&key, &intent(&scope)?, holder, LEASE).await.map_err(text)?;
    ensure!(intended == Intended::New, "an intent that the server did not take was {intended:?}");
    let entries = count(world, &scope).await?;
    ensure!(entries == 2, "{entries} entries of 2 intents");
    Ok(())
}

/// Intents and outcomes go on while the server is killed and starts again. Each is repeated with its holder until it has a response.
async fn killed_server_loses_no_intent(world: &mut World) -> Outcome {
    const TASKS: usize = 8;
    const INTENTS: usize = 25;

    let (store, scope) = (world.store().await?, scope());
    let intent = intent(&scope)?;
    let worker = |store: PostgresStore, intent: defender_actions::Intent, task: usize| async move {
        let mut errors = 0_usize;
        for index in 0..INTENTS {
            let (key, holder) = (entry_key(), Holder::generate());
            let outcome = created(&format!("{task}-{index}"))?;
            let mut is_first = true;
            loop {
                match store.intend(&key, &intent, holder, LEASE).await {
                    Ok(Intended::New | Intended::Mine) => break,
                    Ok(Intended::Existing(entry)) => {
                        return Err(format!("the repeat of an intent (first: {is_first}) was {entry:?}"));
                    }
                    Err(_) if errors < 2_000 => errors += 1,
                    Err(error) => return Err(text(error)),
                }
                is_first = false;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            loop {
                match store.settle(&key, holder, &outcome).await {
                    Ok(Settled::Done) => break,
                    Ok(settled) => return Err(format!("the repeat of an outcome was {settled:?}")),
                    Err(_) if errors < 2_000 => errors += 1,
                    Err(error) => return Err(text(error)),
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(errors)
    };
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(worker(store.clone(), intent.clone(), task))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.server.kill().and_then(|()| world.server.launch()).map_err(stopped)?;
    let mut errors = 0;
    for task in tasks {
        errors += task.await.map_err(text)??;
    }
    ensure!(errors > 0, "no intent noticed that the server was killed");
    let entries = count(world, &scope).await?;
    ensure!(usize::try_from(entries) == Ok(TASKS * INTENTS), "{entries} entries of {} intents", TASKS * INTENTS);
    Ok(())
}

/// A store behind a proxy, with one open connection.
async fn proxied(world: &World) -> Result<(Proxy, PostgresStore), String> {
    let proxy = Proxy::start(world.server.port).await?;
    let store = world.builder_at(proxy.port).connect().await.map_err(text)?;
    Ok((proxy, store))
}

/// Loses the next response of the connection, which is that of a call: each statement was prepared before.
async fn lose(proxy: &Proxy, store: &PostgresStore, mode: Mode) -> Outcome {
    proxy.set(Mode::Forward);
    let scope = scope();
    let (key, holder) = intend(store, &scope, Duration::ZERO).await?;
    take_over(store, &scope).await?;
    store.settle(&key, holder, &created("a")?).await.map_err(text)?;
    proxy.set(mode);
    Ok(())
}

/// The connection dies between commit and response. The store repeats the intent on a new connection, and the caller may.
async fn lost_intent_is_mine(world: &mut World) -> Outcome {
    let (proxy, store) = proxied(world).await?;
    let (key, holder, scope) = (entry_key(), Holder::generate(), scope());
    let intent = intent(&scope)?;
    lose(&proxy, &store, Mode::Lose).await?;
    let intended = store.intend(&key, &intent, holder, LEASE).await.map_err(text)?;
    ensure!(intended == Intended::Mine, "an intent whose response was lost was {intended:?}");
    let (proxy, store) = proxied(world).await?;
    let key = entry_key();
    lose(&proxy, &store, Mode::LoseAndRefuse).await?;
    failed(store.intend(&key, &intent, holder, LEASE).await, StoreErrorKind::Unavailable)?;
    proxy.set(Mode::Forward);
    let intended = store.intend(&key, &intent, holder, LEASE).await.map_err(text)?;
    ensure!(intended == Intended::Mine, "a repeated intent of the same holder was {intended:?}");
    let intended = store.intend(&key, &intent, Holder::generate(), LEASE).await.map_err(text)?;
    ensure!(matches!(intended, Intended::Existing(_)), "the intent of another holder was {intended:?}");
    Ok(())
}

async fn lost_outcome_is_done(world: &mut World) -> Outcome {
    let scope = scope();
    for (outcome, mode) in [(created("a")?, Mode::Lose), (unknown(), Mode::Lose), (created("b")?, Mode::LoseAndRefuse)]
    {
        let (proxy, store) = proxied(world).await?;
        let (key, holder) = intend(&store, &scope, LEASE).await?;
        lose(&proxy, &store, mode).await?;
        let mut settled = store.settle(&key, holder, &outcome).await;
        if mode == Mode::LoseAndRefuse {
            failed(settled, StoreErrorKind::Unavailable)?;
            proxy.set(Mode::Forward);
            settled = store.settle(&key, holder, &outcome).await;
        }
        let settled = settled.map_err(text)?;
        ensure!(settled == Settled::Done, "the repeat of {outcome:?} was {settled:?}");
    }
    Ok(())
}

/// Entries of a response that was lost are those of the repeat: nobody else has them until their lease is over.
async fn lost_claim_is_returned_again(world: &mut World) -> Outcome {
    let (proxy, store) = proxied(world).await?;
    let scope = scope();
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(intend(&store, &scope, Duration::ZERO).await?.0);
    }
    lose(&proxy, &store, Mode::Lose).await?;
    let mut taken = take_over(&store, &scope).await?;
    taken.sort();
    keys.sort();
    ensure!(taken == keys, "{taken:?} of {keys:?} were taken over after a lost response");
    proxy.set(Mode::Forward);
    let taken = take_over(&store, &scope).await?;
    ensure!(taken.is_empty(), "{taken:?} were taken over twice");
    Ok(())
}

async fn read_only_server_takes_no_intent(world: &mut World) -> Outcome {
    drop(world.store().await?);
    world.sql("alter role defender set default_transaction_read_only = on").await?;
    let (store, scope) = (world.store().await?, scope());
    let done = store.intend(&entry_key(), &intent(&scope)?, Holder::generate(), LEASE).await;
    world.sql("begin read write; alter role defender reset default_transaction_read_only; commit").await?;
    let error = failed(done, StoreErrorKind::Storage)?;
    says(world, &error, &["the server is read-only", "connect to the primary"])
}

/// A disk of a few megabytes.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// Mounts a disk. The result is `None` where this process may not.
    fn mount(world: &World) -> Result<Option<Self>, String> {
        let path = world.folder.0.join("small");
        std::fs::create_dir(&path).map_err(text)?;
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(world.server.ca()).map_err(text)?);
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size=3m,mode=0700,uid={owner}"), "tmpfs"])
            .arg(&path)
            .output()
            .map_err(text)?;
        let why = String::from_utf8_lossy(&mounted.stderr);
        if why.contains("permission denied") || why.contains("superuser") {
            return Ok(None);
        }
        is(mounted.status.success(), why)?;
        Ok(Some(Self(path)))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// The disk of the entries fills up: an error that says so, and everything works again once there is room.
async fn full_disk_takes_no_intent(world: &mut World) -> Outcome {
    std::fs::set_permissions(&world.folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(text)?;
    let Some(disk) = SmallDisk::mount(world)? else {
        eprintln!("postgres: full_disk_takes_no_intent: not run, since this user may not mount a disk");
        return Ok(());
    };
    let store = world.builder().schema("small").connect().await.map_err(text)?;
    world.sql(&format!("create tablespace small location '{}'", disk.0.display())).await?;
    world.sql("alter table small.entry set tablespace small").await?;
    let scope = scope();
    let mut large = intent(&scope)?;
    // What is compressed fills no disk.
    let noise: String = std::iter::repeat_with(|| char::from(fastrand::u8(b'0'..=b'z'))).take(200_000).collect();
    large.body = serde_json::json!({"Comment": noise});
    let mut written: Vec<EntryKey> = Vec::new();
    let (began, error) = (
        Instant::now(),
        loop {
            let key = entry_key();
            match store.intend(&key, &large, Holder::generate(), LEASE).await {
                Ok(_) if written.len() < 100 => written.push(key),
                Ok(_) => return Err("a disk of 3 MB holds 20 MB".to_owned()),
                Err(error) => break error,
            }
        },
    );
    let error = failed::<()>(Err(error), StoreErrorKind::Storage)?;
    says(
        world,
        &error,
        &["cannot write an intent: PostgreSQL at localhost:", "the disk of the server is full", "free space"],
    )?;
    ensure!(began.elapsed() < Duration::from_secs(30), "a full disk is noticed after {:?}", began.elapsed());
    for key in &written {
        ensure!(store.entry(key).await.map_err(text)?.is_some(), "an entry of before is lost");
    }
    ensure!(written.len() > 3, "the disk is full after {} entries", written.len());
    world.sql("alter table small.entry set tablespace pg_default").await?;
    let (key, holder) = intend(&store, &scope, LEASE).await?;
    let settled = store.settle(&key, holder, &created("a")?).await.map_err(text)?;
    ensure!(settled == Settled::Done, "{settled:?}");
    world.sql("drop schema small cascade").await?;
    world.sql("drop tablespace small").await
}

/// The grants of the README: a worker owns nothing and may create nothing.
async fn workers_share_the_journal_by_the_grants(world: &mut World) -> Outcome {
    let store = world.store_of_worker().await?;
    let scope = scope();
    let (key, holder) = intend(&store, &scope, Duration::ZERO).await?;
    ensure!(take_over(&store, &scope).await? == [key.clone()], "an entry was not taken over");
    let settled = store.settle(&key, holder, &created("a")?).await.map_err(text)?;
    ensure!(settled == Settled::Done, "{settled:?}");
    store.finish(&key, &super::entries::record("a", "Succeeded")?).await.map_err(text)?;
    let deleted = store.prune_entries(Duration::ZERO).await.map_err(text)?;
    ensure!(deleted >= 1, "{deleted} entries were deleted");
    world.drop_worker().await
}
