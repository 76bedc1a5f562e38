//! Clauses of rows that are planned again.

use crate::{
    Departure, RowState, RowWritten, WorkerId,
    conformance::{
        runs::bench::Bench,
        verdict::{Stop, check},
    },
};

pub(super) async fn failed_rows_are_planned_again(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 3], None).await?;
    let worker = bench.worker(3).await?;
    bench.done(0, worker, RowState::Failed, false).await?;
    bench.done(1, worker, RowState::Unknown, false).await?;
    bench.done(2, worker, RowState::Failed, false).await?;
    let retried = bench.retry(1, &[1, 0]).await?;
    check(retried == 2, format!("{retried} of 2 rows were planned again"))?;
    bench.has(&[RowState::Planned, RowState::Planned, RowState::Failed]).await?;
    let attempts: Vec<_> = bench.rows(0).await?.into_iter().map(|row| (row.attempt, row.document)).collect();
    let expected = [(2, "written"), (2, "written"), (1, "written")].map(|(attempt, text)| (attempt, text.to_owned()));
    check(attempts == expected, format!("the rows that were planned again are {attempts:?}"))?;
    let claimed = bench.claim(0, WorkerId::generate(), 10).await?;
    check(claimed == [0, 1], format!("rows {claimed:?} were claimed, and 0 and 1 are planned again"))
}

pub(super) async fn other_rows_are_not_retried(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 6], None).await?;
    let worker = bench.worker(6).await?;
    for (index, state) in (0_u32..).zip(RowState::ALL).filter(|(_, state)| *state != RowState::Planned) {
        bench.done(index, worker, state, false).await?;
    }
    let before = bench.rows(0).await?;
    let retried = [bench.retry(0, &[0, 1, 2, 3, 99]).await?, bench.retry(1, &[]).await?];
    check(retried == [0, 0], format!("{retried:?} rows were planned again that had not failed"))?;
    let retried = bench.other_run().retry(1, &[0, 4]).await?;
    check(retried == 0, format!("{retried} rows of no run were planned again"))?;
    let after = bench.rows(0).await?;
    check(before == after, format!("a retry of no failed row has changed {before:?} to {after:?}"))
}

pub(super) async fn retried_row_has_no_worker(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    let worker = bench.worker(1).await?;
    bench.done(0, worker, RowState::Unknown, false).await?;
    bench.retry(1, &[0]).await?;
    let departure = bench.depart(0, 0, worker).await?;
    check(
        departure == Departure::NotHeld,
        format!("a row that was planned again was {departure:?} for its last worker"),
    )?;
    // Nor is the last write repeated.
    let written = bench.write(0, 0, worker, RowState::Unknown, "written").await?;
    check(written == RowWritten::NotHeld, format!("the last write of a row that was planned again was {written:?}"))?;
    bench.has(&[RowState::Planned]).await
}

pub(super) async fn retried_failures_count_no_more(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 4], Some(2)).await?;
    let worker = bench.worker(4).await?;
    bench.done(0, worker, RowState::Failed, false).await?;
    bench.retry(0, &[0]).await?;
    bench.done(1, worker, RowState::Failed, false).await?;
    bench.done(2, worker, RowState::Failed, true).await?;
    bench.reopen(0).await?;
    // Two failed rows do not count after the reopening, and then there is one of them.
    bench.retry(1, &[1]).await?;
    bench.done(3, worker, RowState::Failed, false).await?;
    let next = bench.worker(2).await?;
    bench.of_attempt(2).done(0, next, RowState::Failed, true).await?;
    bench.is_halted(Some("3 of 4 rows failed")).await
}
