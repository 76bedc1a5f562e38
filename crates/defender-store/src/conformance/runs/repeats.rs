//! Clauses of calls that are repeated after a lost response.

use crate::{
    RowState,
    conformance::{
        runs::bench::Bench,
        verdict::{Stop, check},
    },
};

pub(super) async fn repeated_write_is_done(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 6], Some(2)).await?;
    let worker = bench.worker(6).await?;
    for (index, state) in (0_u32..).zip(RowState::ALL) {
        let is_halted = state == RowState::Unknown;
        for _ in 0..3 {
            bench.done(index, worker, state, is_halted).await?;
        }
    }
    bench.has(&RowState::ALL).await?;
    bench.is_halted(Some("2 of 6 rows failed")).await
}

pub(super) async fn repeated_departure_goes_again(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    let worker = bench.worker(1).await?;
    for _ in 0..3 {
        bench.go(0, worker).await?;
    }
    bench.has(&[RowState::Sending]).await
}

pub(super) async fn repeated_halt_and_reopening_change_nothing(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 3], Some(2)).await?;
    let worker = bench.worker(3).await?;
    for handle in 0..3 {
        bench.halt(handle, "a person").await?;
    }
    bench.is_halted(Some("a person")).await?;
    bench.done(0, worker, RowState::Failed, true).await?;
    for handle in 0..3 {
        bench.reopen(handle).await?;
    }
    bench.is_halted(None).await?;
    bench.done(1, worker, RowState::Failed, false).await?;
    bench.done(2, worker, RowState::Failed, true).await
}

pub(super) async fn repeated_retry_changes_nothing(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0, 0], None).await?;
    let worker = bench.worker(2).await?;
    bench.done(0, worker, RowState::Failed, false).await?;
    let mut counts = Vec::new();
    for handle in 0..3 {
        counts.push(bench.retry(handle, &[0]).await?);
    }
    check(counts == [1, 0, 0], format!("{counts:?} rows were planned again by the same call"))?;
    let attempt = bench.rows(0).await?.first().map(|row| row.attempt);
    check(attempt == Some(2), format!("the attempt after a repeated retry is {attempt:?}"))
}
