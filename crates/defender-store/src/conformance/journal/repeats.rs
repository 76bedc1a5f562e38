//! Clauses of calls that are repeated after a lost response, and of the end of an action.

use defender_actions::{Holder, Intended, Origin, Settled};
use serde_json::json;

use super::bench::{Bench, not_sent, record, refused, submitted, unknown};
use crate::conformance::verdict::{Stop, check};

pub(super) async fn repeated_outcome_is_done(bench: &Bench<'_>) -> Result<(), Stop> {
    let outcomes =
        [submitted(Origin::Created, "a")?, submitted(Origin::Joined, "b")?, not_sent(), refused(), unknown()];
    for (index, outcome) in outcomes.iter().enumerate() {
        let (key, holder) = bench.open(&index.to_string()).await?;
        for handle in 0..3 {
            bench.done(handle, &key, holder, outcome).await?;
        }
        bench.has(&key, Some(outcome)).await?;
    }
    Ok(())
}

pub(super) async fn repeated_intent_changes_nothing(bench: &Bench<'_>) -> Result<(), Stop> {
    let lease = bench.unit.saturating_mul(2);
    let (key, holder) = bench.open_for("first", lease).await?;
    let before = bench.entry(0, &key).await?;
    let intended = bench.intend_for(1, &key, &bench.intent("first")?, holder, lease).await?;
    check(intended == Intended::Mine, format!("a repeated intent was {intended:?}"))?;
    let after = bench.entry(0, &key).await?;
    check(after == before, format!("a repeat has changed the entry from {before:?} to {after:?}"))?;
    bench.pass_lease(lease).await;
    let taken = bench.take_over(1, Holder::generate(), 10).await?;
    check(taken.len() == 1, format!("{} entries are free after the lease of one", taken.len()))
}

pub(super) async fn repeated_claim_stays_claimed(bench: &Bench<'_>) -> Result<(), Stop> {
    let ((first, holder), (second, other)) = (bench.open("first").await?, bench.open("second").await?);
    let outcome = submitted(Origin::Created, "a")?;
    bench.done(0, &first, holder, &outcome).await?;
    for handle in 0..3 {
        let settled = bench.settle(handle, &second, other, &outcome).await?;
        check(settled == Settled::ClaimedBy(first.clone()), format!("the action of another entry was {settled:?}"))?;
    }
    // The entry that has it repeats its outcome.
    bench.done(1, &first, holder, &outcome).await
}

pub(super) async fn record_of_the_end_is_kept(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = bench.open("first").await?;
    let outcome = submitted(Origin::Created, "a")?;
    bench.done(0, &key, holder, &outcome).await?;
    let last =
        record(json!({"id": "a", "type": "UnrestrictCodeExecution", "status": "Succeeded", "new": {"x": [1.5]}}))?;
    for handle in 0..3 {
        bench.finish(handle, &key, &last).await?;
        let there = bench.entry(0, &key).await?.and_then(|entry| entry.last);
        check(there.as_ref() == Some(&last), format!("the last record is {there:?}"))?;
    }
    bench.has(&key, Some(&outcome)).await
}

pub(super) async fn later_record_replaces_the_earlier(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = bench.open("first").await?;
    bench.done(0, &key, holder, &submitted(Origin::Created, "a")?).await?;
    for (handle, status) in ["Failed", "Cancelled", "Succeeded"].into_iter().enumerate() {
        let last = record(json!({"id": "a", "status": status}))?;
        bench.finish(handle, &key, &last).await?;
        let there = bench.entry(0, &key).await?.and_then(|entry| entry.last);
        check(there == Some(last), format!("the last record is {there:?}"))?;
    }
    Ok(())
}

pub(super) async fn end_of_an_unknown_key_is_ignored(bench: &Bench<'_>) -> Result<(), Stop> {
    let key = bench.key("none")?;
    bench.finish(0, &key, &record(json!({"id": "a", "status": "Succeeded"}))?).await?;
    let entry = bench.entry(1, &key).await?;
    check(entry.is_none(), format!("the end of an action has made an entry: {entry:?}"))
}
