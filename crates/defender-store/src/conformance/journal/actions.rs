//! Clauses of the action of an entry: one entry has created or recovered it, and any number have joined it.

use defender_actions::{JournalScope, Origin, Settled};
use serde_json::json;

use super::bench::{Bench, record, submitted, unknown};
use crate::conformance::verdict::{Stop, check};

/// Settles two entries with an action. Returns the key of the first, and what the second got.
async fn two(bench: &Bench<'_>, first: (Origin, &str), second: (Origin, &str)) -> Result<Settled, Stop> {
    let ((key, holder), (other, other_holder)) = (bench.open("first").await?, bench.open("second").await?);
    let outcome = submitted(first.0, first.1)?;
    bench.done(0, &key, holder, &outcome).await?;
    let settled = bench.settle(1, &other, other_holder, &submitted(second.0, second.1)?).await?;
    if let Settled::ClaimedBy(claimed_by) = &settled {
        check(*claimed_by == key, format!("the action is said to be of {claimed_by}, and not of {key}"))?;
        bench.has(&other, None).await?;
    }
    bench.has(&key, Some(&outcome)).await?;
    Ok(settled)
}

pub(super) async fn action_is_of_one_entry(bench: &Bench<'_>) -> Result<(), Stop> {
    let settled = two(bench, (Origin::Created, "a"), (Origin::Created, "a")).await?;
    check(matches!(settled, Settled::ClaimedBy(_)), format!("a second entry with the action was {settled:?}"))
}

pub(super) async fn recovered_action_is_claimed_too(bench: &Bench<'_>) -> Result<(), Stop> {
    let settled = two(bench, (Origin::Recovered, "a"), (Origin::Created, "a")).await?;
    check(matches!(settled, Settled::ClaimedBy(_)), format!("an action that another entry recovered was {settled:?}"))?;
    let (third, holder) = bench.open("third").await?;
    let settled = bench.settle(0, &third, holder, &submitted(Origin::Recovered, "a")?).await?;
    check(matches!(settled, Settled::ClaimedBy(_)), format!("an action that was recovered twice was {settled:?}"))
}

pub(super) async fn claimed_entry_may_end_as_unknown(bench: &Bench<'_>) -> Result<(), Stop> {
    let ((first, holder), (second, other)) = (bench.open("first").await?, bench.open("second").await?);
    let outcome = submitted(Origin::Created, "a")?;
    bench.done(0, &first, holder, &outcome).await?;
    let settled = bench.settle(1, &second, other, &outcome).await?;
    check(settled == Settled::ClaimedBy(first), format!("the action of another entry was {settled:?}"))?;
    bench.done(1, &second, other, &unknown()).await?;
    bench.has(&second, Some(&unknown())).await
}

pub(super) async fn letter_case_of_an_action_is_ignored(bench: &Bench<'_>) -> Result<(), Stop> {
    let settled = two(bench, (Origin::Created, "ab-CD"), (Origin::Recovered, "AB-cd")).await?;
    check(matches!(settled, Settled::ClaimedBy(_)), format!("the action in another letter case was {settled:?}"))
}

pub(super) async fn joined_action_is_shared(bench: &Bench<'_>) -> Result<(), Stop> {
    let settled = two(bench, (Origin::Joined, "a"), (Origin::Created, "a")).await?;
    check(settled == Settled::Done, format!("an action that another entry has joined was {settled:?}"))?;
    for name in ["third", "fourth"] {
        let (key, holder) = bench.open(name).await?;
        bench.done(1, &key, holder, &submitted(Origin::Joined, "a")?).await?;
    }
    Ok(())
}

pub(super) async fn unknown_entry_claims_too(bench: &Bench<'_>) -> Result<(), Stop> {
    let ((first, holder), (second, other)) = (bench.open("first").await?, bench.open("second").await?);
    bench.done(0, &first, holder, &submitted(Origin::Created, "a")?).await?;
    bench.done(0, &second, other, &unknown()).await?;
    let settled = bench.settle(1, &second, other, &submitted(Origin::Recovered, "a")?).await?;
    check(settled == Settled::ClaimedBy(first), format!("the action of another entry was {settled:?}"))?;
    bench.has(&second, Some(&unknown())).await?;
    // Another action is its own.
    bench.done(1, &second, other, &submitted(Origin::Recovered, "b")?).await
}

pub(super) async fn scopes_have_actions_of_their_own(bench: &Bench<'_>) -> Result<(), Stop> {
    let (own, outcome) = (&bench.scope, submitted(Origin::Created, "a")?);
    let others = [
        JournalScope::new(&own.api, format!("{}-2", own.tenant_id)),
        JournalScope::new(format!("{}2", own.api), &own.tenant_id),
    ];
    for (index, scope) in [own].into_iter().chain(&others).enumerate() {
        let (key, holder) = bench.open_in(scope, &index.to_string(), bench.long()).await?;
        bench.done(index, &key, holder, &outcome).await?;
    }
    Ok(())
}

pub(super) async fn ended_action_stays_claimed(bench: &Bench<'_>) -> Result<(), Stop> {
    let ((first, holder), (second, other)) = (bench.open("first").await?, bench.open("second").await?);
    bench.done(0, &first, holder, &submitted(Origin::Created, "a")?).await?;
    bench.finish(0, &first, &record(json!({"id": "a", "status": "Succeeded"}))?).await?;
    let settled = bench.settle(1, &second, other, &submitted(Origin::Recovered, "a")?).await?;
    check(settled == Settled::ClaimedBy(first), format!("an action that has ended was {settled:?}"))
}
