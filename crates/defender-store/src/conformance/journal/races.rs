//! Clauses of calls at the same time.

use std::{collections::BTreeSet, time::Duration};

use defender_actions::{Holder, Intended, Origin, Settled, Settlement};
use futures_util::{StreamExt, TryStreamExt, future::join_all, stream};

use super::bench::{Bench, refused, submitted, unknown};
use crate::conformance::verdict::{Stop, check};

/// Number of keys that are raced for.
const RACES: usize = 500;
/// Number of holders that race for a key.
const RUNNERS: usize = 3;

/// Writes intents of several holders with one key at once. One must be new, and the others must see it.
async fn race(bench: &Bench<'_>, name: &str) -> Result<(), Stop> {
    let key = bench.key(name)?;
    let runners = (0..RUNNERS).map(|handle| {
        let key = &key;
        async move {
            let intent = bench.intent(&format!("{name} of {handle}"))?;
            Ok::<_, Stop>((intent.clone(), bench.intend(handle, key, &intent, Holder::generate()).await?))
        }
    });
    let results: Vec<_> = join_all(runners).await.into_iter().collect::<Result<_, _>>()?;
    let new: Vec<_> = results.iter().filter(|(_, result)| *result == Intended::New).map(|(intent, _)| intent).collect();
    let [new] = new.as_slice() else {
        return Err(Stop::Broken(format!("{} of {RUNNERS} intents with one key were new", new.len())));
    };
    for (_, result) in &results {
        let is_right = match result {
            Intended::New => true,
            Intended::Existing(entry) => entry.intent == **new && entry.outcome.is_none(),
            Intended::Mine => false,
        };
        check(is_right, format!("a key that another holder had written was {result:?}"))?;
    }
    Ok(())
}

pub(super) async fn one_of_many_intents_is_new(bench: &Bench<'_>) -> Result<(), Stop> {
    let races = stream::iter(0..RACES).map(|index| async move { race(bench, &index.to_string()).await });
    races.buffer_unordered(8).try_collect().await
}

/// A repeat overtakes the request whose response was lost.
pub(super) async fn one_holder_is_new_once(bench: &Bench<'_>) -> Result<(), Stop> {
    for index in 0..20 {
        let (key, holder, intent) = (bench.key(&index.to_string())?, Holder::generate(), bench.intent("first")?);
        let results = join_all((0..RUNNERS).map(|handle| bench.intend(handle, &key, &intent, holder))).await;
        let results: Vec<_> = results.into_iter().collect::<Result<_, _>>()?;
        let new = results.iter().filter(|result| **result == Intended::New).count();
        let mine = results.iter().filter(|result| **result == Intended::Mine).count();
        check((new, mine) == (1, RUNNERS - 1), format!("an intent that was repeated at once was {results:?}"))?;
    }
    Ok(())
}

pub(super) async fn one_of_many_reuses_is_new(bench: &Bench<'_>) -> Result<(), Stop> {
    for index in 0..20 {
        let name = index.to_string();
        let (key, holder) = bench.open(&name).await?;
        bench.done(0, &key, holder, &refused()).await?;
        race(bench, &name).await?;
    }
    Ok(())
}

pub(super) async fn one_of_many_claims_wins(bench: &Bench<'_>) -> Result<(), Stop> {
    for round in 0..10 {
        let mut opened = Vec::new();
        for runner in 0..4 {
            opened.push(bench.open(&format!("{round}/{runner}")).await?);
        }
        let outcome = submitted(Origin::Created, &format!("action-{round}"))?;
        let claims = opened.iter().enumerate();
        let claims = join_all(claims.map(|(handle, (key, holder))| bench.settle(handle, key, *holder, &outcome))).await;
        let claims: Vec<_> = claims.into_iter().collect::<Result<_, _>>()?;
        let done: Vec<_> = claims.iter().zip(&opened).filter(|(claim, _)| **claim == Settled::Done).collect();
        let [(_, (winner, _))] = done.as_slice() else {
            return Err(Stop::Broken(format!("{} of 4 entries have the same action", done.len())));
        };
        for claim in claims.iter().filter(|claim| **claim != Settled::Done) {
            let is_right = *claim == Settled::ClaimedBy(winner.clone());
            check(is_right, format!("the action of {winner} was {claim:?}"))?;
        }
    }
    Ok(())
}

pub(super) async fn knowledge_wins_in_any_order(bench: &Bench<'_>) -> Result<(), Stop> {
    for index in 0..20 {
        let (key, holder) = bench.open(&index.to_string()).await?;
        let found = submitted(Origin::Recovered, &index.to_string())?;
        let lost = unknown();
        let settle = |handle: usize, by, outcome: &Settlement| {
            let (key, outcome) = (key.clone(), outcome.clone());
            async move { bench.settle(handle, &key, by, &outcome).await }
        };
        let results = join_all([settle(index, holder, &lost), settle(index + 1, Holder::generate(), &found)]).await;
        let results: Vec<_> = results.into_iter().collect::<Result<_, _>>()?;
        let is_right = match results.as_slice() {
            [Settled::Done, Settled::Done] => true,
            [Settled::Superseded(by), Settled::Done] => *by == found,
            _ => false,
        };
        check(is_right, format!("an unknown outcome and an action at once were {results:?}"))?;
        bench.has(&key, Some(&found)).await?;
    }
    Ok(())
}

pub(super) async fn four_askers_take_over_each_entry_once(bench: &Bench<'_>) -> Result<(), Stop> {
    const COUNT: usize = 120;

    for index in 0..COUNT {
        bench.open_for(&index.to_string(), Duration::ZERO).await?;
    }
    bench.pass_lease(Duration::ZERO).await;
    let asker = |handle: usize| async move {
        let mut taken = Vec::new();
        // An asker may see nothing while the others take what is left, so that it asks twice.
        let mut empty = 0;
        while empty < 2 && taken.len() <= COUNT {
            let more = bench.take_over(handle, Holder::generate(), 7).await?;
            empty = if more.is_empty() { empty + 1 } else { 0 };
            taken.extend(more);
        }
        Ok::<_, Stop>(taken)
    };
    let mut taken = Vec::new();
    for more in join_all((0..4).map(asker)).await {
        taken.extend(more?);
    }
    // What an asker has locked while the others looked is free again only if it was not taken.
    taken.extend(bench.take_over(0, Holder::generate(), COUNT).await?);
    let distinct: BTreeSet<_> = taken.iter().map(|entry| &entry.key).collect();
    check(
        (taken.len(), distinct.len()) == (COUNT, COUNT),
        format!("{COUNT} entries were taken over {} times, {} of them", taken.len(), distinct.len()),
    )
}
