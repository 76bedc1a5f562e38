//! Clauses of what an entry contains.

use std::time::Duration;

use defender_actions::{Entry, EntryKey, Holder, Intended, Intent, Origin, Settlement};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::bench::{Bench, read_intent, record, submitted};
use crate::conformance::verdict::{Stop, check};

/// Text with what a database, JSON or a language of queries may change.
const TEXT: &str = "Zoë 😀 \u{301}e\u{0} \\u0000 'q' \"d\" $1 ?1 %s \\ \n\r\t \u{feff} \u{2028} end ";

/// Checks that two values are equal, also as JSON.
fn same(one: &impl serde::Serialize, other: &impl serde::Serialize, what: &str) -> Result<(), Stop> {
    let text = |value: Result<String, serde_json::Error>| value.unwrap_or_else(|error| error.to_string());
    let (one, other) = (text(serde_json::to_string(one)), text(serde_json::to_string(other)));
    check(one == other, format!("{what} was written as {one}, and is {other}"))
}

pub(super) async fn entry_is_returned_as_written(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, holder) = (bench.key("first")?, Holder::generate());
    let mut intent = bench.intent(TEXT)?;
    intent.body = json!({
        "Comment": TEXT, "ExternalId": "e", "Commands": [{"type": "RunScript", "params": [{"key": "Args", "value": TEXT}]}],
        "numbers": [0.1, -0.0, 1e300, u64::MAX, i64::MIN, 1.000_000_000_000_000_2], "null": null, "": {}, "z": 1, "a": 2,
    });
    (intent.actor, intent.ticket) = (Some(TEXT.to_owned()), Some("INC-4711".to_owned()));
    check(bench.intend(0, &key, &intent, holder).await? == Intended::New, "a new key was not new")?;
    let action = record(json!({
        "id": "AbC", "type": "A type of tomorrow", "status": "Pending", "requestorComment": TEXT,
        "creationDateTimeUtc": "2026-11-29T06:00:00.1234567Z", "unknown": {"b": [0.1, TEXT], "a": null},
    }))?;
    let outcome = Settlement::Submitted { origin: Origin::Created, action: Box::new(action.clone()) };
    bench.done(0, &key, holder, &outcome).await?;
    bench.finish(0, &key, &action).await?;
    let found = |entry: Option<Entry>| entry.ok_or_else(|| Stop::Broken("the entry is missing".to_owned()));
    let existing = match bench.intend(1, &key, &intent, Holder::generate()).await? {
        Intended::Existing(entry) => *entry,
        other => return Err(Stop::Broken(format!("a key in use was {other:?}"))),
    };
    for entry in [found(bench.entry(0, &key).await?)?, found(bench.entry(1, &key).await?)?, existing] {
        check(entry.intent == intent, format!("an intent was written as {intent:?}, and is {:?}", entry.intent))?;
        same(&intent, &entry.intent, "an intent")?;
        same(&Some(&outcome), &entry.outcome, "an outcome")?;
        same(&Some(&action), &entry.last, "a last record")?;
    }
    for text in [Settlement::NotSent { error: TEXT.to_owned() }, Settlement::Unknown { error: TEXT.to_owned() }] {
        let (key, holder) = bench.open(if text.is_without_effect() { "not sent" } else { "unknown" }).await?;
        bench.done(0, &key, holder, &text).await?;
        bench.has(&key, Some(&text)).await?;
    }
    Ok(())
}

pub(super) async fn unicode_and_long_keys_differ(bench: &Bench<'_>) -> Result<(), Stop> {
    let prefix = bench.key("")?;
    let rest = EntryKey::MAX_LENGTH.saturating_sub(prefix.as_str().len());
    let (long, other) = ("x".repeat(rest), format!("{}y", "x".repeat(rest.saturating_sub(1))));
    let names = [
        "a",
        "A",
        "a ",
        " a",
        "é",
        "e\u{301}",
        "É",
        "ß",
        "ss",
        "ı",
        "i",
        "İ",
        "😀",
        "'",
        "''",
        "%",
        "_",
        "\\",
        "\\\\",
        "$1",
        "?1",
        "1",
        "01",
        "1.0",
        long.as_str(),
        other.as_str(),
    ];
    for name in names {
        bench.open(name).await?;
    }
    for name in names {
        let entry = bench.entry(1, &bench.key(name)?).await?;
        let comment = entry.as_ref().and_then(|entry| entry.intent.comment());
        check(comment == Some(name), format!("the entry of {name:?} is that of {comment:?}"))?;
    }
    Ok(())
}

