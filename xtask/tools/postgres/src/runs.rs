//! Runs: locks and settings of the functions, and faults of the server and of the way to it.

use std::time::Duration;

use defender_store::{
    CreatedRun, Departure, NewRow, NewRun, PostgresStore, RowState, RowWritten, RunId, RunStore, StoreErrorKind,
    WorkerId, WorkerLease,
};

use crate::{
    proxy::{Mode, Proxy},
    world::{Outcome, World, checks, describe, ensure, says, text},
};

checks! {
    halt_waits_for_departures second_failure_counts_the_first runs_refuse_other_isolation runs_are_committed_synchronously
    killed_server_loses_no_row lost_creation_is_new lost_claim_holds_no_row lost_retry_counts_its_rows repeated_retry_leaves_new_failures repeated_resume_leaves_a_new_halt stopped_server_takes_no_run workers_share_runs_by_the_grants large_run_is_listed
}

const LEASE: Duration = Duration::from_secs(100);

/// Creates a run in which a worker has all rows.
async fn claimed(store: &PostgresStore, rows: usize, halt_after: Option<u32>) -> Result<(RunId, WorkerId), String> {
    let (run, worker) = (new_run(rows, halt_after), WorkerId::generate());
    store.create_run(&run).await.map_err(text)?;
    let claimed = store.claim_rows(&run.id, WorkerLease { worker, lease: LEASE }, rows).await.map_err(text)?;
    ensure!(claimed.len() == rows, "{} of {rows} rows were claimed", claimed.len());
    Ok((run.id, worker))
}

fn new_run(rows: usize, halt_after: Option<u32>) -> NewRun {
    NewRun {
        id: RunId::generate(),
        tenant_id: "tenant".to_owned(),
        document: "{}".to_owned(),
        halt_after,
        rows: vec![NewRow { wave: 0, document: "{}".to_owned() }; rows],
    }
}

fn uuid(worker: WorkerId) -> String {
    format!("{:032x}", worker.as_u128())
}

