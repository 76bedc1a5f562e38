//! Clauses of leases, and of entries that are taken over.

use std::time::Duration;

use defender_actions::{EntryKey, Holder, Intended, JournalScope, Origin, Settled, Unsettled};

use super::bench::{Bench, not_sent, refused, submitted, unknown};
use crate::conformance::verdict::{Stop, check};

fn keys(taken: &[Unsettled]) -> Vec<&EntryKey> {
    taken.iter().map(|entry| &entry.key).collect()
}

/// Writes an intent whose lease is over.
async fn abandoned(bench: &Bench<'_>, name: &str) -> Result<(EntryKey, Holder), Stop> {
    let opened = bench.open_for(name, Duration::ZERO).await?;
    bench.pass_lease(Duration::ZERO).await;
    Ok(opened)
}

pub(super) async fn running_entry_is_left_alone(bench: &Bench<'_>) -> Result<(), Stop> {
    let until = bench.clock.elapsed().saturating_add(bench.unit);
    bench.open_for("first", bench.unit).await?;
    bench.none_is_free(0, until, "its lease had just begun").await?;
    bench.pass(until.saturating_sub(bench.unit / 2)).await;
    bench.none_is_free(1, until, "its lease was not over").await
}

pub(super) async fn ended_lease_is_taken_over(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, _) = bench.open_for("first", bench.unit).await?;
    let until = bench.clock.elapsed().saturating_add(bench.unit);
    bench.pass(until).await;
    let taken = bench.take_over(1, Holder::generate(), 10).await?;
    check(keys(&taken) == [&key], format!("{:?} was taken over after the lease of {key}", keys(&taken)))?;
    let intent = bench.entry(0, &key).await?.map(|entry| entry.intent);
    let is_right = taken.first().is_some_and(|entry| Some(&entry.intent) == intent.as_ref() && entry.tries == 1);
    check(is_right, format!("an entry was taken over as {taken:?}"))?;
    bench.none_is_free(0, bench.long(), "it was just taken over").await?;
    bench.has(&key, None).await
}

pub(super) async fn oldest_lease_comes_first(bench: &Bench<'_>) -> Result<(), Stop> {
    let mut opened = Vec::new();
    for (name, tenths) in [("a", 8), ("b", 2), ("c", 5)] {
        let lease = bench.unit.saturating_mul(tenths) / 10;
        let before = bench.clock.elapsed().saturating_add(lease);
        let (key, _) = bench.open_for(name, lease).await?;
        opened.push((before, bench.clock.elapsed().saturating_add(lease), key));
    }
    opened.sort();
    // On a slow machine the leases may end in another order than they were meant to.
    if opened.iter().zip(opened.iter().skip(1)).any(|(one, next)| one.1 >= next.0) {
        return Err(Stop::TooSlow);
    }
    bench.pass_lease(bench.unit).await;
    let expected: Vec<_> = opened.iter().map(|(_, _, key)| key).collect();
    let first = bench.take_over(1, Holder::generate(), 1).await?;
    let rest = bench.take_over(0, Holder::generate(), 10).await?;
    let taken = [keys(&first), keys(&rest)].concat();
    check(taken == expected, format!("{taken:?} were taken over, and not {expected:?}"))
}

pub(super) async fn at_most_is_kept(bench: &Bench<'_>) -> Result<(), Stop> {
    for name in ["a", "b", "c", "d", "e"] {
        abandoned(bench, name).await?;
    }
    let mut counts = Vec::new();
    for (handle, at_most) in [0, 3, 0, 1, 10, 10].into_iter().enumerate() {
        counts.push(bench.take_over(handle, Holder::generate(), at_most).await?.len());
    }
    check(counts == [0, 3, 0, 1, 1, 0], format!("{counts:?} of five entries were taken over"))
}

pub(super) async fn settled_entries_are_left_alone(bench: &Bench<'_>) -> Result<(), Stop> {
    for (name, outcome) in [
        ("submitted", submitted(Origin::Created, "a")?),
        ("not sent", not_sent()),
        ("refused", refused()),
        ("unknown", unknown()),
    ] {
        let (key, holder) = bench.open_for(name, Duration::ZERO).await?;
        bench.done(0, &key, holder, &outcome).await?;
    }
    bench.pass_lease(Duration::ZERO).await;
    bench.none_is_free(1, bench.long(), "it has an outcome").await
}

pub(super) async fn other_scopes_are_left_alone(bench: &Bench<'_>) -> Result<(), Stop> {
    let own = &bench.scope;
    for (name, scope) in [
        ("tenant", JournalScope::new(&own.api, "another")),
        ("api", JournalScope::new("https://another.example/", &own.tenant_id)),
    ] {
        bench.open_in(&scope, name, Duration::ZERO).await?;
    }
    let (key, _) = abandoned(bench, "own").await?;
    let taken = bench.take_over(1, Holder::generate(), 10).await?;
    check(keys(&taken) == [&key], format!("{:?} were taken over in the scope of {key}", keys(&taken)))
}

pub(super) async fn former_holder_has_it_no_more(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, former) = abandoned(bench, "first").await?;
    let next = Holder::generate();
    check(bench.take_over(1, next, 10).await?.len() == 1, "an entry was not taken over after its lease")?;
    for outcome in [not_sent(), refused(), unknown()] {
        let settled = bench.settle(0, &key, former, &outcome).await?;
        check(settled == Settled::NotHeld, format!("{outcome:?} of the former holder was {settled:?}"))?;
    }
    let intended = bench.intend(0, &key, &bench.intent("first")?, former).await?;
    check(matches!(intended, Intended::Existing(_)), format!("the key was {intended:?} for its former holder"))?;
    bench.has(&key, None).await?;
    bench.done(1, &key, next, &unknown()).await
}

pub(super) async fn late_outcome_of_former_holder_counts(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, former) = abandoned(bench, "first").await?;
    let next = Holder::generate();
    check(bench.take_over(1, next, 10).await?.len() == 1, "an entry was not taken over after its lease")?;
    let outcome = submitted(Origin::Created, "a")?;
    bench.done(0, &key, former, &outcome).await?;
    let settled = bench.settle(1, &key, next, &unknown()).await?;
    check(settled == Settled::Superseded(outcome), format!("an outcome after the action was {settled:?}"))
}

pub(super) async fn new_lease_ends_too(bench: &Bench<'_>) -> Result<(), Stop> {
    abandoned(bench, "first").await?;
    for tries in 1..=3 {
        let until = bench.clock.elapsed().saturating_add(bench.unit);
        let taken = bench.take_over_for(usize::from(tries == 2), Holder::generate(), bench.unit, 10).await?;
        let counted: Vec<_> = taken.iter().map(|entry| entry.tries).collect();
        check(counted == [tries], format!("the entry was taken over {counted:?} times, and not {tries}"))?;
        bench.none_is_free(1, until, "the new lease was not over").await?;
        bench.pass_lease(bench.unit).await;
    }
    Ok(())
}

pub(super) async fn used_key_has_a_new_lease(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = bench.open_for("first", Duration::ZERO).await?;
    bench.done(0, &key, holder, &not_sent()).await?;
    let intended = bench.intend(1, &key, &bench.intent("again")?, Holder::generate()).await?;
    check(intended == Intended::New, format!("a key that was not sent was {intended:?}"))?;
    bench.pass_lease(Duration::ZERO).await;
    bench.none_is_free(0, bench.long(), "the key was used again, with a new lease").await
}