pub(super) async fn unknown_key_has_no_entry(bench: &Bench<'_>) -> Result<(), Stop> {
    bench.open("first").await?;
    for name in ["none", "firs", "first2", "First"] {
        let entry = bench.entry(1, &bench.key(name)?).await?;
        check(entry.is_none(), format!("a key that was never written has {entry:?}"))?;
    }
    Ok(())
}

/// A library file or a script may be a part of the body.
pub(super) async fn large_intent_is_kept(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, mut intent) = (bench.key("first")?, bench.intent("large")?);
    let script: String = ('!'..='~').cycle().take(512 * 1_024).collect();
    if let Some(body) = intent.body.as_object_mut() {
        body.insert("Script".to_owned(), Value::String(script));
    }
    bench.intend(0, &key, &intent, Holder::generate()).await?;
    let entry = bench.entry(1, &key).await?;
    check(entry.is_some_and(|entry| entry.intent == intent), "an intent of 512 KiB is not what was written")
}

/// An intent that was made without a journal.
pub(super) async fn intent_without_scope_is_kept(bench: &Bench<'_>) -> Result<(), Stop> {
    let (key, mut intent) = (bench.key("first")?, bench.intent("first")?);
    (intent.api, intent.tenant_id) = (None, None);
    bench.intend_for(0, &key, &intent, Holder::generate(), Duration::ZERO).await?;
    bench.pass_lease(Duration::ZERO).await;
    bench.none_is_free(1, bench.long(), "it has no scope").await?;
    let entry = bench.entry(1, &key).await?;
    check(entry.is_some_and(|entry| entry.intent == intent), "an intent without a scope is not what was written")
}

/// An intent of an earlier version of the program.
pub(super) async fn older_intent_is_kept(bench: &Bench<'_>) -> Result<(), Stop> {
    let key = bench.key("first")?;
    let intent: Intent = read_intent(json!({
        "machine_id": "m1", "action_type": "Isolate", "body": {"Comment": "first"}, "earliest": "2026-01-01T00:00:00Z",
        "api": bench.scope.api, "tenant_id": bench.scope.tenant_id,
    }))?;
    bench.intend_for(0, &key, &intent, Holder::generate(), Duration::ZERO).await?;
    bench.pass_lease(Duration::ZERO).await;
    let taken = bench.take_over(1, Holder::generate(), 10).await?;
    let is_same = taken.first().is_some_and(|entry| entry.intent == intent);
    check(is_same, format!("an intent of version 1 was taken over as {taken:?}"))
}

pub(super) async fn thousand_entries_are_kept(bench: &Bench<'_>) -> Result<(), Stop> {
    const COUNT: usize = 1_000;

    let opened: Vec<_> = stream::iter(0..COUNT)
        .map(|index| async move {
            let name = index.to_string();
            let (key, holder, intent) = (bench.key(&name)?, Holder::generate(), bench.intent(&name)?);
            let lease = if index % 2 == 0 { Duration::ZERO } else { bench.long() };
            let intended = bench.intend_for(index, &key, &intent, holder, lease).await?;
            check(intended == Intended::New, format!("key {index} was {intended:?}"))?;
            if index % 4 != 0 {
                bench.done(index, &key, holder, &submitted(Origin::Created, &name)?).await?;
            }
            Ok::<_, Stop>(key)
        })
        .buffered(64)
        .try_collect()
        .await?;
    bench.pass_lease(Duration::ZERO).await;
    let taken = bench.take_over(1, Holder::generate(), COUNT).await?;
    check(taken.len() == COUNT / 4, format!("{} of 250 entries were taken over", taken.len()))?;
    for index in [0, 1, 249, 500, 751, COUNT - 1] {
        let Some(key) = opened.get(index) else { continue };
        let entry = bench.entry(0, key).await?;
        let comment = entry.as_ref().and_then(|entry| entry.intent.comment());
        check(comment == Some(&index.to_string()), format!("the entry of {index} is that of {comment:?}"))?;
        let is_open = entry.is_some_and(|entry| entry.outcome.is_none());
        check(is_open == (index % 4 == 0), format!("entry {index} is open: {is_open}"))?;
    }
    Ok(())
}
