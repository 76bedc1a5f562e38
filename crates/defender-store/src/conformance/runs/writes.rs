//! Clauses of what workers write.

use crate::{
    RowState, RowWritten, WorkerId,
    conformance::{
        runs::bench::Bench,
        verdict::{Stop, check},
    },
};

async fn stays(bench: &Bench<'_>, index: u32, worker: WorkerId, state: RowState, why: &str) -> Result<(), Stop> {
    let before = bench.rows(0).await?;
    let written = bench.write(1, index, worker, state, "not to be written").await?;
    check(written == RowWritten::NotHeld, format!("row {index} as {state:?} was {written:?}, although {why}"))?;
    let after = bench.rows(0).await?;
    check(before == after, format!("a write that was not done has changed {before:?} to {after:?}"))
}

pub(super) async fn each_state_is_written(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 6], None).await?;
    let worker = bench.worker(6).await?;
    for (index, state) in (0_u32..).zip(RowState::ALL) {
        bench.done(index, worker, state, false).await?;
        let row = bench.rows_from(0, index, 1).await?.into_iter().next();
        let is_written = row.as_ref().is_some_and(|row| row.state == state && row.document == "written");
        check(is_written, format!("a row was written as {state:?}, and is {row:?}"))?;
    }
    bench.has(&RowState::ALL).await
}

pub(super) async fn write_needs_the_worker(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    for state in RowState::ALL {
        stays(bench, 0, WorkerId::generate(), state, "nobody had claimed it").await?;
    }
    let former = bench.worker_for(bench.unit, 1).await?;
    stays(bench, 0, WorkerId::generate(), RowState::Failed, "another worker had it").await?;
    bench.pass_lease(bench.unit).await;
    let worker = bench.worker(1).await?;
    for state in RowState::ALL {
        stays(bench, 0, former, state, "another worker had claimed it").await?;
    }
    stays(bench, 1, worker, RowState::Failed, "the run has one row").await?;
    let written = bench.other_run().write(0, 0, worker, RowState::Failed, "d").await?;
    check(written == RowWritten::NotHeld, format!("a row of no run was {written:?}"))
}

/// A call of an earlier attempt that was late, or of no attempt so far.
pub(super) async fn write_needs_the_attempt(bench: &Bench<'_>) -> Result<(), Stop> {
    let worker = bench.worker_again().await?;
    let second = bench.of_attempt(2);
    for state in RowState::ALL {
        for attempt in [1, 3] {
            stays(&bench.of_attempt(attempt), 0, worker, state, "it is of attempt 2").await?;
        }
    }
    second.go(0, worker).await?;
    stays(bench, 0, worker, RowState::Failed, "it is of attempt 2").await?;
    second.done(0, worker, RowState::Failed, false).await?;
    // Nor is it a repeat of the same write in a later attempt.
    let written = bench.write(0, 0, worker, RowState::Failed, "written").await?;
    check(written == RowWritten::NotHeld, format!("a write of attempt 1 after the end of attempt 2 was {written:?}"))?;
    bench.has(&[RowState::Failed]).await
}

pub(super) async fn ended_row_is_final(bench: &Bench<'_>) -> Result<(), Stop> {
    for ended in [RowState::Succeeded, RowState::Failed, RowState::Unknown] {
        let run = bench.other_run();
        run.create(&[0], None).await?;
        let worker = run.worker(1).await?;
        run.done(0, worker, ended, false).await?;
        for state in RowState::ALL {
            stays(&run, 0, worker, state, "it had ended").await?;
        }
        run.has(&[ended]).await?;
    }
    Ok(())
}

pub(super) async fn planned_row_is_free_again(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    let worker = bench.worker(1).await?;
    bench.go(0, worker).await?;
    bench.done(0, worker, RowState::Planned, false).await?;
    let claimed = bench.claim(0, WorkerId::generate(), 10).await?;
    check(claimed == [0], format!("rows {claimed:?} were claimed, after row 0 was planned again"))
}

pub(super) async fn put_back_row_is_not_renewed(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0, 0], None).await?;
    let worker = bench.worker(2).await?;
    bench.done(0, worker, RowState::Planned, false).await?;
    let renewed = bench.renew(1, worker, bench.long()).await?;
    check(renewed == 1, format!("{renewed} leases were renewed of the one row that was not put back"))?;
    let next = WorkerId::generate();
    let claimed = bench.claim(0, next, 10).await?;
    check(claimed == [0], format!("rows {claimed:?} were claimed by another worker, after row 0 was put back"))?;
    let renewed = bench.renew(0, next, bench.long()).await?;
    check(renewed == 1, format!("{renewed} leases of the worker that claimed a row that was put back were renewed"))
}

pub(super) async fn submitted_row_is_held(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0, 0], None).await?;
    let worker = bench.worker(2).await?;
    bench.done(0, worker, RowState::Submitted, false).await?;
    bench.done(1, worker, RowState::Sending, false).await?;
    bench.none_is_free(1, bench.long(), "its lease was not over").await?;
    bench.done(0, worker, RowState::Succeeded, false).await
}

pub(super) async fn document_is_replaced(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    let worker = bench.worker(1).await?;
    for (handle, document) in ["first", "", "third"].into_iter().enumerate() {
        bench.write(handle, 0, worker, RowState::Submitted, document).await?;
        let rows = bench.rows(1).await?;
        let there = rows.first().map(|row| row.document.as_str());
        check(there == Some(document), format!("a document was written as {document:?}, and is {there:?}"))?;
    }
    Ok(())
}
