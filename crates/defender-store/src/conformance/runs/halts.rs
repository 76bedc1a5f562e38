//! Clauses of runs that are halted.

use crate::{
    Departure, RowState, WorkerId,
    conformance::{
        runs::bench::Bench,
        verdict::{Stop, check},
    },
};

pub(super) async fn halted_run_departs_no_row(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 3], None).await?;
    let worker = bench.worker(3).await?;
    bench.go(1, worker).await?;
    bench.done(2, worker, RowState::Submitted, false).await?;
    bench.halt(0, "a person").await?;
    for (index, expected) in [(0, Departure::Halted), (1, Departure::Halted), (2, Departure::NotHeld)] {
        let departure = bench.depart(1, index, worker).await?;
        check(departure == expected, format!("row {index} of a halted run was {departure:?}, and not {expected:?}"))?;
    }
    let departure = bench.depart(1, 0, WorkerId::generate()).await?;
    check(departure == Departure::NotHeld, format!("the row of another worker in a halted run was {departure:?}"))?;
    bench.has(&[RowState::Planned, RowState::Sending, RowState::Submitted]).await?;
    bench.is_halted(Some("a person")).await
}

/// Rows under way are still claimed, so that somebody waits for them.
pub(super) async fn halted_run_claims_no_planned_row(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 3], None).await?;
    let worker = bench.worker_for(bench.unit, 3).await?;
    bench.go(1, worker).await?;
    bench.done(2, worker, RowState::Submitted, false).await?;
    bench.halt(0, "a person").await?;
    bench.pass_lease(bench.unit).await;
    let claimed = bench.claim(1, WorkerId::generate(), 10).await?;
    check(claimed == [1, 2], format!("rows {claimed:?} of a halted run were claimed, of which 1 and 2 are under way"))
}

pub(super) async fn first_reason_stays(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], Some(1)).await?;
    let worker = bench.worker(1).await?;
    bench.halt(0, "first").await?;
    bench.halt(1, "second").await?;
    bench.is_halted(Some("first")).await?;
    bench.done(0, worker, RowState::Failed, true).await?;
    bench.is_halted(Some("first")).await
}

pub(super) async fn reopened_run_goes_on(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0, 0], None).await?;
    let worker = WorkerId::generate();
    bench.claim(0, worker, 1).await?;
    bench.halt(0, "a person").await?;
    bench.reopen(1).await?;
    bench.is_halted(None).await?;
    bench.go(0, worker).await?;
    check(bench.claim(1, worker, 10).await? == [1], "a planned row of a reopened run was not claimed")?;
    bench.halt(1, "again").await?;
    bench.is_halted(Some("again")).await
}

pub(super) async fn failures_halt_the_run(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 5], Some(2)).await?;
    let worker = bench.worker(5).await?;
    bench.done(0, worker, RowState::Failed, false).await?;
    bench.done(1, worker, RowState::Succeeded, false).await?;
    bench.is_halted(None).await?;
    bench.done(2, worker, RowState::Failed, true).await?;
    bench.is_halted(Some("2 of 5 rows failed")).await?;
    let departure = bench.depart(0, 3, worker).await?;
    check(departure == Departure::Halted, format!("a row after too many failures was {departure:?}"))
}

pub(super) async fn unknown_rows_count_as_failures(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 3], Some(2)).await?;
    let worker = bench.worker(3).await?;
    bench.done(0, worker, RowState::Unknown, false).await?;
    bench.done(1, worker, RowState::Failed, true).await?;
    bench.is_halted(Some("2 of 3 rows failed")).await
}

pub(super) async fn failures_count_anew_after_reopening(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 6], Some(2)).await?;
    let worker = bench.worker(6).await?;
    bench.done(0, worker, RowState::Failed, false).await?;
    bench.done(1, worker, RowState::Failed, true).await?;
    bench.reopen(0).await?;
    bench.done(2, worker, RowState::Failed, false).await?;
    bench.is_halted(None).await?;
    bench.done(3, worker, RowState::Failed, true).await?;
    bench.is_halted(Some("4 of 6 rows failed")).await
}

pub(super) async fn halted_run_is_reported_by_each_write(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 6], None).await?;
    let worker = bench.worker(6).await?;
    bench.halt(0, "a person").await?;
    for (index, state) in (0_u32..).zip(RowState::ALL) {
        bench.done(index, worker, state, true).await?;
    }
    Ok(())
}

pub(super) async fn halt_of_an_unknown_run_is_ignored(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.halt(0, "a person").await?;
    bench.reopen(1).await?;
    bench.create(&[0], None).await?;
    bench.is_halted(None).await
}

pub(super) async fn no_limit_never_halts(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 20], None).await?;
    let worker = bench.worker(20).await?;
    for index in 0..20 {
        bench.done(index, worker, RowState::Failed, false).await?;
    }
    bench.is_halted(None).await
}
