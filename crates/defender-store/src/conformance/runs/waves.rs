//! Clauses of waves.

use crate::{
    RowState, WorkerId,
    conformance::{
        runs::bench::Bench,
        verdict::{Stop, check},
    },
};

pub(super) async fn wave_begins_after_the_one_before(bench: &Bench<'_>) -> Result<(), Stop> {
    // The numbers need not follow each other, nor the order of the rows.
    bench.create(&[5, 2, 5, 2, 9], None).await?;
    let worker = WorkerId::generate();
    for (handle, wave) in [vec![1, 3], vec![0, 2], vec![4]].into_iter().enumerate() {
        let claimed = bench.claim(handle, worker, 10).await?;
        check(claimed == wave, format!("rows {claimed:?} were claimed, and the wave is {wave:?}"))?;
        for index in wave {
            let early = bench.claim(handle, WorkerId::generate(), 10).await?;
            check(early.is_empty(), format!("rows {early:?} were claimed before the wave ended"))?;
            bench.go(index, worker).await?;
            bench.done(index, worker, RowState::Submitted, false).await?;
            let early = bench.claim(handle, WorkerId::generate(), 10).await?;
            check(early.is_empty(), format!("rows {early:?} were claimed while an action runs"))?;
            bench.done(index, worker, RowState::Succeeded, false).await?;
        }
    }
    bench.has(&[RowState::Succeeded; 5]).await
}

pub(super) async fn unknown_rows_end_a_wave(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0, 0, 1], None).await?;
    let worker = bench.worker(2).await?;
    bench.done(0, worker, RowState::Unknown, false).await?;
    bench.done(1, worker, RowState::Failed, false).await?;
    let claimed = bench.claim(1, worker, 10).await?;
    check(claimed == [2], format!("rows {claimed:?} were claimed after a wave that failed"))
}

pub(super) async fn planned_row_keeps_its_wave_open(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0, 0, 1], None).await?;
    let worker = bench.worker(2).await?;
    bench.go(0, worker).await?;
    // It was certainly not sent.
    bench.done(0, worker, RowState::Planned, false).await?;
    bench.done(1, worker, RowState::Succeeded, false).await?;
    let claimed = bench.claim(1, WorkerId::generate(), 10).await?;
    check(claimed == [0], format!("rows {claimed:?} were claimed beside a planned row of the first wave"))
}

/// A row that was retried opens an earlier wave again, while rows of a later wave are under way.
pub(super) async fn row_of_any_wave_is_claimed_under_way(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0, 1, 1], None).await?;
    let worker = bench.worker_for(bench.unit, 1).await?;
    bench.done(0, worker, RowState::Failed, false).await?;
    check(bench.claim_for(0, worker, bench.unit, 10).await? == [1, 2], "the second wave was not claimed")?;
    bench.go(1, worker).await?;
    check(bench.retry(1, &[0]).await? == 1, "a failed row was not planned again")?;
    bench.pass_lease(bench.unit).await;
    let claimed = bench.claim(1, WorkerId::generate(), 10).await?;
    check(claimed == [1, 0], format!("rows {claimed:?} were claimed, of which 1 is under way and 0 is planned again"))
}