/// A departure that has looked at the run, and has not committed, comes before the halt: no departure follows it.
async fn halt_waits_for_departures(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let (id, worker) = claimed(&store, 2, None).await?;
    let other = world.client().await?;
    let depart = format!(
        "begin isolation level read committed; select from defender.run_depart('{id}', 0, '{}', 1)",
        uuid(worker)
    );
    other.batch_execute(&depart).await.map_err(describe)?;
    let halting = tokio::spawn({
        let (store, id) = (store.clone(), id.clone());
        async move { store.halt_run(&id, "a person").await.map_err(text) }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    ensure!(!halting.is_finished(), "a run was halted while a row departed");
    other.batch_execute("commit").await.map_err(describe)?;
    halting.await.map_err(text)??;
    let departure = store.depart_row(&id, 0, worker, 1).await.map_err(text)?;
    ensure!(departure == Departure::Halted, "a row after the halt was {departure:?}");
    let state = store.rows(&id, 0, 1).await.map_err(text)?.first().map(|row| row.state);
    ensure!(state == Some(RowState::Sending), "the row that departed before the halt is {state:?}");
    Ok(())
}

/// Two rows fail at once, and neither has committed as the other counts.
async fn second_failure_counts_the_first(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let (id, worker) = claimed(&store, 3, Some(2)).await?;
    let other = world.client().await?;
    let write = format!(
        "begin isolation level read committed; select from defender.run_write('{id}', 0, '{}', 1, 4, 'd')",
        uuid(worker)
    );
    other.batch_execute(&write).await.map_err(describe)?;
    let writing = tokio::spawn({
        let (store, id) = (store.clone(), id.clone());
        async move { store.write_row(&id, 1, worker, 1, RowState::Unknown, "d").await.map_err(text) }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    other.batch_execute("commit").await.map_err(describe)?;
    let written = writing.await.map_err(text)??;
    ensure!(written == RowWritten::Done { is_halted: true }, "the second of two failures at once was {written:?}");
    let halted = store.run(&id).await.map_err(text)?.and_then(|run| run.halted);
    ensure!(halted.as_deref() == Some("2 of 3 rows failed"), "the run is halted for {halted:?}");
    Ok(())
}

fn calls(id: &RunId, worker: WorkerId) -> Vec<String> {
    let worker = uuid(worker);
    vec![
        format!("run_create('{id}-2', 't', 'd', null, '{{0}}', '{{d}}', false)"),
        format!("run_claim('{id}', '{worker}', 1000000, 1, '{worker}', false)"),
        format!("run_renew('{id}', '{worker}', 1000000)"),
        format!("run_depart('{id}', 0, '{worker}', 1)"),
        format!("run_write('{id}', 0, '{worker}', 1, 4, 'd')"),
        format!("run_retry('{id}', '{{0}}', '{{1}}', false)"),
        format!("run_halt('{id}', 'a person')"),
        format!("run_reopen('{id}', '{worker}')"),
    ]
}

async fn runs_refuse_other_isolation(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let (id, worker) = claimed(&store, 1, None).await?;
    for call in calls(&id, worker) {
        let done = world.sql(&format!("begin isolation level repeatable read; select defender.{call}; commit")).await;
        let expected = "DS001: the isolation level is repeatable read, and the store needs read committed";
        ensure!(done == Err(expected.to_owned()), "{call} in repeatable read: {done:?}");
    }
    Ok(())
}

async fn runs_are_committed_synchronously(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let (id, worker) = claimed(&store, 1, None).await?;
    let client = world.client().await?;
    for call in calls(&id, worker) {
        let begin = "begin isolation level read committed; set local synchronous_commit = off";
        client.batch_execute(&format!("{begin}; select defender.{call}")).await.map_err(describe)?;
        let row = client.query_one("select current_setting('synchronous_commit')", &[]).await.map_err(describe)?;
        let set: String = row.try_get(0).map_err(text)?;
        client.batch_execute("rollback").await.map_err(describe)?;
        ensure!(set == "on", "synchronous_commit is {set} at the commit of {call}");
    }
    Ok(())
}

async fn killed_server_loses_no_row(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let (id, worker) = claimed(&store, 30, None).await?;
    for index in 0..20 {
        store.depart_row(&id, index, worker, 1).await.map_err(text)?;
        if index < 10 {
            store.write_row(&id, index, worker, 1, RowState::Submitted, "action").await.map_err(text)?;
        }
    }
    world.server.kill().and_then(|()| world.server.launch()).map_err(|error| format!("{error:?}"))?;
    let rows = store.rows(&id, 0, 100).await.map_err(text)?;
    for row in &rows {
        let expected = match row.index {
            0..10 => RowState::Submitted,
            10..20 => RowState::Sending,
            _ => RowState::Planned,
        };
        ensure!(
            row.state == expected,
            "row {} is {:?} after the server was killed, and not {expected:?}",
            row.index,
            row.state
        );
    }
    ensure!(rows.len() == 30, "{} of 30 rows", rows.len());
    let renewed = store.renew_rows(&id, WorkerLease { worker, lease: LEASE }).await.map_err(text)?;
    ensure!(renewed == 30, "{renewed} of 30 leases after the server was killed");
    Ok(())
}

/// The connection dies between commit and response. The repeat finds its own run, and not that of another.
async fn lost_creation_is_new(world: &mut World) -> Outcome {
    let proxy = Proxy::start(world.server.port).await?;
    let store = world.builder_at(proxy.port).connect().await.map_err(text)?;
    // The statement is prepared from here on.
    store.create_run(&new_run(1, None)).await.map_err(text)?;
    let run = new_run(3, None);
    proxy.set(Mode::Lose);
    let created = store.create_run(&run).await.map_err(text)?;
    proxy.set(Mode::Forward);
    ensure!(created == CreatedRun::New, "a run whose response was lost was {created:?}");
    let created = store.create_run(&run).await.map_err(text)?;
    ensure!(created == CreatedRun::Existing, "a run that was created before was {created:?}");
    let rows = store.rows(&run.id, 0, 10).await.map_err(text)?;
    ensure!(rows.len() == 3, "{} of 3 rows", rows.len());
    Ok(())
}

/// The connection dies between commit and response. The worker renews its leases, and has no row that it does not know.
async fn lost_claim_holds_no_row(world: &mut World) -> Outcome {
    let proxy = Proxy::start(world.server.port).await?;
    let store = world.builder_at(proxy.port).connections(1).connect().await.map_err(text)?;
    let run = new_run(8, None);
    store.create_run(&run).await.map_err(text)?;
    let (worker, other) = (WorkerId::generate(), WorkerId::generate());
    let claim = async |worker, at_most| {
        let claimed = store.claim_rows(&run.id, WorkerLease { worker, lease: LEASE }, at_most).await.map_err(text)?;
        Ok::<Vec<_>, String>(claimed.into_iter().map(|row| row.index).collect())
    };
    // The statement is prepared from here on, and the worker has two rows that it knows.
    let known = claim(worker, 2).await?;
    proxy.set(Mode::Lose);
    let repeated = claim(worker, 3).await?;
    proxy.set(Mode::Forward);
    ensure!((&*known, &*repeated) == (&[0, 1], &[2, 3, 4]), "{repeated:?} were claimed after {known:?}");
    let renewed = store.renew_rows(&run.id, WorkerLease { worker, lease: LEASE }).await.map_err(text)?;
    ensure!(renewed == 5, "{renewed} leases were renewed by a worker that knows 5 rows");
    let rest = claim(other, 10).await?;
    ensure!(rest == [5, 6, 7], "{rest:?} were claimed by another worker");
    Ok(())
}

/// The connection dies between commit and response.
async fn lost_retry_counts_its_rows(world: &mut World) -> Outcome {
    let proxy = Proxy::start(world.server.port).await?;
    let store = world.builder_at(proxy.port).connections(1).connect().await.map_err(text)?;
    let (id, worker) = claimed(&store, 3, None).await?;
    for (index, state) in [(0, RowState::Failed), (1, RowState::Unknown), (2, RowState::Succeeded)] {
        store.write_row(&id, index, worker, 1, state, "d").await.map_err(text)?;
    }
    // The statements are prepared from here on.
    store.retry_rows(&id, &[]).await.map_err(text)?;
    proxy.set(Mode::LoseSecond);
    let retried = store.retry_rows(&id, &[0, 1, 2]).await.map_err(text)?;
    proxy.set(Mode::Forward);
    ensure!(retried == 2, "{retried} of 2 rows were planned again, with a lost response");
    let attempts: Vec<_> =
        store.rows(&id, 0, 10).await.map_err(text)?.into_iter().map(|row| (row.state, row.attempt)).collect();
    let expected = [(RowState::Planned, 2), (RowState::Planned, 2), (RowState::Succeeded, 1)];
    ensure!(attempts == expected, "the rows are {attempts:?} after a retry with a lost response");
    Ok(())
}

/// Another person has halted the run after the call whose response was lost.
async fn repeated_resume_leaves_a_new_halt(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let (id, worker) = claimed(&store, 1, None).await?;
    let resume = |call: u128| {
        let function = format!("defender.run_reopen('{id}', '{call:032x}')");
        format!("begin isolation level read committed; select from {function}; commit")
    };
    store.halt_run(&id, "first").await.map_err(text)?;
    world.sql(&resume(1)).await?;
    store.halt_run(&id, "second").await.map_err(text)?;
    world.sql(&resume(1)).await?;
    let departure = store.depart_row(&id, 0, worker, 1).await.map_err(text)?;
    ensure!(departure == Departure::Halted, "a repeat ended a later halt: {departure:?}");
    world.sql(&resume(2)).await?;
    let departure = store.depart_row(&id, 0, worker, 1).await.map_err(text)?;
    ensure!(departure == Departure::Go, "the run stays halted: {departure:?}");
    Ok(())
}

/// A worker has claimed the row after the call whose response was lost, and the row has failed again.
async fn repeated_retry_leaves_new_failures(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let (id, worker) = claimed(&store, 1, None).await?;
    store.write_row(&id, 0, worker, 1, RowState::Failed, "d").await.map_err(text)?;
    let retry = |is_repeat: bool| {
        let function = format!("defender.run_retry('{id}', '{{0}}', '{{1}}', {is_repeat})");
        format!("begin isolation level read committed; select from {function}; commit")
    };
    world.sql(&retry(false)).await?;
    store.claim_rows(&id, WorkerLease { worker, lease: LEASE }, 1).await.map_err(text)?;
    store.write_row(&id, 0, worker, 2, RowState::Failed, "again").await.map_err(text)?;
    world.sql(&retry(true)).await?;
    let rows = store.rows(&id, 0, 10).await.map_err(text)?;
    let row = rows.first().map(|row| (row.state, row.attempt));
    ensure!(row == Some((RowState::Failed, 2)), "a row that failed again is {row:?} after a repeat of its retry");
    Ok(())
}

async fn stopped_server_takes_no_run(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let run = new_run(3, None);
    world.server.stop().map_err(|error| format!("{error:?}"))?;
    let done = store.create_run(&run).await;
    world.server.launch().map_err(|error| format!("{error:?}"))?;
    let Err(error) = done else { return Err(format!("{done:?}, and not an error")) };
    ensure!(error.kind() == StoreErrorKind::Unavailable, "{error:?}");
    says(world, &error, &["cannot create a run: PostgreSQL at localhost:", "does not respond", "check that it runs"])?;
    let created = store.create_run(&run).await.map_err(text)?;
    ensure!(created == CreatedRun::New, "{created:?}");
    Ok(())
}

async fn workers_share_runs_by_the_grants(world: &mut World) -> Outcome {
    let store = world.store_of_worker().await?;
    let (id, worker) = claimed(&store, 2, Some(1)).await?;
    let departure = store.depart_row(&id, 0, worker, 1).await.map_err(text)?;
    ensure!(departure == Departure::Go, "{departure:?}");
    let written = store.write_row(&id, 0, worker, 1, RowState::Failed, "d").await.map_err(text)?;
    ensure!(written == RowWritten::Done { is_halted: true }, "{written:?}");
    store.retry_rows(&id, &[0]).await.map_err(text)?;
    store.reopen_run(&id).await.map_err(text)?;
    ensure!(!store.runs(10).await.map_err(text)?.is_empty(), "no runs");
    world.drop_worker().await
}

/// A statement that reads the document of the run once for each row takes longer than the store waits.
async fn large_run_is_listed(world: &mut World) -> Outcome {
    let store = world.store().await?;
    let run = NewRun { document: "0123456789abcdef".repeat(1 << 18), ..new_run(5_000, None) };
    store.create_run(&run).await.map_err(text)?;
    let newest = store.runs(200).await.map_err(text)?;
    let stored = store.run(&run.id).await.map_err(text)?;
    let counts = [newest.first(), stored.as_ref()].map(|run| run.map(|run| run.counts.planned));
    ensure!(counts == [Some(5_000); 2], "a run of 5,000 rows is listed and read with {counts:?} rows");
    Ok(())
}
