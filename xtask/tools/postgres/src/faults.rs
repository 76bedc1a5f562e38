//! Faults of the server and of the way to it.

use std::{future::Future as _, sync::Arc, task::Poll, time::Duration};

use defender_store::{PostgresStore, StoreErrorKind};
use defender_transport::{QuotaStoreError, extensions::QuotaKey};

use crate::{
    proxy::{Mode, Proxy},
    traps::hold_lock,
    world::{Outcome, World, ask, checks, ensure, ids, key, limit, one, refused, says, text},
};

checks! {
    stopped_server_is_an_error_until_it_runs killed_server_loses_no_permit slow_server_is_waited_for
    hanging_connection_is_given_up dropped_ask_delays_no_other unpolled_ask_delays_no_other lost_response_is_repeated
    lost_response_and_repeat_take_one_slot read_only_server_is_an_error
    wrong_password_is_an_error wrong_certificate_is_an_error plain_text_is_refused removed_schema_is_an_error
}

#[expect(clippy::needless_pass_by_value, reason = "it is the last use of a failure")]
fn stopped(failure: xtask::Failure) -> String {
    format!("{failure:?}")
}

fn kind(error: &QuotaStoreError) -> Option<StoreErrorKind> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<defender_store::StoreError>().map(defender_store::StoreError::kind)
}

async fn failed(store: &PostgresStore, key: &QuotaKey) -> Result<QuotaStoreError, String> {
    match one(store, key).await {
        Ok(permits) => Err(format!("{permits:?}, and not an error")),
        Err(error) => Ok(error),
    }
}

async fn stopped_server_is_an_error_until_it_runs(world: &mut World) -> Outcome {
    let (store, key) = (world.store().await?, key());
    one(&store, &key).await.map_err(text)?;
    world.server.stop().map_err(stopped)?;
    let error = failed(&store, &key).await?;
    ensure!(kind(&error) == Some(StoreErrorKind::Unavailable), "{error:?}");
    says(
        world,
        &error,
        &["cannot reserve permits: PostgreSQL at localhost:", "does not respond", "check that it runs"],
    )?;
    let error = refused(world.builder().connect().await)?;
    says(world, &error, &["cannot open the store", "check that it runs"])?;
    world.server.launch().map_err(stopped)?;
    one(&store, &key).await.map_err(text)?;
    let slots = world.slots(&key).await?;
    ensure!(slots == 2, "{slots} slots for 2 permits");
    Ok(())
}

