//! The statements of runs. Each function runs in a transaction that has the lock of the file.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::SqliteStore;
use crate::{
    StoreError,
    micros::ceiling,
    runs::{
        record::{
            CreatedRun, Departure, NewRun, RowCounts, RowState, RowWritten, RunId, StoredRow, StoredRun, WorkerId,
            WorkerLease,
        },
        store::RunStore,
    },
};

type Done<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl RunStore for SqliteStore {
    async fn create_run(&self, run: &NewRun) -> Done<CreatedRun> {
        let run = run.clone();
        self.writer.run("cannot create a run", move |db, now| create(db, &run, now)).await
    }

    async fn run(&self, id: &RunId) -> Done<Option<StoredRun>> {
        let id = id.as_str().to_owned();
        self.writer.run("cannot read a run", move |db, _now| find(db, &id)).await
    }

    async fn runs(&self, at_most: usize) -> Done<Vec<StoredRun>> {
        self.writer.run("cannot read the runs", move |db, _now| newest(db, at_most)).await
    }

    async fn rows(&self, id: &RunId, from: u32, at_most: usize) -> Done<Vec<StoredRow>> {
        let id = id.as_str().to_owned();
        self.writer.run("cannot read the rows of a run", move |db, _now| rows(db, &id, from, at_most)).await
    }

    async fn halt_run(&self, id: &RunId, reason: &str) -> Done<()> {
        let (id, reason) = (id.as_str().to_owned(), reason.to_owned());
        self.writer.run("cannot halt a run", move |db, _now| halt(db, &id, &reason)).await
    }

    async fn reopen_run(&self, id: &RunId) -> Done<()> {
        let id = id.as_str().to_owned();
        self.writer.run("cannot end the halt of a run", move |db, _now| reopen(db, &id)).await
    }

    async fn claim_rows(&self, id: &RunId, lease: WorkerLease, at_most: usize) -> Done<Vec<StoredRow>> {
        let id = id.as_str().to_owned();
        self.writer.run("cannot claim rows", move |db, now| claim(db, &id, lease, at_most, now)).await
    }

    async fn renew_rows(&self, id: &RunId, lease: WorkerLease) -> Done<u32> {
        let id = id.as_str().to_owned();
        self.writer.run("cannot renew leases", move |db, now| renew(db, &id, lease, now)).await
    }

    async fn depart_row(&self, id: &RunId, index: u32, worker: WorkerId, attempt: u32) -> Done<Departure> {
        let id = id.as_str().to_owned();
        self.writer.run("cannot let a row depart", move |db, _now| depart(db, &id, (index, worker, attempt))).await
    }

    async fn write_row(
        &self,
        id: &RunId,
        index: u32,
        worker: WorkerId,
        attempt: u32,
        state: RowState,
        document: &str,
    ) -> Done<RowWritten> {
        let (id, document) = (id.as_str().to_owned(), document.to_owned());
        let write = move |db: &Connection, _now| write(db, &id, (index, worker, attempt), state, &document);
        self.writer.run("cannot write a row", write).await
    }

    async fn retry_rows(&self, id: &RunId, indexes: &[u32]) -> Done<u32> {
        let (id, indexes) = (id.as_str().to_owned(), indexes.to_vec());
        self.writer.run("cannot plan rows again", move |db, _now| retry(db, &id, &indexes)).await
    }
}

const RUN: &str = "select number, id, tenant, document, halt_after, halted from run";
const ROW: &str = "select place, wave, state, attempt, document from run_row";

fn create(db: &Connection, run: &NewRun, now: i64) -> Result<CreatedRun> {
    let created = db
        .prepare_cached(
            "insert into run (id, tenant, document, halt_after, created_at) values (?1, ?2, ?3, ?4, ?5) \
             on conflict (id) do nothing",
        )?
        .execute(params![run.id.as_str(), run.tenant_id, run.document, run.halt_after, now])?;
    if created == 0 {
        return Ok(CreatedRun::Existing);
    }
    let number = db.last_insert_rowid();
    let mut insert = db.prepare_cached("insert into run_row (run, place, wave, document) values (?1, ?2, ?3, ?4)")?;
    for (index, row) in (0_u32..).zip(&run.rows) {
        insert.execute(params![number, index, row.wave, row.document])?;
    }
    Ok(CreatedRun::New)
}

