//! Clauses of the states of an entry: the table of [`Journal`](defender_actions::Journal).

use defender_actions::{EntryKey, Holder, Intended, Origin, Settled, Settlement};

use super::bench::{Bench, not_sent, refused, submitted, unknown};
use crate::conformance::verdict::{Stop, check};

/// Checks that a key exists with this outcome, and that its entry is unchanged.
async fn exists(bench: &Bench<'_>, key: &EntryKey, holder: Holder, outcome: Option<&Settlement>) -> Result<(), Stop> {
    let other = bench.intent("another intent")?;
    for handle in 0..2 {
        let intended = bench.intend(handle, key, &other, holder).await?;
        let Intended::Existing(entry) = &intended else {
            return Err(Stop::Broken(format!("a key in use was {intended:?}")));
        };
        let comment = entry.intent.comment();
        check(entry.outcome.as_ref() == outcome, format!("the key in use has the outcome {:?}", entry.outcome))?;
        check(comment == Some("first"), format!("the key in use has the intent of {comment:?}"))?;
    }
    bench.has(key, outcome).await
}

pub(super) async fn new_key_is_new(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, _) = bench.open("first").await?;
    bench.has(&key, None).await?;
    bench.open("second").await.map(drop)
}

pub(super) async fn intended_key_is_mine_for_its_holder(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = bench.open("first").await?;
    for handle in 0..3 {
        let intended = bench.intend(handle, &key, &bench.intent("first")?, holder).await?;
        check(intended == Intended::Mine, format!("the key of its holder was {intended:?}"))?;
    }
    bench.has(&key, None).await
}

pub(super) async fn intended_key_exists_for_others(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, _) = bench.open("first").await?;
    exists(bench, &key, Holder::generate(), None).await
}

pub(super) async fn submitted_key_exists(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = bench.open("first").await?;
    let outcome = submitted(Origin::Created, "a")?;
    bench.done(0, &key, holder, &outcome).await?;
    exists(bench, &key, Holder::generate(), Some(&outcome)).await?;
    // Also for its holder: the request was sent.
    exists(bench, &key, holder, Some(&outcome)).await
}

pub(super) async fn unknown_key_exists(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = bench.open("first").await?;
    bench.done(0, &key, holder, &unknown()).await?;
    exists(bench, &key, Holder::generate(), Some(&unknown())).await?;
    exists(bench, &key, holder, Some(&unknown())).await
}

pub(super) async fn key_without_effect_is_new_again(bench: &Bench<'_>) -> Result<(), Stop> {
    for (name, outcome) in [("not sent", not_sent()), ("refused", refused())] {
        let (key, holder) = bench.open(name).await?;
        bench.done(0, &key, holder, &outcome).await?;
        let (next, intent) = (Holder::generate(), bench.intent("again")?);
        let intended = bench.intend(1, &key, &intent, next).await?;
        check(intended == Intended::New, format!("a key that was {name} was {intended:?}"))?;
        bench.has(&key, None).await?;
        let entry = bench.entry(0, &key).await?.map(|entry| (entry.intent, entry.last));
        check(entry == Some((intent.clone(), None)), format!("the entry of the second intent is {entry:?}"))?;
        let intended = bench.intend(0, &key, &intent, next).await?;
        check(intended == Intended::Mine, format!("the second intent of its holder was {intended:?}"))?;
    }
    Ok(())
}

pub(super) async fn key_in_use_keeps_its_intent(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = bench.open("first").await?;
    exists(bench, &key, Holder::generate(), None).await?;
    // The holder has it still.
    bench.done(1, &key, holder, &unknown()).await
}

pub(super) async fn settle_needs_an_entry(bench: &Bench<'_>) -> Result<(), Stop> {
    let key = bench.key("none")?;
    for outcome in [submitted(Origin::Created, "a")?, not_sent(), refused(), unknown()] {
        let settled = bench.settle(0, &key, Holder::generate(), &outcome).await?;
        check(settled == Settled::NotHeld, format!("the outcome of no entry was {settled:?}"))?;
    }
    let entry = bench.entry(1, &key).await?;
    check(entry.is_none(), format!("an outcome has made an entry: {entry:?}"))
}

