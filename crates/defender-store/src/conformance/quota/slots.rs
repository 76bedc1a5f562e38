//! Clauses of the time for which a slot is taken.

use defender_transport::{EndedPermit, PermitId, PermitOutcome};

use super::bench::{Bench, ids};
use crate::conformance::verdict::{Stop, check};

/// Takes the only slot, and returns the id of its permit.
async fn only_slot(bench: &Bench<'_>) -> Result<PermitId, Stop> {
    let id = PermitId::generate();
    let granted = bench.ask(0, &[id], &[bench.limit(1, 1)]).await?.granted;
    check(granted == 1, "no permit was granted with no slot taken of 1")?;
    Ok(id)
}

pub(super) async fn slot_is_taken_until_after_end(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(1, 1)];
    for outcome in [PermitOutcome::Answered, PermitOutcome::Unanswered] {
        let key = Bench::new(bench.stores(), bench.clock, bench.unit, "slot_is_taken_until_after_end");
        let id = only_slot(&key).await?;
        let ended = key.end(1, id, outcome).await?;
        key.refused(0, &limits, ended.before.saturating_add(key.unit), "the attempt had just ended").await?;
        key.pass(ended.before.saturating_add(key.unit / 2)).await;
        key.refused(1, &limits, ended.before.saturating_add(key.unit), "the window was not over since the end").await?;
        key.pass(ended.after.saturating_add(key.unit)).await;
        check(key.one(1, &limits).await?, format!("no permit was granted after the window ({outcome:?})"))?;
    }
    Ok(())
}

pub(super) async fn end_counts_and_not_report(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(1, 1)];
    let id = only_slot(bench).await?;
    bench.pass(bench.clock.elapsed().saturating_add(bench.unit)).await;
    let ago = bench.unit.saturating_mul(3) / 4;
    let reported = bench.report(1, &[EndedPermit { id, outcome: PermitOutcome::Answered, ago }]).await?;
    let ended_at_least = reported.before.saturating_sub(ago);
    bench
        .refused(0, &limits, ended_at_least.saturating_add(bench.unit), "the window was not over since the end")
        .await?;
    bench.pass(reported.after.saturating_sub(ago).saturating_add(bench.unit)).await;
    let granted = bench.one(0, &limits).await?;
    if !granted && bench.clock.elapsed() >= reported.before.saturating_add(bench.unit) {
        return Err(Stop::TooSlow);
    }
    check(granted, "a slot was taken until a window after the report, and not after the end")
}

pub(super) async fn never_sent_frees_at_once(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(2, 1_000)];
    let asked @ [first, _] = ids::<2>();
    check(bench.ask(0, &asked, &limits).await?.granted == 2, "2 permits were not granted for 2 slots")?;
    check(!bench.one(1, &limits).await?, "a permit was granted with 2 slots taken of 2")?;
    bench.end(1, first, PermitOutcome::NeverSent).await?;
    check(bench.one(1, &limits).await?, "a request that was never sent has a slot still")?;
    check(!bench.one(0, &limits).await?, "one request that was never sent has freed more than its slot")
}

pub(super) async fn unreleased_permit_lapses(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(1, 1)];
    let before = bench.clock.elapsed();
    let granted = bench.ask_for(0, &ids::<1>(), &limits, bench.unit).await?.granted;
    let after = bench.clock.elapsed();
    check(granted == 1, "no permit was granted with no slot taken of 1")?;
    let free = before.saturating_add(bench.unit.saturating_mul(2));
    bench.pass(after.saturating_add(bench.unit)).await;
    bench.refused(1, &limits, free, "the window was not over since the permit lapsed").await?;
    bench.pass(after.saturating_add(bench.unit.saturating_mul(2))).await;
    check(bench.one(1, &limits).await?, "a permit that nobody releases is held for longer than its time and the window")
}

pub(super) async fn released_permit_does_not_lapse(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(1, 2)];
    let id = ids::<1>();
    let granted = bench.ask_for(0, &id, &limits, bench.unit.saturating_mul(100)).await?.granted;
    check(granted == 1, "no permit was granted with no slot taken of 1")?;
    let ended = bench.end_all(0, &id, PermitOutcome::Answered).await?;
    bench.pass(ended.after.saturating_add(bench.unit.saturating_mul(2))).await;
    check(bench.one(1, &limits).await?, "a slot was taken until the permit lapsed, although it was released before")
}

pub(super) async fn late_release_is_ignored(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(1, 1)];
    let id = ids::<1>();
    let hold = bench.unit / 4;
    let before = bench.clock.elapsed();
    let granted = bench.ask_for(0, &id, &limits, hold).await?.granted;
    check(granted == 1, "no permit was granted with no slot taken of 1")?;
    bench.pass(bench.clock.elapsed().saturating_add(hold)).await;
    let free = before.saturating_add(hold).saturating_add(bench.unit);
    bench.refused(1, &limits, free, "the window was not over since the permit lapsed").await?;
    bench.end_all(0, &id, PermitOutcome::NeverSent).await?;
    bench.refused(1, &limits, free, "a late release has freed the slot of a permit that had lapsed").await?;
    Ok(())
}

pub(super) async fn retry_after_is_never_too_long(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(2, 1)];
    let asked = ids::<2>();
    check(bench.ask(0, &asked, &limits).await?.granted == 2, "2 permits were not granted for 2 slots")?;
    let before = bench.clock.elapsed();
    let wait = bench.refused(1, &limits, bench.long(), "2 slots were taken of 2").await?;
    // Both may end at any moment after the ask, the first of them at once.
    check(
        wait <= bench.unit,
        format!("a wait of {wait:?} for a window of {:?}, with all attempts under way", bench.unit),
    )?;
    let ended = bench.end_all(0, &asked, PermitOutcome::Answered).await?;
    check(ended.before >= before, "the clock went back")?;
    bench.pass(ended.before.saturating_add(bench.unit / 2)).await;
    let before = bench.clock.elapsed();
    let free = ended.before.saturating_add(bench.unit);
    let wait = bench.refused(1, &limits, free, "the window was not over since the end").await?;
    let longest = ended.after.saturating_add(bench.unit).saturating_sub(before);
    check(wait <= longest, format!("a wait of {wait:?}, and the slot is free after {longest:?}"))?;
    // Nothing is under way, so that the wait is exact.
    bench.clock.sleep(wait.saturating_add(bench.margin())).await;
    check(bench.one(1, &limits).await?, format!("no permit was granted after the wait of {wait:?}"))
}