fn find(db: &Connection, id: &str) -> Result<Option<StoredRun>> {
    let found = db.prepare_cached(&format!("{RUN} where id = ?1"))?.query_row([id], |row| read_run(db, row));
    found.optional()
}

fn newest(db: &Connection, at_most: usize) -> Result<Vec<StoredRun>> {
    let mut statement = db.prepare_cached(&format!("{RUN} order by number desc limit ?1"))?;
    let runs = statement.query_map([limit(at_most)], |row| read_run(db, row))?;
    runs.collect()
}

fn read_run(db: &Connection, row: &Row<'_>) -> Result<StoredRun> {
    let id = RunId::new(&row.get::<_, String>(1)?).ok_or(rusqlite::Error::InvalidQuery)?;
    Ok(StoredRun {
        halt_after: row.get(4)?,
        halted: row.get(5)?,
        counts: counts(db, row.get(0)?)?,
        ..StoredRun::new(id, row.get::<_, String>(2)?, row.get::<_, String>(3)?)
    })
}

fn counts(db: &Connection, number: i64) -> Result<RowCounts> {
    let mut counts = RowCounts::default();
    let mut statement = db.prepare_cached("select state, count(*) from run_row where run = ?1 group by state")?;
    let mut groups = statement.query([number])?;
    while let Some(group) = groups.next()? {
        *counts.of(state(group.get(0)?)?) = group.get(1)?;
    }
    Ok(counts)
}

fn rows(db: &Connection, id: &str, from: u32, at_most: usize) -> Result<Vec<StoredRow>> {
    let statement =
        format!("{ROW} where run = (select number from run where id = ?1) and place >= ?2 order by place limit ?3");
    let mut statement = db.prepare_cached(&statement)?;
    let rows = statement.query_map(params![id, from, limit(at_most)], read_row)?;
    rows.collect()
}

fn read_row(row: &Row<'_>) -> Result<StoredRow> {
    Ok(StoredRow {
        index: row.get(0)?,
        wave: row.get(1)?,
        state: state(row.get(2)?)?,
        attempt: row.get(3)?,
        document: row.get(4)?,
    })
}

fn halt(db: &Connection, id: &str, reason: &str) -> Result<()> {
    db.prepare_cached("update run set halted = ?2 where id = ?1 and halted is null")?.execute([id, reason]).map(drop)
}

fn reopen(db: &Connection, id: &str) -> Result<()> {
    db.prepare_cached(
        "update run set halted = null, failures_before = \
         (select count(*) from run_row where run = run.number and state in (4, 5)) where id = ?1",
    )?
    .execute([id])
    .map(drop)
}

fn claim(
    db: &Connection,
    id: &str,
    WorkerLease { worker, lease }: WorkerLease,
    at_most: usize,
    now: i64,
) -> Result<Vec<StoredRow>> {
    let Some((number, is_halted)) = halted(db, id)? else { return Ok(Vec::new()) };
    let statement = format!(
        "{ROW} where run = ?1 and lease_until <= ?2 and (state in (1, 2) or state = 0 and not ?3 \
         and wave = (select min(wave) from run_row where run = ?1 and state < 3)) order by state = 0, place limit ?4"
    );
    let mut statement = db.prepare_cached(&statement)?;
    let free = statement.query_map(params![number, now, is_halted, limit(at_most)], read_row)?;
    let free: Vec<StoredRow> = free.collect::<Result<_>>()?;
    let until = now.saturating_add(ceiling(lease));
    let mut claim =
        db.prepare_cached("update run_row set worker = ?3, lease_until = ?4 where run = ?1 and place = ?2")?;
    for row in &free {
        claim.execute(params![number, row.index, worker.as_u128().to_be_bytes(), until])?;
    }
    Ok(free)
}

fn renew(db: &Connection, id: &str, WorkerLease { worker, lease }: WorkerLease, now: i64) -> Result<u32> {
    let renewed = db
        .prepare_cached(
            "update run_row set lease_until = ?3 \
             where run = (select number from run where id = ?1) and worker = ?2 and state < 3 and lease_until > 0",
        )?
        .execute(params![id, worker.as_u128().to_be_bytes(), now.saturating_add(ceiling(lease))])?;
    Ok(u32::try_from(renewed).unwrap_or(u32::MAX))
}

