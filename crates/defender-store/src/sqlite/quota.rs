//! The statements of the quota. Each function runs in a transaction that has the lock of the file, at a time that was taken under it.

use std::collections::BTreeSet;

use defender_transport::Permits;
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::gate::Gate;
use crate::quota::{Ask, Limit, Outcome, Report, permits};

/// A key as it is stored.
struct Key {
    id: i64,
    gate: Gate,
}

/// A limit of an ask, and a lower bound of its free slots.
struct Room {
    limit: Limit,
    free: i64,
    /// The slots were counted, or the limit is new.
    is_counted: bool,
}

/// Grants permits.
pub(super) fn reserve(db: &Connection, ask: &Ask, now: i64) -> Result<Permits> {
    let mut key = match find(db, &ask.key)? {
        Some(key) => key,
        None => create(db, &ask.key)?,
    };
    let known = known(db, key.id, &ask.permits, now)?;
    let wanted = ask.permits.len().saturating_sub(known.len());
    let (open, closed_for) = key.gate.room(now);
    let mut free = open.min(i64::try_from(wanted).unwrap_or(i64::MAX));
    let mut rooms = Vec::with_capacity(ask.limits.len());
    for limit in &ask.limits {
        let room = room(db, key.id, *limit, free, now)?;
        free = free.min(room.free.max(0));
        rooms.push(room);
    }
    // The longest row of first permits that are known or find room.
    let mut new = Vec::new();
    let mut granted = 0_usize;
    for permit in &ask.permits {
        if !known.contains(permit) && !new.contains(permit) {
            if i64::try_from(new.len()).is_ok_and(|new| new >= free) {
                break;
            }
            new.push(*permit);
        }
        granted = granted.saturating_add(1);
    }
    let lapse = now.saturating_add(ask.hold);
    for permit in &new {
        insert(db, key.id, *permit, lapse)?;
        key.gate.pass(*permit, lapse);
    }
    take(db, key.id, &mut rooms, i64::try_from(new.len()).unwrap_or(i64::MAX), now)?;
    if key.gate.closed_until.is_some() && !new.is_empty() {
        store_gate(db, &key)?;
    }
    let retry_after = if granted < ask.permits.len() {
        // The gate that this ask passed is closed for the rest.
        let (_, now_closed_for) = key.gate.room(now);
        let mut wait = closed_for.max(now_closed_for);
        for room in rooms.iter().filter(|room| room.free < 1) {
            wait = wait.max(next_free(db, key.id, room.limit, now)?);
        }
        Some(wait)
    } else {
        None
    };
    Ok(permits(granted, retry_after))
}

/// Records the ends of attempts.
pub(super) fn release(db: &Connection, report: &Report, now: i64) -> Result<()> {
    let is_refused = report.ended.iter().any(|ended| matches!(ended.outcome, Outcome::Refused(_)));
    let mut key = match find(db, &report.key)? {
        Some(key) => key,
        None if is_refused => create(db, &report.key)?,
        None => return Ok(()),
    };
    let before = key.gate;
    for ended in &report.ended {
        key.gate.end(ended, now);
        let permit = ended.permit.to_be_bytes();
        match ended.outcome {
            Outcome::NeverSent => db
                .prepare_cached("delete from quota_slot where key = ?1 and permit = ?2 and under_way and base > ?3")?
                .execute(params![key.id, permit, now])?,
            _ => db
                .prepare_cached(
                    "update quota_slot set base = min(base, ?4), under_way = 0 \
                     where key = ?1 and permit = ?2 and under_way and base > ?3",
                )?
                .execute(params![key.id, permit, now, now.saturating_sub(ended.ago)])?,
        };
    }
    if key.gate == before { Ok(()) } else { store_gate(db, &key) }
}

/// Deletes the slots that no limit counts, and returns their number.
pub(super) fn prune(db: &Connection, now: i64) -> Result<u64> {
    let deleted = db.execute(
        "delete from quota_slot where base <= ?1 - coalesce((select max(per) from quota_limit l where l.key = quota_slot.key), 0)",
        [now],
    )?;
    Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
}

fn find(db: &Connection, name: &str) -> Result<Option<Key>> {
    let mut statement =
        db.prepare_cached("select id, closed_until, probe, probe_until from quota_key where name = ?1")?;
    let key = statement.query_row([name], |row| {
        let probe: Option<[u8; 16]> = row.get(2)?;
        let gate = Gate { closed_until: row.get(1)?, probe: probe.map(u128::from_be_bytes), probe_until: row.get(3)? };
        Ok(Key { id: row.get(0)?, gate })
    });
    key.optional()
}

