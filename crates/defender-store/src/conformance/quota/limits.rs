//! Clauses of the limits.

use std::time::Duration;

use defender_transport::PermitOutcome;
use futures_util::future::join_all;

use super::{
    bench::{Bench, ids},
    judge::fullest_window,
};
use crate::conformance::verdict::{Stop, check};

/// Asks of several processes at once.
pub(super) async fn limit_is_kept(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(6, 1)];
    // The first ask of a key may wait for more than the others do.
    check(bench.one(0, &limits).await?, "no permit was granted with no slot taken of 6")?;
    let asks = join_all((0..20).map(|handle| bench.one(handle, &limits))).await;
    let granted = asks.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().filter(|granted| *granted).count();
    check(granted == 5, format!("20 asks at once for 5 slots were granted {granted} permits"))
}

pub(super) async fn all_limits_apply(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(5, 1_000), bench.limit(3, 1)];
    let first = ids::<4>();
    let granted = bench.ask(0, &first, &limits).await?.granted;
    check(granted == 3, format!("4 permits for limits of 3 and 5: {granted} were granted"))?;
    let released = bench.end_all(1, &first, PermitOutcome::Answered).await?;
    bench.pass(released.after.saturating_add(bench.unit)).await;
    let granted = bench.ask(0, &ids::<3>(), &limits).await?.granted;
    check(granted == 2, format!("3 more permits, with 3 of 5 slots taken: {granted} were granted"))
}

pub(super) async fn grants_are_the_first(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(5, 1)];
    let asked = ids::<8>();
    let granted = bench.ask(0, &asked, &limits).await?.granted;
    check(granted == 5, format!("8 permits for 5 slots: {granted} were granted"))?;
    for (index, id) in asked.iter().enumerate() {
        let is_granted = bench.ask(1, &[*id], &limits).await?.granted == 1;
        check(
            is_granted == (index < 5),
            format!("the first 5 of 8 permits were granted, and number {index} was not of them"),
        )?;
    }
    Ok(())
}

pub(super) async fn zero_calls_count_as_one(bench: &Bench<'_>) -> Result<(), Stop> {
    let granted = bench.ask(0, &ids::<3>(), &[bench.limit(0, 1)]).await?.granted;
    check(granted == 1, format!("3 permits for a limit of 0 calls: {granted} were granted"))
}

pub(super) async fn no_limit_grants_all(bench: &Bench<'_>) -> Result<(), Stop> {
    for handle in 0..2 {
        let asked = ids::<100>();
        let granted = bench.ask(handle, &asked, &[]).await?.granted;
        check(granted == 100, format!("100 permits without a limit: {granted} were granted"))?;
        bench.end_all(handle, &asked, PermitOutcome::Answered).await?;
    }
    Ok(())
}

pub(super) async fn keys_are_independent(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(1, 1)];
    let other = bench.other_key();
    let ids = ids::<1>();
    for key in [bench, &other] {
        let granted = key.ask(0, &ids, &limits).await?.granted;
        check(granted == 1, "a key has no free slot, although nothing was asked of it")?;
    }
    bench.end_all(0, &ids, PermitOutcome::Refused { retry_after: bench.long() }).await?;
    bench.end_all(0, &ids, PermitOutcome::NeverSent).await?;
    other.end_all(0, &ids, PermitOutcome::NeverSent).await?;
    check(other.one(1, &limits).await?, "a 429 of one key closed another")
}

/// Processes of two versions ask with different limits.
pub(super) async fn each_ask_has_its_own_limits(bench: &Bench<'_>) -> Result<(), Stop> {
    let (narrow, wide) = ([bench.limit(2, 1)], [bench.limit(4, 1)]);
    let granted = bench.ask(0, &ids::<3>(), &wide).await?.granted;
    check(granted == 3, format!("3 permits for a limit of 4: {granted} were granted"))?;
    check(!bench.one(1, &narrow).await?, "a permit was granted with 3 slots taken of 2")?;
    check(bench.one(0, &wide).await?, "no permit was granted with 3 slots taken of 4")?;
    check(!bench.one(0, &wide).await?, "a permit was granted with 4 slots taken of 4")
}

pub(super) async fn slots_are_kept_for_longest_limit(bench: &Bench<'_>) -> Result<(), Stop> {
    let (short, long) = ([bench.limit(10, 1)], [bench.limit(4, 1_000)]);
    let first = ids::<1>();
    check(bench.ask(0, &first, &long).await?.granted == 1, "no permit was granted with no slot taken of 4")?;
    let more = ids::<2>();
    check(bench.ask(1, &more, &short).await?.granted == 2, "2 permits were not granted with 1 slot taken of 10")?;
    bench.end_all(0, &first, PermitOutcome::Answered).await?;
    let released = bench.end_all(0, &more, PermitOutcome::Answered).await?;
    bench.pass(released.after.saturating_add(bench.unit)).await;
    // The short window is empty, so that a store may forget what it counts no longer.
    check(
        bench.ask(1, &ids::<10>(), &short).await?.granted == 10,
        "10 permits were not granted in an empty window of 10",
    )?;
    check(!bench.one(0, &long).await?, "a permit was granted with 13 slots taken of 4 in the longest window")
}

/// Askers that send and end, judged by the arrivals.
pub(super) async fn concurrent_askers_keep_the_limit(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(10, 1), bench.limit(25, 3)];
    let until = bench.clock.elapsed().saturating_add(bench.unit.saturating_mul(4));
    let asker = |handle: usize| async move {
        let mut arrivals = Vec::new();
        while bench.clock.elapsed() < until {
            let asked = ids::<3>();
            let asked = asked.get(handle % 3..).unwrap_or_default();
            let permits = bench.ask(handle, asked, &limits).await?;
            for _ in 0..permits.granted {
                arrivals.push(bench.clock.elapsed());
            }
            let granted = asked.get(..permits.granted).unwrap_or_default();
            if !granted.is_empty() {
                bench.clock.sleep(bench.unit / 100).await;
                bench.end_all(handle, granted, PermitOutcome::Answered).await?;
            }
            if let Some(wait) = permits.retry_after {
                bench.clock.sleep(wait.max(bench.unit / 100)).await;
            }
        }
        Ok(arrivals)
    };
    let arrivals = join_all((0..6).map(asker)).await.into_iter().collect::<Result<Vec<_>, Stop>>()?;
    let arrivals: Vec<Duration> = arrivals.into_iter().flatten().collect();
    for limit in limits {
        let fullest = fullest_window(&arrivals, limit.per);
        let calls = usize::try_from(limit.calls).unwrap_or(usize::MAX);
        check(fullest <= calls, format!("{fullest} requests arrived in a window of {calls}"))?;
    }
    // A manual clock advances with each asker's sleep, so that a full use of the windows is not to be expected.
    check(arrivals.len() >= 10, format!("{} requests were sent, and the first window has room for 10", arrivals.len()))
}
