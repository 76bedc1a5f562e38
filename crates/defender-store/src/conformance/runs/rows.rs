//! Clauses of what a run and its rows contain.

use crate::{
    CreatedRun, NewRow, NewRun, RowState, RunId,
    conformance::{
        runs::bench::{Bench, failed},
        verdict::{Stop, check},
    },
};

/// Text with what a database or a language of queries may change.
const TEXT: &str = "Zoë 😀 e\u{301} 'q' \"d\" $1 ?1 %s \\ {\"a\": 1,  \"a\": 2} \n\r\t \u{feff} end ";

pub(super) async fn new_run_is_planned(bench: &Bench<'_>) -> Result<(), Stop> {
    let run = bench.new_run(&[7, 9, 7], Some(2));
    let created = bench.create_run(0, &run).await?;
    check(created == CreatedRun::New, format!("a new run was {created:?}"))?;
    let stored = bench.stored(1).await?;
    let (counts, halted) = (stored.counts, &stored.halted);
    check(
        (stored.id.clone(), stored.tenant_id.clone(), stored.document.clone(), stored.halt_after)
            == (run.id.clone(), run.tenant_id.clone(), run.document.clone(), run.halt_after),
        format!("a run was created as {run:?}, and is {stored:?}"),
    )?;
    check(halted.is_none() && counts.planned == 3 && counts.total() == 3, format!("a new run is {stored:?}"))?;
    let rows = bench.rows(1).await?;
    check(rows.len() == 3, format!("a run of 3 rows has {rows:?}"))?;
    for ((index, row), new) in (0_u32..).zip(&rows).zip(&run.rows) {
        let is_new = (row.index, row.wave, row.state, row.attempt) == (index, new.wave, RowState::Planned, 1);
        check(is_new && row.document == new.document, format!("row {index} was created as {new:?}, and is {row:?}"))?;
    }
    bench.has(&[RowState::Planned; 3]).await
}

pub(super) async fn existing_run_is_unchanged(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0, 0], None).await?;
    let worker = bench.worker(2).await?;
    bench.done(0, worker, RowState::Succeeded, false).await?;
    let before = (bench.stored(0).await?, bench.rows(0).await?);
    for run in [bench.new_run(&[0, 0], None), bench.new_run(&[1], Some(3))] {
        let created = bench.create_run(1, &run).await?;
        check(created == CreatedRun::Existing, format!("a run that was created before was {created:?}"))?;
    }
    let after = (bench.stored(0).await?, bench.rows(0).await?);
    check(before == after, format!("a run that was created again has changed from {before:?} to {after:?}"))
}

pub(super) async fn unknown_run_is_none(bench: &Bench<'_>) -> Result<(), Stop> {
    let run = bench.store(0)?.run(&bench.id).await.map_err(failed)?;
    check(run.is_none(), format!("a run that was never created is {run:?}"))?;
    let rows = bench.rows(1).await?;
    check(rows.is_empty(), format!("a run that was never created has {rows:?}"))
}

/// The store may have runs of others, which are created at the same time.
pub(super) async fn newest_runs_come_first(bench: &Bench<'_>) -> Result<(), Stop> {
    let mut created: Vec<RunId> = Vec::new();
    for _ in 0..5 {
        let run = bench.other_run();
        run.create(&[0], None).await?;
        created.insert(0, run.id);
    }
    let runs = bench.store(1)?.runs(10_000).await.map_err(failed)?;
    let ours: Vec<_> = runs.iter().map(|run| &run.id).filter(|id| created.contains(id)).collect();
    check(
        ours.iter().copied().eq(&created),
        format!("{created:?} were created, the newest first, and {ours:?} returned"),
    )?;
    let runs = bench.store(0)?.runs(2).await.map_err(failed)?;
    check(runs.len() == 2, format!("{} of the 2 newest runs were returned", runs.len()))?;
    let counts: Vec<_> = runs.iter().map(|run| run.counts.total()).collect();
    check(counts.iter().all(|count| *count > 0), format!("the newest runs have {counts:?} rows"))
}

pub(super) async fn rows_come_in_parts(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[0; 10], None).await?;
    for (from, at_most, expected) in
        [(0, 3, 0..3), (3, 4, 3..7), (7, 100, 7..10), (10, 5, 0..0), (4, 0, 0..0), (99, 1, 0..0)]
    {
        let rows = bench.rows_from(1, from, at_most).await?;
        let indexes: Vec<_> = rows.iter().map(|row| row.index).collect();
        let is_right = indexes.iter().copied().eq(expected.clone());
        check(is_right, format!("{at_most} rows from {from} are {indexes:?}, and not {expected:?}"))?;
    }
    Ok(())
}

pub(super) async fn documents_are_returned_as_written(bench: &Bench<'_>) -> Result<(), Stop> {
    let mut run = bench.new_run(&[], Some(u32::MAX));
    let large: String = ('!'..='~').cycle().take(256 * 1_024).collect();
    (run.tenant_id, run.document) = (TEXT.to_owned(), TEXT.to_owned());
    run.rows =
        [TEXT, "", "null", &large].map(|document| NewRow { wave: u32::MAX, document: document.to_owned() }).into();
    bench.create_run(0, &run).await?;
    let stored = bench.stored(1).await?;
    let is_same =
        (stored.tenant_id.as_str(), stored.document.as_str()) == (TEXT, TEXT) && stored.halt_after == run.halt_after;
    check(is_same, format!("a run was created as {run:?}, and is {stored:?}"))?;
    for (row, new) in bench.rows(1).await?.iter().zip(&run.rows) {
        let is_same = (&row.document, row.wave) == (&new.document, new.wave);
        check(is_same, format!("a row was created as {new:?}, and is {row:?}"))?;
    }
    let worker = bench.worker(4).await?;
    bench.write(0, 0, worker, RowState::Unknown, &large).await?;
    let document = bench.rows_from(1, 0, 1).await?.into_iter().next().map(|row| row.document);
    check(document == Some(large), "a document of 256 KiB is not what was written")?;
    bench.halt(0, TEXT).await?;
    bench.is_halted(Some(TEXT)).await
}

pub(super) async fn run_without_rows_is_kept(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.create(&[], Some(1)).await?;
    bench.has(&[]).await?;
    let claimed = bench.claim(1, crate::WorkerId::generate(), 10).await?;
    check(claimed.is_empty(), format!("{claimed:?} were claimed of no rows"))
}

pub(super) async fn thousand_rows_are_kept(bench: &Bench<'_>) -> Result<(), Stop> {
    let waves: Vec<_> = (0..1_000).map(|index| index / 400).collect();
    let run: NewRun = bench.new_run(&waves, None);
    bench.create_run(0, &run).await?;
    let rows = bench.rows(1).await?;
    let is_same = rows.len() == run.rows.len()
        && rows.iter().zip(&run.rows).all(|(row, new)| (row.wave, &row.document) == (new.wave, &new.document));
    check(is_same, format!("the {} rows of a run of 1,000 are not what was written", rows.len()))?;
    let worker = bench.worker(400).await?;
    check(bench.renew(0, worker, bench.long()).await? == 400, "not all rows of the worker were renewed")
}
