//! Clauses of departures.

use crate::{
    Departure, RowState, WorkerId,
    conformance::{
        runs::bench::Bench,
        verdict::{Stop, check},
    },
};

async fn stays(bench: &Bench<'_>, index: u32, worker: WorkerId, why: &str) -> Result<(), Stop> {
    for handle in 0..2 {
        let departure = bench.depart(handle, index, worker).await?;
        check(departure == Departure::NotHeld, format!("row {index} was {departure:?}, although {why}"))?;
    }
    Ok(())
}

pub(super) async fn departed_row_is_sending(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0, 0], None).await?;
    let worker = bench.worker(2).await?;
    bench.go(1, worker).await?;
    bench.has(&[RowState::Planned, RowState::Sending]).await?;
    let documents: Vec<_> = bench.rows(1).await?.into_iter().map(|row| (row.document, row.attempt)).collect();
    let is_same = documents == [("row 0".to_owned(), 1), ("row 1".to_owned(), 1)];
    check(is_same, format!("a departure has changed the rows to {documents:?}"))
}

pub(super) async fn departure_needs_the_worker(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    stays(bench, 0, WorkerId::generate(), "nobody had claimed it").await?;
    let worker = bench.worker(1).await?;
    stays(bench, 0, WorkerId::generate(), "another worker had it").await?;
    stays(bench, 1, worker, "the run has one row").await?;
    stays(&bench.other_run(), 0, worker, "there is no such run").await?;
    bench.has(&[RowState::Planned]).await
}

pub(super) async fn departure_needs_a_row_before_its_request(bench: &Bench<'_>) -> Result<(), Stop> {
    let states = [RowState::Submitted, RowState::Succeeded, RowState::Failed, RowState::Unknown];
    bench.create(&[0; 4], None).await?;
    let worker = bench.worker(4).await?;
    for (index, state) in (0_u32..).zip(states) {
        bench.done(index, worker, state, false).await?;
        stays(bench, index, worker, "its request was sent").await?;
    }
    bench.has(&states).await
}

pub(super) async fn departed_row_may_depart_again(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    let first = bench.worker_for(bench.unit, 1).await?;
    bench.go(0, first).await?;
    bench.pass_lease(bench.unit).await;
    // The next worker has looked into the journal, and the request was not sent.
    let next = bench.worker(1).await?;
    bench.go(0, next).await?;
    bench.has(&[RowState::Sending]).await
}

pub(super) async fn former_worker_does_not_depart(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    let former = bench.worker_for(bench.unit, 1).await?;
    bench.pass_lease(bench.unit).await;
    let next = bench.worker(1).await?;
    stays(bench, 0, former, "another worker had claimed it").await?;
    bench.has(&[RowState::Planned]).await?;
    bench.go(0, next).await
}

/// A call of an earlier attempt that was late, or of no attempt so far.
pub(super) async fn departure_needs_the_attempt(bench: &Bench<'_>) -> Result<(), Stop> {
    let worker = bench.worker_again().await?;
    let second = bench.of_attempt(2);
    for attempt in [1, 3] {
        stays(&bench.of_attempt(attempt), 0, worker, "it is of attempt 2").await?;
    }
    bench.has(&[RowState::Planned]).await?;
    second.go(0, worker).await?;
    stays(bench, 0, worker, "it is of attempt 2").await?;
    bench.halt(0, "a person").await?;
    stays(bench, 0, worker, "it is of attempt 2").await?;
    bench.has(&[RowState::Sending]).await
}

pub(super) async fn ended_lease_leaves_the_row_to_its_worker(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    let worker = bench.worker_for(bench.unit, 1).await?;
    bench.pass_lease(bench.unit).await;
    bench.go(0, worker).await?;
    bench.done(0, worker, RowState::Succeeded, false).await
}
