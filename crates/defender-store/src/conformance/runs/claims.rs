//! Clauses of rows that workers claim, and of their leases.

use crate::{
    RowState, WorkerId, WorkerLease,
    conformance::{
        runs::bench::Bench,
        verdict::{Stop, check},
    },
};

pub(super) async fn claimed_rows_come_in_order(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 5], None).await?;
    let lease = WorkerLease { worker: WorkerId::generate(), lease: bench.long() };
    let claimed = bench.claimed(1, lease, 3).await?;
    let rows = bench.rows_from(0, 0, 3).await?;
    check(claimed == rows, format!("{claimed:?} were claimed, and the first three rows are {rows:?}"))?;
    let rest = bench.claim(0, WorkerId::generate(), 10).await?;
    check(rest == [3, 4], format!("rows {rest:?} were claimed after the first three of five"))
}

pub(super) async fn at_most_is_kept_by_claims(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 5], None).await?;
    let mut counts = Vec::new();
    for (handle, at_most) in [0, 3, 0, 1, 10, 10].into_iter().enumerate() {
        counts.push(bench.claim(handle, WorkerId::generate(), at_most).await?.len());
    }
    check(counts == [0, 3, 0, 1, 1, 0], format!("{counts:?} of five rows were claimed"))
}

pub(super) async fn held_row_is_left_alone(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    let until = bench.clock.elapsed().saturating_add(bench.unit);
    let worker = bench.worker_for(bench.unit, 1).await?;
    bench.none_is_free(1, until, "its lease had just begun").await?;
    bench.go(0, worker).await?;
    bench.none_is_free(0, until, "its lease was not over").await?;
    // Not even by its worker.
    let again = bench.claim(0, worker, 10).await?;
    if !again.is_empty() && bench.clock.elapsed() >= until {
        return Err(Stop::TooSlow);
    }
    check(again.is_empty(), "a worker has claimed its own row in the time of its lease")
}

pub(super) async fn ended_lease_frees_the_row(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0, 0], None).await?;
    bench.worker_for(bench.unit, 2).await?;
    bench.pass_lease(bench.unit).await;
    let claimed = bench.claim(1, WorkerId::generate(), 10).await?;
    check(claimed == [0, 1], format!("rows {claimed:?} were claimed after the lease of both"))
}

pub(super) async fn rows_under_way_come_first(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 4], None).await?;
    let worker = bench.worker_for(bench.unit, 4).await?;
    bench.go(3, worker).await?;
    bench.done(1, worker, RowState::Submitted, false).await?;
    bench.pass_lease(bench.unit).await;
    let next = WorkerId::generate();
    let claimed = [bench.claim(1, next, 1).await?, bench.claim(0, next, 10).await?].concat();
    check(claimed == [1, 3, 0, 2], format!("rows {claimed:?} were claimed, of which 1 and 3 are under way"))
}

pub(super) async fn ended_rows_are_never_claimed(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 4], None).await?;
    let worker = bench.worker_for(bench.unit, 4).await?;
    for (index, state) in [(0, RowState::Succeeded), (1, RowState::Failed), (2, RowState::Unknown)] {
        bench.done(index, worker, state, false).await?;
    }
    bench.pass_lease(bench.unit).await;
    let claimed = bench.claim(1, WorkerId::generate(), 10).await?;
    check(claimed == [3], format!("rows {claimed:?} were claimed, of which 3 has not ended"))
}

pub(super) async fn renewed_lease_begins_anew(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0], None).await?;
    let worker = bench.worker_for(bench.unit, 1).await?;
    let until = bench.clock.elapsed().saturating_add(bench.unit.saturating_mul(2));
    let renewed = bench.renew(1, worker, bench.unit.saturating_mul(2)).await?;
    check(renewed == 1, format!("{renewed} leases of one were renewed"))?;
    bench.pass_lease(bench.unit).await;
    bench.none_is_free(0, until, "its lease was renewed").await?;
    bench.pass_lease(bench.unit).await;
    let claimed = bench.claim(1, WorkerId::generate(), 10).await?;
    check(claimed == [0], format!("rows {claimed:?} were claimed after the renewed lease"))?;
    let renewed = bench.renew(1, worker, bench.unit).await?;
    check(renewed == 0, format!("{renewed} leases of another worker were renewed"))
}

pub(super) async fn renewal_counts_open_rows_of_the_worker(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 5], None).await?;
    let (worker, other) = (WorkerId::generate(), WorkerId::generate());
    bench.claim(0, worker, 3).await?;
    bench.claim(0, other, 2).await?;
    bench.done(0, worker, RowState::Succeeded, false).await?;
    bench.done(1, worker, RowState::Submitted, false).await?;
    let renewed = [bench.renew(0, worker, bench.long()).await?, bench.renew(1, other, bench.long()).await?];
    check(renewed == [2, 2], format!("{renewed:?} leases were renewed, of 2 and 2"))?;
    let renewed = bench.renew(1, WorkerId::generate(), bench.long()).await?;
    check(renewed == 0, format!("{renewed} leases of a worker without rows were renewed"))
}

pub(super) async fn runs_are_independent(bench: &Bench<'_>) -> Result<(), Stop> {
    let other = bench.other_run();
    bench.create(&[0, 0], Some(1)).await?;
    other.create(&[0, 0], Some(1)).await?;
    let worker = bench.worker(2).await?;
    check(other.claim(1, worker, 10).await? == [0, 1], "the rows of another run are held")?;
    bench.done(0, worker, RowState::Failed, true).await?;
    other.is_halted(None).await?;
    other.go(0, worker).await?;
    bench.has(&[RowState::Failed, RowState::Planned]).await?;
    other.has(&[RowState::Sending, RowState::Planned]).await
}
