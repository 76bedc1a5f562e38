//! Clauses of calls at the same time.

use std::collections::BTreeSet;

use futures_util::future::{join, join_all};

use crate::{
    CreatedRun, Departure, RowState, RowWritten, WorkerId,
    conformance::{
        runs::bench::Bench,
        verdict::{Stop, check},
    },
};

pub(super) async fn askers_claim_each_row_once(bench: &Bench<'_>) -> Result<(), Stop> {
    const COUNT: usize = 120;

    bench.create(&[0; COUNT], None).await?;
    let asker = |handle: usize| async move {
        let (mut claimed, mut empty) = (Vec::new(), 0);
        // An asker may see nothing while the others claim what is left, so that it asks twice.
        while empty < 2 && claimed.len() <= COUNT {
            let more = bench.claim(handle, WorkerId::generate(), 7).await?;
            empty = if more.is_empty() { empty + 1 } else { 0 };
            claimed.extend(more);
        }
        Ok::<_, Stop>(claimed)
    };
    let mut claimed = Vec::new();
    for more in join_all((0..4).map(asker)).await {
        claimed.extend(more?);
    }
    claimed.extend(bench.claim(0, WorkerId::generate(), COUNT).await?);
    let distinct: BTreeSet<_> = claimed.iter().collect();
    check(
        (claimed.len(), distinct.len()) == (COUNT, COUNT),
        format!("{COUNT} rows were claimed {} times, {} of them", claimed.len(), distinct.len()),
    )
}

pub(super) async fn one_of_many_creates_the_run(bench: &Bench<'_>) -> Result<(), Stop> {
    for _ in 0..20 {
        let bench = bench.other_run();
        let run = bench.new_run(&[0; 5], None);
        let created = join_all((0..4).map(|handle| bench.create_run(handle, &run))).await;
        let created: Vec<_> = created.into_iter().collect::<Result<_, _>>()?;
        let new = created.iter().filter(|created| **created == CreatedRun::New).count();
        check(new == 1, format!("a run was created {new} times at once"))?;
        bench.has(&[RowState::Planned; 5]).await?;
    }
    Ok(())
}

/// The last of several that fail at once must count the others.
pub(super) async fn concurrent_failures_halt_the_run(bench: &Bench<'_>) -> Result<(), Stop> {
    for _ in 0..20 {
        let bench = bench.other_run();
        bench.create(&[0; 5], Some(4)).await?;
        let worker = bench.worker(5).await?;
        let writes = (0_u32..4).map(|index| {
            let (state, bench) = (if index % 2 == 0 { RowState::Failed } else { RowState::Unknown }, &bench);
            async move { bench.write(usize::try_from(index).unwrap_or_default(), index, worker, state, "d").await }
        });
        let written: Vec<_> = join_all(writes).await.into_iter().collect::<Result<_, _>>()?;
        let halted = written.iter().filter(|written| **written == RowWritten::Done { is_halted: true }).count();
        check(halted == 1, format!("four failures at once of a run that halts after four: {written:?}"))?;
        bench.is_halted(Some("4 of 5 rows failed")).await?;
    }
    Ok(())
}

pub(super) async fn no_row_departs_after_a_halt(bench: &Bench<'_>) -> Result<(), Stop> {
    for _ in 0..20 {
        let bench = bench.other_run();
        bench.create(&[0; 6], None).await?;
        let worker = bench.worker(6).await?;
        let departures = join_all((0_u32..4).map(|index| {
            let bench = &bench;
            async move { bench.depart(usize::try_from(index).unwrap_or_default(), index, worker).await }
        }));
        let halt = async {
            bench.halt(1, "a person").await?;
            // Once the halt has returned.
            bench.depart(0, 5, worker).await
        };
        let (departures, late) = join(departures, halt).await;
        let late = late?;
        check(late == Departure::Halted, format!("a row after the halt was {late:?}"))?;
        let departures: Vec<_> = departures.into_iter().collect::<Result<_, _>>()?;
        let went = departures.iter().filter(|departure| **departure == Departure::Go).count();
        let sending = bench.states().await?.into_iter().filter(|state| *state == RowState::Sending).count();
        check(went == sending, format!("{sending} rows are sending after a halt, and {went} were told to go"))?;
    }
    Ok(())
}

pub(super) async fn concurrent_writes_are_counted(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 40], None).await?;
    let worker = bench.worker(40).await?;
    let writes = (0_u32..40).map(|index| async move {
        let handle = usize::try_from(index).unwrap_or_default();
        bench.depart(handle, index, worker).await?;
        let state = if index % 2 == 0 { RowState::Succeeded } else { RowState::Failed };
        bench.write(handle, index, worker, state, "d").await
    });
    for written in join_all(writes).await {
        let written = written?;
        check(written == RowWritten::Done { is_halted: false }, format!("a write at once was {written:?}"))?;
    }
    let states: Vec<_> = [RowState::Succeeded, RowState::Failed].into_iter().cycle().take(40).collect();
    bench.has(&states).await
}
