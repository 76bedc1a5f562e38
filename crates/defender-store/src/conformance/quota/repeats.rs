//! Clauses of calls that are repeated after a lost response.

use defender_transport::PermitOutcome;
use futures_util::future::join_all;

use super::bench::{Bench, ids};
use crate::conformance::verdict::{Stop, check};

pub(super) async fn repeated_ask_is_granted_again(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(2, 1)];
    let asked = ids::<2>();
    for handle in 0..3 {
        let granted = bench.ask(handle, &asked, &limits).await?.granted;
        check(granted == 2, format!("ask {handle} for the same 2 permits: {granted} were granted"))?;
    }
    check(!bench.one(0, &limits).await?, "a permit was granted with 2 slots taken of 2")?;
    // A permit that is granted does not stand behind one that is not.
    let ([first, second], [new]) = (asked, ids());
    for (order, expected) in [([new, first], 0), ([first, new], 1), ([second, first], 2)] {
        let granted = bench.ask(1, &order, &limits).await?.granted;
        check(granted == expected, format!("{granted} of the first permits were granted, and not {expected}"))?;
    }
    Ok(())
}

pub(super) async fn repeated_ask_takes_no_slot(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(4, 1)];
    let asked = ids::<2>();
    for handle in 0..5 {
        bench.ask(handle, &asked, &limits).await?;
    }
    let ([first, second], [third, fourth, fifth, sixth]) = (asked, ids());
    let mixed = [first, third, second, fourth, fifth, sixth];
    let granted = bench.ask(0, &mixed, &limits).await?.granted;
    check(granted == 4, format!("2 known and 2 new permits for 4 slots: {granted} were granted"))?;
    check(!bench.one(1, &limits).await?, "a permit was granted with 4 slots taken of 4")
}

pub(super) async fn concurrent_repeats_share_permits(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(3, 1)];
    let asked = ids::<3>();
    let asks = join_all((0..8).map(|handle| bench.ask(handle, &asked, &limits))).await;
    for permits in asks {
        let granted = permits?.granted;
        check(granted == 3, format!("the same 3 permits, asked for at once: {granted} were granted"))?;
    }
    check(!bench.one(0, &limits).await?, "a permit was granted with 3 slots taken of 3")
}

pub(super) async fn repeated_release_has_no_effect(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(1, 1)];
    let id = ids::<1>();
    check(bench.ask(0, &id, &limits).await?.granted == 1, "no permit was granted with no slot taken of 1")?;
    let ended = bench.end_all(0, &id, PermitOutcome::Answered).await?;
    let free = ended.before.saturating_add(bench.unit);
    bench.end_all(1, &id, PermitOutcome::NeverSent).await?;
    bench.refused(0, &limits, free, "the permit was released as answered before").await?;
    bench.pass(ended.after.saturating_add(bench.unit / 2)).await;
    let repeated = bench.end_all(1, &id, PermitOutcome::Answered).await?;
    bench.refused(0, &limits, free, "the window was not over since the first release").await?;
    bench.pass(ended.after.saturating_add(bench.unit)).await;
    let granted = bench.one(0, &limits).await?;
    if !granted && bench.clock.elapsed() >= repeated.before.saturating_add(bench.unit) {
        return Err(Stop::TooSlow);
    }
    check(granted, "a repeated release has taken the slot anew")
}

pub(super) async fn unknown_permit_is_ignored(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(1, 1)];
    // A key that the store does not know either.
    bench.end_all(0, &ids::<2>(), PermitOutcome::Answered).await?;
    check(bench.one(0, &limits).await?, "no permit was granted with no slot taken of 1")?;
    for outcome in [PermitOutcome::Answered, PermitOutcome::Unanswered, PermitOutcome::NeverSent] {
        bench.end_all(1, &ids::<2>(), outcome).await?;
        check(!bench.one(0, &limits).await?, format!("an unknown permit has freed a slot ({outcome:?})"))?;
    }
    bench.report(0, &[]).await.map(|_span| ())
}

/// A repeat of an ask that arrives after the release.
pub(super) async fn ended_permit_needs_a_new_slot(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(2, 1_000)];
    let id = ids::<1>();
    check(bench.ask(0, &id, &limits).await?.granted == 1, "no permit was granted with no slot taken of 2")?;
    bench.end_all(0, &id, PermitOutcome::Answered).await?;
    let again = bench.ask(1, &id, &limits).await?.granted;
    let more = bench.ask(1, &ids::<2>(), &limits).await?.granted;
    check(again + more <= 1, "the slot of a permit that had ended was lost when the permit was asked for again")
}
