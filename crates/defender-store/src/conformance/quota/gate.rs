//! Clauses of a 429 and of the probe after it.

use std::time::Duration;

use defender_transport::{EndedPermit, PermitId, PermitOutcome};

use super::bench::{Bench, Span, ids};
use crate::conformance::verdict::{Stop, check};

/// Number of slots of the limit: the gate refuses, and not the limit.
const CALLS: u32 = 1_000;

/// Takes a permit that is answered with 429.
async fn refuse(bench: &Bench<'_>, retry_after: Duration) -> Result<Span, Stop> {
    let id = take(bench).await?;
    bench.end(0, id, PermitOutcome::Refused { retry_after }).await
}

/// Takes a permit while the key is open.
async fn take(bench: &Bench<'_>) -> Result<PermitId, Stop> {
    let id = PermitId::generate();
    let granted = bench.ask(0, &[id], &[bench.limit(CALLS, 1)]).await?.granted;
    check(granted == 1, "no permit was granted of a key that is open")?;
    Ok(id)
}

/// Closes the key, waits for the end of the pause, and takes the probe.
async fn probe(bench: &Bench<'_>) -> Result<PermitId, Stop> {
    let closed = refuse(bench, bench.unit / 4).await?;
    next_probe(bench, closed.after.saturating_add(bench.unit / 4)).await
}

/// Takes the probe after this time.
async fn next_probe(bench: &Bench<'_>, after: Duration) -> Result<PermitId, Stop> {
    bench.pass(after).await;
    let probe = PermitId::generate();
    let granted = bench.ask(0, &[probe], &[bench.limit(CALLS, 1)]).await?.granted;
    check(granted == 1, "no probe was granted after the pause")?;
    Ok(probe)
}

/// Checks that the key is closed. The probe is held for long, so that no time opens the key.
async fn closed(bench: &Bench<'_>, why: &str) -> Result<(), Stop> {
    for handle in 0..2 {
        bench.refused(handle, &[bench.limit(CALLS, 1)], Duration::MAX, why).await?;
    }
    Ok(())
}

/// Checks that a probe, and no other permit with it, is granted.
async fn probes(bench: &Bench<'_>, why: &str) -> Result<PermitId, Stop> {
    let asked @ [probe, ..] = ids::<3>();
    let granted = bench.ask(1, &asked, &[bench.limit(CALLS, 1)]).await?.granted;
    check(granted == 1, format!("{granted} of 3 permits were granted, and not one, {why}"))?;
    closed(bench, "a probe was under way").await?;
    Ok(probe)
}

async fn open(bench: &Bench<'_>, why: &str) -> Result<(), Stop> {
    for handle in 0..2 {
        let granted = bench.ask(handle, &ids::<3>(), &[bench.limit(CALLS, 1)]).await?.granted;
        check(granted == 3, format!("{granted} of 3 permits were granted {why}"))?;
    }
    Ok(())
}

pub(super) async fn refusal_closes_the_key(bench: &Bench<'_>) -> Result<(), Stop> {
    let limits = [bench.limit(CALLS, 1)];
    let refused = refuse(bench, bench.unit).await?;
    let before = bench.clock.elapsed();
    let until = refused.before.saturating_add(bench.unit);
    let wait = bench.refused_among(0, &ids::<3>(), &limits, until, "the response was 429 just now").await?;
    let longest = refused.after.saturating_add(bench.unit).saturating_sub(before);
    check(wait <= longest, format!("a wait of {wait:?}, and the pause ends after {longest:?}"))?;
    bench.pass(refused.before.saturating_add(bench.unit / 2)).await;
    bench.refused(0, &limits, until, "the pause after a 429 was not over").await?;
    bench.pass(refused.after.saturating_add(bench.unit)).await;
    check(bench.one(0, &limits).await?, "no permit was granted after the pause")
}

pub(super) async fn refusal_closes_for_all_handles(bench: &Bench<'_>) -> Result<(), Stop> {
    refuse(bench, bench.long()).await?;
    for handle in 0..4 {
        let granted = bench.one(handle, &[bench.limit(CALLS, 1)]).await?;
        check(!granted, format!("handle {handle} was granted a permit after a 429"))?;
    }
    Ok(())
}

pub(super) async fn probe_is_granted_alone(bench: &Bench<'_>) -> Result<(), Stop> {
    let refused = refuse(bench, bench.unit / 4).await?;
    bench.pass(refused.after.saturating_add(bench.unit / 4)).await;
    probes(bench, "after the pause").await.map(|_probe| ())
}

pub(super) async fn answered_probe_opens(bench: &Bench<'_>) -> Result<(), Stop> {
    let probe = probe(bench).await?;
    closed(bench, "a probe was under way").await?;
    bench.end(1, probe, PermitOutcome::Answered).await?;
    open(bench, "after the probe was answered").await
}

pub(super) async fn unanswered_probe_is_followed_by_another(bench: &Bench<'_>) -> Result<(), Stop> {
    let probe = probe(bench).await?;
    bench.end(1, probe, PermitOutcome::Unanswered).await?;
    let second = probes(bench, "after a probe without a response").await?;
    bench.end(1, second, PermitOutcome::Answered).await?;
    open(bench, "after the second probe was answered").await
}