/// Asks go on while the server is killed and starts again. Each is repeated with its ids until it has a response.
async fn killed_server_loses_no_permit(world: &mut World) -> Outcome {
    const TASKS: usize = 8;
    const ASKS: usize = 40;

    let (store, key) = (world.store().await?, key());
    let asker = |store: PostgresStore, key: QuotaKey| async move {
        let mut errors = 0_usize;
        for _ in 0..ASKS {
            let asked = ids(1);
            loop {
                match ask(&store, &key, &asked, &limit(1_000_000, 1_000)).await {
                    Ok(permits) if permits.granted == 1 => break,
                    Ok(permits) => return Err(format!("{permits:?}")),
                    Err(_) if errors < 2_000 => {
                        errors += 1;
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    Err(error) => return Err(text(error)),
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(errors)
    };
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(asker(store.clone(), key.clone()))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.server.kill().and_then(|()| world.server.launch()).map_err(stopped)?;
    let mut errors = 0;
    for task in tasks {
        errors += task.await.map_err(text)??;
    }
    ensure!(errors > 0, "no ask noticed that the server was killed");
    let slots = world.slots(&key).await?;
    ensure!(usize::try_from(slots) == Ok(TASKS * ASKS), "{slots} slots for {} permits", TASKS * ASKS);
    Ok(())
}

async fn slow_server_is_waited_for(world: &mut World) -> Outcome {
    let proxy = Proxy::start(world.server.port).await?;
    let store = world.builder_at(proxy.port).connect().await.map_err(text)?;
    let key = key();
    one(&store, &key).await.map_err(text)?;
    proxy.set(Mode::Slow);
    let granted = one(&store, &key).await.map_err(text)?.granted;
    ensure!(granted == 1, "{granted} permits");
    Ok(())
}

/// A connection that hangs is closed, and its request holds no lock.
async fn hanging_connection_is_given_up(world: &mut World) -> Outcome {
    let proxy = Proxy::start(world.server.port).await?;
    let store = world.builder_at(proxy.port).connections(1).timeout(Duration::from_millis(1_500)).connect();
    let store = store.await.map_err(text)?;
    let (other, key) = (world.store().await?, key());
    one(&store, &key).await.map_err(text)?;
    proxy.set(Mode::Hang);
    let waiting = tokio::spawn({
        let (store, key) = (store.clone(), key.clone());
        async move { one(&store, &key).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    one(&other, &key).await.map_err(text)?;
    let Err(error) = waiting.await.map_err(text)? else { return Err("a response came through".to_owned()) };
    ensure!(kind(&error) == Some(StoreErrorKind::Unavailable), "{error:?}");
    says(world, &error, &["no response within 1.5s"])?;
    proxy.set(Mode::Forward);
    one(&store, &key).await.map_err(text)?;
    let slots = world.slots(&key).await?;
    ensure!(slots == 4, "{slots} slots for 4 permits");
    Ok(())
}

/// A connection whose caller was dropped is closed: the next request would wait for the response of the last.
async fn dropped_ask_delays_no_other(world: &mut World) -> Outcome {
    let store = world.builder().connections(1).timeout(Duration::from_secs(40)).connect().await.map_err(text)?;
    let key = key();
    one(&store, &key).await.map_err(text)?;
    let holder = world.client().await?;
    hold_lock(&holder, &key.to_string()).await?;
    let dropped = tokio::time::timeout(Duration::from_millis(200), one(&store, &key)).await;
    ensure!(dropped.is_err(), "a permit was granted beside the lock: {dropped:?}");
    // The dropped ask waits for the lock for 20 seconds.
    let next = tokio::time::timeout(Duration::from_secs(10), one(&store, &crate::world::key())).await;
    next.map_err(|_| "an ask waits for the ask of a dropped caller")?.map_err(text)?;
    holder.batch_execute("rollback").await.map_err(crate::world::describe)
}

/// A caller that began to ask and does not poll its future keeps no connection: a program may do so while it awaits another call.
async fn unpolled_ask_delays_no_other(world: &mut World) -> Outcome {
    let store = world.builder().connections(1).connect().await.map_err(text)?;
    let key = key();
    let mut unpolled = std::pin::pin!(one(&store, &key));
    let is_done = std::future::poll_fn(|context| Poll::Ready(unpolled.as_mut().poll(context).is_ready())).await;
    ensure!(!is_done, "the ask was done at once");
    let next = tokio::time::timeout(Duration::from_secs(8), one(&store, &crate::world::key())).await;
    next.map_err(|_| "an ask waits for the ask of a caller that does not poll")?.map_err(text)?;
    unpolled.await.map_err(text)?;
    Ok(())
}

/// The connection dies between commit and response. The store repeats the ask on a new connection.
async fn lost_response_is_repeated(world: &mut World) -> Outcome {
    let proxy = Proxy::start(world.server.port).await?;
    let store = world.builder_at(proxy.port).connect().await.map_err(text)?;
    let (key, asked) = (key(), ids(3));
    one(&store, &key).await.map_err(text)?;
    proxy.set(Mode::Lose);
    let granted = ask(&store, &key, &asked, &limit(10, 100)).await.map_err(text)?.granted;
    ensure!(granted == 3, "{granted} of 3 permits");
    let slots = world.slots(&key).await?;
    ensure!(slots == 4, "{slots} slots for 4 permits");
    Ok(())
}

async fn lost_response_and_repeat_take_one_slot(world: &mut World) -> Outcome {
    let proxy = Proxy::start(world.server.port).await?;
    let store = world.builder_at(proxy.port).connect().await.map_err(text)?;
    let (key, asked) = (key(), ids(3));
    one(&store, &key).await.map_err(text)?;
    proxy.set(Mode::LoseAndRefuse);
    let Err(error) = ask(&store, &key, &asked, &limit(10, 100)).await else {
        return Err("a response came through".to_owned());
    };
    ensure!(kind(&error) == Some(StoreErrorKind::Unavailable), "{error:?}");
    let slots = world.slots(&key).await?;
    ensure!(slots == 4, "{slots} slots: the ask whose response was lost was not committed");
    proxy.set(Mode::Forward);
    let granted = ask(&store, &key, &asked, &limit(10, 100)).await.map_err(text)?.granted;
    ensure!(granted == 3, "{granted} of 3 permits");
    let slots = world.slots(&key).await?;
    ensure!(slots == 4, "{slots} slots for 4 permits");
    Ok(())
}

async fn read_only_server_is_an_error(world: &mut World) -> Outcome {
    drop(world.store().await?);
    world.sql("alter role defender set default_transaction_read_only = on").await?;
    let (store, key) = (world.store().await?, key());
    let done = failed(&store, &key).await;
    world.sql("begin read write; alter role defender reset default_transaction_read_only; commit").await?;
    let error = done?;
    ensure!(kind(&error) == Some(StoreErrorKind::Storage), "{error:?}");
    says(world, &error, &["the server is read-only", "connect to the primary"])
}

async fn wrong_password_is_an_error(world: &mut World) -> Outcome {
    let url = world.server.url_of("defender", "not-the-password", world.server.port);
    let error = refused(PostgresStore::connect(&url).await)?;
    ensure!(error.kind() == StoreErrorKind::Configuration, "{error:?}");
    says(world, &error, &["refuses the sign-in", "28P01"])?;
    ensure!(!format!("{error:?}").contains("not-the-password"), "an error has the password: {error:?}");
    Ok(())
}

async fn wrong_certificate_is_an_error(world: &mut World) -> Outcome {
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(text)?;
    let error = refused(world.builder().ca_pem(other.cert.pem()).connect().await)?;
    ensure!(error.kind() == StoreErrorKind::Configuration, "{error:?}");
    says(world, &error, &["no TLS connection"])?;
    // The roots of the platform do not have the certificate of this server.
    let url = world.server.url(world.server.port);
    let (url, _) = url.split_once("&sslrootcert").ok_or("no CA in the URL")?;
    let error = refused(PostgresStore::connect(url).await)?;
    says(world, &error, &["no TLS connection"])
}

/// The server takes TLS alone. A store never falls back to plain text by itself.
async fn plain_text_is_refused(world: &mut World) -> Outcome {
    let url = format!("{}&sslmode=disable", world.server.url(world.server.port));
    let error = refused(PostgresStore::connect(&url).await)?;
    ensure!(error.kind() == StoreErrorKind::Configuration, "{error:?}");
    says(world, &error, &["refuses the sign-in"])
}

async fn removed_schema_is_an_error(world: &mut World) -> Outcome {
    let store = Arc::new(world.builder().schema("removed").connect().await.map_err(text)?);
    world.sql("drop schema removed cascade").await?;
    let error = failed(&store, &key()).await?;
    ensure!(kind(&error) == Some(StoreErrorKind::Schema), "{error:?}");
    says(world, &error, &["schema removed", "are missing", "connect again"])
}