fn depart(db: &Connection, id: &str, (index, worker, attempt): (u32, WorkerId, u32)) -> Result<Departure> {
    let Some((number, is_halted)) = halted(db, id)? else { return Ok(Departure::NotHeld) };
    // A halted run keeps the state.
    let departed = db
        .prepare_cached(
            "update run_row set state = case when ?5 then state else 1 end \
             where run = ?1 and place = ?2 and worker = ?3 and attempt = ?4 and state in (0, 1)",
        )?
        .execute(params![number, index, worker.as_u128().to_be_bytes(), attempt, is_halted])?;
    Ok(match departed {
        0 => Departure::NotHeld,
        _ if is_halted => Departure::Halted,
        _ => Departure::Go,
    })
}

fn write(
    db: &Connection,
    id: &str,
    (index, worker, attempt): (u32, WorkerId, u32),
    state: RowState,
    document: &str,
) -> Result<RowWritten> {
    let Some((number, is_halted)) = halted(db, id)? else { return Ok(RowWritten::NotHeld) };
    let ends_lease = state.has_ended() || state == RowState::Planned;
    let worker = worker.as_u128().to_be_bytes();
    let written = db
        .prepare_cached(
            "update run_row set state = ?5, document = ?6, lease_until = case when ?7 then 0 else lease_until end \
             where run = ?1 and place = ?2 and worker = ?3 and attempt = ?4 and state < 3",
        )?
        .execute(params![number, index, worker, attempt, state.as_u8(), document, ends_lease])?;
    if written == 0 {
        let mut repeat = db.prepare_cached(
            "select 1 from run_row where run = ?1 and place = ?2 and worker = ?3 and attempt = ?4 \
             and state >= 3 and state = ?5 and document = ?6",
        )?;
        let is_repeat = repeat.exists(params![number, index, worker, attempt, state.as_u8(), document])?;
        return Ok(if is_repeat { RowWritten::Done { is_halted } } else { RowWritten::NotHeld });
    }
    let is_halted = is_halted || halt_if_too_many_failed(db, number)?;
    Ok(RowWritten::Done { is_halted })
}

/// Halts a run that is not halted once too many of its rows have failed. Returns whether it was halted.
fn halt_if_too_many_failed(db: &Connection, number: i64) -> Result<bool> {
    let halted = db
        .prepare_cached(
            "with failed (count) as (select count(*) from run_row where run = ?1 and state in (4, 5)) \
             update run set halted = failed.count || ' of ' || (select count(*) from run_row where run = ?1) || ' rows failed' \
             from failed where number = ?1 and max(failed.count - failures_before, 0) >= halt_after",
        )?
        .execute([number])?;
    Ok(halted > 0)
}

fn retry(db: &Connection, id: &str, indexes: &[u32]) -> Result<u32> {
    let Some((number, _)) = halted(db, id)? else { return Ok(0) };
    let mut plan = db.prepare_cached(
        "update run_row set state = 0, attempt = attempt + 1, worker = null, lease_until = 0 \
         where run = ?1 and place = ?2 and state in (4, 5)",
    )?;
    let mut retried = 0_usize;
    for index in indexes {
        retried = retried.saturating_add(plan.execute(params![number, index])?);
    }
    db.prepare_cached(
        "update run set failures_before = \
         min(failures_before, (select count(*) from run_row where run = ?1 and state in (4, 5))) where number = ?1",
    )?
    .execute([number])?;
    Ok(u32::try_from(retried).unwrap_or(u32::MAX))
}

/// Returns the number of a run, and whether it is halted.
fn halted(db: &Connection, id: &str) -> Result<Option<(i64, bool)>> {
    let mut statement = db.prepare_cached("select number, halted is not null from run where id = ?1")?;
    statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn state(number: u8) -> Result<RowState> {
    RowState::from_u8(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(2, i64::from(number)))
}

fn limit(at_most: usize) -> i64 {
    i64::try_from(at_most).unwrap_or(i64::MAX)
}