pub(super) async fn holder_settles_each_outcome(bench: &Bench<'_>) -> Result<(), Stop> {
    let outcomes = [
        submitted(Origin::Created, "a")?,
        submitted(Origin::Joined, "b")?,
        submitted(Origin::Recovered, "c")?,
        not_sent(),
        refused(),
        unknown(),
    ];
    for (index, outcome) in outcomes.iter().enumerate() {
        let (key, holder) = bench.open(&index.to_string()).await?;
        bench.done(1, &key, holder, outcome).await?;
        bench.has(&key, Some(outcome)).await?;
    }
    Ok(())
}

pub(super) async fn other_holder_settles_submitted_alone(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = bench.open("first").await?;
    let other = Holder::generate();
    for outcome in [not_sent(), refused(), unknown()] {
        let settled = bench.settle(1, &key, other, &outcome).await?;
        check(settled == Settled::NotHeld, format!("{outcome:?} of another holder was {settled:?}"))?;
    }
    bench.has(&key, None).await?;
    let found = submitted(Origin::Recovered, "a")?;
    bench.done(1, &key, other, &found).await?;
    let settled = bench.settle(0, &key, holder, &unknown()).await?;
    check(settled == Settled::Superseded(found.clone()), format!("an outcome after the action was {settled:?}"))?;
    bench.has(&key, Some(&found)).await
}

pub(super) async fn submitted_is_final(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = bench.open("first").await?;
    let first = submitted(Origin::Joined, "a")?;
    bench.done(0, &key, holder, &first).await?;
    for outcome in
        [not_sent(), refused(), unknown(), submitted(Origin::Created, "b")?, submitted(Origin::Created, "a")?]
    {
        let settled = bench.settle(1, &key, holder, &outcome).await?;
        check(settled == Settled::Superseded(first.clone()), format!("{outcome:?} after an action was {settled:?}"))?;
    }
    bench.has(&key, Some(&first)).await
}

pub(super) async fn knowledge_replaces_each_outcome(bench: &Bench<'_>) -> Result<(), Stop> {
    for (id, outcome) in [("a", not_sent()), ("b", refused()), ("c", unknown())] {
        let (key, holder) = bench.open(id).await?;
        bench.done(0, &key, holder, &outcome).await?;
        let found = submitted(Origin::Recovered, id)?;
        bench.done(1, &key, Holder::generate(), &found).await?;
        bench.has(&key, Some(&found)).await?;
    }
    Ok(())
}

pub(super) async fn other_outcomes_are_final(bench: &Bench<'_>) -> Result<(), Stop> {
    let outcomes = [not_sent(), refused(), unknown(), Settlement::Unknown { error: "another".to_owned() }];
    for (index, first) in outcomes.iter().enumerate() {
        let (key, holder) = bench.open(&index.to_string()).await?;
        bench.done(0, &key, holder, first).await?;
        for second in outcomes.iter().filter(|second| *second != first) {
            let settled = bench.settle(1, &key, holder, second).await?;
            let is_kept = settled == Settled::Superseded(first.clone());
            check(is_kept, format!("{second:?} after {first:?} was {settled:?}"))?;
        }
        bench.has(&key, Some(first)).await?;
    }
    Ok(())
}

/// The key was used again: an outcome of the first intent is not that of the second.
pub(super) async fn holder_of_a_used_key_has_it_no_more(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = bench.open("first").await?;
    bench.done(0, &key, holder, &refused()).await?;
    let intended = bench.intend(1, &key, &bench.intent("again")?, Holder::generate()).await?;
    check(intended == Intended::New, format!("a refused key was {intended:?}"))?;
    for outcome in [not_sent(), refused(), unknown()] {
        let settled = bench.settle(0, &key, holder, &outcome).await?;
        check(settled == Settled::NotHeld, format!("an outcome of the former holder was {settled:?}"))?;
    }
    bench.has(&key, None).await
}