pub(super) async fn never_sent_probe_is_followed_by_another(bench: &Bench<'_>) -> Result<(), Stop> {
    let probe = probe(bench).await?;
    bench.end(1, probe, PermitOutcome::NeverSent).await?;
    probes(bench, "after a probe that was never sent").await.map(|_probe| ())
}

pub(super) async fn refused_probe_closes_again(bench: &Bench<'_>) -> Result<(), Stop> {
    let probe = probe(bench).await?;
    let retry_after = bench.unit / 2;
    let refused = bench.end(1, probe, PermitOutcome::Refused { retry_after }).await?;
    let until = refused.before.saturating_add(retry_after);
    bench.refused(0, &[bench.limit(CALLS, 1)], until, "the probe was answered with 429").await?;
    bench.pass(refused.after.saturating_add(retry_after)).await;
    probes(bench, "after the second pause").await.map(|_probe| ())
}

pub(super) async fn lapsed_probe_is_followed_by_another(bench: &Bench<'_>) -> Result<(), Stop> {
    let refused = refuse(bench, bench.unit / 4).await?;
    bench.pass(refused.after.saturating_add(bench.unit / 4)).await;
    let (limits, lapsing) = ([bench.limit(CALLS, 1)], ids::<1>());
    let before = bench.clock.elapsed();
    let granted = bench.ask_for(0, &lapsing, &limits, bench.unit).await?.granted;
    let after = bench.clock.elapsed();
    check(granted == 1, "no probe was granted after the pause")?;
    bench.refused(1, &limits, before.saturating_add(bench.unit), "a probe was under way").await?;
    bench.pass(after.saturating_add(bench.unit)).await;
    probes(bench, "after the probe had lapsed").await?;
    bench.end_all(0, &lapsing, PermitOutcome::Answered).await?;
    closed(bench, "a probe was under way, and the response was that of the probe before it").await
}

pub(super) async fn only_the_probe_opens(bench: &Bench<'_>) -> Result<(), Stop> {
    let earlier = [take(bench).await?, take(bench).await?, take(bench).await?];
    refuse(bench, bench.unit / 2).await?;
    bench.end(1, earlier[0], PermitOutcome::Answered).await?;
    bench.pass(bench.clock.elapsed().saturating_add(bench.unit / 2)).await;
    bench.end(1, earlier[1], PermitOutcome::Answered).await?;
    let probe = probes(bench, "after the responses to earlier requests").await?;
    bench.end(1, earlier[2], PermitOutcome::Answered).await?;
    closed(bench, "a probe was under way, and the response was that of an earlier request").await?;
    bench.end(0, probe, PermitOutcome::Answered).await?;
    open(bench, "after the probe was answered").await
}

pub(super) async fn refusal_during_probe_outlives_it(bench: &Bench<'_>) -> Result<(), Stop> {
    let earlier = take(bench).await?;
    let probe = probe(bench).await?;
    bench.end(1, earlier, PermitOutcome::Refused { retry_after: bench.long() }).await?;
    bench.end(0, probe, PermitOutcome::Answered).await?;
    closed(bench, "another request was answered with 429 during the probe").await
}

pub(super) async fn shorter_refusal_keeps_the_longer(bench: &Bench<'_>) -> Result<(), Stop> {
    let earlier = take(bench).await?;
    refuse(bench, bench.long()).await?;
    let refused = bench.end(1, earlier, PermitOutcome::Refused { retry_after: bench.unit / 4 }).await?;
    bench.pass(refused.after.saturating_add(bench.unit / 4)).await;
    closed(bench, "the longer of two pauses was not over").await
}

/// A process reports late, after its permits have lapsed.
pub(super) async fn refusal_of_unknown_permit_closes(bench: &Bench<'_>) -> Result<(), Stop> {
    let earlier = take(bench).await?;
    let retry_after = bench.unit / 2;
    let refused = bench.end(1, PermitId::generate(), PermitOutcome::Refused { retry_after }).await?;
    let until = refused.before.saturating_add(retry_after);
    bench.refused(0, &[bench.limit(CALLS, 1)], until, "a response was 429").await?;
    bench.pass(refused.after.saturating_add(retry_after)).await;
    probes(bench, "after the pause").await?;
    bench.end(0, earlier, PermitOutcome::Answered).await.map(|_span| ())
}

pub(super) async fn repeated_ask_of_probe_is_granted(bench: &Bench<'_>) -> Result<(), Stop> {
    let probe = probe(bench).await?;
    let asked = [probe, PermitId::generate()];
    for handle in 0..2 {
        let granted = bench.ask(handle, &asked, &[bench.limit(CALLS, 1)]).await?.granted;
        check(
            granted == 1,
            format!("{granted} permits were granted, and not the probe alone, as its ask was repeated"),
        )?;
    }
    bench.end(1, probe, PermitOutcome::Answered).await?;
    open(bench, "after the probe was answered").await
}

pub(super) async fn refusal_in_the_batch_of_the_probe_closes(bench: &Bench<'_>) -> Result<(), Stop> {
    let earlier = take(bench).await?;
    let probe = probe(bench).await?;
    let ago = Duration::ZERO;
    let answered = EndedPermit { id: probe, outcome: PermitOutcome::Answered, ago };
    let refused = EndedPermit { id: earlier, outcome: PermitOutcome::Refused { retry_after: bench.long() }, ago };
    bench.report(0, &[refused, answered]).await?;
    closed(bench, "a response was 429").await
}