fn create(db: &Connection, name: &str) -> Result<Key> {
    db.prepare_cached("insert into quota_key (name) values (?1)")?.execute([name])?;
    Ok(Key { id: db.last_insert_rowid(), gate: Gate::default() })
}

fn store_gate(db: &Connection, key: &Key) -> Result<()> {
    let Gate { closed_until, probe, probe_until } = key.gate;
    db.prepare_cached("update quota_key set closed_until = ?2, probe = ?3, probe_until = ?4 where id = ?1")?
        .execute(params![key.id, closed_until, probe.map(u128::to_be_bytes), probe_until])?;
    Ok(())
}

/// Returns those of the permits that were granted and not released, and have not lapsed.
fn known(db: &Connection, key: i64, permits: &[u128], now: i64) -> Result<BTreeSet<u128>> {
    let mut statement =
        db.prepare_cached("select 1 from quota_slot where key = ?1 and permit = ?2 and under_way and base > ?3")?;
    let mut known = BTreeSet::new();
    for permit in permits {
        if statement.exists(params![key, permit.to_be_bytes(), now])? {
            known.insert(*permit);
        }
    }
    Ok(known)
}

/// Returns a lower bound of the free slots of a limit, which is exact if it is less than `wanted`.
fn room(db: &Connection, key: i64, limit: Limit, wanted: i64, now: i64) -> Result<Room> {
    let spare = db
        .prepare_cached("select spare from quota_limit where key = ?1 and calls = ?2 and per = ?3")?
        .query_row([key, limit.calls, limit.per], |row| row.get::<_, i64>(0))
        .optional()?;
    match spare {
        Some(free) if free >= wanted => Ok(Room { limit, free, is_counted: false }),
        _ => {
            let taken: i64 = db
                .prepare_cached(
                    "select count(*) from (select 1 from quota_slot where key = ?1 and base > ?2 limit ?3)",
                )?
                .query_row([key, now.saturating_sub(limit.per), limit.calls], |row| row.get(0))?;
            let free = limit.calls.saturating_sub(taken);
            if spare.is_none() {
                // A limit is stored even if nothing is granted: from now on slots are kept for it.
                db.prepare_cached("insert into quota_limit (key, calls, per, spare) values (?1, ?2, ?3, ?4)")?
                    .execute([key, limit.calls, limit.per, free])?;
            }
            Ok(Room { limit, free, is_counted: true })
        }
    }
}

/// Lowers the free slots of all limits by the new permits. Deletes old slots where slots were counted, so that a count stays short.
fn take(db: &Connection, key: i64, rooms: &mut [Room], new: i64, now: i64) -> Result<()> {
    if new == 0 {
        return Ok(());
    }
    db.prepare_cached("update quota_limit set spare = spare - ?2 where key = ?1")?.execute([key, new])?;
    for room in rooms.iter_mut() {
        room.free = room.free.saturating_sub(new);
        if room.is_counted {
            db.prepare_cached("update quota_limit set spare = ?4 where key = ?1 and calls = ?2 and per = ?3")?
                .execute([key, room.limit.calls, room.limit.per, room.free])?;
        }
    }
    if rooms.is_empty() || rooms.iter().any(|room| room.is_counted) {
        db.prepare_cached(
            "delete from quota_slot where key = ?1 \
             and base <= ?2 - coalesce((select max(per) from quota_limit where key = ?1), 0)",
        )?
        .execute([key, now])?;
    }
    Ok(())
}

/// Takes a slot until `lapse`.
fn insert(db: &Connection, key: i64, permit: u128, lapse: i64) -> Result<()> {
    let mut insert =
        db.prepare_cached("insert or ignore into quota_slot (key, permit, base, under_way) values (?1, ?2, ?3, 1)")?;
    let permit = permit.to_be_bytes();
    if insert.execute(params![key, permit, lapse])? == 0 {
        // The id had a permit that is over. Its slot is taken still, under another id.
        db.prepare_cached("update quota_slot set permit = randomblob(16) where key = ?1 and permit = ?2")?
            .execute(params![key, permit])?;
        insert.execute(params![key, permit, lapse])?;
    }
    Ok(())
}

/// Returns the time until a full limit has a free slot, if all attempts under way end now.
fn next_free(db: &Connection, key: i64, limit: Limit, now: i64) -> Result<i64> {
    let base = db
        .prepare_cached("select min(base, ?3) from quota_slot where key = ?1 order by base desc limit 1 offset ?2 - 1")?
        .query_row([key, limit.calls, now], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(base.map_or(0, |base| base.saturating_add(limit.per).saturating_sub(now).max(0)))
}
